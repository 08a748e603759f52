"""The documents of a project as they are without building anything anew."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from panorama_build.documents import Uris, canonical, descriptor_document, package_document
from panorama_build.files import write_whole
from panorama_build.model import Asset, Package
from panorama_build.project import Project
from panorama_build.steps.graph import graph_files
from panorama_build.steps.package import check_paths

FOLDERS = ("assets", "graphs", "packages")  # without which panorama-cli takes nothing for an application root


def render(project: Project, out: Path) -> list[PurePosixPath]:
    """Write every document of a project below ``out``; give their paths there. Raises PanoramaError, OSError."""
    files = documents(project)
    for folder in FOLDERS:
        (out / folder).mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        write_whole(out / file, content)
    return sorted(files)


def documents(project: Project) -> dict[PurePosixPath, bytes]:
    """Every document with its path below the application root. Raises PanoramaError where one would lie elsewhere.

    An asset that was built has the URIs of what was built, any other those that panorama.yaml declares.
    """
    files = {path: content for package in project.application.packages for path, content in _package(project, package)}
    files.update(graph_files(project))
    return {PurePosixPath(path.relative_to(project.build)): content for path, content in files.items()}


def _package(project: Project, package: Package) -> Iterator[tuple[Path, bytes]]:
    check_paths(project, package)
    folder = project.package_folder(package)
    described = [asset.descriptor for asset in package.assets if asset.descriptor]
    for descriptor in (*described, *package.descriptors):
        yield folder / descriptor.file, canonical(descriptor_document(descriptor))
    uris = {asset.name: uri for asset in package.assets for uri in _built(project, package, asset)}
    yield project.package_json(package), canonical(package_document(package, uris))


def _built(project: Project, package: Package, asset: Asset) -> Iterator[Uris]:
    lender = project.application.package(asset.same_as[0]) if asset.same_as else None
    original = lender.asset(asset.same_as[1]) if lender and asset.same_as else asset
    artifact = project.store.artifact(project.task_of(package, asset)) if original and original.source else None
    if artifact:
        descriptor = canonical(descriptor_document(asset.descriptor)) if asset.descriptor else None
        uri = None if descriptor is None else f"{hashlib.sha256(descriptor).hexdigest()}.json"
        yield Uris(f"{artifact.sha256}.tar.gz", uri)
