"""AWS's own panorama-cli, unmodified, with the last kind of AWS CLI that still knows Panorama."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers import CACHE, UnavailableError

REQUIREMENTS = ("panoramacli==1.1.6", "awscli==1.45.11", "setuptools<81")


@dataclass(frozen=True)
class Upstream:
    programs: Path

    def run(self, arguments: Sequence[str | Path], cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run panorama-cli, which ends with 0 after many a failure: look at what it wrote, too."""
        command = [self.programs / "panorama-cli", *arguments]
        own = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
        env = {**own, **env}
        env["PATH"] = f"{self.programs}:{env['PATH']}"
        return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)


def install() -> Upstream:
    """The environment in the cache, made when it is not there."""
    directory = CACHE / "upstream"
    complete = directory / "complete"
    CACHE.mkdir(exist_ok=True)
    with (CACHE / "upstream.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists() or complete.read_text() != str(REQUIREMENTS):
            _install(directory)
            complete.write_text(str(REQUIREMENTS))
    return Upstream(directory / "bin")


def _install(directory: Path) -> None:
    python = sys.executable
    venv = [python, "-m", "venv", "--clear", "--without-pip", str(directory)]
    pip = [python, "-m", "pip", "--python", str(directory / "bin" / "python"), "install", "--quiet", *REQUIREMENTS]
    for command in (venv, pip):
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            reason = result.stderr.strip().rpartition("\n")[2]
            raise UnavailableError(f"panorama-cli cannot be installed: {reason}")
