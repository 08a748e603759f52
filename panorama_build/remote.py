"""What a package still needs at a remote, and the work that brings it there.

A remote is a directory or S3; both hold the layout that the Panorama store had:

    binaries/<sha256>.tar.gz | <sha256>.json          shared by all packages, named by their bytes
    manifests/<package>/<version>/<patch>.json        package.json, named by its bytes, put last

So a manifest that is there promises that everything it names is there too.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote, urlencode, urlsplit

from panorama_build.address import Address, parse_s3_url, public_url
from panorama_build.aws import Bucket
from panorama_build.errors import PanoramaError
from panorama_build.fetch import read, save

MAX_PACKAGE_JSON = 1 << 20
STALE_SECONDS = 3600

# The intersection of what the published schemas and the service's API allowed.
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_VERSION = re.compile(r"(?=.{1,255}\Z)[0-9]+\.[0-9]+")
_ASSET_URI = re.compile(r"([0-9a-f]{64})\.tar\.gz")
_DESCRIPTOR_URI = re.compile(r"([0-9a-f]{64})\.json")

# What reading a JSON document that is not the one expected may raise.
_MISSHAPEN = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


class Remote(Protocol):
    """A place to publish to. Keys are relative to its prefix; all methods raise PanoramaError on any mishap."""

    @property
    def url(self) -> str:
        """What tells this remote from any other, for receipts. It holds no credentials."""

    def holds(self, key: str, sha256: str, size: int, path: Path) -> bool:
        """Whether ``key`` is there with this size and these bytes; ``path`` is the local file with the same."""

    def put(self, key: str, path: Path, sha256: str, size: int) -> bool:
        """Bring the file there, whole or not at all; False when it was there already.

        Other bytes under ``key`` are an error and stay as they are; so is a local file without this ``sha256``.
        """

    def still_holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether keys that were there once are there still, as far as can be seen without a request."""


@dataclass(frozen=True)
class Step:
    """One file that a package needs at its remote."""

    key: str
    path: Path
    sha256: str
    size: int
    present: bool


@dataclass(frozen=True)
class Plan:
    """The steps that publish a package version: binaries first, package.json last."""

    remote: str
    package: str
    version: str
    patch: str
    steps: tuple[Step, ...]

    @property
    def pending(self) -> tuple[Step, ...]:
        """The steps that are work."""
        return tuple(step for step in self.steps if not step.present)


@dataclass(frozen=True)
class Receipt:
    """What publishing a package version left: ``files`` are all keys with their sizes, ``uploaded`` the new ones."""

    remote: str
    package: str
    version: str
    patch: str
    uploaded: tuple[str, ...]
    files: Mapping[str, int]

    def to_json(self) -> bytes:
        """The receipt as a JSON document."""
        return (json.dumps(asdict(self), indent=2) + "\n").encode()

    @classmethod
    def from_json(cls, document: bytes) -> Receipt:
        """The receipt that ``to_json`` wrote; raises ValueError, KeyError or TypeError for anything else."""
        fields = json.loads(document)
        texts = {name: str(fields[name]) for name in ("remote", "package", "version", "patch")}
        files = {str(key): int(size) for key, size in dict(fields["files"]).items()}
        return cls(**texts, uploaded=tuple(map(str, fields["uploaded"])), files=files)


def open_remote(address: Address, project_root: Path) -> Remote:
    """The remote at ``address``: ``s3://bucket/prefix``, ``file://``, or a path relative to ``project_root``.

    Nothing is asked or created. Raises PanoramaError when ``address`` is none of these.
    """
    scheme = urlsplit(address.url).scheme if "://" in address.url else ""
    if scheme == "s3":
        return S3Remote(address)
    if scheme == "file":
        return DirectoryRemote(Path(unquote(urlsplit(address.url).path)))
    if scheme or not address.url:
        where = public_url(address.url) or None
        raise PanoramaError("nothing can be published there", where=where, hint="use a directory or s3://BUCKET/PREFIX")
    path = Path(address.url).expanduser()
    return DirectoryRemote(project_root / path, None if path.is_absolute() else path.as_posix())


def plan(package_json: Path, assets: Path, remote: Remote) -> Plan:
    """Compare a package with ``remote``; reads only.

    ``assets`` is the directory with the files that package.json names. Raises PanoramaError when package.json is not
    fit to be published, when files are missing (all are named), or when the remote cannot answer.
    """
    document = _read_package_json(package_json)
    package = _Package.parse(document, str(package_json))
    patch = hashlib.sha256(document).hexdigest()
    _require(package, assets)
    files = [(f"binaries/{name}", assets / name, sha256) for name, sha256 in package.files.items()]
    files.append((f"manifests/{package.name}/{package.version}/{patch}.json", package_json, patch))
    with ThreadPoolExecutor(8) as pool:
        steps = tuple(pool.map(partial(_step, remote), *zip(*files, strict=True)))
    return Plan(remote.url, package.name, package.version, patch, steps)


def publish(plan: Plan, remote: Remote, say: Callable[[str], None]) -> Receipt:
    """Perform what is pending in ``plan``, in its order; ``say`` gets a line before each upload.

    Raises PanoramaError at the first step that fails: the steps behind it, package.json among them, are not begun.
    Safe beside other runs and threads that publish the same files; within a process each goes up once.
    """
    if plan.remote != remote.url:
        raise ValueError(f"a plan for {plan.remote}, performed at {remote.url}")
    uploaded = tuple(step.key for step in plan.pending if _perform(step, remote, say))
    files = {step.key: step.size for step in plan.steps}
    return Receipt(plan.remote, plan.package, plan.version, plan.patch, uploaded, files)


def current(receipt: Path, package_json: Path, remote: Remote) -> bool:
    """Whether the receipt in file ``receipt`` makes publishing needless; without a request, and without an error.

    True when it is of this remote and of these very bytes of package.json, whose name for each asset is the asset's
    digest; a directory remote must also still have all files in their sizes.
    """
    try:
        known = Receipt.from_json(receipt.read_bytes())
        patch = hashlib.sha256(package_json.read_bytes()).hexdigest()
    except (OSError, *_MISSHAPEN):
        return False
    return (known.remote, known.patch) == (remote.url, patch) and remote.still_holds(known.files)


class DirectoryRemote:
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
        with _told(target):
            try:
                if target.stat().st_size != size:
                    return False
            except FileNotFoundError:
                return False
        return _sha256(read(target)) == sha256

    def put(self, key: str, path: Path, sha256: str, size: int) -> bool:
        """Copy the file beside its target, check the bytes of the copy, and rename it; False when it was there."""
        target = self.root / key
        with _told(target):
            if target.exists():
                self._verify_taken(key, sha256, size, path)
                return False
            target.parent.mkdir(parents=True, exist_ok=True)
            with _temporary(target) as temporary:
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

    def _verify_taken(self, key: str, sha256: str, size: int, path: Path) -> None:
        if not self.holds(key, sha256, size, path):
            message = "other bytes lie under this name, and nothing is ever overwritten"
            raise PanoramaError(message, where=str(self.root / key), hint="delete that file and publish again")


class S3Remote:
    """A prefix of an S3 bucket as remote."""

    def __init__(self, address: Address) -> None:
        self.bucket = Bucket(address)
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

    def _whole(self, key: str) -> str:
        return f"{self.prefix}/{key}" if self.prefix else key


@dataclass(frozen=True)
class _Package:
    """What publishing needs of package.json: ``files`` are the names of its assets with their digests, in order."""

    name: str
    version: str
    files: Mapping[str, str]

    @classmethod
    def parse(cls, document: bytes, where: str) -> _Package:
        """Read and check package.json: no name in it may lead a key astray."""
        try:
            node = json.loads(document)["nodePackage"]
            name, version = _matched(_NAME, node["name"]), _matched(_VERSION, node["version"])
            implementations = [each for asset in node.get("assets", []) for each in asset["implementations"]]
            files = dict(pair for each in implementations for pair in _files(each, where, name))
        except _MISSHAPEN as error:
            said = f"has no {error}" if isinstance(error, KeyError) else str(error)
            message = f"not a package.json that can be published: {said}"
            raise PanoramaError(message, where=where, hint="generate it again") from error
        return cls(name, version, files)


def _files(implementation: Mapping[str, Any], where: str, package: str) -> Iterator[tuple[str, str]]:
    """The files of an implementation with their digests; one of type ``system`` has none."""
    if implementation["type"] == "system":
        return
    uris = [(_ASSET_URI, implementation["assetUri"])]
    if "descriptorUri" in implementation:
        uris.append((_DESCRIPTOR_URI, implementation["descriptorUri"]))
    for pattern, uri in uris:
        match = pattern.fullmatch(uri)
        if not match:
            message = f'"{uri!s:.80}" is not the name of a built asset'
            raise PanoramaError(message, where=where, hint=f"doit run package:{package}")
        yield uri, match[1]


def _matched(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError(f"{text!r:.80} is not a name or version that Panorama allows")
    return text


def _read_package_json(path: Path) -> bytes:
    with _told(path), path.open("rb") as file:
        document = file.read(MAX_PACKAGE_JSON + 1)
    if len(document) > MAX_PACKAGE_JSON:
        message = f"larger than {MAX_PACKAGE_JSON:,} bytes, which no package.json is"
        raise PanoramaError(message, where=str(path), hint="generate it again")
    return document


def _require(package: _Package, assets: Path) -> None:
    missing = [name for name in package.files if not (assets / name).is_file()]
    if missing:
        raise PanoramaError(
            f"{_count(missing)} of package {package.name} not built: {', '.join(missing)}",
            where=str(assets),
            hint=f"doit run package:{package.name}",
        )


def _count(names: list[str]) -> str:
    return "1 file" if len(names) == 1 else f"{len(names)} files"


def _step(remote: Remote, key: str, path: Path, sha256: str) -> Step:
    with _told(path):
        size = path.stat().st_size
    return Step(key, path, sha256, size, remote.holds(key, sha256, size, path))


_turns: dict[tuple[str, str], threading.Lock] = {}


def _perform(step: Step, remote: Remote, say: Callable[[str], None]) -> bool:
    """Upload the file of ``step``, unless another thread or run did so since the plan was made."""
    with _turns.setdefault((remote.url, step.key), threading.Lock()):
        if remote.holds(step.key, step.sha256, step.size, step.path):
            return False
        say(f"upload {step.key} ({step.size:,} bytes)")
        return remote.put(step.key, step.path, step.sha256, step.size)


@contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """A new name beside ``target`` that is gone afterwards, together with those that killed runs left there."""
    _sweep(target.parent.glob(".*.part"))
    temporary = target.parent / f".{target.name}.{uuid.uuid4().hex}.part"
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _sweep(temporaries: Iterable[Path]) -> None:
    # A file that is being written has a young mtime, on whichever machine that happens.
    oldest = time.time() - STALE_SECONDS
    for path in temporaries:
        with suppress(OSError):
            if path.stat().st_mtime < oldest:
                path.unlink()


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


def _sha256(pieces: Iterator[bytes]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()


@contextmanager
def _told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = str(error.filename or path)
        raise PanoramaError(
            f"not accessible: {error.strerror}", where=where, hint="check the path, its permissions and its disk"
        ) from error
