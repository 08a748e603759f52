"""A Docker engine: a container goes in, the archive of its root file system comes out.

Two roads, by what the engine's client has: BuildKit where the docker command has its buildx plugin (docker-py
speaks no BuildKit), else the classic builder. Either stream becomes the asset in one pass.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from panorama_build.containers import archive, buildkit, classic, machines
from panorama_build.containers.buildlog import BuildLog
from panorama_build.containers.container import Container
from panorama_build.errors import PanoramaError

if TYPE_CHECKING:
    from docker import DockerClient

TIMEOUT = 600  # seconds without a byte from the engine; a classic build step can be silent for minutes


def build(
    container: Container, path: Path, log: Path, say: Callable[[str], None], *, cached: bool = True
) -> tuple[archive.Written, dict[str, str]]:
    """Build ``container`` and write its root file system to ``path``; give what was written, and the digests of what
    was sent.

    Every line of the build goes to the file ``log`` and to ``say``. Unless ``cached``, every step runs, whatever layers
    the engine has. Raises PanoramaError: no engine, no emulation for the platform, a failed build (with its cause), no
    room, or a result of another architecture.
    """
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    client = connect()
    machines.check_emulation(client.info(), container.platform, container.dockerfile)
    road = buildkit if has_buildkit() else classic
    try:
        tar_of, folder = road.root_file_system, path.parent
        with BuildLog(log, say) as lines, tar_of(client, container, lines, folder, cached) as (stream, sent):
            written = archive.write_asset(stream, path)
    except (DockerException, RequestException) as error:
        hint = f"run again; the log so far: {os.path.relpath(log)}"
        raise PanoramaError(f"the Docker engine broke off: {error}", hint=hint) from None
    except OSError as error:
        message = f"the asset can't be written: {error.strerror}"
        hint = "a build takes room for the root file system, plain and compressed; make room and run again"
        raise PanoramaError(message, where=str(path.parent), hint=hint) from None
    machines.check_built(written.machines, container.platform)
    return written, sent


def connect() -> DockerClient:
    """The engine that DOCKER_HOST or the current docker context names. Raises PanoramaError if none answers."""
    import docker
    from docker.errors import DockerException

    host = None if os.environ.get("DOCKER_HOST") else _context_host()
    try:
        client = docker.DockerClient(host, timeout=TIMEOUT) if host else docker.from_env(timeout=TIMEOUT)
        client.ping()
    except (DockerException, OSError) as error:
        raise _no_engine(error, host or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock") from None
    return client


def digest_of(client: DockerClient, image: str) -> str:
    """The digest that a registry has of ``image`` now, ``sha256:<hex>``; of an image for many platforms it's the index.

    Raises PanoramaError where the registry doesn't tell it. API: GET /distribution/NAME/json, 1.30 and later.
    """
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        found = client.api.inspect_distribution(image)  # type: ignore[no-untyped-call]
    except (DockerException, RequestException) as error:
        said = str(getattr(error, "explanation", None) or error)
        raise PanoramaError(f"the registry tells no digest of {image}: {said}") from None
    return str(found["Descriptor"]["digest"])


def has_buildkit() -> bool:
    """Whether the docker command is here, with its buildx plugin."""
    if not shutil.which("docker"):
        return False
    return subprocess.run(["docker", "buildx", "version"], capture_output=True, check=False).returncode == 0


def _context_host() -> str | None:
    """The host of the current docker context, which docker-py does not look at by itself."""
    from docker.context import ContextAPI

    current = ContextAPI.get_current_context()
    return current.Host if current and current.Name != "default" else None


def _no_engine(error: Exception, host: str) -> PanoramaError:
    if "Permission denied" in str(error) or "PermissionError" in str(error):
        hint = "join its group, `usermod -aG docker $USER`, or run as root"
        return PanoramaError(f"this user may not talk to the Docker engine at {host}", hint=hint)
    hint = "start one, or name it in DOCKER_HOST; every task that needs no container still runs"
    return PanoramaError(f"no Docker engine answers at {host}", hint=hint)
