"""What lies in an application root as panorama-cli has it: documents, packages with their sources, and the rest."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from panorama_build.documents import canonical
from panorama_build.errors import PanoramaError
from panorama_build.importing.yamltext import scalar
from panorama_build.model import Json

DEEPEST = 50  # levels of brackets that are taken for a document; the deepest seen has 9
LONGEST = 1000  # characters that a key can have in YAML


@dataclass(frozen=True)
class Document:
    """A JSON file. ``file`` is its path below the application root."""

    file: PurePosixPath
    content: bytes
    value: Json

    @property
    def is_canonical(self) -> bool:
        """Whether its bytes are those that panorama-cli writes."""
        return canonical(self.value) == self.content

    def body(self, root: str) -> Json:
        """What it holds under its one key, None where that is another."""
        return self.value.get(root) if isinstance(self.value, dict) and self.value.keys() == {root} else None


@dataclass
class Folder:
    """A package's folder. ``sources`` are the files in it that are no documents, below the folder."""

    path: Path
    file: PurePosixPath
    package: Document | None = None
    descriptors: dict[str, Document] = field(default_factory=dict)
    sources: list[PurePosixPath] = field(default_factory=list)

    @property
    def account(self) -> str:
        """The account in the folder's name, as panorama-cli takes it apart."""
        return self.file.name.split("-")[0] if self.file.name.count("-") >= 2 else ""

    @property
    def name(self) -> str:
        """The package's name in the folder's name."""
        return "-".join(self.file.name.split("-")[1:-1]) if self.account else self.file.name


@dataclass
class Tree:
    """An application root. ``unread`` are files that should be documents and are none, each with the reason."""

    root: Path
    graphs: list[Document] = field(default_factory=list)
    overrides: list[Document] = field(default_factory=list)
    folders: list[Folder] = field(default_factory=list)
    archives: list[str] = field(default_factory=list)
    assets: int = 0
    unread: dict[PurePosixPath, str] = field(default_factory=dict)
    left: list[PurePosixPath] = field(default_factory=list)

    def documents(self) -> Iterator[Document]:
        """Every document, descriptors included."""
        yield from self.graphs
        yield from self.overrides
        for folder in self.folders:
            yield from ([folder.package] if folder.package else [])
            yield from folder.descriptors.values()


def read_tree(root: Path) -> Tree:
    """Read an application root. Raises PanoramaError where ``root`` is none, OSError where it can't be read."""
    if not (root / "graphs").is_dir() and not (root / "packages").is_dir():
        hint = "panorama-cli's folder with graphs/, packages/ and assets/ is one"
        raise PanoramaError("this is no application root", where=str(root), hint=hint)
    tree = Tree(root)
    for file in _files(root):
        match file.parts:
            case ("packages", _, *_) if (root / "packages" / file.parts[1]).is_dir():
                _add_to_folder(tree, file)
            case ("assets", *_):
                tree.assets += file.suffix in (".gz", ".json")
                tree.archives += [file.name] if file.name.endswith(".tar.gz") else []
            case _:
                _add(tree, file)
    return tree


def _files(root: Path) -> Iterator[PurePosixPath]:
    """Every file below ``root``, sorted; what git and the like keep for themselves is passed over."""
    for folder, folders, files in os.walk(root, onerror=_raise):
        here = Path(folder).relative_to(root)
        links = [name for name in folders if Path(folder, name).is_symlink()]
        inside = here.parts[:1] == ("packages",)
        folders[:] = sorted(name for name in folders if name not in links and (inside or not name.startswith(".")))
        yield from (PurePosixPath(here / name) for name in sorted([*files, *links]))


def _raise(error: OSError) -> None:
    raise error


def _add(tree: Tree, file: PurePosixPath) -> None:
    """Sort in a file that is no package's: by what it holds, or below graphs/ by where it lies."""
    document = _read(tree, file) if file.suffix == ".json" else None
    members = document.value if document and isinstance(document.value, dict) else {}
    if document and "nodeGraphOverrides" in members:
        tree.overrides.append(document)
    elif document and ("nodeGraph" in members or file.parts[0] == "graphs"):
        tree.graphs.append(document)
    elif file not in tree.unread and not file.name.startswith(".keep"):
        tree.left.append(file)


def _add_to_folder(tree: Tree, file: PurePosixPath) -> None:
    """Sort in a file of a package: package.json and descriptors lie right in its folder."""
    place = PurePosixPath(*file.parts[:2])
    if not tree.folders or tree.folders[-1].file != place:
        tree.folders.append(Folder(tree.root / place, place))
    folder, inner = tree.folders[-1], PurePosixPath(*file.parts[2:])
    document = _read(tree, file) if len(inner.parts) == 1 and inner.suffix == ".json" else None
    if document and inner.name == "package.json":
        folder.package = document
    elif document and isinstance(document.value, dict) and document.value.keys() & _DESCRIPTORS:
        folder.descriptors[inner.name] = document
    else:
        folder.sources.append(inner)


_DESCRIPTORS = {"runtimeDescriptor", "mlModelDescriptor"}


def _read(tree: Tree, file: PurePosixPath) -> Document | None:
    """A file's document; None, with the reason noted, where it is none."""
    content = (tree.root / file).read_bytes()
    try:
        value = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_constant)
        _check(value, DEEPEST)
        return Document(file, content, value)
    except UnicodeDecodeError as error:
        tree.unread[file] = f"byte {error.start} is not UTF-8"
    except json.JSONDecodeError as error:
        tree.unread[file] = f"line {error.lineno}: not JSON: {error.msg}"
    except (ValueError, RecursionError) as error:
        tree.unread[file] = f"not JSON that can be kept: {error}"
    return None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        raise ValueError("an object has one key twice")
    return members


def _constant(name: str) -> Json:
    raise ValueError(f"{name} is no number of JSON's")


def _check(value: Json, depth: int) -> None:
    """Refuse what YAML can't hold. Raises ValueError."""
    if depth == 0:
        raise ValueError("the nesting is too deep")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is too large")
    if isinstance(value, str):
        value.encode("utf-8")
    for key, member in value.items() if isinstance(value, dict) else ():
        if len(scalar(key)) > LONGEST:
            raise ValueError("a key is too long")
        _check(key, depth)
        _check(member, depth - 1)
    for item in value if isinstance(value, list) else ():
        _check(item, depth - 1)
