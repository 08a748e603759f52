""".dockerignore: which paths of a directory stay out of a build context, by Docker's rules and not by git's.

The rules are those of moby/patternmatcher as BuildKit's walk applies them. Where they look odd, they are kept: a build
must leave out what ``docker build`` leaves out.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass

from panorama_build.errors import PanoramaError, Place

_SPECIAL = frozenset("*?[]\\")


@dataclass(frozen=True)
class Verdict:
    """What the patterns say of one path: the answer, and which of them matched it or a directory above it."""

    ignored: bool = False
    matched: tuple[bool, ...] = ()


ROOT = Verdict()
"""The verdict on the context's root, which no pattern can ignore."""


@dataclass(frozen=True)
class _Pattern:
    regex: re.Pattern[str]
    includes: bool
    literal_parts: tuple[str, ...]
    """The leading directories that any match must have."""

    def may_match_below(self, directory: str) -> bool:
        return all(mine == other for mine, other in zip(self.literal_parts, directory.split("/"), strict=False))


@dataclass(frozen=True)
class Ignore:
    """The patterns of one .dockerignore file; without any, nothing is ignored."""

    patterns: tuple[_Pattern, ...] = ()

    @classmethod
    def parse(cls, text: str, where: str = ".dockerignore") -> Ignore:
        """The patterns in ``text``, the contents of the file called ``where``.

        Raises PanoramaError at ``where:line:1`` for a pattern that Docker refuses, and for the few that its matcher
        takes for something else than it says (see ``_set`` and ``_escaped``).
        """
        return cls(tuple(_pattern(line, Place(where, number, 1)) for number, line in _lines(text)))

    def ignores(self, path: str) -> bool:
        """Whether ``path`` (POSIX, relative to the context's root) is left out."""
        verdict, prefix = ROOT, ""
        for part in path.split("/"):
            prefix = posixpath.join(prefix, part)
            verdict = self.judge(prefix, verdict)
        return verdict.ignored

    def judge(self, path: str, parent: Verdict) -> Verdict:
        """The verdict on ``path``, given that on the directory it is in: what a walk asks instead of ``ignores``.

        A pattern is tried only where it could change the answer, so one that was not tried on a directory does not
        count as matching below it. Hence ``a/b`` and then ``!a`` leave ``a/b`` out, as in BuildKit.
        """
        ignored, matched = False, []
        for pattern, above in zip(self.patterns, parent.matched or (False,) * len(self.patterns), strict=True):
            match = above or (pattern.includes == ignored and pattern.regex.fullmatch(path) is not None)
            ignored = not pattern.includes if match else ignored
            matched.append(match)
        return Verdict(ignored, tuple(matched))

    def prunes(self, directory: str, verdict: Verdict) -> bool:
        """Whether a walk may skip ``directory``: it is ignored, and no ``!`` pattern could bring back what is below."""
        return verdict.ignored and not any(p.includes and p.may_match_below(directory) for p in self.patterns)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        # Only a "#" in the first column begins a comment.
        if line.strip() and not line.startswith("#"):
            yield number, line.strip()


def _pattern(line: str, place: Place) -> _Pattern:
    glob, includes = _sense(line)
    if includes and not glob:
        raise PanoramaError('"!" needs a pattern after it', where=place)
    try:
        return _Pattern(re.compile(_regex(glob), re.DOTALL), includes, _literal_parts(glob))
    except (ValueError, re.error) as error:
        raise PanoramaError(f'malformed pattern "{line}": {error}', where=place) from error


def _sense(line: str) -> tuple[str, bool]:
    """The cleaned pattern of a line, and whether it includes what others ignore."""
    bang = "!" if line.startswith("!") else ""
    # Docker looks for the "!" again after cleaning, so that "/!name" includes.
    glob = _cleaned(bang + _cleaned(line.removeprefix("!").strip()))
    return glob.removeprefix("!"), glob.startswith("!")


def _cleaned(glob: str) -> str:
    """The shortest equal path, as Go's filepath.Clean gives it, without a leading slash."""
    if not glob:
        return ""
    # normpath alone would keep two leading slashes.
    path = posixpath.normpath(re.sub("^/+", "/", glob))
    return path[1:] if len(path) > 1 and path[0] == "/" else path


def _literal_parts(glob: str) -> tuple[str, ...]:
    parts = glob.split("/")
    count = next((i for i, part in enumerate(parts) if _SPECIAL.intersection(part)), len(parts))
    return tuple(parts[:count])


def _regex(glob: str) -> str:
    if not _SPECIAL.intersection(glob):
        return re.escape(glob)
    if glob.startswith("**") and not _SPECIAL.intersection(glob[2:]):
        # "**/name" is a whole name at any depth, but "**name" any path that ends so.
        return f"(.*/)?{re.escape(glob[3:])}" if glob.startswith("**/") else f".*{re.escape(glob[2:])}"
    if glob.endswith("**") and not _SPECIAL.intersection(glob[:-2]):
        return f"{re.escape(glob[:-2])}.*"
    return "".join(_pieces(glob))


def _pieces(glob: str) -> Iterator[str]:
    position = 0
    while position < len(glob):
        piece, position = _piece(glob, position)
        yield piece


def _piece(glob: str, start: int) -> tuple[str, int]:
    """The regular expression for what stands at ``start``, and where the rest begins."""
    if glob.startswith("**", start):
        end = start + 2 + glob.startswith("/", start + 2)
        return (".*" if end == len(glob) else "(.*/)?"), end
    if glob[start] == "[":
        return _set(glob, start)
    if glob[start] == "\\":
        return _escaped(glob, start)
    # A "^" beside a wildcard is an anchor in Docker's regular expression.
    return {"*": "[^/]*", "?": "[^/]", "^": "^"}.get(glob[start], re.escape(glob[start])), start + 1


def _set(glob: str, start: int) -> tuple[str, int]:
    """A set such as ``[a-z]`` or ``[^a]``; a negated one matches "/" too, and "!" is no negation."""
    position = start + 1
    negation = "^" if glob.startswith("^", position) else ""
    position += len(negation)
    ranges: list[str] = []
    while not (ranges and glob.startswith("]", position)):
        low, position = _member(glob, position)
        if glob.startswith("-", position):
            high, position = _member(glob, position + 1)
            low = f"{low}-{high}"
        ranges.append(low)
    return f"[{negation}{''.join(ranges)}]", position + 1


def _member(glob: str, position: int) -> tuple[str, int]:
    if position >= len(glob) - 1:
        raise ValueError('"[" without its "]"')
    if glob[position] == "\\":
        return _escaped(glob, position)
    if glob[position] in "-]":
        raise ValueError(f'"{glob[position]}" out of place in "[...]"')
    if glob[position] in "*?" or glob.startswith("[:", position):
        raise ValueError(f'Docker misreads "{glob[position]}" in "[...]", write "\\{glob[position]}"')
    return re.escape(glob[position]), position + 1


def _escaped(glob: str, position: int) -> tuple[str, int]:
    escaped = glob[position + 1 : position + 2]
    if not escaped:
        raise ValueError('nothing follows the last "\\"')
    if escaped.isalnum():
        # To Docker's matcher "\d" is any digit and "\b" the border of a word: surely not what the line means.
        raise ValueError(f'Docker misreads "\\{escaped}", write "{escaped}"; directories are separated by "/"')
    return re.escape(escaped), position + 2
