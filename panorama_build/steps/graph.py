"""Graphs and overrides."""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from panorama_build import documents
from panorama_build.documents import canonical
from panorama_build.errors import PanoramaError
from panorama_build.files import write_whole
from panorama_build.project import Project
from panorama_build.steps.outcome import Outcome


def graph_files(project: Project) -> dict[Path, bytes]:
    """Every graph and overrides document of the application with its bytes, and those that pass through."""
    application = project.application
    graphs = {graph.file: documents.graph_document(graph, application.account) for graph in application.graphs}
    overrides = {each.file: documents.override_document(each, application.account) for each in application.overrides}
    files = {**graphs, **overrides, **application.documents}
    return {inside(project.build, project.build / file): canonical(document) for file, document in files.items()}


def write_graphs(project: Project) -> Outcome:
    """Write the graphs and overrides, and clear away what the application no longer has."""
    files = graph_files(project)
    changed = [path for path, content in files.items() if write_whole(path, content)]
    for folder in (project.assets, project.build / "packages"):
        folder.mkdir(parents=True, exist_ok=True)
    removed = _remove_undeclared(project, files)
    nodes = sum(len(graph.nodes) for graph in project.application.graphs)
    detail = f"{nodes} nodes in {len(files)} files" if len(files) > 1 else f"{nodes} nodes"
    return Outcome("written" if changed or removed else "unchanged", "; ".join([detail, *removed]))


def inside(folder: Path, path: Path) -> Path:
    """``path``, which has to lie below ``folder``: no name in panorama.yaml leads out of what is generated.

    Raises PanoramaError.
    """
    if Path(os.path.normpath(path)).is_relative_to(os.path.normpath(folder)):
        return path
    raise PanoramaError(f"{path} lies outside of {folder}", hint="a path in panorama.yaml has to stay below it")


def _remove_undeclared(project: Project, files: Collection[Path]) -> list[str]:
    """panorama-cli takes any folder of packages/ and graphs/, so what is no longer declared has to go."""
    stale = [path for path in (project.build / "graphs").rglob("*") if path.is_file() and path not in files]
    for path in stale:
        path.unlink()
        with suppress(OSError):
            path.parent.rmdir()
    declared = {project.package_folder(package) for package in project.application.packages}
    declared |= {(project.build / file).parent for file in project.application.documents}
    folders = [folder for folder in (project.build / "packages").iterdir() if folder not in declared]
    for folder in folders:
        shutil.rmtree(folder)
    return [f"removed {path.relative_to(project.build)}, no longer declared" for path in (*folders, *stale)]
