"""The packages of a manifest, in full: assets, descriptors and interfaces with their defaults."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from msgspec import UnsetType

from panorama_build.address import Address
from panorama_build.manifest import vocabulary as words
from panorama_build.model import (
    Asset,
    Build,
    Descriptor,
    Entry,
    InboundPort,
    Interface,
    LiteralDescriptor,
    ModelDescriptor,
    Package,
    Port,
    RuntimeDescriptor,
    Source,
    Tensor,
)

# What a GPU costs in package.json: the one accelerator that an appliance ever had.
_GPU = {
    "type": "hardware_access",
    "inferenceAccelerators": [{"deviceType": "nvhost_gpu", "sharedResourcePolicy": {"policy": "allow_all"}}],
}
_BOOLEANS = {"true": True, "false": False}
_NUMBERS = {
    "int32": re.compile(r"[-+]?[0-9]+"),
    "float32": re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?"),
}
_VIDEO_IN = (Port(name="video_in", type="media"),)
_VIDEO_OUT = (Port(name="video_out", type="media"),)


def expand_address(location: str | words.Location) -> Address:
    """An address written short or in full."""
    if isinstance(location, str):
        return Address(location)
    return Address(location.url, location.endpoint, location.region, location.profile, location.requester_pays)


def expand_packages(declared: Mapping[str, words.PackageWords]) -> tuple[Package, ...]:
    """The packages of a manifest, in its order."""
    packages = {key: _package(key, package) for key, package in declared.items()}
    return tuple(_with_lent(package, packages) for package in packages.values())


def _with_lent(package: Package, packages: Mapping[str, Package]) -> Package:
    """A package whose models that are another package's have come with their descriptors."""
    return replace(package, assets=tuple(_lent(package, asset, packages) for asset in package.assets))


def _lent(package: Package, asset: Asset, packages: Mapping[str, Package]) -> Asset:
    owner = packages.get(asset.same_as[0]) if asset.same_as else None
    original = owner.asset(asset.same_as[1]) if owner and asset.same_as else None
    if original is None or original.descriptor is None:
        return asset
    file = "descriptor.json" if len(package.assets) == 1 else f"descriptor_{asset.name}.json"
    return replace(asset, descriptor=replace(original.descriptor, file=file))


def _package(key: str, package: words.PackageWords) -> Package:
    container = _container(key, package)
    alone = container is None and len(package.models) == 1
    camera = [_system("rtsp_camera", "source/video/camera/rtsp/source_rtsp")] if package.camera else []
    sink = [_system("sink_hdmi", "sink/video/hdmi/sink_hdmi")] if package.sink else []
    assets = (
        *([container] if container else []),
        *(_model(package, name, alone) for name in package.models),
        *camera,
        *sink,
        *(_system(name, uri) for name, uri in package.system.items()),
    )
    named = {asset.descriptor.file for asset in assets if asset.descriptor}
    return Package(
        key=key,
        directory_version=package.directory_version or package.version or "1.0",
        directory=package.directory,
        name=key if isinstance(package.name, UnsetType) else package.name,
        version=package.version,
        description=package.description,
        assets=_ordered(assets, package.assets),
        interfaces=_interfaces(package, assets),
        descriptors=tuple(
            LiteralDescriptor(file=file, document=value)
            for file, value in package.descriptors.items()
            if file not in named
        ),
        lists_no_assets=package.assets is not None,
        order=package.order,
        extra=package.extra,
    )


def _ordered(assets: tuple[Asset, ...], names: list[str] | UnsetType | None) -> tuple[Asset, ...]:
    """``assets`` in the order of ``names``; those not named keep their order behind them."""
    if not isinstance(names, list):
        return assets
    return tuple(sorted(assets, key=lambda asset: names.index(asset.name) if asset.name in names else len(names)))


def _container(key: str, package: words.PackageWords) -> Asset | None:
    recipe = package.container
    if recipe is None:
        return None
    if isinstance(recipe, str):
        recipe = words.Recipe(asset=recipe)
    requirements = [*([_GPU] if package.gpu else []), *(package.requirements or [])]
    return Asset(
        name=recipe.asset or f"{key}_container",
        type="container",
        source=_build(key, recipe),
        uri=recipe.uri,
        descriptor=_runtime(package),
        descriptor_uri=recipe.descriptor_uri,
        requirements=tuple(requirements) if requirements or package.requirements is not None else None,
        description=recipe.description,
        implementation=recipe.implementation,
        extra=recipe.extra,
    )


def _build(key: str, recipe: words.Recipe) -> Build:
    return Build(
        context=recipe.context or f"packages/{key}",
        dockerfile=recipe.dockerfile,
        image=recipe.image,
        arguments=recipe.args,
        bases=recipe.bases,
        target=recipe.target,
        network=recipe.network,
        pull=recipe.pull,
    )


def _runtime(package: words.PackageWords) -> Descriptor | None:
    if package.entry is None and package.events is None:
        return _literal(package, package.descriptor)
    events = None if package.events is None else tuple(package.events)
    return RuntimeDescriptor(file=package.descriptor or "descriptor.json", entry=_entry(package.entry), events=events)


def _literal(package: words.PackageWords, file: str | None) -> LiteralDescriptor | None:
    """The descriptor that an asset names, out of those that the package holds as JSON."""
    if file is None or file not in package.descriptors:
        return None
    return LiteralDescriptor(file=file, document=package.descriptors[file])


def _entry(entry: list[str] | words.EntryPoint | None) -> Entry | None:
    if entry is None:
        return None
    if isinstance(entry, words.EntryPoint):
        return Entry(
            path=entry.path,
            name=entry.name,
            arguments=_tuple(entry.arguments),
            environment=entry.environment,
            extra=entry.extra,
        )
    if len(entry) == 1:
        return Entry(path=None, name=entry[0])
    return Entry(path=entry[0], name=entry[1], arguments=tuple(entry[2:]) or None)


def _model(package: words.PackageWords, name: str, alone: bool) -> Asset:
    model = package.models[name]
    if isinstance(model, str):
        owner, _, asset = model.partition(".")
        return Asset(name=name, type="model", same_as=(owner, asset or name))
    return Asset(
        name=name,
        type="model",
        source=Source(address=expand_address(model.source), sha256=model.sha256) if model.source else None,
        uri=model.uri,
        descriptor=_model_descriptor(model, "descriptor.json" if alone else f"descriptor_{name}.json")
        or _literal(package, model.descriptor),
        descriptor_uri=model.descriptor_uri,
        requirements=_tuple(model.requirements),
        description=model.description,
        implementation=model.implementation,
        extra=model.extra,
    )


def _model_descriptor(model: words.ModelWords, file: str) -> ModelDescriptor | None:
    if isinstance(model.framework, UnsetType):
        return None
    return ModelDescriptor(
        file=model.descriptor or file,
        framework=model.framework,
        framework_version=model.framework_version,
        precision=model.precision,
        inputs=tuple(_tensor(name, tensor) for name, tensor in model.inputs.items()),
    )


def _tensor(name: str, tensor: list[int] | words.Input) -> Tensor:
    if isinstance(tensor, list):
        return Tensor(name=name, shape=tuple(tensor))
    return Tensor(name=name, shape=tuple(tensor.shape), type=tensor.type, extra=tensor.extra)


def _system(name: str, uri: str) -> Asset:
    return Asset(name=name, type="system", uri=uri)


def _interfaces(package: words.PackageWords, assets: tuple[Asset, ...]) -> tuple[Interface, ...]:
    if package.interfaces is not None:
        return tuple(_interface(name, interface) for name, interface in package.interfaces.items())
    return tuple(_derived_interface(asset, package) for asset in assets)


def _interface(name: str, interface: words.InterfaceWords) -> Interface:
    return Interface(
        name=name,
        category=interface.category,
        asset=interface.asset,
        inputs=None if interface.inputs is None else _ports(interface.inputs),
        outputs=None if interface.outputs is None else _ports(interface.outputs),
        inbound_ports=_inbound(interface.ports),
        description=interface.description,
        extra=interface.extra,
    )


def _derived_interface(asset: Asset, package: words.PackageWords) -> Interface:
    """The one interface that panorama-cli gave each asset, named as it named it."""
    if asset.type == "system":
        return _system_interface(asset, package)
    code = asset.type == "container"
    return Interface(
        name=f"{asset.name}_interface",
        category="business_logic" if code else "ml_model",
        asset=asset.name,
        inputs=_VIDEO_IN if isinstance(package.inputs, UnsetType) or not code else _ports(package.inputs),
        outputs=_VIDEO_OUT if isinstance(package.outputs, UnsetType) or not code else _ports(package.outputs),
        inbound_ports=_inbound(package.ports) if code else None,
    )


def _system_interface(asset: Asset, package: words.PackageWords) -> Interface:
    source = bool(asset.uri and asset.uri.startswith("source/"))
    inputs = _camera_inputs(package.camera) if package.camera else () if source else _VIDEO_IN
    return Interface(
        name="rtsp_interface" if source else "sink_interface",
        category="media_source" if source else "media_sink",
        asset=asset.name,
        inputs=inputs,
        outputs=_VIDEO_OUT,
    )


def _camera_inputs(camera: words.CameraWords) -> tuple[Port, ...]:
    defaults = {"username": camera.username, "password": camera.password, "streamUrl": camera.url}
    return tuple(
        Port(name=name, type="string", description=f"Camera {name}", default=default)
        for name, default in defaults.items()
    )


def _ports(ports: Mapping[str, str | words.PortWords]) -> tuple[Port, ...]:
    return tuple(_port(name, port) for name, port in ports.items())


def _port(name: str, port: str | words.PortWords) -> Port:
    if isinstance(port, str):
        return Port(name=name, type=port)
    return Port(
        name=name,
        type=port.type,
        description=port.description,
        default=typed(port.type, port.default),
        max_connections=port.max_connections,
        extra=port.extra,
    )


def typed(kind: str, text: str | None) -> bool | float | str | None:
    """What is written for a port or parameter as a value of its type; what can't be one stays as it is written."""
    if kind == "boolean" and text in _BOOLEANS:
        return _BOOLEANS[text]
    if text is not None and kind in _NUMBERS and _NUMBERS[kind].fullmatch(text):
        return float(text) if set(text) & set(".eE") else int(text)
    return text


def _inbound(ports: list[int | words.InboundPortWords] | None) -> tuple[InboundPort, ...] | None:
    if ports is None:
        return None
    return tuple(
        InboundPort(port=port)
        if isinstance(port, int)
        else InboundPort(port=port.port, description=port.description, extra=port.extra)
        for port in ports
    )


def _tuple(values: list[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)
