"""Files: their digests, and writes that are whole or not there."""

from __future__ import annotations

import hashlib
import mmap
import os
import platform
import secrets
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from panorama_build.errors import PanoramaError
from panorama_build.interruption import look

BUFFER = 1 << 20
STALE_SECONDS = 3600


def sha256_of(path: str | os.PathLike[str]) -> str:
    """The sha256 of a file's bytes, in hex. Raises OSError."""
    digest = hashlib.sha256()
    # A page-aligned buffer: the copy out of the page cache runs several times slower into any other.
    with open(path, "rb", buffering=0) as file, mmap.mmap(-1, BUFFER) as buffer, memoryview(buffer) as view:
        while count := file.readinto(buffer):
            with view[:count] as chunk:
                digest.update(chunk)
    return digest.hexdigest()


def digest_of(pieces: Iterable[bytes]) -> str:
    """The sha256 of all pieces, in hex."""
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


def read(path: Path, size: int = BUFFER, hint: str = "correct the path") -> Iterator[bytes]:
    """The bytes of a file, in pieces of ``size``. Raises PanoramaError, with ``hint``, where it can't be read."""
    try:
        with path.open("rb") as file:
            while piece := file.read(size):
                look()
                yield piece
    except OSError as error:
        raise PanoramaError(f"cannot be read: {error.strerror}", where=str(path), hint=hint) from error


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


def rewrite(path: Path, content: bytes) -> None:
    """Put ``content`` in the place of a person's file: whole or not at all, with its mode, and a link stays one.

    Raises OSError.
    """
    path = path.resolve()
    with scratch(path.parent) as temporary:
        temporary.write_bytes(content)
        shutil.copymode(path, temporary)
        os.replace(temporary, path)


@contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """A name in ``folder`` for a file in the making: gone at the end unless it was renamed. Raises OSError.

    The name tells whose it is, so that what a killed process left is removed by the next one that comes by.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _sweep_once(folder)
    path = folder / f".making-{owner()}-{secrets.token_hex(8)}"
    path.touch(exist_ok=False)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def sweep(folder: Path, *, below: bool = False) -> None:
    """Remove what killed processes left in ``folder``, and ``below`` it."""
    for path in (folder.rglob if below else folder.glob)(".making-*"):
        with suppress(OSError):  # another process sweeps too, or it is not this user's
            if is_abandoned(path.name.removeprefix(".making-"), path.stat().st_mtime):
                path.unlink()


@cache
def _sweep_once(folder: Path) -> None:
    sweep(folder)


def owner() -> str:
    """This process, told from any other on this machine and on others."""
    return f"{_here()}-{os.getpid()}"


def is_abandoned(name: str, touched: float) -> bool:
    """Whether nobody goes on with what begins with an owner's ``name`` and was last ``touched`` then (Unix time).

    Its process is gone; of one on another machine, nothing was heard for long.
    """
    place, process = [*name.split("-"), "", ""][:2]
    if place == _here() and process.isdigit():
        return not _lives(int(process))
    return touched < time.time() - STALE_SECONDS


@cache
def _here() -> str:
    """Where a process id tells who is meant: this machine, since its last start, in this container."""
    try:
        place = Path("/proc/sys/kernel/random/boot_id").read_text() + os.readlink("/proc/self/ns/pid")
    except OSError:
        place = platform.node()
    return hashlib.sha256(place.encode()).hexdigest()[:8]


def link(source: Path, target: Path) -> None:
    """Make ``target`` the file ``source``, without a second copy where the file system allows. Raises OSError."""
    if target.exists() and target.samefile(source):
        return
    with scratch(target.parent) as temporary:
        temporary.unlink()
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
        os.replace(temporary, target)


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
