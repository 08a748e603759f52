"""import and render: a project says what an application of panorama-cli said, and says it again."""

from __future__ import annotations

import copy
import json
import statistics
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panorama_build.documents import canonical
from panorama_build.fingerprint import Fingerprint
from panorama_build.importing.importer import import_application
from panorama_build.keyorder import arrange, order_of
from panorama_build.project import Project
from panorama_build.render import documents
from panorama_build.store import Artifact
from tests.applications import call, run
from tests.roots import CODE, CORPUS, NETS, contents, differing, shop, there_and_back, write
from tests.situations import SITUATIONS, Edit, graph, node, reorder, several_models, unbuilt
from tests.test_schema import complaints

# -- real applications

needs_corpus = pytest.mark.skipif(not CORPUS, reason="the real applications are not here; see PANORAMA_SHARED")


@needs_corpus
@pytest.mark.parametrize("app", CORPUS, ids=lambda app: app.name)
def test_a_real_application_comes_back_as_it_was_and_stays_untouched(app: Path, tmp_path: Path) -> None:
    before = contents(app)
    _, rendered = there_and_back(app, tmp_path / "project")
    assert differing(app, rendered) == []
    assert rendered.keys() <= before.keys()
    assert contents(app) == before
    manifest = (tmp_path / "project/panorama.yaml").read_text()
    assert "documents:" not in manifest
    assert complaints(manifest) == [], "editors see it otherwise"


@needs_corpus
def test_a_manifest_has_half_the_lines_of_the_documents_it_replaces_or_less(tmp_path: Path) -> None:
    ratios, exact = [], []
    for app in CORPUS:
        _, rendered = there_and_back(app, tmp_path / app.name)
        lines = sum(len(json.dumps(json.loads(text), indent=4).splitlines()) for text in rendered.values())
        ratios.append(len((tmp_path / app.name / "panorama.yaml").read_text().splitlines()) / lines)
        exact += [(app / file).read_bytes() == content for file, content in rendered.items()]
    print(f"{len(ratios)} applications, median {statistics.median(ratios):.2f} of the lines, {sum(exact)} files exact")
    assert statistics.median(ratios) <= 0.5


BROKEN = {
    "cli_example_app": '"people_counter" is listed, but not declared',
    "onnx_app": "the graph names packages of 937544830708",
    "kinesis_video_streams_app": 'the override has no node "override_iot_role_alias"',
    "pose_estimation_app": 'the name "{YourCameraName}_node" is not allowed',
    "mot_analysis_app": 'no "nvAccelerators" in a requirement',
}


@needs_corpus
@pytest.mark.parametrize("app", BROKEN)
def test_what_dangles_in_a_real_application_is_told_with_its_place(app: str, tmp_path: Path) -> None:
    (source,) = (each for each in CORPUS if each.name == app)
    done = import_application(source, tmp_path / "project")
    assert any(BROKEN[app] in str(each) and "panorama.yaml:" in str(each) for each in [*done.wrong, *done.odd])


# -- one situation each, and what the manifest says of it


@pytest.mark.parametrize(("edit", "said"), [row[1:] for row in SITUATIONS], ids=[row[0] for row in SITUATIONS])
def test_whatever_stands_in_the_wild_comes_back_byte_by_byte(edit: Edit, said: str, tmp_path: Path) -> None:
    files = shop()
    edit(files)
    source = write(tmp_path / "root", files)
    _, rendered = there_and_back(source, tmp_path / "project")
    assert {file: rendered.get(file) for file in files if file.endswith(".json")} == {
        file: canonical(value) for file, value in files.items() if file.endswith(".json")
    }
    manifest = (tmp_path / "project/panorama.yaml").read_text()
    assert said in manifest
    assert complaints(manifest) == [], "editors see it otherwise"


# -- files that are no documents


def test_sources_go_where_their_container_is_built_and_the_rest_is_told(tmp_path: Path) -> None:
    broken = {"graphs/shop/old.json": b"[1 2]", f"{NETS}/latin.json": b'{"a": "\xe9"}', "README.md": b"Read me"}
    source = write(tmp_path / "root", {**shop(), **broken, f"assets/{'c' * 64}.tar.gz": b"a model"})
    (source / CODE / "src/app.py").chmod(0o755)
    (source / CODE / "src/link").symlink_to("app.py")
    before = contents(source)
    done, rendered = there_and_back(source, tmp_path / "project")
    assert contents(source) == before
    assert differing(source, rendered) == []
    made = contents(tmp_path / "project")
    assert sorted(made.keys() - {"panorama.yaml", ".panorama/schema.json"}) == [
        "graphs/shop/old.json",
        f"models/{'c' * 64}.tar.gz",
        "packages/code/Dockerfile",
        "packages/code/src/app.py",
        "packages/code/src/link",
        "packages/nets/latin.json",
    ]
    assert (tmp_path / "project/packages/code/src/app.py").stat().st_mode & 0o111
    assert (tmp_path / "project/packages/code/src/link").is_symlink()
    assert f"source: models/{'c' * 64}.tar.gz" in made["panorama.yaml"].decode()
    assert done.unknown == [
        "graphs/shop/old.json: line 1: not JSON: Expecting ',' delimiter; it is copied as it is",
        f"{NETS}/latin.json: byte 7 is not UTF-8; it is copied as it is",
        "left where it is, as no part of the application: README.md",
    ]


def test_what_nobody_recorded_is_told(tmp_path: Path) -> None:
    files = shop()
    several_models(files)
    done = import_application(write(tmp_path / "root", files), tmp_path / "project")
    assert done.found == "2 packages, 1 graph, 1 override, 4 descriptors, 2 sources, 0 assets"
    assert done.unknown == [
        f"{NETS}/one.json: no asset names it, and whose descriptor it is, is recorded nowhere",
        f"{NETS}/two.json: no asset names it, and whose descriptor it is, is recorded nowhere",
        f"model net: {'c' * 64}.tar.gz is not in assets/, and where its archive lies is recorded nowhere",
    ]


def test_what_has_no_word_is_passed_through_and_told_with_its_place(tmp_path: Path) -> None:
    files = shop()
    node(files, description="Counts")
    done = import_application(write(tmp_path / "root", files), tmp_path / "project")
    (told,) = (str(each) for each in done.odd if "no word" in str(each))
    assert told.endswith("panorama.yaml:25:7: there is no word for description: passed through as it is")


def test_an_imported_application_is_one_to_build(tmp_path: Path) -> None:
    files = shop()
    unbuilt(files)
    done = import_application(write(tmp_path / "root", files), tmp_path / "project")
    application = Project.load(tmp_path / "project", {}).application
    assert done.wrong == []
    assert [(package.key, asset.name, asset.type) for package, asset in application.assets()] == [
        ("code", "code", "container"),
        ("nets", "net", "model"),
    ]
    assert all(asset.descriptor for _, asset in application.assets())


def test_what_was_built_since_is_rendered_with_its_own_name(tmp_path: Path) -> None:
    import_application(write(tmp_path / "root", shop()), tmp_path / "project")
    project = Project.load(tmp_path / "project", {})
    project.store.record("container:code", Fingerprint({}), Artifact("f" * 64, 1))
    package = json.loads({str(file): text for file, text in documents(project).items()}[f"{CODE}/package.json"])
    (implementation,) = package["nodePackage"]["assets"][0]["implementations"]
    assert implementation["assetUri"] == f"{'f' * 64}.tar.gz"
    assert implementation["descriptorUri"] != f"{'b' * 64}.json"


# -- the program


def test_the_program_imports_renders_and_tells_what_comes_next(tmp_path: Path) -> None:
    files = shop()
    graph(files)["edges"].append({"producer": "camera.video_out", "consumer": "nobody.video_in"})
    source = write(tmp_path / "root", files)
    done = run(tmp_path, {}, "panorama-build", "import", "root", "my project")
    assert done.status == 0, done.output
    assert 'wrong\n  my project/panorama.yaml:29:7: there is no node "nobody"\n' in done.output
    assert "next\n  cd 'my project'\n  panorama-build render OUT" in done.output
    project = tmp_path / "my project"
    assert (project / "dodo.py").exists() and "/build/" in (project / ".gitignore").read_text()
    done = run(project, {}, "panorama-build", "render", "../out")
    assert done.status == 0, done.output
    assert 'ERROR: panorama.yaml:29:7: there is no node "nobody"' in done.output
    assert "6 documents in ../out" in done.output
    assert differing(source, contents(tmp_path / "out")) == []
    assert (tmp_path / "out/assets").is_dir()


REFUSED = [
    (["import", "root"], "import takes two folders (panorama-build import SRC DEST)"),
    (["import", "nowhere", "new"], "nowhere: this is no application root"),
    (["import", "root", "full"], "full: the folder is not empty: it has a file (import overwrites nothing"),
    (["import", "root", "full/a file"], "full/a file: this is no folder"),
    (["import", "root", "root/inside"], "root/inside: the project can't lie in what is imported"),
    (["render"], "render takes one folder (panorama-build render OUT)"),
    (["render", "out"], "panorama.yaml: there is no such file"),
]


@pytest.mark.parametrize(("arguments", "refusal"), REFUSED, ids=lambda value: " ".join(value)[:30])
def test_what_can_not_be_done_is_refused_in_a_line(arguments: list[str], refusal: str, tmp_path: Path) -> None:
    write(tmp_path, {"full/a file": b"", **{f"root/{file}": value for file, value in shop().items()}})
    before = contents(tmp_path)
    done = run(tmp_path, {}, "panorama-build", *arguments)
    assert (done.status, contents(tmp_path)) == (3, before)
    assert done.output.startswith(f"ERROR: {refusal}") and done.output.count("\n") == 1, done.output


@pytest.mark.parametrize(
    "words",
    [
        "documents: {../x.json: {}}",
        "documents: {/tmp/x.json: {}}",
        "overrides: {../../x.json: {}}",
        "packages: {a: {directory: ../..}}",
        "packages: {a: {directory: /tmp/x}}",
        "packages: {a: {descriptors: {../x.json: {}}}}",
    ],
)
def test_render_writes_nothing_elsewhere(words: str, tmp_path: Path) -> None:
    (tmp_path / "panorama.yaml").write_text(f"application: a\n{words}\n")
    done = call(tmp_path, "render", "out/deep")
    assert done.returncode == 3 and done.stderr.count("\n") == 1 and "lies outside of" in done.stderr
    assert contents(tmp_path).keys() == {"panorama.yaml"}


# -- whatever else there may be

ODD: list[Any] = [
    None,
    True,
    0,
    60.0,
    -0.0,
    1e300,
    10**30,
    "",
    "null",
    "yes",
    "1.10",
    "$x",
    "{X}",
    "é\x07\n",
    ": #",
    "a::b.c",
]
ODD += ["camera", "string", "x" * 300, [], {}, ["x"], [{}], {"a": None}, {"name": "x"}, [{"name": "x"}]]
KEYS = [
    "name",
    "interface",
    "value",
    "type",
    "asset",
    "extra",
    "order",
    "description",
    "nvAccelerators",
    "a.b",
    "",
    "1",
    "null",
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    for key, member in (
        value.items() if isinstance(value, dict) else enumerate(value if isinstance(value, list) else ())
    ):
        yield from places(member, (*path, key))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def mutate(document: Any, data: st.DataObject) -> None:
    """Change one place of a document: its value, its key, its place among others."""
    path = data.draw(st.sampled_from(list(places(document))[1:] or [()]))
    if not path:
        return
    holder, key = at(document, path[:-1]), path[-1]
    kind = data.draw(st.sampled_from(["other", "gone", "renamed", "more", "twice", "first", "elsewhere"]))
    if kind == "gone":
        del holder[key]
    elif kind == "elsewhere":
        holder[key] = copy.deepcopy(at(document, data.draw(st.sampled_from(list(places(document))))))
    elif isinstance(holder, list) and kind in ("twice", "first"):
        holder.insert(0 if kind == "first" else len(holder), copy.deepcopy(holder[key]))
    elif isinstance(holder, dict) and kind == "renamed":
        holder[data.draw(st.sampled_from(KEYS))] = holder.pop(key)
    elif isinstance(holder, dict) and kind == "more":
        holder[data.draw(st.sampled_from(KEYS))] = copy.deepcopy(data.draw(st.sampled_from(ODD)))
    elif isinstance(holder, dict) and kind in ("twice", "first"):
        reorder(holder, key)
    else:
        holder[key] = copy.deepcopy(data.draw(st.sampled_from(ODD)))


@given(data=st.data())
def test_any_documents_come_back(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    files = shop()
    for edit in data.draw(st.lists(st.sampled_from([row[1] for row in SITUATIONS[2:]]), max_size=2, unique=True)):
        try:
            edit(files)
        except (KeyError, IndexError):  # another edit took what this one changes
            continue
    for file in data.draw(st.lists(st.sampled_from(sorted(files)), max_size=4)):
        if not isinstance(files[file], bytes):
            mutate(files[file], data)
    folder = tmp_path_factory.mktemp("any")
    source = write(folder / "root", files)
    _, rendered = there_and_back(source, folder / "project")
    assert differing(source, rendered) == []


JSON = st.recursive(
    st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abcde"), inner, max_size=5),
)


@given(usual=JSON, data=st.data())
def test_an_order_of_keys_makes_any_order(usual: Any, data: st.DataObject) -> None:
    found = shuffled(usual, data)
    assert canonical(arrange(usual, order_of(usual, found))) == canonical(found)
    assert order_of(usual, usual) == {}


def shuffled(value: Any, data: st.DataObject) -> Any:
    if isinstance(value, list):
        return [shuffled(item, data) for item in value]
    if isinstance(value, dict):
        return {key: shuffled(value[key], data) for key in data.draw(st.permutations(list(value)))}
    return value
