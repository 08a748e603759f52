"""When something runs again, and when not: content decides, and nothing else does."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from panorama_build.digests import Digests
from panorama_build.files import digest_of
from panorama_build.uptodate import Notes, content_checker
from tests.applications import NO_ENGINE, ROOT, App, Run, example
from tests.changes import (
    CODE,
    CONTAINER,
    DAMAGED,
    MANIFEST,
    MODEL,
    REMOTES,
    TABLE,
    WHOLE,
    as_markdown,
    sha256,
    table_application,
)
from tests.servers import Engine


@dataclass(frozen=True)
class Built:
    """An application that is built and published, to be copied for each row."""

    app: App

    def copy(self, root: Path) -> App:
        """The same with all its state, times included, under another path."""
        subprocess.run(["cp", "-a", self.app.root, root], check=True)
        return App(root, self.app.env)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Built:
    app = table_application(tmp_path_factory.mktemp("built") / "app", engine)
    done = app.doit(*WHOLE)
    assert done.status == 0, done.output
    return Built(app)


@pytest.mark.engine
@pytest.mark.parametrize("name", TABLE)
def test_what_runs_after(name: str, built: Built, tmp_path: Path) -> None:
    row = TABLE[name]
    app = built.copy(tmp_path / "elsewhere")
    before = package_documents(app)
    app = row.change(app) or app
    there = published(app)
    plan = planned(app) if not row.status else []
    asked = {} if row.runs.get(CONTAINER) == "built" else {"DOCKER_HOST": NO_ENGINE}
    done = app.doit(*WHOLE, **asked)
    assert done.status == row.status, done.output
    assert {task: verb for task, verb in done.outcomes.items() if task in row.runs or task != "check"} == row.runs
    after = package_documents(app)
    assert {package for package in after if before[package] != after[package]} == set(row.patches)
    assert {kind_of(app, path) for path in published(app) - there} == set(row.uploads)
    told(plan, done, row.cause and row.cause.replace("IMAGE", app.env["BASE"]))
    again = app.doit(*WHOLE) if done.outcomes else done
    if row.status:
        assert again.outcomes == done.outcomes
    else:
        assert re.fullmatch(r"nothing to do: 10 up to date\n", again.output), again.output


def package_documents(app: App) -> dict[str, bytes]:
    """Each package's package.json."""
    paths = app.root.glob("build/packages/*/package.json")
    return {path.parent.name.split("-")[1]: path.read_bytes() for path in paths}


def published(app: App) -> set[Path]:
    """What lies at the remotes of the table, by names that tell the content."""
    return {path.relative_to(app.root) for each in REMOTES for path in (app.root / each).rglob("*") if path.is_file()}


def kind_of(app: App, path: Path) -> str:
    if path.parts[1] == "manifests":
        return "package.json"
    if path.suffix == ".json":
        return "descriptor"
    return "container" if path.name == app.asset("people_counter").name else "model"


def planned(app: App) -> list[Any]:
    """What `doit plan` says of each task, without an engine; nothing changes by it."""
    before = files(app.root)
    plan = app.doit("plan", "--json", DOCKER_HOST=NO_ENGINE)
    after = files(app.root)
    # Any run removes a damaged database, and keeps the editors' schema that of its version.
    kept = {path for path, (content, *_) in before.items() if content != sha256(DAMAGED) and path.name != "schema.json"}
    assert {path: after.get(path) for path in kept} == {path: before[path] for path in kept}
    new = {path.name for path in after.keys() - before.keys() if path.suffix != ".pyc"}  # which Python leaves
    assert new <= {"doit.sqlite3", "schema.json"}
    tasks: list[Any] = json.loads(plan.output[plan.output.index("{") :])["tasks"]
    return tasks


def files(root: Path) -> dict[Path, tuple[str, int, int]]:
    """Every file with its content, time and identity."""
    stats = {path: path.lstat() for path in root.rglob("*") if path.is_symlink() or not path.is_dir()}
    return {path: (content_of(path), stat.st_mtime_ns, stat.st_ino) for path, stat in stats.items()}


def content_of(path: Path) -> str:
    return os.readlink(path) if path.is_symlink() else digest_of([path.read_bytes()])


def told(plan: list[Any], done: Run, cause: str | None) -> None:
    """A plan told exactly what was done; of a task behind one that was built, what at the most was done."""
    for task in plan:
        verb = done.outcomes.get(task["task"], "up-to-date")
        assert verb == task["verb"] or (task["after"] and verb in ("unchanged", "up-to-date")), (task, done.output)
        assert task["reasons"] or task["after"] or verb == "up-to-date", task
    assert cause is None or any(cause in task["reasons"] for task in plan), (cause, plan)


def test_the_documented_table_is_this_one() -> None:
    page = (ROOT / "docs/how-rebuilding-is-decided.md").read_text()
    assert [line for line in page.splitlines() if line.startswith("|")] == list(as_markdown())


@pytest.mark.engine
def test_forcing_has_a_word_of_its_own(built: Built, tmp_path: Path) -> None:
    app = built.copy(tmp_path / "app")
    assert app.doit("-a", CONTAINER).outcomes == {CONTAINER: "reused"}
    forced = app.doit("force=yes", CONTAINER)
    assert forced.outcomes == {CONTAINER: "built"}
    assert forced.detail(CONTAINER).endswith("; forced")


@pytest.mark.engine
def test_the_cause_of_a_build_is_told(built: Built, tmp_path: Path) -> None:
    app = built.copy(tmp_path / "app")
    app.edit(CODE, "people: ", "persons: ")
    assert app.doit(CONTAINER).detail(CONTAINER).endswith("; src/people_counter_main.py changed")


def test_the_state_of_a_dependency_is_what_the_task_saw_first(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("seen")
    notes = Notes(Digests(tmp_path / "digests"))
    checker = content_checker(notes)()
    notes.taken(str(path))
    path.write_text("edited meanwhile")
    state = checker.get_state(str(path), None)
    assert content_checker(Notes(Digests(tmp_path / "digests")))().check_modified(str(path), path.stat(), state)


def test_a_file_changed_within_a_tick_of_the_clock_is_read_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    digests = Digests(tmp_path / "digests")
    for round in range(200):
        path.write_text(f"{round:03}")
        first = digests.of(path)
        stat = path.stat()
        path.write_text(f"{round:03}".translate(str.maketrans("0123456789", "abcdefghij")))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        assert digests.of(path) != first


def test_digests_survive_a_run_and_a_torn_file_of_them(tmp_path: Path) -> None:
    path, kept = tmp_path / "file", tmp_path / "digests"
    path.write_text("content")
    os.utime(path, (1, 1))
    digest = Digests(kept).of(path)
    for content in (b"", b"torn", b"\x00" * 40):
        kept.write_bytes(content)
        digests = Digests(kept)
        assert digests.of(path) == digest
        digests.save()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("    entry:", "    descriptor: ../../../panorama.yaml\n    entry:"),
        ("    entry:", "    descriptor: package.json\n    entry:"),
        ("  nodes:", "  name: ../../..\n  nodes:"),
    ],
)
def test_no_name_in_the_manifest_leads_out_of_what_is_generated(tmp_path: Path, old: str, new: str) -> None:
    app = example(tmp_path / "app")
    app.edit(MANIFEST, old, new)
    text = (app.root / MANIFEST).read_text()
    refused = app.doit()
    assert refused.status == 3 and "Traceback" not in refused.output, refused.output
    assert (app.root / MANIFEST).read_text() == text
    refused = app.doit(PANORAMA_ACCOUNT="../x")
    assert refused.status == 3 and "Traceback" not in refused.output, refused.output


def test_a_renamed_application_leaves_no_second_graph(tmp_path: Path) -> None:
    app = example(tmp_path / "app")
    app.doit("graph")
    app.edit(MANIFEST, "application: people_counter", "application: visitors")
    app.doit("graph")
    assert [path.name for path in (app.root / "build/graphs").iterdir()] == ["visitors"]


def test_a_model_named_by_a_file_url_is_as_local_as_a_path(tmp_path: Path) -> None:
    app = example(tmp_path / "app")
    app.edit(MANIFEST, "source: models/squeezenet1_0.tar.gz", f"source: {(app.root / 'models').as_uri()}/net.tar.gz")
    pin = next(line for line in (app.root / MANIFEST).read_text().splitlines() if "sha256:" in line)
    app.edit(MANIFEST, f"{pin}\n", "")
    (app.root / "models/squeezenet1_0.tar.gz").rename(app.root / "models/net.tar.gz")
    assert app.doit(MODEL).outcomes == {MODEL: "fetched"}
    (app.root / "models/net.tar.gz").write_bytes(b"\x1f\x8b other")
    assert app.doit(MODEL).outcomes == {MODEL: "fetched"}
