"""Building with the engine's classic builder, through docker-py: an image, whose container is exported."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from panorama_build.containers import context, machines
from panorama_build.containers.buildlog import BuildLog
from panorama_build.containers.container import Container
from panorama_build.containers.sender import Sender
from panorama_build.errors import PanoramaError
from panorama_build.files import BUFFER, is_abandoned, owner

if TYPE_CHECKING:
    from docker import DockerClient

LABEL = "panorama-build"  # marks the images that this program made
OWNER = "panorama-build.owner"  # marks a container that is there to be exported with the process that made it


@contextmanager
def root_file_system(
    client: DockerClient, container: Container, lines: BuildLog, _folder: Path, cached: bool
) -> Iterator[tuple[Iterator[bytes], dict[str, str]]]:
    """The tar of the built root file system, and the digests of what was sent.

    Raises PanoramaError if the build fails.
    """
    _sweep(client)
    image, sent = _image(client, container, lines, cached)
    architecture = _inspect(client, image)["Architecture"]
    if machines.name(architecture) != container.architecture:
        raise machines.wrong(container.platform, f"the image is for {architecture}")
    export = client.api.create_container(image, command=["none"], platform=container.platform, labels={OWNER: owner()})[
        "Id"
    ]
    try:
        yield client.api.export(export, BUFFER), sent
    finally:
        client.api.remove_container(export, force=True)


def _sweep(client: DockerClient) -> None:
    """Remove the containers that killed runs left."""
    from docker.errors import APIError

    for each in client.api.containers(all=True, filters={"label": OWNER}):
        if is_abandoned(each["Labels"][OWNER], each["Created"]):
            with suppress(APIError):
                client.api.remove_container(each["Id"], force=True)


def _image(client: DockerClient, container: Container, lines: BuildLog, cached: bool) -> tuple[str, dict[str, str]]:
    """Build the image, under a name of its own so that the layers stay."""
    from docker.errors import APIError

    reading, writing = os.pipe()
    sender, built, failure = Sender(container, os.fdopen(writing, "wb")), "", None
    try:
        with os.fdopen(reading, "rb") as pipe, _replacing(client, _repository(container)):
            built = _build(client, container, iter(lambda: pipe.read(BUFFER), b""), lines, cached)
    except APIError as error:
        lines.write(str(error.explanation or error))
        failure = lines.failure()
    except PanoramaError as error:
        failure = error
    finally:
        sender.join()
    if cause := sender.error or failure:
        raise cause
    return built, sender.sent


@contextmanager
def _replacing(client: DockerClient, repository: str) -> Iterator[None]:
    """Remove the image that the block replaces, unless it has another name: a person's own is never touched.

    It is named, so that the next run finds it if this one is killed.
    """
    from docker.errors import APIError, ImageNotFound

    def remove() -> None:
        with suppress(APIError):
            client.api.remove_image(f"{repository}:replaced")

    remove()
    with suppress(ImageNotFound):
        client.api.tag(f"{repository}:latest", repository, "replaced")
    try:
        yield
    finally:
        remove()


def _repository(container: Container) -> str:
    """A name that no other container has: two packages, or two checkouts, may be built side by side."""
    words = re.sub(r"[^a-z0-9]+", "-", container.name.lower()).strip("-")
    root = hashlib.sha256(f"{container.name} {os.path.abspath(container.root)}".encode("utf-8", "surrogateescape"))
    return f"panorama-build/{words or 'container'}-{root.hexdigest()[:8]}"


def _build(client: DockerClient, container: Container, stream: Iterator[bytes], lines: BuildLog, cached: bool) -> str:
    build, image = container.build, ""
    # A generator and not a file: requests takes the size of a pipe, 0, for the length of the body.
    events = client.api.build(
        fileobj=(chunk for chunk in stream),  # type: ignore[arg-type]
        custom_context=True,
        dockerfile=context.DOCKERFILE,
        tag=f"{_repository(container)}:latest",
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
