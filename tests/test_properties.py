"""What holds for any manifest that the types allow, and for any that is not quite one.

HYPOTHESIS_PROFILE=thorough tries many more.
"""

from __future__ import annotations

import copy
import re
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import inspect

from panorama_build.errors import PanoramaError
from panorama_build.importing import yamltext
from panorama_build.importing.importer import import_application
from panorama_build.manifest.vocabulary import Manifest
from panorama_build.manifest.yamlfile import parse
from panorama_build.project import Project
from panorama_build.render import documents
from tests.applications import EXAMPLE, ROOT
from tests.test_importer import mutate
from tests.test_schema import complaints
from tests.words import keys_of, manifests


def test_any_manifest_is_read_as_it_was_written() -> None:
    used: set[tuple[str, str]] = set()

    @given(manifests())
    def holds(words: dict[str, Any]) -> None:
        text = yamltext.write(words)
        read, _ = parse(text, Manifest, "panorama.yaml").whole()
        assert read == msgspec.convert(words, Manifest)
        assert complaints(text) == [], "editors see it otherwise"
        used.update(keys_of(words, inspect.type_info(Manifest)))

    holds()
    assert len(used) > 50, "hardly any of the vocabulary's keys were tried"


def test_any_manifest_gives_documents_that_give_a_manifest_of_the_same_documents(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    made: set[str] = set()

    @given(manifests("sites", "remote", "cache", "platform"))
    def holds(words: dict[str, Any]) -> None:
        folder = tmp_path_factory.mktemp("any")
        (folder / "panorama.yaml").write_text(yamltext.write(words), "utf-8")
        rendered = documents(Project.read(folder, {}))
        for file, content in rendered.items():
            (folder / "root" / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / "root" / file).write_bytes(content)
        (folder / "root/graphs").mkdir(parents=True, exist_ok=True)
        import_application(folder / "root", folder / "project")
        again = documents(Project.read(folder / "project", {}))
        assert {file: again.get(file) for file in rendered} == rendered
        made.update(file.name for file in rendered)

    holds()
    assert {"graph.json", "package.json", "a.json"} <= made


RIGHT = [ROOT / "tests/projects/everything/panorama.yaml", EXAMPLE / "panorama.yaml"]


@given(data=st.data())
def test_any_mutation_of_a_manifest_is_taken_or_refused_with_places(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    reading, _ = parse(data.draw(st.sampled_from(RIGHT)).read_text(), Manifest, "panorama.yaml").whole()
    words = copy.deepcopy(msgspec.to_builtins(reading))
    for _ in range(data.draw(st.integers(1, 4))):
        mutate(words, data)
    text = yamltext.write(words)
    folder = tmp_path_factory.getbasetemp() / "mutated"
    folder.mkdir(exist_ok=True)
    (folder / "panorama.yaml").write_text(text, "utf-8", errors="surrogatepass")
    try:
        Project.load(folder, {})
    except PanoramaError as error:
        for line in str(error).splitlines():
            assert re.search(r"panorama\.yaml(:[0-9]+:[0-9]+)?: ", line), line
