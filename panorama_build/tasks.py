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
import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import doit
from doit.exceptions import InvalidDodoFile, TaskFailed
from doit.tools import config_changed

from panorama_build import database, forecast, interruption, lock
from panorama_build.checks.finding import as_json, located
from panorama_build.checks.inspection import inspect
from panorama_build.commandline import lists, looks
from panorama_build.errors import PanoramaError, count, in_order
from panorama_build.manifest import schema
from panorama_build.manifest.application import MANIFEST
from panorama_build.model import Asset, Build, Package, Site, Source
from panorama_build.output import tell
from panorama_build.project import STATE, Project
from panorama_build.reporter import Reporter
from panorama_build.steps.asset import asset_files, decide_assets, lay_assets
from panorama_build.steps.container import build_container, container_of, decide_container
from panorama_build.steps.decision import Decision, Files
from panorama_build.steps.deploy import deploy, remove, service_of, status
from panorama_build.steps.graph import decide_graphs, graph_files, write_graphs
from panorama_build.steps.leftovers import clear_away
from panorama_build.steps.model import decide_model, fetch_model, local_path
from panorama_build.steps.outcome import NOTHING_TO_SAY, Outcome
from panorama_build.steps.package import check_paths, decide_package, declared, package_outputs, write_package
from panorama_build.steps.publish import decide_publish, foresee_publish, is_published, publish_package
from panorama_build.uptodate import Outputs, content_checker

Task: TypeAlias = dict[str, Any]
Tasks: TypeAlias = Callable[[], Iterator[Task]]
Decide: TypeAlias = Callable[[Files, Mapping[Path, str]], Decision]

VERIFY = {
    "name": "verify",
    "long": "verify",
    "type": bool,
    "default": False,
    "help": "ask the remote, also where a receipt says what it holds",
}
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
    yield _check(project)
    yield _graph(project)
    yield from _group("model", "Bring each model into the store, checked against its pin", _models(project))
    yield from _group("container", "Build each container whose sources changed", _containers(project))
    yield from _group("package", "Write each package.json and its descriptors", _packages(project))
    yield from _group("asset", "Lay each package's assets beside its documents", _layings(project))
    publish = "Publish each package: what is there already stays"
    yield from _group("publish", publish, _publishings(project), params=[VERIFY])
    yield from _group(
        "deploy", "Bring the application to each site, and wait until it runs there", _deployments(project)
    )
    yield from _group("status", "Tell what runs at each site", _statuses(project))
    yield from _group("remove", "Remove the application from each site, with --yes", _removals(project))


def _group(name: str, doc: str, members: Iterator[Task], **rest: Any) -> Iterator[Task]:
    found = [{"basename": name, **member} for member in members]
    if found:
        yield {"basename": name, "name": None, "doc": doc, **rest}
        yield from found


def _task(step: Callable[[], Outcome | None], decide: Decide | None = None, **rest: Any) -> Task:
    meta = {"decide": decide} if decide else {}
    return {"actions": [_action(step)], "io": {"capture": False}, "meta": meta, **rest}


def _action(step: Callable[[], Outcome | None]) -> Callable[[], dict[str, str] | TaskFailed]:
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


def _sayer(task: str) -> Callable[[str], None]:
    """Writes whole lines, each with its task's name, so that tasks side by side stay legible."""

    def say(line: str) -> None:
        tell(sys.stdout, f"{task} | {line}\n")

    return say


def _slice(**values: Any) -> config_changed:
    """The part of the manifest that a task depends on."""
    return config_changed(hashlib.sha256(json.dumps(values, sort_keys=True).encode("ascii")).hexdigest())


def _forced() -> bool:
    """Whether `force=yes` stands on the command line: doit's own -a is answered by the store."""
    return str(doit.get_var("force", "no")).lower() in ("yes", "1", "true")


def _verifying() -> bool:
    """Whether `--verify` follows `publish` or one of its tasks: doit tells a group's parameters to the group alone."""
    return f"--{VERIFY['long']}" in sys.argv


# -- the tasks of each kind


def _check(project: Project) -> Task:
    @cache
    def warnings() -> list[PanoramaError]:
        return in_order([*project.odd, *located(inspect(project.root, project.application), project.places)])

    def step(as_data: bool) -> Outcome:
        if as_data:
            sys.stdout.write(f"{as_json([], warnings())}\n")
            return NOTHING_TO_SAY
        for warning in warnings():
            _sayer("check")(f"warning: {warning}")
        counts = count(len(project.application.packages), "package"), count(len(warnings()), "warning")
        return Outcome("checked", ", ".join(counts))

    def action(json: bool) -> dict[str, str] | TaskFailed:
        return _action(lambda: step(json))()

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


def _graph(project: Project) -> Task:
    files = graph_files(project)
    folders = [str(project.package_folder(package)) for package in project.application.packages]
    return _task(
        lambda: write_graphs(project),
        lambda foreseen, unknown: decide_graphs(project),
        basename="graph",
        doc="Write graph.json and the overrides",
        targets=[str(path) for path in files],
        uptodate=[
            Outputs(project.notes, lambda: list(files)),
            _slice(files={str(path): content.decode("ascii") for path, content in files.items()}, folders=folders),
        ],
    )


def _models(project: Project) -> Iterator[Task]:
    for package, asset in project.application.assets():
        if isinstance(asset.source, Source):
            yield _model(project, package, asset, asset.source)


def _model(project: Project, package: Package, asset: Asset, source: Source) -> Task:
    task, forced = project.task_of(package, asset), _forced()
    local = local_path(project, source)
    return _task(
        lambda: fetch_model(project, task, package, asset, forced),
        lambda foreseen, unknown: decide_model(project, task, package, asset, forced),
        name=task.partition(":")[2],
        doc=f"Bring {source.address.url} into the store",
        file_dep=[str(local)] if local and (local.exists() or not source.sha256) else [],
        **_made(project, task, forced, _slice(address=vars(source.address), sha256=source.sha256)),
    )


def _containers(project: Project) -> Iterator[Task]:
    for package, asset in project.application.assets():
        if isinstance(asset.source, Build):
            yield _container(project, package, asset, asset.source)


def _container(project: Project, package: Package, asset: Asset, build: Build) -> Task:
    task, forced = project.task_of(package, asset), _forced()
    try:
        container = container_of(project, package, build)
    except PanoramaError as error:
        return _broken(task, error, decided=True, targets=[str(project.store.artifact_file(task))])
    entries = [(entry.path, entry.kind, entry.executable, entry.target) for entry in container.entries]
    return _task(
        lambda: build_container(project, task, package, asset, forced, _sayer(task)),
        lambda foreseen, unknown: decide_container(project, task, package, asset, forced),
        name=package.key,
        doc=f"Build {asset.name} from {build.image or build.context}",
        file_dep=sorted({str(path) for path in container.files()}),
        **_made(project, task, forced, _slice(values=container.fingerprint_of({}).inputs, entries=entries)),
    )


def _broken(task: str, error: PanoramaError, decided: bool = False, **rest: Any) -> Task:
    """A task that can only fail: the others still run."""

    def step(*_: object) -> NoReturn:
        raise error

    return _task(step, step if decided else None, name=task.partition(":")[2], doc=str(error), **rest)


def _made(project: Project, task: str, forced: bool, inputs: config_changed) -> Task:
    """What the tasks that make assets have in common: an artifact, and the asset it names, where its bytes are here."""

    def outputs() -> list[Path]:
        artifact = project.store.artifact(task)
        asset = [project.store.asset(artifact.sha256)] if artifact else []
        return [project.store.artifact_file(task), *(path for path in asset if path.exists())]

    checks = [Outputs(project.notes, outputs), inputs, *([False] if forced else [])]
    return {"targets": [str(project.store.artifact_file(task))], "uptodate": checks}


def _packages(project: Project) -> Iterator[Task]:
    for package in project.application.packages:
        yield _package(project, package)


def _package(project: Project, package: Package) -> Task:
    check_paths(project, package)
    made = _artifact_files(project, package)

    def decide(foreseen: Files, unknown: Collection[Path]) -> Decision:
        return Decision("written", ()) if made & set(unknown) else decide_package(project, package, foreseen)

    return _task(
        lambda: write_package(project, package),
        decide,
        name=package.key,
        doc=f"Write package.json of {package.key}",
        file_dep=sorted(map(str, made)),
        targets=[str(project.package_json(package))],
        uptodate=[
            Outputs(project.notes, lambda: package_outputs(project, package)),
            _slice(package=declared(package), folder=str(project.package_folder(package))),
        ],
    )


def _layings(project: Project) -> Iterator[Task]:
    for package in project.application.packages:
        if made := _artifact_files(project, package):
            yield _laying(project, package, made)


def _laying(project: Project, package: Package, made: set[Path]) -> Task:
    task = f"asset:{package.key}"

    def decide(foreseen: Files, unknown: Collection[Path]) -> Decision:
        return Decision("placed", ()) if made & set(unknown) else decide_assets(project, package, foreseen)

    return _task(
        lambda: lay_assets(project, package, _sayer(task)),
        decide,
        name=package.key,
        doc=f"Lay the assets of {package.key} beside its documents",
        file_dep=sorted(map(str, made)),
        task_dep=[f"package:{package.key}"],
        uptodate=[Outputs(project.notes, lambda: asset_files(project, package)), _slice(folder=str(project.assets))],
    )


def _artifact_files(project: Project, package: Package) -> set[Path]:
    """The files that say what a package's assets are."""
    made = [asset for asset in package.assets if asset.source or asset.same_as]
    return {project.store.artifact_file(project.task_of(package, asset)) for asset in made}


def _publishings(project: Project) -> Iterator[Task]:
    for package in project.application.packages:
        yield _publishing(project, package)


def _publishing(project: Project, package: Package) -> Task:
    task, forced, verify = f"publish:{package.key}", _forced(), _verifying()

    def decide(foreseen: Files, unknown: Collection[Path]) -> Decision:
        if project.package_json(package) in unknown:
            return foresee_publish(project, package, foreseen, unknown)
        return decide_publish(project, package, forced, verify, foreseen)

    return _task(
        lambda: publish_package(project, package, forced, verify, _sayer(task)),
        decide,
        name=package.key,
        doc=f"Publish {package.key} to {project.application.remote.url}",
        file_dep=[str(project.package_json(package))],
        params=[VERIFY],
        uptodate=[lambda: is_published(project, package) and not (forced or verify)],
    )


def _deployments(project: Project) -> Iterator[Task]:
    for site in project.application.sites:
        yield _deployment(project, site)


def _deployment(project: Project, site: Site) -> Task:
    forced = _forced()
    try:
        service_of(project)
    except PanoramaError as error:
        return _broken(f"deploy:{site.key}", error)
    return _task(
        lambda: deploy(project, site, forced, _sayer(f"deploy:{site.key}")),
        name=site.key,
        doc=f"Deploy to {site.device}",
        task_dep=["graph", *(["publish"] if project.application.packages else [])],
    )


def _statuses(project: Project) -> Iterator[Task]:
    for site in project.application.sites:
        yield _status(project, site)


def _status(project: Project, site: Site) -> Task:
    say = _sayer(f"status:{site.key}")
    return _task(lambda: status(project, site, say), name=site.key, doc=f"Tell what runs on {site.device}")


def _removals(project: Project) -> Iterator[Task]:
    for site in project.application.sites:
        yield _removal(project, site)


def _removal(project: Project, site: Site) -> Task:
    def action(yes: bool) -> dict[str, str] | TaskFailed:
        return _action(lambda: remove(project, site, yes, _sayer(f"remove:{site.key}")))()

    return {
        "name": site.key,
        "doc": f"Remove {site.name} from {site.device}",
        "actions": [action],
        "io": {"capture": False},
        "params": [{"name": "yes", "long": "yes", "type": bool, "default": False, "help": "without it, nothing is"}],
    }
