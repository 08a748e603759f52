"""Graphs and overrides in words: graph.json and override.json -> what panorama.yaml says of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from panorama_build.appliance import CAMERA, SCREEN
from panorama_build.documents import graph_document, override_document
from panorama_build.errors import PanoramaError
from panorama_build.importing.wording import (
    Members,
    Unsayable,
    Words,
    arranged,
    free_name,
    nearest,
    ordered,
    plain,
    same,
    say,
    understand,
)
from panorama_build.manifest import vocabulary
from panorama_build.manifest.graphs import Names
from panorama_build.model import SCALARS, Edge, Json, Node, Package

_DECORATOR = {
    "title": "title",
    "description": "description",
    "constraintText": "constraint_text",
    "constraintRegex": "constraint_regex",
}
_ROUTE = ("title", "description")
_FLAGS = {"overridable": "overridable", "overrideMandatory": "override_mandatory", "launch": "launch"}


@dataclass(frozen=True)
class GraphWording:
    """Finds words for graphs, knowing the packages and the account that names leave out."""

    names: Names
    account: str

    def graph(self, key: str | None, body: Json, in_order: bool) -> Words:
        """The words for the graph in the file ``key``, or without one in graph.json. Raises Unsayable."""
        account = self.account_of(body)
        said = _Document(self.names, account)

        def expand(words: Words) -> Members:
            graph = self.names.graph(key, understand(words, vocabulary.GraphWords))
            return _body(graph_document(graph, self.account))

        start = self.start({"nodes": {}}, account)
        words = say(body, expand, said.choices(body), start)
        return arranged(ordered(body, expand, words) if in_order else words, vocabulary.GraphWords)

    def override(self, key: str, body: Json, in_order: bool) -> Words:
        """The words for the overrides in the file ``key``. Raises Unsayable."""
        account = self.account_of(body)
        said = _Document(self.names, account)

        def expand(words: Words) -> Members:
            override = self.names.override(key, understand(words, vocabulary.OverrideWords))
            return _body(override_document(override, self.account))

        words = say(body, expand, said.choices(body), self.start({}, account))
        return arranged(ordered(body, expand, words) if in_order else words, vocabulary.OverrideWords)

    def start(self, words: Words, account: str) -> Words:
        """``words`` with the account, where it is not everyone's."""
        return words if account == self.account else {**words, "account": account}

    def account_of(self, body: Json) -> str:
        """The account that a document names most often."""
        accounts = accounts_of(body)
        return accounts.most_common(1)[0][0] if accounts else self.account


def accounts_of(body: Json) -> Counter[str]:
    """How often a document names which account."""
    texts = [
        *(package.get("name") for package in _items(body, "packages")),
        *(node.get("interface") for node in _items(body, "nodes")),
    ]
    accounts = [text.rpartition("::")[0] for text in texts if isinstance(text, str)]
    return Counter(account for account in accounts if account not in ("", "panorama"))


def _items(body: Json, member: str) -> list[dict[str, Any]]:
    items = body.get(member) if isinstance(body, dict) else None
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _body(document: Json) -> Members:
    (body,) = document.values()
    return body  # type: ignore[no-any-return]


@dataclass(frozen=True)
class _Document:
    """The parts of one document. ``account`` is its own, which its names leave out."""

    names: Names
    account: str

    def choices(self, body: Json) -> Iterator[list[Words]]:
        """What may be said of a graph or of overrides, part by part."""
        if not isinstance(body, dict):
            raise Unsayable
        yield [{"description": body.get("description")}]
        nodes = list(_attempt(self.nodes, body.get("nodes")))
        yield [{"nodes": each} for each in nodes]
        yield [{"packages": None}, *({"packages": each} for each in _attempt(self.packages, body.get("packages")))]
        yield [{"replace": each} for each in _attempt(_replacements, body.get("nodeOverrides"))]
        expanded = self.expanded(nodes[0]) if nodes else ()
        edges = _attempt(lambda found: [self.edge(edge, expanded) for edge in _list(found)], body.get("edges"))
        yield [{"edges": None}, *({"edges": each} for each in edges)]
        routes = _attempt(lambda found: [self.route(route) for route in _list(found)], body.get("networkRoutingRules"))
        yield [{"routes": each} for each in routes]

    def expanded(self, nodes: Words) -> tuple[Node, ...]:
        """Nodes as the manifest's reader knows them."""
        return self.names.nodes(understand({"nodes": nodes}, vocabulary.GraphWords).nodes)

    def part(self, member: str, words: Words) -> Json:
        """The one item that ``words`` become in the list ``member`` of a graph."""
        graph = self.names.graph(None, understand({"nodes": {}, **words}, vocabulary.GraphWords))
        return _body(graph_document(graph, self.account))[member][0]

    def nodes(self, found: Json) -> Words:
        """A mapping of nodes; where two have one name, the second's key is another."""
        nodes: Words = {}
        for node in _list(found):
            name = node.get("name") if isinstance(node, dict) else None
            key = free_name(name if isinstance(name, str) else "node", nodes)
            nodes[key] = self.node(key, node)
        return nodes

    def node(self, key: str, node: Json) -> Words | str:
        """A node."""

        def expand(words: Words) -> Members:
            return self.part("nodes", {"nodes": {key: words}})  # type: ignore[no-any-return]

        if not isinstance(node, dict):
            raise Unsayable
        decorator = _decorator(node.get("decorator"))
        # First of all the interface, on which depends what goes without saying.
        interfaces = [words for words in self.interfaces(node, decorator) if _reads(expand, words)]
        right = [words for words in interfaces if expand(words).get("interface") == node["interface"]]
        flags = [[{word: node.get(member)}] for member, word in _FLAGS.items()]
        name = [] if node.get("name") == key else [{"name": node.get("name")}]
        words = say(node, expand, [name, *flags, [decorator]], nearest(node, expand, right))
        return plain(words, "interface")  # type: ignore[no-any-return]

    def interfaces(self, node: Members, decorator: Words) -> Iterator[Words]:
        """The ways to say a node's interface, the shortest first."""
        text = node.get("interface")
        if not isinstance(text, str):
            return
        if text in SCALARS:
            yield {"interface": text}
            yield {text: node.get("value")}
            return
        for word, package in (("camera", CAMERA), ("hdmi", SCREEN)):
            if text == f"panorama::{package.key}.{package.interfaces[0].name}":
                yield from _builtin(word, decorator)
        short = self.short(text)
        key = short.partition(".")[0]
        yield {"interface": key}
        yield from ({"interface": name} for name in _assets(self.names.packages.get(key), short))
        yield {"interface": short}

    def short(self, name: str) -> str:
        """A name without the document's own account."""
        account, _, rest = name.rpartition("::")
        return rest if account == self.account else name

    def packages(self, found: Json) -> Words:
        """A mapping of packages to versions."""
        packages: Words = {}
        for package in _list(found):
            name = package.get("name") if isinstance(package, dict) else None
            if not isinstance(name, str) or self.short(name) in packages:
                raise Unsayable
            packages[self.short(name)] = self.package(self.short(name), package)
        return packages

    def package(self, key: str, package: Members) -> Words | str:
        """A package's version."""

        def expand(words: Words | str) -> Members:
            return self.part("packages", {"packages": {key: words}})  # type: ignore[no-any-return]

        words = say(package, expand, [[{"version": package.get("version")}]])
        version: Words | str = plain(words, "version")
        return version if _reads(expand, version) else words

    def edge(self, edge: Json, nodes: tuple[Node, ...]) -> Words | str:
        """An edge as a text, or where none says it, as it stands."""
        if not isinstance(edge, dict) or not {"producer", "consumer"} <= edge.keys():
            raise Unsayable
        rest = dict(edge)
        producer, consumer = rest.pop("producer"), rest.pop("consumer")
        for text in () if rest else _edges(producer, consumer):
            meant = self.names.edge(text, nodes) == Edge(producer, consumer)
            if meant and _reads(lambda words: self.part("edges", {"edges": [words]}), text):
                return text
        words = {"producer": producer, "consumer": consumer, **({"extra": rest} if rest else {})}
        if not _reads(lambda words: self.part("edges", {"edges": [words]}), words):
            raise Unsayable
        return words

    def route(self, route: Json) -> Words | str:
        """A route."""
        if not isinstance(route, dict):
            raise Unsayable

        def expand(words: Words | str) -> Members:
            return self.part("networkRoutingRules", {"routes": [words]})  # type: ignore[no-any-return]

        node, port, host = (route.get(member) for member in ("node", "containerPort", "hostPort"))
        for text in (f"{host} -> {node}:{port}", f"{node}:{port}"):
            if _reads(expand, text) and same(expand(text), route):
                return text
        decorator = {word: text for word, text in _decorator(route.get("decorator")).items() if word in _ROUTE}
        return say(route, expand, [[{"host_port": host}], [decorator]], {"node": node, "container_port": port})


def _attempt(word: Callable[[Json], Any], found: Json) -> Iterator[Any]:
    """What ``word`` makes of ``found``, if it can."""
    try:
        yield word(found)
    except (Unsayable, PanoramaError):
        return


def _reads(expand: Callable[[Any], Json], words: Any) -> bool:
    try:
        expand(words)
    except PanoramaError:
        return False
    return True


def _list(found: Json) -> list[Json]:
    if not isinstance(found, list):
        raise Unsayable
    return found


def _assets(package: Package | None, text: str) -> Iterator[str]:
    """Names for an interface of a package by its asset."""
    for face in package.interfaces if package else ():
        if package and text == f"{package.key}.{face.name}":
            yield f"{package.key}.{face.asset}"


def _builtin(word: str, decorator: Words) -> Iterator[Words]:
    yield {"interface": word}
    yield {word: None}
    if "title" in decorator:
        rest = {key: text for key, text in decorator.items() if key != "title"}
        yield {word: decorator["title"], **rest}
    yield {word: None, **decorator}


def _decorator(found: Json) -> Words:
    """The words of a decorator; members that have none stand under ``decorator``."""
    if not isinstance(found, dict):
        return {}
    said = {word: found[member] for member, word in _DECORATOR.items() if isinstance(found.get(member), str)}
    rest = {member: value for member, value in found.items() if _DECORATOR.get(member) not in said}
    return {**said, **({"decorator": rest} if rest else {})}


def _edges(producer: Json, consumer: Json) -> Iterator[str]:
    """An edge's texts, the shortest first: a bare node may mean its one port."""
    if isinstance(producer, str) and isinstance(consumer, str):
        for start in dict.fromkeys((producer.partition(".")[0], producer)):
            for end in dict.fromkeys((consumer.partition(".")[0], consumer)):
                yield f"{start} -> {end}"


def _replacements(found: Json) -> Words:
    """A mapping of nodes to those that replace them."""
    replacements: Words = {}
    for item in _list(found):
        match item:
            case {"replace": str(node), "with": list(others)} if len(item) == 2 and node not in replacements:
                replacements[node] = [_name(other) for other in others]
            case _:
                raise Unsayable
    return {node: others[0] if len(others) == 1 else others for node, others in replacements.items()}


def _name(other: Json) -> str:
    match other:
        case {"name": str(name)} if len(other) == 1:
            return name
    raise Unsayable
