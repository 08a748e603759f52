"""A container to build: its context and Dockerfile as they lie on disk, and the fingerprint of all that matters."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from panorama_build.containers import archive, context
from panorama_build.containers.dockerignore import Ignore
from panorama_build.errors import PanoramaError
from panorama_build.fingerprint import PIN, Fingerprint
from panorama_build.model import Build

_BASE = re.compile(rb"(?im)^(\s*FROM\s+(?:--\S+\s+)*[^\s@]+)(?:@(sha256:[0-9a-f]{64}))?")
_PINNED = re.compile(r"([^\s@]+)@(sha256:[0-9a-f]{64})")


@dataclass(frozen=True)
class Container:
    """One container as an engine is asked for it: ``root`` is the context's folder, ``name`` the image's."""

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
        return self.fingerprint_of(context.digest_entries(self.root, self.entries, digest_file, self._extra))

    def fingerprint_of(self, digests: Mapping[str, str]) -> Fingerprint:
        """All that the asset depends on, for a context with these digests."""
        build = self.build
        # No other input's name begins with ./
        inputs = {f"./{path}": digest for path, digest in digests.items() if path != context.DOCKERFILE}
        inputs["the image" if build.image else "the Dockerfile"] = self._unpinned()
        inputs["platform"] = self.platform
        inputs["recipe"] = archive.RECIPE
        inputs |= {f"build argument {name}": _split(value)[0] for name, value in build.arguments.items()}
        inputs |= {name: value for name in ("target", "network") if (value := getattr(build, name))}
        pins = self._pins()
        inputs |= {PIN: " ".join(pins)} if any(pins) else {}
        return Fingerprint(inputs)

    def files(self) -> Iterator[Path]:
        """Every file that the asset depends on."""
        if not self.build.image:
            yield self.root / self.build.dockerfile
        yield from (self.root / entry.path for entry in self.entries if entry.kind == "file")

    def send(self, out: BinaryIO) -> dict[str, str]:
        """Write the context to ``out``; give the digests of what was sent."""
        return context.write(self.root, self.entries, out, self._extra)

    def _unpinned(self) -> str:
        """The digest of the Dockerfile but for its base images' digests, which are an input of their own."""
        return hashlib.sha256(_BASE.sub(rb"\1", self.dockerfile)).hexdigest()

    def _pins(self) -> list[str]:
        """The digests that pin base images, in the Dockerfile and in build arguments; empty where there is none."""
        bases = [(match[2] or b"").decode("ascii") for match in _BASE.finditer(self.dockerfile)]
        return [*bases, *(_split(value)[1] for _, value in sorted(self.build.arguments.items()))]

    @property
    def _extra(self) -> dict[str, bytes]:
        return {context.DOCKERFILE: self.dockerfile}


def _split(value: str) -> tuple[str, str]:
    """A build argument's value, without its digest where it is a pinned image; and that digest."""
    match = _PINNED.fullmatch(value)
    return (match[1], match[2]) if match else (value, "")


def look(project: Path, name: str, build: Build, platform: str, exclude: list[Path]) -> Container:
    """Look at the context of ``build`` as it lies on disk.

    ``exclude`` names the folders of the tool's own output, which are never part of a context. Raises PanoramaError
    where the context, the Dockerfile or its .dockerignore is not there or not right.
    """
    if build.image is not None:
        return Container(name, project, [], f"FROM {build.image}\n".encode(), build, platform)
    root = project / build.context
    if not root.is_dir():
        raise PanoramaError(
            "the folder of the container's build is missing", where=str(root), hint="make it, with a Dockerfile"
        )
    dockerfile = root / build.dockerfile
    return Container(
        name, root, context.entries(root, ignore_of(root, dockerfile), exclude), _read(dockerfile), build, platform
    )


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
