"""gc: remove what nothing needs any more."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from doit.cmd_base import Command

from panorama_build import lock
from panorama_build.errors import PanoramaError, legible
from panorama_build.garbage import Garbage, of_folder, of_project, of_shared
from panorama_build.project import STATE, Project
from panorama_build.steps.outcome import size
from panorama_build.transfer.remote import DirectoryRemote

DAY = 24 * 3600


class Collect(Command):  # type: ignore[misc]
    """Removes what nothing needs any more."""

    name = "gc"
    doc_purpose = "remove what no present task, record or published package needs"
    doc_usage = "[--yes] [--older-than DAYS] [--json]"
    doc_description = """Lists it with sizes and ages, and asks; where nobody can be asked, it only lists.
It looks into .panorama and build, into the remote where that is a folder, and into the shared store. What is younger
than DAYS stays: 30, at a remote and in the shared store at least 1."""
    cmd_options = (
        {"name": "yes", "long": "yes", "short": "y", "type": bool, "default": False, "help": "remove without asking"},
        {"name": "days", "long": "older-than", "type": float, "default": 30.0, "help": "days [default: %(default)s]"},
        {"name": "json", "long": "json", "type": bool, "default": False, "help": "list as JSON"},
    )

    def execute(self, opt_values: Any, pos_args: list[str]) -> int:
        """List it, and remove it on a yes; 1 where something could not be looked at or removed."""
        days = opt_values["days"]
        if pos_args or not 0 <= days < 100_000:
            raise PanoramaError("gc takes no names, and a number of days", hint=f"{self.bin_name} help gc")
        if not Path("panorama.yaml").exists():
            Project.load(Path())  # says that there is none
        errors: list[PanoramaError] = []
        lock.hold((Path() / STATE / "lock").resolve())
        found = list(_found(Project.load(Path()), days * DAY, errors))
        sys.stdout.write(_as_json(found) if opt_values["json"] else _listed(found))
        if found and (opt_values["yes"] or (not opt_values["json"] and _agreed())):
            removed = list(_removed(found, errors))
            if not opt_values["json"]:
                print(f"removed {len(removed)} of {len(found)}, {size(sum(each.size for each in removed))}")
        sys.stderr.writelines(f"ERROR: {error}\n" for error in errors)
        return int(bool(errors))


def _found(project: Project, age: float, errors: list[PanoramaError]) -> Iterator[Garbage]:
    """All garbage. What can't be looked at is told, and hinders nothing else."""
    yield from of_project(project, age)
    if isinstance(project.remote, DirectoryRemote):
        yield from _told(of_folder(project.remote, max(age, DAY)), errors)
    if project.cache and not project.cache.read_only:
        yield from _told(of_shared(project.cache.remote, max(age, DAY)), errors)


def _told(found: Iterable[Garbage], errors: list[PanoramaError]) -> list[Garbage]:
    """All of it or nothing: half a look is no ground to remove anything on."""
    try:
        return list(found)
    except PanoramaError as error:
        errors.append(error)
        return []


def _removed(found: Iterable[Garbage], errors: list[PanoramaError]) -> Iterator[Garbage]:
    for each in found:
        try:
            if each.remove():
                yield each
        except (PanoramaError, OSError) as error:
            errors.append(error if isinstance(error, PanoramaError) else PanoramaError(str(error)))


def _agreed() -> bool:
    return sys.stdin.isatty() and input("remove all of it? [y/N] ").strip().lower() in ("y", "yes")


def _listed(found: list[Garbage]) -> str:
    lines = (f"{size(each.size):>12} {_age(each.age):>9}  {_where(each)}" for each in found)
    total = f"{len(found)} files, {size(sum(each.size for each in found))}" if found else "nothing to remove"
    return "".join(f"{line}\n" for line in chain(lines, [total]))


def _where(each: Garbage) -> str:
    return legible(each.name if each.place == "project" else f"{each.place}: {each.name}")


def _age(seconds: float) -> str:
    return f"{seconds / DAY:.0f} days" if seconds >= 2 * DAY else f"{seconds / 3600:.0f} h"


def _as_json(found: list[Garbage]) -> str:
    fields = [{"place": each.place, "name": each.name, "size": each.size, "age": round(each.age)} for each in found]
    return f"{json.dumps({'garbage': fields, 'bytes': sum(each.size for each in found)}, indent=1)}\n"
