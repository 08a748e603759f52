"""What an application says of the project's files, held against them: whatever is odd there is but a warning.

A file may still come to be, made by another task; that a task can't do its work is for the task to say.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path

from panorama_build.checks import entryfile, modelarchive
from panorama_build.checks.finding import Finding
from panorama_build.containers.bases import bases
from panorama_build.containers.container import dockerfile_of, ignore_of
from panorama_build.errors import PanoramaError
from panorama_build.manifest.yamlfile import KeyPath
from panorama_build.model import Application, Asset, Build, ModelDescriptor, Package, RuntimeDescriptor, Source

LARGEST_DOCKERFILE = 1 << 20


def inspect(root: Path, application: Application) -> Iterator[Finding]:
    """What is odd about the files of the project in ``root``."""
    for package, asset in application.assets():
        if isinstance(asset.source, Build):
            yield from _entry(root, package, asset, asset.source)
            yield from _bases(root, application, package, asset.source)
        if isinstance(asset.source, Source) and "://" not in asset.source.address.url:
            yield from _model(root, package, asset, asset.source)


def _entry(root: Path, package: Package, asset: Asset, build: Build) -> Iterator[Finding]:
    entry = asset.descriptor.entry if isinstance(asset.descriptor, RuntimeDescriptor) else None
    if entry is None or build.image or entry.name.startswith("-"):
        return
    folder = root / build.context
    dockerfile = folder / build.dockerfile
    try:
        if dockerfile.stat().st_size > LARGEST_DOCKERFILE:
            return
        text = dockerfile.read_text("utf-8", "replace")
        context = entryfile.Context(folder, ignore_of(folder, dockerfile))
        wrong = entryfile.missing(entry.name, text, build.target, context)
    except (OSError, ValueError, PanoramaError):  # the container's task tells it
        return
    if wrong:
        path: KeyPath = ("packages", package.key)
        yield Finding((*path, "entry"), *wrong, warning=True, basis=((*path, "entry"), (*path, "container")))


def _bases(root: Path, application: Application, package: Package, build: Build) -> Iterator[Finding]:
    """Pins of what the Dockerfile doesn't name: they hold nothing fast."""
    if not build.bases:
        return
    try:
        named = {base.image for base in bases(dockerfile_of(root, build), build.arguments, application.platform)}
    except PanoramaError:  # the container's task tells it
        return
    for image in build.bases.keys() - named:
        near = difflib.get_close_matches(image, sorted(named), n=1)
        hint = f'did you mean "{near[0]}"?' if near else "remove it"
        file = "image:" if build.image else build.dockerfile
        message = f"{file} names no {image}, so its pin has no effect"
        yield Finding(("packages", package.key, "container", "bases", image), message, hint, warning=True)


def _model(root: Path, package: Package, asset: Asset, source: Source) -> Iterator[Finding]:
    path, url = ("packages", package.key, "models", asset.name, "source"), source.address.url
    framework = asset.descriptor.framework if isinstance(asset.descriptor, ModelDescriptor) else ""
    try:
        wrong = modelarchive.misfit(root / url, framework)
    except FileNotFoundError:
        yield Finding(path, f"there is no {url} yet", "make it, or correct the path", warning=True)
    except (OSError, ValueError) as error:
        yield Finding(path, f"{url} can't be read: {getattr(error, 'strerror', None) or error}", warning=True)
    else:
        if wrong:
            yield Finding(path, f"{url} {wrong[0]}", wrong[1], warning=True)
