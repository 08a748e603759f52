"""What a team shares: a fresh clone builds nothing again and fetches no asset; nor does a CI that keeps one folder."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest

from tests.applications import NO_ENGINE, PROGRAMS, ROOT, App, Run, example, finished
from tests.changes import ASSET, CONTAINER, MODEL, MODEL_ASSET, MODEL_PACKAGE, PACKAGE, PUBLISH, table_application
from tests.faults import Proxy, proxy
from tests.servers import S3, Engine

MODEL_PUBLISH = "publish:call_node"
SOURCES = ("panorama.yaml", "dodo.py", "packages")
REUSED = {
    "graph": "written",
    CONTAINER: "reused",
    MODEL: "reused",
    PACKAGE: "written",
    MODEL_PACKAGE: "written",
}


@dataclass(frozen=True)
class Team:
    """An application that a colleague has built, shared and published."""

    app: App
    cache: Path

    def clone(self, root: Path, **env: str) -> App:
        """Its sources alone, under another path; its model, which no git has, is not among them."""
        root.mkdir(parents=True)
        for name in SOURCES:
            subprocess.run(["cp", "-r", "--preserve=links,mode", self.app.root / name, root], check=True)
        return replace(self.app, root=root, env={**self.app.env, **env})


def documents(app: App) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in app.root.glob("build/packages/*/package.json")}


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory, engine: Engine) -> Team:
    root = tmp_path_factory.mktemp("team")
    app = table_application(root / "app", engine)
    app = replace(app, env={**app.env, "PANORAMA_CACHE": str(root / "cache")})
    done = app.doit("publish", "asset", "graph")
    assert done.status == 0, done.output
    return Team(app, root / "cache")


@pytest.fixture
def before_s3(s3: S3) -> Iterator[Proxy]:
    with proxy(s3.url) as before:
        yield before


def lines(before: Proxy, what: str) -> list[str]:
    """The requests of a method and for a kind of key."""
    method, _, kind = what.partition(" ")
    return [each.path for each in before.requests if each.method == method and f"/{kind}/" in each.path]


@pytest.mark.engine
@pytest.mark.server
def test_a_fresh_clone_of_what_is_published_builds_nothing_and_downloads_no_asset(
    team: Team, tmp_path: Path, s3: S3, before_s3: Proxy
) -> None:
    bucket = s3.make_bucket(f"team-{uuid4().hex}")
    env = {**s3.env, "PANORAMA_CACHE": f"s3://{bucket}/cache", "PANORAMA_REMOTE": f"s3://{bucket}/published"}
    colleague = replace(team.app, env={**team.app.env, **env})
    shared = colleague.doit("-a", "publish")  # gives to the store what is here already
    assert shared.status == 0 and shared.outcomes[CONTAINER] == "reused", shared.output

    env |= {"AWS_ENDPOINT_URL_S3": before_s3.url, "DOCKER_HOST": NO_ENGINE}
    clone = team.clone(tmp_path / "elsewhere", **env)
    done = clone.doit("publish", "graph")
    assert done.status == 0, done.output
    assert done.outcomes == {**REUSED, PUBLISH: "unchanged", MODEL_PUBLISH: "unchanged"}
    assert done.detail(CONTAINER).endswith(f"; from s3://{bucket}/cache")
    assert documents(clone) == documents(colleague)
    assert {each.method for each in before_s3.requests} == {"GET", "HEAD"}, "nothing is uploaded"
    assert lines(before_s3, "GET assets") == lines(before_s3, "GET binaries") == []
    assert len(lines(before_s3, "GET records")) == 1, "a container by its record; a model by its pin"
    assert not list(clone.root.rglob("*.tar.gz"))

    before_s3.requests.clear()
    again = clone.doit("publish", "graph")
    assert again.output.startswith("nothing to do: ") and before_s3.requests == []

    whole = clone.doit()
    assert whole.status == 0, whole.output
    assert {ASSET: "placed", MODEL_ASSET: "placed"}.items() <= whole.outcomes.items()
    assert len(lines(before_s3, "GET assets")) == 2, "each asset once"
    assert clone.assets() == team.app.assets()
    assert all(hashlib.sha256(path.read_bytes()).hexdigest() in path.name for path in assets_of(clone))


def assets_of(app: App) -> list[Path]:
    return list(app.root.glob("build/assets/*.tar.gz"))


@pytest.mark.engine
def test_bytes_are_fetched_for_a_remote_that_has_them_not(team: Team, tmp_path: Path) -> None:
    clone = team.clone(tmp_path / "clone", PANORAMA_REMOTE=str(tmp_path / "new"), DOCKER_HOST=NO_ENGINE)
    done = clone.doit("publish", "graph")
    assert done.outcomes == {**REUSED, PUBLISH: "published", MODEL_PUBLISH: "published"}
    published = {path.relative_to(tmp_path / "new") for path in (tmp_path / "new").rglob("*.*") if path.is_file()}
    first = team.app.root / "published"
    assert published == {path.relative_to(first) for path in first.rglob("*.*") if path.is_file()}


# A shared store that is wrong


def spoil(change: Callable[[Path], object]) -> Callable[[Path], None]:
    def spoiled(cache: Path) -> None:
        for path in cache.glob("assets/*"):
            path.chmod(0o644)
            change(path)

    return spoiled


def tear(cache: Path) -> None:
    for path in cache.glob("records/*"):
        path.write_bytes(path.read_bytes()[:-9])


def name_others(cache: Path) -> None:
    """Records of the right inputs that name an asset which no build gives, and which has other bytes at that."""
    for path in cache.glob("records/*"):
        record = json.loads(path.read_bytes())
        shutil.copy(cache / f"assets/{record['artifact']['sha256']}.tar.gz", cache / f"assets/{'0' * 64}.tar.gz")
        path.write_text(json.dumps({**record, "artifact": {**record["artifact"], "sha256": "0" * 64}}))


def be_a_file(cache: Path) -> None:
    shutil.rmtree(cache)
    cache.write_text("no folder")


def take_no_records(cache: Path) -> None:
    shutil.rmtree(cache / "records")
    (cache / "records").symlink_to("nowhere/records")


WRONG: dict[str, Callable[[Path], object]] = {
    "other bytes under a hash": spoil(lambda path: path.write_bytes(bytes(path.stat().st_size))),
    "truncated assets": spoil(lambda path: os.truncate(path, path.stat().st_size - 1)),
    "assets gone": spoil(Path.unlink),
    "torn records": tear,
    "records that name what nobody can build": name_others,
    "no folder": be_a_file,
    "nothing can be put there": take_no_records,
}


def warnings(run: Run) -> list[str]:
    return [line for line in run.output.splitlines() if "warning: the shared store" in line]


@pytest.mark.engine
@pytest.mark.parametrize("wrong", WRONG)
def test_a_shared_store_that_is_wrong_costs_a_warning_and_a_build(team: Team, tmp_path: Path, wrong: str) -> None:
    shutil.copytree(team.cache, tmp_path / "cache")
    WRONG[wrong](tmp_path / "cache")
    clone = team.clone(tmp_path / "clone", PANORAMA_CACHE=str(tmp_path / "cache"), PANORAMA_REMOTE="published")
    shutil.copytree(team.app.root / "models", clone.root / "models")
    done = clone.doit("publish", "asset", "graph")
    assert done.status == 0, done.output
    assert "Traceback" not in done.output
    assert len(warnings(done)) == 1, done.output
    assert documents(clone) == documents(team.app) and clone.assets() == team.app.assets()
    assert {path.name for path in (clone.root / "published").rglob("*.*") if path.is_file()} == {
        path.name for path in (team.app.root / "published").rglob("*.*") if path.is_file()
    }
    if wrong in ("no folder", "nothing can be put there"):
        return
    later = team.clone(tmp_path / "later", PANORAMA_CACHE=str(tmp_path / "cache"), DOCKER_HOST=NO_ENGINE)
    healed = later.doit("container", "asset:people_counter")
    assert healed.status == 0 and warnings(healed) == [], healed.output


@pytest.mark.engine
@pytest.mark.server
def test_a_server_out_of_reach_costs_a_warning_and_a_build(team: Team, tmp_path: Path, s3: S3) -> None:
    nowhere = s3.env | {"AWS_ENDPOINT_URL_S3": "http://127.0.0.1:9", "PANORAMA_CACHE": "s3://bucket/cache"}
    clone = team.clone(tmp_path / "clone", **nowhere)
    shutil.copytree(team.app.root / "models", clone.root / "models")
    done = clone.doit("container", "package")
    assert done.status == 0 and len(warnings(done)) == 1, done.output
    assert documents(clone) == documents(team.app)


@pytest.mark.engine
def test_two_trees_fill_one_store_at_once(team: Team, tmp_path: Path) -> None:
    env = {"PANORAMA_CACHE": str(tmp_path / "cache")}
    clones = [team.clone(tmp_path / name, **env) for name in ("one", "other")]
    runs = [finished(process) for process in [clone.start("container") for clone in clones]]
    assert [(run.status, warnings(run)) for run in runs] == [(0, [])] * 2
    third = team.clone(tmp_path / "third", **env, DOCKER_HOST=NO_ENGINE)
    assert third.doit("container").outcomes == {CONTAINER: "reused"}


# Who may give, and whether there is a store at all: no engine is needed to see


@pytest.mark.parametrize(
    ("manifest", "env", "given"),
    [
        ("cache: shared", {}, True),
        ("cache: {url: shared, read_only: true}", {}, False),
        ("cache: {url: shared, read_only: true}", {"PANORAMA_CACHE_READ_ONLY": "no"}, True),
        ("cache: shared", {"PANORAMA_CACHE_READ_ONLY": "yes"}, False),
        ("cache: shared", {"PANORAMA_CACHE": ""}, False),
        ("", {"PANORAMA_CACHE": "shared"}, True),
    ],
)
def test_who_gives_to_the_store(tmp_path: Path, manifest: str, env: dict[str, str], given: bool) -> None:
    app = example(tmp_path / "app")
    with (app.root / "panorama.yaml").open("a") as file:
        file.write(f"{manifest}\n")
    assert app.doit("model", **env).status == 0
    assert sorted(path.name for path in (app.root / "shared").glob("*")) == (["assets", "records"] if given else [])


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"PANORAMA_CACHE_READ_ONLY": "maybe"}, 'PANORAMA_CACHE_READ_ONLY: "maybe" is neither yes nor no'),
        ({"PANORAMA_CACHE": "https://host/cache"}, "https://host/cache"),
    ],
)
def test_a_store_that_can_be_none_is_refused_in_one_line(tmp_path: Path, env: dict[str, str], said: str) -> None:
    refused = example(tmp_path / "app").doit("graph", **env)
    assert refused.status == 3 and said in refused.output and "Traceback" not in refused.output


# CI


def git(folder: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", *identity, *arguments], cwd=folder, env=env, check=True, capture_output=True)


def recipe(app: App, **env: str) -> Run:
    """Run ci.sh as a CI does, with nothing but the programs on its way."""
    path = f"{PROGRAMS}:{app.env['PATH']}"
    process = subprocess.run(
        ["sh", "ci.sh"],
        cwd=app.root,
        env={**app.env, "PATH": path, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    return Run(process.returncode, process.stdout)


@pytest.mark.engine
@pytest.mark.parametrize("kept", ["the folder .panorama", "the shared store"])
def test_the_recipe_for_ci_builds_nothing_again(team: Team, tmp_path: Path, kept: str) -> None:
    source = team.clone(tmp_path / "source").root
    shutil.copy(ROOT / "templates/ci.sh", source)
    git(source, "init", "--initial-branch=main")
    git(source, "add", ".")
    git(source, "commit", "-m", "as it is")
    git(tmp_path, "clone", str(source), "checkout")
    env = {"DOCKER_HOST": NO_ENGINE, "PANORAMA_REMOTE": str(team.app.root / "published")}
    if kept == "the folder .panorama":
        env["PANORAMA_CACHE"] = ""
        subprocess.run(["cp", "-r", team.app.root / ".panorama", tmp_path / "checkout"], check=True)
        if os.geteuid() == 0:
            subprocess.run(["chown", "-R", "12345:54321", tmp_path / "checkout"], check=True)
    checkout = replace(team.app, root=tmp_path / "checkout")
    before = {path: path.stat().st_mtime_ns for path in team.cache.rglob("*")}
    for trusted in ("no", "yes"):
        done = recipe(checkout, **env, TRUSTED=trusted)
        assert done.status == 0, done.output
        assert not {"built", "fetched", "published"} & set(done.outcomes.values()), done.output
        assert documents(checkout) == documents(team.app)
    assert {path: path.stat().st_mtime_ns for path in team.cache.rglob("*")} == before
