"""Pins: what is taken from elsewhere stays what it was when somebody looked, until it is pinned anew."""

from __future__ import annotations

import gzip
import hashlib
import os
import tarfile
import threading
import uuid
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.applications import NO_ENGINE, App, Run, run
from tests.servers import Engine
from tests.test_pipeline import without_buildx

MODEL = gzip.compress(b"a model", mtime=0)
DIGEST = hashlib.sha256(MODEL).hexdigest()


def pin(app: App, *arguments: str) -> Run:
    return run(app.root, app.env, "panorama-build", "pin", *arguments)


def project(root: Path, manifest: str, env: dict[str, str] | None = None, **files: str) -> App:
    (root / "packages/code").mkdir(parents=True)
    (root / "panorama.yaml").write_text(manifest)
    (root / "dodo.py").write_text("from panorama_build import load\nDOIT_CONFIG, task_panorama = load()\n")
    (root / "net.tar.gz").write_bytes(MODEL)
    for name, text in files.items():
        (root / "packages/code" / name).write_text(text)
    return App(root, env or {**os.environ, "DOCKER_HOST": NO_ENGINE})


# -- models, and everything that needs no engine

MODELS = """\
application: app   # all of it
packages:
  nets:
    models:
      near: {source: net.tar.gz}   # beside this file
      far:
        # where it came from
        source: URL

        framework: PYTORCH
"""


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    (folder / "net.tar.gz").write_bytes(MODEL)
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/net.tar.gz"
        server.shutdown()


def test_models_are_pinned_where_they_stand_and_their_bytes_are_kept(tmp_path: Path, elsewhere: str) -> None:
    app = project(tmp_path / "app", MODELS.replace("URL", elsewhere))
    told = pin(app, "--check")
    assert (told.status, told.output) == (
        1,
        "panorama.yaml:5:7: model near is not pinned\npanorama.yaml:6:7: model far is not pinned\n",
    )
    done = pin(app)
    assert (done.status, done.output) == (
        0,
        f"panorama.yaml:5:42: model near pinned to {DIGEST}\npanorama.yaml:9:17: model far pinned to {DIGEST}\n",
    )
    expected = MODELS.replace("URL", f"{elsewhere}\n        sha256: {DIGEST}")
    expected = expected.replace("net.tar.gz}", f"net.tar.gz, sha256: {DIGEST}}}", 1)
    assert (app.root / "panorama.yaml").read_text() == expected
    (tmp_path / "elsewhere/net.tar.gz").unlink()
    assert app.doit("model").outcomes == {"model:near": "reused", "model:far": "reused"}, "what was fetched is kept"


def test_a_pin_is_outdated_where_the_content_is_another(tmp_path: Path, elsewhere: str) -> None:
    app = project(tmp_path / "app", MODELS.replace("URL", elsewhere))
    pin(app)
    assert pin(app, "--check").output == "nothing to pin: 2 pinned\n"
    other = gzip.compress(b"another model", mtime=0)
    (app.root / "net.tar.gz").write_bytes(other)
    told = pin(app, "--check")
    now = hashlib.sha256(other).hexdigest()
    line = f"panorama.yaml:5:42: model near is pinned to {DIGEST}, and is {now} now\n"
    assert (told.status, told.output) == (1, line)
    assert pin(app).output == f"panorama.yaml:5:42: model near pinned anew to {now}\n"
    assert (pin(app).status, pin(app).output) == (0, "nothing to pin: 2 pinned\n")


def test_offline_nobody_is_asked_and_what_is_missing_is_still_told(tmp_path: Path) -> None:
    app = project(tmp_path / "app", MODELS.replace("URL", "http://127.0.0.1:9/net.tar.gz"))
    assert pin(app, "--offline").status == 1, "the far one is not pinned"
    assert pin(app, "--check", "--offline").output == "panorama.yaml:6:7: model far is not pinned\n"
    app.edit("panorama.yaml", "framework:", f"sha256: {'0' * 64}\n        framework:")
    assert (pin(app, "--check", "--offline").status, pin(app, "--check").status) == (0, 3)


def test_the_bytes_of_a_persons_file_stay_its_mode_and_its_link_too(tmp_path: Path) -> None:
    app = project(tmp_path / "app", "")
    text = "\ufeffapplication: app\r\npackages: {nets: {models: {near: {source: net.tar.gz}}}}\r\n# é"
    kept = tmp_path / "kept.yaml"
    kept.write_bytes(text.encode())
    kept.chmod(0o640)
    (app.root / "panorama.yaml").unlink()
    (app.root / "panorama.yaml").symlink_to(kept)
    assert pin(app).status == 0
    assert kept.read_bytes().decode() == text.replace("net.tar.gz}", f"net.tar.gz, sha256: {DIGEST}}}")
    assert (app.root / "panorama.yaml").is_symlink() and kept.stat().st_mode & 0o777 == 0o640


def test_what_can_not_be_edited_is_left_and_what_to_write_is_told(tmp_path: Path) -> None:
    shared = "application: app\npackages:\n  a: {models: {x: &m {source: net.tar.gz}}}\n  b: {models: {y: *m}}\n"
    app = project(tmp_path / "app", shared)
    refused = pin(app)
    message = "this can't be edited without changing more"
    assert refused.output == f"ERROR: panorama.yaml:3:19: {message} (write by hand: sha256: {DIGEST})\n"
    assert refused.status == 3 and (app.root / "panorama.yaml").read_text() == shared


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--check", "nets", "nope"], 'ERROR: panorama.yaml: there is no package "nope"\n'),
        (["--chek"], "ERROR: option --chek not recognized (panorama-build help pin)\n"),
        (
            ["code"],
            "ERROR: packages/code/Dockerfile: there is no such file (a container needs a Dockerfile, or image:)\n",
        ),
    ],
)
def test_what_is_wrong_is_told_in_one_line(tmp_path: Path, arguments: list[str], complaint: str) -> None:
    app = project(tmp_path / "app", "application: app\npackages: {nets: {}, code: {container: code}}\n")
    assert (pin(app, *arguments).status, pin(app, *arguments).output) == (3, complaint)


def test_a_pin_that_holds_nothing_is_odd(tmp_path: Path) -> None:
    manifest = "application: app\npackages:\n  code:\n    container:\n      bases:\n        debian:11: DIGEST\n"
    app = project(tmp_path / "app", manifest.replace("DIGEST", f"sha256:{DIGEST}"), Dockerfile="FROM debian:12\n")
    told = run(app.root, app.env, "panorama-build", "check").output
    warning = 'Dockerfile names no debian:11, so its pin has no effect (did you mean "debian:12"?)'
    assert f"check | warning: panorama.yaml:6:9: {warning}\n" in told.replace("6:20", "6:9")


# -- base images, on a real engine and its registry


IMAGES = """\
application: app
packages:
  code:
    container: code         # built of two images
    entry: [/app]
"""
STAGES = "ARG TAG=1\nFROM BASE:${TAG} AS base\nFROM base\nCOPY --from=TOOLS:1 /etc /tools\n"


def names(app: App) -> set[str]:
    with tarfile.open(app.asset("code")) as tar:
        return {name for name in tar.getnames() if name.endswith(("old", "new"))}


@pytest.mark.engine
@pytest.mark.parametrize("road", ["buildkit", "classic"])
def test_a_pinned_base_is_what_it_was_whatever_its_tag_says_now(tmp_path: Path, engine: Engine, road: str) -> None:
    env = engine.env if road == "buildkit" else without_buildx(engine, tmp_path)
    base, tools = (f"{engine.registry}/{word}-{uuid.uuid4().hex}" for word in ("base", "tools"))
    before = {image: engine.push(f"{image}:1", f"{image[-1]}-old") for image in (base, tools)}
    dockerfile = STAGES.replace("BASE", base).replace("TOOLS", tools)
    app = project(tmp_path / "app", IMAGES, env, Dockerfile=dockerfile)
    assert f"; {base}:1 is not pinned; {tools}:1 is not pinned; first build" in app.doit().detail("container:code")

    assert pin(app, "--check").status == 1
    assert pin(app).status == 0
    assert (app.root / "panorama.yaml").read_text() == IMAGES.replace(
        "container: code         # built of two images\n",
        "container:\n      asset: code         # built of two images\n      bases:\n"
        f"        {base}:1: {before[base]}\n        {tools}:1: {before[tools]}\n",
    )
    pinned = app.doit()
    assert pinned.detail("container:code").endswith(f"; base {base}:1 pinned and 1 more"), pinned.output
    old = app.asset("code").name

    after = {image: engine.push(f"{image}:1", f"{image[-1]}-new") for image in (base, tools)}
    assert app.doit("force=yes", "container:code").outcomes == {"container:code": "built"}
    app.doit()
    assert (app.asset("code").name, names(app)) == (old, {f"etc/{base[-1]}-old", f"tools/{tools[-1]}-old"})

    told = pin(app, "--check")
    assert told.status == 1 and told.output.count(" now\n") == 2 and after[tools] in told.output
    assert pin(app, "--check", "--offline").status == 0
    assert pin(app).status == 0
    assert app.doit().detail("container:code").endswith(f"; base {base}:1 pinned anew and 1 more")
    assert names(app) == {f"etc/{base[-1]}-new", f"tools/{tools[-1]}-new"}


@pytest.mark.engine
def test_an_image_in_place_of_a_dockerfile_is_pinned_in_its_own_value(tmp_path: Path, engine: Engine) -> None:
    image = f"{engine.registry}/image-{uuid.uuid4().hex}:1"
    digest = engine.push(image, "old")
    manifest = (
        f"application: app\npackages: {{code: {{container: {{asset: code, image: '{image}'}}, entry: [/app]}}}}\n"
    )
    app = project(tmp_path / "app", manifest, engine.env)
    assert pin(app).status == 0
    assert (app.root / "panorama.yaml").read_text() == manifest.replace(image, f"{image}@{digest}")
    assert pin(app, "--check").output == "nothing to pin: 1 pinned\n"
    assert app.doit().status == 0 and names(app) == {"etc/old"}
    engine.push(image, "new")
    assert pin(app).status == 0
    assert app.doit().detail("container:code").endswith(f"; base {image} pinned anew")
    assert names(app) == {"etc/new"}
    app.edit("panorama.yaml", "/image-", "/nowhere-")
    refused = pin(app)
    assert refused.status == 3 and "the registry tells no digest of" in refused.output
    assert refused.output.count("\n") == 1 and "Traceback" not in refused.output
