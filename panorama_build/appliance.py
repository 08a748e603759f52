"""What comes with every appliance: the packages that no application has to bring."""

from __future__ import annotations

from collections.abc import Callable

from panorama_build.model import Application, Interface, InterfaceName, Node, Package, Port


def _builtin(package: str, interface: str, category: str, *, inputs: str = "", outputs: str = "") -> Package:
    """A package that comes with the appliance, with one media port."""
    ports = [tuple(Port(name=name, type="media") for name in names.split()) for names in (inputs, outputs)]
    face = Interface(name=interface, category=category, asset=None, inputs=ports[0], outputs=ports[1])
    return Package(
        key=package,
        directory_version="1.0",
        name=package,
        version="1.0",
        description=None,
        assets=(),
        interfaces=(face,),
    )


# The two packages that panorama-cli's add-panorama-package knew; no other was ever documented.
CAMERA = _builtin("abstract_rtsp_media_source", "rtsp_v1_interface", "media_source", outputs="video_out")
SCREEN = _builtin("hdmi_data_sink", "hdmi0", "media_sink", inputs="video_in")
PACKAGES = {package.key: package for package in (CAMERA, SCREEN)}


def find_interface(package: Callable[[str], Package | None], name: InterfaceName) -> Interface | None:
    """The interface called ``name``: one of the appliance's own, or of the ``package`` that an application declares."""
    if name.package.account not in (None, "panorama"):
        return None
    found = PACKAGES.get(name.package.package) if name.package.account else package(name.package.package)
    return found.interface(name.interface) if found else None


def interface_of(application: Application, node: Node) -> Interface | None:
    """The interface of a node, where the application or the appliance has it."""
    return find_interface(application.package, node.interface) if isinstance(node.interface, InterfaceName) else None
