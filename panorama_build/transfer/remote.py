"""Where packages are published: a directory or S3, in the layout that the Panorama store had."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from errno import ENOENT
from itertools import chain
from pathlib import Path
from stat import S_ISREG
from typing import Protocol
from urllib.parse import unquote, urlencode, urlsplit

from panorama_build.address import PANORAMA, Address, parse_s3_url, public_url
from panorama_build.errors import PanoramaError
from panorama_build.files import digest_of, read, scratch
from panorama_build.transfer.account import Account
from panorama_build.transfer.aws import ABSENT, Bucket
from panorama_build.transfer.destination import Destination, Entry, Plain
from panorama_build.transfer.fetch import save
from panorama_build.transfer.refusals import code_of
from panorama_build.transfer.registration import Registry

FRESH_SECONDS = 12 * 3600
"""What is younger was used just now: whoever relies on it has as long as that until a collector may take it."""


@dataclass(frozen=True)
class Kept:
    """Something at a remote: its size in bytes, and when it was last put or refreshed, in seconds since 1970."""

    key: str
    size: int
    time: float


class Remote(Destination, Entry, Protocol):
    """A folder or a bucket: its own entry for every patch version, as what lies there is published.

    Keys are relative to its prefix; all methods raise PanoramaError on any mishap.
    """

    def size(self, key: str) -> int | None:
        """How many bytes ``key`` has, None when it is not there."""

    def get(self, key: str) -> Iterator[bytes] | None:
        """The bytes of ``key`` in pieces of 1 MiB at most, as they are there: nothing vouches for them.

        None when it is not there.
        """

    def remove(self, key: str) -> None:
        """Take ``key`` away, whether it is there or not."""

    def entries(self, under: str) -> Iterator[Kept]:
        """All that lies below the folder ``under``."""

    def collect(self, key: str, before: float) -> bool:
        """Take ``key`` away if it was last put or refreshed before that time; whether it was."""


def open_destination(address: Address, project_root: Path, account: Account) -> Destination:
    """The place to publish to at ``address``: as ``open_remote``, or with ``panorama`` the service's ``account``.

    Nothing is asked or created. Raises PanoramaError when ``address`` is none of these.
    """
    return Registry(address, account) if address.url == PANORAMA else open_remote(address, project_root)


def open_remote(address: Address, project_root: Path, patience: float | None = None) -> Remote:
    """The remote at ``address``: ``s3://bucket/prefix``, ``file://``, or a path relative to ``project_root``.

    ``patience`` is the longest silence of a server, in seconds, where it is not to be borne as long as elsewhere.
    Nothing is asked or created. Raises PanoramaError when ``address`` is none of these.
    """
    scheme = urlsplit(address.url).scheme if "://" in address.url else ""
    if scheme == "s3":
        return S3Remote(address, patience)
    if scheme == "file":
        return DirectoryRemote(Path(unquote(urlsplit(address.url).path)))
    if scheme or not address.url:
        where = public_url(address.url) or None
        raise PanoramaError("nothing can be published there", where=where, hint="use a directory or s3://BUCKET/PREFIX")
    path = Path(address.url).expanduser()
    return DirectoryRemote(project_root / path, None if path.is_absolute() else path.as_posix())


class DirectoryRemote(Plain):
    """A directory as remote: local, or mounted from anywhere.

    ``name`` is its identity, by default ``file://`` and the absolute path. A folder of the project goes by its relative
    path, so that a project which moves with it stays published.
    """

    def __init__(self, root: Path, name: str | None = None) -> None:
        self.root = Path(os.path.abspath(root))
        self.name = name

    @property
    def url(self) -> str:
        """What receipts call the directory."""
        return self.name or self.root.as_uri()

    def holds(self, key: str, sha256: str, size: int, path: Path) -> bool:
        """Whether the file is there with this size and these bytes, which are read."""
        target = self.root / key
        with told(target):
            try:
                if target.stat().st_size != size:
                    return False
            except FileNotFoundError:
                return False
        return digest_of(read(target)) == sha256

    def put(self, key: str, path: Path, sha256: str, size: int) -> bool:
        """Copy the file beside its target, check the bytes of the copy, and rename it; False when it was there."""
        target = self.root / key
        with told(target):
            if target.exists():
                self._verify_taken(key, sha256, size, path)
                return False
            with scratch(target.parent) as temporary:
                _copy(path, temporary, sha256)
                temporary.replace(target)
            _sync(target.parent)
        return True

    def still_holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether each file is there in its size."""
        try:
            return all((self.root / key).stat().st_size == size for key, size in sizes.items())
        except (OSError, ValueError):
            return False

    def size(self, key: str) -> int | None:
        """How many bytes the file has, None when there is none."""
        target = self.root / key
        with told(target):
            try:
                return target.stat().st_size
            except FileNotFoundError:
                return None

    def get(self, key: str) -> Iterator[bytes] | None:
        """The bytes of the file, None when there is none."""
        target = self.root / key
        return None if self.size(key) is None else read(target)

    def remove(self, key: str) -> None:
        """Remove the file."""
        target = self.root / key
        with told(target):
            target.unlink(missing_ok=True)

    def refresh(self, key: str) -> bool:
        """Set the file's time, unless it is young; a file of someone else's gives way to a copy of it."""
        target = self.root / key
        with told(target):
            try:
                with _locked(target, fcntl.LOCK_SH) as file:
                    if os.fstat(file).st_mtime < time.time() - FRESH_SECONDS:
                        _touch(target, file)
            except FileNotFoundError:
                return False
        return True

    def entries(self, under: str) -> Iterator[Kept]:
        """Every file below the folder, with those that someone left half-written."""
        with told(self.root / under):
            for path in sorted((self.root / under).rglob("*")):
                with suppress(FileNotFoundError):
                    stat = path.lstat()
                    if S_ISREG(stat.st_mode):
                        yield Kept(path.relative_to(self.root).as_posix(), stat.st_size, stat.st_mtime)

    def collect(self, key: str, before: float) -> bool:
        """Remove the file. Its lock stands between the look at its time and its end: nobody refreshes it there."""
        target = self.root / key
        with told(target):
            try:
                with _locked(target, fcntl.LOCK_EX) as file:
                    if os.fstat(file).st_mtime >= before:
                        return False
                    target.unlink()
            except FileNotFoundError:
                return False
        return True

    def _verify_taken(self, key: str, sha256: str, size: int, path: Path) -> None:
        if not self.holds(key, sha256, size, path):
            message = "other bytes lie under this name, and nothing is ever overwritten"
            raise PanoramaError(message, where=str(self.root / key), hint="delete that file and publish again")


class S3Remote(Plain):
    """A prefix of an S3 bucket as remote."""

    def __init__(self, address: Address, patience: float | None = None) -> None:
        self.bucket = Bucket(address, patience=patience)
        self.prefix = parse_s3_url(address.url).key.strip("/")

    @property
    def url(self) -> str:
        """Bucket and prefix, with the endpoint and profile in force: under others, another bucket has the same name."""
        address = self.bucket.address
        endpoint = address.endpoint_used()
        used = {"endpoint": endpoint and public_url(endpoint), "profile": address.profile_used()}
        query = urlencode({name: value for name, value in used.items() if value}, safe=":/")
        return f"s3://{self.bucket.name}/{self.prefix}" + (f"?{query}" if query else "")

    def holds(self, key: str, sha256: str, size: int, path: Path) -> bool:
        """Whether the object is there with this size and this checksum."""
        return self.bucket.holds(self._whole(key), sha256, size, path)

    def put(self, key: str, path: Path, sha256: str, size: int) -> bool:
        """Upload the file; False when the object was there."""
        return self.bucket.put_file(self._whole(key), path, sha256, size)

    def still_holds(self, sizes: Mapping[str, int]) -> bool:
        """True: S3 cannot be asked without a request, and nothing but a person's deletion takes an object away."""
        return True

    def size(self, key: str) -> int | None:
        """How many bytes the object has, None when there is none."""
        head = self.bucket.head(self._whole(key))
        return head.size if head else None

    def get(self, key: str) -> Iterator[bytes] | None:
        """The bytes of the object, None when there is none."""
        pieces = self.bucket.get(self._whole(key))
        try:
            first = next(pieces, b"")
        except PanoramaError as error:
            if code_of(error) in ABSENT:
                return None
            raise
        return chain([first], pieces)

    def remove(self, key: str) -> None:
        """Remove the object."""
        self.bucket.remove(self._whole(key))

    def refresh(self, key: str) -> bool:
        """True: an object has no other time than that of its upload, and nobody collects what is published in S3."""
        return True

    def entries(self, under: str) -> Iterator[Kept]:
        """Every object below the folder."""
        start = len(self._whole(""))
        for key, size, when in self.bucket.list(f"{self._whole(under)}/"):
            yield Kept(key[start:], size, when)

    def collect(self, key: str, before: float) -> bool:
        """Remove the object, if it is as old as that a moment before."""
        now = [kept for kept in self.entries(key.rpartition("/")[0]) if kept.key == key and kept.time < before]
        for kept in now:
            self.remove(kept.key)
        return bool(now)

    def _whole(self, key: str) -> str:
        return f"{self.prefix}/{key}" if self.prefix else key


def _copy(path: Path, temporary: Path, sha256: str) -> None:
    copied = save(read(path), temporary)
    if copied.sha256 != sha256:
        message = f"sha256 is {copied.sha256}, not the {sha256} that its name or its plan promises"
        raise PanoramaError(message, where=str(path), hint="it is damaged or was changed: delete it and build again")
    _sync(temporary)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(path: Path, kind: int) -> Iterator[int]:
    """The file at ``path``, locked. Raises FileNotFoundError where it is gone by then, and OSError."""
    file = os.open(path, os.O_RDWR if os.access(path, os.W_OK) else os.O_RDONLY)
    try:
        fcntl.flock(file, kind)
        if not os.path.samestat(os.fstat(file), os.stat(path)):
            raise FileNotFoundError(ENOENT, os.strerror(ENOENT), str(path))
        yield file
    finally:
        os.close(file)


def _touch(path: Path, file: int) -> None:
    try:
        os.utime(file)
    except PermissionError:
        with scratch(path.parent) as temporary:
            shutil.copyfile(path, temporary)
            temporary.replace(path)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Raise what goes wrong with a file as a PanoramaError."""
    try:
        yield
    except OSError as error:
        where = str(error.filename or path)
        raise PanoramaError(
            f"not accessible: {error.strerror}", where=where, hint="check the path, its permissions and its disk"
        ) from error
