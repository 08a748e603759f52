"""Single values written into a YAML text, of which every other byte stays as it is: comments, blanks, ends of lines."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, TypeAlias

import yaml

from panorama_build.errors import PanoramaError
from panorama_build.manifest.yamltree import tree_of

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_./:@-]*(?<!:)")
_NUMBER = re.compile(r"[0-9.]+(e[0-9]+)?")  # which other readers of the file would take for one
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")

Keys: TypeAlias = tuple[str, ...]


def put(text: str, name: str, path: Keys, value: str, short: str | None = None) -> str:
    """``text`` with ``value`` at the key path ``path``; mappings that are not there yet are made.

    A scalar that stands where the path needs a mapping becomes its key ``short``. The result is read again: raises
    PanoramaError, with the place and what to write there by hand, where it says anything else than the text did, but
    for the new value. ``name`` is what complaints call the file.
    """
    root = tree_of(text, name)
    spot = _find(root, path)
    wanted = _plain(root)
    _set(wanted, path, value, short)
    try:
        edited = _replaced(text, spot.node, value) if not spot.missing else _inserted(text, spot, value, short)
        found = _plain(tree_of(edited, name))
    except (PanoramaError, LookupError):
        found = None
    if found != wanted:
        line = ": ".join([*path[-len(spot.missing) or -1 :], value])
        where = f"{name}:{spot.node.start_mark.line + 1}:{spot.node.start_mark.column + 1}"
        raise PanoramaError("this can't be edited without changing more", where=where, hint=f"write by hand: {line}")
    return edited


@dataclass(frozen=True)
class _Spot:
    """The node as deep as a path leads, the keys of the path that it lacks, and how far nested keys are indented."""

    node: yaml.Node
    missing: Keys
    step: int
    flow: bool


def _find(root: yaml.Node, path: Keys) -> _Spot:
    node, step, flow = root, 2, False
    for depth, key in enumerate(path):
        flow = flow or bool(getattr(node, "flow_style", False))
        found = _members(node).get(key)
        if found is None:
            return _Spot(node, path[depth:], step, flow)
        if isinstance(found, yaml.MappingNode) and not flow and not found.flow_style:
            step = _column(found) - _column(node)
        node = found
    return _Spot(node, (), step, flow)


def _members(node: yaml.Node) -> dict[str, yaml.Node]:
    if not isinstance(node, yaml.MappingNode):
        return {}
    return {key.value: value for key, value in node.value if isinstance(key, yaml.ScalarNode)}


def _column(mapping: yaml.Node) -> int:
    """Where the keys of a block mapping stand; its own mark is that of its anchor, if it has one."""
    key: yaml.Node = mapping.value[0][0]
    return key.start_mark.column


def _plain(node: yaml.Node) -> Any:
    """A tree as dictionaries (as lists of pairs, which have an order), lists and texts."""
    if isinstance(node, yaml.MappingNode):
        return {key.value: _plain(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item) for item in node.value]
    return node.value


def _set(tree: Any, path: Keys, value: str, short: str | None) -> None:
    for key in path[:-1]:
        inner = tree.setdefault(key, {})
        if isinstance(inner, str):
            inner = tree[key] = {short: inner}
        tree = inner
    tree[path[-1]] = value


def _replaced(text: str, node: yaml.Node, value: str) -> str:
    start, end = node.start_mark.index, node.end_mark.index
    properties = _PROPERTIES.match(text, start, end)
    start = properties.end() if properties else start
    return text[:start] + _scalar(value, getattr(node, "style", None)) + text[end:]


def _inserted(text: str, spot: _Spot, value: str, short: str | None) -> str:
    node = spot.node
    if isinstance(node, yaml.ScalarNode):
        return _made_long(text, spot, value, short)
    if spot.flow or getattr(node, "flow_style", False):
        return _inserted_in_flow(text, spot, value)
    last = _neighbour(node, spot.missing[0])
    end = _line_end(text, _end_of(text, last))
    lines = _block(spot.missing, value, _column(node), spot.step)
    return text[:end] + _newline(text) + _newline(text).join(lines) + text[end:]


def _made_long(text: str, spot: _Spot, value: str, short: str | None) -> str:
    """A scalar as the first member of a mapping."""
    start, end = spot.node.start_mark.index, spot.node.end_mark.index
    if spot.flow:
        return f"{text[:start]}{{{short}: {text[start:end]}, {_flow(spot.missing, value)}}}{text[end:]}"
    first = text.rfind("\n", 0, start) + 1
    column = len(text[first:start]) - len(text[first:start].lstrip(" ")) + spot.step
    line_end, newline = _line_end(text, end), _newline(text)
    lines = _block(spot.missing, value, column, spot.step)
    before = text[:start].rstrip(" ")
    return (
        f"{before}{newline}{' ' * column}{short}: {text[start:line_end]}{newline}{newline.join(lines)}{text[line_end:]}"
    )


def _inserted_in_flow(text: str, spot: _Spot, value: str) -> str:
    members = _flow(spot.missing, value)
    if not spot.node.value:
        end = text.rindex("}", spot.node.start_mark.index, spot.node.end_mark.index)
        return f"{text[:end]}{members}{text[end:]}"
    end = _end_of(text, _neighbour(spot.node, spot.missing[0]))
    return f"{text[:end]}, {members}{text[end:]}"


def _neighbour(node: yaml.Node, key: str) -> yaml.Node:
    """The value behind which a new member stands: a model's digest behind its source, anything else behind the last."""
    if key == "sha256" and (source := _members(node).get("source")):
        return source
    last: yaml.Node = node.value[-1][1]
    return last


def _end_of(text: str, node: yaml.Node) -> int:
    """Where a value's last character stands, and not the comments and blanks behind it."""
    while not getattr(node, "flow_style", True) and node.value:
        last = node.value[-1]
        node = last[1] if isinstance(last, tuple) else last
    return len(text[: node.end_mark.index].rstrip())


def _line_end(text: str, index: int) -> int:
    found = re.compile(r"\r?\n|\Z").search(text, index)
    return found.start() if found else len(text)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _block(path: Keys, value: str, column: int, step: int) -> list[str]:
    """The lines of nested mappings, the outermost at ``column``."""
    lines = [f"{' ' * (column + depth * step)}{_scalar(key)}:" for depth, key in enumerate(path)]
    return [*lines[:-1], f"{lines[-1]} {_scalar(value)}"]


def _flow(path: Keys, value: str) -> str:
    key, *rest = path
    return f"{_scalar(key, flow=True)}: " + (f"{{{_flow(tuple(rest), value)}}}" if rest else _scalar(value, flow=True))


def _scalar(value: str, style: str | None = None, flow: bool = False) -> str:
    """A scalar in the style of the one that it replaces; one of its own is plain where that is safe."""
    if style == "'" and "'" not in value:
        return f"'{value}'"
    plain = _PLAIN.fullmatch(value) and not _NUMBER.fullmatch(value) and not (flow and ":" in value)
    return value if plain and style != '"' else json.dumps(value)
