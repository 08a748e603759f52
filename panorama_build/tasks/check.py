"""The task that checks."""

from __future__ import annotations

import sys
from fnmatch import fnmatch
from functools import cache
from typing import Any

from doit.exceptions import TaskFailed

from panorama_build.checks.finding import as_json, located
from panorama_build.checks.inspection import inspect
from panorama_build.errors import PanoramaError, count, in_order
from panorama_build.manifest.application import MANIFEST
from panorama_build.project import Project
from panorama_build.steps.decision import Decision
from panorama_build.steps.outcome import NOTHING_TO_SAY, Outcome
from panorama_build.tasks.task import Task, action_of, sayer


def check(project: Project) -> Task:
    """The task that checks."""

    @cache
    def warnings() -> list[PanoramaError]:
        return in_order([*project.odd, *located(inspect(project.root, project.application), project.places)])

    def step(as_data: bool) -> Outcome:
        if as_data:
            sys.stdout.write(f"{as_json([], warnings())}\n")
            return NOTHING_TO_SAY
        for warning in warnings():
            sayer("check")(f"warning: {warning}")
        counts = count(len(project.application.packages), "package"), count(len(warnings()), "warning")
        return Outcome("checked", ", ".join(counts))

    def action(json: bool) -> dict[str, str] | TaskFailed:
        return action_of(lambda: step(json))()

    def told_before(task: Any, values: dict[str, Any]) -> bool:
        """Whether nothing is new. Who asks for the check by name is told again what is odd."""
        told = [str(warning) for warning in warnings()]
        task.value_savers.append(lambda: {"warnings": told})
        asked = (task.options or {}).get("json") or (told and any(fnmatch("check", word) for word in sys.argv[1:]))
        return not asked and values.get("warnings") == told

    return {
        "basename": "check",
        "doc": "Check panorama.yaml, and what it says of files",
        "actions": [action],
        "io": {"capture": False},
        "meta": {"decide": lambda foreseen, unknown: Decision("checked", ())},
        "params": [{"name": "json", "long": "json", "type": bool, "default": False, "help": "as JSON"}],
        "file_dep": [str(project.root / MANIFEST)],
        "uptodate": [told_before],
    }
