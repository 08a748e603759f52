"""The scalars of a YAML file, converted by the type that is declared for them."""

from __future__ import annotations

import re
from math import inf, isfinite
from typing import Any

import yaml
from msgspec import inspect

LONGEST_SHOWN = 100

_NULL = re.compile(r"~|null|Null|NULL|")
_INT = re.compile(r"[-+]?[0-9]{1,1000}")  # Python converts no more than some thousand digits
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


def plain(kind: inspect.Type) -> inspect.Type:
    """The type without its annotations."""
    return kind.type if isinstance(kind, inspect.Metadata) else kind


def _members(kind: inspect.Type) -> list[inspect.Type]:
    kind = plain(kind)
    return (
        [member for each in kind.types for member in _members(each)] if isinstance(kind, inspect.UnionType) else [kind]
    )


def takes_null(kind: inspect.Type) -> bool:
    """Whether null is one of the values of a type."""
    return any(isinstance(member, inspect.NoneType) for member in _members(kind))


def pick(node: yaml.Node, kind: inspect.Type) -> inspect.Type:
    """The member of a union that a node can be: a mapping, a list or a scalar."""
    members = _members(kind)
    if len(members) == 1:
        return members[0]
    if _is_null(node) and takes_null(kind):
        return inspect.NoneType()
    wanted: tuple[type[inspect.Type], ...] = (inspect.StructType, inspect.DictType)
    if isinstance(node, yaml.SequenceNode):
        wanted = (inspect.ListType,)
    fits = [member for member in members if isinstance(member, wanted)]
    if isinstance(node, yaml.ScalarNode):
        compound = (inspect.StructType, inspect.DictType, inspect.ListType, inspect.NoneType)
        fits = [member for member in members if not isinstance(member, compound)]
    fits = fits or [member for member in members if not isinstance(member, inspect.NoneType)]
    return fits[0] if len(fits) == 1 else inspect.UnionType(tuple(fits))


def _is_null(node: yaml.Node) -> bool:
    return isinstance(node, yaml.ScalarNode) and not node.style and bool(_NULL.fullmatch(node.value))


def convert(node: yaml.ScalarNode, kind: inspect.Type) -> Any:
    """The value of a scalar as ``kind``. Raises ValueError where it is none."""
    if isinstance(kind, inspect.UnionType):
        return _first(node, kind)
    if isinstance(kind, inspect.NoneType):
        return None
    if _is_null(node):
        raise ValueError
    if isinstance(kind, inspect.LiteralType) and node.value not in kind.values:
        raise ValueError
    if isinstance(kind, inspect.BoolType):
        return _lookup(_BOOLS, node.value)
    if isinstance(kind, inspect.IntType):
        return int(_matching(_INT, node.value))
    if isinstance(kind, inspect.FloatType):
        return float(_matching(_FLOAT, node.value))
    if isinstance(kind, (inspect.StructType, inspect.DictType, inspect.ListType)):
        raise ValueError
    return node.value


def _first(node: yaml.ScalarNode, kind: inspect.UnionType) -> Any:
    for member in kind.types:
        try:
            return convert(node, plain(member))
        except ValueError:
            continue
    raise ValueError


def _lookup(table: dict[str, bool], text: str) -> bool:
    if text not in table:
        raise ValueError
    return table[text]


def _matching(pattern: re.Pattern[str], text: str) -> str:
    if not pattern.fullmatch(text):
        raise ValueError
    return text


def untyped(node: yaml.ScalarNode) -> Any:
    """A scalar whose type is not declared: JSON's own types, as YAML's core schema tells them apart."""
    text: str = node.value
    if node.style:
        return text
    if _NULL.fullmatch(text):
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if _INT.fullmatch(text):
        return int(text)
    number = float(text) if _FLOAT.fullmatch(text) else inf
    return number if isfinite(number) else text


def type_name(kind: inspect.Type) -> str:
    """What a person calls a type."""
    if isinstance(kind, inspect.UnionType):
        return " or ".join(dict.fromkeys(type_name(plain(member)) for member in kind.types))
    if isinstance(kind, inspect.LiteralType):
        return "one of " + ", ".join(str(value) for value in kind.values)
    names: dict[type, str] = {
        inspect.BoolType: "true or false",
        inspect.IntType: "a whole number",
        inspect.FloatType: "a number",
        inspect.StrType: "a text",
        inspect.StructType: "a mapping",
        inspect.DictType: "a mapping",
        inspect.ListType: "a list",
        inspect.NoneType: "null",
    }
    return names[type(kind)]


def describe(node: yaml.Node) -> str:
    """What stands in a node, for a complaint."""
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    if isinstance(node, yaml.SequenceNode):
        return "a list"
    return "nothing" if _is_null(node) else shown(node.value)


def shown(text: str) -> str:
    """A text in quotes, as much of it as a line has room for."""
    return f'"{text}"' if len(text) <= LONGEST_SHOWN else f'"{text[:LONGEST_SHOWN]}..."'
