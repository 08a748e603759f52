"""Any manifest that the vocabulary's types allow, for property tests."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from hypothesis import strategies as st
from msgspec import inspect

from panorama_build.manifest import patterns
from panorama_build.manifest.scalars import plain
from panorama_build.manifest.vocabulary import Manifest

Strategy: TypeAlias = st.SearchStrategy[Any]

ODD = [
    "",
    "null",
    "~",
    "yes",
    "1.10",
    "0x1f",
    "é",
    "日本",
    ": #",
    "- a",
    "{a}",
    "a: b",
    "'",
    '"',
    "\\",
    " a ",
    "\x07",
    "a\nb",
]
NAMES = ["a", "b", "net", "code", "0", "on", "1e5", "null", "a-b", "_"]
TEXTS = st.sampled_from(ODD) | st.sampled_from(NAMES) | st.text(max_size=8)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
JSON = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXTS, inner, max_size=2), max_leaves=4
)
OF_PATTERN: dict[str, list[str]] = {
    patterns.NAME: NAMES,
    patterns.ASSET_NAME: [*NAMES, "$x"],
    patterns.PORT_NAME: ["a", "b", "video_in", "video_out", "0", "null", "$x"],
    patterns.ACCOUNT: ["012345678901", "123456789012", "$ACCOUNT"],
    patterns.VERSION: ["1.0", "1.10", "0.0", "007.1"],
    patterns.FRAMEWORK_VERSION: ["1.8", "1.8.0", "2.x"],
    patterns.SHA256: ["0" * 64, "f" * 64],
    patterns.IMAGE_DIGEST: [f"sha256:{'0' * 64}"],
    patterns.EDGE: ["a -> b", "a.video_out->b.video_in", "code -> code.a"],
    patterns.ROUTE: ["8000 -> a:80", "b:8080"],
    patterns.CAMERA: ["camera", "a.b", "acc::a.b"],
    patterns.STREAM_URL: ["rtsp://192.0.2.10/stream"],
    patterns.VARIABLE: ["CAMERA_PASSWORD"],
    patterns.ROLE_ARN: ["arn:aws:iam::123456789012:role/app"],
}
FILES = st.sampled_from(["a.json", "b.json", "deployment_overrides/a.json", "graphs/other/c.json"])
DESCRIPTORS = st.sampled_from(["descriptor.json", "descriptor_a.json", "x.json"])
REFERENCES = [{"env": "NAME"}, {"secret": "a"}, {"secret": "a", "key": "b"}]
# What is narrower than its type says: names of files, and mappings that have a rule of their own.
OF_PLACE: dict[tuple[str, str], Strategy] = {
    ("Manifest", "application"): st.sampled_from(NAMES),
    ("Manifest", "graphs"): st.just(FILES),
    ("Manifest", "overrides"): st.just(FILES),
    ("PackageWords", "descriptor"): DESCRIPTORS,
    ("ModelWords", "descriptor"): DESCRIPTORS,
}


def manifests(*without: str) -> Strategy:
    """Any manifest in builtin types, but for the keys ``without``."""
    return _struct(inspect.type_info(Manifest), without)  # type: ignore[arg-type]


def _struct(kind: inspect.StructType, without: tuple[str, ...] = ()) -> Strategy:
    name = kind.cls.__name__
    if name == "Reference":
        return st.sampled_from(REFERENCES)
    # One of a site's two ways to say what is particular to it.
    without = (*without, "overrides") if name == "SiteWords" else without
    required = {f.encode_name: _member(name, f) for f in kind.fields if f.required}
    optional = {f.encode_name: _member(name, f) for f in kind.fields if not f.required and f.encode_name not in without}
    return _some(required, optional) if optional else st.fixed_dictionaries(required)


@st.composite
def _some(draw: st.DrawFn, required: dict[str, Strategy], optional: dict[str, Strategy]) -> dict[str, Any]:
    """A few of the optional members: with half of them each time, the deeper ones would be too many."""
    least = min(2, len(optional))
    chosen = draw(st.lists(st.sampled_from(sorted(optional)), min_size=least, max_size=6, unique=True))
    return {
        name: draw(strategy) for name, strategy in (*required.items(), *((name, optional[name]) for name in chosen))
    }


def _member(owner: str, field: inspect.Field) -> Strategy:
    place = (owner, field.encode_name)
    if place in (("Manifest", "graphs"), ("Manifest", "overrides")):
        return st.dictionaries(FILES, _value(plain(field.type).value_type), max_size=2)  # type: ignore[attr-defined]
    if place == ("Manifest", "documents"):
        return st.dictionaries(st.just("graphs/odd/d.json"), JSON, max_size=1)
    if place == ("PackageWords", "descriptors"):
        return st.dictionaries(DESCRIPTORS, st.fixed_dictionaries({"runtimeDescriptor": JSON}), max_size=2)
    if place == ("PackageWords", "directory"):
        return st.sampled_from(["plain", "a-b-c"])
    if place == ("GraphWords", "name"):
        return st.sampled_from(NAMES)
    return OF_PLACE[place] if place in OF_PLACE else _value(field.type)


def _value(kind: inspect.Type) -> Strategy:
    kind = plain(kind)
    if isinstance(kind, inspect.StructType):
        return st.deferred(lambda: _struct(kind))
    if isinstance(kind, inspect.UnionType):
        return st.one_of([_value(each) for each in kind.types if plain(each) != inspect.CustomType(type(None))])
    if isinstance(kind, inspect.DictType):
        return st.dictionaries(_value(kind.key_type), _value(kind.value_type), min_size=1, max_size=2)
    if isinstance(kind, inspect.ListType):
        return st.lists(_value(kind.item_type), min_size=kind.min_length or 0, max_size=3)
    if isinstance(kind, inspect.LiteralType):
        return st.sampled_from(kind.values)
    if isinstance(kind, inspect.StrType):
        return _text(kind)
    if isinstance(kind, inspect.IntType):
        return st.integers(kind.ge, kind.le)
    simple: dict[type, Strategy] = {
        inspect.BoolType: st.booleans(),
        inspect.FloatType: st.floats(allow_nan=False, allow_infinity=False),
        inspect.NoneType: st.none(),
        inspect.AnyType: JSON,
    }
    return simple[type(kind)]


def _text(kind: inspect.StrType) -> Strategy:
    if kind.pattern is not None:
        return st.sampled_from(OF_PATTERN[kind.pattern])
    least = kind.min_length or 0
    return TEXTS.filter(lambda text: least <= len(text)) if least else TEXTS


def keys_of(value: Any, kind: inspect.Type) -> Iterator[tuple[str, str]]:
    """The keys, each with its mapping, that a manifest uses."""
    kind = plain(kind)
    for each in kind.types if isinstance(kind, inspect.UnionType) else (kind,):
        each = plain(each)
        if isinstance(each, inspect.StructType) and isinstance(value, dict):
            for field in each.fields:
                if field.encode_name in value:
                    yield each.cls.__name__, field.encode_name
                    yield from keys_of(value[field.encode_name], field.type)
        elif isinstance(each, inspect.DictType) and isinstance(value, dict):
            for member in value.values():
                yield from keys_of(member, each.value_type)
        elif isinstance(each, inspect.ListType) and isinstance(value, list):
            for member in value:
                yield from keys_of(member, each.item_type)
