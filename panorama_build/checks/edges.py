"""A graph's edges, held against the ports of its nodes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from panorama_build.appliance import interface_of
from panorama_build.checks.finding import Basis, Finding, path_of
from panorama_build.errors import did_you_mean
from panorama_build.manifest.yamlfile import KeyPath
from panorama_build.model import (
    SCALARS,
    Application,
    Edge,
    Graph,
    InterfaceName,
    Node,
)


def edges(application: Application, graph: Graph, path: KeyPath) -> Iterator[Finding]:
    """What doesn't fit together in the edges of the graph at ``path``."""
    for index, edge in enumerate(graph.edges or ()):
        yield from _edge(application, graph, edge, (*path, "edges", index))
    yield from _inputs(application, graph, path)


def _edge(application: Application, graph: Graph, edge: Edge, path: KeyPath) -> Iterator[Finding]:
    ends = (_End(application, graph, edge.producer, "outputs"), _End(application, graph, edge.consumer, "inputs"))
    wrong = [finding for end in ends for finding in end.findings(path)]
    yield from wrong
    producer, consumer = (end.type for end in ends)
    if not wrong and producer and consumer and producer != consumer:
        message = f"{edge.producer} is {producer}, but {edge.consumer} takes {consumer}"
        yield Finding(path, message, basis=(*ends[0].ports_basis, *ends[1].ports_basis))


@dataclass(frozen=True)
class _End:
    """One end of an edge, ``node.port``, or ``node`` alone where that is a parameter. ``side`` is inputs or outputs."""

    application: Application
    graph: Graph
    text: str
    side: str

    @property
    def name(self) -> str:
        return self.text.partition(".")[0]

    @property
    def port(self) -> str:
        return self.text.partition(".")[2]

    @property
    def node(self) -> Node | None:
        return self.graph.node(self.name)

    @property
    def ports(self) -> dict[str, str] | None:
        """The types of the node's ports on this side; None where nothing is known of them."""
        interface = interface_of(self.application, self.node) if self.node else None
        return None if interface is None else {port.name: port.type for port in getattr(interface, self.side) or ()}

    @property
    def type(self) -> str | None:
        """What flows here, where that is known."""
        if self.node and isinstance(self.node.interface, str):
            return self.node.interface
        return (self.ports or {}).get(self.port)

    @property
    def ports_basis(self) -> Basis:
        """Where panorama.yaml says which ports the node has."""
        name = self.node.interface if self.node else None
        if not isinstance(name, InterfaceName) or name.package.account:
            return ()
        path: KeyPath = ("packages", name.package.package)
        return (*path, self.side), (*path, "interfaces", name.interface, self.side)

    def findings(self, path: KeyPath) -> Iterator[Finding]:
        """What is wrong with the end, which stands at ``path``."""
        if self.node is None:
            hint = did_you_mean(self.name, [node.name for node in self.graph.nodes])
            basis: Basis = ((*path_of(self.graph), "nodes", self.name),)
            yield Finding(path, f'there is no node "{self.name}"', hint, basis=basis)
        elif self.node.interface in SCALARS:
            if self.port or self.side == "inputs":
                hint = f"write `{self.name} -> NODE.INPUT`"
                yield Finding(path, f'"{self.name}" is a parameter: it has no ports', hint)
        elif self.ports is not None and self.port not in self.ports:
            yield self._no_port(path, self.ports, self.side.removesuffix("s"))

    def _no_port(self, path: KeyPath, ports: dict[str, str], side: str) -> Finding:
        known = f"it has {', '.join(ports)}" if ports else "it has none"
        if not self.port:
            return Finding(path, f'say which {side} of node "{self.name}" is meant', known, basis=self.ports_basis)
        basis = tuple((*each, self.port) for each in self.ports_basis)
        message = f'node "{self.name}" has no {side} "{self.port}"'
        return Finding(path, message, did_you_mean(self.port, ports) or known, basis=basis)


def _inputs(application: Application, graph: Graph, path: KeyPath) -> Iterator[Finding]:
    """Each input has one producer: the appliance knows no other way to several than an override."""
    fed: dict[str, str] = {}
    for index, edge in enumerate(graph.edges or ()):
        if edge.consumer in fed:
            message = f"{edge.consumer} already takes {fed[edge.consumer]}"
            basis = _End(application, graph, edge.consumer, "inputs").ports_basis
            yield Finding((*path, "edges", index), message, "an input has one producer", basis=basis)
        fed.setdefault(edge.consumer, edge.producer)
    for node in graph.nodes:
        interface = interface_of(application, node)
        if interface and interface.category in ("business_logic", "media_sink"):
            for port in interface.inputs or ():
                end = f"{node.name}.{port.name}"
                if end not in fed and port.default is None:
                    ports = _End(application, graph, end, "inputs").ports_basis
                    basis = ((*path, "edges"), *((*each, port.name) for each in ports))
                    yield Finding((*path, "nodes", node.key), f"nothing feeds {end}", warning=True, basis=basis)
