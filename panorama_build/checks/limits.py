"""What the service and the appliance take: numbers, and words that don't go together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from panorama_build.checks.finding import Finding, path_of
from panorama_build.containers import machines
from panorama_build.documents import graph_document, one_line, override_document
from panorama_build.manifest.yamlfile import KeyPath
from panorama_build.model import Application, Interface, InterfaceName, Json, Node, Package

LARGEST_PAYLOAD = 51_200  # characters
MOST_INBOUND_PORTS = 10
INT32 = range(-(2**31), 2**31)
LARGEST_FLOAT32 = (2 - 2**-23) * 2.0**127


def limits(application: Application) -> Iterator[Finding]:
    """What is beyond a limit, or can't be together."""
    yield from _platform(application.platform)
    yield from _accelerators(application)
    for package in application.packages:
        for interface in package.interfaces:
            yield from _interface(package, interface)
    for graph in application.graphs:
        yield from _nodes(graph.nodes, path_of(graph))
        yield from _payload(graph_document(graph, application.account), path_of(graph))
    for override in application.overrides:
        path: KeyPath = ("overrides", override.key)
        yield from _nodes(override.nodes or (), path)
        yield from _payload(override_document(override, application.account), path)
    for site in application.sites:
        if site.override and not site.declared:
            yield from _payload(override_document(site.override, application.account), ("sites", site.key))


def _platform(platform: str) -> Iterator[Finding]:
    if not machines.is_known(platform):
        usual = f"linux/{machines.of(platform)}"
        hint = f'did you mean "{usual}"?' if machines.is_known(usual) else f"e.g. {', '.join(machines.PLATFORMS)}"
        yield Finding(("platform",), f'containers can\'t be built for "{platform}"', hint, basis=(("platform",),))


# -- packages


def _accelerators(application: Application) -> Iterator[Finding]:
    """The appliance compiles models for the accelerator that a container would take for itself."""
    models = [package.key for package, asset in application.assets() if asset.type == "model"]
    for package, asset in application.assets():
        if models and any(_takes_gpu(requirement) for requirement in asset.requirements or ()):
            message = f'package "{package.key}" asks for the GPU, and package "{models[0]}" has models'
            hint = "a device runs one or the other: let the code run its model itself"
            yield Finding(("packages", package.key, "gpu"), message, hint, warning=True)


def _takes_gpu(requirement: Json) -> bool:
    return isinstance(requirement, dict) and requirement.get("type") == "hardware_access"


def _interface(package: Package, interface: Interface) -> Iterator[Finding]:
    path: KeyPath = ("packages", package.key)
    # One that is derived stands in the package's own words.
    path = path if interface.name == f"{interface.asset}_interface" else (*path, "interfaces", interface.name)
    count = len(interface.inbound_ports or ())
    if count > MOST_INBOUND_PORTS:
        yield Finding((*path, "ports"), f'interface "{interface.name}" has {count} inbound ports', "at most 10")
    for port in interface.inputs or ():
        if port.default is not None and (wrong := misfit(port.type, port.default)):
            where = (*path, "inputs", port.name, "default")
            yield Finding(where, f'the default of input "{port.name}" {wrong[0]}', wrong[1])


def misfit(kind: str, value: Json) -> tuple[str, str] | None:
    """Why a value is none of a port's or parameter's type, and what would be."""
    if kind == "media":
        return "can't be: media have none", "leave it out"
    if kind not in _TYPES:
        return None
    types, example = _TYPES[kind]
    if type(value) not in types:
        return f"is no {kind}: {one_line(value)}", example
    if kind == "int32" and value not in INT32:
        return "is out of an int32's range", f"{INT32[0]} to {INT32[-1]}"
    if kind == "float32" and not abs(value) <= LARGEST_FLOAT32:
        return "is out of a float32's range", "at most 3.4e38"
    return None


_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "boolean": ((bool,), "true or false"),
    "int32": ((int,), "a whole number"),
    "float32": ((int, float), "a number, e.g. 0.5"),
    "string": ((str,), "a text"),
}


# -- graphs


def _nodes(nodes: Iterable[Node], path: KeyPath) -> Iterator[Finding]:
    for node in nodes:
        where = (*path, "nodes", node.key)
        if node.override_mandatory and not node.overridable:
            message = f'node "{node.name}" must be overridden, but is not overridable'
            basis = ((*where, "overridable"),)
            yield Finding((*where, "override_mandatory"), message, "add `overridable: true`", True, basis)
        if not isinstance(node.interface, InterfaceName):
            yield from _parameter(node, node.interface, where)


def _parameter(node: Node, kind: str, path: KeyPath) -> Iterator[Finding]:
    if node.launch is not None:
        yield Finding((*path, "launch"), f'"{node.name}" is a parameter: it is not launched', "remove `launch`")
    if node.value is not None and (wrong := misfit(kind, node.value)):
        yield Finding((*path, kind), f'the value of "{node.name}" {wrong[0]}', wrong[1])


def _payload(document: Json, path: KeyPath) -> Iterator[Finding]:
    size = len(one_line(document))
    if size > LARGEST_PAYLOAD:
        message = f"the document has {size:,} characters as the one line that is sent"
        yield Finding(path, message, f"at most {LARGEST_PAYLOAD:,}")
