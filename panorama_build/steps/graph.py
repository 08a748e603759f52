"""Graphs and overrides."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from panorama_build import documents
from panorama_build.documents import canonical
from panorama_build.errors import PanoramaError
from panorama_build.project import Project
from panorama_build.steps.decision import Decision
from panorama_build.steps.generated import outdated, write
from panorama_build.steps.outcome import Outcome

TASK = "graph"


def graph_files(project: Project) -> dict[Path, bytes]:
    """Every graph and overrides document of the application with its bytes, and those that pass through."""
    application = project.application
    graphs = {graph.file: documents.graph_document(graph, application.account) for graph in application.graphs}
    sent = [*application.overrides, *(site.override for site in application.sites if site.override)]
    overrides = {each.file: documents.override_document(each, application.account) for each in sent}
    files = {**graphs, **overrides, **application.documents}
    return {inside(project.build, project.build / file): canonical(document) for file, document in files.items()}


@dataclass(frozen=True)
class GraphDecision(Decision):
    """What becomes of the graphs: ``files`` with the bytes they should hold, ``stale`` what is no longer declared."""

    files: Mapping[Path, bytes]
    stale: tuple[Path, ...]


def decide_graphs(project: Project) -> GraphDecision:
    """Whether graphs and overrides are to be written; reads only."""
    files = graph_files(project)
    stale = tuple(_undeclared(project, files))
    why = (*dict.fromkeys(outdated(project, TASK, files).values()), *(_removed(project, path) for path in stale))
    return GraphDecision("written" if why else "unchanged", why, files, stale, leaves=files)


def write_graphs(project: Project) -> Outcome:
    """Write the graphs and overrides, and clear away what the application no longer has."""
    decision = decide_graphs(project)
    write(project, TASK, decision.files)
    for folder in (project.assets, project.build / "packages"):
        folder.mkdir(parents=True, exist_ok=True)
    for path in decision.stale:
        _remove(path)
    nodes = sum(len(graph.nodes) for graph in project.application.graphs)
    count = len(decision.files)
    detail = f"{nodes} nodes in {count} files" if count > 1 else f"{nodes} nodes"
    return Outcome(decision.verb, detail + decision.because)


def inside(folder: Path, path: Path) -> Path:
    """``path``, which has to lie below ``folder``: no name in panorama.yaml leads out of what is generated.

    Raises PanoramaError.
    """
    if Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder)) and "\0" not in str(path):
        return path
    raise PanoramaError(f"{path} lies outside of {folder}", hint="a path in panorama.yaml has to stay below it")


def _undeclared(project: Project, files: Collection[Path]) -> Iterator[Path]:
    """panorama-cli takes any folder of packages/ and graphs/, so what is no longer declared has to go."""
    declared = {project.package_folder(package) for package in project.application.packages}
    declared |= {(project.build / file).parent for file in project.application.documents}
    if (project.build / "packages").is_dir():
        yield from (folder for folder in (project.build / "packages").iterdir() if folder not in declared)
    yield from (path for path in (project.build / "graphs").rglob("*") if path.is_file() and path not in files)


def _removed(project: Project, path: Path) -> str:
    return f"removed {path.relative_to(project.build)}, no longer declared"


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
        return
    path.unlink()
    with suppress(OSError):
        path.parent.rmdir()
