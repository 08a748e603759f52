"""Building through ``docker buildx``: BuildKit writes the root file system as a tar, without an image."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

from panorama_build import interruption
from panorama_build.containers import context
from panorama_build.containers.buildlog import BuildLog
from panorama_build.containers.container import Container
from panorama_build.containers.sender import Sender
from panorama_build.files import BUFFER

if TYPE_CHECKING:
    from docker import DockerClient

_GRACE = 1.0  # seconds from SIGTERM to SIGKILL
_NAP = 0.01


@contextmanager
def root_file_system(
    _client: DockerClient, container: Container, lines: BuildLog, folder: Path, cached: bool
) -> Iterator[tuple[Iterator[bytes], dict[str, str]]]:
    """The tar of the built root file system, and the digests of what was sent, complete once the tar is.

    The tar goes through a nameless file in ``folder``, since buildx keeps in memory what is not taken at once. Raises
    PanoramaError, as does the tar at its end, if the build fails.
    """
    # With it BuildKit gives every file that time, and .pyc files no longer fit their sources; the archive clamps.
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    command, pipe = [*_tether(), *_buildx(container, cached)], subprocess.PIPE
    with tempfile.TemporaryFile(buffering=0, dir=folder) as tar:
        process = subprocess.Popen(
            command, stdin=pipe, stdout=tar, stderr=pipe, env=environment, start_new_session=True
        )
        build = _Build(process, container, lines)
        with interruption.broken_off_by(build.terminate):
            try:
                yield build.output(tar), build.sender.sent
            finally:
                build.end()


class _Build:
    """A build under way: its process, and the threads that send its context and read its log."""

    def __init__(self, process: subprocess.Popen[bytes], container: Container, lines: BuildLog) -> None:
        assert process.stdin and process.stderr
        self.process = process
        self.lines = lines
        self.sender = Sender(container, process.stdin)
        self.reader = threading.Thread(target=lines.read, args=(process.stderr,))
        self.reader.start()

    def output(self, file: IO[bytes]) -> Iterator[bytes]:
        """What the process writes to ``file``, as it comes; raises PanoramaError in the end if the build failed."""
        offset, ended = 0, False
        while not ended:
            ended = self.process.poll() is not None
            while chunk := os.pread(file.fileno(), BUFFER, offset):
                offset += len(chunk)
                yield chunk
            time.sleep(0 if ended else _NAP)
        self._join()
        if self.sender.error:
            raise self.sender.error
        if self.process.returncode:
            raise self.lines.failure()

    def terminate(self) -> None:
        """Ask the process to end, the plugin that it started with it: the engine then cancels the build."""
        self._signal(signal.SIGTERM)

    def end(self) -> None:
        """Wait until nothing of the build is left here, for which what still runs is ended."""
        self.terminate()
        try:
            self.process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self.process.wait()
        self._join()

    def _signal(self, number: int) -> None:
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)

    def _join(self) -> None:
        self.sender.join()
        self.reader.join()


@cache
def _tether() -> list[str]:
    """What to put before a command so that it does not outlive this process, however that ends: Linux can do it."""
    tether = ["setpriv", "--pdeathsig", "TERM"]
    if not shutil.which("setpriv") or subprocess.run([*tether, "true"], capture_output=True, check=False).returncode:
        return []
    return tether


def _buildx(container: Container, cached: bool) -> list[str]:
    build = container.build
    options = [f"--build-arg={name}={value}" for name, value in build.arguments.items()]
    options += [f"--target={build.target}"] if build.target else []
    options += [f"--network={build.network}"] if build.network else []
    options += ["--pull"] if build.pull else []
    options += [] if cached else ["--no-cache"]
    return [
        *("docker", "buildx", "build", f"--platform={container.platform}", f"--file={context.DOCKERFILE}"),
        *("--progress=plain", "--provenance=false", "--output=type=tar,dest=-", *options, "-"),
    ]
