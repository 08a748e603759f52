"""What all tasks have in common."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import doit
from doit.exceptions import TaskFailed
from doit.tools import config_changed

from panorama_build import interruption
from panorama_build.errors import PanoramaError
from panorama_build.output import tell
from panorama_build.steps.decision import Decision, Files
from panorama_build.steps.outcome import Outcome

Task: TypeAlias = dict[str, Any]
Decide: TypeAlias = Callable[[Files, Mapping[Path, str]], Decision]


def group(name: str, doc: str, members: Iterator[Task], **rest: Any) -> Iterator[Task]:
    """Tasks under one name, by which all of them can be asked for; none where there are no members."""
    found = [{"basename": name, **member} for member in members]
    if found:
        yield {"basename": name, "name": None, "doc": doc, **rest}
        yield from found


def task_of_step(step: Callable[[], Outcome | None], decide: Decide | None = None, **rest: Any) -> Task:
    """A task that takes a step; ``decide`` tells a plan what the step would do."""
    meta = {"decide": decide} if decide else {}
    return {"actions": [action_of(step)], "io": {"capture": False}, "meta": meta, **rest}


def action_of(step: Callable[[], Outcome | None]) -> Callable[[], dict[str, str] | TaskFailed]:
    """A step as doit's action: a mistake or mishap fails the task with its one sentence."""

    def action() -> dict[str, str] | TaskFailed:
        try:
            with interruption.work():
                outcome = step()
        except PanoramaError as error:
            return TaskFailed(str(error))
        except OSError as error:
            return TaskFailed(f"{error.filename}: {error.strerror}" if error.filename else str(error.strerror or error))
        return {"verb": outcome.verb, "detail": outcome.detail} if outcome else {}

    return action


def sayer(task: str) -> Callable[[str], None]:
    """Writes whole lines, each with its task's name, so that tasks side by side stay legible."""

    def say(line: str) -> None:
        tell(sys.stdout, f"{task} | {line}\n")

    return say


def slice_of(**values: Any) -> config_changed:
    """The part of the manifest that a task depends on."""
    return config_changed(hashlib.sha256(json.dumps(values, sort_keys=True).encode("ascii")).hexdigest())


def is_forced() -> bool:
    """Whether `force=yes` stands on the command line: doit's own -a is answered by the store."""
    return str(doit.get_var("force", "no")).lower() in ("yes", "1", "true")


def broken(task: str, error: PanoramaError, decided: bool = False, **rest: Any) -> Task:
    """A task that can only fail: the others still run."""

    def step(*_: object) -> NoReturn:
        raise error

    return task_of_step(step, step if decided else None, name=task.partition(":")[2], doc=str(error), **rest)
