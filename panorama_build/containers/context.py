"""The build context, all that a Dockerfile can COPY: as sorted entries, as digests, and as the tar for the engine."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tarfile
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Literal, NoReturn

from panorama_build.containers.dockerignore import ROOT, Ignore, Verdict
from panorama_build.errors import PanoramaError

EPOCH = 1_767_225_600
"""2026-01-01T00:00:00Z, in seconds: the time of all that is in a context, and the latest in an asset.

Earlier times stay in an asset, since .pyc files compare them. It is one time for both, as BuildKit keeps the time of a
folder that it copies, where the classic builder takes the present.
"""

DOCKERFILE = ".panorama.Dockerfile"
"""The reserved name under which the Dockerfile travels: its own may be ignored, or lie outside of the context."""

Kind = Literal["file", "directory", "symlink"]

_AGAIN = "run again"
_BUFFER = 1 << 20
_TYPES: dict[Kind, bytes] = {"file": tarfile.REGTYPE, "directory": tarfile.DIRTYPE, "symlink": tarfile.SYMTYPE}
_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP})


@dataclass(frozen=True)
class Entry:
    """One member of a context.

    ``path`` is POSIX, relative to the context's root; bytes that are not UTF-8 are in it as surrogates (os.fsdecode).
    ``executable`` is a file's x bit for its owner, ``target`` where a symbolic link points.
    """

    path: str
    kind: Kind
    executable: bool = False
    target: str = ""


def entries(root: Path, ignore: Ignore, exclude: Collection[Path] = ()) -> list[Entry]:
    """The members of the context in ``root`` that ``ignore`` leaves, sorted by the bytes of their paths.

    Directories are members, before what is in them; an ignored one is there when something in it is not ignored.
    Symbolic links are never followed. ``exclude`` names directories (absolute) that are never part of a context.
    Raises PanoramaError for a directory that cannot be read, and for a socket, pipe or device that is not ignored.
    """
    base = os.path.realpath(root)
    excluded = frozenset(os.path.realpath(path) for path in exclude)
    found = _walk(base, "", ignore, ROOT, excluded)
    return sorted(found, key=lambda entry: os.fsencode(entry.path))


def digest_entries(
    root: Path,
    entries: Collection[Entry],
    digest_file: Callable[[Path], str],
    extra: Mapping[str, bytes] | None = None,
) -> dict[str, str]:
    """All that matters of a context: path -> "<sha256>", "<sha256> x" (executable), "directory" or "-> target".

    ``digest_file`` gives a file's sha256 in hex; ``extra`` are generated files, as in ``write``.
    """
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in sorted((extra or {}).items())}
    for entry in entries:
        digests[entry.path] = _summary(entry, digest_file(root / entry.path) if entry.kind == "file" else "")
    return digests


def write(
    root: Path, entries: Collection[Entry], out: BinaryIO, extra: Mapping[str, bytes] | None = None
) -> dict[str, str]:
    """Write the context as a tar to ``out`` and return what was sent, in the shape of ``digest_entries``.

    The same contents give the same bytes: times and owners are 0, modes 644 or 755, and each name of a hard link is a
    file of its own. ``extra`` (name -> contents) comes first. A file that grows meanwhile is cut at the size it had.
    Raises PanoramaError if a file vanished, shrank or cannot be read, or has a name that ``extra`` needs.
    """
    extra = extra or {}
    _refuse_reserved(entries, extra)
    digests = {}
    for name, content in sorted(extra.items()):
        out.write(_header(Entry(name, "file"), len(content)) + content + _padding(len(content)))
        digests[name] = hashlib.sha256(content).hexdigest()
    for entry in entries:
        digests[entry.path] = _summary(entry, _send(root, entry, out))
    out.write(bytes(2 * tarfile.BLOCKSIZE))
    return digests


def _walk(base: str, directory: str, ignore: Ignore, above: Verdict, excluded: Collection[str]) -> Iterator[Entry]:
    for item in _scan(base, directory):
        path = f"{directory}/{item.name}" if directory else item.name
        verdict = ignore.judge(path, above)
        if item.is_dir(follow_symlinks=False):
            if item.path not in excluded and not ignore.prunes(path, verdict):
                below = list(_walk(base, path, ignore, verdict, excluded))
                yield from [Entry(path, "directory")] if below or not verdict.ignored else []
                yield from below
        elif not verdict.ignored:
            yield _leaf(item, path)


def _scan(base: str, directory: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(os.path.join(base, directory)) as items:
            return list(items)
    except OSError as error:
        _cannot_read(directory or base, error)


def _leaf(item: os.DirEntry[str], path: str) -> Entry:
    try:
        if item.is_symlink():
            return Entry(path, "symlink", target=os.readlink(item.path))
        mode = item.stat(follow_symlinks=False).st_mode
    except OSError as error:
        _cannot_read(path, error)
    if not stat.S_ISREG(mode):
        raise PanoramaError("is neither a file nor a directory", where=_shown(path), hint="name it in .dockerignore")
    return Entry(path, "file", executable=bool(mode & stat.S_IXUSR))


def _summary(entry: Entry, digest: str) -> str:
    if entry.kind == "symlink":
        return f"-> {entry.target}"
    if entry.kind == "directory":
        return "directory"
    return f"{digest} x" if entry.executable else digest


def _refuse_reserved(entries: Collection[Entry], extra: Mapping[str, bytes]) -> None:
    for entry in entries:
        if entry.path in extra:
            raise PanoramaError(
                "this name is reserved for a generated file", where=_shown(entry.path), hint="rename it"
            )


def _send(root: Path, entry: Entry, out: BinaryIO) -> str:
    """Write one entry; returns the sha256 of what was written of a file, and "" for anything else."""
    if entry.kind != "file":
        out.write(_header(entry, 0))
        return ""
    try:
        file = open(root / entry.path, "rb", buffering=0, opener=_opener)  # noqa: SIM115 (only opening is guarded)
    except OSError as error:
        _cannot_read(entry.path, error)
    with file:
        return _send_file(file, entry, out)


def _opener(path: str, flags: int) -> int:
    # What became a link or a pipe since the walk must neither be followed nor waited for.
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)


def _send_file(file: FileIO, entry: Entry, out: BinaryIO) -> str:
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise PanoramaError("is no longer a file", where=_shown(entry.path), hint=_AGAIN)
    out.write(_header(entry, status.st_size))
    digest = hashlib.sha256()
    for piece in _pieces(file, status.st_size, entry.path):
        digest.update(piece)
        out.write(piece)
    out.write(_padding(status.st_size))
    return digest.hexdigest()


def _pieces(file: FileIO, size: int, path: str) -> Iterator[memoryview]:
    """The first ``size`` bytes of a file; each piece is valid until the next is asked for."""
    buffer = memoryview(bytearray(min(size, _BUFFER)))
    while size:
        try:
            count = file.readinto(buffer[: min(size, _BUFFER)])
        except OSError as error:
            _cannot_read(path, error)
        if not count:
            raise PanoramaError("was truncated while it was being read", where=_shown(path), hint=_AGAIN)
        yield buffer[:count]
        size -= count


def _header(entry: Entry, size: int) -> bytes:
    info = tarfile.TarInfo(entry.path)
    info.type = _TYPES[entry.kind]
    info.mode = 0o755 if entry.executable or entry.kind == "directory" else 0o644
    info.size, info.linkname, info.mtime = size, entry.target, EPOCH
    # GNU's format holds a name of any length and any bytes; pax would have to guess at a name that is not UTF-8.
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def _cannot_read(path: str, error: OSError) -> NoReturn:
    if error.errno in _GONE:
        raise PanoramaError("vanished while the context was being read", where=_shown(path), hint=_AGAIN) from error
    reason = f"cannot be read: {error.strerror}"
    raise PanoramaError(reason, where=_shown(path), hint="name it in .dockerignore or change its mode") from error


def _shown(path: str) -> str:
    # A message must be printable, whatever the bytes of a name.
    return os.fsencode(path).decode("utf-8", "backslashreplace")
