"""YAML as a person would write a manifest: blocks for what has a name, one line for what is short.

Each scalar reads back as what it is, by declared type or without.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import yaml

from panorama_build.manifest.scalars import untyped

KeyPath: TypeAlias = tuple[str | int, ...]
Comments: TypeAlias = Mapping[KeyPath, str]

WIDTH = 120
DEEPEST = 3  # levels of brackets in one line
BLOCKS = {"packages", "graph", "graphs", "overrides", "nodes", "edges", "routes", "documents"}

_PLAIN = re.compile(r"[A-Za-z0-9_/.<$(](?:[\w ./<>$()+*@;=~%!^-]|:(?=[\w/.$:]))*(?<! )", re.ASCII)
_UNPRINTABLE = re.compile("[^\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_RESOLVER = yaml.resolver.Resolver()


def write(document: Mapping[str, Any], comments: Comments | None = None) -> str:
    """The YAML text of a document; ``comments`` stand behind the keys of their paths."""
    return "".join(f"{line}\n" for line in _mapping(document, (), comments or {}))


def _mapping(mapping: Mapping[str, Any], path: KeyPath, comments: Comments) -> Iterator[str]:
    if not mapping:
        yield "{}"
    for key, value in mapping.items():
        yield from _entry(f"{scalar(key)}:", value, (*path, key), comments)


def _sequence(values: list[Any], path: KeyPath, comments: Comments) -> Iterator[str]:
    for index, value in enumerate(values):
        here = (*path, index)
        if _in_line(value, here, WIDTH - 2 * len(here) - 2, comments):
            yield f"- {flow(value)}{_comment(here, comments)}"
            continue
        for number, line in enumerate(_block(value, here, comments)):
            yield f"{'  ' if number else '- '}{line}"


def _entry(head: str, value: Any, path: KeyPath, comments: Comments) -> Iterator[str]:
    comment = _comment(path, comments)
    if _in_line(value, path, WIDTH - 2 * len(path) - len(head) - 1, comments):
        yield f"{head} {flow(value)}{comment}"
        return
    yield head + comment
    for line in _block(value, path, comments):
        yield f"  {line}"


def _block(value: Any, path: KeyPath, comments: Comments) -> Iterator[str]:
    return _sequence(value, path, comments) if isinstance(value, list) else _mapping(value, path, comments)


def _comment(path: KeyPath, comments: Comments) -> str:
    return f"  # {comments[path]}" if path in comments else ""


def _in_line(value: Any, path: KeyPath, width: int, comments: Comments) -> bool:
    """Whether a value stands in one line: a scalar does, and what is short, flat and nobody's headline."""
    if not isinstance(value, (dict, list)) or not value:
        return True
    if path[-1] in BLOCKS or (path[0] in BLOCKS and len(path) == 2 and path[0] != "graph"):
        return False
    commented = any(place[: len(path)] == path and len(place) > len(path) for place in comments)
    return not commented and _depth(value) <= DEEPEST and len(flow(value)) <= width


def _depth(value: Any) -> int:
    if not isinstance(value, (dict, list)):
        return 0
    return 1 + max((_depth(each) for each in (value.values() if isinstance(value, dict) else value)), default=0)


def flow(value: Any) -> str:
    """A value in one line."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {flow(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(flow, value)) + "]"
    return scalar(value)


def scalar(value: Any) -> str:
    """A scalar as it reads back; a text is quoted where it would read as anything else."""
    if not isinstance(value, str):
        return json.dumps(value)
    return value if _is_plain(value) else _quoted(value)


def _is_plain(text: str) -> bool:
    if not _PLAIN.fullmatch(text):
        return False
    tag: str = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    return tag == "tag:yaml.org,2002:str" and isinstance(untyped(yaml.ScalarNode("", text)), str)


def _quoted(text: str) -> str:
    return _UNPRINTABLE.sub(lambda found: f"\\U{ord(found[0]):08x}", json.dumps(text, ensure_ascii=False))
