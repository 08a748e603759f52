"""A container asset: reused, or built."""

from __future__ import annotations

from panorama_build.containers import engine
from panorama_build.containers.container import Container, look
from panorama_build.fingerprint import Fingerprint, reasons
from panorama_build.model import Asset, Build, Package
from panorama_build.project import Project
from panorama_build.steps.outcome import Outcome, Say, asset_line
from panorama_build.store import Artifact


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
        return Outcome("reused", asset_line(artifact))
    cause = _cause(project, task, fingerprint, forced)
    with project.store.making() as temporary:
        written, sent = engine.build(container, temporary, project.log(task), say)
        artifact = Artifact(written.sha256, written.size, written.tar_sha256)
        project.store.keep(temporary, artifact)
    project.store.record(task, container.fingerprint_of(sent), artifact)
    return Outcome("built", f"{asset_line(artifact)}; {cause}")


def _cause(project: Project, task: str, fingerprint: Fingerprint, forced: bool) -> str:
    """Why an asset is made, in a few words."""
    before = project.store.latest_inputs(task)
    if before is None:
        return "forced" if forced else "first build"
    why = reasons(before, fingerprint.inputs)
    if not why:
        return "forced" if forced else "the asset was missing or damaged"
    return why[0] if len(why) == 1 else f"{why[0]} and {len(why) - 1} more"
