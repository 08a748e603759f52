"""An application root of panorama-cli becomes a project.

Whatever the words found for it, what they become is compared with what was there; a document that does not come out
as it went in is kept as JSON.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from panorama_build import render
from panorama_build.errors import PanoramaError, Place, count, in_order
from panorama_build.importing.draft import Draft, draft
from panorama_build.importing.tree import Document, Tree, read_tree
from panorama_build.importing.wording import Words, same
from panorama_build.manifest import schema
from panorama_build.manifest.application import MANIFEST
from panorama_build.project import Project


@dataclass(frozen=True)
class Import:
    """What came of an import: what there was, what could not be known, and what is wrong or odd in the result."""

    found: str
    unknown: list[str]
    wrong: list[PanoramaError]
    odd: list[PanoramaError]


def import_application(source: Path, target: Path) -> Import:
    """Make a project in ``target`` of the application root ``source``, which stays as it is.

    Raises PanoramaError where the one is none or the other is taken, OSError where either can't be read or written.
    """
    tree = read_tree(source)
    _refuse(source, target)
    target.mkdir(parents=True, exist_ok=True)
    said = _write_manifest(tree, target)
    for origin, copy in (*_sources(tree, said), *_archives(said)):
        (target / copy).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / origin, target / copy, follow_symlinks=False)
    schema.keep(target)
    project = Project.read(target, {})
    passed = (_passed(members, project.places[path]) for path, members in said.passed().items())
    return Import(_found(tree), list(_unknown(tree, said)), project.wrong, in_order([*project.odd, *passed]))


def _passed(members: Words, place: Place | str) -> PanoramaError:
    return PanoramaError(f"there is no word for {', '.join(members)}: passed through as it is", where=place)


def _refuse(source: Path, target: Path) -> None:
    if target.resolve().is_relative_to(source.resolve()):
        raise PanoramaError("the project can't lie in what is imported", where=str(target))
    if target.exists() and not target.is_dir():
        raise PanoramaError("this is no folder", where=str(target))
    if there := sorted(path.name for path in target.iterdir()) if target.exists() else []:
        names = ", ".join(there[:5]) + (", ..." if len(there) > 5 else "")
        hint = "import overwrites nothing: choose another folder, or move it away"
        raise PanoramaError(f"the folder is not empty: it has {names}", where=str(target), hint=hint)


def _write_manifest(tree: Tree, target: Path) -> Draft:
    """Write panorama.yaml so that it becomes all documents again."""
    literal: set[PurePosixPath] = set()
    while True:
        said = draft(tree, literal)
        (target / MANIFEST).write_text(said.text(), "utf-8", newline="\n")
        wrong = set(_wrong(tree, target)) - literal
        if not wrong:
            return said
        literal |= wrong


def _wrong(tree: Tree, target: Path) -> Iterator[PurePosixPath]:
    """The documents that don't come out as they went in."""
    try:
        files = render.documents(Project.read(target, {}))
    except PanoramaError:
        files = {}
    yield from (document.file for document in tree.documents() if not _comes_out(document, files.get(document.file)))


def _comes_out(document: Document, content: bytes | None) -> bool:
    if content is None or document.is_canonical:
        return content == document.content
    return same(json.loads(content), document.value)


def _sources(tree: Tree, said: Draft) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    """Where each file that is no document lies, and where it goes."""
    for folder in tree.folders:
        for inner in folder.sources:
            yield folder.file / inner, PurePosixPath("packages", said.keys[folder.file], inner)
    yield from ((file, file) for file in tree.unread if file.parts[0] != "packages")


def _archives(said: Draft) -> Iterator[tuple[PurePosixPath, PurePosixPath]]:
    for _, model in said.models():
        if "source" in model:
            source = PurePosixPath(model["source"])
            yield PurePosixPath("assets", source.name), source


def _found(tree: Tree) -> str:
    counts = {
        "package": len(tree.folders),
        "graph": len(tree.graphs),
        "override": len(tree.overrides),
        "descriptor": sum(len(folder.descriptors) for folder in tree.folders),
        "source": sum(len(folder.sources) for folder in tree.folders),
        "asset": tree.assets,
    }
    return ", ".join(count(number, what) for what, number in counts.items())


def _unknown(tree: Tree, said: Draft) -> Iterator[str]:
    """What no file of the tree tells, a line each."""
    for file, why in tree.unread.items():
        yield f"{file}: {why}; it is copied as it is"
    yield from said.notes
    if tree.left:
        yield f"left where it is, as no part of the application: {', '.join(map(str, tree.left))}"
