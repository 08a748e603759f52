"""Every change that a build may meet, and what has to come of it: the table that tests and documentation share."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.applications import ROOT, App, example
from tests.servers import Engine

HOME = "packages/people_counter"
SRC = f"{HOME}/src"
CODE = f"{SRC}/people_counter_main.py"
MANIFEST = "panorama.yaml"
DATABASE = ".panorama/doit.sqlite3"
NET = "models/squeezenet1_0.tar.gz"
DAMAGED = b"SQLite format 3\0" + bytes(500)
REMOTES = ("published", "elsewhere")

CONTAINER, PACKAGE, PUBLISH = "container:people_counter", "package:people_counter", "publish:people_counter"
MODEL, MODEL_PACKAGE, MODEL_PUBLISH = "model:callable_squeezenet", "package:call_node", "publish:call_node"
ASSET, MODEL_ASSET = "asset:people_counter", "asset:call_node"
WHOLE = ("publish", "asset", "graph", "check")

Change = Callable[[App], "App | None"]


@dataclass(frozen=True)
class Row:
    """A change, and what comes of it in the next `doit publish asset graph check`.

    ``runs`` are the tasks that do something, with what they do; an image is built where a container is "built".
    ``patches`` are the packages whose package.json is another then. ``uploads`` is what the remote has got. ``cause``
    is what is told of the first task that runs.
    """

    change: Change
    runs: Mapping[str, str] = field(default_factory=dict)
    patches: Collection[str] = ()
    uploads: Collection[str] = ()
    cause: str | None = None
    status: int = 0


# -- what may come of a change


def nothing(change: Change) -> Row:
    return Row(change)


def another_image(change: Change, cause: str) -> Row:
    runs = {CONTAINER: "built", PACKAGE: "written", ASSET: "placed", PUBLISH: "published"}
    return Row(change, runs, ["people_counter"], ["container", "package.json"], cause)


def same_image_again(change: Change, cause: str) -> Row:
    """An image is built, and has the bits of before: nothing behind it changes."""
    return Row(change, {CONTAINER: "built"}, cause=cause)


def asset_mended(change: Change, cause: str) -> Row:
    # The application root links to the store's asset, and gets its link anew.
    return Row(change, {CONTAINER: "built", ASSET: "placed"}, cause=cause)


def another_descriptor(change: Change, cause: str) -> Row:
    runs = {PACKAGE: "written", PUBLISH: "published"}
    return Row(change, runs, ["people_counter"], ["descriptor", "package.json"], cause)


def looked_at_again(change: Change, cause: str | None = None) -> Row:
    """Every task runs, and finds its work done."""
    runs = {
        "graph": "unchanged",
        CONTAINER: "reused",
        MODEL: "reused",
        PACKAGE: "unchanged",
        MODEL_PACKAGE: "unchanged",
        ASSET: "unchanged",
        MODEL_ASSET: "unchanged",
    }
    return Row(change, {**runs, PUBLISH: "unchanged", MODEL_PUBLISH: "unchanged"}, cause=cause)


def documents_again(change: Change, cause: str) -> Row:
    documents = dict.fromkeys(("graph", PACKAGE, MODEL_PACKAGE), "written")
    return Row(change, {**documents, ASSET: "placed", MODEL_ASSET: "placed"}, cause=cause)


# -- changes


def write(file: str, text: str) -> Change:
    def change(app: App) -> None:
        with (app.root / file).open("a") as out:
            out.write(f"{text}\n")

    return change


def edit(file: str, old: str, new: str) -> Change:
    return lambda app: app.edit(file, old, new)


def mode(file: str, bits: int) -> Change:
    return lambda app: (app.root / file).chmod(bits)


def remove(*patterns: str) -> Change:
    def change(app: App) -> None:
        for path in [path for pattern in patterns for path in app.root.glob(pattern)]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    return change


def both(*changes: Change) -> Change:
    def change(app: App) -> None:
        for each in changes:
            each(app)

    return change


@contextmanager
def times_kept(path: Path) -> Iterator[None]:
    stat = path.stat()
    yield
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def same_mtime(app: App) -> None:
    with times_kept(app.root / CODE):
        write(CODE, "# more")(app)


def same_size_and_mtime(app: App) -> None:
    with times_kept(app.root / CODE):
        size = (app.root / CODE).stat().st_size
        app.edit(CODE, "0.1, 0.1", "0.2, 0.2")
        assert (app.root / CODE).stat().st_size == size


def touch(file: str) -> Change:
    return lambda app: (app.root / file).touch()


def another_umask(app: App) -> App:
    for path in [path for path in (app.root / HOME).rglob("*") if not path.is_symlink()]:
        path.chmod(0o700 if path.is_dir() else 0o600)
    return replace(app, umask=0o077)


def rename_into_a_folder(app: App) -> None:
    (app.root / SRC / "data").mkdir()
    (app.root / SRC / "labels.csv").rename(app.root / SRC / "data/labels.csv")


def retarget(app: App) -> None:
    (app.root / SRC / "link").unlink()
    (app.root / SRC / "link").symlink_to("people_counter_main.py")


def store_asset(app: App) -> Path:
    return app.root / ".panorama/store/assets" / app.asset("people_counter").name


def truncate_asset(app: App) -> None:
    store_asset(app).chmod(0o644)
    os.truncate(store_asset(app), 100)


def other_asset_bytes(app: App) -> None:
    asset = store_asset(app)
    asset.chmod(0o644)
    with times_kept(asset):
        asset.write_bytes(bytes(asset.stat().st_size))


def corrupt_database(app: App) -> None:
    (app.root / DATABASE).write_bytes(DAMAGED)


def model(content: bytes) -> bytes:
    """A model archive for PyTorch, as small as can be."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        member = tarfile.TarInfo("model.pth")
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return gzip.compress(plain.getvalue(), mtime=0)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


OLD_MODEL, NEW_MODEL = model(b"old"), model(b"new")


def other_model(app: App) -> None:
    (app.root / NET).write_bytes(NEW_MODEL)


def moved(app: App) -> App:
    target = app.root.with_name("another place")
    app.root.rename(target)
    return replace(app, root=target)


def cloned(app: App) -> App:
    """What CI has: sources with new times, of another user, and .panorama/ out of its cache; no build/."""
    target = app.root.with_name("clone")
    target.mkdir()
    for name in (MANIFEST, "dodo.py", "packages", "models", ".panorama", "published"):
        subprocess.run(["cp", "-r", "--preserve=links,mode", app.root / name, target], check=True)
    if os.geteuid() == 0:
        subprocess.run(["chown", "-R", "--no-dereference", "12345:54321", target], check=True)
    return replace(app, root=target)


def switched_and_back(app: App) -> None:
    def git(*arguments: str) -> None:
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        env = {**app.env, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
        subprocess.run(["git", *identity, *arguments], cwd=app.root, env=env, check=True, capture_output=True)

    git("init", "--initial-branch=main")
    git("add", MANIFEST, "dodo.py", "packages")
    git("commit", "-m", "as it was")
    git("checkout", "-b", "other")
    app.edit(CODE, "people: ", "persons: ")
    git("commit", "-a", "-m", "another")
    assert app.doit("publish").outcomes[CONTAINER] == "built"
    git("checkout", "main")


def with_env(**env: str) -> Change:
    return lambda app: replace(app, env={**app.env, **env})


def another_version(app: App) -> App:
    """Another release of this program with other code, in another place, which makes assets in the same way."""
    place = app.root.with_name("release")
    shutil.copytree(ROOT / "panorama_build", place / "panorama_build", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "templates", place / "panorama_build/templates")
    for path in place.rglob("*.py"):
        path.write_text(f"{path.read_text()}\n# of another release\n")
    return replace(app, env={**app.env, "PYTHONPATH": str(place)})


# -- changes while a task runs


@contextmanager
def while_building(app: App) -> Iterator[subprocess.Popen[bytes]]:
    """A build that has sent its context and is held until the block ends: `docker` waits for it to go on."""
    tools = app.root.with_name("tools")
    tools.mkdir()
    (tools / "docker").write_text(
        '#!/bin/sh\n[ "$2" = build ] || exec "$DOCKER" "$@"\n'
        'cat > "$TOOLS/context" && touch "$TOOLS/sent"\nwhile [ ! -e "$TOOLS/go" ]; do sleep 0.05; done\n'
        'exec "$DOCKER" "$@" < "$TOOLS/context"\n'
    )
    (tools / "docker").chmod(0o755)
    docker = shutil.which("docker", path=app.env["PATH"])
    assert docker
    env = {**app.env, "DOCKER": docker, "TOOLS": str(tools), "PATH": f"{tools}:{app.env['PATH']}"}
    command = [str(Path(sys.executable).parent / "doit"), CONTAINER]
    with subprocess.Popen(command, cwd=app.root, env=env, stdout=subprocess.DEVNULL, start_new_session=True) as running:
        while not (tools / "sent").exists():
            assert running.poll() is None
            time.sleep(0.02)
        yield running
        (tools / "go").touch()
        running.wait()


def edited_meanwhile(app: App) -> None:
    app.edit(CODE, "0.1, 0.1", "0.2, 0.2")
    with while_building(app):
        app.edit(CODE, "people: ", "persons: ")


def killed(app: App) -> None:
    app.edit(CODE, "people: ", "persons: ")
    with while_building(app) as running:
        os.killpg(running.pid, signal.SIGKILL)


# -- the table

TABLE: dict[str, Row] = {
    "nothing": nothing(lambda app: None),
    # sources
    "a byte of src": another_image(write(CODE, "# more"), "src/people_counter_main.py changed"),
    "a byte of src, mtime kept": another_image(same_mtime, "src/people_counter_main.py changed"),
    "a byte of src, size and mtime kept": another_image(same_size_and_mtime, "src/people_counter_main.py changed"),
    "touch": nothing(touch(CODE)),
    "chmod g+w": nothing(mode(CODE, 0o664)),
    "chmod +x": another_image(mode(CODE, 0o755), "src/people_counter_main.py changed"),
    "another umask": nothing(another_umask),
    "a file renamed across folders": another_image(rename_into_a_folder, "src/labels.csv removed"),
    "an empty folder added": another_image(lambda app: (app.root / SRC / "empty").mkdir(), "src/empty added"),
    "a symbolic link retargeted": another_image(retarget, "src/link changed"),
    "an ignored file": nothing(write(f"{SRC}/junk.pyc", "junk")),
    "a file called like another input": same_image_again(write(f"{HOME}/platform", "x"), "platform added"),
    ".dockerignore": same_image_again(write(f"{HOME}/.dockerignore", "*.tmp"), ".dockerignore changed"),
    "the Dockerfile": another_image(write(f"{HOME}/Dockerfile", "COPY src/link /more"), "the Dockerfile changed"),
    "the Dockerfile, in a comment": same_image_again(write(f"{HOME}/Dockerfile", "# a"), "the Dockerfile changed"),
    # the manifest
    "a comment in panorama.yaml": nothing(write(MANIFEST, "# a word")),
    "a key of another package": Row(
        edit(MANIFEST, "framework: PYTORCH", "framework: PYTORCH\n        framework_version: '1.8'"),
        {MODEL_PACKAGE: "written", MODEL_PUBLISH: "published"},
        ["call_node"],
        ["descriptor", "package.json"],
        "descriptor.json: mlModelDescriptor.frameworkVersion added",
    ),
    "this asset's description": Row(
        edit(MANIFEST, "network: none", "network: none\n      description: It counts"),
        {PACKAGE: "written", PUBLISH: "published"},
        ["people_counter"],
        ["package.json"],
        "package.json: nodePackage.assets.people_counter_container_binary.description added",
    ),
    "this asset's network": same_image_again(edit(MANIFEST, "network: none", "network: host"), "network changed"),
    "entry": another_descriptor(
        edit(MANIFEST, "_main.py]", "_main.py, --fast]"), "descriptor.json: runtimeDescriptor.entry.arguments added"
    ),
    "a build argument": same_image_again(edit(MANIFEST, "args: {", "args: {MORE: 1, "), "build argument MORE added"),
    "the platform": same_image_again(
        edit(MANIFEST, "platform: linux/arm64", "platform: linux/arm64/v8"), "platform changed"
    ),
    "a pinned base's digest": another_image(
        lambda app: app.edit(MANIFEST, app.env["OLD_BASE"], app.env["NEW_BASE"]), "base IMAGE pinned anew"
    ),
    "the graph": Row(
        edit(MANIFEST, "float32: 0.5", "float32: 0.25"),
        {"graph": "written"},
        cause="graph.json: nodeGraph.nodes.threshold.value changed",
    ),
    "another account": Row(
        write(MANIFEST, 'account: "210987654321"'),
        {
            **dict.fromkeys(("graph", PACKAGE, MODEL_PACKAGE), "written"),
            **dict.fromkeys((PUBLISH, MODEL_PUBLISH), "unchanged"),
        },
        cause="removed packages/000000000000-people_counter-1.0, no longer declared",
    ),
    "another remote": Row(
        with_env(PANORAMA_REMOTE="elsewhere"),
        {PUBLISH: "published", MODEL_PUBLISH: "published"},
        uploads=["container", "model", "descriptor", "package.json"],
    ),
    # models
    "the model file touched": nothing(touch(NET)),
    "the model file and its pin": Row(
        both(other_model, edit(MANIFEST, sha256(OLD_MODEL), sha256(NEW_MODEL))),
        {MODEL: "fetched", MODEL_PACKAGE: "written", MODEL_ASSET: "placed", MODEL_PUBLISH: "published"},
        ["call_node"],
        ["model", "package.json"],
        f"{NET} changed",
    ),
    "the model file without its pin": Row(
        other_model,
        {MODEL: "failed", **dict.fromkeys((MODEL_PACKAGE, MODEL_ASSET, MODEL_PUBLISH), "skipped")},
        status=2,
    ),
    "the pin removed": Row(edit(MANIFEST, f"        sha256: {sha256(OLD_MODEL)}\n", ""), {MODEL: "reused"}),
    # what was made
    "a task's record deleted": Row(
        remove(".panorama/store/artifacts/container*"),
        {CONTAINER: "reused"},
        cause="container-people_counter.json missing",
    ),
    "all fingerprints' records deleted": nothing(remove(".panorama/store/records")),
    "an asset deleted": same_image_again(lambda app: store_asset(app).unlink(), "asset missing"),
    "an asset truncated": asset_mended(truncate_asset, "asset damaged"),
    "an asset overwritten with other bytes": asset_mended(other_asset_bytes, "asset damaged"),
    "doit's database deleted": looked_at_again(remove(DATABASE), "no run of it is on record"),
    "doit's database corrupt": looked_at_again(corrupt_database),
    "the digests deleted": nothing(remove(".panorama/digests")),
    ".panorama/ deleted": Row(
        remove(".panorama"),
        {
            "check": "checked",
            "graph": "unchanged",
            MODEL: "fetched",
            CONTAINER: "built",
            **dict.fromkeys((PACKAGE, MODEL_PACKAGE, ASSET, MODEL_ASSET, PUBLISH, MODEL_PUBLISH), "unchanged"),
        },
        cause="first build",
    ),
    "build/ deleted": documents_again(remove("build"), "graphs/people_counter/graph.json missing"),
    "a generated file edited by hand": Row(
        write("build/graphs/people_counter/graph.json", " "),
        {"graph": "written"},
        cause="graphs/people_counter/graph.json edited by hand",
    ),
    # time and place
    "an input edited while the task runs": another_image(edited_meanwhile, "src/people_counter_main.py changed"),
    "killed while building": another_image(killed, "src/people_counter_main.py changed"),
    "the tree moved to another path": nothing(moved),
    "a fresh clone with the cache restored": documents_again(cloned, "graphs/people_counter/graph.json missing"),
    "a branch switched and back": Row(
        switched_and_back,
        {CONTAINER: "reused", PACKAGE: "written", PUBLISH: "unchanged"},
        cause="src/people_counter_main.py changed",
    ),
    "another version of this program": nothing(another_version),
}


def as_markdown() -> Iterator[str]:
    """The table as its users read it, in docs/how-rebuilding-is-decided.md."""
    yield "| change | what runs | package.json | uploaded | what is told |"
    yield "|---|---|---|---|---|"
    for name, row in TABLE.items():
        verbs = dict.fromkeys(row.runs.values())
        runs = (f"{verb}: {', '.join(_short(task) for task in row.runs if row.runs[task] == verb)}" for verb in verbs)
        patches = ", ".join("code" if package in PACKAGE else "model" for package in row.patches)
        cause = (row.cause or "").replace("IMAGE", "debian:12")
        yield f"| {name} | {'; '.join(runs) or 'nothing'} | {patches} | {', '.join(row.uploads)} | {cause} |"


def _short(task: str) -> str:
    return (
        task.replace(":people_counter", " (code)").replace(":callable_squeezenet", "").replace(":call_node", " (model)")
    )


def table_application(root: Path, engine: Engine) -> App:
    """The application that the rows change: the example on a base image and with a model as small as can be.

    Its environment names the base and two digests that it has had, of which the manifest pins the older.
    """
    image = f"{engine.registry}/base-{uuid.uuid4().hex}:1"
    old, new = (engine.push(image, content) for content in ("old", "new"))
    app = example(root, {**engine.env, "BASE": image, "OLD_BASE": old, "NEW_BASE": new}, image)
    app.edit(f"{HOME}/Dockerfile", "RUN python3", "# RUN python3")
    (app.root / SRC / "link").symlink_to("labels.csv")
    pin = next(line for line in (app.root / MANIFEST).read_text().splitlines() if " sha256: " in line)
    app.edit(MANIFEST, pin.strip(), f"sha256: {sha256(OLD_MODEL)}")
    (app.root / NET).write_bytes(OLD_MODEL)
    app.edit(MANIFEST, "network: none", f'network: none\n      bases: {{"{image}": "{old}"}}')
    app.edit(MANIFEST, "packages:\n", "platform: linux/arm64\npackages:\n")
    return app
