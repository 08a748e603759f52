"""What init lays out works as it stands, and what is no fault of the program is told in one line."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from panorama_build import documents
from panorama_build.checks.check import check
from panorama_build.commands.init import RECIPE, TEMPLATES, WORKFLOW, Init, contents, lay_out
from panorama_build.project import Project
from tests import programs
from tests.servers import ROOT, Engine

SCHEMAS = ROOT.parent / "shared" / "schemas"
NO_ENGINE = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("PANORAMA_", "DOIT_"))},
    "DOCKER_HOST": "unix:///nonexistent",
}

Result = subprocess.CompletedProcess[str]


def run(program: str, *arguments: str, cwd: Path, env: dict[str, str] = NO_ENGINE) -> Result:
    done = programs.run(program, *arguments, cwd=cwd, env=env)
    return subprocess.CompletedProcess((program, *arguments), done.status, done.stdout, done.stderr)


def init(*arguments: str, cwd: Path) -> Result:
    return run("panorama-build", "init", *arguments, cwd=cwd)


def tree(folder: Path) -> dict[str, str]:
    """Every entry below a folder, with the text of each file."""
    paths = sorted(path for path in folder.rglob("*") if "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_text() if path.is_file() else "" for path in paths}


def names(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*")}


def files(folder: Path) -> set[str]:
    return {path for path in tree(folder) if (folder / path).is_file()}


def assert_refused(result: Result, *words: str) -> None:
    """One line on standard error, and nothing on the other."""
    assert (result.returncode, result.stdout) == (3, "")
    assert re.fullmatch(r"ERROR: .+\n", result.stderr), result.stderr
    assert all(word in result.stderr for word in words), result.stderr


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A new application, called app."""
    lay_out(tmp_path / "app", contents("app", workflow=False))
    return tmp_path / "app"


# -- what is made


def test_init_tells_what_it_made_and_what_comes_next(tmp_path: Path) -> None:
    result = init("my app", cwd=tmp_path)
    made, _, following = result.stdout.partition("next\n")
    expected = {path.replace("NAME", "my_app") for path in TEMPLATES}
    assert files(tmp_path / "my app") == {*expected, ".panorama/schema.json"}
    assert set(re.findall(r"(?m)^  my app/(.+)$", made)) == expected
    assert re.findall(r"(?m)^  (.+?) *(?:#.*)?$", following) == ["cd 'my app'", "doit list", "doit", "doit publish"]
    assert (result.returncode, result.stderr) == (0, "")


def test_init_works_in_the_empty_folder_one_is_in(tmp_path: Path) -> None:
    result = init(".", cwd=tmp_path)
    assert result.returncode == 0
    assert "cd " not in result.stdout
    assert Project.load(tmp_path, {}).application.packages[0].key in tmp_path.name


def test_init_leaves_what_else_lies_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    assert init(".", "--name", "app", cwd=tmp_path).returncode == 0
    assert (tmp_path / "README.md").read_text() == "mine"


@pytest.mark.parametrize("arguments", [("x", "--name", "other", "--ci"), ("--ci", "--name=other", "x")])
def test_options_may_stand_on_either_side_of_the_folder(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert init(*arguments, cwd=tmp_path).returncode == 0
    laid_out = {path.replace("NAME", "other") for path in (*TEMPLATES, WORKFLOW, RECIPE)}
    assert files(tmp_path / "x") == {*laid_out, ".panorama/schema.json"}


@pytest.mark.parametrize("name", ["app", "_x", "a-b", "007", "true", "camera", "hdmi", "float32", "panorama"])
def test_any_name_makes_an_application_without_a_complaint(tmp_path: Path, name: str) -> None:
    lay_out(tmp_path, contents(name, workflow=True))
    project = Project.load(tmp_path, {})
    assert check(project.application, project.places) == []
    assert project.application.name == name
    assert "NAME" not in "".join(tree(tmp_path).values())


def test_every_template_is_laid_out() -> None:
    kept = {"/".join(part.removeprefix(".") for part in path.split("/")) for path in (*TEMPLATES, WORKFLOW, RECIPE)}
    assert files(ROOT / "templates") - {"__init__.py"} == kept


def test_every_example_of_the_manifest_holds(app: Path) -> None:
    manifest = app / "panorama.yaml"
    text, count = re.subn(r"(?m)^( *)#(?=\S)", r"\1", manifest.read_text())
    manifest.write_text(text)
    project = Project.load(app, {})
    assert check(project.application, project.places) == []
    assert count == 6
    assert len(text.splitlines()) <= 30


def test_the_base_image_is_named_once(app: Path) -> None:
    instructions = re.findall(r"(?m)^[A-Z].*$", (app / "packages/app/Dockerfile").read_text())
    assert re.fullmatch(r"ARG BASE=[^ :]+:[^ ]+", instructions[0])
    assert instructions[1:] == ["FROM ${BASE}", "COPY src /panorama"]


def test_git_and_docker_ignore_what_is_generated(app: Path) -> None:
    sources = files(app)
    for path in ("build/x", "published/x", ".panorama/x", "packages/app/src/__pycache__/x.pyc"):
        (app / path).parent.mkdir(parents=True)
        (app / path).write_text("generated")
    subprocess.run(["git", "init", "--quiet"], cwd=app, check=True)
    seen = subprocess.run(["git", "ls-files", "-o", "--exclude-standard"], cwd=app, capture_output=True, text=True)
    assert set(seen.stdout.splitlines()) == sources
    assert "__pycache__" in (app / "packages/app/.dockerignore").read_text()


def test_the_workflow_keeps_the_state_and_publishes(tmp_path: Path) -> None:
    text = contents("app", workflow=True)[WORKFLOW]
    job = yaml.safe_load(text)["jobs"]["publish"]
    assert job["env"] == {"TRUSTED": "${{ github.event_name == 'push' && 'yes' || 'no' }}"}
    steps = job["steps"]
    cache = next(step["with"] for step in steps if step.get("uses", "").startswith("actions/cache@"))
    assert cache == {"path": ".panorama", "key": "panorama-${{ github.sha }}", "restore-keys": "panorama-"}
    assert [step["run"] for step in steps if "run" in step] == ["pip install panorama-build", "sh ci.sh"]


# -- what was made, put to work


@pytest.mark.parametrize("program", ["doit", "panorama-build"])
def test_a_new_application_needs_no_engine_for_its_documents(app: Path, program: str) -> None:
    if program == "panorama-build":
        (app / "dodo.py").unlink()
    listed = run(program, "list", cwd=app)
    assert re.findall(r"(?m)^\S+", listed.stdout) == [
        *("asset", "asset:app", "check", "container", "container:app", "graph"),
        *("package", "package:app", "plan", "publish", "publish:app", "why"),
    ]
    made = run(program, "check", "graph", cwd=app)
    assert (made.returncode, made.stderr) == (0, ""), made
    assert "0 warnings" in made.stdout
    assert (app / "build/graphs/app/graph.json").is_file()


@pytest.mark.parametrize("kind", ["nodeGraph", "nodePackage", "assetDescriptor"])
def test_documents_of_a_new_application_are_valid_by_aws_schemas(app: Path, kind: str) -> None:
    if not SCHEMAS.is_dir():
        pytest.skip(f"AWS's schemas are not in {SCHEMAS}")
    application = Project.load(app, {}).application
    package = application.packages[0]
    descriptor = package.assets[0].descriptor
    assert descriptor
    uris = {package.assets[0].name: documents.Uris(f"{'0' * 64}.tar.gz", f"{'1' * 64}.json")}
    document = {
        "nodeGraph": documents.graph_document(application.graphs[0], application.account),
        "nodePackage": documents.package_document(package, uris),
        "assetDescriptor": documents.descriptor_document(descriptor),
    }[kind]
    assert schema_errors(kind, document) == []
    assert schema_errors(kind, {"other": document}) != []


def schema_errors(kind: str, document: Any) -> list[str]:
    from jsonschema import Draft7Validator
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT7

    def retrieve(uri: str) -> Resource[Any]:
        return DRAFT7.create_resource(json.loads((SCHEMAS / uri.removeprefix("aws:/")).read_text()))

    registry: Registry[Any] = Registry(retrieve=retrieve)  # type: ignore[call-arg]
    validator = Draft7Validator({"$ref": f"aws:/{kind}.schema.json"}, registry=registry)
    return [error.message for error in validator.iter_errors(document)]


@pytest.mark.engine
def test_a_new_application_builds_and_its_state_alone_spares_a_rebuild(engine: Engine, app: Path) -> None:
    manifest = app / "panorama.yaml"
    recipe = f"container: {{asset: app, args: {{BASE: {engine.base}}}}}"
    manifest.write_text(manifest.read_text().replace("container: app", recipe))
    built = run("doit", "run", "publish", "asset", cwd=app, env={**NO_ENGINE, **engine.env})
    assert "built      container:app" in built.stdout, built
    published = names(app / "published")

    fresh = app.parent / "fresh"
    shutil.copytree(app, fresh, ignore=shutil.ignore_patterns("build", "published"))
    reused = run("doit", "run", "publish", cwd=fresh)
    assert reused.returncode == 0, reused
    assert names(fresh / "published") == published
    (asset,) = (app / "build/assets").glob("*.tar.gz")
    with tarfile.open(asset) as archive:
        content = archive.extractfile("panorama/app.py")
        assert content and content.read() == (app / "packages/app/src/app.py").read_bytes()


# -- refusals


@pytest.mark.parametrize("path", [path.replace("NAME", "app") for path in (*TEMPLATES, WORKFLOW, RECIPE)])
def test_init_overwrites_nothing_and_then_writes_nothing(tmp_path: Path, path: str) -> None:
    mine = tmp_path / "app" / path
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    before = tree(tmp_path)
    assert_refused(init("app", "--ci", cwd=tmp_path), f"app/{path}: already there")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("path", ["app", "app/packages", "app/packages/app/src"])
def test_a_file_where_a_folder_has_to_be_is_in_the_way(tmp_path: Path, path: str) -> None:
    (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / path).write_text("mine")
    before = tree(tmp_path)
    assert_refused(init("app", cwd=tmp_path), f"{path}: already there")
    assert tree(tmp_path) == before


def test_init_does_not_write_through_a_link_to_nowhere(app: Path) -> None:
    (app / "dodo.py").unlink()
    (app / "dodo.py").symlink_to(app.parent / "elsewhere")
    assert_refused(init("app", cwd=app.parent), "app/dodo.py")
    assert not (app.parent / "elsewhere").exists()


@pytest.mark.parametrize("name", ["a b", "a.b", "a\n", "-", "日本", "n" * 129])
def test_a_name_that_panorama_does_not_take_is_refused(tmp_path: Path, name: str) -> None:
    assert_refused(init("app", f"--name={name}", cwd=tmp_path), "can't name an application", "--name takes")
    assert tree(tmp_path) == {}


def test_a_folder_whose_name_makes_none_is_refused(tmp_path: Path) -> None:
    assert_refused(init("日本", cwd=tmp_path), '"日本" can\'t name an application', "--name takes")


@pytest.mark.parametrize("arguments", [(), ("a", "b"), ("a", "--nmae", "b"), ("--name",), ("",)])
def test_a_command_line_that_says_something_else_is_refused(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert_refused(init(*arguments, cwd=tmp_path))
    assert tree(tmp_path) == {}


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="/proc, where nobody makes a folder, is Linux's")
def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    assert_refused(init("/proc/app", cwd=tmp_path), "/proc/app: can't be written")


# -- the program around it


def test_help_and_version_speak_of_this_program(tmp_path: Path) -> None:
    usage = run("panorama-build", "help", cwd=tmp_path).stdout
    assert usage == run("panorama-build", "--help", cwd=tmp_path).stdout
    assert usage.startswith("panorama-build builds and publishes")
    assert f"panorama-build init           {Init.doc_purpose}\n" in usage
    assert "DIR [--name NAME] [--ci]" in run("panorama-build", "help", "init", cwd=tmp_path).stdout
    versions = run("panorama-build", "--version", cwd=tmp_path).stdout
    assert re.fullmatch(r"panorama-build \d\S*, doit \d\S*\n", versions)


@pytest.mark.parametrize("command", ["", "run", "list", "info graph", "clean", "forget", "ignore graph", "reset-dep"])
def test_a_mistake_in_the_manifest_is_one_line_whatever_the_command(app: Path, command: str) -> None:
    manifest = app / "panorama.yaml"
    manifest.write_text(manifest.read_text().replace("entry:", "enrty:"))
    assert_refused(run("panorama-build", *command.split(), cwd=app), 'unknown key "enrty"')
    (app / "dodo.py").unlink()
    assert_refused(run("panorama-build", *command.split(), cwd=app), 'unknown key "enrty"')


@pytest.mark.parametrize("command", ["help", "list --all", "clean -n", "forget", "ignore graph", "reset-dep"])
def test_doits_own_commands_work_under_this_name(app: Path, command: str) -> None:
    result = run("panorama-build", *command.split(), cwd=app)
    assert (result.returncode, result.stderr) == (0, "")


def test_an_error_of_ours_out_of_a_dodo_file_is_one_line(app: Path) -> None:
    lines = ["from pathlib import Path", "from panorama_build.project import Project", "Project.load(Path('none'))"]
    (app / "dodo.py").write_text("\n".join(lines))
    assert_refused(run("panorama-build", "list", cwd=app), "none/panorama.yaml: there is no such file")


@pytest.mark.parametrize("program", ["doit", "panorama-build"])
@pytest.mark.parametrize("damage", ["junk", "head", "middle", "cut"])
def test_a_damaged_database_is_removed_and_that_is_said(app: Path, program: str, damage: str) -> None:
    assert run(program, "check", "graph", cwd=app).returncode == 0
    database = app / ".panorama/doit.sqlite3"
    content = database.read_bytes()
    database.write_bytes(
        {
            "junk": b"junk" * 1000,
            "head": b"junk" + content[4:],
            "middle": content[:4096] + b"junk" * 1024 + content[8192:],
            "cut": content[:5000],
        }[damage]
    )
    mended = run(program, "check", "graph", cwd=app)
    assert mended.returncode == 0, mended
    line = ".panorama/doit.sqlite3: was damaged, and is removed: every task is looked at again\n"
    assert mended.stderr == line
    again = run(program, "check", "graph", cwd=app)
    assert (again.stdout, again.stderr) == ("nothing to do: 2 up to date\n", "")
