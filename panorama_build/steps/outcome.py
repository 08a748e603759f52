"""What comes of a step, and how a person reads it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from panorama_build.store import Artifact

Say = Callable[[str], None]


@dataclass(frozen=True)
class Outcome:
    """What came of a task: a verb, and the rest of the line.

    Verbs are: built, reused, fetched, written, placed, unchanged, published.
    """

    verb: str
    detail: str


NOTHING_TO_SAY = Outcome("", "")
"""Of a task that said everything itself."""


def asset_line(artifact: Artifact, origin: str = "") -> str:
    """An asset by its digest and size, and who has its bytes where they are not here."""
    return f"{artifact.sha256[:12]}, {size(artifact.size)}{f'; from {origin}' if origin else ''}"


def size(count: int) -> str:
    """A number of bytes for people, e.g. 12.3 MB."""
    for unit, power in (("GB", 9), ("MB", 6), ("kB", 3)):
        if count >= 10**power:
            return f"{count / 10**power:.1f} {unit}"
    return f"{count} bytes"
