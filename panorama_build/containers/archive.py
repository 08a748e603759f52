"""The asset of a container: its root file system, normalised, gzipped and hashed in one pass.

gzip members in a row are one gzip file: RFC 1952, section 2.2.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import deflate

from panorama_build.containers.rootfs import normalised
from panorama_build.interruption import look

RECIPE = "1"
"""The version of the asset's making: another one means that the same root file system may give other bytes."""

_MEMBER = 1 << 20
_LEVEL = 1


@dataclass(frozen=True)
class Written:
    """What ``write_asset`` wrote.

    ``sha256`` and ``size`` (bytes) are those of the gzip file, ``tar_sha256`` is that of the tar in it. ``machines``
    counts the executable files by ELF e_machine (62 is x86-64, 183 is AArch64).
    """

    sha256: str
    size: int
    tar_sha256: str
    machines: Mapping[int, int]


def write_asset(stream: Iterable[bytes], path: Path, threads: int = 2) -> Written:
    """Write the engine's tar ``stream`` (chunks of any size) to ``path``, reproducible, gzipped and synced to disk.

    The bytes depend on the contents alone, neither on the chunks nor on ``threads``, which compress. Memory stays below
    some MiB, whatever the image's size. Left out: what the engine injects, the context's Dockerfile, the root itself.
    Raises PanoramaError if the stream ends early or is no tar, or has a hard link to what is left out. On these, and on
    what ``stream`` itself raises, the threads end, and the caller removes ``path``.
    """
    tar, asset, machines = hashlib.sha256(), hashlib.sha256(), Counter[int]()
    with path.open("wb") as file, ThreadPoolExecutor(threads) as pool:
        for member in _compressed(_blocks(normalised(stream, machines)), tar, pool, 2 * threads):
            asset.update(member)
            file.write(member)
        size = file.tell()
        file.flush()
        os.fsync(file.fileno())
    return Written(asset.hexdigest(), size, tar.hexdigest(), dict(sorted(machines.items())))


def _compressed(
    blocks: Iterable[bytes], digest: hashlib._Hash, pool: ThreadPoolExecutor, ahead: int
) -> Iterator[bytearray]:
    """Each block as a gzip member, in order, with at most ``ahead`` blocks under way."""
    # A member of its own for each block makes the bytes independent of the number of threads.
    waiting: deque[Future[bytearray]] = deque()
    for block in blocks:
        look()
        waiting.append(pool.submit(deflate.gzip_compress, block, _LEVEL))
        digest.update(block)
        if len(waiting) > ahead:
            yield waiting.popleft().result()
    for compressed in waiting:
        yield compressed.result()


def _blocks(pieces: Iterable[memoryview | bytes]) -> Iterator[bytes]:
    gathered: list[memoryview | bytes] = []
    room = _MEMBER
    for piece in pieces:
        rest = piece
        while len(rest) >= room:
            yield b"".join([*gathered, rest[:room]])
            rest, gathered, room = rest[room:], [], _MEMBER
        gathered.append(rest)
        room -= len(rest)
    yield b"".join(gathered)
