"""A YAML file read by declared type, every complaint with its place.

Scalars are taken as written and converted by the type that is asked for, so ``version: 1.10`` stays "1.10", an
account keeps its leading zero and ``no`` is never a boolean. All mistakes of a file are collected before any is
reported.
"""

from __future__ import annotations

import re
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar, cast

import yaml
from msgspec import Struct, inspect

from panorama_build.errors import PanoramaError, PanoramaErrors, Place, nearest
from panorama_build.manifest.scalars import convert, describe, pick, plain, shown, type_name, untyped
from panorama_build.manifest.yamltree import DEEPEST, MOST_NODES, text_of, tree_of

Key: TypeAlias = str | int
KeyPath: TypeAlias = tuple[Key, ...]
S = TypeVar("S", bound=Struct)

MOST_ERRORS = 100


class Places:
    """Where each value of a file stands, by its key path; a path that has no place takes its parent's."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._places: dict[KeyPath, Place] = {(): Place(file, 1, 1)}

    def note(self, path: KeyPath, mark: yaml.Mark) -> Place:
        """Remember, and give, the place of ``path``."""
        place = self._places[path] = Place(self.file, mark.line + 1, mark.column + 1)
        return place

    def put(self, path: KeyPath, place: Place) -> None:
        """Remember that ``path`` is found at ``place``."""
        self._places[path] = place

    def __getitem__(self, path: KeyPath) -> Place:
        while path not in self._places:
            path = path[:-1]
        return self._places[path]


class _Refused(Exception):
    """A complaint was recorded; the value it was about has none."""


def read(path: Path, kind: type[S], name: str | None = None) -> tuple[S, Places]:
    """Read the YAML file ``path`` as a ``kind``; give it and the places of all its values.

    ``name`` is what complaints call the file. Raises PanoramaErrors with all mistakes, sorted by place, or
    PanoramaError where there is nothing to read.
    """
    name = name or str(path)
    return parse(text_of(path, name), kind, name)


def parse(text: str, kind: type[S], name: str) -> tuple[S, Places]:
    """Read a YAML text as ``read`` does a file."""
    decoder = _Decoder(name)
    root = tree_of(text, name)
    try:
        value = decoder.decode(root, _type_info(kind), ())
    except _Refused:
        value = None
    if decoder.errors:
        raise PanoramaErrors(decoder.errors)
    return cast(S, value), decoder.places


_type_info = cache(inspect.type_info)


class _Decoder:
    """Turns nodes into values of declared types; collects complaints."""

    def __init__(self, file: str) -> None:
        self.places = Places(file)
        self.errors: list[PanoramaError] = []
        self._nodes = 0

    def decode(self, node: yaml.Node, kind: inspect.Type, path: KeyPath) -> Any:
        place = self.places.note(path, node.start_mark)
        self._nodes += 1
        if self._nodes > MOST_NODES:  # a short text can stand for billions of nodes
            raise PanoramaError("the document grows too large through its aliases", where=place)
        if len(path) > DEEPEST:
            raise PanoramaError("the nesting is too deep through its aliases", where=place)
        if isinstance(kind, inspect.Metadata) and kind.extra and "complaint" in kind.extra:
            return self._secretive(node, kind.type, path, kind.extra["complaint"])
        kind = pick(node, kind)
        if isinstance(kind, inspect.StructType):
            return self._struct(node, kind, path)
        if isinstance(kind, inspect.DictType):
            return self._dict(node, kind, path)
        if isinstance(kind, inspect.ListType):
            return self._list(node, kind, path)
        if isinstance(kind, inspect.AnyType):
            return self._json(node, path)
        return self._scalar(node, kind, place)

    def _secretive(self, node: yaml.Node, kind: inspect.Type, path: KeyPath, complaint: str) -> Any:
        """A value in whose place a secret may stand: what is wrong with it is told in words that repeat nothing."""
        before = len(self.errors)
        value = None
        with suppress(_Refused):
            value = self.decode(node, kind, path)
        if len(self.errors) == before:
            return value
        del self.errors[before:]
        raise self.complain(complaint, self.places[path])

    def complain(self, message: str, place: Place, hint: str | None = None) -> _Refused:
        self.errors.append(PanoramaError(message, where=place, hint=hint))
        if len(self.errors) == MOST_ERRORS:
            more = PanoramaError(f"these are {MOST_ERRORS} mistakes, and there may be more", where=self.places.file)
            raise PanoramaErrors([*self.errors, more])
        return _Refused()

    def _items(self, node: yaml.Node, path: KeyPath, what: str) -> list[tuple[str, yaml.Node, Place]]:
        """A mapping's keys, values and the places of its keys; duplicates and odd keys are complained about."""
        if not isinstance(node, yaml.MappingNode):
            raise self.complain(f"expected {what}, found {describe(node)}", self.places[path])
        items: dict[str, tuple[str, yaml.Node, Place]] = {}
        for key_node, value_node in node.value:
            place = self.places.note((*path, "\0key"), key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                self.complain("a key must be a plain word", place)
            elif key_node.value in items:
                self.complain(
                    f"duplicate key {shown(key_node.value)}", place, f"first in line {items[key_node.value][2].line}"
                )
            else:
                items[key_node.value] = (key_node.value, value_node, place)
        return list(items.values())

    def _struct(self, node: yaml.Node, kind: inspect.StructType, path: KeyPath) -> Any:
        fields = {field.encode_name: field for field in kind.fields}
        values: dict[str, Any] = {}
        refused = False
        for key, value_node, place in self._items(node, path, "a mapping"):
            if key not in fields:
                self.complain(f"unknown key {shown(key)}{_of(path)}", place, nearest(key, list(fields)))
                continue
            try:
                values[key] = self._member(value_node, fields[key].type, (*path, key), place)
            except _Refused:
                refused = True
        for name in (name for name, field in fields.items() if field.required and name not in values):
            if not refused:
                self.complain(f'the key "{name}" is missing{_of(path)}', self.places[path])
            refused = True
        if refused:
            raise _Refused
        try:
            return kind.cls(**values)
        except ValueError as error:  # what a mapping says of itself as a whole
            raise self.complain(str(error), self.places[path]) from None

    def _dict(self, node: yaml.Node, kind: inspect.DictType, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value_node, place in self._items(node, path, "a mapping"):
            try:
                self._limits(key, plain(kind.key_type), place, "name")
                result[key] = self._member(value_node, kind.value_type, (*path, key), place)
            except _Refused:
                continue
        return result

    def _member(self, node: yaml.Node, kind: inspect.Type, path: KeyPath, key: Place) -> Any:
        """A mapping's value. A scalar's place is its own; a longer value is found where its key stands."""
        value = self.decode(node, kind, path)
        if not isinstance(node, yaml.ScalarNode):
            self.places.put(path, key)
        return value

    def _list(self, node: yaml.Node, kind: inspect.ListType, path: KeyPath) -> list[Any]:
        if not isinstance(node, yaml.SequenceNode):
            raise self.complain(f"expected a list, found {describe(node)}", self.places[path])
        if kind.min_length and len(node.value) < kind.min_length:
            raise self.complain("the list is empty", self.places[path])
        result = []
        for index, item in enumerate(node.value):
            try:
                result.append(self.decode(item, kind.item_type, (*path, index)))
            except _Refused:
                continue
        return result

    def _json(self, node: yaml.Node, path: KeyPath) -> Any:
        """A value whose type is not declared: JSON's own types, as YAML's core schema tells them apart."""
        anything = inspect.AnyType()
        if isinstance(node, yaml.MappingNode):
            return self._dict(node, inspect.DictType(inspect.StrType(), anything), path)
        if isinstance(node, yaml.SequenceNode):
            return self._list(node, inspect.ListType(anything), path)
        return untyped(cast(yaml.ScalarNode, node))

    def _scalar(self, node: yaml.Node, kind: inspect.Type, place: Place) -> Any:
        if not isinstance(node, yaml.ScalarNode):
            raise self.complain(f"expected {type_name(kind)}, found {describe(node)}", place)
        try:
            value = convert(node, kind)
        except ValueError:
            raise self.complain(
                f"expected {type_name(kind)}, found {shown(node.value)}", place, _advice(node.value, kind)
            ) from None
        self._limits(value, kind, place, "value")
        return value

    def _limits(self, value: Any, kind: inspect.Type, place: Place, what: str) -> None:
        if isinstance(kind, inspect.StrType) and isinstance(value, str):
            if kind.min_length is not None and len(value) < kind.min_length:
                raise self.complain(f"the {what} is empty", place)
            if kind.max_length is not None and len(value) > kind.max_length:
                raise self.complain(f"the {what} has {len(value)} characters", place, f"at most {kind.max_length}")
            if kind.pattern is not None and not re.fullmatch(kind.pattern, value):
                raise self.complain(f"the {what} {shown(value)} is not allowed", place, f"it must match {kind.pattern}")
        if isinstance(kind, inspect.IntType) and isinstance(value, int):
            low, high = kind.ge, kind.le
            if (low is not None and value < low) or (high is not None and value > high):
                span = f"{low} to {high}" if high is not None else f"{low} or more"
                raise self.complain(f"{value} is out of range", place, span)


def _advice(value: str, kind: inspect.Type) -> str | None:
    return nearest(value, [str(word) for word in kind.values]) if isinstance(kind, inspect.LiteralType) else None


def _of(path: KeyPath) -> str:
    """Names the thing that a mapping describes, e.g. `` in package "people_counter"``."""
    words = {f"{word}s": word for word in ("package", "model", "node", "interface", "override", "graph", "site")}
    for index in range(len(path) - 1, 0, -1):
        if path[index - 1] in words:
            return f' in {words[str(path[index - 1])]} "{path[index]}"'
    return f' in "{path[-1]}"' if path else ""
