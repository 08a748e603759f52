"""Building through ``docker buildx``: BuildKit writes the root file system as a tar, without an image."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from panorama_build.containers import context
from panorama_build.containers.buildlog import BuildLog
from panorama_build.containers.container import Container
from panorama_build.containers.sender import Sender
from panorama_build.errors import PanoramaError
from panorama_build.files import BUFFER

if TYPE_CHECKING:
    from docker import DockerClient


@contextmanager
def root_file_system(
    _client: DockerClient, container: Container, lines: BuildLog, cached: bool
) -> Iterator[tuple[Iterator[bytes], dict[str, str]]]:
    """The tar of the built root file system, and the digests of what was sent, complete once the tar is.

    Raises PanoramaError if the build fails.
    """
    # With it BuildKit gives every file that time, and .pyc files no longer fit their sources; the archive clamps.
    environment = {name: value for name, value in os.environ.items() if name != "SOURCE_DATE_EPOCH"}
    pipe = subprocess.PIPE
    process = subprocess.Popen(_buildx(container, cached), stdin=pipe, stdout=pipe, stderr=pipe, env=environment)
    assert process.stdin and process.stdout and process.stderr
    sender = Sender(container, process.stdin)
    reader = threading.Thread(target=lines.read, args=(process.stderr,))
    reader.start()
    tar = _Tar(process.stdout)
    try:
        try:
            yield iter(tar), sender.sent
        except PanoramaError:
            if tar.ended:
                _finish(process, sender, reader, lines)
            raise
        _finish(process, sender, reader, lines)
    finally:
        process.kill()
        process.stdout.close()
        sender.join()
        reader.join()
        process.wait()


class _Tar:
    """The chunks of a stream; ``ended`` tells whether all were read, so that what follows is the build's doing."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream = stream
        self.ended = False

    def __iter__(self) -> Iterator[bytes]:
        while chunk := self.stream.read(BUFFER):
            yield chunk
        self.ended = True


def _finish(process: subprocess.Popen[bytes], sender: Sender, reader: threading.Thread, lines: BuildLog) -> None:
    """Wait for the build's end; its own failure comes before what followed from it."""
    process.wait()
    reader.join()
    sender.join()
    if sender.error:
        raise sender.error
    if process.returncode:
        raise lines.failure()


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
