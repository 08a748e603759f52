"""Whether a model's archive can be one of its framework, by the names of its first members.

Nothing is extracted, and no more is read than the limits say, whatever the archive claims of itself.
"""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

LARGEST_READ = 4 << 20  # bytes of the file
LARGEST_TAR = 16 << 20  # bytes of what it unpacks to
MOST_MEMBERS = 1000
LONGEST_NAME = 4096

_BLOCK = 512
# Which files a framework's model has: one of each row.
_KINDS = {
    "PYTORCH": (("*.pth", "*.pt"),),
    "TENSORFLOW": (("*.pb", "*.h5", "*.tflite"),),
    "MXNET": (("*.params",), ("*-symbol.json",)),
}


class _EndError(Exception):
    """The archive, or what is looked at of it, ends here. ``whole`` tells that all of it was seen."""

    def __init__(self, whole: bool) -> None:
        super().__init__(whole)
        self.whole = whole


def misfit(path: Path, framework: str) -> tuple[str, str] | None:
    """What is wrong with the archive as a model of ``framework``, and what to do. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(LARGEST_READ)
    if head[:2] != b"\x1f\x8b":
        return "is no gzip archive", "Panorama takes a model as .tar.gz"
    names: list[str] = []
    try:
        for name in _names(gzip.GzipFile(fileobj=io.BytesIO(head))):
            names.append(name)
            if _fits(names, framework):
                return None
    except _EndError as end:
        return _judged(names, framework, end.whole)
    return None


def _judged(names: list[str], framework: str, whole: bool) -> tuple[str, str] | None:
    if not names:
        return ("holds no tar archive", "Panorama takes a model as .tar.gz") if whole else None
    if framework not in _KINDS or not (whole or any(_fits(names, other) for other in _KINDS)):
        return None
    lacking = next(row for row in _KINDS[framework] if not _any_fits(names, row))
    found = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"has no {' or '.join(lacking)}, which {framework} needs", f"it has {found}"


def _fits(names: list[str], framework: str) -> bool:
    return framework in _KINDS and all(_any_fits(names, row) for row in _KINDS[framework])


def _any_fits(names: list[str], patterns: tuple[str, ...]) -> bool:
    endings = tuple(pattern.removeprefix("*") for pattern in patterns)
    return any(name.endswith(endings) for name in names)


# -- a tar's headers (POSIX.1-2017, pax; GNU tar's manual, "Basic Tar Format")


def _names(archive: gzip.GzipFile) -> Iterator[str]:
    """The names of the files of a tar. Ends with _EndError."""
    left, long = LARGEST_TAR, b""
    for _ in range(MOST_MEMBERS):
        header = _taken(archive, _BLOCK, left)
        kind, size = header[156:157], _size(header)
        padded = size + -size % _BLOCK
        left -= _BLOCK + padded
        if kind in b"Lx" and size <= LONGEST_NAME:
            long = _long_name(_taken(archive, padded, left + padded)[:size], kind)
            continue
        if kind in b"\x000":
            yield _shown(long or header[:100])
        long = b"" if kind not in b"Lxg" else long
        _skip(archive, padded, left + padded)
    raise _EndError(whole=False)


def _size(header: bytes) -> int:
    """A member's size. A header that is none ends what can be read."""
    digits = header[124:136].strip(b" \0")
    if header == bytes(_BLOCK) or not re.fullmatch(b"[0-7]{1,11}", digits):
        raise _EndError(whole=not any(header) or header[257:262] != b"ustar")
    return int(digits, 8)


def _taken(archive: gzip.GzipFile, count: int, left: int) -> bytes:
    if count > left:
        raise _EndError(whole=False)
    try:
        piece = archive.read(count)
    except (EOFError, OSError, zlib.error):  # cut where the reading ends, or damaged
        raise _EndError(whole=False) from None
    if len(piece) < count:
        raise _EndError(whole=True)
    return piece


def _skip(archive: gzip.GzipFile, count: int, left: int) -> None:
    while count:
        piece = min(count, 1 << 20)
        _taken(archive, piece, left)
        count, left = count - piece, left - piece


def _long_name(payload: bytes, kind: bytes) -> bytes:
    """GNU's long name, or the path among pax records."""
    found = re.search(rb"(?:\A|\n)[0-9]{1,6} path=([^\n]*)\n", payload) if kind == b"x" else None
    return found[1] if found else b"" if kind == b"x" else payload


def _shown(name: bytes) -> str:
    text = name.partition(b"\0")[0].decode("utf-8", "backslashreplace")
    return "".join(character if character.isprintable() else "?" for character in text)
