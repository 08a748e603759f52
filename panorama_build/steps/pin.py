"""What an application takes from elsewhere, and its digests in panorama.yaml: of base images, and of models."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache

from panorama_build.containers import engine
from panorama_build.containers.bases import bases
from panorama_build.containers.container import dockerfile_of
from panorama_build.errors import PanoramaError
from panorama_build.files import rewrite
from panorama_build.manifest import vocabulary
from panorama_build.manifest.application import MANIFEST
from panorama_build.manifest.yamledit import put
from panorama_build.manifest.yamlfile import Places, parse
from panorama_build.manifest.yamltree import text_of
from panorama_build.model import Asset, Build, Package, Source
from panorama_build.project import Project
from panorama_build.steps.model import fetch_archive, local_path


@dataclass(frozen=True)
class Pin:
    """Something to pin: where panorama.yaml has the digest, or would; what it is; its digest there.

    ``latest`` finds the digest that it has now, which ``is_far`` if a registry or a server has to be asked. ``image``
    stands before the digest where both make one value.
    """

    path: tuple[str, ...]
    what: str
    digest: str | None
    latest: Callable[[], str]
    is_far: bool
    image: str | None = None

    def written(self, digest: str) -> str:
        """The value in panorama.yaml for a digest."""
        return f"{self.image}@{digest}" if self.image else digest


def pins(project: Project, packages: Collection[str] = ()) -> Iterator[Pin]:
    """All that can be pinned, or what ``packages`` have of it; raises PanoramaError for a Dockerfile out of reach.

    Left out is what needs no pin or can have none: an image with its digest in the Dockerfile, or without a tag to
    follow, or with ``pull: false``.
    """
    latest = cache(_latest_image)
    for package, asset in project.application.assets():
        if packages and package.key not in packages:
            continue
        if isinstance(asset.source, Build) and asset.source.pull:
            yield from _images(project, package, asset.source, latest)
        elif isinstance(asset.source, Source):
            yield _model(project, package, asset, asset.source)


def _images(project: Project, package: Package, build: Build, latest: Callable[[str], str]) -> Iterator[Pin]:
    container = ("packages", package.key, "container")
    if build.image:
        image, at, digest = build.image.partition("@")
        if not at or ":" in image.rpartition("/")[2]:
            yield Pin((*container, "image"), f"image {image}", digest or None, lambda: latest(image), True, image)
        return
    found = bases(dockerfile_of(project.root, build), build.arguments, project.application.platform)
    for name in dict.fromkeys(base.image for base in found if not base.digest):
        yield Pin((*container, "bases", name), f"base {name}", build.bases.get(name), _bound(latest, name), True)


def _bound(latest: Callable[[str], str], name: str) -> Callable[[], str]:
    return lambda: latest(name)


def _latest_image(image: str) -> str:
    return engine.digest_of(engine.connect(), image)


def _model(project: Project, package: Package, asset: Asset, source: Source) -> Pin:
    local = local_path(project, source)

    def latest() -> str:
        return fetch_archive(project, source).sha256 if local is None else _digest_of_local(project, source)

    path = ("packages", package.key, "models", asset.name, "sha256")
    return Pin(path, f"model {asset.name}", source.sha256, latest, local is None)


def _digest_of_local(project: Project, source: Source) -> str:
    path = local_path(project, source)
    assert path
    try:
        return project.digests.of(path)
    except OSError as error:
        raise PanoramaError(f"{source.address.url} can't be read: {error.strerror}") from None


def write_pins(project: Project, found: Mapping[Pin, str]) -> Places:
    """Write digests into panorama.yaml, in which nothing else changes; give the places of its values then.

    Raises PanoramaError, and has written nothing, where a value can't be put in.
    """
    path = project.root / MANIFEST
    name = project.places.file
    text = text_of(path, name)
    for pin, digest in found.items():
        text = put(text, name, pin.path, pin.written(digest), short="asset")
    _, places = parse(text, vocabulary.Manifest, name).whole()
    mark = codecs.BOM_UTF8 if path.read_bytes().startswith(codecs.BOM_UTF8) else b""
    rewrite(path, mark + text.encode())
    return places
