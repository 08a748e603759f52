"""panorama-api.md, the reference of the API as a Markdown document, in the terms of a botocore service model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.roots import SHARED

FILE = SHARED / "panorama-api.md"
Shape = dict[str, Any]

_PLACES = {"body": None, "uri": "uri", "querystring": "querystring", "header": "header"}


@dataclass(frozen=True)
class Reference:
    """What the document says: ``operations`` as a service model has them, and ``shapes`` by name."""

    metadata: Shape
    operations: dict[str, Shape]
    shapes: dict[str, Shape]


def read(text: str) -> Reference:
    """Operations of the first table; shapes of the tables of members, of structures, errors and strings."""
    shapes: dict[str, Shape] = {}
    for row in _rows(_section(text, "# Every string pattern / length")):
        shapes[row[0]] = _constrained("string", _limits(row[1], row[2], row[3].strip("`")))
    inputs: dict[str, Shape] = {}
    for name, section in _sections(text):
        kinds = re.findall(r"^### (Input|Output) `(\w+)`\n(.*?)(?=^###|\Z)", section, re.M | re.S)
        for kind, shape, table in kinds:
            inputs.setdefault(name, {})[kind.lower()] = {"shape": shape}
            shapes[shape] = _structure(table, shapes)
    for shape, table in re.findall(r"^## `(\w+)`\n(.*?)(?=^#|\Z)", text, re.M | re.S):
        shapes[shape] = _structure(table, shapes)
    for status, fault, shape, table in re.findall(
        r"^## HTTP (\d+) fault=(\w+) `(\w+)`\n(.*?)(?=^#|\Z)", text, re.M | re.S
    ):
        error = {"httpStatusCode": int(status), **({} if fault == "True" else {"senderFault": True})}
        fault_of = {"fault": True} if fault == "True" else {}
        shapes[shape] = {**_structure(table, shapes), "error": error, "exception": True, **fault_of}
    operations = {
        row[0]: {
            "name": row[0],
            "http": {"method": row[1], "requestUri": row[2].strip("`"), "responseCode": int(row[3])},
            **inputs.get(row[0], {}),
            "errors": [{"shape": f"{error}Exception"} for error in row[4].split(", ")],
        }
        for row in _rows(_section(text, "## All operations"))
    }
    (metadata,) = re.findall(r"^metadata: `(.*)`$", text, re.M)
    return Reference(json.loads(metadata), operations, shapes)


def _section(text: str, title: str) -> str:
    return re.split(r"^#+ ", text.partition(f"\n{title}\n")[2], maxsplit=1, flags=re.M)[0]


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """Each operation's section by its name."""
    yield from re.findall(r"^## ([A-Z]\w+)\n(.*?)(?=^#{1,2} |\Z)", text, re.M | re.S)


def _rows(table: str) -> Iterator[list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip().replace(r"\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def _structure(table: str, shapes: dict[str, Shape]) -> Shape:
    """A structure; the shapes that its table describes besides are added to ``shapes``."""
    members: dict[str, Shape] = {}
    required = []
    for name, mandatory, where, kind, constraints in _rows(table):
        shape, type_ = re.fullmatch(r"(\w+) \((\w+)\)", kind).groups()  # type: ignore[union-attr]
        place, _, location = where.partition(":")
        here = {"location": _PLACES[place], "locationName": location} if location else {}
        members[name] = {"shape": shape, **here}
        required += [name] if mandatory else []
        if type_ != "structure":
            shapes[shape] = _described(type_, constraints)
    return {"type": "structure", **({"required": required} if required else {}), "members": members}


def _described(type_: str, constraints: str) -> Shape:
    limits = {word: found for word in ("min", "max", "pattern") if (found := _quoted(constraints, word)) is not None}
    shape = _constrained(type_, _limits(limits.get("min", ""), limits.get("max", ""), limits.get("pattern", "")))
    if "enum " in constraints:
        shape["enum"] = re.findall(r"`(\w+)`", constraints.partition("enum ")[2])
    if element := re.search(r"\bof (\w+)$", constraints):
        shape["member"] = {"shape": element[1]}
    if pair := re.search(r"(\w+) -> (\w+)$", constraints):
        shape |= {"key": {"shape": pair[1]}, "value": {"shape": pair[2]}}
    return shape


def _quoted(constraints: str, word: str) -> str | None:
    found = re.search(rf"\b{word} `(.*?)`(?:;|$)", constraints)
    return found[1] if found else None


def _limits(least: str, most: str, pattern: str) -> Shape:
    limits: Shape = {name: int(text) for name, text in (("min", least), ("max", most)) if text}
    return limits | ({"pattern": pattern} if pattern else {})


def _constrained(type_: str, limits: Shape) -> Shape:
    return {"type": type_, **limits}
