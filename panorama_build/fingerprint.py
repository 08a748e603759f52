"""What a task depends on, as digests by name: equal fingerprints mean that nothing has to be made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Fingerprint:
    """A task's inputs: a name that a person understands -> a short text that changes whenever the input does.

    Never in it: times, owners, umask, absolute paths, the account, other parts of the manifest, own output.
    """

    inputs: Mapping[str, str]

    @property
    def digest(self) -> str:
        """The sha256 of all inputs, in hex."""
        text = json.dumps(dict(sorted(self.inputs.items())), separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def reasons(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """What differs between two tasks' inputs, a line each, e.g. "src/app.py changed"."""
    names = sorted(old.keys() | new.keys())
    return [
        f"{name.removeprefix('./')} {_verb(name, name in old, name in new)}"
        for name in names
        if old.get(name) != new.get(name)
    ]


def _verb(name: str, before: bool, after: bool) -> str:
    if before and after:
        return "pinned anew" if name.startswith("base ") else "changed"
    if name.startswith("base "):
        return "pinned" if after else "no longer pinned"
    return "added" if after else "removed"
