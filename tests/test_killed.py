"""A run may end at any moment, by any signal: what it finished stays, and the next run completes the rest.

PANORAMA_TEST_KILLS says at how many moments a run is killed at each door, by default a few.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

import pytest

from panorama_build.containers.classic import OWNER
from panorama_build.files import is_abandoned
from tests.applications import App, Run, example, finished
from tests.servers import S3, Engine

KILLS = int(os.environ.get("PANORAMA_TEST_KILLS", "2"))
CODE = "packages/people_counter/src/people_counter_main.py"
COUNTED = {"built", "fetched", "published"}

Published: TypeAlias = Callable[[], Iterable[tuple[str, bytes]]]


@pytest.fixture
def app(tmp_path: Path, engine: Engine) -> App:
    """Without a step that needs emulation, to be quick."""
    app = example(tmp_path / "app", engine.env, engine.base)
    app.edit("packages/people_counter/Dockerfile", "RUN python3", "# RUN python3")
    return app


def with_road(app: App, road: str, tmp_path: Path) -> App:
    """The same, built by the classic builder if that is asked for: its client has no plugins then."""
    if road == "classic":
        (tmp_path / "no-plugins").mkdir()
    return App(app.root, app.env | ({"DOCKER_CONFIG": str(tmp_path / "no-plugins")} if road == "classic" else {}))


def files(folder: Path) -> Iterator[tuple[str, bytes]]:
    yield from ((path.name, path.read_bytes()) for path in folder.rglob("*") if path.is_file())


def check_names(found: Iterable[tuple[str, bytes]], what: str) -> None:
    """What has a name is whole, and has the bytes that its name says."""
    for name, content in found:
        if not name.startswith("."):
            assert name.split(".")[0] == hashlib.sha256(content).hexdigest(), f"{what}: {name}"


def check_nothing_half_visible(app: App, published: Published) -> None:
    check_names(files(app.root / ".panorama/store/assets"), "store")
    check_names(files(app.root / "build/assets"), "build")
    check_names(published(), "remote")
    for name, content in [*files(app.root / "build/graphs"), *files(app.root / "build/packages")]:
        assert name.startswith(".") or json.loads(content)


def left_over(app: App, engine: Engine) -> list[str]:
    """What nobody needs any more: files in the making, containers, processes that work for this project."""
    making = [str(path) for path in app.root.parent.rglob(".making-*")]
    labels = ["--filter", f"label={OWNER}", "--format", f'{{{{.Label "{OWNER}"}}}}']
    containers = [owner for owner in engine.run("docker", "ps", "--all", *labels).split() if is_abandoned(owner, 0)]
    return [*making, *containers, *(f"process {each}" for each in processes(app))]


def processes(app: App) -> list[str]:
    """The processes whose working directory is the project's."""

    def place(process: Path) -> str:
        try:
            return os.readlink(process / "cwd")
        except OSError:
            return ""

    return [each.name for each in Path("/proc").glob("[0-9]*") if place(each) == str(app.root)]


def done(outcomes: dict[str, str]) -> set[str]:
    return {task for task, verb in outcomes.items() if verb in COUNTED}


def begin_anew(app: App, number: int) -> None:
    """Edit the sources, so that there is something to build, and to publish."""
    with (app.root / CODE).open("a") as code:
        code.write(f"# {number}\n")
    (app.root / ".panorama/doit.sqlite3").unlink(missing_ok=True)


def killed_after(app: App, seconds: float, **env: str) -> Run:
    process = app.start("publish", "graph", **env)
    time.sleep(seconds)
    process.kill()
    return finished(process)


def kill_often(app: App, engine: Engine, published: Published, **env: str) -> None:
    """Kill runs at moments that are spread over a whole one; after each the next run has to put everything right."""
    began = time.monotonic()
    assert app.doit("publish", "graph", **env).status == 0
    whole, random_ = time.monotonic() - began, random.Random(KILLS)
    for number in range(KILLS):
        begin_anew(app, number)
        killed = killed_after(app, whole * (number + random_.random()) / KILLS, **env)
        check_nothing_half_visible(app, published)
        completed = app.doit("publish", "graph", **env)
        assert completed.status == 0, completed.output
        assert not done(killed.outcomes) & done(completed.outcomes), f"{killed.output}\n---\n{completed.output}"
        check_nothing_half_visible(app, published)
        assert left_over(app, engine) == []
        asset = app.asset("people_counter").name
        assert asset in dict(published()), "the asset that package.json names is published"
    assert app.doit("publish", "graph", **env).output == "nothing to do: 7 up to date\n"


@pytest.mark.engine
@pytest.mark.parametrize("road", ["buildkit", "classic"])
def test_a_run_may_be_killed_at_any_moment(app: App, engine: Engine, tmp_path: Path, road: str) -> None:
    remote = tmp_path / "remote"
    kill_often(with_road(app, road, tmp_path), engine, lambda: files(remote), PANORAMA_REMOTE=str(remote))


@pytest.mark.engine
@pytest.mark.server
def test_a_run_that_publishes_to_s3_may_be_killed_at_any_moment(app: App, engine: Engine, s3: S3) -> None:
    bucket, client = s3.make_bucket("killed"), s3.client()

    def published() -> Iterator[tuple[str, bytes]]:
        for item in client.list_objects_v2(Bucket=bucket).get("Contents", []):
            yield item["Key"].rpartition("/")[2], client.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()

    kill_often(app, engine, published, **s3.env, PANORAMA_REMOTE=f"s3://{bucket}")


SIGNALS = [
    ("buildkit", "doit", [], signal.SIGINT),
    ("buildkit", "panorama-build", ["-n", "2"], signal.SIGTERM),
    ("buildkit", "doit", ["-n", "2"], signal.SIGINT),
    ("buildkit", "doit", [], signal.SIGKILL),
    ("classic", "panorama-build", [], signal.SIGTERM),
    ("classic", "doit", ["-n", "2"], signal.SIGINT),
    ("classic", "doit", ["-n", "2"], signal.SIGKILL),
]


@pytest.mark.engine
@pytest.mark.parametrize(("road", "program", "options", "number"), SIGNALS)
def test_a_signal_ends_a_run_and_its_build(
    app: App, engine: Engine, tmp_path: Path, road: str, program: str, options: list[str], number: signal.Signals
) -> None:
    app = with_road(app, road, tmp_path)
    sleep = f"sleep 3600.{random.getrandbits(32)}"
    app.edit("packages/people_counter/Dockerfile", "# RUN", f"RUN echo step $((40 + 2)); {sleep} #")
    process = app.start("run", *options, "graph", "container", program=program)
    assert process.stdout
    assert any("step 42" in line for line in process.stdout)
    process.send_signal(number)
    ended = finished(process)
    assert ended.status == (-number if number == signal.SIGKILL else 128 + number), ended.output
    assert ended.output.splitlines().count("interrupted") == (number != signal.SIGKILL)
    assert "Traceback" not in ended.output
    soon(lambda: not processes(app) and not any(sleep in command for command in commands()))
    app.edit("packages/people_counter/Dockerfile", sleep, "true")
    again = app.doit("run", "graph", "container")
    assert again.outcomes["container:people_counter"] == "built", again.output
    assert left_over(app, engine) == []


def soon(condition: Callable[[], bool]) -> None:
    """Wait for what another process does in its own time; no test waits for it longer than a minute."""
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    raise AssertionError("it does not come true")


def commands() -> Iterator[str]:
    """The command lines of all processes."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
