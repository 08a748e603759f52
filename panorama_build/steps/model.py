"""A model's archive: reused, or fetched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from panorama_build.address import Address, identity, public_url
from panorama_build.errors import PanoramaError
from panorama_build.fingerprint import Fingerprint
from panorama_build.model import Asset, Package, Source
from panorama_build.project import Project
from panorama_build.steps.decision import Decision, left, why_made
from panorama_build.steps.outcome import Outcome, asset_line
from panorama_build.steps.sharing import Known, keep, known, known_asset
from panorama_build.store import Artifact
from panorama_build.transfer import fetch
from panorama_build.transfer.partial import partial


@dataclass(frozen=True)
class ModelDecision(Decision):
    """What becomes of a model's asset: ``artifact`` is the one in the store, None where it is to be fetched.

    ``origin`` says who has its bytes where they are not here.
    """

    fingerprint: Fingerprint
    artifact: Artifact | None
    origin: str


def decide_model(project: Project, task: str, package: Package, asset: Asset, forced: bool) -> ModelDecision:
    """Whether a model has to be fetched; reads only.

    Raises PanoramaError where it can't be read or is not the pin's.
    """
    assert isinstance(asset.source, Source)
    fingerprint, local = _look(project, asset.source)
    found = Known(None) if forced else _known(project, asset.source, fingerprint, local)
    if not found.artifact and not local:
        _check_readable(project, asset.source)
    for each in (local, found.artifact):
        if each:
            _check_pin(project, package, asset, each)
    return ModelDecision(
        "reused" if found.artifact else "fetched",
        why_made(project.store, task, fingerprint, forced, found.origin),
        fingerprint,
        found.artifact,
        found.origin,
        **left(project.store, task, found.artifact or local),
    )


def fetch_model(project: Project, task: str, package: Package, asset: Asset, forced: bool) -> Outcome:
    """Bring a model's archive into the store, unless it is there."""
    assert isinstance(asset.source, Source)
    source = asset.source
    decision = decide_model(project, task, package, asset, forced)
    artifact = decision.artifact
    if artifact is None:
        artifact = fetch_archive(project, source, lambda found: _check_pin(project, package, asset, found))
    keep(project, task, decision.fingerprint, artifact)
    unpinned = "" if source.sha256 else f"; not pinned, `sha256: {artifact.sha256}` would"
    return Outcome(decision.verb, asset_line(artifact, decision.origin) + unpinned + decision.because)


def fetch_archive(project: Project, source: Source, accept: Callable[[Artifact], None] | None = None) -> Artifact:
    """Bring an archive into the store, if ``accept`` raises nothing; whatever its name, the store has it by content."""
    name = Fingerprint({"url": source.address.url, "endpoint": source.address.endpoint or ""}).digest
    with partial(project.store.root / "partial", name) as received:
        fetched = fetch.resume(resolve(project, source), received, source.sha256)
        artifact = Artifact(fetched.sha256, fetched.size)
        _check_archive(received.path, source)
        if accept:
            accept(artifact)
        project.store.keep(received.path, artifact)
    return artifact


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


def _look(project: Project, source: Source) -> tuple[Fingerprint, Artifact | None]:
    """A local file's content, and what it is as an asset; of anything farther its address and its pin.

    Asking whether a file elsewhere changed costs what fetching it does. Of a local file that is not there, but pinned,
    it is known what it has to be.
    """
    address, path = source.address, local_path(project, source)
    if path is None:
        pin = source.sha256 or ""
        return Fingerprint(
            {"source": identity(address.url), "endpoint": identity(address.endpoint or ""), "sha256": pin}
        ), None
    if source.sha256 and not path.exists():
        return Fingerprint({address.url: source.sha256}), None
    _check_readable(project, source)
    local = Artifact(project.digests.of(path), path.stat().st_size)
    return Fingerprint({address.url: local.sha256}), local


def _check_readable(project: Project, source: Source) -> None:
    path = local_path(project, source)
    try:
        if path:
            project.digests.of(path)
    except OSError as error:
        hint = "correct `source:` in panorama.yaml"
        raise PanoramaError(f"the model can't be read: {error.strerror}", where=str(path), hint=hint) from None


def _known(project: Project, source: Source, fingerprint: Fingerprint, local: Artifact | None) -> Known:
    """A model that need not be fetched: by its inputs or its pin. What lies on this machine is asked of nobody else."""
    if artifact := project.store.find(fingerprint):
        return Known(artifact)
    if local:
        return Known(local if project.store.holds(local.sha256) else None)
    return known_asset(project, source.sha256) if source.sha256 else known(project, fingerprint)


def _check_archive(path: Path, source: Source) -> None:
    with path.open("rb") as file:
        if file.read(2) != b"\x1f\x8b":
            hint = "Panorama takes a model as .tar.gz"
            raise PanoramaError("this is no gzip archive", where=public_url(source.address.url), hint=hint)


def _check_pin(project: Project, package: Package, asset: Asset, artifact: Artifact) -> None:
    assert isinstance(asset.source, Source)
    if asset.source.sha256 in (None, artifact.sha256):
        return
    where = project.places["packages", package.key, "models", asset.name, "sha256"]
    message = (
        f"the pin is {asset.source.sha256}, but {public_url(asset.source.address.url)} has sha256 {artifact.sha256}"
    )
    raise PanoramaError(message, where=where, hint="correct the pin, or find out who changed the model")
