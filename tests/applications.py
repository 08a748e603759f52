"""Copies of the example application, and runs of the real program on them."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from doit.cmd_run import opt_outfile

from panorama_build.cli import main
from tests import programs
from tests.programs import PROGRAMS as PROGRAMS

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "people_counter"
NO_ENGINE = "unix:///nonexistent/docker.sock"


@dataclass(frozen=True)
class Run:
    """A finished run of doit or panorama-build."""

    status: int
    output: str

    @property
    def outcomes(self) -> dict[str, str]:
        """What the run says of each task that did something: task -> verb."""
        lines = re.findall(r"^(\w+) +([\w:.-]+)(?:  .*)?$", self.output, re.MULTILINE)
        return {task: verb for verb, task in lines if ":" in task or task in ("check", "graph")}

    def detail(self, task: str) -> str:
        """The rest of a task's line."""
        found = re.search(rf"^\w+ +{re.escape(task)}  (.*)$", self.output, re.MULTILINE)
        return found[1] if found else ""


@dataclass(frozen=True)
class App:
    """A project in a folder, and the environment that its runs get."""

    root: Path
    env: dict[str, str]
    umask: int = -1
    """Of its runs; -1 is this process's own."""

    def doit(self, *arguments: str, **env: str) -> Run:
        """Run doit; its status and all it wrote."""
        return run(self.root, {**self.env, **env}, "doit", *arguments, umask=self.umask)

    def start(self, *arguments: str, program: str = "doit", **env: str) -> subprocess.Popen[str]:
        """A run of doit that goes on beside the test; what it writes comes through its pipe."""
        command, pipe = [str(PROGRAMS / program), *arguments], subprocess.PIPE
        clean = _clean({**self.env, **env})
        return subprocess.Popen(command, cwd=self.root, env=clean, text=True, stdout=pipe, stderr=subprocess.STDOUT)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace the one place of ``old`` in a file."""
        path = self.root / file
        text = path.read_text()
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
        path.write_text(text.replace(old, new))

    def json(self, pattern: str) -> Any:
        """The one JSON file that a glob pattern finds."""
        (path,) = self.root.glob(pattern)
        return json.loads(path.read_text())

    def assets(self) -> set[str]:
        """The names of all assets of the application root."""
        return {path.name for path in (self.root / "build/assets").iterdir()}

    def asset(self, package: str) -> Path:
        """The first asset of a package, in the application root."""
        document = self.json(f"build/packages/*-{package}-*/package.json")
        uri: str = document["nodePackage"]["assets"][0]["implementations"][0]["assetUri"]
        return self.root / "build/assets" / uri


def finished(process: subprocess.Popen[str]) -> Run:
    """What became of a run that was started, once it ends."""
    output, _ = process.communicate()
    return Run(process.returncode, output)


def run(cwd: Path, env: dict[str, str], program: str, *arguments: str, umask: int = -1) -> Run:
    """Run one of the installed programs."""
    done = programs.run(program, *arguments, cwd=cwd, env=_clean(env), umask=umask, merged=True)
    return Run(done.status, done.stdout)


def _clean(env: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in env.items() if not key.startswith("PANORAMA_TEST")}


def example(root: Path, env: dict[str, str] | None = None, base: str | None = None) -> App:
    """A copy of the example with its model; ``base`` replaces its base image."""
    shutil.copytree(EXAMPLE, root, ignore=shutil.ignore_patterns("build", "published", "models", ".panorama"))
    archive = ROOT / ".engine" / "squeezenet1_0.tar.gz"
    if not archive.exists():
        archive.parent.mkdir(exist_ok=True)
        part = archive.with_suffix(f".{os.getpid()}")
        subprocess.run([sys.executable, ROOT / "tools/model_archive.py", part], check=True)
        part.replace(archive)
    (root / "models").mkdir()
    shutil.copy(archive, root / "models")
    app = App(root, env or {**os.environ, "DOCKER_HOST": NO_ENGINE})
    if base:
        app.edit("panorama.yaml", "127.0.0.1:5000/panorama-base:1", base)
    return app


def call(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """What panorama-build does with ``arguments``, in this process: for a project without a dodo.py.

    It costs a twentieth of a process of its own, and is for tests where that is not the point.
    """
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        for name in [name for name in os.environ if name.startswith(("PANORAMA_", "DOIT_"))]:
            patch.delenv(name)
        patch.chdir(cwd)
        patch.setattr(sys, "argv", ["panorama-build", *arguments])
        patch.setitem(opt_outfile, "default", out)  # doit looks at sys.stdout when it is imported
        status = main()
    return subprocess.CompletedProcess(arguments, status, out.getvalue(), err.getvalue())
