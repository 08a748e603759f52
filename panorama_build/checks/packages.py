"""A package's assets and interfaces, held against each other and against those of other packages."""

from __future__ import annotations

from collections.abc import Iterator

from panorama_build.checks.finding import Finding, path_of
from panorama_build.errors import did_you_mean
from panorama_build.manifest.yamlfile import KeyPath
from panorama_build.model import (
    Application,
    Asset,
    Interface,
    InterfaceName,
    Package,
    Source,
)

ASSETS = (("container",), ("camera",), ("sink",))  # words of a package that make an asset each
REQUIREMENTS = ("type", "inferenceAccelerators", "minVersion", "maxVersion", "name")


def packages(application: Application) -> Iterator[Finding]:
    """What doesn't fit together in packages."""
    for package in application.packages:
        yield from _package(application, package)
        yield from _requirements(package)
    yield from _unused(application)


def _package(application: Application, package: Package) -> Iterator[Finding]:
    path: KeyPath = ("packages", package.key)
    names = [asset.name for asset in package.assets]
    for name in {name for name in names if names.count(name) > 1}:
        yield Finding(path, f'package "{package.key}" has two assets called "{name}"')
    for interface in package.interfaces:
        if interface.asset and interface.asset not in names:
            message = f'interface "{interface.name}" is of an asset "{interface.asset}", which the package has not'
            where = (*path, "interfaces", interface.name, "asset")
            basis = tuple(
                (*path, *each) for each in (*ASSETS, ("models", interface.asset), ("system", interface.asset))
            )
            yield Finding(where, message, did_you_mean(interface.asset, names), basis=basis)
        if interface.category == "media_source" and _has_password(interface):
            message = f'the password of "{package.key}" stands here in plain, and is published with the package'
            hint = "a site's cameras take it from elsewhere"
            yield Finding((*path, "camera", "password"), message, hint, warning=True)
    for asset in package.assets:
        if asset.type == "model" and not asset.source and not asset.same_as and asset.uri is None:
            message = f'model "{asset.name}" has no source, and package.json leaves it out'
            where = (*path, "models", asset.name)
            basis = ((*where, "source"), (*where, "uri"))
            yield Finding(where, message, "add `source: PATH`", warning=True, basis=basis)
        if asset.same_as:
            yield from _same(application, package, asset.name, asset.same_as)
        if asset.type == "container" and asset.descriptor is None and asset.descriptor_uri is None:
            message = f'container "{asset.name}" has no entry: the appliance would start nothing'
            hint = "add `entry: [python3, /panorama/app.py]`"
            basis = tuple((*path, word) for word in ("container", "entry", "events", "descriptor", "descriptors"))
            yield Finding((*path, "container"), message, hint, warning=True, basis=basis)


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
                    yield Finding(path, message, did_you_mean(member, REQUIREMENTS), warning=True)


def _same(application: Application, package: Package, name: str, same: tuple[str, str]) -> Iterator[Finding]:
    other = application.package(same[0])
    asset = other.asset(same[1]) if other else None
    if asset is None or asset.source is None or asset.type != "model":
        message = f'model "{name}" is that of {".".join(same)}, which is no model with a source'
        known = [f"{mine.key}.{model.name}" for mine, model in application.assets() if isinstance(model.source, Source)]
        hint = _origin(application, asset) if asset and asset.same_as else did_you_mean(".".join(same), known)
        path = ("packages", package.key, "models", name)
        yield Finding(path, message, hint, basis=(("packages", same[0], "models", same[1]),))


def _unused(application: Application) -> Iterator[Finding]:
    used = {
        node.interface.package.package
        for graph in application.graphs
        for node in graph.nodes
        if isinstance(node.interface, InterfaceName)
    }
    basis: list[KeyPath] = [("graph",), ("graphs",)]
    for path, node in ((path_of(graph), node) for graph in application.graphs for node in graph.nodes):
        basis += [(*path, "nodes"), (*path, "nodes", node.key, "interface")]
    for package in application.packages:
        if application.graphs and package.key not in used:
            message = f'no node uses package "{package.key}"'
            yield Finding(("packages", package.key), message, warning=True, basis=tuple(basis))


def _origin(application: Application, asset: Asset) -> str:
    """What to write in place of a model that is itself another's."""
    seen: list[tuple[str, str]] = []
    found: Asset | None = asset
    while found and found.same_as and found.same_as not in seen:
        seen.append(found.same_as)
        package = application.package(found.same_as[0])
        found = package.asset(found.same_as[1]) if package else None
    own = found and found.source
    return f"write `{'.'.join(seen[-1])}`" if own else "they name each other: give one of them a `source`"
