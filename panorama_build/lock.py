"""One run at a time in a folder: a lock that the kernel takes back, however a run ends.

The file says who holds the lock: "pid 123 since 12:34:56: doit publish". Who leaves in order leaves it empty.
"""

from __future__ import annotations

import atexit
import fcntl
import os
import shlex
import sys
import time
from functools import cache
from pathlib import Path

from panorama_build.errors import PanoramaError
from panorama_build.interruption import is_at_work

_LONGEST = 4096


@cache
def hold(path: Path) -> bool:
    """Take the lock in the file ``path``, absolute, until this process ends; whether a killed run held it last.

    Waits for the run that has it, and says so in a line. Raises PanoramaError where the file can't be locked.
    """
    try:
        file = _locked(path)
        left = os.pread(file, _LONGEST, 0)
        os.ftruncate(file, 0)
        os.pwrite(file, _self().encode("utf-8", "backslashreplace")[:_LONGEST], 0)
    except OSError as error:
        hint = "make its folder writable, with room on its disk; one run at a time may work there"
        raise PanoramaError(f"can't be locked: {error.strerror}", where=str(path), hint=hint) from None
    atexit.register(_leave, file)
    return bool(left)


def _leave(file: int) -> None:
    if not is_at_work():
        os.ftruncate(file, 0)


def _locked(path: Path) -> int:
    """The lock's file, open and locked; it stays open."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(file, _LONGEST, 0).decode("utf-8", "replace")
            sys.stderr.write(f"waiting for another run here, {holder or 'which just began'}\n")
            fcntl.flock(file, fcntl.LOCK_EX)
        if _is(path, file):
            return file
        os.close(file)  # the folder was deleted meanwhile, and the lock with it


def _is(path: Path, file: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file))
    except FileNotFoundError:
        return False


def _self() -> str:
    """This run, in a line."""
    program, *arguments = sys.argv
    command = shlex.join([os.path.basename(program), *arguments]).replace("\n", " ")
    return f"pid {os.getpid()} since {time.strftime('%H:%M:%S')}: {command}"
