"""A disk that is full, and files that may not be read or written: one line each, nothing lost, the next run goes on."""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import programs
from tests.applications import App, Run, example
from tests.programs import PROGRAMS
from tests.servers import Engine

NOBODY = 65534
FULL = "o space left on device"
PIN = "        sha256: 7fb187bfa28bf0fa1b741cb4a72e9016047040b24a432e565e83870aeec47c08\n"
LOCAL = ["graph", "model", "package:call_node"]

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounts a disk or takes another user's id, as root")


@contextmanager
def disk(place: Path, megabytes: int) -> Iterator[Callable[[int], None]]:
    """A small disk at ``place``; gives what makes it larger."""
    place.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", place], check=True)

    def grow(to: int) -> None:
        subprocess.run(["mount", "-o", f"remount,size={to}m", place], check=True)

    try:
        yield grow
    finally:
        subprocess.run(["umount", place], check=True)


def check_said_in_lines(run: Run, *words: str) -> None:
    assert run.status in (1, 2, 3), run.output
    assert "Traceback" not in run.output
    assert any(all(word in line for word in words) for line in run.output.splitlines()), run.output


def check_nothing_half(root: Path) -> None:
    for path in [*root.rglob("assets/*"), *root.rglob("binaries/*")]:
        assert path.name.split(".")[0] == hashlib.sha256(path.read_bytes()).hexdigest()


@needs_root
@pytest.mark.engine
def test_a_full_disk_below_the_project(tmp_path: Path, engine: Engine) -> None:
    with disk(tmp_path / "disk", 22) as grow:
        app = example(tmp_path / "disk/app", engine.env, engine.base)
        app.edit("packages/people_counter/Dockerfile", "RUN python3", "# RUN python3")
        check_said_in_lines(
            app.doit("publish", "graph"), "failed", "container:people_counter", "o space left on device"
        )
        check_nothing_half(app.root)
        assert list(app.root.rglob(".making-*")) == []
        grow(300)
        assert app.doit("publish", "graph").outcomes == {
            "container:people_counter": "built",
            "package:people_counter": "written",
            "publish:people_counter": "published",
        }


@needs_root
def test_a_full_disk_below_the_state(tmp_path: Path) -> None:
    app = example(tmp_path / "app")
    (app.root / ".panorama").mkdir()
    with disk(app.root / ".panorama", 3) as grow:
        check_said_in_lines(
            app.doit("package:call_node"), "failed", "model:callable_squeezenet", "o space left on device"
        )
        (app.root / ".panorama/filler").write_bytes(bytes(2 << 20))
        check_said_in_lines(app.doit("graph"), "ERROR: ", "no space left on device", "make room")
        assert "graph" in app.doit("list").output
        grow(50)
        (app.root / ".panorama/filler").unlink()
        assert app.doit("package:call_node").status == 0


@needs_root
def test_a_full_disk_at_the_remote(tmp_path: Path) -> None:
    app = example(tmp_path / "app")
    with disk(tmp_path / "remote", 3) as grow:
        remote = {"PANORAMA_REMOTE": str(tmp_path / "remote")}
        check_said_in_lines(
            app.doit("publish:call_node", **remote), "failed", "publish:call_node", "o space left on device"
        )
        assert [path for path in (tmp_path / "remote").rglob("*") if path.is_file()] == []
        grow(50)
        assert app.doit("publish:call_node", **remote).outcomes == {"publish:call_node": "published"}


def unwritable(name: str) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        (root / name).chmod(0o555)
        os.chown(root / name, 0, 0)
        return root / name

    return make


def unreadable(name: str) -> Callable[[Path], Path]:
    def make(root: Path) -> Path:
        (root / name).chmod(0o600)
        os.chown(root / name, 0, 0)
        return root / name

    return make


SITUATIONS: dict[str, tuple[Callable[[Path], Path], tuple[str, ...]]] = {
    "the folder": (unwritable("."), (".panorama/lock", "can't be locked: Permission denied")),
    ".panorama": (unwritable(".panorama"), (".panorama", "ermission denied")),
    "build": (unwritable("build/graphs/people_counter"), ("failed", "graph", "Permission denied")),
    "the store": (unwritable(".panorama/store/assets"), ("failed", "model:callable_squeezenet", "Permission denied")),
    "the lock": (unreadable(".panorama/lock"), (".panorama/lock", "can't be locked: Permission denied")),
    "doit's database": (unreadable(".panorama/doit.sqlite3"), ("doit.sqlite3", "out of reach", "delete it")),
    "panorama.yaml": (unreadable("panorama.yaml"), ("panorama.yaml", "Permission denied")),
    "the model": (unreadable("models/squeezenet1_0.tar.gz"), ("squeezenet1_0.tar.gz", "Permission denied")),
}


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that another user comes to, which pytest's own are not."""
    with tempfile.TemporaryDirectory(prefix="no-permission-") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def as_nobody(app: App, *arguments: str) -> Run:
    env = {**app.env, "HOME": "/nonexistent"}
    done = programs.run("doit", *arguments, cwd=app.root, env=env, user=NOBODY, merged=True)
    return Run(done.status, done.stdout)


def give(root: Path) -> None:
    for path in [root, *root.rglob("*")]:
        os.chown(path, NOBODY, NOBODY)


@needs_root
@pytest.mark.parametrize("situation", SITUATIONS)
def test_what_may_not_be_touched(open_folder: Path, situation: str) -> None:
    make, words = SITUATIONS[situation]
    app = example(open_folder / "app")
    give(app.root)
    if situation != "the folder":
        assert as_nobody(app, *LOCAL).status == 0
    if situation in ("build", "the store", "the model"):
        app.edit("panorama.yaml", "float32: 0.5", "float32: 0.25")
        with (app.root / "models/squeezenet1_0.tar.gz").open("ab") as model:
            model.write(b"more")
        app.edit(
            "panorama.yaml", "        sha256: 7fb187bfa28bf0fa1b741cb4a72e9016047040b24a432e565e83870aeec47c08\n", ""
        )
    place = make(app.root)
    check_said_in_lines(as_nobody(app, *LOCAL), *words)
    assert "Traceback" not in as_nobody(app, "list").output
    place.chmod(0o755 if place.is_dir() else 0o644)
    give(app.root)
    assert as_nobody(app, *LOCAL).status == 0


@pytest.mark.parametrize("content", ["a folder", "damaged", "of no database"])
def test_doits_database_may_be_anything(tmp_path: Path, content: str) -> None:
    app = example(tmp_path / "app")
    assert app.doit("graph").status == 0
    database = app.root / ".panorama/doit.sqlite3"
    if content == "a folder":
        database.unlink()
        database.mkdir()
        check_said_in_lines(app.doit("graph"), "doit.sqlite3", "out of reach", "delete it")
        assert app.doit("list", "--status").status == 0
        database.rmdir()
    else:
        whole = database.read_bytes()
        database.write_bytes(whole[:4096] + bytes(len(whole) - 4096) if content == "damaged" else b"not a database")
        assert app.doit("list", "--status").status == 0
        assert "was damaged, and is removed" in app.doit("graph").output
    assert app.doit("graph").status == 0


@pytest.mark.parametrize(
    "command",
    ["doit list --all", "doit info graph", "doit graph", "doit check", "panorama-build list", "panorama-build help"],
)
def test_a_reader_that_goes_away_is_no_fault(tmp_path: Path, command: str) -> None:
    app = example(tmp_path / "app")
    reading, writing = os.pipe()
    os.close(reading)
    program, *arguments = command.split()
    done = subprocess.run(
        [PROGRAMS / program, *arguments], cwd=app.root, env=app.env, stdout=writing, stderr=subprocess.PIPE, text=True
    )
    os.close(writing)
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
    assert app.doit("graph").status == 0
