"""Several runs at once: all end right, and nothing is built twice without need."""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from tests.applications import App, example, finished
from tests.servers import Engine

MADE = {
    "graph": "written",
    "model:callable_squeezenet": "fetched",
    "container:people_counter": "built",
    "package:people_counter": "written",
    "package:call_node": "written",
    "publish:people_counter": "published",
    "publish:call_node": "published",
}


def quick(app: App) -> App:
    """Without a step that needs emulation."""
    app.edit("packages/people_counter/Dockerfile", "RUN python3", "# RUN python3")
    return app


@pytest.fixture
def app(tmp_path: Path, engine: Engine) -> App:
    return quick(example(tmp_path / "app", engine.env, engine.base))


@pytest.fixture
def app_without_engine(tmp_path: Path) -> App:
    return example(tmp_path / "app")


@pytest.fixture
def lock(app_without_engine: App) -> Iterator[IO[str]]:
    """The lock of that project, held as by a run."""
    with held(app_without_engine) as file:
        yield file


@contextmanager
def held(app: App) -> Iterator[IO[str]]:
    """The lock of a project, as a run would hold it."""
    (app.root / ".panorama").mkdir()
    with (app.root / ".panorama/lock").open("w") as file:
        file.write("pid 1 since 12:00:00: doit publish")
        file.flush()
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


@pytest.mark.engine
@pytest.mark.parametrize("count", [2, 8])
def test_runs_of_one_tree_wait_for_each_other_and_make_everything_once(app: App, count: int) -> None:
    with held(app):
        waiting = [wait(app, "publish", "graph") for _ in range(count)]
    runs = [finished(process) for process in waiting]
    assert [run.status for run in runs] == [0] * count, "\n".join(run.output for run in runs)
    assert Counter(pair for run in runs for pair in run.outcomes.items()) == Counter(MADE.items())
    assert sum(run.output.endswith("nothing to do: 7 up to date\n") for run in runs) == count - 1
    assert (app.root / ".panorama/lock").read_bytes() == b""


@pytest.mark.engine
@pytest.mark.parametrize("alike", [True, False], ids=["the same", "different"])
def test_runs_of_two_trees_share_a_remote_and_a_store(tmp_path: Path, engine: Engine, alike: bool) -> None:
    apps = [quick(example(tmp_path / name, engine.env, engine.base)) for name in ("one", "other")]
    if not alike:
        apps[1].edit("packages/people_counter/src/labels.csv", "bicycle", "tandem")
    remote = tmp_path / "remote"
    shared = {"PANORAMA_REMOTE": str(remote), "PANORAMA_CACHE": str(tmp_path / "shared")}
    for process in [app.start("publish", **shared) for app in apps]:
        run = finished(process)
        assert run.status == 0 and "warning" not in run.output, run.output
    for path in (path for path in remote.rglob("*") if path.is_file()):
        assert path.name.split(".")[0] == hashlib.sha256(path.read_bytes()).hexdigest()
    # A package.json, an asset and a descriptor of each package; the model is the same in both.
    assert sum(path.is_file() for path in remote.rglob("*")) == (6 if alike else 8)
    shutil.rmtree(apps[1].root / ".panorama")
    third = apps[1].doit("publish", **shared)
    assert third.status == 0 and "built" not in third.outcomes.values(), third.output


def wait(app: App, *tasks: str) -> subprocess.Popen[str]:
    """A run that has come to the lock, and says so."""
    process = app.start(*tasks)
    assert process.stdout
    assert process.stdout.readline() == "waiting for another run here, pid 1 since 12:00:00: doit publish\n"
    return process


def test_who_waits_says_for_whom_and_finds_what_was_edited_meanwhile(app_without_engine: App, lock: IO[str]) -> None:
    waiting = wait(app_without_engine, "graph")
    app_without_engine.edit("panorama.yaml", "float32: 0.5", "float32: 0.25")
    lock.close()
    assert finished(waiting).outcomes == {"graph": "written"}
    graph = app_without_engine.json("build/graphs/people_counter/graph.json")
    assert 0.25 in [node.get("value") for node in graph["nodeGraph"]["nodes"]]


def test_who_waits_for_a_lock_that_is_deleted_takes_the_new_one(app_without_engine: App, lock: IO[str]) -> None:
    waiting = wait(app_without_engine, "graph")
    shutil.rmtree(app_without_engine.root / ".panorama")
    assert app_without_engine.doit("graph").outcomes == {"graph": "written"}
    lock.close()
    assert finished(waiting).output == "nothing to do: 1 up to date\n"


@pytest.mark.parametrize(
    "command", [["list"], ["list", "--status"], ["info", "graph"], ["check"], ["run", "check", "--json"], ["help"]]
)
def test_what_changes_nothing_does_not_wait(app_without_engine: App, lock: IO[str], command: list[str]) -> None:
    done = app_without_engine.doit(*command)
    assert done.status in (0, 1) and "waiting" not in done.output and "Traceback" not in done.output


@pytest.mark.engine
def test_eight_containers_are_built_at_a_time(tmp_path: Path, engine: Engine) -> None:
    app = quick(example(tmp_path / "app", engine.env, engine.base))
    manifest = (app.root / "panorama.yaml").read_text()
    more = "".join(
        f"  more_{number}:\n    container:\n      asset: more_{number}\n      context: packages/people_counter\n"
        f'      args: {{BASE: "{engine.base}", NUMBER: {number}}}\n    entry: [python3]\n'
        for number in range(7)
    )
    (app.root / "panorama.yaml").write_text(manifest.replace("packages:\n", f"packages:\n{more}", 1))
    done = app.doit("-n", "8", "container", "package")
    assert done.status == 0, done.output
    built = [task for task, verb in done.outcomes.items() if verb == "built"]
    assert len(built) == 8
    assert app.doit("container", "package").output == "nothing to do: 18 up to date\n"
