"""package.json and descriptors."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from panorama_build import documents
from panorama_build.documents import Uris, canonical
from panorama_build.errors import PanoramaError
from panorama_build.model import Asset, Json, Package
from panorama_build.project import Project
from panorama_build.steps.decision import NOTHING, Decision, Files
from panorama_build.steps.generated import outdated, write
from panorama_build.steps.graph import inside
from panorama_build.steps.outcome import Outcome
from panorama_build.store import Artifact

_OTHER_ASSET = re.compile(r"package\.json: nodePackage\.assets\.(.+)\.implementations\.\d+\.assetUri changed")


@dataclass(frozen=True)
class PackageDecision(Decision):
    """What becomes of a package: ``files`` with the bytes they should hold."""

    files: Mapping[Path, bytes]

    @property
    def patch(self) -> str:
        """The patch version: the sha256 of package.json, the last of the files."""
        return hashlib.sha256(list(self.files.values())[-1]).hexdigest()


def decide_package(project: Project, package: Package, foreseen: Files = NOTHING) -> PackageDecision:
    """Whether a package's documents are to be written; reads only.

    ``foreseen`` are files as earlier tasks would leave them. Raises PanoramaError where an asset was not made yet.
    """
    files = dict(package_files(project, package, artifacts_of(project, package, foreseen)))
    changed = outdated(project, _task(package), files)
    named = {path for path in files if path.parent == project.assets}  # by their content, so no news of their own
    why = _plain(reason for path, reason in changed.items() if path not in named or reason.endswith("missing"))
    return PackageDecision("written" if changed else "unchanged", tuple(why), files, leaves=files)


def write_package(project: Project, package: Package) -> Outcome:
    """Write package.json and descriptors."""
    decision = decide_package(project, package)
    write(project, _task(package), decision.files)
    version = f"{package.version or package.directory_version} patch {decision.patch[:12]}"
    return Outcome(decision.verb, version + decision.because)


def package_files(
    project: Project, package: Package, artifacts: Mapping[str, Artifact]
) -> Iterator[tuple[Path, bytes]]:
    """Every generated file of a package with its bytes; package.json comes last."""
    folder, uris = project.package_folder(package), {}
    for asset in package.assets:
        content = canonical(documents.descriptor_document(asset.descriptor)) if asset.descriptor else None
        if content is not None and asset.descriptor:
            yield folder / asset.descriptor.file, content
            yield project.assets / _descriptor_uri(content), content
        if asset.name in artifacts:
            sha256 = artifacts[asset.name].sha256
            uris[asset.name] = Uris(f"{sha256}.tar.gz", _descriptor_uri(content) if content is not None else None)
    for descriptor in package.descriptors:
        yield folder / descriptor.file, canonical(documents.descriptor_document(descriptor))
    yield folder / "package.json", canonical(documents.package_document(package, uris))


def artifacts_of(project: Project, package: Package, foreseen: Files = NOTHING) -> dict[str, Artifact]:
    """The artifacts of a package's assets that are made, by the assets' names; their bytes may be elsewhere.

    Raises PanoramaError where one was not made yet.
    """
    made = [asset for asset in package.assets if asset.source or asset.same_as]
    return {asset.name: _artifact(project, project.task_of(package, asset), asset, foreseen) for asset in made}


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
    return [path for path, _ in package_files(project, package, artifacts_of(project, package))]


def _descriptor_uri(content: bytes) -> str:
    return f"{hashlib.sha256(content).hexdigest()}.json"


def _plain(reasons: Iterable[str]) -> list[str]:
    """The reasons, where another asset is told as such, and another descriptor by what changed in it alone."""
    plain = dict.fromkeys(_OTHER_ASSET.sub(r"asset \1 changed", reason) for reason in reasons)
    return [reason for reason in plain if len(plain) == 1 or not reason.endswith(".descriptorUri changed")]


def _task(package: Package) -> str:
    return f"package:{package.key}"


def _artifact(project: Project, task: str, asset: Asset, foreseen: Files) -> Artifact:
    artifact = project.store.artifact(task, foreseen)
    if artifact is None:
        raise PanoramaError(f"asset {asset.name} was not made yet", hint=f"doit run {task}")
    return artifact
