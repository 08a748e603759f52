"""The tasks that make files here: graphs, models, containers, packages, and the assets beside them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from doit.tools import config_changed

from panorama_build.address import public_url
from panorama_build.errors import PanoramaError
from panorama_build.model import Asset, Build, Package, Source
from panorama_build.project import Project
from panorama_build.steps.asset import asset_files, decide_assets, lay_assets
from panorama_build.steps.container import build_container, container_of, decide_container
from panorama_build.steps.decision import Decision, Files
from panorama_build.steps.graph import decide_graphs, graph_files, write_graphs
from panorama_build.steps.model import decide_model, fetch_model, local_path
from panorama_build.steps.package import check_paths, decide_package, declared, package_outputs, write_package
from panorama_build.tasks.task import Task, broken, is_forced, sayer, slice_of, task_of_step
from panorama_build.uptodate import Outputs


def graph(project: Project) -> Task:
    """The task that writes graphs and overrides."""
    files = graph_files(project)
    folders = [str(project.package_folder(package)) for package in project.application.packages]
    return task_of_step(
        lambda: write_graphs(project),
        lambda foreseen, unknown: decide_graphs(project),
        basename="graph",
        doc="Write graph.json and the overrides",
        targets=[str(path) for path in files],
        uptodate=[
            Outputs(project.notes, lambda: list(files)),
            slice_of(files={str(path): content.decode("ascii") for path, content in files.items()}, folders=folders),
        ],
    )


def models(project: Project) -> Iterator[Task]:
    """A task for each model that comes from somewhere."""
    for package, asset in project.application.assets():
        if isinstance(asset.source, Source):
            yield _model(project, package, asset, asset.source)


def _model(project: Project, package: Package, asset: Asset, source: Source) -> Task:
    task, forced = project.task_of(package, asset), is_forced()
    local = local_path(project, source)
    return task_of_step(
        lambda: fetch_model(project, task, package, asset, forced),
        lambda foreseen, unknown: decide_model(project, task, package, asset, forced),
        name=task.partition(":")[2],
        doc=f"Bring {public_url(source.address.url)} into the store",
        file_dep=[str(local)] if local else [],
        **_made(project, task, forced, slice_of(address=vars(source.address), sha256=source.sha256)),
    )


def containers(project: Project) -> Iterator[Task]:
    """A task for each container that is built."""
    for package, asset in project.application.assets():
        if isinstance(asset.source, Build):
            yield _container(project, package, asset, asset.source)


def _container(project: Project, package: Package, asset: Asset, build: Build) -> Task:
    task, forced = project.task_of(package, asset), is_forced()
    try:
        container = container_of(project, package, build)
    except PanoramaError as error:
        return broken(task, error, decided=True, targets=[str(project.store.artifact_file(task))])
    entries = [(entry.path, entry.kind, entry.executable, entry.target) for entry in container.entries]
    return task_of_step(
        lambda: build_container(project, task, package, asset, forced, sayer(task)),
        lambda foreseen, unknown: decide_container(project, task, package, asset, forced),
        name=package.key,
        doc=f"Build {asset.name} from {build.image or build.context}",
        file_dep=sorted({str(path) for path in container.files()}),
        **_made(project, task, forced, slice_of(values=container.fingerprint_of({}).inputs, entries=entries)),
    )


def _made(project: Project, task: str, forced: bool, inputs: config_changed) -> Task:
    """What the tasks that make assets have in common: an artifact, and the asset it names, where its bytes are here."""

    def outputs() -> list[Path]:
        artifact = project.store.artifact(task)
        asset = [project.store.asset(artifact.sha256)] if artifact else []
        return [project.store.artifact_file(task), *(path for path in asset if path.exists())]

    checks = [Outputs(project.notes, outputs), inputs, *([False] if forced else [])]
    return {"targets": [str(project.store.artifact_file(task))], "uptodate": checks}


def packages(project: Project) -> Iterator[Task]:
    """A task for each package."""
    for package in project.application.packages:
        yield _package(project, package)


def _package(project: Project, package: Package) -> Task:
    check_paths(project, package)
    made = _artifact_files(project, package)

    def decide(foreseen: Files, unknown: Collection[Path]) -> Decision:
        return Decision("written", ()) if made & set(unknown) else decide_package(project, package, foreseen)

    return task_of_step(
        lambda: write_package(project, package),
        decide,
        name=package.key,
        doc=f"Write package.json of {package.key}",
        file_dep=sorted(map(str, made)),
        targets=[str(project.package_json(package))],
        uptodate=[
            Outputs(project.notes, lambda: package_outputs(project, package)),
            slice_of(package=declared(package), folder=str(project.package_folder(package))),
        ],
    )


def layings(project: Project) -> Iterator[Task]:
    """A task for each package's assets."""
    for package in project.application.packages:
        if made := _artifact_files(project, package):
            yield _laying(project, package, made)


def _laying(project: Project, package: Package, made: set[Path]) -> Task:
    task = f"asset:{package.key}"

    def decide(foreseen: Files, unknown: Collection[Path]) -> Decision:
        return Decision("placed", ()) if made & set(unknown) else decide_assets(project, package, foreseen)

    return task_of_step(
        lambda: lay_assets(project, package, sayer(task)),
        decide,
        name=package.key,
        doc=f"Lay the assets of {package.key} beside its documents",
        file_dep=sorted(map(str, made)),
        task_dep=[f"package:{package.key}"],
        uptodate=[Outputs(project.notes, lambda: asset_files(project, package)), slice_of(folder=str(project.assets))],
    )


def _artifact_files(project: Project, package: Package) -> set[Path]:
    """The files that say what a package's assets are."""
    made = [asset for asset in package.assets if asset.source or asset.same_as]
    return {project.store.artifact_file(project.task_of(package, asset)) for asset in made}
