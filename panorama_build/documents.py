"""The JSON documents of an application, as values and as canonical bytes.

Keys stand in the order in which panorama-cli and the developer guide write them. package.json's sha256 is the
package's patch version, so the bytes are fixed: indent 4, ASCII, no final newline, as panorama-cli writes them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from panorama_build.keyorder import arrange
from panorama_build.model import (
    ENVELOPE,
    Asset,
    Decorator,
    Descriptor,
    Edge,
    Entry,
    Extra,
    Graph,
    InboundPort,
    Interface,
    InterfaceName,
    Json,
    LiteralDescriptor,
    ModelDescriptor,
    Node,
    Override,
    Package,
    Port,
    Replacement,
    Requirement,
    Route,
    RuntimeDescriptor,
    Tensor,
)

T = TypeVar("T")


@dataclass(frozen=True)
class Uris:
    """What an asset's implementation names: its bytes and its descriptor, relative to the assets folder."""

    asset: str
    descriptor: str | None


def canonical(document: Json) -> bytes:
    """The bytes of a document."""
    return json.dumps(document, indent=4).encode("ascii")


def one_line(document: Json) -> str:
    """A document as the payload of an API call: the service takes no newline in it."""
    return json.dumps(document, separators=(",", ":"))


def package_document(package: Package, uris: Mapping[str, Uris]) -> Json:
    """package.json; ``uris`` by asset name, where an asset is built.

    An asset that is not built and has no URI of its own is left out, as panorama-cli leaves it out.
    """
    built = [asset for asset in package.assets if asset.name in uris or asset.uri is not None]
    body = _present(
        package.extra,
        envelopeVersion=ENVELOPE,
        name=package.name,
        version=package.version,
        description=package.description,
        assets=[_asset(asset, uris.get(asset.name)) for asset in built] if built or package.lists_no_assets else None,
        interfaces=[_interface(interface) for interface in package.interfaces],
    )
    return {"nodePackage": arrange(body, package.order)}


def descriptor_document(descriptor: Descriptor) -> Json:
    """descriptor.json of a container or a model."""
    if isinstance(descriptor, LiteralDescriptor):
        return descriptor.document
    if isinstance(descriptor, ModelDescriptor):
        return {"mlModelDescriptor": _model(descriptor)}
    return {"runtimeDescriptor": _runtime(descriptor)}


def graph_document(graph: Graph, account: str) -> Json:
    """graph.json; ``account`` is the application's, which a graph of its own account overrules."""
    account = graph.account or account
    body = _present(
        graph.extra,
        envelopeVersion=ENVELOPE,
        description=graph.description,
        packages=[_requirement(requirement, account) for requirement in graph.packages],
        nodes=[_node(node, account) for node in graph.nodes],
        edges=_list(graph.edges, _edge),
        networkRoutingRules=_list(graph.routes, _route),
    )
    return {"nodeGraph": arrange(body, graph.order)}


def override_document(override: Override, account: str) -> Json:
    """An overrides document."""
    account = override.account or account
    packages = None if override.packages is None else [_requirement(each, account) for each in override.packages]
    nodes = None if override.nodes is None else [_node(node, account) for node in override.nodes]
    body = _present(
        override.extra,
        envelopeVersion=ENVELOPE,
        description=override.description,
        packages=packages,
        nodes=nodes,
        nodeOverrides=_list(override.replacements, _replacement),
        edges=_list(override.edges, _edge),
        networkRoutingRules=_list(override.routes, _route),
    )
    return {"nodeGraphOverrides": arrange(body, override.order)}


def _present(extra: Extra, /, **members: Json) -> dict[str, Json]:
    """The members that are not None, and ``extra``."""
    return {**{key: value for key, value in members.items() if value is not None}, **extra}


def _list(values: Iterable[T] | None, write: Callable[[T], Json]) -> list[Json] | None:
    return None if values is None else [write(value) for value in values]


def _asset(asset: Asset, uris: Uris | None) -> Json:
    implementation = _present(
        asset.implementation,
        type=asset.type,
        assetUri=uris.asset if uris else asset.uri or "",
        descriptorUri=uris.descriptor if uris else asset.descriptor_uri,
        requirements=None if asset.requirements is None else list(asset.requirements),
    )
    return _present(asset.extra, name=asset.name, description=asset.description, implementations=[implementation])


def _interface(interface: Interface) -> Json:
    ports = interface.inbound_ports
    return _present(
        interface.extra,
        name=interface.name,
        description=interface.description,
        category=interface.category,
        asset=interface.asset,
        inputs=_list(interface.inputs, _port),
        outputs=_list(interface.outputs, _port),
        network=None if ports is None else {"inboundPorts": [_inbound(port) for port in ports]},
    )


def _port(port: Port) -> Json:
    return _present(
        port.extra,
        description=port.description,
        name=port.name,
        type=port.type,
        default=port.default,
        maxConnections=port.max_connections,
    )


def _inbound(port: InboundPort) -> Json:
    return _present(port.extra, port=port.port, description=port.description)


def _runtime(descriptor: RuntimeDescriptor) -> Json:
    return _present(
        descriptor.extra,
        envelopeVersion=ENVELOPE,
        entry=_entry(descriptor.entry) if descriptor.entry else None,
        events=None if descriptor.events is None else list(descriptor.events),
    )


def _entry(entry: Entry) -> Json:
    environment = entry.environment
    return _present(
        entry.extra,
        path=entry.path,
        name=entry.name,
        arguments=None if entry.arguments is None else list(entry.arguments),
        environment=None if environment is None else [{"name": k, "value": v} for k, v in environment.items()],
    )


def _model(descriptor: ModelDescriptor) -> Json:
    return _present(
        descriptor.extra,
        envelopeVersion=ENVELOPE,
        framework=descriptor.framework,
        frameworkVersion=descriptor.framework_version,
        precisionMode=descriptor.precision,
        inputs=[_tensor(tensor) for tensor in descriptor.inputs],
    )


def _tensor(tensor: Tensor) -> Json:
    return _present(tensor.extra, name=tensor.name, type=tensor.type, shape=list(tensor.shape))


def _requirement(requirement: Requirement, account: str) -> Json:
    return _present(requirement.extra, name=requirement.package.qualified(account), version=requirement.version)


def _node(node: Node, account: str) -> Json:
    return _present(
        node.extra,
        name=node.name,
        interface=_interface_name(node.interface, account),
        value=node.value,
        overridable=node.overridable,
        overrideMandatory=node.override_mandatory,
        launch=node.launch,
        decorator=_decorator(node.decorator) if node.decorator else None,
    )


def _interface_name(interface: InterfaceName | str, account: str) -> str | None:
    if isinstance(interface, str):
        return interface or None
    return f"{interface.package.qualified(account)}.{interface.interface}"


def _decorator(decorator: Decorator) -> Json:
    return _present(
        decorator.extra,
        title=decorator.title,
        description=decorator.description,
        constraintText=decorator.constraint_text,
        constraintRegex=decorator.constraint_regex,
    )


def _edge(edge: Edge) -> Json:
    return _present(edge.extra, producer=edge.producer, consumer=edge.consumer)


def _route(route: Route) -> Json:
    return _present(
        route.extra,
        node=route.node,
        containerPort=route.container_port,
        hostPort=route.host_port,
        decorator=_decorator(route.decorator) if route.decorator else None,
    )


def _replacement(replacement: Replacement) -> Json:
    return {"replace": replacement.replace, "with": [{"name": name} for name in replacement.with_]}
