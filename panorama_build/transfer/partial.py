"""The beginning of a file that is on its way, kept when a run is killed.

    <name>        the bytes so far
    <name>.json   which version they are of

One run at a time works at it; another that wants the same file meanwhile begins one of its own.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

ABANDONED_SECONDS = 7 * 24 * 3600
_LARGEST_NOTE = 1 << 16


@dataclass(frozen=True)
class Partial:
    """A file in the making, and the note beside it."""

    path: Path

    @property
    def note(self) -> Path:
        """The file that tells which version the bytes are of."""
        return self.path.with_name(f"{self.path.name}.json")

    def begun(self) -> tuple[int, str] | None:
        """How many bytes can be gone on with, and the tag of their version.

        The last byte is always asked for again, so that a file which is whole is seen to be current as well.
        """
        try:
            with self.note.open("rb") as file:
                note = json.loads(file.read(_LARGEST_NOTE))
            tag, size = str(note["tag"]), int(note["size"])
            count = min(self.path.stat().st_size, size - 1)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None
        return (count, tag) if count > 0 else None

    def remember(self, tag: str | None, size: int | None) -> None:
        """Note which version is being written, before its first byte is. Raises OSError."""
        if tag is None or size is None:
            self.forget()
        else:
            self.note.write_text(json.dumps({"tag": tag, "size": size}), "ascii")

    def forget(self) -> None:
        """Remove the note: there is nothing to go on with. Raises OSError."""
        self.note.unlink(missing_ok=True)


@contextmanager
def partial(folder: Path, name: str) -> Iterator[Partial]:
    """The partial file ``name`` in ``folder``, for this run alone.

    A file that is whole is given another name in the block. What is left of it afterwards stays for the next run if
    that can go on with it, and is removed if not. Raises OSError.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    _sweep(folder)
    with _claimed(folder / name) or (folder / f"{name}-{secrets.token_hex(8)}").open("xb") as file:
        own = Partial(Path(file.name))
        try:
            yield own
        finally:
            if _lies_at(own.path, file) and (own.path.name != name or own.begun() is None):
                own.forget()
                own.path.unlink()


def _claimed(path: Path) -> IO[bytes] | None:
    """The file at ``path``, created where it is missing, locked for this run; None where another run has it."""
    file = path.open("ab")
    with suppress(OSError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Between the two calls another run may have finished with it, and given it another name.
        if _lies_at(path, file):
            return file
    file.close()
    return None


def _lies_at(path: Path, file: IO[bytes]) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _sweep(folder: Path) -> None:
    oldest = time.time() - ABANDONED_SECONDS
    for path in folder.iterdir():
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()
