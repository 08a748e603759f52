"""Files that an application names: none of them leads out of what is generated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from panorama_build.checks.finding import Finding, path_of
from panorama_build.manifest.yamlfile import KeyPath
from panorama_build.model import Application, Package

_HINT = "write a path that stays in the folder"


def paths(application: Application) -> Iterator[Finding]:
    """Names of files and folders that can't be."""
    for package in application.packages:
        yield from _package(package)
    documents: list[tuple[KeyPath, PurePosixPath]] = [
        *((path_of(graph), graph.file) for graph in application.graphs),
        *((("overrides", override.key), override.file) for override in application.overrides),
        *((("documents", str(file)), file) for file in application.documents),
    ]
    files: dict[PurePosixPath, KeyPath] = {}
    for path, file in documents:
        if not _stays(file):
            yield Finding(path, f"{file} lies outside of build/", _HINT)
        elif file in files:
            yield Finding(path, f"{file} is written twice", f"first by {'.'.join(map(str, files[file]))}")
        files.setdefault(file, path)


def _package(package: Package) -> Iterator[Finding]:
    path: KeyPath = ("packages", package.key)
    if package.directory is not None and not _stays(PurePosixPath(package.directory)):
        yield Finding((*path, "directory"), f"{package.directory} lies outside of build/packages/", _HINT)
    for where, file in _descriptors(package):
        if not _stays(PurePosixPath(file)):
            yield Finding((*path, *where), f"{file} lies outside of the package's folder", _HINT)
        if PurePosixPath(file) == PurePosixPath("package.json"):
            yield Finding((*path, *where), "a descriptor is called package.json", "call it otherwise")


def _descriptors(package: Package) -> Iterator[tuple[KeyPath, str]]:
    """Every descriptor's file with its place in the package's words."""
    for asset in package.assets:
        if asset.descriptor:
            yield (
                ("models", asset.name, "descriptor") if asset.type == "model" else ("descriptor",),
                asset.descriptor.file,
            )
    for descriptor in package.descriptors:
        yield ("descriptors", descriptor.file), descriptor.file


def _stays(file: PurePosixPath) -> bool:
    """Whether a file lies below the folder that it is relative to."""
    return not file.is_absolute() and ".." not in file.parts and file.name != "" and "\0" not in str(file)
