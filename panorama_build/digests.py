"""The sha256 of files, read again only when a file may have changed."""

from __future__ import annotations

import hashlib
import marshal
import os
import threading
import time
from pathlib import Path

from panorama_build.files import sha256_of, write_whole

# A file system takes its times from a kernel clock that ticks every 1 to 10 ms: two changes within one tick look alike.
TICK = 20_000_000  # nanoseconds


class Digests:
    """Digests by path, kept in the file ``path`` for the next run; without it they are only slower.

    A digest holds while (mtime, ctime, size, inode) are as they were. ctime can't be set back by anyone, and a file
    that changed within a tick of being read is not trusted to show a further change.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known = _load(path)
        self._lock = threading.Lock()
        self._changed = False

    def of(self, path: str | os.PathLike[str]) -> str:
        """The sha256 of a file's bytes, in hex. Raises OSError."""
        name = os.fspath(path)
        stat = os.stat(name)
        key = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
        known = self._known.get(name)
        if known and known[0] == key:
            return known[1]
        before = time.time_ns()
        digest = sha256_of(name)
        if before - max(stat.st_ctime_ns, stat.st_mtime_ns) > TICK:
            with self._lock:
                self._known[name] = (key, digest)
                self._changed = True
        return digest

    def save(self) -> None:
        """Keep what is known for the next run."""
        if self._changed and self.path.parent.is_dir():
            with self._lock:
                content = marshal.dumps(self._known)
                content = hashlib.sha256(content).digest() + content
            try:
                write_whole(self.path, content)
            except OSError:
                return


def _load(path: Path) -> dict[str, tuple[tuple[int, int, int, int], str]]:
    try:
        content = path.read_bytes()
    except OSError:
        return {}
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        return {}
    known: dict[str, tuple[tuple[int, int, int, int], str]] = marshal.loads(content[32:])
    return known
