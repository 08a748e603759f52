"""A value written into a manifest: the text says what it said, with the value, and no other byte of it changed.

HYPOTHESIS_PROFILE=thorough tries every place of the manifests, and not some.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import settings

from panorama_build.errors import PanoramaError
from panorama_build.importing.importer import import_application
from panorama_build.manifest.yamledit import put
from panorama_build.manifest.yamltree import tree_of
from tests.applications import EXAMPLE, ROOT
from tests.roots import CORPUS

DIGEST = "sha256:" + "ab" * 32
CONTAINER = ("p", "container")
DEBIAN = (*CONTAINER, "bases", "debian:12")

# Text, the key path to write, and what becomes of the text. The value is V.
EDITS = {
    "a scalar": ("p:\n  m: {sha256: old, x: 1}  # c\n", ("p", "m", "sha256"), "p:\n  m: {sha256: V, x: 1}  # c\n"),
    "a quoted one": ("sha256: 'old' # c\n", ("sha256",), "sha256: 'V' # c\n"),
    "in double quotes": ('sha256: "old"\n', ("sha256",), 'sha256: "V"\n'),
    "with an anchor": ("sha256: &pin old\n", ("sha256",), "sha256: &pin V\n"),
    "on a line of its own": ("sha256:\n    old\nx: 1\n", ("sha256",), "sha256:\n    V\nx: 1\n"),
    "a member behind the source": (
        "m:\n    # where\n    source: a.tar.gz   # from there\n\n    # what\n    framework: X\n",
        ("m", "sha256"),
        "m:\n    # where\n    source: a.tar.gz   # from there\n    sha256: V\n\n    # what\n    framework: X\n",
    ),
    "behind a long source": (
        "m:\n  source:\n    url: s3://b/k\n    region: r # c\n  # d\n  inputs: {}\n",
        ("m", "sha256"),
        "m:\n  source:\n    url: s3://b/k\n    region: r # c\n  sha256: V\n  # d\n  inputs: {}\n",
    ),
    "without a last line end": ("m:\n  source: a", ("m", "sha256"), "m:\n  source: a\n  sha256: V"),
    "with carriage returns": (
        "m:\r\n  source: a\r\n  x: 1\r\n",
        ("m", "sha256"),
        "m:\r\n  source: a\r\n  sha256: V\r\n  x: 1\r\n",
    ),
    "in a flow mapping": (
        "m: {source: a, # c\n    x: 1 }\n",
        ("m", "sha256"),
        "m: {source: a, sha256: V, # c\n    x: 1 }\n",
    ),
    "in JSON": ('{"m":{"source":"a","x":1}}', ("m", "sha256"), '{"m":{"source":"a", sha256: V,"x":1}}'),
    "a new mapping": (
        "p:\n    container:\n        asset: a\n        args: {B: 1}  # c\n    gpu: true\n",
        DEBIAN,
        "p:\n    container:\n        asset: a\n        args: {B: 1}  # c\n        bases:\n"
        "            debian:12: V\n    gpu: true\n",
    ),
    "a second member": (
        "p:\n  container:\n    bases:\n      python:3: W # c\n    pull: true\n",
        DEBIAN,
        "p:\n  container:\n    bases:\n      python:3: W # c\n      debian:12: V\n    pull: true\n",
    ),
    "a new mapping in a flow mapping": (
        "p:\n  container: {asset: a}  # c\n",
        DEBIAN,
        'p:\n  container: {asset: a, bases: {"debian:12": V}}  # c\n',
    ),
    "in an empty one": ("p: {container: {asset: a, bases: { }}}", DEBIAN, None),
    "a short form": (
        "p:\n    container: code   # c\n    gpu: true\n",
        DEBIAN,
        "p:\n    container:\n        asset: code   # c\n        bases:\n            debian:12: V\n    gpu: true\n",
    ),
    "a short form in a flow mapping": (
        "p: {container: code, gpu: true}\n",
        DEBIAN,
        'p: {container: {asset: code, bases: {"debian:12": V}}, gpu: true}\n',
    ),
    "a mapping with an anchor": (
        "p:\n  container: &c\n    asset: a\n",
        DEBIAN,
        "p:\n  container: &c\n    asset: a\n    bases:\n      debian:12: V\n",
    ),
    "behind a long text": (
        "p:\n  container:\n    description: |\n      a\n      b\n\n# c\ngraph: 1\n",
        DEBIAN,
        "p:\n  container:\n    description: |\n      a\n      b\n    bases:\n      debian:12: V\n\n# c\ngraph: 1\n",
    ),
    "behind an alias": ("x: &x 1\np:\n  container:\n    asset: *x\n", DEBIAN, "refused"),
    "what two places share": ("x: {container: &c {asset: a}}\np: {container: *c}\n", DEBIAN, "refused"),
    "what another place reads": ("sha256: &a old\nother: *a\n", ("sha256",), "refused"),
}


@pytest.mark.parametrize("case", EDITS)
def test_a_value_is_written_in_its_neighbours_style(case: str) -> None:
    text, keys, expected = EDITS[case]
    if expected is None:
        expected = 'p: {container: {asset: a, bases: { "debian:12": V}}}'
    if expected != "refused":
        assert put(text, "panorama.yaml", keys, "V", short="asset") == expected
        return
    with pytest.raises(PanoramaError, match=r"^panorama.yaml:\d+:\d+: .* \(write by hand: .*: V\)$"):
        put(text, "panorama.yaml", keys, "V", short="asset")


def test_what_other_readers_would_take_for_a_number_is_quoted() -> None:
    assert put("m: {sha256: old}", "m", ("m", "sha256"), "12e34") == 'm: {sha256: "12e34"}'
    assert put("m: {}", "m", ("m", "sha256"), DIGEST) == f'm: {{sha256: "{DIGEST}"}}'


def entries(node: yaml.Node, keys: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], yaml.Node]]:
    """Every mapping and every scalar that a mapping has, with its key path."""
    if not isinstance(node, yaml.SequenceNode):
        yield keys, node
    for key, value in node.value if isinstance(node, yaml.MappingNode) else ():
        yield from entries(value, (*keys, key.value))


def only_added(old: str, new: str) -> bool:
    """Whether ``new`` is ``old`` with text put in at one place."""
    length = len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False))))
    return new.endswith(old[length:])


@pytest.mark.parametrize("manifest", ["example", "everything", *(path.name for path in CORPUS)])
def test_in_any_manifest_all_but_the_value_stays(manifest: str, tmp_path: Path) -> None:
    path = {"example": EXAMPLE, "everything": ROOT / "tests/projects/everything"}.get(manifest, tmp_path / "app")
    if path == tmp_path / "app":
        import_application(next(each for each in CORPUS if each.name == manifest), path)
    text = (path / "panorama.yaml").read_bytes().decode()
    chance = random.Random(manifest)
    for variant in (text, text.replace("\n", "\r\n"), text.rstrip("\n")):
        nodes = list(entries(tree_of(variant, "m")))
        for keys, node in chance.sample(nodes, min(len(nodes), settings().max_examples)):
            if isinstance(node, yaml.MappingNode):
                assert only_added(variant, put(variant, "m", (*keys, "bases", "other:1"), DIGEST))
            else:
                edited = put(variant, "m", keys, DIGEST)
                start, end = node.start_mark.index, node.end_mark.index
                assert edited.startswith(variant[:start]) and edited.endswith(variant[end:])
