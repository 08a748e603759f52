"""The order of keys in a document's objects, where it is not the usual one.

A place is a path below the document's body with lists passed over (``nodes``, ``interfaces.inputs``), or with the
indices in them for one object alone (``nodes.2``); the body's own place is ``.``. Keys that a place lists come first,
the others follow as usual.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias

Keys: TypeAlias = Sequence[str]
Order: TypeAlias = Mapping[str, Keys]
Path: TypeAlias = tuple[str, ...]


class _Object(NamedTuple):
    """The keys of an object as they usually stand, and as they were found."""

    kind: str
    place: str
    usual: Keys
    found: Keys


def arrange(body: Any, order: Order) -> Any:
    """``body`` with its objects' keys in ``order``."""
    return _arrange(body, order, (), ()) if order else body


def _arrange(value: Any, order: Order, kind: Path, place: Path) -> Any:
    if isinstance(value, list):
        return [_arrange(item, order, kind, (*place, str(index))) for index, item in enumerate(value)]
    if not isinstance(value, dict):
        return value
    first = order.get(_name(place), order.get(_name(kind), ()))
    return {key: _arrange(value[key], order, (*kind, key), (*place, key)) for key in _sorted(value, first)}


def _name(path: Path) -> str:
    return ".".join(path) or "."


def _sorted(keys: Mapping[str, Any] | Keys, first: Keys) -> list[str]:
    return [*(key for key in first if key in keys), *(key for key in keys if key not in first)]


def order_of(usual: Any, found: Any) -> dict[str, list[str]]:
    """The shortest order that arranges ``usual`` as ``found``, which differs from it in nothing but that."""
    kinds: dict[str, list[_Object]] = {}
    for each in _objects(usual, found, (), ()):
        kinds.setdefault(each.kind, []).append(each)
    return {place: keys for objects in kinds.values() for place, keys in _rules(objects)}


def _objects(usual: Any, found: Any, kind: Path, place: Path) -> Iterator[_Object]:
    if isinstance(usual, dict):
        yield _Object(_name(kind), _name(place), list(usual), list(found))
        for key in usual:
            yield from _objects(usual[key], found[key], (*kind, key), (*place, key))
    if isinstance(usual, list):
        for index, pair in enumerate(zip(usual, found, strict=True)):
            yield from _objects(*pair, kind, (*place, str(index)))


def _rules(objects: list[_Object]) -> Iterator[tuple[str, list[str]]]:
    """One list of keys for the objects of a kind, and one for each that keeps to another order."""
    keys = min([[], *_candidates([each.found for each in objects])], key=lambda keys: len(_misfits(objects, keys)))
    misfits = _misfits(objects, keys)
    if shortened := _shortened(keys, [each for each in objects if each not in misfits]):
        yield objects[0].kind, shortened
    for each in misfits:
        yield each.place, _shortened(list(each.found), [each])


def _misfits(objects: list[_Object], keys: Keys) -> list[_Object]:
    return [each for each in objects if _sorted(each.usual, keys) != each.found]


def _candidates(orders: list[Keys]) -> list[list[str]]:
    """The order that all ``orders`` keep, or else each of them."""
    sorter: TopologicalSorter[str] = TopologicalSorter()
    for order in orders:
        for before, after in pairwise(order):
            sorter.add(after, before)
    try:
        return [list(sorter.static_order())]
    except CycleError:
        return [list(order) for order in dict.fromkeys(map(tuple, orders))]


def _shortened(keys: list[str], objects: list[_Object]) -> list[str]:
    """``keys`` without those at the end that stand there as usual."""
    while keys and all(_sorted(each.usual, keys[:-1]) == each.found for each in objects):
        keys = keys[:-1]
    return keys
