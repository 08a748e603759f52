"""The JSON Schema that editors get: it passes whatever the reader takes, and refuses what it can of the rest."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from panorama_build.commands.init import contents, lay_out
from panorama_build.errors import PanoramaError
from panorama_build.manifest.schema import PLACE, manifest_schema
from panorama_build.manifest.vocabulary import Manifest
from panorama_build.manifest.yamlfile import read
from tests.applications import EXAMPLE, ROOT
from tests.test_init import NO_ENGINE, run

EVERYTHING = ROOT / "tests/projects/everything/panorama.yaml"
TEMPLATE = ROOT / "templates/panorama.yaml"
LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
VALIDATOR = Draft202012Validator(manifest_schema())


def as_an_editor_reads(text: str) -> Any:
    """A YAML text by the core schema of YAML 1.2, as language servers read it."""
    return value_of(yaml.compose(text, LOADER))


def value_of(node: Any) -> Any:
    if isinstance(node, yaml.MappingNode):
        return {key.value: value_of(value) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [value_of(item) for item in node.value]
    text = node.value
    if node.style:
        return text
    if re.fullmatch("null|Null|NULL|~|", text):
        return None
    if re.fullmatch("true|True|TRUE|false|False|FALSE", text):
        return text.lower() == "true"
    if re.fullmatch("[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", text):
        return int(text, 0) if text[1:2] in ("o", "x") else int(text)
    if re.fullmatch(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan", text):
        return float(text.replace(".inf", "inf").replace(".nan", "nan"))
    return text


def complaints(text: str) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(as_an_editor_reads(text))]


def reader_takes(folder: Path, text: str) -> bool:
    (folder / "panorama.yaml").write_text(text)
    try:
        read(folder / "panorama.yaml", Manifest).whole()
    except PanoramaError:
        return False
    return True


def test_it_is_a_schema_of_the_draft_it_names() -> None:
    Draft202012Validator.check_schema(manifest_schema())


@pytest.mark.parametrize("file", [EXAMPLE / "panorama.yaml", EVERYTHING, TEMPLATE], ids=lambda file: file.parent.name)
def test_it_passes_what_is_right(file: Path) -> None:
    text = file.read_text()
    assert complaints(text) == []
    assert complaints(re.sub(r"(?m)^( *)#(?=\S)", r"\1", text)) == []


WRONG = {
    "an unknown key": "acount: 1",
    "an unknown key of a package": "packages: {code: {contaner: code}}",
    "a key that is missing": "packages: {code: {container: code, inputs: {a: {description: what}}}}",
    "a word that is none of a list": "packages: {code: {inputs: {a: float23}}}",
    "a truth value in other words": "packages: {code: {gpu: on}}",
    "a number in words": "graph: {nodes: {a: {float32: half}}}",
    "a fraction for a whole number": "graph: {nodes: {a: {int32: 1.5}}}",
    "a number out of range": "packages: {code: {ports: [70000]}}",
    "a pattern that is not met": "graph: {nodes: {}, edges: [cam code]}",
    "a name that is not allowed": "packages: {a b: {}}",
    "a name that is too long": f"packages: {{{'a' * 129}: {{}}}}",
    "a text that is too long": f"packages: {{code: {{description: {'a' * 256}}}}}",
    "a text that is empty": "graph: {nodes: {a: {camera: ''}}}",
    "a list that is empty": "packages: {code: {entry: []}}",
    "a list for a mapping": "packages: [code]",
    "a mapping for a list": "graph: {nodes: {}, edges: {a: b}}",
    "a text for a mapping": "graph: nodes",
    "a mapping for a text": "platform: {os: linux}",
    "nothing for a mapping": "packages: {code: }",
    "nothing for a text": "platform: ",
    "null for a text": "platform: null",
    "a password for where it is found": "sites: {a: {device: b, cameras: {c: {url: 'rtsp://d', password: hunter2}}}}",
    "a password in a url": "sites: {a: {device: b, cameras: {c: {url: 'rtsp://d:hunter2@e'}}}}",
    "an account's role that is none": "sites: {a: {device: b, role: admin}}",
    "a site without a device": "sites: {a: {}}",
    "a tag that is too long": f"sites: {{a: {{device: b, tags: {{{'k' * 129}: v}}}}}}",
    "a shared store without a place": "cache: {read_only: true}",
    "an unknown key of a shared store": "cache: {url: a, readonly: true}",
    "a base's digest that is none": "packages: {code: {container: {bases: {'debian:12': latest}}}}",
    "a model's pin that is none": "packages: {net: {models: {net: {source: a, sha256: abc}}}}",
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_it_refuses_what_the_reader_refuses(tmp_path: Path, wrong: str) -> None:
    text = f"application: app\n{wrong}\n"
    assert not reader_takes(tmp_path, text)
    assert complaints(text) != []


SCALARS = (
    "1.10 012345670123 -3 +7 .5 1e5 0x1f 0o17 .inf .nan on no yes true False ~ null 2021-01-01 '8080' \"0.5\" 'true' "
    "'' \"~\" text 65536 4294967296 1.8 FP16 media float32 a->b a.b->c.d 8000->x:80 x:80 Dockerfile [] {} [1] {a:1} "
)  # and nothing, behind the last space


@settings(max_examples=2 * settings().max_examples)
@given(data=st.data())
def test_it_passes_whatever_the_reader_takes(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    text = data.draw(st.sampled_from(TEXTS))
    for _ in range(data.draw(st.integers(1, 3))):
        start, end = data.draw(st.sampled_from(scalars_of(text)))
        text = text[:start] + data.draw(st.sampled_from(SCALARS.split(" "))) + text[end:]
        if not reader_takes(tmp_path_factory.getbasetemp(), text):
            return
    assert complaints(text) == []


TEXTS = [EVERYTHING.read_text(), (EXAMPLE / "panorama.yaml").read_text()]


def scalars_of(text: str) -> list[tuple[int, int]]:
    """Where each scalar of a YAML text begins and ends, keys and values alike."""
    found = [each for each in yaml.parse(text, LOADER) if isinstance(each, yaml.ScalarEvent)]
    return [(each.start_mark.index, each.end_mark.index) for each in found if each.start_mark and each.end_mark]


def test_the_command_prints_it_and_each_project_keeps_it_for_its_first_line(tmp_path: Path) -> None:
    printed = run("panorama-build", "schema", cwd=tmp_path).stdout
    assert json.loads(printed) == manifest_schema()
    assert run("panorama-build", "init", "app", cwd=tmp_path).returncode == 0
    line = (tmp_path / "app/panorama.yaml").read_text().splitlines()[0]
    assert line == f"# yaml-language-server: $schema={PLACE}"
    assert (tmp_path / "app" / PLACE).read_text() == printed


@pytest.mark.parametrize("state", ["right", "wrong"])
def test_a_fresh_clone_gets_it_with_the_first_run_even_where_the_manifest_is_wrong(tmp_path: Path, state: str) -> None:
    lay_out(tmp_path, contents("app", workflow=False))
    if state == "wrong":
        (tmp_path / "panorama.yaml").write_text("application: app\nacount: 1\n")
    run("doit", "list", cwd=tmp_path, env=NO_ENGINE)
    assert json.loads((tmp_path / PLACE).read_text()) == manifest_schema()


def test_a_folder_without_a_manifest_stays_as_it_is(tmp_path: Path) -> None:
    run("panorama-build", "list", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []
