"""panorama.yaml: read by declared type, every mistake located, all of them at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panorama_build.checks.check import check
from panorama_build.documents import descriptor_document, graph_document, package_document
from panorama_build.errors import PanoramaError
from panorama_build.manifest.application import load_application
from panorama_build.model import Application
from tests.applications import EXAMPLE

MINIMAL = "application: app\n"
CAMERA_APP = """\
application: app
packages:
  code:
    container: code
    entry: [python3, /panorama/app.py]
    inputs: {video_in: media, limit: float32}
graph:
  nodes:
    cam: camera
    code: code
    limit: {float32: 0.5}
    screen: hdmi
  edges:
    - cam -> code.video_in
    - limit -> code.limit
    - code -> screen
"""


def read(tmp_path: Path, text: str, **environ: str) -> Application:
    (tmp_path / "panorama.yaml").write_text(text)
    application, places = load_application(tmp_path, environ)
    check(application, places)
    return application


def mistakes(tmp_path: Path, text: str | bytes) -> list[str]:
    """The complaints about a manifest, each without the folder."""
    (tmp_path / "panorama.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(PanoramaError) as raised:
        check(*load_application(tmp_path, {}))
    return [line[line.index("panorama.yaml") :] for line in str(raised.value).splitlines()]


def test_the_example_takes_less_than_forty_lines_and_has_nothing_odd() -> None:
    assert len((EXAMPLE / "panorama.yaml").read_text().splitlines()) <= 40
    application, places = load_application(EXAMPLE, {})
    assert check(application, places) == []


def test_scalars_are_read_by_declared_type_and_never_guessed(tmp_path: Path) -> None:
    application = read(
        tmp_path,
        """\
application: 0123
account: 012345670123
packages:
  code: {version: 1.10, container: on, entry: [python3, no]}
graph:
  nodes: {a: {string: 2021-01-01}, b: {string: yes}, c: {float32: 60.0}, d: {float32: 60}, e: {boolean: true}}
""",
    )
    (package,) = application.packages
    (asset,) = package.assets
    assert asset.descriptor
    assert (application.name, application.account, package.version) == ("0123", "012345670123", "1.10")
    assert (asset.name, descriptor_document(asset.descriptor)["runtimeDescriptor"]["entry"]["name"]) == ("on", "no")
    values = [node.value for node in application.graphs[0].nodes]
    assert [repr(value) for value in values] == ["'2021-01-01'", "'yes'", "60.0", "60", "True"]


def test_a_key_left_out_takes_its_default_and_null_leaves_it_out_of_the_document(tmp_path: Path) -> None:
    application = read(
        tmp_path,
        """\
application: app
packages:
  code: {name: null, version: null, container: code, entry: [python3, /a.py]}
graph:
  edges: null
  nodes: {one: code, two: {interface: code, launch: null, overridable: null}, cam: {camera: null}}
""",
    )
    document = package_document(application.packages[0], {})["nodePackage"]
    assert "name" not in document and "version" not in document
    graph = graph_document(application.graphs[0], application.account)["nodeGraph"]
    one, two, camera = graph["nodes"]
    assert one["launch"] == "onAppStart" and one["overridable"] is False
    assert two.keys() == {"name", "interface"}
    assert "decorator" not in camera and camera["overridable"] is True
    assert "edges" not in graph


def test_a_bare_node_in_an_edge_means_its_one_port(tmp_path: Path) -> None:
    (graph,) = read(tmp_path, CAMERA_APP).graphs
    assert [(edge.producer, edge.consumer) for edge in graph.edges or ()] == [
        ("cam.video_out", "code.video_in"),
        ("limit", "code.limit"),
        ("code.video_out", "screen.video_in"),
    ]


def test_the_environment_has_the_last_word_on_account_and_remote(tmp_path: Path) -> None:
    text = f"{MINIMAL}account: '111111111111'\nremote: {{url: s3://bucket/a, region: eu-west-1}}\n"
    said = read(tmp_path, text)
    assert (said.account, said.remote.url, said.remote.region) == ("111111111111", "s3://bucket/a", "eu-west-1")
    other = read(tmp_path, text, PANORAMA_ACCOUNT="222222222222", PANORAMA_REMOTE="elsewhere")
    assert (other.account, other.remote.url) == ("222222222222", "elsewhere")
    assert read(tmp_path, MINIMAL).account == "000000000000"


def test_all_mistakes_of_a_file_are_told_at_once_sorted_by_place(tmp_path: Path) -> None:
    text = """\
application: app
acount: "123456789012"
packages:
  code:
    container: code
    inputs: {video_in: media, limit: float23}
    version: one
  code: {}
  model:
    models: {m: {framework: PYTORCH, inputs: {data: [1, x]}}}
graph:
  nodes: {code: {interface: code, launch: no}}
  edges: [cam code]
"""
    assert mistakes(tmp_path, text) == [
        'panorama.yaml:2:1: unknown key "acount" (did you mean "account"?)',
        "panorama.yaml:6:38: expected one of boolean, float32, int32, media, string, "
        'found "float23" (did you mean "float32"?)',
        'panorama.yaml:7:14: the value "one" is not allowed (it takes major.minor, e.g. 1.0)',
        'panorama.yaml:8:3: duplicate key "code" (first in line 4)',
        'panorama.yaml:10:57: expected a whole number, found "x"',
        'panorama.yaml:12:43: expected one of onAppStart, onDemand, onSignal, found "no"',
        'panorama.yaml:13:11: the value "cam code" is not allowed (it takes node.output -> node.input)',
    ]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("code: code", "code: cod", '10:11: package "cod" is not declared (did you mean "code"?)'),
        ("cam -> code.video_in", "kam -> code.video_in", '14:7: there is no node "kam" (did you mean "cam"?)'),
        ("-> code.video_in", "-> code.video", '14:7: node "code" has no input "video" (did you mean "video_in"?)'),
        ("limit -> code.limit", "limit -> code.video_in", "15:7: limit is float32, but code.video_in takes media"),
        ("code -> screen", "code -> code.video_in", "16:7: code.video_in already takes cam.video_out"),
        ("limit -> code.limit", "limit.out -> code.limit", '15:7: "limit" is a parameter: it has no ports'),
        ("-> code.limit", "-> code", '15:7: say which input of node "code" is meant (it has video_in, limit)'),
        ("cam: camera", "cam: panorama::x.y", "9:10: the appliance has no panorama::x.y (camera or hdmi)"),
        ("code: code", "code: code.other", '10:11: package "code" has no interface "other"'),
        ("  edges:", "  routes: [8080 -> code:80]\n  edges:", '13:12: node "code" listens on no port 80'),
        ("{float32: 0.5}", "{float32: half}", '11:22: expected a whole number or a number, found "half"'),
    ],
)
def test_what_does_not_fit_together_is_told_where_it_stands(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    found = mistakes(tmp_path, CAMERA_APP.replace(old, new))
    assert any(line.startswith(f"panorama.yaml:{complaint}") for line in found), found


def test_what_is_odd_but_possible_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "panorama.yaml").write_text(
        CAMERA_APP.replace("    - limit -> code.limit\n", "").replace("graph:", "  spare: {camera: {}}\ngraph:")
    )
    warnings = [str(warning).split("panorama.yaml")[1] for warning in check(*load_application(tmp_path, {}))]
    assert warnings == [':7:3: no node uses package "spare"', ":11:11: nothing feeds code.limit"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (b"", "panorama.yaml: the file is empty (the least it needs is `application: NAME`)"),
        (b"application: app\n\tgraph: {}\n", "panorama.yaml:2:1: a tab is used for indentation"),
        (b"<<<<<<< HEAD\napplication: a\n=======\n", "panorama.yaml:1:1: a merge conflict is left in the file"),
        (b"application: [a\n", "panorama.yaml:2:1: "),
        (b"- application\n", "panorama.yaml:1:1: expected a mapping, found a list"),
        (b"\xff\xfe\x00", "panorama.yaml: byte 0 is not UTF-8 (is this a text file?)"),
        (b"\x00\x01\x02", "panorama.yaml: not a YAML text: "),
        (b"#" * (5 << 20), "panorama.yaml: the file is larger than 4 MiB (a manifest has some hundred lines)"),
        (b"application: " + b"[" * 5000, "panorama.yaml"),
        (b"a: &a [x]\nb: &b [*a,*a]\n" + b"c: *b\n", 'panorama.yaml:1:1: unknown key "a"'),
    ],
)
def test_whatever_is_no_manifest_is_refused_in_a_line(tmp_path: Path, text: bytes, complaint: str) -> None:
    assert mistakes(tmp_path, text)[0].startswith(complaint)


def test_aliases_that_stand_for_billions_of_nodes_are_refused(tmp_path: Path) -> None:
    lines = ["application: app", "packages:", "  p:", "    extra:", "      a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"      a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    (line,) = mistakes(tmp_path, "\n".join(lines))
    assert line.endswith("the document grows too large through its aliases")


def test_a_missing_manifest_is_told_with_the_way_to_one(tmp_path: Path) -> None:
    with pytest.raises(PanoramaError, match=r"panorama\.yaml: there is no such file \(panorama-build init DIR makes"):
        load_application(tmp_path, {})


@settings(max_examples=5 * settings().max_examples)
@given(data=st.data())
def test_any_mutation_of_a_manifest_loads_or_is_refused_with_its_place(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    text = CAMERA_APP
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.integers(0, 12))
        inserted = data.draw(st.text(alphabet="aA0 :-{}[]&*!|>'\"%@`#,?\n\t.~é\x07", max_size=5))
        text = text[:start] + inserted + text[start + length :]
    folder = tmp_path_factory.getbasetemp() / "mutated"
    folder.mkdir(exist_ok=True)
    (folder / "panorama.yaml").write_text(text)
    try:
        check(*load_application(folder, {}))
    except PanoramaError as error:
        assert all("panorama.yaml" in line for line in str(error).splitlines())


def test_a_scalar_is_no_list_and_no_mapping(tmp_path: Path) -> None:
    text = f"{MINIMAL}packages: {{m: {{models: {{n: {{framework: PYTORCH, inputs: {{data: x}}}}}}}}}}\n"
    assert mistakes(tmp_path, text) == ['panorama.yaml:2:64: expected a list or a mapping, found "x"']
