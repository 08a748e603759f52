"""What stands in applications of the wild, one situation each: a change of a small one, and what its manifest says."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any, TypeAlias

from tests.roots import CODE, GRAPH, NETS, OVERRIDE, Files

Edit: TypeAlias = Callable[[Files], None]


def graph(files: Files) -> Any:
    return files[GRAPH]["nodeGraph"]


def override(files: Files) -> Any:
    return files[OVERRIDE]["nodeGraphOverrides"]


def code(files: Files) -> Any:
    return files[f"{CODE}/package.json"]["nodePackage"]


def nets(files: Files) -> Any:
    return files[f"{NETS}/package.json"]["nodePackage"]


def node(files: Files, **members: Any) -> None:
    graph(files)["nodes"][1] |= members


def rename(files: Files, old: str, new: str) -> None:
    for file in [file for file in files if file.startswith(old)]:
        files[file.replace(old, new)] = files.pop(file)


def without(found: dict[str, Any], *members: str) -> None:
    for member in members:
        del found[member]


def reorder(found: dict[str, Any], *first: str) -> None:
    members = {**{key: found[key] for key in first}, **found}
    found.clear()
    found.update(members)


def unbuilt(files: Files) -> None:
    code(files)["assets"] = nets(files)["assets"] = []


def second_graph(files: Files) -> None:
    text = json.dumps(files[GRAPH]).replace("123456789012", "937544830708")
    files["graphs/shop/with_hdmi.json"] = json.loads(text)


def placeholders(files: Files) -> None:
    text = json.dumps(files[OVERRIDE]).replace("123456789012", "{YourAccount}").replace("yard", "{YourCamera}")
    files[OVERRIDE] = json.loads(text)


def accelerators(files: Files) -> None:
    requirement = {"type": "hardware_access", "nvAccelerators": [{"deviceType": "nvhost_gpu"}]}
    code(files)["assets"][0]["implementations"][0]["requirements"] = [requirement]


def gpu(files: Files) -> None:
    policy = {"policy": "allow_all"}
    accelerator = {"deviceType": "nvhost_gpu", "sharedResourcePolicy": policy}
    requirement = {"type": "hardware_access", "inferenceAccelerators": [accelerator]}
    code(files)["assets"][0]["implementations"][0]["requirements"] = [requirement]


def interfaces_first(files: Files) -> None:
    for each in graph(files)["nodes"]:
        reorder(each, "interface")


def camera_package(files: Files) -> None:
    defaults = {"username": "me", "password": "<password>", "streamUrl": "rtsp://<stream url>"}
    inputs = [{"description": f"Camera {n}", "name": n, "type": "string", "default": d} for n, d in defaults.items()]
    implementation = {"type": "system", "assetUri": "source/video/camera/rtsp/source_rtsp"}
    nets(files)["assets"] = [{"name": "rtsp_camera", "implementations": [implementation]}]
    nets(files)["interfaces"] = [
        {
            "name": "rtsp_interface",
            "category": "media_source",
            "asset": "rtsp_camera",
            "inputs": inputs,
            "outputs": [{"name": "video_out", "type": "media"}],
        }
    ]


def several_models(files: Files) -> None:
    for name, framework in (("one", "MXNET"), ("two", "TENSORFLOW")):
        descriptor = copy.deepcopy(files[f"{NETS}/descriptor.json"])
        descriptor["mlModelDescriptor"]["framework"] = framework
        files[f"{NETS}/{name}.json"] = descriptor


SITUATIONS: list[tuple[str, Edit, str]] = [
    (
        "nothing odd",
        lambda files: None,
        "    camera: camera\n    app: code\n    threshold: {float32: 60.0, overridable: true}",
    ),
    ("a second graph of another account", second_graph, 'with_hdmi.json:\n    account: "937544830708"'),
    ("another folder for the graph", lambda files: rename(files, GRAPH, "graphs/my app/graph.json"), "name: my app"),
    (
        "an account that begins with 0",
        lambda files: rename(files, "packages/1", "packages/0"),
        'account: "023456789012"',
    ),
    (
        "an account that is a word",
        lambda files: rename(files, "packages/1", "packages/accountXYZ"),
        "accountXYZ2345678",
    ),
    ("folders of two accounts", lambda files: rename(files, NETS, "packages/999999999999-nets-1.0"), "directory: 9999"),
    ("a folder of no account", lambda files: rename(files, NETS, "packages/nets"), "directory: nets"),
    ("another version in the folder", lambda files: rename(files, NETS, f"{NETS[:-3]}2.0"), 'directory_version: "2.0"'),
    (
        "hyphens in a name",
        lambda files: rename(files, NETS, NETS.replace("nets", "the-nets")),
        "the-nets:\n    name: nets",
    ),
    (
        "neither name nor version",
        lambda files: without(nets(files), "name", "version"),
        "name: null\n    version: null",
    ),
    ("no description", lambda files: without(nets(files), "description"), "nets:\n    models:"),
    ("an odd version", lambda files: nets(files).update(version="1"), 'version: "1"'),
    (
        "a package without a folder",
        lambda files: graph(files)["packages"].append({"name": "1::x", "version": "2.0"}),
        "1::x",
    ),
    ("a folder that no graph lists", lambda files: graph(files)["packages"].pop(0), "packages:"),
    ("a package twice", lambda files: graph(files)["packages"].append(graph(files)["packages"][0]), "extra:"),
    ("an empty graph", lambda files: graph(files).update(packages=[], nodes=[], edges=[]), "nodes: {}"),
    ("no edges", lambda files: without(graph(files), "edges"), "edges: null"),
    ("nothing was built", unbuilt, "container: code\n"),
    ("no list of assets", lambda files: without(code(files), "assets"), "assets: null"),
    ("no interfaces", lambda files: code(files).update(interfaces=[]), "interfaces: {}"),
    ("an asset that is nothing", lambda files: code(files)["interfaces"][0].update(asset=""), 'asset: ""'),
    (
        "a placeholder for an asset",
        lambda files: code(files)["assets"][0]["implementations"][0].update(assetUri=".tar.gz"),
        "uri: .tar.gz",
    ),
    ("an empty URI", lambda files: code(files)["assets"][0]["implementations"][0].update(assetUri=""), 'uri: ""'),
    (
        "no descriptor URI",
        lambda files: without(code(files)["assets"][0]["implementations"][0], "descriptorUri"),
        "container:",
    ),
    ("the GPU", gpu, "gpu: true"),
    ("a requirement that nobody knows", accelerators, "nvAccelerators: [{deviceType: nvhost_gpu}]"),
    ("a camera package", camera_package, "camera: {username: me}"),
    ("descriptors that no asset names", several_models, "one.json:  # no asset names it"),
    (
        "an odd descriptor",
        lambda files: files[f"{CODE}/descriptor.json"]["runtimeDescriptor"].pop("entry"),
        "descriptors:",
    ),
    (
        "a framework that is nothing",
        lambda files: files[f"{NETS}/descriptor.json"]["mlModelDescriptor"].update(framework=""),
        'framework: ""',
    ),
    (
        "a port's description",
        lambda files: code(files)["interfaces"][0]["inputs"][1].update(description="On"),
        'description: "On"',
    ),
    (
        "a listening port",
        lambda files: code(files)["interfaces"][0].update(network={"inboundPorts": [{"port": 80}]}),
        "ports: [80]",
    ),
    ("a node with $", lambda files: node(files, name="$app"), "$app: code"),
    ("a node without a name", lambda files: node(files, name=""), '"": code'),
    ("two nodes of a name", lambda files: node(files, name="net"), "net_2: {interface: nets, name: net}"),
    ("a node's description", lambda files: node(files, description="Counts"), "extra: {description: Counts}"),
    (
        "keys left out of a node",
        lambda files: without(graph(files)["nodes"][1], "launch", "overridable"),
        "overridable: null",
    ),
    ("an override that must be", lambda files: node(files, overrideMandatory=True), "override_mandatory: true"),
    ("no value", lambda files: without(graph(files)["nodes"][2], "value"), "threshold: {interface: float32"),
    ("a null value", lambda files: graph(files)["nodes"][2].update(value=None), "extra: {value: null}"),
    ("a whole number", lambda files: graph(files)["nodes"][2].update(value=60), "float32: 60,"),
    (
        "a text like a list",
        lambda files: graph(files)["nodes"][2].update(interface="string", value="[0,1]"),
        'string: "[0,1]"',
    ),
    (
        "no interface",
        lambda files: without(graph(files)["nodes"][1], "interface"),
        "app: {overridable: false, launch: onAppStart}",
    ),
    ("no title for a camera", lambda files: without(graph(files)["nodes"][0], "decorator"), "camera: {camera: null}"),
    (
        "an edge to nowhere",
        lambda files: graph(files)["edges"].append({"producer": "x.y", "consumer": "app.z"}),
        "- x.y -> app.z",
    ),
    (
        "an edge that no text says",
        lambda files: graph(files)["edges"].append({"producer": "", "consumer": "a"}),
        'producer: ""',
    ),
    (
        "a route",
        lambda files: graph(files).update(networkRoutingRules=[{"node": "app", "containerPort": 80, "hostPort": 8080}]),
        "- 8080 -> app:80",
    ),
    ("an override template", placeholders, 'account: "{YourAccount}"'),
    ("overrides at the top", lambda files: rename(files, OVERRIDE, "override.json"), "./override.json:"),
    ("overrides beside the graph", lambda files: rename(files, OVERRIDE, "graphs/shop/yard.json"), "  yard.json:"),
    (
        "two folders of graphs",
        lambda files: files.update({"graphs/zoo/graph.json": copy.deepcopy(files[GRAPH])}),
        "  graphs/zoo/graph.json:",
    ),
    ("a descriptor alone", lambda files: without(files, f"{NETS}/package.json"), f"  {NETS}/descriptor.json:"),
    ("a version that is not here", lambda files: graph(files)["packages"][0].update(version="0.9"), 'code: "0.9"'),
    ("an override of nothing", lambda files: override(files)["nodeOverrides"][0].update({"with": []}), "camera: []"),
    (
        "an override for two",
        lambda files: override(files)["nodeOverrides"][0]["with"].append({"name": "b"}),
        "camera: [yard, b]",
    ),
    (
        "an override of routes alone",
        lambda files: without(override(files), "nodes", "packages", "nodeOverrides"),
        "shop.json: {}",
    ),
    (
        "another envelope",
        lambda files: graph(files).update(envelopeVersion="2022-01-01"),
        'envelopeVersion: "2022-01-01"',
    ),
    ("no envelope", lambda files: without(graph(files), "envelopeVersion"), "documents:\n  graphs/shop/graph.json:"),
    (
        "another root",
        lambda files: files.update({GRAPH: {"graph": graph(files)}}),
        "documents:\n  graphs/shop/graph.json:",
    ),
    (
        "nodes in another order of keys",
        interfaces_first,
        "order: {nodes: [interface]}",
    ),
    (
        "one node in another order",
        lambda files: reorder(graph(files)["nodes"][1], "launch", "name"),
        "order: {nodes.1: [launch]}",
    ),
    (
        "overrides in another order",
        lambda files: reorder(override(files), "nodes", "packages"),
        "order: {.: [nodes, packages]}",
    ),
    ("a package in another order", lambda files: reorder(code(files), "assets"), "order: {.: [assets]}"),
    (
        "an entry in another order",
        lambda files: reorder(files[f"{CODE}/descriptor.json"]["runtimeDescriptor"]["entry"], "name"),
        "descriptors:",
    ),
]
