"""What would be done, and why: told with nothing done, and no engine needed."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.applications import App, example, run

CONTAINER, PACKAGE, PUBLISH = "container:people_counter", "package:people_counter", "publish:people_counter"


@pytest.fixture
def app(tmp_path: Path) -> App:
    return example(tmp_path / "app")


def plan(app: App, *arguments: str, **env: str) -> dict[str, Any]:
    """`doit plan --json`, by task."""
    told = json.loads(app.doit(*arguments[:1], "plan", "--json", *arguments[1:], **env).output)
    return {task.pop("task"): task for task in told["tasks"]} | {"unasked": told["unasked"]}


def test_a_first_plan_tells_all_that_is_known_before_anything_is_made(app: App) -> None:
    done = app.doit("plan")
    assert done.status == 0
    assert re.sub(r"[0-9a-f]{64}", "SHA256", done.output) == (
        "check      check                      no run of it is on record\n"
        "write      graph                      first build\n"
        "fetch      model:callable_squeezenet  first build; 5.0 MB\n"
        "build      container:people_counter   first build\n"
        "write      package:people_counter     after container:people_counter\n"
        "write      package:call_node          first build\n"
        "place      asset:people_counter       after container:people_counter\n"
        "place      asset:call_node            first build\n"
        "publish    publish:people_counter     after package:people_counter\n"
        "             upload binaries/SHA256.json, 192 bytes\n"
        "             upload people_counter_container_binary, size unknown\n"
        "             upload package.json, size unknown\n"
        "publish    publish:call_node          not published there before\n"
        "             upload binaries/SHA256.tar.gz, 5.0 MB\n"
        "             upload binaries/SHA256.json, 339 bytes\n"
        "             upload manifests/call_node/1.0/SHA256.json, 1.2 kB\n"
        "10 to do, 5.0 MB to upload, 2 uploads of unknown size\n"
    )
    assert not (app.root / "build").exists() and not (app.root / "published").exists()


@pytest.mark.parametrize("command", [("doit", "plan"), ("doit", "run", "plan"), ("panorama-build", "plan")])
def test_it_is_asked_for_as_any_task_is(command: tuple[str, ...], app: App) -> None:
    done = run(app.root, app.env, *command, "package:call_node")
    lines = [line.split()[:2] for line in done.output.splitlines()]
    assert lines == [["fetch", "model:callable_squeezenet"], ["write", "package:call_node"], ["2", "to"]], done.output


def test_what_was_planned_alone_is_what_runs(app: App) -> None:
    foreseen = plan(app, "run", "model", "package:call_node", "publish:call_node", "graph")
    foreseen.pop("unasked")
    done = app.doit("graph", "publish:call_node")
    assert {task: each["verb"] for task, each in foreseen.items()} == done.outcomes
    assert app.doit("plan", "publish:call_node").output == "nothing to do, 3 up to date\n"


def test_a_cause_is_told_before_the_run_and_by_it(app: App) -> None:
    assert app.doit("graph").detail("graph") == "5 nodes; first build"
    with (app.root / "build/graphs/people_counter/graph.json").open("a") as file:
        file.write(" ")
    assert app.doit("why", "graph").output == "graph  graphs/people_counter/graph.json edited by hand\n"
    assert app.doit("graph").detail("graph") == "5 nodes; graphs/people_counter/graph.json edited by hand"
    assert app.doit("why", "graph").output == "graph  up to date\n"


def test_a_forced_run_is_planned_as_such(app: App) -> None:
    app.doit("model")
    assert re.fullmatch(
        r"model:callable_squeezenet  up to date: made of the same inputs on [\d-]+ [\d:]+ UTC\n",
        app.doit("why", "model").output,
    )
    assert app.doit("force=yes", "why", "model").output == "model:callable_squeezenet  forced\n"
    forced = app.doit("force=yes", "model")
    assert forced.outcomes == {"model:callable_squeezenet": "fetched"} and "; forced" in forced.output


def test_what_would_fail_is_told_with_its_message_and_keeps_back_what_needs_it(app: App) -> None:
    (app.root / "packages/people_counter/Dockerfile").unlink()
    app.edit("panorama.yaml", "squeezenet1_0.tar.gz\n", "other.tar.gz\n")
    told = plan(app)
    assert {told[task]["verb"] for task in (CONTAINER, "model:callable_squeezenet")} == {"failed"}
    assert told[CONTAINER]["reasons"][0].startswith("packages/people_counter/Dockerfile: there is no such file")
    assert {told[task]["verb"] for task in (PACKAGE, PUBLISH, "package:call_node")} == {"skipped"}
    assert told[PACKAGE]["reasons"] == [f"needs {CONTAINER}"]
    done = app.doit("container", "model", "package")
    assert {task: told[task]["verb"] for task in done.outcomes} == done.outcomes


def test_a_remote_that_is_out_of_reach_costs_a_line(app: App) -> None:
    nowhere = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    nowhere |= {"PANORAMA_REMOTE": "s3://bucket/there", "AWS_MAX_ATTEMPTS": "1"}
    done = app.doit("plan", **nowhere)
    assert done.status == 0
    assert done.output.count("can't be asked what it has") == 1, done.output
    assert "write      package:call_node " in done.output


def test_no_task_of_that_name(app: App) -> None:
    refused = app.doit("why", "container:nobody")
    assert refused.status == 1
    assert 'there is no task "container:nobody" to tell of' in refused.output and "Traceback" not in refused.output
