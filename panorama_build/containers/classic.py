"""Building with the engine's classic builder, through docker-py: an image, whose container is exported."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from panorama_build.containers import context, machines
from panorama_build.containers.buildlog import BuildLog
from panorama_build.containers.container import Container
from panorama_build.containers.sender import Sender
from panorama_build.errors import PanoramaError
from panorama_build.files import BUFFER

if TYPE_CHECKING:
    from docker import DockerClient

LABEL = "panorama-build"  # marks the images that this program made


@contextmanager
def root_file_system(
    client: DockerClient, container: Container, lines: BuildLog, cached: bool
) -> Iterator[tuple[Iterator[bytes], dict[str, str]]]:
    """The tar of the built root file system, and the digests of what was sent.

    Raises PanoramaError if the build fails.
    """
    image, sent = _image(client, container, lines, cached)
    architecture = _inspect(client, image)["Architecture"]
    if machines.name(architecture) != container.architecture:
        raise machines.wrong(container.platform, f"the image is for {architecture}")
    export = client.api.create_container(image, command=["none"], platform=container.platform)["Id"]
    try:
        yield client.api.export(export, BUFFER), sent
    finally:
        client.api.remove_container(export, force=True)


def _image(client: DockerClient, container: Container, lines: BuildLog, cached: bool) -> tuple[str, dict[str, str]]:
    """Build the image, under a name of its own so that the layers stay; one that it replaces is removed."""
    from docker.errors import APIError, ImageNotFound

    tag = _tag(container)
    try:
        before = _inspect(client, tag)["Id"]
    except ImageNotFound:
        before = ""
    reading, writing = os.pipe()
    sender, built, failure = Sender(container, os.fdopen(writing, "wb")), "", None
    try:
        with os.fdopen(reading, "rb") as pipe:
            built = _build(client, container, tag, iter(lambda: pipe.read(BUFFER), b""), lines, cached)
    except APIError as error:
        lines.write(str(error.explanation or error))
        failure = lines.failure()
    except PanoramaError as error:
        failure = error
    finally:
        sender.join()
    if cause := sender.error or failure:
        raise cause
    if before not in ("", built):
        with suppress(APIError):
            _remove(client, before)
    return built, sender.sent


def _tag(container: Container) -> str:
    """A name that no other container has: two packages, or two checkouts, may be built side by side."""
    words = re.sub(r"[^a-z0-9]+", "-", container.name.lower()).strip("-")
    root = hashlib.sha256(f"{container.name} {os.path.abspath(container.root)}".encode("utf-8", "surrogateescape"))
    return f"panorama-build/{words or 'container'}-{root.hexdigest()[:8]}:latest"


def _remove(client: DockerClient, image: str) -> None:
    """Remove an image that an earlier run made, and that has no other name. A person's own is never touched."""
    found = _inspect(client, image)
    if LABEL in (found["Config"].get("Labels") or {}) and not found.get("RepoTags"):
        client.api.remove_image(image)


def _build(
    client: DockerClient, container: Container, tag: str, stream: Iterator[bytes], lines: BuildLog, cached: bool
) -> str:
    build, image = container.build, ""
    # A generator and not a file: requests takes the size of a pipe, 0, for the length of the body.
    events = client.api.build(
        fileobj=(chunk for chunk in stream),  # type: ignore[arg-type]
        custom_context=True,
        dockerfile=context.DOCKERFILE,
        tag=tag,
        labels={LABEL: container.name},
        platform=container.platform,
        buildargs=dict(build.arguments),
        target=build.target or "",
        network_mode=build.network,
        pull=build.pull,
        nocache=not cached,
        rm=True,
        forcerm=True,
        decode=True,
    )
    for event in events:
        image = event.get("aux", {}).get("ID", image)
        lines.event(event)
    return image


def _inspect(client: DockerClient, image: str) -> dict[str, Any]:
    return client.api.inspect_image(image)  # type: ignore[no-any-return,no-untyped-call]
