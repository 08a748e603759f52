"""What a command line of doit, or of this program, asks for: a run that changes something, or less."""

from __future__ import annotations

from collections.abc import Sequence

_LISTING = frozenset({"list", "info", "help", "tabcompletion"})
_LOOKING = frozenset({"check", "plan", "why", "status"})
_VALUED = frozenset({"-f", "--file", "-d", "--dir", "-n", "-v", "-r", "-o", "-P"})


def lists(arguments: Sequence[str]) -> bool:
    """Whether a command of doit tells something of the tasks, and runs none."""
    return next(iter(_words(arguments)), "run") in _LISTING


def looks(arguments: Sequence[str]) -> bool:
    """Whether only tasks run that change nothing."""
    words = _words(arguments)
    named = words[1:] if words[:1] == ["run"] else words
    if named[:1] in (["plan"], ["why"]):
        return True  # what follows are the tasks to tell of
    tasks = {word.partition(":")[0] for word in named}
    return bool(tasks) and tasks <= _LOOKING


def _words(arguments: Sequence[str]) -> list[str]:
    """Command and tasks, without options and their values and without variables."""
    pairs = zip(["", *arguments], arguments, strict=False)
    return [word for before, word in pairs if word[:1] != "-" and "=" not in word and before not in _VALUED]
