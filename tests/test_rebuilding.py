"""When something runs again, and when not: content decides, and nothing else does."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from panorama_build.digests import Digests
from panorama_build.files import digest_of
from panorama_build.uptodate import Notes, content_checker
from tests.applications import NO_ENGINE, App, Run, example
from tests.servers import Engine

SRC = "packages/people_counter/src"
CODE = f"{SRC}/people_counter_main.py"
MANIFEST = "panorama.yaml"

CONTAINER, PACKAGE, PUBLISH = "container:people_counter", "package:people_counter", "publish:people_counter"
MODEL, MODEL_PACKAGE, MODEL_PUBLISH = "model:callable_squeezenet", "package:call_node", "publish:call_node"
REBUILT = {CONTAINER: "built", PACKAGE: "written", PUBLISH: "published"}
NOT_PUBLISHED = {PUBLISH: "unchanged", MODEL_PUBLISH: "unchanged"}
# The application root links to the store's asset, and gets its link anew.
MENDED = {CONTAINER: "built", PACKAGE: "unchanged"}
REUSED = {CONTAINER: "reused", MODEL: "reused"}


def same_size_and_mtime(app: App) -> None:
    path = app.root / CODE
    stat = path.stat()
    path.write_text(path.read_text().replace("0.1, 0.1", "0.2, 0.2"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert path.stat().st_size == stat.st_size


def rename_into_a_folder(app: App) -> None:
    (app.root / SRC / "data").mkdir()
    (app.root / SRC / "labels.csv").rename(app.root / SRC / "data/labels.csv")


def mode(file: str, bits: int) -> Callable[[App], None]:
    return lambda app: (app.root / file).chmod(bits)


def write(file: str, text: str) -> Callable[[App], None]:
    def change(app: App) -> None:
        with (app.root / file).open("a") as out:
            out.write(f"{text}\n")

    return change


def remove(*files: str) -> Callable[[App], None]:
    def change(app: App) -> None:
        for file in files:
            for path in [app.root / file] if (app.root / file).exists() else list(app.root.glob(file)):
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def edit(file: str, old: str, new: str) -> Callable[[App], None]:
    return lambda app: app.edit(file, old, new)


def truncate_asset(app: App) -> None:
    (asset,) = (app.root / ".panorama/store/assets").glob(f"{app.asset('people_counter').name}")
    asset.chmod(0o644)
    os.truncate(asset, 1000)


def other_asset_bytes(app: App) -> None:
    asset = app.asset("people_counter")
    stat = asset.stat()
    asset.chmod(0o644)
    asset.write_bytes(bytes(stat.st_size))
    os.utime(asset, ns=(stat.st_atime_ns, stat.st_mtime_ns))


ROWS: dict[str, tuple[Callable[[App], object], dict[str, str]]] = {
    "nothing": (lambda app: None, {}),
    "a byte of src": (write(CODE, "# more"), REBUILT),
    "a byte of src, same size and mtime": (same_size_and_mtime, REBUILT),
    "a file called like another input": (write("packages/people_counter/platform", "x"), {CONTAINER: "built"}),
    "touch": (lambda app: (app.root / CODE).touch(), {}),
    "chmod g+w": (mode(CODE, 0o664), {}),
    "chmod +x": (mode(CODE, 0o755), REBUILT),
    "an ignored file": (write(f"{SRC}/junk.pyc", "junk"), {}),
    ".dockerignore itself": (write("packages/people_counter/.dockerignore", "*.tmp"), {CONTAINER: "built"}),
    "a file renamed across folders": (rename_into_a_folder, REBUILT),
    "an empty folder added": (lambda app: (app.root / SRC / "empty").mkdir(), REBUILT),
    "a symbolic link added": (lambda app: (app.root / SRC / "link").symlink_to("labels.csv"), REBUILT),
    "the Dockerfile, in a comment": (write("packages/people_counter/Dockerfile", "# a word"), {CONTAINER: "built"}),
    "a build argument": (edit(MANIFEST, "args: {", "args: {MORE: 1, "), {CONTAINER: "built"}),
    "a descriptor's values": (
        edit(MANIFEST, "/panorama/people_counter_main.py]", "/panorama/people_counter_main.py, --fast]"),
        {PACKAGE: "written", PUBLISH: "published"},
    ),
    "a comment in panorama.yaml": (write(MANIFEST, "# a word"), {}),
    "a key of another package": (
        edit(MANIFEST, "framework: PYTORCH", "framework: PYTORCH\n        framework_version: '1.8'"),
        {MODEL_PACKAGE: "written", MODEL_PUBLISH: "published"},
    ),
    "the graph": (edit(MANIFEST, "float32: 0.5", "float32: 0.25"), {"graph": "written"}),
    "another account": (
        write(MANIFEST, 'account: "210987654321"'),
        {"graph": "written", PACKAGE: "written", MODEL_PACKAGE: "written", **NOT_PUBLISHED},
    ),
    "the model file touched": (lambda app: (app.root / "models/squeezenet1_0.tar.gz").touch(), {}),
    "doit's database deleted": (
        remove(".panorama/doit.sqlite3"),
        {"graph": "unchanged", **REUSED, PACKAGE: "unchanged", MODEL_PACKAGE: "unchanged", **NOT_PUBLISHED},
    ),
    "the digests deleted": (remove(".panorama/digests"), {}),
    "a record deleted": (remove(".panorama/store/artifacts/container*"), {CONTAINER: "reused"}),
    "an asset truncated": (truncate_asset, MENDED),
    "an asset overwritten with other bytes": (other_asset_bytes, MENDED),
    "build/ deleted": (
        remove("build"),
        {"graph": "written", PACKAGE: "written", MODEL_PACKAGE: "written"},
    ),
    "a generated file edited by hand": (write("build/graphs/people_counter/graph.json", " "), {"graph": "written"}),
    ".panorama/ deleted": (
        remove(".panorama"),
        {
            "check": "checked",
            "graph": "unchanged",
            MODEL: "fetched",
            CONTAINER: "built",
            PACKAGE: "unchanged",
            MODEL_PACKAGE: "unchanged",
            **NOT_PUBLISHED,
        },
    ),
}


# What a plan and `why` say of the first task that a row starts.
CAUSES = {
    "a byte of src": "src/people_counter_main.py changed",
    "a byte of src, same size and mtime": "src/people_counter_main.py changed",
    "a file called like another input": "platform added",
    "chmod +x": "src/people_counter_main.py changed",
    ".dockerignore itself": ".dockerignore changed",
    "a file renamed across folders": "src/labels.csv removed",
    "an empty folder added": "src/empty added",
    "a symbolic link added": "src/link added",
    "the Dockerfile, in a comment": "the Dockerfile changed",
    "a build argument": "build argument MORE added",
    "a descriptor's values": "descriptor.json: runtimeDescriptor.entry.arguments added",
    "a key of another package": "descriptor.json: mlModelDescriptor.frameworkVersion added",
    "the graph": "graph.json: nodeGraph.nodes.threshold.value changed",
    "another account": "removed packages/000000000000-people_counter-1.0, no longer declared",
    "doit's database deleted": "no run of it is on record",
    "a record deleted": "container-people_counter.json missing",
    "an asset truncated": "asset damaged",
    "an asset overwritten with other bytes": "asset damaged",
    "build/ deleted": "graphs/people_counter/graph.json missing",
    "a generated file edited by hand": "graphs/people_counter/graph.json edited by hand",
    ".panorama/ deleted": "first build",
}


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
    app = example(tmp_path_factory.mktemp("built") / "app", engine.env, engine.base)
    # The step that runs under emulation costs more than all the rest, and other tests have it.
    app.edit("packages/people_counter/Dockerfile", "RUN python3", "# RUN python3")
    assert app.doit("publish", "graph", "check").status == 0
    return Built(app)


@pytest.mark.engine
@pytest.mark.parametrize("row", ROWS)
def test_what_runs_after(row: str, built: Built, tmp_path: Path) -> None:
    change, expected = ROWS[row]
    app = built.copy(tmp_path / "elsewhere")
    before = app.asset("people_counter").name
    change(app)
    plan = planned(app)
    done = app.doit("publish", "graph", "check")
    assert done.status == 0, done.output
    outcomes = {task: verb for task, verb in done.outcomes.items() if task != "check" or "check" in expected}
    assert outcomes == expected, done.output
    told(plan, done, CAUSES.get(row))
    again = app.doit("publish", "graph", "check")
    assert re.fullmatch(r"nothing to do: \d up to date\n", again.output), again.output
    if expected.get(PACKAGE, "unchanged") == "unchanged":
        assert app.asset("people_counter").name == before, "the same content has the same name"


def planned(app: App) -> list[Any]:
    """What `doit plan` says of each task, without an engine; nothing changes by it."""
    before = files(app.root)
    plan = app.doit("plan", "--json", DOCKER_HOST=NO_ENGINE)
    after = files(app.root)
    assert {path: after.get(path) for path in before} == before
    assert {path.name for path in after.keys() - before.keys()} <= {"doit.sqlite3", "schema.json"}
    tasks: list[Any] = json.loads(plan.output)["tasks"]
    return tasks


def files(root: Path) -> dict[Path, object]:
    """Every file with its content, time and identity."""
    stats = {path: path.lstat() for path in root.rglob("*") if not path.is_dir()}
    return {path: (digest_of([path.read_bytes()]), stat.st_mtime_ns, stat.st_ino) for path, stat in stats.items()}


def told(plan: list[Any], done: Run, cause: str | None) -> None:
    """A plan told exactly what was done; of a task behind one that was built, what at the most was done."""
    for task in plan:
        verb = done.outcomes.get(task["task"], "up-to-date")
        assert verb == task["verb"] or (task["after"] and verb in ("unchanged", "up-to-date")), (task, done.output)
        assert task["reasons"] or task["after"] or verb == "up-to-date", task
    assert cause is None or any(cause in task["reasons"] for task in plan), plan


@pytest.mark.engine
def test_a_branch_switched_and_back_is_no_work(built: Built, tmp_path: Path) -> None:
    app = built.copy(tmp_path / "app")
    app.edit(CODE, "people: ", "persons: ")
    assert app.doit("publish").outcomes == REBUILT
    app.edit(CODE, "persons: ", "people: ")
    assert app.doit("publish").outcomes == {CONTAINER: "reused", PACKAGE: "written", PUBLISH: "unchanged"}


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


@pytest.mark.engine
def test_an_edit_while_the_container_is_built_is_seen_by_the_next_run(built: Built, tmp_path: Path) -> None:
    app = built.copy(tmp_path / "app")
    app.edit("packages/people_counter/Dockerfile", "# RUN python3", "RUN sleep 3 #")
    command = [str(Path(sys.executable).parent / "doit"), CONTAINER]
    with subprocess.Popen(command, cwd=app.root, env=app.env, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout
        for line in running.stdout:
            if "RUN sleep" in line:
                app.edit(CODE, "people: ", "persons: ")
                break
        running.stdout.read()
    assert app.doit(CONTAINER).detail(CONTAINER).endswith("; src/people_counter_main.py changed")
    assert app.doit(CONTAINER).outcomes == {}


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
