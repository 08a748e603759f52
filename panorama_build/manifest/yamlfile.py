"""A YAML file read by declared type, every complaint with its place.

Scalars are taken as written and converted by the type that is asked for, so ``version: 1.10`` stays "1.10", an
account keeps its leading zero and ``no`` is never a boolean. All mistakes of a file are collected before any is
reported.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar, cast

import yaml
from msgspec import Struct, inspect

from panorama_build.errors import PanoramaError, PanoramaErrors, Place, did_you_mean, nearest
from panorama_build.manifest.patterns import takes
from panorama_build.manifest.scalars import convert, describe, pick, plain, shown, takes_null, type_name, untyped
from panorama_build.manifest.yamltree import DEEPEST, MOST_NODES, text_of, tree_of

Key: TypeAlias = str | int
KeyPath: TypeAlias = tuple[Key, ...]
T = TypeVar("T")
S = TypeVar("S", bound=Struct)

MOST_ERRORS = 100
LOST = -1  # stands in a key path for an item that could not be read, or a member whose key is another's


class Places:
    """Where each value of a file stands, by its key path, and which values nobody can tell as they could not be read.

    A path that has no place takes its parent's.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self._places: dict[KeyPath, Place | str] = {(): Place(file, 1, 1)}
        self._doubted: set[KeyPath] = set()

    def note(self, path: KeyPath, mark: yaml.Mark) -> Place:
        """Remember, and give, the place of ``path``."""
        place = Place(self.file, mark.line + 1, mark.column + 1)
        self._places[path] = place
        return place

    def put(self, path: KeyPath, place: Place | str) -> None:
        """Remember that ``path`` is found at ``place``, which may be another than the file."""
        self._places[path] = place

    def __getitem__(self, path: KeyPath) -> Place | str:
        while path not in self._places:
            path = path[:-1]
        return self._places[path]

    def doubt(self, path: KeyPath) -> None:
        """Remember that what stands at ``path``, or was meant to, could not be read."""
        self._doubted.add(path)

    def sound(self, path: KeyPath) -> bool:
        """Whether something can be concluded from ``path``: neither it, nor what it is in, nor a member is doubted."""
        around = {path[:length] for length in range(len(path) + 1)} | {(*path[:-1], LOST)}
        return around.isdisjoint(self._doubted) and all(each[:-1] != path for each in self._doubted)


@dataclass(frozen=True)
class Reading(Generic[T]):
    """What a file says as far as it can be read, where it stands, and what is wrong with the rest.

    What could not be read is None where that is allowed, else left out; ``places`` doubts it. There is no value at all
    where the file is of another kind altogether.
    """

    value: T | None
    places: Places
    errors: list[PanoramaError]

    def whole(self) -> tuple[T, Places]:
        """The value and its places. Raises PanoramaErrors with all mistakes, sorted by place, if there is any."""
        if self.errors or self.value is None:
            raise PanoramaErrors(self.errors)
        return self.value, self.places


class _Refused(Exception):
    """A complaint was recorded; the value it was about has none."""


def read(path: Path, kind: type[S], name: str | None = None) -> Reading[S]:
    """Read the YAML file ``path`` as a ``kind``, as much of it as can be.

    ``name`` is what complaints call the file. Raises PanoramaError where there is nothing to read.
    """
    name = name or str(path)
    return parse(text_of(path, name), kind, name)


def parse(text: str, kind: type[S], name: str) -> Reading[S]:
    """Read a YAML text as ``read`` does a file."""
    decoder = _Decoder(name)
    root = tree_of(text, name)
    try:
        value = decoder.decode(root, _type_info(kind), ())
    except _Refused:
        value = None
    return Reading(cast(S, value), decoder.places, decoder.errors)


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
        raise self.complain(complaint, path)

    def complain(self, message: str, place: Place | KeyPath, hint: str | None = None) -> _Refused:
        where = place if isinstance(place, Place) else self.places[place]
        self.errors.append(PanoramaError(message, where=where, hint=hint))
        if len(self.errors) == MOST_ERRORS:
            more = PanoramaError(f"these are {MOST_ERRORS} mistakes, and there may be more", where=self.places.file)
            raise PanoramaErrors([*self.errors, more])
        return _Refused()

    def _items(self, node: yaml.Node, path: KeyPath) -> list[tuple[str, yaml.Node, Place]]:
        """A mapping's keys, values and the places of its keys; duplicates and odd keys are complained about."""
        if not isinstance(node, yaml.MappingNode):
            raise self.complain(f"expected a mapping, found {describe(node)}", path)
        items: dict[str, tuple[str, yaml.Node, Place]] = {}
        for key_node, value_node in node.value:
            place = self.places.note((*path, "\0key"), key_node.start_mark)
            if not isinstance(key_node, yaml.ScalarNode):
                self.complain("a key must be a plain word", place)
            elif key_node.value in items:
                first = items[key_node.value][2]
                self.complain(f"duplicate key {shown(key_node.value)}", place, f"first in line {first.line}")
                self.places.doubt((*path, key_node.value))  # nobody knows which of them is meant
            else:
                items[key_node.value] = (key_node.value, value_node, place)
        return list(items.values())

    def _struct(self, node: yaml.Node, kind: inspect.StructType, path: KeyPath) -> Any:
        fields = {field.encode_name: field for field in kind.fields}
        items = {key: (value, place) for key, value, place in self._items(node, path)}
        values: dict[str, Any] = {}
        told: set[str | None] = set()
        for key, (value, place) in items.items():
            if key not in fields:
                told.add(self._unknown(key, path, place, [name for name in fields if name not in items]))
                continue
            try:
                values[key] = self._member(value, fields[key].type, (*path, key), place)
            except _Refused:
                told.add(key)
                self.places.doubt((*path, key))
                if takes_null(fields[key].type):
                    values[key] = None
        missing = [name for name, field in fields.items() if field.required and name not in values]
        for name in missing:
            if name not in told:
                self.complain(f'the key "{name}" is missing{_of(path)}', path)
        if missing and path:
            raise _Refused
        try:
            return kind.cls(
                **dict.fromkeys(missing, ""), **values
            )  # of a whole file the rest is looked at all the same
        except ValueError as error:  # what a mapping says of itself as a whole
            raise _Refused if told else self.complain(str(error), path) from None

    def _unknown(self, key: str, path: KeyPath, place: Place, absent: list[str]) -> str | None:
        """Complain about a key; give the absent one that it is most like, if any is: else it may stand for each."""
        meant = nearest(key, absent)
        self.complain(f"unknown key {shown(key)}{_of(path)}", place, f'did you mean "{meant}"?' if meant else None)
        for name in [meant] if meant else absent:
            self.places.doubt((*path, name))
        return meant

    def _dict(self, node: yaml.Node, kind: inspect.DictType, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        items = self._items(node, path)
        if len(items) < len(node.value):
            self.places.doubt((*path, LOST))
        for key, value, place in items:
            try:
                self._name(key, plain(kind.key_type), path, place)
                result[key] = self._member(value, kind.value_type, (*path, key), place)
            except _Refused:
                self.places.doubt((*path, key))
        return result

    def _name(self, key: str, kind: inspect.Type, path: KeyPath, place: Place) -> None:
        try:
            self._limits(key, kind, place, "name")
        except _Refused:
            self.places.doubt((*path, LOST))
            raise

    def _member(self, node: yaml.Node, kind: inspect.Type, path: KeyPath, key: Place) -> Any:
        """A mapping's value. A scalar's place is its own; a longer value is found where its key stands."""
        value = self.decode(node, kind, path)
        if not isinstance(node, yaml.ScalarNode):
            self.places.put(path, key)
        return value

    def _list(self, node: yaml.Node, kind: inspect.ListType, path: KeyPath) -> list[Any]:
        if not isinstance(node, yaml.SequenceNode):
            raise self.complain(f"expected a list, found {describe(node)}", path)
        if kind.min_length and len(node.value) < kind.min_length:
            raise self.complain("the list is empty", path)
        result: list[Any] = []
        for item in node.value:
            try:
                # Places are those of the items that remain, by which the checks know them.
                result.append(self.decode(item, kind.item_type, (*path, len(result))))
            except _Refused:
                self.places.doubt((*path, LOST))
        if len(result) < (kind.min_length or 0):
            raise _Refused
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
                hint = f"it takes {takes(kind.pattern, kind.max_length)}"
                raise self.complain(f"the {what} {shown(value)} is not allowed", place, hint)
        if isinstance(kind, inspect.IntType) and isinstance(value, int):
            low, high = kind.ge, kind.le
            if (low is not None and value < low) or (high is not None and value > high):
                span = f"{low} to {high}" if high is not None else f"{low} or more"
                raise self.complain(f"{value} is out of range", place, span)


def _advice(value: str, kind: inspect.Type) -> str | None:
    return did_you_mean(value, [str(word) for word in kind.values]) if isinstance(kind, inspect.LiteralType) else None


def _of(path: KeyPath) -> str:
    """Names the thing that a mapping describes, e.g. `` in package "people_counter"``."""
    words = {f"{word}s": word for word in ("package", "model", "node", "interface", "override", "graph", "site")}
    for index in range(len(path) - 1, 0, -1):
        if path[index - 1] in words:
            return f' in {words[str(path[index - 1])]} "{path[index]}"'
    return f' in "{path[-1]}"' if path else ""
