"""doit's database, which holds what each task was when it last ran.

It only saves work: the store knows what was made, so without the database every task is but looked at again.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path

from panorama_build.errors import PanoramaError

NOWHERE = ":memory:"
ROOM = 1 << 20  # bytes, more than doit's database ever takes at once


def for_reading(path: Path) -> str:
    """What a command that changes nothing opens: the database if it is whole, else an empty one in memory."""
    try:
        return str(path) if path.exists() and not _is_damaged(path) else NOWHERE
    except sqlite3.OperationalError:
        return NOWHERE


def for_looking(path: Path) -> str:
    """What tasks open that change nothing, but which doit would remember: a copy, gone at this process's end."""
    source = for_reading(path)
    if source == NOWHERE:
        return NOWHERE
    file, copy = tempfile.mkstemp(".sqlite3")
    os.close(file)
    atexit.register(os.unlink, copy)
    with closing(sqlite3.connect(source)) as whole, closing(sqlite3.connect(copy)) as own:
        whole.backup(own)
    return copy


def for_run(path: Path) -> str:
    """What a run opens, that has the tree's lock: the database, removed where it is damaged.

    Raises PanoramaError where it can't be read or written.
    """
    disk = shutil.disk_usage(path.parent)
    if disk.total and disk.free < ROOM:
        raise PanoramaError("no space left on device", where=str(path.parent), hint="make room, and run again")
    try:
        damaged = _is_damaged(path)
    except sqlite3.OperationalError as error:
        raise _out_of_reach(path, str(error)) from None
    if damaged:
        path.unlink()
        sys.stderr.write(f"{path}: was damaged, and is removed: every task is looked at again\n")
    if not all(os.access(each, os.W_OK) for each in (path.parent, path) if each.exists()):
        raise _out_of_reach(path, "permission denied")
    return str(path)


def _is_damaged(path: Path) -> bool:
    """Whether there is a file which is no sound database. Raises sqlite3.OperationalError where none can tell."""
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(path)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",))
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        return True


def _out_of_reach(path: Path, reason: str) -> PanoramaError:
    hint = "delete it: every task is looked at again, and nothing else is lost"
    return PanoramaError(f"doit's database is out of reach: {reason}", where=str(path), hint=hint)
