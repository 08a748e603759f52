"""The images that a Dockerfile builds on or copies from, and the same Dockerfile with their digests in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from panorama_build.containers.dockerfile import Instruction, instructions

_VARIABLE = re.compile(r"\\(?P<literal>.)|\$(?:(?P<name>\w+)|\{(?P<braced>\w+)(?:(?P<sign>:?[-+])(?P<word>[^}]*))?\})")
_SOURCES = {
    "ADD": re.compile(r"--from=(.+)"),
    "COPY": re.compile(r"--from=(.+)"),
    "RUN": re.compile(r"--mount=(?:.*,)?from=([^,]+)"),
}


@dataclass(frozen=True)
class Base:
    """An image as one place of a Dockerfile names it, from offset ``start`` to ``end``: ``image`` has all variables
    resolved, ``is_literal`` tells whether the text has none."""

    image: str
    start: int
    end: int
    is_literal: bool

    @property
    def name(self) -> str:
        """The image without its digest."""
        return self.image.partition("@")[0]

    @property
    def digest(self) -> str:
        """The digest that the Dockerfile or a build argument names already, ``sha256:<hex>``, or nothing."""
        return self.image.partition("@")[2]


def bases(dockerfile: bytes, arguments: Mapping[str, str], platform: str) -> list[Base]:
    """Every place of a Dockerfile that names an image: in FROM, ``COPY --from`` and ``RUN --mount=from``.

    ``arguments`` are the build arguments. Left out are ``scratch``, earlier stages, and what depends on variables that
    the engine alone knows.
    """
    variables, stages, found = _automatic(platform), list[str](), list[Base]()
    for each in instructions(_text(dockerfile)):
        if each.word == "ARG" and not stages:
            _declare(each, variables, arguments)
        elif each.word == "FROM":
            words = [(word, at) for word, at in each.words() if not word.startswith("--")]
            found += [base for word, at in words[:1] if (base := _named(word, at, variables, stages))]
            stages.append(words[2][0].lower() if len(words) == 3 and words[1][0].upper() == "AS" else "")
        else:
            found += [base for word, at in _from_flags(each) if (base := _copied(word, at, stages))]
    return found


def rewritten(dockerfile: bytes, found: list[Base], image: Callable[[Base], str | None]) -> bytes:
    """The Dockerfile with what ``image`` gives in the place of each name; None leaves it as it is."""
    text, done, parts = _text(dockerfile), 0, list[str]()
    for base in found:
        if (other := image(base)) is not None:
            parts += [text[done : base.start], other]
            done = base.end
    return "".join([*parts, text[done:]]).encode("utf-8", "surrogateescape")


def _text(dockerfile: bytes) -> str:
    return dockerfile.decode("utf-8", "surrogateescape")


def _automatic(platform: str) -> dict[str, str]:
    """What BuildKit sets by itself, as far as it depends on the target alone."""
    system, architecture, variant = [*platform.split("/"), "", ""][:3]
    return {
        "TARGETPLATFORM": platform,
        "TARGETOS": system,
        "TARGETARCH": architecture,
        "TARGETVARIANT": variant,
    }


def _declare(each: Instruction, variables: dict[str, str], arguments: Mapping[str, str]) -> None:
    """Take the arguments that an ARG before the first stage declares, with their defaults."""
    for word, _ in each.words():
        name, equals, default = word.partition("=")
        value = arguments.get(name, _expanded(default, variables) if equals else variables.get(name))
        if value is None:
            variables.pop(name, None)
        else:
            variables[name] = value


def _named(word: str, at: int, variables: Mapping[str, str], stages: list[str]) -> Base | None:
    image = _expanded(word, variables)
    if not image or image == "scratch" or image.lower() in stages:
        return None
    return Base(image, at, at + len(word), image == word)


def _copied(word: str, at: int, stages: list[str]) -> Base | None:
    if "$" in word or word.isdigit() or word.lower() in stages or word in ("", "scratch", "context"):
        return None
    return Base(word, at, at + len(word), True)


def _from_flags(each: Instruction) -> Iterator[tuple[str, int]]:
    """What the flags of a COPY, ADD or RUN name as their source, each with its offset."""
    flag = _SOURCES.get(each.word)
    for word, at in each.words() if flag else ():
        if not word.startswith("--"):
            return
        if flag and (match := flag.match(word)):
            yield match[1], at + match.start(1)


def _expanded(word: str, variables: Mapping[str, str]) -> str | None:
    """A word without its quotes and with the values of its variables; None where one has none."""
    unknown = False

    def value(match: re.Match[str]) -> str:
        nonlocal unknown
        if match["literal"]:
            return match["literal"]
        found = variables.get(match["name"] or match["braced"])
        sign = match["sign"] or ""
        is_set = bool(found) if sign.startswith(":") else found is not None
        if sign.endswith("+"):
            return _expanded(match["word"], variables) or "" if is_set else ""
        if sign.endswith("-") and not is_set:
            found = _expanded(match["word"], variables)
        unknown = unknown or found is None
        return found or ""

    expanded = _VARIABLE.sub(value, re.sub(r"[\"']", "", word))
    return None if unknown or "$" in expanded else expanded
