"""A model's archive: reused, or fetched."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

from panorama_build.address import Address
from panorama_build.errors import PanoramaError
from panorama_build.fingerprint import Fingerprint
from panorama_build.model import Asset, Package, Source
from panorama_build.project import Project
from panorama_build.steps.outcome import Outcome, asset_line
from panorama_build.store import Artifact
from panorama_build.transfer import fetch


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
    return Outcome(verb, asset_line(artifact) + unpinned)


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
