"""An application as doit tasks.

    check   graph   model:*   container:*   package:*   asset:*    `doit` alone: everything, locally
    publish:*   deploy:*   status:*   remove:*                     asked for by name
    plan   why                                                     what would be done, with nothing done

doit decides whether to ask, by the content of files and outputs; a task that it starts asks the store first.
"""

from __future__ import annotations

import atexit
import hashlib
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias

from doit.exceptions import InvalidDodoFile

from panorama_build import interruption, lock
from panorama_build.errors import PanoramaError
from panorama_build.manifest import schema
from panorama_build.manifest.application import MANIFEST
from panorama_build.project import STATE, Project
from panorama_build.steps.leftovers import clear_away
from panorama_build.tasks import database, forecast
from panorama_build.tasks.build import containers, graph, layings, models, packages
from panorama_build.tasks.check import check
from panorama_build.tasks.commandline import lists, looks
from panorama_build.tasks.publish import VERIFY, publishings
from panorama_build.tasks.reporter import Reporter
from panorama_build.tasks.sites import deployments, removals, statuses
from panorama_build.tasks.task import Task, group
from panorama_build.uptodate import content_checker

Tasks: TypeAlias = Callable[[], Iterator[Task]]

LOCAL = ["check", "graph", "model", "container", "package", "asset"]


def load(root: str | Path = ".") -> tuple[dict[str, Any], Tasks]:
    """The doit configuration and the tasks of the project in ``root``: all that a dodo.py needs.

        from panorama_build import load
        DOIT_CONFIG, task_panorama = load()

    Raises doit's InvalidDodoFile, a line a mistake, where panorama.yaml is not right.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a build's log holds what not every terminal can show
    interruption.obey()
    if lists(sys.argv[1:]):
        interruption.end_with_reader()
    try:
        killed = _lock(Path(root))
        _keep_schema(Path(root))
        project = Project.load(Path(root))
        if killed:
            clear_away(project)
        known = list(tasks(project))
        known += forecast.tasks(project, known)
        configuration = _configuration(project, known)
    except PanoramaError as error:
        raise InvalidDodoFile(str(error)) from error
    except OSError as error:
        raise InvalidDodoFile(f"{error.filename}: can't be written: {error.strerror}") from None
    atexit.register(project.digests.save)
    return configuration, lambda: (dict(task) for task in known)


def _lock(root: Path) -> bool:
    """Have the folder to this run alone, if it may change something; whether the one before it was killed.

    It comes before anything is read: who waited finds what the run before has left, and what was edited meanwhile.
    """
    if lists(sys.argv[1:]) or looks(sys.argv[1:]) or not (root / MANIFEST).exists():
        return False
    return lock.hold((root / STATE / "lock").resolve())


def _keep_schema(root: Path) -> None:
    """Give editors their schema before anything is read: a manifest that is wrong is when it helps most."""
    if (root / MANIFEST).exists():
        with suppress(OSError):
            schema.keep(root)


def _database(project: Project) -> str:
    """doit's database, whose names are relative to the working directory: another one for each way to the project."""
    way = hashlib.sha256(os.fsencode(project.root)).hexdigest()[:8]
    path = project.state / ("doit.sqlite3" if project.root == Path() else f"doit-{way}.sqlite3")
    if looks(sys.argv[1:]):
        return database.for_looking(path)
    return database.for_reading(path) if lists(sys.argv[1:]) else database.for_run(path)


def _configuration(project: Project, known: list[Task]) -> dict[str, Any]:
    names = {task["basename"] for task in known}
    return {
        "default_tasks": [name for name in LOCAL if name in names],
        "backend": "sqlite3",
        "dep_file": _database(project),
        "check_file_uptodate": content_checker(project.notes),
        "reporter": Reporter,
        "par_type": "thread",
        "continue": True,
        "subtasks": True,
        "verbosity": 2,
    }


def tasks(project: Project) -> Iterator[Task]:
    """The tasks of a project, as doit's dictionaries."""
    yield check(project)
    yield graph(project)
    yield from group("model", "Bring each model into the store, checked against its pin", models(project))
    yield from group("container", "Build each container whose sources changed", containers(project))
    yield from group("package", "Write each package.json and its descriptors", packages(project))
    yield from group("asset", "Lay each package's assets beside its documents", layings(project))
    publish = "Publish each package: what is there already stays"
    yield from group("publish", publish, publishings(project), params=[VERIFY])
    yield from group("deploy", "Bring the application to each site, and wait until it runs there", deployments(project))
    yield from group("status", "Tell what runs at each site", statuses(project))
    yield from group("remove", "Remove the application from each site, with --yes", removals(project))
