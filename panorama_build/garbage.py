"""What nothing needs any more: in a project, in a folder that is published to, in a shared store.

Nothing younger than the age that is asked for is ever garbage. In a project, the lock of a run keeps others out; at a
remote, whoever relies on a file refreshes it first, so that what is old there is nobody's.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from panorama_build.errors import PanoramaError
from panorama_build.fingerprint import Fingerprint
from panorama_build.project import Project
from panorama_build.transfer.remote import DirectoryRemote, Kept, Remote

LARGEST_JSON = 16 << 20


@dataclass(frozen=True)
class Garbage:
    """Something that can go: its size in bytes, and its age in seconds. ``remove`` says whether it went."""

    place: str
    name: str
    size: int
    age: float
    remove: Callable[[], bool]


def of_project(project: Project, age: float) -> Iterator[Garbage]:
    """What the present application's tasks don't need, and nobody used for ``age`` seconds."""
    store, tasks = project.store.root, _tasks(project)
    records = _kept_records(project, tasks, age)
    assets = {sha256 for record in records.values() for sha256 in _assets(record)}
    assets |= {artifact.sha256 for task in tasks if (artifact := project.store.artifact(task))}
    named = {task.replace(":", "-") for task in tasks}
    packages = {package.key for package in project.application.packages}
    sites = {site.key for site in project.application.sites}
    needed = _named_in_build(project)
    yield from _old(project, store / "records", "*.json", age, lambda path: path in records)
    yield from _old(project, store / "assets", "*.tar.gz", age, lambda path: path.name.partition(".")[0] in assets)
    yield from _old(project, store / "artifacts", "*.json", age, lambda path: path.stem in named)
    yield from _old(project, store / "latest", "*.json", age, lambda path: path.stem in named)
    yield from _old(project, store / "partial", "*", age, lambda path: False)
    yield from _old(project, project.assets, "*", age, lambda path: path.name in needed)
    yield from _old(project, project.state / "logs", "*.log", age, lambda path: path.stem in named)
    yield from _old(project, project.state / "receipts", "*/*.json", age, lambda path: path.stem in packages)
    yield from _old(project, project.state / "receipts", "*/sites/*.json", age, lambda path: path.stem in sites)
    yield from _old(project, project.state, "doit-*.sqlite3", age, lambda path: False)


def of_folder(remote: DirectoryRemote, age: float) -> Iterator[Garbage]:
    """Binaries in a folder that no manifest of any package names, and what broken-off runs left. Manifests stay."""
    if remote.root.is_dir():
        needed = set(_named(remote))
        for kept in remote.entries("binaries"):
            if kept.key.rpartition("/")[2] not in needed:
                yield from _at(remote, kept, age)
        yield from (each for kept in remote.entries("manifests") if _half(kept) for each in _at(remote, kept, age))


def of_shared(remote: Remote, age: float) -> Iterator[Garbage]:
    """Records of a shared store that were put ``age`` seconds ago or earlier, and the assets that no other names."""
    needed = set[str]()
    for kept in remote.entries("records"):
        if kept.time < time.time() - age:
            yield from _at(remote, kept, age)
        else:
            needed |= set(_assets(_read(remote, kept.key)))
    for kept in remote.entries("assets"):
        if kept.key.rpartition("/")[2].partition(".")[0] not in needed:
            yield from _at(remote, kept, age)


def _tasks(project: Project) -> set[str]:
    made = {project.task_of(package, asset) for package, asset in project.application.assets() if asset.source}
    laid = (f"{kind}:{package.key}" for package in project.application.packages for kind in ("package", "asset"))
    return {"graph", *made, *laid}


def _kept_records(project: Project, tasks: Collection[str], age: float) -> dict[Path, Any]:
    """The records that the present tasks rest on, and those that are too young to go."""
    latest = (project.store.latest_inputs(task) for task in tasks)
    present = {project.store.record_file(Fingerprint(inputs)) for inputs in latest if inputs is not None}
    found = {}
    for path in (project.store.root / "records").glob("*.json"):
        with suppress(OSError):
            if path in present or path.stat().st_mtime >= time.time() - age:
                found[path] = _object(path.read_bytes())
    return found


def _assets(record: Any) -> Iterator[str]:
    """The assets that a record names: the present one, and the one before with which it can be compared."""
    for name in ("artifact", "former"):
        artifact = record.get(name) if isinstance(record, dict) else None
        if isinstance(artifact, dict):
            yield str(artifact.get("sha256"))


def _named_in_build(project: Project) -> set[str]:
    """The assets and descriptors that the documents in build/ name."""
    return {
        uri for path in (project.build / "packages").glob("*/package.json") for uri in _uris(_object(path.read_bytes()))
    }


def _named(remote: DirectoryRemote) -> Iterator[str]:
    """The binaries that the manifests at a remote name. Raises PanoramaError where one can't be read: all would go."""
    for kept in remote.entries("manifests"):
        if _half(kept):
            continue
        document = _read(remote, kept.key)
        if not isinstance(document, dict) or "nodePackage" not in document:
            where = str(remote.root / kept.key)
            raise PanoramaError("is no package.json, so nobody knows what it needs", where=where, hint="remove it")
        yield from _uris(document)


def _uris(document: Any) -> Iterator[str]:
    """Every value under a key that ends in Uri, wherever it stands: rather one too many."""
    if isinstance(document, dict):
        for key, value in document.items():
            if key.endswith("Uri") and isinstance(value, str):
                yield value
            yield from _uris(value)
    elif isinstance(document, list):
        for value in document:
            yield from _uris(value)


def _old(
    project: Project, folder: Path, pattern: str, age: float, is_needed: Callable[[Path], bool]
) -> Iterator[Garbage]:
    for path in sorted(folder.glob(pattern)):
        with suppress(OSError):
            stat = path.lstat()
            if path.is_file() and time.time() - stat.st_mtime >= age and not is_needed(path):
                name = path.relative_to(project.root).as_posix()
                yield Garbage("project", name, stat.st_size, time.time() - stat.st_mtime, partial(_gone, path))


def _gone(path: Path) -> bool:
    path.unlink(missing_ok=True)
    return True


def _at(remote: Remote, kept: Kept, age: float) -> Iterator[Garbage]:
    if kept.time < time.time() - age:
        yield Garbage(remote.url, kept.key, kept.size, time.time() - kept.time, partial(_collected, remote, kept, age))


def _collected(remote: Remote, kept: Kept, age: float) -> bool:
    """Take it away, unless somebody refreshed it since it was found."""
    return remote.collect(kept.key, time.time() - age)


def _half(kept: Kept) -> bool:
    """Whether this was being written when its run was broken off."""
    return kept.key.rpartition("/")[2].startswith(".")


def _read(remote: Remote, key: str) -> Any:
    content = b""
    for piece in remote.get(key) or ():
        content += piece
        if len(content) > LARGEST_JSON:
            return None
    return _object(content)


def _object(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None
