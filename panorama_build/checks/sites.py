"""Sites: whether what each replaces is there to be replaced, whether it replaces what it must, and what it hides."""

from __future__ import annotations

import re
from collections.abc import Iterator

from panorama_build.appliance import CAMERA, find_interface
from panorama_build.checks.finding import Basis, Finding, path_of
from panorama_build.checks.limits import misfit
from panorama_build.errors import did_you_mean
from panorama_build.manifest.yamlfile import KeyPath
from panorama_build.model import Application, Graph, InterfaceName, Node, Override, Site, Stream

MOST_STREAMS = 8  # in an application, by the service's quotas
LONGEST_NAME = {"package": 128, "instance": 255}

_PASSWORD = re.compile(r"://[^/?#\s]*:[^/?#\s]*@")  # of a URL


def sites(application: Application) -> Iterator[Finding]:
    """What is wrong or odd in the sites of an application."""
    streams: dict[str, Stream] = {}
    instances: set[tuple[str, str]] = set()
    for site in application.sites:
        path: KeyPath = ("sites", site.key)
        yield from _site(application, site, path)
        for stream in site.streams:
            yield from _stream(stream, (*path, "cameras", stream.key))
            yield from _alike(streams.setdefault(stream.name, stream), stream, (*path, "cameras", stream.key))
        if (site.device, site.name) in instances:
            message = f'two sites are the application instance "{site.name}" on "{site.device}"'
            yield Finding(path, message, "one would replace the other: give each a `name`")
        instances.add((site.device, site.name))
        if len(site.name) > LONGEST_NAME["instance"]:
            yield Finding(path, f'the name "{site.name}" is too long', "give the site a `name`")


# -- what a site replaces


def _site(application: Application, site: Site, path: KeyPath) -> Iterator[Finding]:
    if site.graph is None:
        hint = "declare `graph`, or name one of the `graphs`"
        yield Finding(path, "there is no such graph to deploy", hint, basis=(("graph",), ("graphs",), (*path, "graph")))
        return
    if site.override is None:
        declared = [override.key for override in application.overrides]
        message = f'there are no overrides "{site.declared}"'
        near = did_you_mean(site.declared or "", declared)
        yield Finding((*path, "overrides"), message, near, basis=(("overrides", site.declared or ""),))
        return
    yield from _replaced(site, site.graph, site.override, path)
    if site.declared is None:
        yield from _cameras(application, site, site.graph, path)
        yield from _stand_ins(application, site, site.override, path)
        yield from _values(site, site.graph, site.override, path)
    yield from _left(site, site.graph, site.override, path)


def _replaced(site: Site, graph: Graph, override: Override, path: KeyPath) -> Iterator[Finding]:
    for each in (override.replacements or ()) if site.declared else ():
        if graph.node(each.replace) is None:
            message = f'the overrides replace "{each.replace}", which the graph has not'
            hint = did_you_mean(each.replace, [node.name for node in graph.nodes])
            yield Finding((*path, "overrides"), message, hint, basis=_node(graph, each.replace))


def _cameras(application: Application, site: Site, graph: Graph, path: KeyPath) -> Iterator[Finding]:
    mine = [node.name for node in graph.nodes if _is_source(application, node)]
    for name in site.cameras:
        node, where = graph.node(name), (*path, "cameras", name)
        if node is None or name not in mine:
            message = f'"{name}" is no camera of the graph' if node else f'there is no node "{name}"'
            yield Finding(where, message, did_you_mean(name, mine) or _one_of(mine), basis=_node(graph, name))
        else:
            yield from _overridable(graph, node, where)


def _stand_ins(application: Application, site: Site, override: Override, path: KeyPath) -> Iterator[Finding]:
    """The nodes that take a camera's place: one of a package that is declared here has to be a camera, too."""
    sources = [node for node in override.nodes or () if isinstance(node.interface, InterfaceName)]
    for node in sources:
        if _declared(application, node) and not _is_source(application, node):
            message = f'the interface of "{node.key}" is no camera\'s'
            yield Finding((*path, "cameras"), message, "it has to be a media_source")
    if len(sources) > MOST_STREAMS:
        message = f"there are {len(sources)} cameras in one application"
        yield Finding((*path, "cameras"), message, f"the service allowed {MOST_STREAMS}", warning=True)


def _values(site: Site, graph: Graph, override: Override, path: KeyPath) -> Iterator[Finding]:
    mine = [node.name for node in graph.nodes if isinstance(node.interface, str)]
    here = {node.key: node.value for node in override.nodes or ()}
    for name in site.values:
        node, where = graph.node(name), (*path, "values", name)
        if node is None or not isinstance(node.interface, str):
            message = f'"{name}" is no parameter of the graph' if node else f'there is no node "{name}"'
            yield Finding(where, message, did_you_mean(name, mine) or _one_of(mine), basis=_node(graph, name))
            continue
        yield from _overridable(graph, node, where)
        if _PASSWORD.search(str(here[name])):
            yield Finding(where, f'the value of "{name}" holds a password', "it would be shown with the deployment")
        elif wrong := misfit(node.interface, here[name]):
            yield Finding(where, f'the value of "{name}" {wrong[0]}', wrong[1])


def _overridable(graph: Graph, node: Node, path: KeyPath) -> Iterator[Finding]:
    if not node.overridable:
        hint = "add `overridable: true` to it in the graph"
        basis = ((*path_of(graph), "nodes", node.key, "overridable"),)
        yield Finding(path, f'node "{node.name}" is not overridable', hint, basis=basis)


def _node(graph: Graph, name: str) -> Basis:
    """Where panorama.yaml would have a node, and say what it is."""
    path: KeyPath = (*path_of(graph), "nodes", name)
    return path, (*path, "interface")


def _left(site: Site, graph: Graph, override: Override, path: KeyPath) -> Iterator[Finding]:
    """Nodes that every deployment has to replace, and this one does not."""
    replaced = {each.replace for each in override.replacements or () if each.with_}
    said: KeyPath = ("overrides", site.declared) if site.declared else path
    basis = tuple((*said, word) for word in ("cameras", "values", "overrides", "replace"))
    for node in graph.nodes:
        if node.name in replaced:
            continue
        if _is_abstract(node):
            message = f'site "{site.key}" has no camera for "{node.name}"'
            yield Finding(path, message, "add it to its `cameras`", basis=basis)
        elif node.override_mandatory:
            kind = "values" if isinstance(node.interface, str) else "cameras"
            message = f'site "{site.key}" has to override "{node.name}"'
            yield Finding(path, message, f"add it to its `{kind}`", basis=basis)


def _is_abstract(node: Node) -> bool:
    name = node.interface
    return isinstance(name, InterfaceName) and (name.package.account, name.package.package) == ("panorama", CAMERA.key)


def _is_source(application: Application, node: Node) -> bool:
    """Whether a node is a camera, as far as can be known: one that is not declared here lies in the account."""
    if not isinstance(node.interface, InterfaceName):
        return False
    interface = find_interface(application.package, node.interface)
    return interface.category == "media_source" if interface else not _declared(application, node)


def _declared(application: Application, node: Node) -> bool:
    """Whether the package of a node is one of the application's own."""
    package = node.interface.package if isinstance(node.interface, InterfaceName) else None
    return package is not None and package.account is None and application.package(package.package) is not None


def _one_of(names: list[str]) -> str:
    return f"the graph has {', '.join(names)}" if names else "the graph has none"


# -- the cameras that are made


def _stream(stream: Stream, path: KeyPath) -> Iterator[Finding]:
    if len(stream.name) > LONGEST_NAME["package"]:
        yield Finding(path, f'the name "{stream.name}" is too long for a camera', "give it a `name`")
    if (stream.username is None) != (stream.password is None):
        message = f'camera "{stream.name}" has a username or a password, but not both'
        basis = (path, *((*path, index) for index in range(MOST_STREAMS)))
        yield Finding(path, message, "give both, or none where the stream needs none", basis=basis)


def _alike(first: Stream, stream: Stream, path: KeyPath) -> Iterator[Finding]:
    """A camera is made once: what is said of it in two places has to be the same."""
    if (first.url, first.username, first.password) != (stream.url, stream.username, stream.password):
        yield Finding(path, f'there are two cameras "{stream.name}"', "give one another `name`")
