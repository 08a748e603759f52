"""The main job, for real: from panorama.yaml to a published application, on every engine, to every remote."""

from __future__ import annotations

import hashlib
import json
import os
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from tests.applications import App, example, run
from tests.servers import S3, Engine

TASKS = {
    "graph": "written",
    "model:callable_squeezenet": "fetched",
    "container:people_counter": "built",
    "package:people_counter": "written",
    "package:call_node": "written",
}
PLACED = {"asset:people_counter": "placed", "asset:call_node": "placed"}
PUBLISHED = {"publish:people_counter": "published", "publish:call_node": "published"}


@pytest.fixture
def app(tmp_path: Path, engine: Engine) -> App:
    return example(tmp_path / "app", engine.env, engine.base)


def without_buildx(engine: Engine, tmp_path: Path) -> dict[str, str]:
    """The environment of an engine whose client has no plugins."""
    (tmp_path / "no-plugins").mkdir(exist_ok=True)
    return {**engine.env, "DOCKER_CONFIG": str(tmp_path / "no-plugins")}


def check_container(asset: Path) -> None:
    """The asset is the root file system that the Dockerfile describes, for arm64, named by its content."""
    assert asset.name == f"{hashlib.sha256(asset.read_bytes()).hexdigest()}.tar.gz"
    with tarfile.open(asset) as tar:
        names = tar.getnames()
        python = tar.extractfile("usr/bin/python3.11")
        assert python and python.read(20)[18:] == b"\xb7\x00"  # EM_AARCH64
        assert {"panorama/people_counter_main.py", "panorama/labels.csv"} < set(names)
        assert not {".dockerenv", "etc/resolv.conf", "panorama/__pycache__"} & set(names)
        assert Counter(names).most_common(1)[0][1] == 1


@pytest.mark.engine
def test_one_command_builds_and_publishes_and_a_second_does_nothing(app: App) -> None:
    first = app.doit("publish", "asset", "graph")
    assert first.status == 0, first.output
    assert first.outcomes == {**TASKS, **PLACED, **PUBLISHED}
    check_container(app.asset("people_counter"))

    second = app.doit("publish", "asset", "graph")
    assert (second.status, second.output) == (0, "nothing to do: 9 up to date\n")


@pytest.mark.engine
def test_the_classic_builder_of_the_oldest_engine_builds_the_same_application(
    tmp_path: Path, old_engine: Engine
) -> None:
    app = example(tmp_path / "app", old_engine.env, old_engine.base)
    assert run(app.root, app.env, "panorama-build", "pin").status == 0
    done = app.doit()
    assert done.status == 0, done.output
    assert done.outcomes == {"check": "checked", **TASKS, **PLACED}
    assert f"FROM {old_engine.base}@sha256:" in done.output
    assert "Step 1/" in done.output, "the classic builder's own words"
    check_container(app.asset("people_counter"))


@pytest.mark.engine
@pytest.mark.parametrize("steps", ["COPY and RUN", "COPY alone"])
def test_both_roads_of_one_engine_give_the_same_bits(tmp_path: Path, engine: Engine, steps: str) -> None:
    roads = {"buildkit": engine.env, "classic": without_buildx(engine, tmp_path)}
    assets = {}
    for road, env in roads.items():
        app = example(tmp_path / road, env, engine.base)
        if steps == "COPY alone":
            app.edit("packages/people_counter/Dockerfile", "RUN python3", "# RUN python3")
        done = app.doit("asset:people_counter")
        assert ("Step 1/" in done.output) == (road == "classic"), done.output
        assets[road] = app.asset("people_counter").name
    assert assets["buildkit"] == assets["classic"]


@pytest.mark.engine
def test_an_image_that_exists_takes_the_place_of_a_dockerfile(app: App, engine: Engine) -> None:
    app.edit("panorama.yaml", f'args: {{BASE: "{engine.base}"}}', f'image: "{engine.base}"')
    done = app.doit("asset:people_counter")
    assert done.status == 0, done.output
    with tarfile.open(app.asset("people_counter")) as tar:
        assert "usr/bin/python3.11" in tar.getnames()
        assert "panorama" not in tar.getnames()


@pytest.mark.engine
def test_an_image_of_a_persons_own_outlives_what_was_built_from_it(tmp_path: Path, old_engine: Engine) -> None:
    app = example(tmp_path / "app", old_engine.env, old_engine.base)
    old_engine.run("docker", "pull", "--quiet", old_engine.base)
    mine = "panorama-tests/mine:1"
    old_engine.run("docker", "tag", old_engine.base, mine)
    app.edit("panorama.yaml", f'args: {{BASE: "{old_engine.base}"}}', f"image: {mine}\n      pull: false")
    assert app.doit("container").outcomes == {"container:people_counter": "built"}
    app.edit("panorama.yaml", f"image: {mine}", f'args: {{BASE: "{old_engine.base}"}}')
    assert app.doit("container").outcomes == {"container:people_counter": "built"}
    assert old_engine.run("docker", "image", "inspect", "--format", "{{.Architecture}}", mine).strip() == "arm64"


@pytest.mark.engine
def test_a_directory_gets_the_layout_of_the_panorama_store(app: App) -> None:
    app.doit("publish", "asset")
    remote = app.root / "published"
    published = {str(path.relative_to(remote)) for path in remote.rglob("*") if path.is_file()}
    patches = {}
    for path in app.root.glob("build/packages/*/package.json"):
        name = json.loads(path.read_bytes())["nodePackage"]["name"]
        patches[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    manifests = {f"manifests/{name}/1.0/{patch}.json" for name, patch in patches.items()}
    assert published == {f"binaries/{name}" for name in app.assets()} | manifests


@pytest.mark.engine
@pytest.mark.server
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_s3_gets_it_too_and_is_not_asked_again(app: App, s3: S3, s3_tls: S3, scheme: str) -> None:
    server = s3 if scheme == "http" else s3_tls
    bucket = server.make_bucket(f"published-{scheme}")
    env = {**server.env, "PANORAMA_REMOTE": f"s3://{bucket}/apps"}
    done = app.doit("publish", **env)
    assert done.status == 0, done.output
    assert PUBLISHED.items() <= done.outcomes.items()
    keys = {item["Key"] for item in server.client().list_objects_v2(Bucket=bucket)["Contents"]}
    assert len(keys) == 6 and all(key.startswith("apps/") for key in keys)

    # A key that the server would refuse: any request at all would fail.
    locked_out = {**env, "AWS_SECRET_ACCESS_KEY": "wrong"}
    assert app.doit("publish", **locked_out).output == "nothing to do: 6 up to date\n"
    (app.root / ".panorama/doit.sqlite3").unlink()
    again = app.doit("publish", **locked_out)
    assert again.status == 0, again.output
    assert again.outcomes["publish:people_counter"] == "unchanged"

    # Another remote knows nothing of it; the same files are counted there one by one.
    moved = app.doit("publish", **{**env, "PANORAMA_REMOTE": f"s3://{bucket}/elsewhere"})
    assert moved.detail("publish:call_node").startswith("3 uploaded, 0 there already")

    # Back at the first one its receipts still hold, and only what was edited goes up.
    app.edit("packages/people_counter/src/labels.csv", "bicycle", "tandem")
    edited = app.doit("publish", **env)
    assert edited.detail("publish:people_counter").startswith("2 uploaded, 1 there already")
    assert "publish:call_node" not in edited.outcomes


@pytest.mark.engine
def test_a_failed_build_shows_the_tail_of_its_log_and_leaves_nothing(app: App) -> None:
    app.edit("packages/people_counter/src/people_counter_main.py", "import csv", "import csv from nowhere")
    failed = app.doit("container")
    assert failed.status != 0
    assert failed.outcomes["container:people_counter"] == "failed"
    assert "SyntaxError: invalid syntax" in failed.detail("container:people_counter") + failed.output
    log = app.root / ".panorama/logs/container-people_counter.log"
    assert "SyntaxError" in log.read_text()
    assert "Traceback" not in failed.output
    assert not list((app.root / ".panorama/store/assets").iterdir())

    app.edit("packages/people_counter/src/people_counter_main.py", "import csv from nowhere", "import csv")
    assert app.doit("container").outcomes == {"container:people_counter": "built"}


@pytest.mark.engine
@pytest.mark.parametrize("road", ["buildkit", "classic"])
def test_a_base_of_another_architecture_is_refused(
    tmp_path: Path, engine: Engine, old_engine: Engine, road: str
) -> None:
    chosen = engine if road == "buildkit" else old_engine
    app = example(tmp_path / "app", chosen.env, chosen.base)
    app.edit("panorama.yaml", "application:", "platform: linux/amd64\napplication:")
    app.edit("packages/people_counter/Dockerfile", "RUN python3", "# RUN python3")
    refused = app.doit("container")
    assert refused.outcomes["container:people_counter"] == "failed"
    assert "linux/amd64" in refused.output and "Traceback" not in refused.output


@pytest.mark.engine
def test_missing_emulation_is_said_before_the_build(app: App) -> None:
    app.edit("panorama.yaml", "application:", "platform: linux/riscv64\napplication:")
    refused = app.doit("container")
    assert refused.detail("container:people_counter") == (
        "RUN steps for linux/riscv64 need emulation on this amd64 engine, and its kernel has none "
        "(`docker run --privileged --rm tonistiigi/binfmt --install all`, or Debian's package qemu-user-static)"
    )
    assert not (app.root / ".panorama/logs").exists()


def test_without_an_engine_one_sentence_says_so_and_the_rest_still_runs(tmp_path: Path) -> None:
    app = example(tmp_path / "app")
    done = app.doit()
    assert done.status != 0
    assert done.detail("container:people_counter") == (
        "no Docker engine answers at unix:///nonexistent/docker.sock "
        "(start one, or name it in DOCKER_HOST; every task that needs no container still runs)"
    )
    assert done.outcomes == {
        "check": "checked",
        "graph": "written",
        "model:callable_squeezenet": "fetched",
        "container:people_counter": "failed",
        "package:people_counter": "skipped",
        "package:call_node": "written",
        "asset:people_counter": "skipped",
        "asset:call_node": "placed",
    }
    assert "Traceback" not in done.output
    assert (app.root / "build/graphs/people_counter/graph.json").exists()


def test_the_graph_needs_neither_docker_nor_credentials(tmp_path: Path) -> None:
    app = example(tmp_path / "app", {"PATH": os.environ["PATH"], "HOME": str(tmp_path)})
    assert app.doit("run", "graph").outcomes == {"graph": "written"}
    assert not (tmp_path / ".aws").exists()
