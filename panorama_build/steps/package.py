"""package.json, descriptors and the assets beside them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from panorama_build import documents
from panorama_build.documents import Uris, canonical
from panorama_build.errors import PanoramaError
from panorama_build.files import link, write_whole
from panorama_build.model import Asset, Json, Package
from panorama_build.project import Project
from panorama_build.steps.graph import inside
from panorama_build.steps.outcome import Outcome
from panorama_build.store import Artifact


def write_package(project: Project, package: Package) -> Outcome:
    """Write package.json and descriptors, and lay the assets beside them."""
    files = dict(package_files(project, package))
    changed = [path for path, content in files.items() if write_whole(path, content)]
    for asset in package.assets:
        if asset.source or asset.same_as:
            sha256 = _artifact(project, package, asset).sha256
            link(project.store.asset(sha256), project.assets / f"{sha256}.tar.gz")
    patch = hashlib.sha256(files[project.package_json(package)]).hexdigest()
    version = f"{package.version or package.directory_version} patch {patch[:12]}"
    return Outcome("written" if changed else "unchanged", version)


def package_files(project: Project, package: Package) -> Iterator[tuple[Path, bytes]]:
    """Every generated file of a package with its bytes; package.json comes last."""
    folder, uris = project.package_folder(package), {}
    for asset in package.assets:
        content = canonical(documents.descriptor_document(asset.descriptor)) if asset.descriptor else None
        if content is not None and asset.descriptor:
            yield folder / asset.descriptor.file, content
            yield project.assets / _descriptor_uri(content), content
        if asset.source or asset.same_as:
            sha256 = _artifact(project, package, asset).sha256
            uris[asset.name] = Uris(f"{sha256}.tar.gz", _descriptor_uri(content) if content is not None else None)
    for descriptor in package.descriptors:
        yield folder / descriptor.file, canonical(documents.descriptor_document(descriptor))
    yield folder / "package.json", canonical(documents.package_document(package, uris))


def check_paths(project: Project, package: Package) -> None:
    """Raise PanoramaError where a package's folder or a descriptor's would lie outside of what is generated."""
    folder = inside(project.build / "packages", project.package_folder(package))
    for descriptor in (*(asset.descriptor for asset in package.assets if asset.descriptor), *package.descriptors):
        if inside(folder, folder / descriptor.file).name == "package.json":
            raise PanoramaError(f"a descriptor of {package.key} is called package.json", hint="call it otherwise")


def declared(package: Package) -> Json:
    """What the manifest alone says of a package: its documents, but for the names of built assets."""
    descriptors = [asset.descriptor for asset in package.assets if asset.descriptor]
    files = [(each.file, documents.descriptor_document(each)) for each in (*descriptors, *package.descriptors)]
    made = {asset.name: Uris("", None) for asset in package.assets if asset.source or asset.same_as}
    return [documents.package_document(package, made), files]


def package_outputs(project: Project, package: Package) -> list[Path]:
    """Every file that ``write_package`` left."""
    assets = [asset for asset in package.assets if asset.source or asset.same_as]
    links = [project.assets / f"{_artifact(project, package, asset).sha256}.tar.gz" for asset in assets]
    return [*(path for path, _ in package_files(project, package)), *links]


def _descriptor_uri(content: bytes) -> str:
    return f"{hashlib.sha256(content).hexdigest()}.json"


def _artifact(project: Project, package: Package, asset: Asset) -> Artifact:
    task = project.task_of(package, asset)
    artifact = project.store.artifact(task)
    if artifact is None:
        raise PanoramaError(f"asset {asset.name} was not made yet", hint=f"doit run {task}")
    return artifact
