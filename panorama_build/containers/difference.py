"""Two assets that should be the same, and the first entry in which they are not."""

from __future__ import annotations

import gzip
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import Any

from panorama_build.files import BUFFER

_KINDS = {
    tarfile.REGTYPE: "a file",
    tarfile.DIRTYPE: "a folder",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
}
_ATTRIBUTES = ("mode", "uid", "gid", "mtime", "linkname", "devmajor", "devminor", "pax_headers")


def first_difference(before: Path, after: Path) -> str | None:
    """What differs first between two assets, e.g. "var/log/dpkg.log: other bytes"; None where they hold the same.

    Reads both once, in order. Raises OSError or tarfile.TarError where one can't be read.
    """
    with _opened(before) as old, _opened(after) as new:
        for one, other in zip_longest(old, new):
            if one is None or other is None:
                return f"{(one or other).name}: {'no longer there' if one else 'new'}"
            if what := _difference(old, one, new, other):
                return f"{other.name}: {what}"
    return None


@contextmanager
def _opened(path: Path) -> Iterator[tarfile.TarFile]:
    # tarfile's own way to read gzip in a stream ends with the first member.
    with gzip.open(path) as plain, tarfile.open(fileobj=plain, mode="r|", errors="surrogateescape") as tar:
        yield tar


def _difference(old: tarfile.TarFile, one: tarfile.TarInfo, new: tarfile.TarFile, other: tarfile.TarInfo) -> str:
    if one.name != other.name:
        return f"where {one.name} was"
    if one.type != other.type:
        return f"{_kind(other)}, was {_kind(one)}"
    for name in _ATTRIBUTES:
        if getattr(one, name) != getattr(other, name):
            return f"{name} {_shown(name, other)}, was {_shown(name, one)}"
    return "" if not one.isreg() or _same_bytes(old, one, new, other) else "other bytes"


def _same_bytes(old: tarfile.TarFile, one: tarfile.TarInfo, new: tarfile.TarFile, other: tarfile.TarInfo) -> bool:
    if one.size != other.size:
        return False
    first, second = old.extractfile(one), new.extractfile(other)
    assert first and second
    while piece := first.read(BUFFER):
        if piece != second.read(BUFFER):
            return False
    return True


def _kind(entry: tarfile.TarInfo) -> str:
    return _KINDS.get(entry.type, f"of type {entry.type!r}")


def _shown(name: str, entry: tarfile.TarInfo) -> str:
    value: Any = getattr(entry, name)
    return f"{value:o}" if name == "mode" else str(value or "none")
