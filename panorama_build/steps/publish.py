"""A package, put where the application is published."""

from __future__ import annotations

from dataclasses import dataclass

from panorama_build.errors import PanoramaError
from panorama_build.files import write_whole
from panorama_build.model import Package
from panorama_build.project import Project
from panorama_build.steps.decision import Decision
from panorama_build.steps.outcome import Outcome, Say
from panorama_build.transfer import publication, remote


@dataclass(frozen=True)
class PublishDecision(Decision):
    """What becomes of a package at the remote: ``plan`` is None where its receipt makes a comparison needless."""

    plan: publication.Plan | None


def decide_publish(project: Project, package: Package, forced: bool) -> PublishDecision:
    """What a package lacks at the remote, which is asked unless a receipt saves that; reads only.

    Raises PanoramaError where the package can't be published, or the remote can't answer.
    """
    if not forced and is_published(project, package):
        return PublishDecision("unchanged", (), None)
    to = remote_of(project)
    plan = publication.plan(project.package_json(package), project.assets, to)
    return PublishDecision("published" if plan.pending else "unchanged", _why(project, package, plan, forced), plan)


def publish_package(project: Project, package: Package, forced: bool, say: Say) -> Outcome:
    """Put a package where the application is published; what is there already stays, and a receipt saves asking."""
    decision = decide_publish(project, package, forced)
    if decision.plan is None:
        return Outcome("unchanged", f"published before to {project.application.remote.url}")
    to = remote_of(project)
    receipt = publication.publish(decision.plan, to, say)
    write_whole(project.receipt(package, to.url), receipt.to_json())
    count = len(receipt.uploaded)
    detail = f"{count} uploaded, {len(receipt.files) - count} there already; {to.url}"
    return Outcome("published" if count else "unchanged", detail + decision.because)


def _why(project: Project, package: Package, plan: publication.Plan, forced: bool) -> tuple[str, ...]:
    if forced:
        return ("forced",)
    receipt = publication.read_receipt(project.receipt(package, plan.remote))
    if receipt is None:
        return ("not published there before",)
    if receipt.patch != plan.patch:
        return ("package.json changed",)
    return ("files are missing at the remote",)


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
