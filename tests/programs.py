"""Runs of the installed programs, each a process of its own: a fork of one that has done the imports.

That spares most of the time of a run. As in any other process, the environment, the working directory, the user, the
output, the exit handlers and the exit status are the run's own.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import panorama_build
from panorama_build.manifest import schema
from panorama_build.manifest.vocabulary import Manifest
from panorama_build.manifest.yamlfile import parse

PROGRAMS = Path(sys.executable).parent
MAINS = {"doit": "doit.__main__", "panorama-build": "panorama_build.cli"}
LATE = ("boto3", "docker", "encodings.utf_8_sig", "sqlite3")  # which a run comes to need
AT_START = ("PYTHON", "LC_", "LANG", "TZ")  # variables that Python reads once

_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class Finished:
    """What became of a run; ``peak`` is the most memory it took, in KiB."""

    status: int
    stdout: str
    stderr: str
    peak: int = 0


def run(
    program: str,
    *arguments: str,
    cwd: Path,
    env: dict[str, str],
    umask: int = -1,
    user: int | None = None,
    merged: bool = False,
) -> Finished:
    """Run doit or panorama-build, as another ``user`` if one is given; ``merged`` has stderr go where stdout goes."""
    with tempfile.NamedTemporaryFile("w+") as out, tempfile.NamedTemporaryFile("w+") as err:
        files = [out.name, out.name if merged else err.name]
        if _at_start(env) != _at_start(dict(os.environ)):
            status, peak = _execute([program, *arguments], cwd, env, umask, user, files), 0
        else:
            status, peak = _ask([program, *arguments], str(cwd), env, umask, user, files)
        return Finished(status, out.read(), err.read(), peak)


def _at_start(env: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(AT_START)}


def _execute(argv: list[str], cwd: Path, env: dict[str, str], umask: int, user: int | None, files: list[str]) -> int:
    with open(files[0], "a") as out, open(files[1], "a") as err:
        command = [str(PROGRAMS / argv[0]), *argv[1:]]
        return subprocess.run(
            command, cwd=cwd, env=env, umask=umask, user=user, group=user, stdout=out, stderr=err
        ).returncode


def _ask(*request: Any) -> tuple[int, int]:
    with _one_at_a_time:
        parent = _parent()
        assert parent.stdin and parent.stdout
        parent.stdin.write(json.dumps(request) + "\n")
        parent.stdin.flush()
        status, peak = parent.stdout.readline().split()
        return int(status), int(peak)


@cache
def _parent() -> subprocess.Popen[str]:
    """The process to fork; it ends when its pipe does."""
    command, pipe = [sys.executable, __file__], subprocess.PIPE
    return subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, start_new_session=True)


def stop() -> None:
    """End the process that was forked, if there was one."""
    if _parent.cache_info().currsize:
        _parent().communicate()
        _parent.cache_clear()


def _serve() -> None:
    """Fork for each line of the input; answer with the exit status and the peak of memory."""
    own = (each.name for each in pkgutil.walk_packages(panorama_build.__path__, "panorama_build."))
    for module in (*own, *MAINS.values(), *LATE):
        importlib.import_module(module)
    parse("application: warm", Manifest, "panorama.yaml")  # its types are looked at once
    schema.text()
    gc.freeze()  # or each fork copies all of it, to let go of it
    for line in sys.stdin:
        child = os.fork()
        if not child:
            _become(*json.loads(line))
        _, status, used = os.wait4(child, 0)
        print(os.waitstatus_to_exitcode(status), used.ru_maxrss, flush=True)


def _become(argv: list[str], cwd: str, env: dict[str, str], umask: int, user: int | None, files: list[str]) -> None:
    """Be the program, to the end of this process."""
    for number, file in enumerate([os.devnull, *files]):
        opened = os.open(file, os.O_RDWR | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdin = os.fdopen(0)  # what the old one read ahead is the parent's
    if umask >= 0:
        os.umask(umask)
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    tempfile.tempdir = None
    sys.argv = [str(PROGRAMS / argv[0]), *argv[1:]]
    sys.path[0] = str(PROGRAMS)
    sys.exit(sys.modules[MAINS[argv[0]]].main())


if __name__ == "__main__":
    _serve()
