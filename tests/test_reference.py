"""docs/manifest.md is what the vocabulary says, and says all of it."""

from __future__ import annotations

import re

import pytest
from msgspec import inspect

from panorama_build.manifest.vocabulary import Manifest
from panorama_build.manifest.yamlfile import parse
from tests.applications import ROOT
from tools import manifest_reference as reference

MAPPINGS: dict[str, inspect.StructType] = {}
reference.structs(inspect.type_info(Manifest), MAPPINGS)


def test_the_page_is_current() -> None:
    page = (ROOT / "docs/manifest.md").read_text()
    assert page == "\n".join(reference.page()).rstrip() + "\n", "python tools/manifest_reference.py > docs/manifest.md"


@pytest.mark.parametrize("name", MAPPINGS)
def test_every_example_is_one_and_every_key_has_a_meaning(name: str) -> None:
    parse(reference.EXAMPLES[name], MAPPINGS[name].cls, "an example").whole()
    assert [field.name for field in MAPPINGS[name].fields if not reference.meaning(field.type)] == []


def test_the_examples_of_sites_are_manifests() -> None:
    examples = re.findall("(?s)```yaml\n(.*?)```", (ROOT / "docs/sites.md").read_text())
    for example in examples:
        assert parse(f"application: a\n{example}", Manifest, "an example").whole()[0].sites
    assert len(examples) == 2


def test_every_link_leads_somewhere() -> None:
    page = (ROOT / "docs/manifest.md").read_text()
    headings = re.findall("(?m)^## (.+)$", page)
    assert len(set(headings)) == len(headings) == len(reference.EXAMPLES)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\(#(.+?)\)", page)) <= anchors
