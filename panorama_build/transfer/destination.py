"""What publishing needs of the place it publishes to.

Destination     the whole of it: a folder, a bucket, the Panorama service
Entry           one patch version there: its files, and what there is to do besides
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol, TypeVar

Say = Callable[[str], None]
Files = TypeVar("Files")


class Entry(Protocol):
    """One patch version at a destination, as the destination was when it was asked for the entry.

    Keys are those of ``publication``. All methods raise PanoramaError on any mishap.
    """

    @property
    def changes(self) -> tuple[str, ...]:
        """What there is to do besides files, in words; empty where nothing is."""

    def holds(self, key: str, sha256: str, size: int, path: Path) -> bool:
        """Whether ``key`` is there with this size and these bytes; ``path`` is the local file with the same."""

    def refresh(self, key: str) -> bool:
        """Have ``key`` count as used just now, so that nobody collects it; False when it is not there."""

    def open(self, say: Say) -> None:
        """Make a place for the files, before the first of them is put."""

    def put(self, key: str, path: Path, sha256: str, size: int) -> bool:
        """Bring the file there, whole or not at all; False when it was there already.

        Other bytes under ``key`` are an error and stay as they are; so is a local file without this ``sha256``.
        """

    def close(self, say: Say) -> None:
        """Bring what was put into force, after the last file."""


class Destination(Protocol):
    """A place to publish to."""

    @property
    def url(self) -> str:
        """What tells this place from any other, for receipts. It holds no credentials."""

    def still_holds(self, sizes: Mapping[str, int]) -> bool:
        """Whether keys that were there once are there still, as far as can be seen without a request."""

    def entry(self, package: str, version: str, patch: str, former: str | None = None) -> Entry:
        """The entry of a patch version; reads only. Raises PanoramaError where the place can't answer.

        ``former`` is the patch version of the same version that was published from here before.
        """


class Plain:
    """A destination of files alone: what lies there is published, with no further word."""

    changes: tuple[str, ...] = ()

    def entry(self: Files, package: str, version: str, patch: str, former: str | None = None) -> Files:
        """Itself, for every patch version."""
        return self

    def open(self, say: Say) -> None:
        """Nothing to do."""

    def close(self, say: Say) -> None:
        """Nothing to do."""
