"""A Panorama application as immutable values: what panorama.yaml means once every default is filled in.

The shapes follow the documents of the Panorama format (graph.json, package.json, descriptor.json, overrides).
``None`` stands for "absent from the document"; ``extra`` holds members that the vocabulary has no word for and
that pass through untouched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, TypeAlias

from panorama_build.address import Address
from panorama_build.keyorder import Order

Json: TypeAlias = Any
Extra: TypeAlias = Mapping[str, Json]

ENVELOPE = "2021-01-01"
PLACEHOLDER_ACCOUNT = "000000000000"
SCALARS = ("boolean", "float32", "int32", "string")


@dataclass(frozen=True, kw_only=True)
class Build:
    """How a container's root file system comes about: from a Dockerfile, or from an image that exists.

    ``bases`` pins images that the Dockerfile names: name, as with all variables resolved -> digest.
    """

    context: str
    dockerfile: str
    image: str | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    bases: Mapping[str, str] = field(default_factory=dict)
    target: str | None = None
    network: str | None = None
    pull: bool = True


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a model's archive comes from; ``sha256`` is its pin, None when it has none."""

    address: Address
    sha256: str | None = None


@dataclass(frozen=True)
class SharedStore:
    """Where a team shares what it has built; ``read_only``: nothing is given to it."""

    address: Address
    read_only: bool = False


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the appliance starts in a container (runtimeDescriptor.entry)."""

    path: str | None
    name: str
    arguments: tuple[str, ...] | None = None
    environment: Mapping[str, str] | None = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class RuntimeDescriptor:
    """The descriptor of a container asset."""

    file: str
    entry: Entry | None
    events: tuple[Json, ...] | None = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Tensor:
    """An input of a model: its name and shape."""

    name: str
    shape: tuple[int, ...]
    type: str | None = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ModelDescriptor:
    """The descriptor of a model asset."""

    file: str
    framework: str
    inputs: tuple[Tensor, ...]
    framework_version: str | None = None
    precision: str | None = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class LiteralDescriptor:
    """A descriptor file that no asset names, as it stands."""

    file: str
    document: Json


Descriptor: TypeAlias = RuntimeDescriptor | ModelDescriptor | LiteralDescriptor


@dataclass(frozen=True, kw_only=True)
class Asset:
    """One asset of a package with its one implementation.

    ``type`` is container, model or system. ``source`` says how its bytes are made; without one the declared ``uri``
    stands for itself. ``same_as`` names another (package, asset) whose bytes these are.
    """

    name: str
    type: str
    source: Build | Source | None = None
    same_as: tuple[str, str] | None = None
    uri: str | None = None
    descriptor: Descriptor | None = None
    descriptor_uri: str | None = None
    requirements: tuple[Json, ...] | None = None
    description: str | None = None
    implementation: Extra = field(default_factory=dict)
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Port:
    """An input or output of an interface."""

    name: str
    type: str
    description: str | None = None
    default: Json = None
    max_connections: int | None = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class InboundPort:
    """A TCP port that a container listens on."""

    port: int
    description: str | None = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Interface:
    """How nodes talk to an asset."""

    name: str
    category: str | None
    asset: str | None
    inputs: tuple[Port, ...] | None = ()
    outputs: tuple[Port, ...] | None = ()
    inbound_ports: tuple[InboundPort, ...] | None = None
    description: str | None = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Package:
    """A node package. ``key`` names its directory; ``name`` and ``version`` are what package.json says, if it does.

    ``directory`` is the directory's whole name where that is not made of account, key and version;
    ``lists_no_assets`` tells that package.json has an empty list where there are none.
    """

    key: str
    directory_version: str
    directory: str | None = None
    name: str | None
    version: str | None
    description: str | None
    assets: tuple[Asset, ...]
    interfaces: tuple[Interface, ...]
    descriptors: tuple[LiteralDescriptor, ...] = ()
    lists_no_assets: bool = True
    order: Order = field(default_factory=dict)
    extra: Extra = field(default_factory=dict)

    def asset(self, name: str) -> Asset | None:
        """The asset called ``name``."""
        return next((asset for asset in self.assets if asset.name == name), None)

    def interface(self, name: str) -> Interface | None:
        """The interface called ``name``."""
        return next((interface for interface in self.interfaces if interface.name == name), None)


@dataclass(frozen=True, kw_only=True)
class PackageName:
    """``account::package`` with the application's own account left out, so that it can be filled in late."""

    package: str
    account: str | None = None

    def qualified(self, account: str) -> str:
        """The name as documents write it, e.g. ``123456789012::people_counter``."""
        return f"{self.account or account}::{self.package}"


@dataclass(frozen=True, kw_only=True)
class InterfaceName:
    """``account::package.interface``."""

    package: PackageName
    interface: str


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """An entry of a graph's list of packages."""

    package: PackageName
    version: str | None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Decorator:
    """What a console shows of a node."""

    title: str | None = None
    description: str | None = None
    constraint_text: str | None = None
    constraint_regex: str | None = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node of a graph: an instance of a package's interface, or a parameter of a scalar type.

    ``interface`` is an InterfaceName, one of SCALARS, or "" where there is none; ``value`` is a parameter's, None when
    it has none. ``key`` is where panorama.yaml has it.
    """

    key: str
    name: str
    interface: InterfaceName | str
    value: Json = None
    overridable: bool | None = None
    override_mandatory: bool | None = None
    launch: str | None = None
    decorator: Decorator | None = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True)
class Edge:
    """A connection ``node.output -> node.input``; a parameter's producer is the bare node name."""

    producer: str
    consumer: str
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Route:
    """A way from a port of the device to an inbound port of a node."""

    node: str
    container_port: int
    host_port: int | None = None
    decorator: Decorator | None = None
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A graph document. ``file`` is its path below the application root, ``key`` that of panorama.yaml, if it has one.

    ``packages_declared`` tells that the list of packages is a person's, and not derived from the nodes.
    """

    key: str | None
    file: PurePosixPath
    account: str | None
    description: str | None
    packages: tuple[Requirement, ...]
    packages_declared: bool
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...] | None
    routes: tuple[Route, ...] | None
    order: Order = field(default_factory=dict)
    extra: Extra = field(default_factory=dict)

    def lists(self, package: PackageName) -> bool:
        """Whether a person listed the package, which then lies in the account already."""
        return self.packages_declared and any(requirement.package == package for requirement in self.packages)

    def node(self, name: str) -> Node | None:
        """The node called ``name``."""
        return next((node for node in self.nodes if node.name == name), None)


@dataclass(frozen=True)
class Replacement:
    """A node that an override replaces, and the nodes that take its place."""

    replace: str
    with_: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Override:
    """An overrides document: a graph's changes for one place. Parts that are None are absent from the document."""

    key: str
    file: PurePosixPath
    account: str | None
    description: str | None
    packages: tuple[Requirement, ...] | None
    nodes: tuple[Node, ...] | None
    replacements: tuple[Replacement, ...] | None
    edges: tuple[Edge, ...] | None
    routes: tuple[Route, ...] | None
    order: Order = field(default_factory=dict)
    extra: Extra = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Where a text is found when it is used: a variable of the environment, or a secret, as a whole or its ``key``."""

    env: str | None = None
    secret: str | None = None
    key: str | None = None


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A camera by its RTSP stream. ``name`` is that of its package, node and interface; ``key`` its abstract camera."""

    key: str
    name: str
    url: str | Reference
    username: Reference | None = None
    password: Reference | None = None
    description: str | None = None


@dataclass(frozen=True, kw_only=True)
class Site:
    """Where an application runs: a device, by its name or id, and what is sent there.

    ``graph`` and ``override`` are None where panorama.yaml names one that it has not. ``streams`` are the cameras to
    be made; ``cameras`` and ``values`` are the nodes that the site replaces, in its own words.
    """

    key: str
    device: str
    name: str
    graph: Graph | None
    override: Override | None
    declared: str | None = None
    cameras: tuple[str, ...] = ()
    values: tuple[str, ...] = ()
    streams: tuple[Stream, ...] = ()
    description: str | None = None
    role: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Application:
    """Everything that a panorama.yaml declares. ``documents`` are those that it has no words for, by path."""

    name: str
    account: str
    platform: str
    remote: Address
    packages: tuple[Package, ...]
    graphs: tuple[Graph, ...]
    overrides: tuple[Override, ...]
    sites: tuple[Site, ...] = ()
    documents: Mapping[PurePosixPath, Json] = field(default_factory=dict)
    cache: SharedStore | None = None

    def package(self, key: str) -> Package | None:
        """The package declared under ``key``."""
        return next((package for package in self.packages if package.key == key), None)

    def assets(self) -> Iterator[tuple[Package, Asset]]:
        """Every asset with its package, in the order declared."""
        for package in self.packages:
            for asset in package.assets:
                yield package, asset
