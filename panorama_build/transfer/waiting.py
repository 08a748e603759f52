"""Patience with a service that works for minutes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

MINUTE = 60.0


@dataclass(frozen=True)
class Patience:
    """How long to wait in all, and between two questions, in seconds: ever longer, from ``first`` to ``longest``."""

    total: float = 60 * MINUTE
    first: float = 1.0
    longest: float = 30.0

    def questions(self) -> Iterator[float]:
        """One turn for each question, with the seconds waited so far; it sleeps in between, and ends in the end."""
        begun, pause = time.monotonic(), self.first
        while (waited := time.monotonic() - begun) <= self.total:
            yield waited
            time.sleep(pause)
            pause = min(pause * 1.5, self.longest)
