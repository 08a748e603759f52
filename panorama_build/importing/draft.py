"""panorama.yaml of an application root: words for what can be said, JSON for what can't, comments where it is odd."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from panorama_build.errors import PanoramaError
from panorama_build.importing import yamltext
from panorama_build.importing.descriptor_wording import link
from panorama_build.importing.graph_wording import GraphWording, accounts_of
from panorama_build.importing.package_wording import PackageWording, expanded
from panorama_build.importing.tree import Document, Folder, Tree
from panorama_build.importing.wording import Unsayable, Words, free_name
from panorama_build.manifest import schema
from panorama_build.manifest.graphs import Names
from panorama_build.model import PLACEHOLDER_ACCOUNT

PASSED = "no words say this: it is passed through"

_NAMED = {"packages", "models", "system", "interfaces", "inputs", "outputs", "nodes", "replace", "graphs", "overrides"}
_ACCOUNT = re.compile("[$0-9a-zA-Z_]{1,128}")


@dataclass
class Draft:
    """A manifest in the making. ``keys`` are the packages' by folder, ``notes`` what a reader should be told."""

    application: str
    folder: str
    account: str
    packages: dict[str, Words] = field(default_factory=dict)
    graph: Words | None = None
    graphs: dict[str, Words] = field(default_factory=dict)
    overrides: dict[str, Words] = field(default_factory=dict)
    documents: dict[str, Any] = field(default_factory=dict)
    keys: dict[PurePosixPath, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    comments: dict[yamltext.KeyPath, str] = field(default_factory=dict)

    def words(self) -> Words:
        """The manifest."""
        account = {} if self.account == PLACEHOLDER_ACCOUNT else {"account": self.account}
        parts = {member: getattr(self, member) for member in ("packages", "graph", "graphs", "overrides", "documents")}
        said = {member: words for member, words in parts.items() if words}
        return {"application": self.application, **account, **said}

    def text(self) -> str:
        """The manifest as YAML."""
        return f"# yaml-language-server: $schema={schema.PLACE}\n" + yamltext.write(
            self.words(), {**dict.fromkeys(self.passed(), PASSED), **self.comments}
        )

    def passed(self) -> dict[yamltext.KeyPath, Words]:
        """What is passed through, having no words, by place."""
        return dict(_passed(self.words(), ()))

    def models(self) -> Iterator[tuple[yamltext.KeyPath, Words]]:
        """Every model with its place."""
        for key, package in self.packages.items():
            for name, model in package.get("models", {}).items():
                yield ("packages", key, "models", name), model

    def keep(self, document: Document) -> None:
        """Keep a document as JSON."""
        self.documents[str(document.file)] = document.value
        self.notes.append(f"{document.file}: no words say it; it is kept as JSON under documents")

    def key(self, file: PurePosixPath) -> str:
        """A graph's or override's key: its name, and its path where it lies elsewhere than the graph."""
        if file.parent == PurePosixPath("graphs", self.folder):
            return file.name
        return str(file) if "/" in str(file) else f"./{file}"


def draft(tree: Tree, literal: Collection[PurePosixPath]) -> Draft:
    """The manifest of an application root; the files in ``literal`` are kept as JSON."""
    main = next((graph for graph in tree.graphs if _is_main(graph) and graph.file not in literal), None)
    folder = main.file.parent.name if main else tree.root.resolve().name
    application = re.sub(r"[^a-zA-Z0-9_-]+", "_", folder)[:128] or "application"
    said = Draft(application, folder if main else application, _account(tree))
    for each in sorted(tree.folders, key=lambda each: _position(each, main)):
        _say_package(said, each, tree, literal)
    wording = GraphWording(
        Names(said.folder, {key: expanded(key, words) for key, words in said.packages.items()}), said.account
    )
    for graph in tree.graphs:
        _say_graph(said, wording, graph, main, literal)
    for override in tree.overrides:
        _say_override(said, wording, override, literal)
    _note_models(said, tree)
    return said


def _is_main(graph: Document) -> bool:
    return len(graph.file.parts) == 3 and graph.file.name == "graph.json" and graph.body("nodeGraph") is not None


def _account(tree: Tree) -> str:
    """The account of the folders, or else of the graphs."""
    accounts = Counter(folder.account for folder in tree.folders if folder.account)
    for graph in () if accounts else tree.graphs:
        accounts += accounts_of(graph.body("nodeGraph"))
    named = [account for account, _ in accounts.most_common() if _ACCOUNT.fullmatch(account)]
    return named[0] if named else PLACEHOLDER_ACCOUNT


def _position(folder: Folder, main: Document | None) -> int:
    """Packages stand in the order in which the graph lists them."""
    listed = str(main.value["nodeGraph"].get("packages")) if main and isinstance(main.body("nodeGraph"), dict) else ""
    place = listed.find(f"::{folder.name}'")
    return place if place >= 0 else len(listed)


def _say_package(said: Draft, folder: Folder, tree: Tree, literal: Collection[PurePosixPath]) -> None:
    """Words for a package, or its documents as JSON."""
    key = free_name(re.sub(r"[^a-zA-Z0-9_-]+", "_", folder.name)[:120] or "package", said.keys.values())
    said.keys[folder.file] = key
    documents = [*([folder.package] if folder.package else []), *folder.descriptors.values()]
    links = link(folder)
    try:
        if folder.package is None or any(document.file in literal for document in documents):
            raise Unsayable
        package = folder.package
        wording = PackageWording(key, package.body("nodePackage"), links, tree.archives)
        words = wording.words(package.is_canonical)
        said.packages[key] = {**_directory(key, words, folder, said.account), **words}
    except Unsayable:
        for document in documents:
            said.keep(document)
        return
    for document in links.loose:
        said.comments["packages", key, "descriptors", document.file.name] = "no asset names it"
        said.notes.append(f"{document.file}: no asset names it, and whose descriptor it is, is recorded nowhere")


def _directory(key: str, words: Words, folder: Folder, account: str) -> Words:
    """What a package says of its folder's name."""
    version = folder.file.name.rpartition("-")[2]
    for more in ({}, {"directory_version": version}):
        try:
            found = expanded(key, {**words, **more}).directory_version
        except PanoramaError:
            continue
        if folder.file.name == f"{account}-{key}-{found}":
            return more
    return {"directory": folder.file.name}


def _say_graph(
    said: Draft, wording: GraphWording, graph: Document, main: Document | None, literal: Collection[PurePosixPath]
) -> None:
    key = None if graph is main else said.key(graph.file)
    try:
        if graph.file in literal:
            raise Unsayable
        words = wording.graph(key, graph.body("nodeGraph"), graph.is_canonical)
    except Unsayable:
        said.keep(graph)
        return
    if key is not None:
        said.graphs[key] = words
    else:
        said.graph = words if said.folder == said.application else {"name": said.folder, **words}


def _say_override(said: Draft, wording: GraphWording, override: Document, literal: Collection[PurePosixPath]) -> None:
    key = said.key(override.file)
    try:
        if override.file in literal:
            raise Unsayable
        said.overrides[key] = wording.override(key, override.body("nodeGraphOverrides"), override.is_canonical)
    except Unsayable:
        said.keep(override)


def _note_models(said: Draft, tree: Tree) -> None:
    """Tell which models can't be built: panorama-cli records no place that a model came from."""
    for path, model in said.models():
        if "source" not in model:
            said.comments[path] = "to build it, add `source: PATH`"
            uri = f"{model['uri']} is not in assets/" if model.get("uri") else "it was never built"
            said.notes.append(f"model {path[-1]}: {uri}, and where its archive lies is recorded nowhere")


def _passed(value: Any, path: yamltext.KeyPath) -> Iterator[tuple[yamltext.KeyPath, Words]]:
    """Each ``extra`` of a manifest, which is no person's key where people choose them."""
    items = value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    for key, member in items:
        if key == "extra" and not _NAMED.intersection(path[-1:]):
            yield (*path, key), member
        elif key not in ("documents", "descriptors", "requirements", "events"):
            yield from _passed(member, (*path, key))
