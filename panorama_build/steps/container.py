"""A container asset: reused, or built."""

from __future__ import annotations

from dataclasses import dataclass

from panorama_build.containers import engine
from panorama_build.containers.container import Container, look
from panorama_build.containers.difference import first_difference
from panorama_build.fingerprint import Fingerprint
from panorama_build.model import Asset, Build, Package
from panorama_build.project import Project
from panorama_build.steps.decision import Decision, left, why_made
from panorama_build.steps.outcome import Outcome, Say, asset_line
from panorama_build.steps.sharing import Known, keep, known
from panorama_build.store import Artifact


@dataclass(frozen=True)
class ContainerDecision(Decision):
    """What becomes of a container's asset: ``artifact`` is the one of the same inputs, None where it is to be built.

    ``origin`` says who has its bytes where they are not here.
    """

    container: Container
    fingerprint: Fingerprint
    artifact: Artifact | None
    origin: str


def container_of(project: Project, package: Package, build: Build) -> Container:
    """The container of a package, as its sources lie on disk now."""
    name = f"{project.application.name}.{package.key}"
    return look(project.root, name, build, project.application.platform, project.own_output())


def decide_container(project: Project, task: str, package: Package, asset: Asset, forced: bool) -> ContainerDecision:
    """Whether a container has to be built; reads only. Raises PanoramaError where its context is not right."""
    assert isinstance(asset.source, Build)
    container = container_of(project, package, asset.source)
    fingerprint = container.fingerprint(project.digests.of)
    found = Known(None) if forced else known(project, fingerprint)
    return ContainerDecision(
        "reused" if found.artifact else "built",
        why_made(project.store, task, fingerprint, forced, found.origin),
        container,
        fingerprint,
        found.artifact,
        found.origin,
        **left(project.store, task, found.artifact),
    )


def build_container(project: Project, task: str, package: Package, asset: Asset, forced: bool, say: Say) -> Outcome:
    """Make a container asset, unless one of the same inputs is in the store."""
    decision = decide_container(project, task, package, asset, forced)
    artifact, fingerprint, notes = decision.artifact, decision.fingerprint, ""
    if artifact is None:
        with project.store.making() as temporary:
            written, sent = engine.build(decision.container, temporary, project.log(task), say, cached=not forced)
            artifact = Artifact(written.sha256, written.size, written.tar_sha256)
            project.store.keep(temporary, artifact)
        fingerprint = decision.container.fingerprint_of(sent)
        notes = "".join(f"; {image} is not pinned" for image in decision.container.unpinned())
        notes += _compared(project, project.store.recorded(fingerprint), artifact)
    keep(project, task, fingerprint, artifact)
    return Outcome(decision.verb, asset_line(artifact, decision.origin) + notes + decision.because)


def _compared(project: Project, before: Artifact | None, after: Artifact) -> str:
    """What a second build of the same inputs gave: the same bits, or what a step writes differently each time."""
    if before is None:
        return ""
    if before.sha256 == after.sha256:
        return "; the same bits as before"
    if not project.store.holds(before.sha256):
        return "; not the bits of before"
    found = first_difference(project.store.asset(before.sha256), project.store.asset(after.sha256))
    return f"; not the bits of before: {found}"
