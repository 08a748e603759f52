"""The rules of a service model that botocore leaves to the service: lengths, patterns, enumerations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any


def broken(shape: Any, value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """The rules of ``shape``, a botocore.model.Shape, that a value breaks: where, and which.

    No value is told, as it may be a secret.
    """
    if shape.type_name == "structure":
        for name, each in value.items():
            if name in shape.members:
                yield from broken(shape.members[name], each, f"{path}.{name}" if path else name)
    elif shape.type_name == "list":
        for each in value:
            yield from broken(shape.member, each, path)
    elif shape.type_name == "map":
        yield from _out_of_bounds(shape.metadata, len(value), "entries", path)
        for key, each in value.items():
            yield from broken(shape.key, key, f"{path} key")
            yield from broken(shape.value, each, path)
    elif isinstance(value, str):
        yield from _out_of_bounds(shape.metadata, len(value), "characters", path)
        yield from _misshapen(shape.metadata, value, path)
    elif isinstance(value, int):
        yield from _out_of_bounds(shape.metadata, value, "", path)


def _out_of_bounds(rules: Mapping[str, Any], size: int, unit: str, path: str) -> Iterator[tuple[str, str]]:
    least, most = rules.get("min", size), rules.get("max", size)
    if not least <= size <= most:
        has = f"has {size:,} {unit}" if unit else f"is {size:,}"
        yield path, f"it {has}, and {least:,} to {most:,} are allowed"


def _misshapen(rules: Mapping[str, Any], value: str, path: str) -> Iterator[tuple[str, str]]:
    if not re.fullmatch(rules.get("pattern", "(?s).*"), value):
        yield path, f"it must match {rules['pattern']}"
    if value not in rules.get("enum", [value]):
        yield path, f"it must be one of {', '.join(rules['enum'])}"
