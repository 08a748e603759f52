"""Cross-checks of an application: what no single value of panorama.yaml can tell."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from panorama_build.address import PANORAMA
from panorama_build.appliance import find_interface
from panorama_build.checks.finding import Finding, located, path_of
from panorama_build.checks.limits import limits
from panorama_build.checks.sites import sites
from panorama_build.errors import PanoramaError, PanoramaErrors, nearest
from panorama_build.manifest.yamlfile import KeyPath, Places
from panorama_build.model import (
    Application,
    Edge,
    Graph,
    Interface,
    InterfaceName,
    Node,
    Package,
    PackageName,
    Port,
    Route,
)

HOST_PORTS = range(8000, 9001)  # that the developer guide allows
NODE_NAME = re.compile("[a-zA-Z0-9_-]{1,128}")
REQUIREMENTS = ("type", "inferenceAccelerators", "minVersion", "maxVersion", "name")


def check(application: Application, places: Places) -> list[PanoramaError]:
    """The warnings, sorted by place. Raises PanoramaErrors with all that is wrong."""
    errors, warnings = judge(application, places)
    if errors:
        raise PanoramaErrors(errors)
    return warnings


def judge(application: Application, places: Places) -> tuple[list[PanoramaError], list[PanoramaError]]:
    """What is wrong, and what is odd, each sorted by place."""
    findings = list(_findings(application))
    wrong = [located(finding, places) for finding in findings if not finding.warning]
    odd = [located(finding, places) for finding in findings if finding.warning]
    return PanoramaErrors(wrong).errors, PanoramaErrors(odd).errors


def _findings(application: Application) -> Iterator[Finding]:
    for package in application.packages:
        yield from _package(application, package)
        yield from _requirements(package)
    for graph in application.graphs:
        yield from _graph(application, graph, path_of(graph))
    yield from _overrides(application)
    yield from sites(application)
    yield from _site_routes(application)
    yield from _unused(application)
    yield from limits(application)
    yield from _remote(application)
    for file in application.documents:
        message = f'"{file}" has no words here: it is passed through, and nothing in it is checked'
        yield Finding(("documents", str(file)), message, warning=True)


def _remote(application: Application) -> Iterator[Finding]:
    if application.remote.url == PANORAMA and not application.remote.endpoint_used():
        message = "AWS ended the Panorama service on 2026-05-31: nothing is published there"
        hint = "give endpoint: of a compatible service, or publish to a folder or s3://BUCKET/PREFIX"
        yield Finding(("remote",), message, hint, warning=True)


# -- packages


def _package(application: Application, package: Package) -> Iterator[Finding]:
    path: KeyPath = ("packages", package.key)
    names = [asset.name for asset in package.assets]
    for name in {name for name in names if names.count(name) > 1}:
        yield Finding(path, f'package "{package.key}" has two assets called "{name}"')
    for interface in package.interfaces:
        if interface.asset and interface.asset not in names:
            message = f'interface "{interface.name}" is of an asset "{interface.asset}", which the package has not'
            yield Finding((*path, "interfaces", interface.name, "asset"), message, nearest(interface.asset, names))
        if interface.category == "media_source" and _has_password(interface):
            message = f'the password of "{package.key}" stands here in plain, and is published with the package'
            yield Finding(
                (*path, "camera", "password"), message, "a site's cameras take it from elsewhere", warning=True
            )
    for asset in package.assets:
        if asset.type == "model" and not asset.source and not asset.same_as and asset.uri is None:
            message = f'model "{asset.name}" has no source, and package.json leaves it out'
            yield Finding((*path, "models", asset.name), message, "add `source: PATH`", warning=True)
        if asset.same_as:
            yield from _same(application, package, asset.name, asset.same_as)
        if asset.type == "container" and asset.descriptor is None and asset.descriptor_uri is None:
            message = f'container "{asset.name}" has no entry: the appliance would start nothing'
            yield Finding((*path, "container"), message, "add `entry: [python3, /panorama/app.py]`", warning=True)


def _has_password(interface: Interface) -> bool:
    """Whether a camera's password is its port's default, and no ``<placeholder>``."""
    return any(port.name == "password" and str(port.default or "<")[0] != "<" for port in interface.inputs or ())


def _requirements(package: Package) -> Iterator[Finding]:
    for asset in package.assets:
        for requirement in asset.requirements or ():
            for member in requirement if isinstance(requirement, dict) else ():
                if member not in REQUIREMENTS:
                    message = f'package.json knows no "{member}" in a requirement: it is passed through'
                    path = ("packages", package.key, "requirements")
                    yield Finding(path, message, nearest(member, REQUIREMENTS), warning=True)


def _same(application: Application, package: Package, name: str, same: tuple[str, str]) -> Iterator[Finding]:
    other = application.package(same[0])
    asset = other.asset(same[1]) if other else None
    if asset is None or asset.source is None or asset.type != "model":
        message = f'model "{name}" is that of {".".join(same)}, which is no model with a source'
        known = [f"{mine.key}.{model.name}" for mine, model in application.assets() if model.type == "model"]
        yield Finding(("packages", package.key, "models", name), message, nearest(".".join(same), known))


def _unused(application: Application) -> Iterator[Finding]:
    used = {
        node.interface.package.package
        for graph in application.graphs
        for node in graph.nodes
        if isinstance(node.interface, InterfaceName)
    }
    for package in application.packages:
        if application.graphs and package.key not in used:
            yield Finding(("packages", package.key), f'no node uses package "{package.key}"', warning=True)


# -- graphs


def _graph(application: Application, graph: Graph, path: KeyPath) -> Iterator[Finding]:
    if graph.account not in (None, application.account) and application.packages:
        message = f"the graph names packages of {graph.account}, and those here are of {application.account}"
        yield Finding((*path, "account"), message, warning=True)
    yield from _node_names(graph.nodes, path)
    yield from _listed(application, graph, path)
    for node in graph.nodes:
        yield from _node(application, graph, node, (*path, "nodes", node.key))
    for index, edge in enumerate(graph.edges or ()):
        yield from _edge(application, graph, edge, (*path, "edges", index))
    yield from _inputs(application, graph, path)
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
            yield Finding(where, f'package "{package.key}" has version {version}, not {requirement.version}')
        if package is None and name.account is None and not _is_camera(graph, name):
            message = f'package "{name.package}" is listed, but not declared: it has to be there already'
            yield Finding(where, message, nearest(name.package, [each.key for each in application.packages]), True)


def _is_camera(graph: Graph, name: PackageName) -> bool:
    """Whether a package may be a camera that the service made: its one interface goes by the package's name."""
    faces = [node.interface for node in graph.nodes if isinstance(node.interface, InterfaceName)]
    return all(face.interface == name.package for face in faces if face.package == name)


def _node(application: Application, graph: Graph, node: Node, path: KeyPath) -> Iterator[Finding]:
    name = node.interface
    if not isinstance(name, InterfaceName):
        if not name:
            yield Finding(path, f'node "{node.name}" has no interface', "name a package, camera, hdmi or a type")
        return
    package = application.package(name.package.package) if name.package.account is None else None
    if package and not package.interface(name.interface):
        faces = [interface.name for interface in package.interfaces]
        message = f'package "{package.key}" has no interface "{name.interface}"'
        yield Finding(path, message, nearest(name.interface, faces) or f"it has {', '.join(faces) or 'none'}")
    if name.package.account == "panorama" and not find_interface(application.package, name):
        yield Finding(path, f"the appliance has no {name.package.qualified('')}.{name.interface}", "camera or hdmi")
    if package is None and name.package.account is None and not graph.lists(name.package):
        message = f'package "{name.package.package}" is not declared'
        known = [*(package.key for package in application.packages), "camera", "hdmi"]
        yield Finding(path, message, nearest(name.package.package, known))


def _edge(application: Application, graph: Graph, edge: Edge, path: KeyPath) -> Iterator[Finding]:
    ends = []
    for end, side in ((edge.producer, "output"), (edge.consumer, "input")):
        port = _port(application, graph, end, side)
        if isinstance(port, Finding):
            yield Finding(path, port.message, port.hint)
        else:
            ends.append(port)
    if len(ends) == 2 and ends[0] and ends[1] and ends[0] != ends[1]:
        yield Finding(path, f"{edge.producer} is {ends[0]}, but {edge.consumer} takes {ends[1]}")


def _port(application: Application, graph: Graph, end: str, side: str) -> str | Finding | None:
    """The type of an edge's end; None where nothing is known of the node's package; else what is wrong with it."""
    name, _, port_name = end.partition(".")
    node = graph.node(name)
    if node is None:
        return Finding((), f'there is no node "{name}"', nearest(name, [node.name for node in graph.nodes]))
    if isinstance(node.interface, str):
        wrong = Finding((), f'"{name}" is a parameter: it has no ports', f"write `{name} -> NODE.INPUT`")
        return wrong if port_name or side == "input" else node.interface
    interface = _interface_of(application, node)
    if interface is None:
        return None
    ports = {port.name: port.type for port in _ports(interface, side)}
    if port_name in ports:
        return ports[port_name]
    what = f'node "{name}" has no {side} "{port_name}"' if port_name else f'say which {side} of node "{name}" is meant'
    return Finding((), what, nearest(port_name, ports) or (f"it has {', '.join(ports)}" if ports else "it has none"))


def _interface_of(application: Application, node: Node) -> Interface | None:
    """The interface of a node, where this application or the appliance has it."""
    return find_interface(application.package, node.interface) if isinstance(node.interface, InterfaceName) else None


def _ports(interface: Interface, side: str) -> tuple[Port, ...]:
    return (interface.outputs if side == "output" else interface.inputs) or ()


def _inputs(application: Application, graph: Graph, path: KeyPath) -> Iterator[Finding]:
    """Each input has one producer: the appliance knows no other way to several than an override."""
    fed: dict[str, str] = {}
    for index, edge in enumerate(graph.edges or ()):
        if edge.consumer in fed:
            message = f"{edge.consumer} already takes {fed[edge.consumer]}"
            yield Finding((*path, "edges", index), message, "an input has one producer")
        fed.setdefault(edge.consumer, edge.producer)
    for node in graph.nodes:
        interface = _interface_of(application, node)
        if interface and interface.category in ("business_logic", "media_sink"):
            for port in interface.inputs or ():
                if f"{node.name}.{port.name}" not in fed and port.default is None:
                    message = f"nothing feeds {node.name}.{port.name}"
                    yield Finding((*path, "nodes", node.key), message, warning=True)


def _route(application: Application, graph: Graph, route: Route, path: KeyPath) -> Iterator[Finding]:
    node = graph.node(route.node)
    if node is None:
        names = [node.name for node in graph.nodes]
        yield Finding(path, f'there is no node "{route.node}"', nearest(route.node, names))
        return
    interface = _interface_of(application, node)
    ports = [port.port for port in (interface.inbound_ports or ())] if interface else [route.container_port]
    if route.container_port not in ports:
        hint = f"it has {', '.join(map(str, ports))}" if ports else "add `ports:` to its package"
        yield Finding(path, f'node "{route.node}" listens on no port {route.container_port}', hint)
    if route.host_port is not None and route.host_port not in HOST_PORTS:
        yield Finding(path, f"host port {route.host_port} is out of range", "8000 to 9000", warning=True)


# -- overrides


def _overrides(application: Application) -> Iterator[Finding]:
    known = {node.name for graph in application.graphs for node in graph.nodes}
    for override in application.overrides:
        new = {node.name for node in override.nodes or ()}
        yield from _node_names(override.nodes or (), ("overrides", override.key), template=True)
        for replacement in override.replacements or ():
            path = ("overrides", override.key, "replace", replacement.replace)
            if application.graphs and replacement.replace not in known:
                hint = nearest(replacement.replace, known)
                yield Finding(path, f'no graph has a node "{replacement.replace}"', hint)
            for name in replacement.with_:
                if name not in new | known:
                    yield Finding(path, f'the override has no node "{name}"', nearest(name, new))


def _site_routes(application: Application) -> Iterator[Finding]:
    for site in application.sites:
        if site.graph and site.override and not site.declared and site.override.routes != site.graph.routes:
            for index, route in enumerate(site.override.routes or ()):
                yield from _route(application, site.graph, route, ("sites", site.key, "routes", index))
