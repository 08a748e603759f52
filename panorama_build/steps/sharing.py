"""What has been built before, here or by anyone who shares the store."""

from __future__ import annotations

from dataclasses import dataclass

from panorama_build.fingerprint import Fingerprint
from panorama_build.project import Project
from panorama_build.store import Artifact


@dataclass(frozen=True)
class Known:
    """An artifact that need not be made, None where it has to be.

    ``origin`` is empty for one whose bytes are here, else says who has them.
    """

    artifact: Artifact | None
    origin: str = ""


def known(project: Project, fingerprint: Fingerprint) -> Known:
    """What was made of these inputs: here, else by others."""
    if artifact := project.store.find(fingerprint):
        return Known(artifact)
    return _shared(project, project.cache.find(fingerprint) if project.cache else None)


def known_asset(project: Project, sha256: str) -> Known:
    """The asset with this digest: here, else where it is shared."""
    if project.store.holds(sha256):
        return Known(Artifact(sha256, project.store.asset(sha256).stat().st_size))
    return _shared(project, project.cache.find_asset(sha256) if project.cache else None)


def keep(project: Project, task: str, fingerprint: Fingerprint, artifact: Artifact) -> None:
    """Remember what a task made of these inputs, and give it to others where its bytes are here."""
    project.store.record(task, fingerprint, artifact)
    if project.cache and project.store.asset(artifact.sha256).exists():
        project.cache.keep(fingerprint, artifact, project.store)


def _shared(project: Project, artifact: Artifact | None) -> Known:
    return Known(artifact, project.cache.url) if project.cache and artifact else Known(None)
