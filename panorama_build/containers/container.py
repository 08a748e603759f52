"""A container to build: its context and Dockerfile as they lie on disk, and the fingerprint of all that matters."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from panorama_build.containers import archive, context
from panorama_build.containers.bases import Base, bases, rewritten
from panorama_build.containers.dockerignore import Ignore
from panorama_build.errors import PanoramaError
from panorama_build.fingerprint import Fingerprint
from panorama_build.model import Build


@dataclass(frozen=True)
class Container:
    """One container as an engine is asked for it: ``root`` is the context's folder, ``name`` the image's.

    ``dockerfile`` is as a person wrote it; what is sent has the pinned digests in it.
    """

    name: str
    root: Path
    entries: list[context.Entry]
    dockerfile: bytes
    build: Build
    platform: str

    @property
    def architecture(self) -> str:
        """The platform's architecture as Docker calls it, e.g. arm64."""
        return self.platform.split("/")[1] if "/" in self.platform else self.platform

    def fingerprint(self, digest_file: Callable[[Path], str]) -> Fingerprint:
        """All that the asset depends on, as it lies on disk now."""
        written = {context.DOCKERFILE: self.dockerfile}
        return self.fingerprint_of(context.digest_entries(self.root, self.entries, digest_file, written))

    def fingerprint_of(self, digests: Mapping[str, str]) -> Fingerprint:
        """All that the asset depends on, for a context with these digests."""
        build = self.build
        # No other input's name begins with ./
        inputs = {f"./{path}": digest for path, digest in digests.items() if path != context.DOCKERFILE}
        inputs |= self._recipe()
        inputs |= {f"base {image}": digest for image, digest in self.pins().items()}
        inputs["platform"] = self.platform
        inputs["recipe"] = archive.RECIPE
        inputs |= {f"build argument {name}": value for name, value in build.arguments.items()}
        inputs |= {name: value for name in ("target", "network") if (value := getattr(build, name))}
        return Fingerprint(inputs)

    def files(self) -> Iterator[Path]:
        """Every file that the asset depends on."""
        if not self.build.image:
            yield self.root / self.build.dockerfile
        yield from (self.root / entry.path for entry in self.entries if entry.kind == "file")

    def send(self, out: BinaryIO) -> dict[str, str]:
        """Write the context, with the pinned Dockerfile, to ``out``; give the digests of what was sent."""
        dockerfile = rewritten(self.dockerfile, self.bases, self._with_pin)
        return context.write(self.root, self.entries, out, {context.DOCKERFILE: dockerfile})

    @cached_property
    def bases(self) -> list[Base]:
        """Every place of the Dockerfile that names an image."""
        return bases(self.dockerfile, self.build.arguments, self.platform)

    def pins(self) -> dict[str, str]:
        """The digests by which images are pinned, in the manifest, the Dockerfile or a build argument."""
        pins: dict[str, list[str]] = {}
        for base in self.bases:
            pins.setdefault(base.name, []).append(base.digest or self.build.bases.get(base.image, "none"))
        # One digest, as a rule; where places that name the same image differ, all that they have.
        return {
            name: digests[0] if len(set(digests)) == 1 else " ".join(digests)
            for name, digests in pins.items()
            if set(digests) != {"none"}
        }

    def unpinned(self) -> list[str]:
        """The images that are taken by name alone, so that the registry decides what is built."""
        pinned = self.pins()
        return [name for name in dict.fromkeys(base.name for base in self.bases) if name not in pinned]

    def _recipe(self) -> dict[str, str]:
        """The Dockerfile but for the digests of its images, which are inputs of their own."""
        if self.build.image:
            return {"the image": self.build.image.partition("@")[0]}
        bare = rewritten(self.dockerfile, self.bases, lambda base: base.name if base.is_literal else None)
        return {"the Dockerfile": hashlib.sha256(bare).hexdigest()}

    def _with_pin(self, base: Base) -> str | None:
        digest = self.build.bases.get(base.image)
        return f"{base.image}@{digest}" if digest else None


def look(project: Path, name: str, build: Build, platform: str, exclude: list[Path]) -> Container:
    """Look at the context of ``build`` as it lies on disk.

    ``exclude`` names the folders of the tool's own output, which are never part of a context. Raises PanoramaError
    where the context, the Dockerfile or its .dockerignore is not there or not right.
    """
    if build.image is not None:
        return Container(name, project, [], dockerfile_of(project, build), build, platform)
    root = project / build.context
    if not root.is_dir():
        raise PanoramaError(
            "the folder of the container's build is missing", where=str(root), hint="make it, with a Dockerfile"
        )
    dockerfile = root / build.dockerfile
    entries = context.entries(root, ignore_of(root, dockerfile), exclude)
    return Container(name, root, entries, dockerfile_of(project, build), build, platform)


def dockerfile_of(project: Path, build: Build) -> bytes:
    """The Dockerfile of ``build``; that of an image is one line. Raises PanoramaError where it can't be read."""
    if build.image is not None:
        return f"FROM {build.image}\n".encode()
    return _read(project / build.context / build.dockerfile)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise PanoramaError(
            "there is no such file", where=str(path), hint="a container needs a Dockerfile, or image:"
        ) from None
    except OSError as error:
        raise PanoramaError(f"can't be read: {error.strerror}", where=str(path)) from None


def ignore_of(root: Path, dockerfile: Path) -> Ignore:
    """The ignore file of a Dockerfile: its own, ``NAME.dockerignore``, before the context's, as BuildKit has it.

    Raises PanoramaError where it can't be read or has a pattern that Docker refuses.
    """
    own = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    path = own if own.exists() else root / ".dockerignore"
    if not path.exists():
        return Ignore.parse("")
    return Ignore.parse(_read(path).decode("utf-8", "surrogateescape"), where=str(path))
