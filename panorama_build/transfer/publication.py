"""What a package still needs at a remote, and the work that brings it there.

    binaries/<sha256>.tar.gz | <sha256>.json          shared by all packages, named by their bytes
    manifests/<package>/<version>/<patch>.json        package.json, named by its bytes, put last

So a manifest that is there promises that everything it names is there too. A destination may have further words for
what is done before and after (``destination``), and other places for these keys.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from panorama_build.errors import PanoramaError
from panorama_build.transfer.destination import Destination, Entry, Say
from panorama_build.transfer.remote import told

MAX_PACKAGE_JSON = 1 << 20

# The intersection of what the published schemas and the service's API allowed.
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_VERSION = re.compile(r"(?=.{1,255}\Z)[0-9]+\.[0-9]+")
_ASSET_URI = re.compile(r"([0-9a-f]{64})\.tar\.gz")
_DESCRIPTOR_URI = re.compile(r"([0-9a-f]{64})\.json")

# What reading a JSON document that is not the one expected may raise.
_MISSHAPEN = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)


class RemoteError(PanoramaError):
    """A remote that does not say what it holds."""


@dataclass(frozen=True)
class File:
    """One file that a package needs at its remote."""

    key: str
    path: Path
    sha256: str
    size: int


@dataclass(frozen=True)
class Step(File):
    """Such a file, and whether it is there."""

    present: bool


@dataclass(frozen=True)
class Needs:
    """All files of a package version: binaries first, package.json last."""

    package: str
    version: str
    patch: str
    files: tuple[File, ...]


@dataclass(frozen=True)
class Plan:
    """The steps that publish a package version: binaries first, package.json last.

    ``changes`` are those that the destination needs besides files, in words; ``entry`` performs them.
    """

    remote: str
    package: str
    version: str
    patch: str
    steps: tuple[Step, ...]
    changes: tuple[str, ...] = ()
    entry: Entry | None = field(default=None, compare=False, repr=False)

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


def plan(package_json: Path, assets: Path, remote: Destination) -> Plan:
    """Compare a package with ``remote``; reads only.

    ``assets`` is the directory with the files that package.json names. Raises PanoramaError when package.json is not
    fit to be published, when files are missing (all are named), or when the remote cannot answer.
    """
    return compare(needs(package_json, assets), remote)


def needs(
    package_json: Path,
    assets: Path,
    foreseen: Mapping[Path, bytes | int] = MappingProxyType({}),
    store: Path | None = None,
) -> Needs:
    """What ``plan`` compares, without a request; ``foreseen`` are files as they will be, by their bytes or size.

    Assets themselves may lie in another directory than their descriptors, the ``store``.

    Raises PanoramaError when package.json is not fit to be published, or when files are missing (all are named).
    """
    document = foreseen.get(package_json)
    document = document if isinstance(document, bytes) else _read_package_json(package_json)
    package = _Package.parse(document, package_json)
    patch = hashlib.sha256(document).hexdigest()
    paths = {name: (store or assets if _ASSET_URI.fullmatch(name) else assets) / name for name in package.files}
    _require(package, paths, foreseen)
    key = f"manifests/{package.name}/{package.version}/{patch}.json"
    named = [(binary_key(name), paths[name], sha256) for name, sha256 in package.files.items()]
    files = (File(*each, _size(each[1], foreseen)) for each in [*named, (key, package_json, patch)])
    return Needs(package.name, package.version, patch, tuple(files))


def compare(needs: Needs, remote: Destination, receipt: Receipt | None = None) -> Plan:
    """Ask ``remote`` for the patch version and each of its files. Raises RemoteError when it cannot answer.

    ``receipt`` is of the package's last publishing there.
    """
    former = receipt.patch if receipt and receipt.version == needs.version else None
    try:
        entry = remote.entry(needs.package, needs.version, needs.patch, former)
        with ThreadPoolExecutor(8) as pool:
            present = pool.map(lambda file: entry.holds(file.key, file.sha256, file.size, file.path), needs.files)
            steps = tuple(Step(**vars(file), present=held) for file, held in zip(needs.files, present, strict=True))
    except PanoramaError as error:
        raise RemoteError(error.message, where=error.where, hint=error.hint) from error
    return Plan(remote.url, needs.package, needs.version, needs.patch, steps, entry.changes, entry)


def binary_key(name: str) -> str:
    """Where a remote has the file that package.json calls ``name``."""
    return f"binaries/{name}"


def publish(plan: Plan, remote: Destination, say: Say) -> Receipt:
    """Perform what is pending in ``plan``, in its order; ``say`` gets a line before each upload and change.

    Raises PanoramaError at the first step that fails: the steps behind it, package.json among them, are not begun.
    Safe beside other runs and threads that publish the same files; within a process each goes up once.
    """
    if plan.remote != remote.url:
        raise ValueError(f"a plan for {plan.remote}, performed at {remote.url}")
    entry = plan.entry or remote.entry(plan.package, plan.version, plan.patch)
    entry.open(say)
    # What is there already may be old, and of no manifest yet: a collector leaves it alone once it is refreshed.
    todo = [step for step in plan.steps if not (step.present and entry.refresh(step.key))]
    uploaded = tuple(step.key for step in todo if _perform(step, plan.remote, entry, say))
    entry.close(say)
    files = {step.key: step.size for step in plan.steps}
    return Receipt(plan.remote, plan.package, plan.version, plan.patch, uploaded, files)


def current(
    receipt: Path, package_json: Path, remote: Destination, foreseen: Mapping[Path, bytes | int] = MappingProxyType({})
) -> bool:
    """Whether the receipt in file ``receipt`` makes publishing needless; without a request, and without an error.

    True when it is of this remote and of these very bytes of package.json, whose name for each asset is the asset's
    digest; a directory remote must also still have all files in their sizes.
    """
    known, document = read_receipt(receipt), foreseen.get(package_json)
    try:
        patch = hashlib.sha256(document if isinstance(document, bytes) else package_json.read_bytes()).hexdigest()
    except OSError:
        return False
    return known is not None and (known.remote, known.patch) == (remote.url, patch) and remote.still_holds(known.files)


def read_receipt(path: Path) -> Receipt | None:
    """The receipt in a file; None where there is none, or none that can be read."""
    try:
        return Receipt.from_json(path.read_bytes())
    except (OSError, *_MISSHAPEN):
        return None


@dataclass(frozen=True)
class _Package:
    """What publishing needs of package.json: ``files`` are the names of its assets with their digests, in order."""

    name: str
    version: str
    files: Mapping[str, str]

    @classmethod
    def parse(cls, document: bytes, path: Path) -> _Package:
        """Read and check package.json: no name in it may lead a key astray.

        Where it has no name or version, its folder's name and 1.0 stand for them, as panorama-cli has it.
        """
        where = str(path)
        try:
            node = json.loads(document)["nodePackage"]
            name = _matched(_NAME, node.get("name", "-".join(path.parent.name.split("-")[1:-1])))
            version = _matched(_VERSION, node.get("version", "1.0"))
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
    with told(path), path.open("rb") as file:
        document = file.read(MAX_PACKAGE_JSON + 1)
    if len(document) > MAX_PACKAGE_JSON:
        message = f"larger than {MAX_PACKAGE_JSON:,} bytes, which no package.json is"
        raise PanoramaError(message, where=str(path), hint="generate it again")
    return document


def _require(package: _Package, paths: Mapping[str, Path], foreseen: Mapping[Path, bytes | int]) -> None:
    missing = [name for name, path in paths.items() if path not in foreseen and not path.is_file()]
    if missing:
        raise PanoramaError(
            f"{_count(missing)} of package {package.name} not built: {', '.join(missing)}",
            where=str(paths[missing[0]].parent),
            hint=f"doit run package:{package.name}",
        )


def _count(names: list[str]) -> str:
    return "1 file" if len(names) == 1 else f"{len(names)} files"


def _size(path: Path, foreseen: Mapping[Path, bytes | int]) -> int:
    known = foreseen.get(path)
    if known is not None:
        return known if isinstance(known, int) else len(known)
    with told(path):
        return path.stat().st_size


_turns: dict[tuple[str, str], threading.Lock] = {}


def _perform(step: Step, remote: str, entry: Entry, say: Say) -> bool:
    """Upload the file of ``step``, unless another thread or run did so since the plan was made."""
    with _turns.setdefault((remote, step.key), threading.Lock()):
        if entry.holds(step.key, step.sha256, step.size, step.path):
            return False
        say(f"upload {step.key} ({step.size:,} bytes)")
        return entry.put(step.key, step.path, step.sha256, step.size)
