"""The JSON Schema of panorama.yaml, for editors: the vocabulary's own, widened to what the reader takes.

The reader takes scalars as they are written, an editor by YAML's guess: to it ``version: 1.10`` is a number and
``account: "012"`` a text. So whatever the reader accepts has to pass here, and what passes here may still be refused.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import msgspec

from panorama_build.files import write_whole
from panorama_build.manifest.patterns import takes
from panorama_build.manifest.vocabulary import Manifest

Schema: TypeAlias = dict[str, Any]

PLACE = Path(".panorama/schema.json")
"""Where a project keeps it: what a manifest's first line names, and what every run brings up to date."""

# What YAML takes for a number or a truth value, though it stands where a text belongs.
_GUESSED = {"number": ("0", "1.5", "0" * 12, "0" * 64), "boolean": ("true",)}
# How the reader takes a quoted scalar whose type is not text.
_QUOTED = {
    "integer": r"^[-+]?[0-9]+$",
    "number": r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$",
    "boolean": "^(true|True|TRUE|false|False|FALSE)$",
}


def manifest_schema() -> Schema:
    """The schema, in JSON Schema's draft 2020-12."""
    generated = msgspec.json.schema(Manifest)
    definitions = {name: _for_editors(each) for name, each in generated["$defs"].items()}
    root = definitions.pop(Manifest.__name__)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$comment": _origin(), "title": "panorama.yaml"}
    return {**head, **root, "$defs": definitions}


@cache
def text() -> str:
    """The schema as a file's text."""
    return json.dumps(manifest_schema(), indent=1) + "\n"


def keep(project: Path) -> None:
    """Lay the schema of this version into a project's folder, if it has another or none. Raises OSError."""
    if not _is_current(project / PLACE):
        write_whole(project / PLACE, text().encode("ascii"))


def _is_current(file: Path) -> bool:
    """Whether a schema was made by this version, by its first lines: to make it costs ten times as much."""
    try:
        with file.open("rb") as schema:
            return _origin().encode("ascii") in schema.read(500)
    except OSError:
        return False


def _origin() -> str:
    """What a schema is made of: the digest of these modules."""
    modules = sorted(Path(__file__).with_name(f"{name}.py") for name in ("patterns", "schema", "vocabulary"))
    return hashlib.sha256(b"".join(module.read_bytes() for module in modules)).hexdigest()


def _for_editors(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_for_editors(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    # The names of classes say nothing to a person, nor does a default that is the same as leaving the key out.
    dull = {"title"} | ({"default"} if schema.get("default") in (None, {}, []) else set())
    return _widened({key: _member(key, value) for key, value in schema.items() if key not in dull})


def _member(key: str, value: Any) -> Any:
    if key in ("properties", "$defs"):
        return {name: _for_editors(each) for name, each in value.items()}
    return value if key in ("default", "enum", "propertyNames") else _for_editors(value)


def _widened(schema: Schema) -> Schema:
    kind = schema.get("type")
    if "pattern" in schema:
        schema = {**schema, "patternErrorMessage": f"it takes {takes(schema['pattern'], schema.get('maxLength'))}"}
    if kind == "string":
        guesses = [name for name, samples in _GUESSED.items() if any(_allows(schema, each) for each in samples)]
        return {**schema, "type": [kind, *guesses]} if guesses else schema
    if kind in _QUOTED:
        return {**schema, "type": [kind, "string"], "pattern": _QUOTED[kind]}
    return schema


def _allows(schema: Schema, text: str) -> bool:
    fits = schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text))
    return fits and re.search(schema.get("pattern", ""), text) is not None
