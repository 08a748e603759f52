"""A YAML file as a tree of nodes, or in a line why it is none. Whatever the file holds, this costs little."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import yaml

from panorama_build.errors import PanoramaError, Place

LARGEST = 4 << 20  # bytes; the longest manifest seen has 40 KB
MOST_NODES = 50_000
DEEPEST = 100

_CONFLICT = re.compile("<{7} |>{7} |={7}$")
_LOADER = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def text_of(path: Path, name: str) -> str:
    """The text of the file ``path``, which complaints call ``name``. Raises PanoramaError."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise PanoramaError("is no file", where=name)
        if status.st_size > LARGEST:
            raise PanoramaError("the file is larger than 4 MiB", where=name, hint="a manifest has some hundred lines")
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise PanoramaError("there is no such file", where=name, hint="panorama-build init DIR makes one") from None
    except UnicodeDecodeError as error:
        raise PanoramaError(f"byte {error.start} is not UTF-8", where=name, hint="is this a text file?") from None
    except OSError as error:
        raise PanoramaError(f"can't be read: {error.strerror}", where=name) from None


def tree_of(text: str, name: str) -> yaml.Node:
    """The root of a YAML text. Raises PanoramaError."""
    try:
        _measure(text, name)
        root = yaml.compose(text, _LOADER)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, text, name) from None
    except yaml.YAMLError as error:
        raise PanoramaError(f"not a YAML text: {str(error).splitlines()[0]}", where=name) from None
    if root is None:
        raise PanoramaError("the file is empty", where=name, hint="the least it needs is `application: NAME`")
    return root


def _measure(text: str, name: str) -> None:
    """Refuse what a tree would take too much memory for, or a stack too deep: libyaml's own overflows at some depth."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, _LOADER)):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST or count > 2 * MOST_NODES:  # a collection has two events
            mark = event.start_mark
            where = Place(name, mark.line + 1, mark.column + 1) if mark else name
            if depth > DEEPEST:
                raise PanoramaError("the nesting is too deep", where=where, hint=f"at most {DEEPEST} levels")
            raise PanoramaError("the file holds too much", where=where, hint=f"at most {MOST_NODES:,} values")


def _syntax_error(error: yaml.MarkedYAMLError, text: str, name: str) -> PanoramaError:
    """The likeliest cause: what a merge left, a tab, or else what the YAML parser says."""
    lines = text.splitlines()
    marker = next((number for number, line in enumerate(lines) if _CONFLICT.match(line)), None)
    if marker is not None:
        return PanoramaError("a merge conflict is left in the file", where=Place(name, marker + 1, 1))
    mark = error.problem_mark or error.context_mark
    if mark is None:
        return PanoramaError(str(error.problem), where=name, hint="YAML syntax")
    line = lines[mark.line] if mark.line < len(lines) else ""
    where = Place(name, mark.line + 1, mark.column + 1)
    if "\t" in line[: len(line) - len(line.lstrip())]:
        return PanoramaError("a tab is used for indentation, where YAML takes spaces alone", where=where)
    message = ", ".join(part for part in (error.context, error.problem) if part)
    return PanoramaError(message, where=where, hint="YAML syntax")
