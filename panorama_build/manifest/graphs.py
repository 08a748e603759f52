"""The graphs and overrides of a manifest, in full: short names become those that documents use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import TypeVar

from msgspec import UNSET, UnsetType

from panorama_build.appliance import CAMERA, SCREEN, find_interface
from panorama_build.manifest import vocabulary as words
from panorama_build.model import (
    SCALARS,
    Decorator,
    Edge,
    Graph,
    InterfaceName,
    Json,
    Node,
    Override,
    Package,
    PackageName,
    Port,
    Replacement,
    Requirement,
    Route,
)

T = TypeVar("T")


class Names:
    """Turns the short names of graphs into those of documents, knowing the packages."""

    def __init__(self, folder: str, packages: Mapping[str, Package]) -> None:
        self.folder = folder
        self.packages = packages

    def graph(self, key: str | None, graph: words.GraphWords) -> Graph:
        """The graph document that the file ``key`` will hold, or without one graph.json."""
        nodes = self.nodes(graph.nodes)
        return Graph(
            key=key,
            file=self.file(key or "graph.json", graph.name),
            account=graph.account,
            description=graph.description,
            packages=self.requirements(graph.packages, nodes, list(self.packages)),
            packages_declared=graph.packages is not None,
            nodes=nodes,
            edges=None if graph.edges is None else tuple(self.edge(edge, nodes) for edge in graph.edges),
            routes=expand_routes(graph.routes),
            order=graph.order,
            extra=graph.extra,
        )

    def override(self, key: str, override: words.OverrideWords) -> Override:
        """The override document that the file ``key`` will hold."""
        nodes = None if override.nodes is None else self.nodes(override.nodes)
        declared = None if isinstance(override.packages, UnsetType) else override.packages
        derived = self.requirements(declared, nodes or (), []) if override.packages is not None else ()
        return Override(
            key=key,
            file=self.file(key, None),
            account=override.account,
            description=override.description,
            packages=derived if derived or declared is not None else None,
            nodes=nodes,
            replacements=None
            if override.replace is None
            else tuple(
                Replacement(node, (others,) if isinstance(others, str) else tuple(others))
                for node, others in override.replace.items()
            ),
            edges=None if override.edges is None else tuple(self.edge(edge, nodes or ()) for edge in override.edges),
            routes=expand_routes(override.routes),
            order=override.order,
            extra=override.extra,
        )

    def file(self, file: str, own: str | None) -> PurePosixPath:
        """Where a graph or override lies below the application root; a bare file name is one of the graph's folder."""
        return PurePosixPath(file) if "/" in file else PurePosixPath("graphs", own or self.folder, file)

    def nodes(self, nodes: words.Nodes) -> tuple[Node, ...]:
        """The nodes, in order."""
        return tuple(self.node(name, node) for name, node in nodes.items())

    def node(self, key: str, node: str | words.NodeWords) -> Node:
        """A node with its defaults, those of panorama-cli."""
        if isinstance(node, str):
            node = words.NodeWords(interface=node)
        name = key if node.name is None else node.name
        interface, value = self.interface(node), _value(node)
        parameter = isinstance(interface, str)
        camera = not parameter and interface == _of(CAMERA)
        return Node(
            key=key,
            name=name,
            interface=interface,
            value=value,
            overridable=_unless_unset(node.overridable, None if parameter else camera),
            override_mandatory=node.override_mandatory,
            launch=_unless_unset(node.launch, None if parameter else "onAppStart"),
            decorator=_decorator(name, node, camera),
            extra=node.extra,
        )

    def interface(self, node: words.NodeWords) -> InterfaceName | str:
        """A scalar type, or the interface that a node names in any of the short ways."""
        for scalar in SCALARS:
            if getattr(node, scalar) is not UNSET:
                return scalar
        if node.camera is not UNSET or node.interface == "camera":
            return _of(CAMERA)
        if node.hdmi is not UNSET or node.interface == "hdmi":
            return _of(SCREEN)
        return self.named_interface(node.interface) if node.interface else ""

    def named_interface(self, text: str) -> InterfaceName | str:
        """What ``package``, ``package.asset``, ``package.interface`` or ``account::package.interface`` means."""
        if text in SCALARS:
            return text
        account, _, rest = text.rpartition("::")
        key, _, member = rest.partition(".")
        if not account and key in self.packages:
            member = _member_interface(self.packages[key], member)
        # A camera that the service made has one interface, named like its package.
        return InterfaceName(package=PackageName(package=key, account=account or None), interface=member or key)

    def requirements(
        self, declared: words.Requirements | None, nodes: Iterable[Node], keys: list[str]
    ) -> tuple[Requirement, ...]:
        """The packages that a graph lists: those declared, else all of ``keys`` and all that its nodes use."""
        if declared is not None:
            return tuple(_requirement(name, version) for name, version in declared.items())
        used = [node.interface.package for node in nodes if isinstance(node.interface, InterfaceName)]
        names = dict.fromkeys([*(PackageName(package=key) for key in keys), *used])
        return tuple(Requirement(package=name, version=self.version(name)) for name in names)

    def version(self, name: PackageName) -> str:
        """The version of a package; one that is not declared here has 1.0, as the appliance's own have."""
        package = None if name.account else self.packages.get(name.package)
        return (package.version or package.directory_version) if package else "1.0"

    def edge(self, edge: str | words.EdgeWords, nodes: tuple[Node, ...]) -> Edge:
        """An edge from its text, or as it stands."""
        if isinstance(edge, words.EdgeWords):
            return Edge(edge.producer, edge.consumer, edge.extra)
        producer, _, consumer = edge.partition("->")
        return Edge(self.end(producer.strip(), nodes, "outputs"), self.end(consumer.strip(), nodes, "inputs"))

    def end(self, end: str, nodes: tuple[Node, ...], side: str) -> str:
        """An edge's end with its port: a bare node name means its one port on that side."""
        node = next((node for node in nodes if node.name == end), None)
        if node is None or not isinstance(node.interface, InterfaceName):
            return end
        interface = find_interface(self.packages.get, node.interface)
        ports: tuple[Port, ...] = (getattr(interface, side) if interface else None) or ()
        return f"{end}.{ports[0].name}" if len(ports) == 1 else end


def _of(package: Package) -> InterfaceName:
    return InterfaceName(
        package=PackageName(package=package.key, account="panorama"), interface=package.interfaces[0].name
    )


def _member_interface(package: Package, member: str) -> str:
    """The interface of ``package`` that ``member`` means: its own name, its asset's, or nothing where there is one."""
    if package.interface(member):
        return member
    mine = [interface.name for interface in package.interfaces if not member or interface.asset == member]
    return mine[0] if len(mine) == 1 else member


def _value(node: words.NodeWords) -> Json:
    values = [getattr(node, scalar) for scalar in SCALARS]
    return next((value for value in values if value is not UNSET), None)


def _decorator(name: str, node: words.NodeWords, camera: bool) -> Decorator | None:
    title, description = node.title, node.description
    shown = node.camera if isinstance(node.camera, str) else node.hdmi if isinstance(node.hdmi, str) else None
    if camera and title is None and shown is None and node.camera is not None:
        title, description = f"Camera {name}", description or f"Default description for camera {name}"
    decorator = Decorator(
        title=title or shown,
        description=description,
        constraint_text=node.constraint_text,
        constraint_regex=node.constraint_regex,
        extra=node.decorator,
    )
    return decorator if decorator != Decorator() else None


def _requirement(name: str, version: str | words.Requirement) -> Requirement:
    account, _, package = name.rpartition("::")
    named = PackageName(package=package, account=account or None)
    if isinstance(version, str):
        return Requirement(package=named, version=version)
    return Requirement(package=named, version=version.version, extra=version.extra)


def expand_routes(routes: list[str | words.RouteWords] | None) -> tuple[Route, ...] | None:
    """The routes, in order."""
    return None if routes is None else tuple(_route(route) for route in routes)


def _route(route: str | words.RouteWords) -> Route:
    if isinstance(route, str):
        host, _, end = route.rpartition("->")
        node, _, port = end.strip().rpartition(":")
        return Route(node=node, container_port=int(port), host_port=int(host) if host else None)
    decorator = Decorator(title=route.title, description=route.description)
    return Route(
        node=route.node,
        container_port=route.container_port,
        host_port=route.host_port,
        decorator=decorator if decorator != Decorator() else None,
        extra=route.extra,
    )


def _unless_unset(value: T | UnsetType, default: T) -> T:
    return default if isinstance(value, UnsetType) else value
