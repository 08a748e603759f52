"""Generated documents: what differs between those that lie there and those that would be written, and why."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from panorama_build.files import write_whole
from panorama_build.model import Json
from panorama_build.project import Project

FIRST = "first build"


def outdated(project: Project, task: str, files: Mapping[Path, bytes]) -> dict[Path, str]:
    """The files that don't hold what they should, each with the reason; raises OSError."""
    written = project.store.latest_inputs(task)
    found = ((path, _why(project, path, content, written)) for path, content in files.items())
    return {path: reason for path, reason in found if reason}


def write(project: Project, task: str, files: Mapping[Path, bytes]) -> None:
    """Write the files, and remember what was written, to tell a later change from an edit by hand."""
    for path, content in files.items():
        write_whole(path, content)
    project.store.remember(task, {_name(project, path): _digest(content) for path, content in files.items()})


def _why(project: Project, path: Path, content: bytes, written: Mapping[str, str] | None) -> str:
    name = _name(project, path)
    try:
        present = path.read_bytes()
    except FileNotFoundError:
        if written is None:
            return FIRST
        return f"{name} missing" if name in written else f"{name} is new"
    if present == content:
        return ""
    if written and written.get(name) not in (None, _digest(present)):
        return f"{name} edited by hand"
    return f"{path.name}: {_first_difference(present, content)}"


def _name(project: Project, path: Path) -> str:
    return path.relative_to(project.build).as_posix()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _first_difference(old: bytes, new: bytes) -> str:
    try:
        return next(difference(json.loads(old), json.loads(new)), "changed in its form")
    except ValueError:
        return "was no JSON"


def difference(old: Json, new: Json) -> Iterator[str]:
    """What differs between two documents, e.g. "nodeGraph.nodes.threshold.value changed"; members of a list by name."""
    for path, verb in _differences(_members(old), _members(new)):
        yield f"{'.'.join(path)} {verb}" if path else verb


def _differences(old: Any, new: Any) -> Iterator[tuple[tuple[str, ...], str]]:
    if type(old) is not type(new) or not isinstance(old, dict):
        if old != new or type(old) is not type(new):
            yield (), "changed"
        return
    for key in [*old, *(key for key in new if key not in old)]:
        if key not in new:
            yield (key,), "removed"
        elif key not in old:
            yield (key,), "added"
        else:
            found = _differences(_members(old[key]), _members(new[key]))
            yield from (((key, *path), verb) for path, verb in found)


def _members(value: Any) -> Any:
    """A list as an object, by its members' names or their numbers."""
    if not isinstance(value, list):
        return value
    named = [each.get("name") if isinstance(each, dict) else None for each in value]
    unique = len({name for name in named if isinstance(name, str)}) == len(value)
    return {named[at] if unique else str(at): each for at, each in enumerate(value)}
