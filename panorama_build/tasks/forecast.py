"""The tasks that tell what the others would do: `plan`, with sizes, and `why`. Both change nothing.

They ask doit for each task's status as a run would, and the task for its decision as a run would; so no rule about
what runs stands here.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeAlias

from doit import Globals
from doit.exceptions import TaskFailed
from doit.task import dict_to_task
from doit.tools import config_changed

from panorama_build.project import Project
from panorama_build.tasks import plantext
from panorama_build.tasks.plan import Plan, Planned, Status, Work, closure

Task: TypeAlias = dict[str, Any]


def tasks(project: Project, known: list[Task]) -> Iterator[Task]:
    """`plan` and `why`, which tell of the ``known`` tasks."""
    yield _telling(project, known, "plan", "Tell what would run and be uploaded, with sizes", plantext.plan)
    yield _telling(project, known, "why", "Tell why a task would run, or what it is up to date with", plantext.why)


def _telling(
    project: Project, known: list[Task], name: str, doc: str, tell: Callable[[Project, list[Planned], bool], str]
) -> Task:
    def action(json: bool, tasks: list[str]) -> dict[str, str] | TaskFailed:
        works = [_work(task) for task in known if "decide" in task.get("meta", {})]
        asked = {work.name for work in works for pattern in tasks if _selects(pattern, work)}
        unknown = [pattern for pattern in tasks if not any(_selects(pattern, work) for work in works)]
        if unknown:
            return TaskFailed(f'there is no task "{unknown[0]}" to tell of (doit list --all)')
        atexit.unregister(project.digests.save)
        planned = list(Plan(project.notes.foresee).of(closure(works, asked) if tasks else works))
        if name == "why" and tasks:
            planned = [each for each in planned if each.task in asked]
        sys.stdout.write(tell(project, planned, json))
        return {"verb": ""}  # it said everything itself

    return {
        "basename": name,
        "doc": doc,
        "actions": [action],
        "io": {"capture": False},
        "params": [{"name": "json", "long": "json", "type": bool, "default": False, "help": "as JSON"}],
        "pos_arg": "tasks",
    }


def _selects(pattern: str, work: Work) -> bool:
    """Whether a task is meant: by its name, by that of its group, or by a pattern with `*`, as doit has it."""
    return fnmatchcase(work.name, pattern) or work.name.partition(":")[0] == pattern


def _name(task: Task) -> str:
    return f"{task['basename']}:{task['name']}" if task.get("name") else str(task["basename"])


def _work(task: Task) -> Work:
    return Work(
        _name(task),
        frozenset(task.get("file_dep", ())),
        tuple(task.get("targets", ())),
        task["meta"]["decide"],
        task["basename"] == "publish",
        lambda: _status(task),
    )


def _status(task: Task) -> Status:
    """What doit says of a task, asked as by a run."""
    named = {key: value for key, value in task.items() if key != "basename"} | {"name": _name(task)}
    found = Globals.dep_manager.get_status(dict_to_task(named), {}, get_log=True)
    if found.status == "error":
        return Status(False, error=found.get_error_message())
    return Status(found.status == "run", tuple(_reasons(_name(task), found.reasons)))


def _reasons(task: str, found: dict[str, Any]) -> Iterator[str]:
    """doit's reasons in words; a task's own decision knows better ones as a rule."""
    if not Globals.dep_manager.get_values(task):
        yield "no run of it is on record"
        return
    yield from (f"{_short(path)} missing" for path in found.get("missing_target", ()))
    for kind, verb in (("changed_file_dep", "changed"), ("added_file_dep", "is new"), ("removed_file_dep", "is gone")):
        yield from (f"{_short(path)} {verb}" for path in found.get(kind, ()))
    for check, _, _ in found.get("uptodate_false", ()):
        yield "panorama.yaml changed" if isinstance(check, config_changed) else "what it left has changed"


def _short(path: str) -> str:
    return Path(path).name
