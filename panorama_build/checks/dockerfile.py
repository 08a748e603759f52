"""What a Dockerfile brings into an image out of its context, as far as the text alone tells."""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass

from panorama_build.containers.dockerfile import instructions

_ARCHIVE = re.compile(r"\.(tar(\.\w+)?|tgz|tbz2?|txz)$")
_ODD = re.compile(r"[$\\\[]|\*\*|^<<|^[\"']")  # variables, rare patterns, here-documents, quotes
_TELLING = ("--chown", "--chmod", "--link")  # flags that leave the files what they are


@dataclass(frozen=True)
class Run:
    """A command: what it leaves, nobody knows."""

    text: str


@dataclass(frozen=True)
class Copy:
    """A COPY or ADD. ``sources`` are relative to the context, and None where they are not of it or can't be told.

    ``folder`` tells that the destination, an absolute path, is written as a directory.
    """

    text: str
    sources: tuple[str, ...] | None
    destination: str
    folder: bool


Step = Run | Copy


def steps(text: str, target: str | None = None) -> list[Step]:
    """The commands and copies that make the stage ``target``, or the last, in their order.

    Empty where there is no such stage.
    """
    stages: dict[str, list[Step]] = {}
    stage: list[Step] = []
    folder: str | None = "/"
    for instruction in instructions(text):
        word, rest = instruction.word, re.sub(r"\s+", " ", instruction.rest)
        if word == "FROM":
            base, name = _from(rest)
            stage = list(stages.get(base.lower(), ()))
            stages[name.lower()] = stage
            folder = None  # that of the base image
        elif word == "WORKDIR":
            folder = _joined(folder, rest)
        elif word == "RUN":
            stage.append(Run(rest))
        elif word in ("COPY", "ADD"):
            stage.append(_copy(word, rest, folder))
    return stages.get(target.lower(), []) if target else stage


def _from(rest: str) -> tuple[str, str]:
    """The image or stage that a stage builds on, and the stage's own name."""
    words = [word for word in rest.split() if not word.startswith("--")]
    named = len(words) == 3 and words[1].upper() == "AS"
    return (words[0] if words else ""), (words[2] if named else "")


def _joined(folder: str | None, path: str) -> str | None:
    """An absolute path, or None where it depends on what is not known."""
    if "$" in path or (folder is None and not path.startswith("/")):
        return None
    return posixpath.normpath(posixpath.join(folder or "/", path))


def _copy(word: str, rest: str, folder: str | None) -> Copy:
    flags, paths = _words(rest)
    *sources, last = paths or [""]
    destination = _joined(folder, last)
    known = destination is not None and all(flag.partition("=")[0] in _TELLING for flag in flags)
    return Copy(
        text=f"{word} {rest}",
        sources=tuple(map(_source, sources)) if known and _of_context(word, sources) else None,
        destination=destination or "/",
        folder=len(sources) > 1 or posixpath.basename(last) in ("", ".", ".."),
    )


def _words(rest: str) -> tuple[list[str], list[str]]:
    """The flags of an instruction, and its paths in either form."""
    flags = re.match(r"(--\S+\s+)*", rest)
    paths = rest[flags.end() if flags else 0 :]
    try:
        listed = json.loads(paths) if paths.startswith("[") else None
    except ValueError:
        listed = None
    if isinstance(listed, list) and all(isinstance(path, str) for path in listed):
        return (flags[0].split() if flags else []), listed
    return (flags[0].split() if flags else []), paths.split()


def _of_context(word: str, sources: list[str]) -> bool:
    odd = [path for path in sources if _ODD.search(path)]
    brought = [path for path in sources if "://" in path or path.startswith("git@") or _ARCHIVE.search(path)]
    return not odd and not (word == "ADD" and brought)


def _source(path: str) -> str:
    """Relative to the context, of which no path leads out."""
    return posixpath.normpath(posixpath.join("/", path)).lstrip("/") or "."
