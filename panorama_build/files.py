"""Files: their digests, and writes that are whole or not there."""

from __future__ import annotations

import hashlib
import mmap
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BUFFER = 1 << 20


def sha256_of(path: str | os.PathLike[str]) -> str:
    """The sha256 of a file's bytes, in hex. Raises OSError."""
    digest = hashlib.sha256()
    # A page-aligned buffer: the copy out of the page cache runs several times slower into any other.
    with open(path, "rb", buffering=0) as file, mmap.mmap(-1, BUFFER) as buffer, memoryview(buffer) as view:
        while count := file.readinto(buffer):
            with view[:count] as chunk:
                digest.update(chunk)
    return digest.hexdigest()


def write_whole(path: Path, content: bytes) -> bool:
    """Make ``path`` hold ``content``; whether that changed it.

    A reader sees the old bytes or the new, never a part. Raises OSError.
    """
    if _holds(path, content):
        return False
    with scratch(path.parent) as temporary:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    return True


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A name in ``folder`` for a file in the making: gone at the end unless it was renamed. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    sweep(folder)
    path = folder / f".making-{os.getpid()}-{secrets.token_hex(8)}"
    path.touch(exist_ok=False)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what killed processes left in ``folder``."""
    for path in folder.glob(".making-*-*"):
        owner = path.name.split("-")[1]
        if owner.isdigit() and not _lives(int(owner)):
            path.unlink(missing_ok=True)


def link(source: Path, target: Path) -> None:
    """Make ``target`` the file ``source``, without a second copy where the file system allows. Raises OSError."""
    if target.exists() and target.samefile(source):
        return
    with scratch(target.parent) as temporary:
        temporary.unlink()
        try:
            os.link(source, temporary)
        except OSError:
            _copy(source, temporary)
        os.replace(temporary, target)


def _copy(source: Path, target: Path) -> None:
    with open(source, "rb") as reader, open(target, "wb") as writer:
        while chunk := reader.read(BUFFER):
            writer.write(chunk)


def _holds(path: Path, content: bytes) -> bool:
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except FileNotFoundError:
        return False


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
