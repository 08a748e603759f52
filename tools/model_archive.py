"""Write SqueezeNet 1.0, untrained, as an archive whose bytes are the same on every machine.

    python tools/model_archive.py squeezenet1_0.tar.gz

It stands in for a trained model where examples and tests need one: the layers have their real names and shapes, the
weights are drawn from a hash of the layer's name. Nothing is compressed, since compressors differ between machines and
the archive's sha256 is pinned.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import math
import struct
import sys
import tarfile
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path

FIRES = {3: (96, 16, 64), 4: (128, 16, 64), 5: (128, 32, 128), 7: (256, 32, 128), 8: (256, 48, 192), 9: (384, 48, 192)}
FIRES |= {10: (384, 64, 256), 12: (512, 64, 256)}

Shape = tuple[int, ...]


def _layers() -> Iterator[tuple[str, Shape]]:
    """Each convolution with the shape of its weight: outputs, inputs, height, width."""
    yield "features.0", (96, 3, 7, 7)
    for index, (inputs, squeezed, expanded) in FIRES.items():
        yield f"features.{index}.squeeze", (squeezed, inputs, 1, 1)
        yield f"features.{index}.expand1x1", (expanded, squeezed, 1, 1)
        yield f"features.{index}.expand3x3", (expanded, squeezed, 3, 3)
    yield "classifier.1", (1000, 512, 1, 1)


def _weights(name: str, shape: Shape) -> bytes:
    """Float32 values of He's uniform distribution, as PyTorch starts this network with."""
    count = math.prod(shape)
    bound = math.sqrt(6 / math.prod(shape[1:]))
    drawn = struct.unpack(f"<{count}H", hashlib.shake_128(name.encode()).digest(2 * count))
    values = array("f", [bound * (number / 32767.5 - 1) for number in drawn])
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def _tensors() -> Iterator[tuple[str, Shape, bytes]]:
    for layer, shape in _layers():
        yield f"{layer}.weight", shape, _weights(f"{layer}.weight", shape)
        yield f"{layer}.bias", shape[:1], bytes(4 * shape[0])


def _safetensors() -> bytes:
    """A header that says where each tensor lies, padded to a multiple of 8, and the tensors."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    body = bytearray()
    for name, shape, content in _tensors():
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(body), len(body) + len(content)]}
        body += content
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + body


def _tar(name: str, content: bytes) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        tar.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def _gzip(content: bytes) -> bytes:
    """A gzip file of stored blocks."""
    blocks = [content[start : start + 0xFFFF] for start in range(0, len(content), 0xFFFF)]
    stored = b"".join(
        struct.pack("<BHH", number == len(blocks), len(block), len(block) ^ 0xFFFF) + block
        for number, block in enumerate(blocks, 1)
    )
    head = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
    return head + stored + struct.pack("<II", zlib.crc32(content), len(content))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("path", type=Path, help="the archive to write")
    path: Path = parser.parse_args(arguments).path
    path.write_bytes(_gzip(_tar("squeezenet1_0.safetensors", _safetensors())))
    return 0


if __name__ == "__main__":
    sys.exit(main())
