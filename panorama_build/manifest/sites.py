"""The sites of a manifest, in full: the overrides document of each, and the cameras that have to be made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from msgspec import UnsetType

from panorama_build.manifest import vocabulary as words
from panorama_build.manifest.graphs import Names, expand_routes
from panorama_build.manifest.packages import typed
from panorama_build.model import (
    Graph,
    InterfaceName,
    Node,
    Override,
    Reference,
    Replacement,
    Route,
    Site,
    Stream,
)


def expand_sites(
    manifest: words.Manifest, names: Names, graphs: Sequence[Graph], overrides: Sequence[Override]
) -> tuple[Site, ...]:
    """The sites, in order; ``graphs`` and ``overrides`` are those that the manifest declares."""
    by_graph = {graph.key: graph for graph in graphs}
    by_override = {override.key: override for override in overrides}
    expanded = []
    for key, site in manifest.sites.items():
        graph = by_graph.get(site.graph)
        streams = _streams(key, site)
        rendered = _override(key, site, graph, names) if graph else None
        expanded.append(
            Site(
                key=key,
                device=site.device,
                name=site.name or f"{manifest.application}-{key}",
                graph=graph,
                override=by_override.get(site.overrides) if site.overrides else rendered,
                declared=site.overrides,
                cameras=tuple(site.cameras),
                values=tuple(site.values),
                streams=streams,
                description=site.description,
                role=site.role,
                tags=site.tags,
            )
        )
    return tuple(expanded)


def _cameras(site: words.SiteWords) -> dict[str, list[str | words.StreamWords]]:
    return {node: [said] if not isinstance(said, list) else said for node, said in site.cameras.items()}


def _streams(key: str, site: words.SiteWords) -> tuple[Stream, ...]:
    return tuple(
        Stream(
            key=node,
            name=_stream_name(key, node, said),
            url=said.url if isinstance(said.url, str) else _found(said.url),
            username=_found(said.username) if said.username else None,
            password=_found(said.password) if said.password else None,
            description=said.description,
        )
        for node, cameras in _cameras(site).items()
        for said in cameras
        if isinstance(said, words.StreamWords)
    )


def _stream_name(key: str, node: str, stream: words.StreamWords) -> str:
    return stream.name or f"{key}_{node}"


def _found(said: words.Reference) -> Reference:
    return Reference(env=said.env, secret=said.secret, key=said.key)


def _override(key: str, site: words.SiteWords, graph: Graph, names: Names) -> Override:
    """The overrides document that a site's own words make of a graph."""
    taken = {node.name for node in graph.nodes}
    cameras = {node: _camera_nodes(key, node, said, names, taken) for node, said in _cameras(site).items()}
    values = {node: (_value_node(node, text, graph),) for node, text in site.values.items()}
    replaced: Mapping[str, tuple[Node, ...]] = {**cameras, **values}
    # One camera may stand for two abstract ones.
    nodes = tuple({node.name: node for new in replaced.values() for node in new}.values())
    return Override(
        key=key,
        file=PurePosixPath(graph.file.parent, "overrides", f"{key}.json"),
        account=graph.account,
        description=None,
        packages=names.requirements(None, nodes, []),
        nodes=nodes,
        replacements=tuple(Replacement(node, tuple(each.name for each in new)) for node, new in replaced.items()),
        edges=None,
        routes=_routes(site, graph),
    )


def _camera_nodes(
    key: str, node: str, cameras: list[str | words.StreamWords], names: Names, taken: set[str]
) -> tuple[Node, ...]:
    said = [each if isinstance(each, str) else _stream_name(key, node, each) for each in cameras]
    return tuple(_camera_node(each, names, taken) for each in said)


def _camera_node(camera: str, names: Names, taken: set[str]) -> Node:
    """A camera's node, named like its package; by ``_override`` where the graph has a node of that name."""
    node = names.node(camera, camera)
    package = node.interface.package.package if isinstance(node.interface, InterfaceName) else camera
    return replace(node, name=f"{package}_override" if package in taken else package)


def _value_node(name: str, text: str, graph: Graph) -> Node:
    """A parameter's value here, by the name that the developer guide gives it."""
    node = graph.node(name)
    kind = node.interface if node and isinstance(node.interface, str) else "string"
    return Node(key=name, name=f"{name}_override", interface=kind, value=typed(kind, text))


def _routes(site: words.SiteWords, graph: Graph) -> tuple[Route, ...] | None:
    """A graph's own take effect only where the deployment repeats them, says the developer guide."""
    return graph.routes if isinstance(site.routes, UnsetType) else expand_routes(site.routes)
