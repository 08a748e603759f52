"""Patience with a service that works for minutes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from panorama_build import interruption

MINUTE = 60.0


@dataclass(frozen=True)
class Patience:
    """How long to wait in all, and between two questions, in seconds: ever longer, from ``first`` to ``longest``."""

    total: float = 60 * MINUTE
    first: float = 1.0
    longest: float = 30.0

    def questions(self) -> Iterator[float]:
        """A turn for each question, one at least, with the seconds waited so far; it sleeps in between."""
        begun, pause, waited = time.monotonic(), self.first, 0.0
        while True:
            yield waited
            waited = time.monotonic() - begun + pause
            if waited > self.total:
                return
            interruption.pause(pause)
            pause = min(pause * 1.5, self.longest)
