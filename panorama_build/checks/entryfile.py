"""The file that an appliance starts in a container, looked for where the Dockerfile takes it from.

Only what is certain is told: a file that another stage, a command or the base image may bring is nobody's mistake.
"""

from __future__ import annotations

import difflib
import os
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from panorama_build.checks.dockerfile import Copy, Run, steps
from panorama_build.containers.dockerignore import Ignore

# Commands that put nothing among an application's own files.
_HARMLESS = re.compile(
    r"(\w+=\S*\s+)*"
    r"(apt|apt-get|apk|yum|dnf|conda|pip[\d.]*|python[\d.]* -m pip|mkdir|rm|chmod|chown|ldconfig|cd|set|true)\b"
)


@dataclass(frozen=True)
class Context:
    """A build context as a lookup needs it: its folder, and what is left out of it."""

    root: Path
    ignore: Ignore

    def has(self, path: str) -> bool:
        """Whether the context has a member of this name."""
        return os.path.lexists(self.root / path) and not self.left_out(path)

    def left_out(self, path: str) -> bool:
        """Whether .dockerignore leaves a path out."""
        return path != "." and self.ignore.ignores(path)


def missing(entry: str, dockerfile: str, target: str | None, context: Context) -> tuple[str, str | None] | None:
    """What is wrong where ``entry``, a path in the image, can't be of the context: a message, and what to do."""
    path = posixpath.normpath(posixpath.join("/", entry))
    made = steps(dockerfile, target)
    copies = [step for step in made if isinstance(step, Copy)]
    if any(_may_make(step.text, path) for step in made if isinstance(step, Run)):
        return None
    if any(each.sources is None and _below(path, each.destination) is not None for each in copies):
        return None
    wanted = [(each, source) for each in copies for source in _wanted(each, path, context)]
    if any(context.has(source) for _, source in wanted):
        return None
    if wanted:
        copy, source = wanted[-1]
        return _absent(entry, copy, source, context)
    return _elsewhere(entry, copies, context)


def _may_make(command: str, path: str) -> bool:
    """Whether a command may make the file: it names it, or is none of which one knows what it does."""
    command = re.sub(r"^(--\S+\s+)*", "", command)
    parts = [part.strip() for part in re.split(r"&&|\|\||[;|]", command)]
    return posixpath.basename(path) in command or not all(_HARMLESS.match(part) for part in parts if part)


def _below(path: str, folder: str) -> str | None:
    """``path`` relative to ``folder``; None where it is not in it."""
    if path == folder:
        return "."
    base = folder.rstrip("/") + "/"
    return path[len(base) :] if path.startswith(base) else None


def _wanted(copy: Copy, path: str, context: Context) -> Iterator[str]:
    """The members of the context that a copy would make ``path`` of, whether they are there or not."""
    rest = _below(path, copy.destination)
    for source in _matches(copy.sources or (), context) if rest is not None else ():
        if (context.root / source).is_dir():
            yield posixpath.normpath(posixpath.join(source, rest or "."))
        elif (rest == "." and not copy.folder) or rest == posixpath.basename(source):
            yield source
        elif not (context.root / source).exists() and "." not in posixpath.basename(source):
            yield posixpath.join(source, rest or ".")  # a folder that is not there


def _matches(sources: tuple[str, ...], context: Context) -> Iterator[str]:
    for source in sources:
        if re.search(r"[*?[]", source):
            yield from (path.relative_to(context.root).as_posix() for path in sorted(context.root.glob(source)))
        else:
            yield source


def _absent(entry: str, copy: Copy, source: str, context: Context) -> tuple[str, str | None]:
    if context.left_out(source):
        message = f"the container has no {entry}: .dockerignore leaves out {source}"
        return message, "correct .dockerignore, or the entry"
    folder = posixpath.dirname(source)
    beside = os.listdir(context.root / folder) if (context.root / folder).is_dir() else []
    near = difflib.get_close_matches(posixpath.basename(source), sorted(beside), n=1, cutoff=0.8)
    hint = f'did you mean "{posixpath.join(posixpath.dirname(entry), near[0])}"?' if near else f"add {source}"
    return f"the container has no {entry}: {copy.text} finds no {source}", hint


def _elsewhere(entry: str, copies: list[Copy], context: Context) -> tuple[str, str | None] | None:
    """The file lies at another place of the image."""
    name = posixpath.basename(entry)
    for copy in copies:
        other = posixpath.join(copy.destination, name)
        if any(context.has(source) for source in _wanted(copy, other, context)):
            return f"the container has no {entry}: {copy.text} makes it {other}", f'did you mean "{other}"?'
    return None
