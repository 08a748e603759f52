"""A package, put where the application is published."""

from __future__ import annotations

from panorama_build.errors import PanoramaError
from panorama_build.files import write_whole
from panorama_build.model import Package
from panorama_build.project import Project
from panorama_build.steps.outcome import Outcome, Say
from panorama_build.transfer import publication, remote


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
