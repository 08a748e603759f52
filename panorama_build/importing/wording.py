"""The words for a JSON object: of all that could be said, the little that becomes the object again.

Nothing here knows the meaning of a word: words are tried, read as a manifest's are, expanded, and compared.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from itertools import count
from typing import Any, TypeAlias, TypeVar

from msgspec import Struct

from panorama_build.errors import PanoramaError
from panorama_build.importing import yamltext
from panorama_build.keyorder import order_of
from panorama_build.manifest.yamlfile import parse
from panorama_build.model import Json

S = TypeVar("S", bound=Struct)
Words: TypeAlias = dict[str, Any]
Members: TypeAlias = Mapping[str, Json]
Expand: TypeAlias = Callable[[Words], Members]


class Unsayable(Exception):
    """No words become the object."""


def same(one: Json, other: Json) -> bool:
    """Whether two values are equal with their types, in whatever order their keys are."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def understand(words: Words, kind: type[S]) -> S:
    """What a manifest's reader makes of ``words``. Raises PanoramaError where it refuses them."""
    return parse(yamltext.write(words), kind, "words").whole()[0]


def say(found: Json, expand: Expand, choices: Iterable[Iterable[Words]], start: Words | None = None) -> Words:
    """``start`` and, of each of ``choices``, what brings it nearest to ``found``; what is left stands under ``extra``.

    Raises Unsayable.
    """
    if not isinstance(found, dict):
        raise Unsayable
    words = start or {}
    distance = _distance(found, expand, words)
    for choice in choices:
        before = words
        for more in choice:
            nearer = _distance(found, expand, {**before, **more})
            if nearer < distance:
                words, distance = {**before, **more}, nearer
    return _complete(found, expand, words)


def nearest(found: Members, expand: Expand, candidates: Iterable[Words]) -> Words:
    """Those of ``candidates`` that come nearest to ``found``, the first of several."""
    return min(candidates, key=lambda words: _distance(found, expand, words), default={})


def _distance(found: Members, expand: Expand, words: Words) -> float:
    try:
        made = expand(words)
    except PanoramaError:
        return float("inf")
    return len(_differing(found, made) | _differing(made, found))


def _differing(one: Members, other: Members) -> set[str]:
    return {member for member in one if member not in other or not same(one[member], other[member])}


def _complete(found: Members, expand: Expand, words: Words) -> Words:
    """``words`` with what they don't say of ``found``."""
    try:
        unsaid = _differing(found, expand(words))
        if unsaid:
            words = {**words, "extra": {member: found[member] for member in found if member in unsaid}}
        if same(expand(words), found):
            return words
    except PanoramaError:
        pass
    raise Unsayable


def ordered(found: Members, expand: Expand, words: Words) -> Words:
    """``words`` with the order of ``found``'s keys, where it is not the usual one."""
    order = order_of(expand(words), found)
    return {**words, "order": order} if order else words


def free_name(name: str, taken: Iterable[str]) -> str:
    """``name``, or with a number behind it where it is taken."""
    if name not in taken:
        return name
    return next(free for number in count(2) if (free := f"{name}_{number}") not in taken)


def plain(words: Words, key: str) -> Any:
    """Words that are but one, without its key."""
    return words[key] if words.keys() == {key} else words


def arranged(words: Words, kind: type[Struct]) -> Words:
    """``words`` in the order in which the vocabulary has them."""
    fields = [field for field in kind.__struct_fields__ if field != "extra"]
    return {word: words[word] for word in (*fields, "extra") if word in words}


def merge(*parts: Words) -> Words:
    """Words together, and those of mappings that they have in common. Raises Unsayable where two contradict."""
    merged: Words = {}
    for part in parts:
        for word, value in part.items():
            before = merged.get(word, value)
            if before != value and not (isinstance(value, dict) and isinstance(before, dict)):
                raise Unsayable
            merged[word] = merge(before, value) if word in merged and isinstance(before, dict) else value
    return merged
