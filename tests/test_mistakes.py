"""One load tells every mistake, in what can't be read and in the rest, but no mere consequence of another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from panorama_build.errors import PanoramaErrors
from panorama_build.project import Project
from tests.applications import call

RIGHT = """\
application: app
packages:
  code:
    container: code
    entry: [python3, /panorama/app.py]
    inputs: {video_in: media, limit: float32}
    outputs: {video_out: media}
    ports: [8080]
  nets:
    models:
      net: {source: net.tar.gz, framework: PYTORCH, inputs: {data: [1, 3]}}
graph:
  nodes:
    cam: camera
    code: code
    net: nets.net
    limit: {float32: 0.5, override_mandatory: true, overridable: true}
    screen: hdmi
  edges:
    - cam -> code.video_in
    - limit -> code.limit
    - code -> screen
  routes: [8000 -> code:8080]
overrides:
  yard.json:
    nodes: {yard: {camera: Yard}}
    replace: {cam: yard}
"""
MISSPELT_EDGE = ("cam -> code.video_in", "kam -> code.vido_in")


def told(folder: Path, text: str, **environ: str) -> tuple[list[str], list[str]]:
    """The errors and warnings of a manifest."""
    (folder / "panorama.yaml").write_text(text)
    (folder / "net.tar.gz").write_bytes(b"\x1f\x8b")
    try:
        Project.load(folder, environ)
    except PanoramaErrors as error:
        return [lines(each) for each in error.errors], [lines(each) for each in error.warnings]
    return [], []


def lines(error: object) -> str:
    return str(error).rpartition("/panorama.yaml:")[2]


def test_the_manifest_that_these_tests_break_is_right(tmp_path: Path) -> None:
    assert told(tmp_path, RIGHT) == ([], [])
    assert Project.load(tmp_path, {}).odd == []


def test_mistakes_of_every_kind_are_told_at_once_sorted_by_place(tmp_path: Path) -> None:
    text = RIGHT.replace("application: app", "application: my app\nacount: 1\nplatform: linux/aarch64\nremote: ftp://x")
    for old, new in (
        ("entry: [python3", "version: one\n    entry: [python3"),
        ("limit: float32", "limit: float23"),
        ("PYTORCH", "PYTORCH, framwork_version: 1.8"),
        ("{float32: 0.5,", "{float32: half,"),
        MISSPELT_EDGE,
        ("- code -> screen", "- code screen"),
        ("code:8080", "code:80"),
        ("{cam: yard}", "{kam: yard}"),
    ):
        assert old in text
        text = text.replace(old, new)
    assert told(tmp_path, text + "documents: {../x.json: {}}\n") == (
        [
            '1:14: the value "my app" is not allowed (it takes letters, digits, - and _, 128 at most)',
            '2:1: unknown key "acount" (did you mean "account"?)',
            '3:11: containers can\'t be built for "linux/aarch64" (did you mean "linux/arm64"?)',
            "4:9: ftp://x: nothing can be published there (use a directory or s3://BUCKET/PREFIX)",
            '8:14: the value "one" is not allowed (it takes major.minor, e.g. 1.0)',
            '10:38: expected one of boolean, float32, int32, media, string, found "float23" (did you mean "float32"?)',
            '15:53: unknown key "framwork_version" in model "net" (did you mean "framework_version"?)',
            '21:22: expected a whole number or a number, found "half"',
            '24:7: there is no node "kam" (did you mean "cam"?)',
            '24:7: node "code" has no input "vido_in" (did you mean "video_in"?)',
            '26:7: the value "code screen" is not allowed (it takes node.output -> node.input)',
            '27:12: node "code" listens on no port 80 (it has 8080)',
            '31:20: no graph has a node "kam" (did you mean "cam"?)',
            "32:13: ../x.json lies outside of build/ (write a path that stays in the folder)",
        ],
        ['32:13: "../x.json" has no words here: it is passed through, and nothing in it is checked'],
    )


CAUSES = {
    "packages are called otherwise": ("packages:", "pakages:"),
    "a package is a list": (RIGHT[RIGHT.index("  code:") : RIGHT.index("  nets:")], "  code: [x]\n"),
    "a container's key is misspelt": ("    container: code", "    contaner: code"),
    "a container's key is another word": ("    container: code", "    dockr: code"),
    "a container's name is none": ("container: code", "container: a b"),
    "a container's asset is none": ("container: code", "container: {asset: [x]}"),
    "inputs are a list": ("inputs: {video_in: media, limit: float32}", "inputs: [video_in, limit]"),
    "inputs are misspelt": ("    inputs: {video_in", "    input: {video_in"),
    "a port's type is none": ("limit: float32", "limit: float23"),
    "a port's name is none": ("limit: float32}", "li-mit: float32}"),
    "a port is a list": ("limit: float32", "limit: [float32]"),
    "a port lacks its type": ("limit: float32", "limit: {description: How much}"),
    "a port stands twice": ("limit: float32}", "limit: float32, limit: int32}"),
    "ports are a text": ("ports: [8080]", "ports: x"),
    "a port is no number": ("ports: [8080]", "ports: [http]"),
    "a model is a list": ("net: {source: net.tar.gz, framework: PYTORCH, inputs: {data: [1, 3]}}", "net: [x]"),
    "models are misspelt": ("    models:\n", "    modles:\n"),
    "a model's source is none": ("source: net.tar.gz", "source: {uri: net.tar.gz}"),
    "an entry is none": ("entry: [python3, /panorama/app.py]", "entry: [[]]"),
    "a graph's nodes are misspelt": ("  nodes:\n    cam", "  noods:\n    cam"),
    "a node is a list": ("cam: camera", "cam: [camera]"),
    "a node's package is none": ("code: code\n", "code: {interface: [code]}\n"),
    "a node's key is misspelt": ("{float32: 0.5", "{flaot32: 0.5"),
    "a node's value is none": ("{float32: 0.5", "{float32: half"),
    "a node stands twice": ("screen: hdmi", "code: hdmi"),
    "a node's truth value is none": ("overridable: true}", "overridable: ja}"),
    "an edge is none": ("limit -> code.limit", "limit code.limit"),
    "edges are misspelt": ("  edges:", "  edgs:"),
    "edges are a text": ("    - cam -> code.video_in\n    - limit -> code.limit\n    - code -> screen\n", "    text\n"),
    "an override's nodes are a list": ("nodes: {yard: {camera: Yard}}", "nodes: [yard]"),
    "an override's node is a list": ("{yard: {camera: Yard}}", "{yard: [camera]}"),
    "the graph is a list": (RIGHT[RIGHT.index("graph:") : RIGHT.index("overrides:")], "graph: [x]\n"),
    "a node has no interface": ("limit: {float32: 0.5, ", "limit: {"),
}


@pytest.mark.parametrize(("old", "new"), CAUSES.values(), ids=CAUSES)
def test_a_mere_consequence_is_not_told(tmp_path: Path, old: str, new: str) -> None:
    assert old in RIGHT
    errors, warnings = told(tmp_path, RIGHT.replace(old, new))
    assert len(errors) == 1 and warnings == [], [*errors, *warnings]


@pytest.mark.parametrize(("old", "new"), CAUSES.values(), ids=CAUSES)
def test_a_mistake_elsewhere_hides_nothing(tmp_path: Path, old: str, new: str) -> None:
    edges = "[door -> wall, dor -> wall.video_in]"
    more = f"graphs:\n  more.json:\n    nodes: {{door: camera, wall: hdmi}}\n    edges: {edges}\n"
    errors, _ = told(tmp_path, RIGHT.replace(old, new) + more)
    assert [each.partition(": ")[2] for each in errors if each.partition(": ")[2] in MORE] == MORE


MORE = [
    'there is no node "dor" (did you mean "door"?)',
    "wall.video_in already takes door.video_out (an input has one producer)",
]


def test_json_tells_warnings_beside_errors(tmp_path: Path) -> None:
    text = RIGHT.replace("limit: {float32: 0.5", "limit: {float32: half").replace("net: nets.net", "spare: camera")
    (tmp_path / "panorama.yaml").write_text(text)
    done = call(tmp_path, "check", "--json")
    found = [(each["severity"], each["line"], each["message"]) for each in json.loads(done.stdout)]
    assert (done.returncode, done.stderr) == (3, "")
    assert found == [
        ("error", 17, 'expected a whole number or a number, found "half"'),
        ("warning", 9, 'no node uses package "nets"'),
        ("warning", 11, "there is no net.tar.gz yet"),
    ]


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        (
            "PANORAMA_REMOTE",
            "ftp://x",
            "ftp://x: nothing can be published there (use a directory or s3://BUCKET/PREFIX)",
        ),
        ("PANORAMA_REMOTE", "s3://", "s3://: not an S3 address (write s3://BUCKET/KEY)"),
        ("PANORAMA_ACCOUNT", "1 2", '"1 2" is no account (12 digits, e.g. 123456789012)'),
    ],
)
def test_what_the_environment_says_wrong_names_the_variable(tmp_path: Path, name: str, value: str, line: str) -> None:
    errors, _ = told(tmp_path, RIGHT.replace(*MISSPELT_EDGE), **{name: value})
    assert errors[-1] == f"{name}: {line}" and len(errors) == 3
