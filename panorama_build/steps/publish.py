"""A package, put where the application is published."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from panorama_build.address import PANORAMA
from panorama_build.files import write_whole
from panorama_build.model import Package
from panorama_build.project import Project
from panorama_build.steps.asset import bring_assets
from panorama_build.steps.decision import NOTHING, Decision, Files, Upload
from panorama_build.steps.outcome import Outcome, Say
from panorama_build.steps.package import artifacts_of, package_files, write_package
from panorama_build.store import Artifact
from panorama_build.transfer import publication


@dataclass(frozen=True)
class PublishDecision(Decision):
    """What becomes of a package at the remote: ``plan`` is None where its receipt makes a comparison needless."""

    plan: publication.Plan | None


def decide_publish(
    project: Project, package: Package, forced: bool, verify: bool, foreseen: Files = NOTHING
) -> PublishDecision:
    """What a package lacks at the remote, which is asked unless a receipt saves that; reads only.

    With ``forced`` or ``verify`` no receipt does. ``foreseen`` are files as earlier tasks would leave them. Raises
    PanoramaError where the package can't be published, and RemoteError where the remote can't answer.
    """
    if not (forced or verify) and is_published(project, package):
        return PublishDecision("unchanged", (), None)
    document, sizes = project.package_json(package), _sizes(project, artifacts_of(project, package, foreseen).values())
    needs = publication.needs(document, project.assets, {**foreseen, **sizes}, project.store.root / "assets")
    receipt = publication.read_receipt(project.receipt(package, project.remote.url))
    plan = publication.compare(needs, project.remote, receipt)
    uploads = tuple(Upload(step.key, step.size) for step in plan.pending)
    verb = "published" if plan.pending or plan.changes else "unchanged"
    return PublishDecision(verb, _why(receipt, plan, forced), plan, uploads=uploads, changes=plan.changes)


def foresee_publish(project: Project, package: Package, foreseen: Files, unknown: Collection[Path]) -> Decision:
    """What a package would lack at the remote once its assets are made, some of which nobody knows yet; reads only.

    ``unknown`` are the files with which those tasks will say what they made. Raises as ``decide_publish`` does.
    """
    document = project.package_json(package)
    made = [(asset, project.task_of(package, asset)) for asset in package.assets if asset.source or asset.same_as]
    known = {
        asset.name: artifact
        for asset, task in made
        if project.store.artifact_file(task) not in unknown and (artifact := project.store.artifact(task, foreseen))
    }
    before = [(asset.name, project.store.artifact(task)) for asset, task in made if asset.name not in known]
    name, version = package.name or package.key, package.version or "1.0"
    needs = publication.Needs(name, version, "", tuple(_binaries(project, package, known)))
    uploads = [Upload(step.key, step.size) for step in publication.compare(needs, project.remote).pending]
    uploads += [Upload(name, None, last.size if last else None) for name, last in before]
    uploads += [Upload("package.json", None, document.stat().st_size if document.exists() else None)]
    return Decision("published", (), uploads=tuple(uploads))


def publish_package(project: Project, package: Package, forced: bool, verify: bool, say: Say) -> Outcome:
    """Put a package where the application is published; what is there already stays, and a receipt saves asking."""
    if project.application.remote.url == PANORAMA:
        project.account.ask()
    decision = decide_publish(project, package, forced, verify)
    while decision.plan and not _is_ready(project, package, decision.plan, say):
        decision = decide_publish(project, package, forced, verify)
    if decision.plan is None:
        return Outcome("unchanged", f"published before to {project.application.remote.url}")
    receipt = publication.publish(decision.plan, project.remote, say)
    write_whole(project.receipt(package, receipt.remote), receipt.to_json())
    count = len(receipt.uploaded)
    done = ", ".join([f"{count} uploaded", f"{len(receipt.files) - count} there already", *decision.changes])
    verb = "published" if count or decision.changes else "unchanged"
    return Outcome(verb, f"{done}; {receipt.remote}{decision.because}")


def _binaries(project: Project, package: Package, artifacts: Mapping[str, Artifact]) -> Iterator[publication.File]:
    """The files of a package at a remote, but for package.json, where only some of its assets are known."""
    for path, content in package_files(project, package, artifacts):
        if path.parent == project.assets:
            yield publication.File(publication.binary_key(path.name), path, path.stem, len(content))
    for artifact in artifacts.values():
        path = project.store.asset(artifact.sha256)
        yield publication.File(publication.binary_key(path.name), path, artifact.sha256, artifact.size)


def _sizes(project: Project, artifacts: Iterable[Artifact]) -> dict[Path, int]:
    """Where assets lie, or would if their bytes were here, with their sizes."""
    return {project.store.asset(artifact.sha256): artifact.size for artifact in artifacts}


def _is_ready(project: Project, package: Package, plan: publication.Plan, say: Say) -> bool:
    """Have the bytes here that go up; whether the plan holds, as an asset made again may be another."""
    bring_assets(project, package, {step.sha256 for step in plan.pending}, say)
    return write_package(project, package).verb == "unchanged"


def _why(receipt: publication.Receipt | None, plan: publication.Plan, forced: bool) -> tuple[str, ...]:
    if forced:
        return ("forced",)
    if receipt is None:
        return ("not published there before",)
    if receipt.patch != plan.patch:
        return ("package.json changed",)
    if plan.pending:
        return ("files are missing at the remote",)
    return ("not registered there",) if plan.changes else ()


def is_published(project: Project, package: Package) -> bool:
    """Whether the receipt of the last publishing makes another needless; asks no server."""
    to, document = project.remote, project.package_json(package)
    foreseen = project.notes.foreseen.get(str(document))
    known = NOTHING if foreseen is None else {document: foreseen}
    return publication.current(project.receipt(package, to.url), document, to, known)
