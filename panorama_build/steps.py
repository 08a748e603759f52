"""What the tasks do: one function a kind of task, each telling what came of it."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from panorama_build import documents, engine, fetch, publication, remote
from panorama_build.address import Address
from panorama_build.container import Container, look
from panorama_build.documents import Uris, canonical
from panorama_build.errors import PanoramaError
from panorama_build.files import link, write_whole
from panorama_build.fingerprint import Fingerprint, reasons
from panorama_build.model import Asset, Build, Json, Package, Source
from panorama_build.project import Project
from panorama_build.store import Artifact

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What came of a task: a verb (built, reused, fetched, written, unchanged, published), and the rest of the line."""

    verb: str
    detail: str


NOTHING_TO_SAY = Outcome("", "")
"""Of a task that said everything itself."""


# -- containers


def container_of(project: Project, package: Package, build: Build) -> Container:
    """The container of a package, as its sources lie on disk now."""
    name = f"{project.application.name}.{package.key}"
    return look(project.root, name, build, project.application.platform, project.own_output())


def build_container(project: Project, task: str, package: Package, asset: Asset, forced: bool, say: Say) -> Outcome:
    """Make a container asset, unless one of the same inputs is in the store."""
    assert isinstance(asset.source, Build)
    container = container_of(project, package, asset.source)
    fingerprint = container.fingerprint(project.digests.of)
    artifact = None if forced else project.store.find(fingerprint)
    if artifact:
        project.store.record(task, fingerprint, artifact)
        return Outcome("reused", _asset_line(artifact))
    cause = _cause(project, task, fingerprint, forced)
    with project.store.making() as temporary:
        written, sent = engine.build(container, temporary, project.log(task), say)
        artifact = Artifact(written.sha256, written.size, written.tar_sha256)
        project.store.keep(temporary, artifact)
    project.store.record(task, container.fingerprint_of(sent), artifact)
    return Outcome("built", f"{_asset_line(artifact)}; {cause}")


def _cause(project: Project, task: str, fingerprint: Fingerprint, forced: bool) -> str:
    """Why an asset is made, in a few words."""
    before = project.store.latest_inputs(task)
    if before is None:
        return "forced" if forced else "first build"
    why = reasons(before, fingerprint.inputs)
    if not why:
        return "forced" if forced else "the asset was missing or damaged"
    return why[0] if len(why) == 1 else f"{why[0]} and {len(why) - 1} more"


# -- models


def fetch_model(project: Project, task: str, package: Package, asset: Asset, forced: bool) -> Outcome:
    """Bring a model's archive into the store, unless it is there."""
    assert isinstance(asset.source, Source)
    source = asset.source
    fingerprint = _model_fingerprint(project, source)
    artifact = None if forced else project.store.find(fingerprint) or _pinned(project, source)
    verb = "reused" if artifact else "fetched"
    if artifact is None:
        with project.store.making() as temporary:
            fetched = fetch.download(resolve(project, source), temporary)
            artifact = Artifact(fetched.sha256, fetched.size)
            _check_archive(temporary, source)
            _check_pin(project, package, asset, artifact)
            project.store.keep(temporary, artifact)
    _check_pin(project, package, asset, artifact)
    project.store.record(task, fingerprint, artifact)
    unpinned = "" if source.sha256 else f"; not pinned, `sha256: {artifact.sha256}` would"
    return Outcome(verb, _asset_line(artifact) + unpinned)


def resolve(project: Project, source: Source) -> Address:
    """A source's address, with a path made relative to the project."""
    path = local_path(project, source)
    return source.address if path is None else replace(source.address, url=str(path))


def local_path(project: Project, source: Source) -> Path | None:
    """Where a model's archive lies on this machine; None for one that is fetched from elsewhere."""
    url = source.address.url
    if url.startswith("file://"):
        return Path(unquote(urlsplit(url).path))
    return None if "://" in url else project.root / url


def _model_fingerprint(project: Project, source: Source) -> Fingerprint:
    """A local file's content; of anything farther its address, and its pin, as asking costs what fetching does."""
    address, path = source.address, local_path(project, source)
    if path is None:
        return Fingerprint({"source": address.url, "endpoint": address.endpoint or "", "sha256": source.sha256 or ""})
    try:
        return Fingerprint({address.url: project.digests.of(path)})
    except OSError as error:
        hint = "correct `source:` in panorama.yaml"
        raise PanoramaError(f"the model can't be read: {error.strerror}", where=str(path), hint=hint) from None


def _pinned(project: Project, source: Source) -> Artifact | None:
    """An asset that the store has under the pin itself."""
    if not source.sha256 or not project.store.holds(source.sha256):
        return None
    return Artifact(source.sha256, project.store.asset(source.sha256).stat().st_size)


def _check_archive(path: Path, source: Source) -> None:
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            hint = "Panorama takes a model as .tar.gz"
            raise PanoramaError("this is no gzip archive", where=source.address.url, hint=hint)


def _check_pin(project: Project, package: Package, asset: Asset, artifact: Artifact) -> None:
    assert isinstance(asset.source, Source)
    if asset.source.sha256 in (None, artifact.sha256):
        return
    where = project.places["packages", package.key, "models", asset.name, "sha256"]
    message = f"the pin is {asset.source.sha256}, but {asset.source.address.url} has sha256 {artifact.sha256}"
    raise PanoramaError(message, where=where, hint="correct the pin, or find out who changed the model")


# -- packages


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


# -- graphs


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


# -- publishing


def publish_package(project: Project, package: Package, forced: bool, say: Say) -> Outcome:
    """Put a package where the application is published; what is there already stays, and a receipt saves asking."""
    if not forced and is_published(project, package):
        return Outcome("unchanged", f"published before to {project.application.remote.url}")
    to = remote_of(project)
    plan = publication.plan(project.package_json(package), project.assets, to)
    receipt = publication.publish(plan, to, say)
    write_whole(project.receipt(package, to.url), receipt.to_json())
    count = len(receipt.uploaded)
    detail = f"{count} uploaded, {len(plan.steps) - count} there already; {to.url}"
    return Outcome("published" if count else "unchanged", detail)


def is_published(project: Project, package: Package) -> bool:
    """Whether the receipt of the last publishing makes another needless; asks no server."""
    to = remote_of(project)
    return publication.current(project.receipt(package, to.url), project.package_json(package), to)


def remote_of(project: Project) -> remote.Remote:
    """Where the application is published. Raises PanoramaError where nothing can be; asks no server."""
    try:
        return remote.open_remote(project.application.remote, project.root)
    except PanoramaError as error:
        said = f"{error.where or 'an empty remote'}: {error.message}"
        raise PanoramaError(said, where=project.places["remote",], hint=error.hint) from None


def _asset_line(artifact: Artifact) -> str:
    return f"{artifact.sha256[:12]}, {size(artifact.size)}"


def size(count: int) -> str:
    """A number of bytes for people, e.g. 12.3 MB."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if count >= 10**power:
            return f"{count / 10**power:.1f} {unit}"
    return f"{count} bytes"
