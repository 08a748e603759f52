"""A Dockerfile's instructions with their places in the text, as BuildKit and the classic builder read them.

Format: the Dockerfile reference of Docker's documentation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_DIRECTIVE = re.compile(r"#\s*(\w+)\s*=\s*(\S+)")
_HEREDOC = re.compile(r"<<-?([\"']?)([A-Za-z_]\w*)\1")


@dataclass(frozen=True)
class Instruction:
    """One instruction: its ``word`` in capitals, and the ``rest`` of it.

    ``rest`` is as long as in the file, where it begins at offset ``start``: the ends of its lines, and comments between
    them, are blanks. ``line`` counts from 1.
    """

    word: str
    rest: str
    start: int
    line: int

    def words(self) -> Iterator[tuple[str, int]]:
        """The words of the rest, each with its offset in the file."""
        yield from ((match[0], self.start + match.start()) for match in re.finditer(r"\S+", self.rest))


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions of a Dockerfile. The bodies of here-documents are left out."""
    continued = re.compile(re.escape(_escape(text)) + r"[ \t]*\r?\n?\Z")
    gathered, start, first = "", 0, 1
    ends: list[str] = []
    for number, match in enumerate(_LINE.finditer(text), 1):
        line, stripped = match[0], match[0].strip().strip("\ufeff").strip()
        if ends:
            ends = ends[1:] if stripped == ends[0] else ends
        elif not stripped or stripped.startswith("#"):
            gathered += _blank(line) if gathered else ""
        else:
            if not gathered:
                start, first = match.start(), number
            end = continued.search(line)
            gathered += line if end is None else line[: end.start()] + _blank(end[0])
            if end is None:
                yield from _instruction(gathered, start, first)
                ends = _here_documents(gathered)
                gathered = ""
    yield from _instruction(gathered, start, first)


def _escape(text: str) -> str:
    """The character that continues a line: a directive of the first lines may set it."""
    for line in text.lstrip("\ufeff").splitlines():
        directive = _DIRECTIVE.match(line.strip())
        if directive is None:
            break
        if directive[1].lower() == "escape":
            return directive[2]
    return "\\"


def _instruction(text: str, start: int, line: int) -> Iterator[Instruction]:
    if match := re.match(r"[\ufeff\s]*(\S+)\s*(.*?)\s*\Z", text, re.DOTALL):
        yield Instruction(match[1].upper(), match[2], start + match.start(2), line)


def _here_documents(text: str) -> list[str]:
    takes_any = text.strip().upper().startswith(("RUN", "COPY", "ADD"))
    return [end for _, end in _HEREDOC.findall(text)] if takes_any else []


def _blank(text: str) -> str:
    return " " * len(text)
