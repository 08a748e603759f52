"""What went wrong, where, and what to do: one line each."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

_LONGEST = 100  # characters that are compared: the time grows with their square


@dataclass(frozen=True, order=True)
class Place:
    """A position in a file that a person edits; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class PanoramaError(Exception):
    """A mistake or a mishap that its reader can do something about.

    ``message`` says what is wrong, ``where`` points at it (a Place or a path), ``hint`` says what to do.
    ``str()`` of it is one line: ``where: message (hint)``.
    """

    def __init__(self, message: str, *, where: Place | str | None = None, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        hint = f" ({self.hint})" if self.hint else ""
        return legible(f"{place}{self.message}{hint}")


def legible(line: str) -> str:
    """A line with what would break it, or would paint the terminal, in escapes."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in line)


class PanoramaErrors(PanoramaError):
    """Several errors found in one go; ``str()`` gives a line each, sorted by place.

    ``warnings`` are what was found odd on the way, for who asks for everything.
    """

    def __init__(self, errors: Iterable[PanoramaError], warnings: Iterable[PanoramaError] = ()) -> None:
        self.errors = in_order(errors)
        self.warnings = in_order(warnings)
        super().__init__(f"{len(self.errors)} errors")

    def __str__(self) -> str:
        return "\n".join(str(error) for error in self.errors)


def count(number: int, noun: str) -> str:
    """How many there are, e.g. ``1 package``, ``0 warnings``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def nearest(word: str, words: Iterable[str]) -> str | None:
    """The one of ``words`` that is most like ``word``, if any is."""
    near = difflib.get_close_matches(word[:_LONGEST], list(words), n=1)
    return near[0] if near else None


def did_you_mean(word: str, words: Iterable[str]) -> str | None:
    """A hint at the one of ``words`` that is most like ``word``, if any is."""
    near = nearest(word, words)
    return f'did you mean "{near}"?' if near else None


def in_order(errors: Iterable[PanoramaError]) -> list[PanoramaError]:
    """Errors sorted by place."""
    return sorted(errors, key=_by_place)


def _by_place(error: PanoramaError) -> tuple[str, int, int]:
    if isinstance(error.where, Place):
        return (error.where.file, error.where.line, error.where.column)
    return (error.where or "", 0, 0)
