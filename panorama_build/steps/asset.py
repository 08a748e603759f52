"""The assets of a package, laid beside its documents; their bytes are fetched no sooner than something needs them."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from panorama_build.files import link
from panorama_build.model import Asset, Build, Package
from panorama_build.project import Project
from panorama_build.steps.container import build_container
from panorama_build.steps.decision import NOTHING, Decision, Files
from panorama_build.steps.generated import FIRST
from panorama_build.steps.model import fetch_model
from panorama_build.steps.outcome import Outcome, Say, asset_line, size
from panorama_build.steps.package import artifacts_of, write_package
from panorama_build.store import Artifact


@dataclass(frozen=True)
class AssetsDecision(Decision):
    """What becomes of the assets beside a package: ``elsewhere`` are those whose bytes are not here yet."""

    elsewhere: tuple[Artifact, ...]


def decide_assets(project: Project, package: Package, foreseen: Files = NOTHING) -> AssetsDecision:
    """Whether assets are to be laid beside a package; reads only. Raises PanoramaError where one was not made yet."""
    artifacts = artifacts_of(project, package, foreseen)
    before = project.store.latest_inputs(_task(package))
    faults = {name: fault for name, artifact in artifacts.items() if (fault := _fault(project, artifact))}
    why = dict.fromkeys(_why(name, artifacts[name], fault, before) for name, fault in faults.items())
    elsewhere = tuple(artifacts[name] for name in faults if project.store.fault(artifacts[name]))
    return AssetsDecision("placed" if faults else "unchanged", tuple(why), elsewhere)


def lay_assets(project: Project, package: Package, say: Say) -> Outcome:
    """Lay the assets of a package beside its documents, as panorama-cli wants them."""
    decision = decide_assets(project, package)
    bring_assets(project, package, {artifact.sha256 for artifact in artifacts_of(project, package).values()}, say)
    write_package(project, package)
    artifacts = artifacts_of(project, package)
    for artifact in artifacts.values():
        link(project.store.asset(artifact.sha256), beside(project, artifact))
    project.store.remember(_task(package), {name: artifact.sha256 for name, artifact in artifacts.items()})
    count = f"{len(artifacts)} asset{'s' if len(artifacts) > 1 else ''}"
    return Outcome(decision.verb, f"{count}, {size(sum(each.size for each in artifacts.values()))}{decision.because}")


def bring_assets(project: Project, package: Package, wanted: Collection[str], say: Say) -> None:
    """Have those assets of a package in the store whose digests are ``wanted``.

    Their bytes are fetched from who has them, else made again here and now. These may be others, so package.json may
    have to be written again.
    """
    artifacts = artifacts_of(project, package)
    for asset in package.assets:
        if asset.name in artifacts and artifacts[asset.name].sha256 in wanted:
            _bring(project, package, asset, say)


def asset_files(project: Project, package: Package) -> list[Path]:
    """Every file that ``lay_assets`` left."""
    return [beside(project, artifact) for artifact in artifacts_of(project, package).values()]


def beside(project: Project, artifact: Artifact) -> Path:
    """Where the application root has an asset."""
    return project.assets / f"{artifact.sha256}.tar.gz"


_turns: dict[tuple[Path, str], threading.Lock] = {}


def _bring(project: Project, package: Package, asset: Asset, say: Say) -> None:
    owner, original = project.original(package, asset)
    task = project.task_of(owner, original)
    with _turns.setdefault((project.root, task), threading.Lock()):
        artifact = project.store.artifact(task)
        if artifact and (not project.store.fault(artifact) or _fetch(project, artifact, say)):
            return
        say(f"the bytes of {task} are not to be had, and it is made again")
        if isinstance(original.source, Build):
            build_container(project, task, owner, original, True, say)
        else:
            fetch_model(project, task, owner, original, True)


def _fetch(project: Project, artifact: Artifact, say: Say) -> bool:
    """Bring an asset into the store from wherever else its bytes are; whether that went well."""
    laid = beside(project, artifact)
    if _holds(project, laid, artifact):
        link(laid, project.store.asset(artifact.sha256))
        return True
    if not project.cache:
        return False
    say(f"fetch {asset_line(artifact)} from {project.cache.url}")
    with project.store.making() as temporary:
        right = project.cache.fetch(artifact, temporary)
        if right:
            project.store.keep(temporary, artifact)
    return right


def _task(package: Package) -> str:
    return f"asset:{package.key}"


def _why(name: str, artifact: Artifact, fault: str, before: Mapping[str, str] | None) -> str:
    """Why an asset is laid: a fault of the one that was, or that it is another."""
    if before is None:
        return FIRST
    return f"asset {name} {fault}" if before.get(name) == artifact.sha256 else f"asset {name} changed"


def _fault(project: Project, artifact: Artifact) -> str:
    path = beside(project, artifact)
    if _holds(project, path, artifact):
        return ""
    return "damaged" if path.exists() else "missing"


def _holds(project: Project, path: Path, artifact: Artifact) -> bool:
    try:
        return project.digests.of(path) == artifact.sha256
    except OSError:
        return False
