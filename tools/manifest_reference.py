"""Write docs/manifest.md, the reference of panorama.yaml, from the vocabulary itself.

python tools/manifest_reference.py > docs/manifest.md
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec import NODEFAULT, UNSET, inspect

from panorama_build.manifest.vocabulary import Manifest

HEAD = """\
# panorama.yaml

Every key, from the vocabulary itself (`tools/manifest_reference.py` writes this page, a test keeps it true). A whole
manifest by example is in the [README](../README.md). Editors complete and check it by its JSON Schema: the first line
of a new project's panorama.yaml names `.panorama/schema.json`, and `panorama-build schema` prints it.

Three states of a key: left out, it takes its default; `null`, where that is allowed, it is absent from the generated
document; otherwise it is as written. `extra` passes members through that have no word here.

Values are read by their type and never guessed: a text needs no quotes but those of YAML's syntax, `1.10` stays 1.10,
and `on` is no truth value. `null` or nothing is never a text; `"null"` is.
"""

# What each mapping may look like, parsed by a test.
EXAMPLES = {
    "Manifest": "{application: people_counter, account: 123456789012, remote: s3://my-bucket/panorama}",
    "Location": "{url: s3://my-bucket/models/net.tar.gz, region: eu-central-1, profile: releases}",
    "SharedStore": "{url: s3://my-bucket/cache, endpoint: https://s3.example.com, read_only: true}",
    "PackageWords": "{container: code, entry: [python3, /panorama/app.py], inputs: {video_in: media}, gpu: true}",
    "Recipe": "{asset: code, dockerfile: Dockerfile.arm64, args: {BASE: my-registry/base:1}, target: runtime}",
    "EntryPoint": "{path: python3, name: /panorama/app.py, arguments: [--verbose], environment: {LANG: C.UTF-8}}",
    "ModelWords": "{source: models/net.tar.gz, framework: PYTORCH, inputs: {data: [1, 3, 224, 224]}}",
    "Input": "{shape: [1, 3, 224, 224], type: float32}",
    "CameraWords": "{username: admin, password: changeit, url: rtsp://192.0.2.10/stream}",
    "PortWords": "{type: float32, description: What counts, default: 0.5}",
    "InboundPortWords": "{port: 8080, description: Statistics}",
    "InterfaceWords": "{category: business_logic, asset: code, inputs: {video_in: media}, ports: [8080]}",
    "GraphWords": "{nodes: {gate: camera, screen: hdmi}, edges: [gate -> screen]}",
    "Requirement": "{version: 1.0, extra: {patchVersion: 0af1}}",
    "NodeWords": "{float32: 0.5, overridable: true, title: Threshold}",
    "EdgeWords": "{producer: gate.video_out, consumer: code.video_in}",
    "RouteWords": "{node: code, container_port: 8080, host_port: 8000, title: Statistics}",
    "SiteWords": "{device: shop-7, cameras: {gate: gate_7}, values: {threshold: 0.7}, tags: {team: retail}}",
    "StreamWords": "{url: rtsp://192.0.2.10/stream, username: {env: CAMERA_USER}, password: {env: CAMERA_PASSWORD}}",
    "Reference": "{secret: shop-7/cameras, key: password}",
    "OverrideWords": "{nodes: {gate_7: gate_7}, replace: {gate: gate_7}}",
}


def structs(kind: inspect.Type, seen: dict[str, inspect.StructType]) -> None:
    """Collect every mapping that ``kind`` can hold, in the order in which a reader meets them."""
    if isinstance(kind, inspect.StructType) and kind.cls.__name__ not in seen:
        seen[kind.cls.__name__] = kind
        for field in kind.fields:
            structs(field.type, seen)
    for attribute in ("type", "types", "item_type", "value_type"):
        inner = getattr(kind, attribute, ())
        for each in inner if isinstance(inner, tuple) else (inner,):
            if isinstance(each, inspect.Type):
                structs(each, seen)


def describe(kind: inspect.Type) -> str:
    """A type as a person reads it."""
    if isinstance(kind, inspect.Metadata):
        return describe(kind.type)
    if isinstance(kind, inspect.UnionType):
        members = dict.fromkeys(describe(each) for each in kind.types)
        return " or ".join(name for name in members if name != "whole number" or "number" not in members)
    if isinstance(kind, inspect.StructType):
        return f"[{title(kind)}](#{re.sub('[^a-z -]', '', title(kind).lower()).replace(' ', '-')})"
    if isinstance(kind, inspect.DictType):
        return f"mapping of {describe(kind.value_type)}"
    if isinstance(kind, inspect.ListType):
        return f"list of {describe(kind.item_type)}"
    if isinstance(kind, inspect.LiteralType):
        return " or ".join(f"`{value}`" for value in kind.values)
    names: dict[type, str] = {
        inspect.StrType: "text",
        inspect.IntType: "whole number",
        inspect.FloatType: "number",
        inspect.BoolType: "`true` or `false`",
        inspect.NoneType: "`null`",
        inspect.AnyType: "anything",
    }
    return names[type(kind)]


def title(kind: inspect.StructType) -> str:
    """The heading of a mapping: its class's docstring up to the first comma or period."""
    return (kind.cls.__doc__ or kind.cls.__name__).strip().split("\n")[0].rstrip(".").split(",")[0].split(":")[0]


def default(field: inspect.Field) -> str:
    """A key's default."""
    if field.required:
        return "required"
    value: Any = field.default
    if value is NODEFAULT or value is UNSET or value in (None, "", [], {}):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def meaning(kind: inspect.Type) -> str:
    """What the vocabulary says of a key."""
    schema = kind.extra_json_schema if isinstance(kind, inspect.Metadata) else None
    return str((schema or {}).get("description", ""))


def page() -> Iterator[str]:
    """The lines of the page."""
    yield HEAD
    seen: dict[str, inspect.StructType] = {}
    structs(inspect.type_info(Manifest), seen)
    for kind in seen.values():
        yield f"## {title(kind)}\n"
        said = " ".join((kind.cls.__doc__ or "").split())
        if said != f"{title(kind)}.":
            yield f"{said}\n"
        yield f"```yaml\n{EXAMPLES[kind.cls.__name__]}\n```\n"
        yield "| key | type | default | meaning |\n|---|---|---|---|"
        for field in sorted(kind.fields, key=lambda field: field.encode_name == "extra"):
            cells = (f"`{field.encode_name}`", describe(field.type), default(field), meaning(field.type))
            yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
        yield ""


def main() -> None:
    """Print the page."""
    print("\n".join(page()).rstrip())


if __name__ == "__main__":
    main()
