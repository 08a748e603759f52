"""Graphs and overrides, held against the packages that their nodes are of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from panorama_build.appliance import find_interface, interface_of
from panorama_build.checks.edges import edges
from panorama_build.checks.finding import Basis, Finding, path_of
from panorama_build.checks.packages import ASSETS
from panorama_build.errors import did_you_mean
from panorama_build.manifest.yamlfile import KeyPath
from panorama_build.model import (
    Application,
    Graph,
    InterfaceName,
    Node,
    PackageName,
    Route,
)

HOST_PORTS = range(8000, 9001)  # that the developer guide allows
NODE_NAME = re.compile("[a-zA-Z0-9_-]{1,128}")


def graphs(application: Application) -> Iterator[Finding]:
    """What doesn't fit together in graphs and overrides."""
    for graph in application.graphs:
        yield from _graph(application, graph, path_of(graph))
    yield from _overrides(application)
    yield from _site_routes(application)


def _graph(application: Application, graph: Graph, path: KeyPath) -> Iterator[Finding]:
    if graph.account not in (None, application.account) and application.packages:
        message = f"the graph names packages of {graph.account}, and those here are of {application.account}"
        yield Finding((*path, "account"), message, warning=True)
    yield from _node_names(graph.nodes, path)
    yield from _listed(application, graph, path)
    for node in graph.nodes:
        yield from _node(application, graph, node, (*path, "nodes", node.key))
    yield from edges(application, graph, path)
    for index, route in enumerate(graph.routes or ()):
        yield from _route(application, graph, route, (*path, "routes", index))


def _node_names(nodes: Iterable[Node], path: KeyPath, template: bool = False) -> Iterator[Finding]:
    """What the service takes as nodes' names. The overrides of a template have placeholders in theirs."""
    names: set[str] = set()
    for node in nodes:
        where = (*path, "nodes", node.key)
        if node.name in names:
            yield Finding(where, f'there are two nodes "{node.name}"', "a node's name is its own")
        if not NODE_NAME.fullmatch(node.name):
            message = f'the name "{node.name}" is not allowed for a node'
            yield Finding(where, message, "1 to 128 letters, digits, _ and -", warning=template)
        names.add(node.name)


def _listed(application: Application, graph: Graph, path: KeyPath) -> Iterator[Finding]:
    for requirement in graph.packages:
        name = requirement.package
        package = application.package(name.package) if name.account is None else None
        version = (package.version or package.directory_version) if package else requirement.version
        where = (*path, "packages", name.package)
        if package and version != requirement.version:
            message = f'package "{package.key}" has version {version}, not {requirement.version}'
            yield Finding(where, message, basis=(where, ("packages", package.key, "version")))
        if package is None and name.account is None and not _is_camera(graph, name):
            message = f'package "{name.package}" is listed, but not declared: it has to be there already'
            hint = did_you_mean(name.package, [each.key for each in application.packages])
            yield Finding(where, message, hint, warning=True, basis=(("packages", name.package),))


def _is_camera(graph: Graph, name: PackageName) -> bool:
    """Whether a package may be a camera that the service made: its one interface goes by the package's name."""
    faces = [node.interface for node in graph.nodes if isinstance(node.interface, InterfaceName)]
    return all(face.interface == name.package for face in faces if face.package == name)


def _node(application: Application, graph: Graph, node: Node, path: KeyPath) -> Iterator[Finding]:
    name = node.interface
    if not isinstance(name, InterfaceName):
        if not name:
            hint = "name a package, camera, hdmi or a type"
            yield Finding(path, f'node "{node.name}" has no interface', hint, basis=(path,))
        return
    package = application.package(name.package.package) if name.package.account is None else None
    if package and not package.interface(name.interface):
        faces = [interface.name for interface in package.interfaces]
        message = f'package "{package.key}" has no interface "{name.interface}"'
        hint = did_you_mean(name.interface, faces) or f"it has {', '.join(faces) or 'none'}"
        basis: Basis = tuple(
            ("packages", package.key, *each) for each in (*ASSETS, ("models",), ("system",), ("interfaces",))
        )
        yield Finding(path, message, hint, basis=basis)
    if name.package.account == "panorama" and not find_interface(application.package, name):
        yield Finding(path, f"the appliance has no {name.package.qualified('')}.{name.interface}", "camera or hdmi")
    if package is None and name.package.account is None and not graph.lists(name.package):
        message = f'package "{name.package.package}" is not declared'
        known = [*(package.key for package in application.packages), "camera", "hdmi"]
        basis = (("packages", name.package.package), (*path_of(graph), "packages"))
        yield Finding(path, message, did_you_mean(name.package.package, known), basis=basis)


def _route(application: Application, graph: Graph, route: Route, path: KeyPath) -> Iterator[Finding]:
    node = graph.node(route.node)
    if node is None:
        hint = did_you_mean(route.node, [node.name for node in graph.nodes])
        basis: Basis = ((*path_of(graph), "nodes", route.node),)
        yield Finding(path, f'there is no node "{route.node}"', hint, basis=basis)
        return
    interface = interface_of(application, node)
    ports = [port.port for port in (interface.inbound_ports or ())] if interface else [route.container_port]
    if interface and isinstance(node.interface, InterfaceName) and route.container_port not in ports:
        message = f'node "{route.node}" listens on no port {route.container_port}'
        hint = f"it has {', '.join(map(str, ports))}" if ports else "add `ports:` to its package"
        package: KeyPath = ("packages", node.interface.package.package)
        yield Finding(
            path, message, hint, basis=((*package, "ports"), (*package, "interfaces", interface.name, "ports"))
        )
    if route.host_port is not None and route.host_port not in HOST_PORTS:
        yield Finding(path, f"host port {route.host_port} is out of range", "8000 to 9000", warning=True)


def _overrides(application: Application) -> Iterator[Finding]:
    known = {node.name for graph in application.graphs for node in graph.nodes}
    graphs: list[KeyPath] = [("graph",), *map(path_of, application.graphs)]
    for override in application.overrides:
        path: KeyPath = ("overrides", override.key)
        new = {node.name for node in override.nodes or ()}
        yield from _node_names(override.nodes or (), path, template=True)
        for replacement in override.replacements or ():
            where = (*path, "replace", replacement.replace)
            if application.graphs and replacement.replace not in known:
                hint = did_you_mean(replacement.replace, known)
                basis = (("graphs",), *((*graph, "nodes", replacement.replace) for graph in graphs))
                yield Finding(where, f'no graph has a node "{replacement.replace}"', hint, basis=basis)
            for name in replacement.with_:
                if name not in new | known:
                    basis = (("graphs",), *((*document, "nodes", name) for document in (path, *graphs)))
                    yield Finding(where, f'the override has no node "{name}"', did_you_mean(name, new), basis=basis)


def _site_routes(application: Application) -> Iterator[Finding]:
    for site in application.sites:
        if site.graph and site.override and not site.declared and site.override.routes != site.graph.routes:
            for index, route in enumerate(site.override.routes or ()):
                yield from _route(application, site.graph, route, ("sites", site.key, "routes", index))
