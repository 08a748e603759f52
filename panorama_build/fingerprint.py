"""What a task depends on, as digests by name: equal fingerprints mean that nothing has to be made again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass

PIN = "base digest"
"""The name of the input that holds the digests by which base images are pinned."""


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
    verbs = {(False, True): "added", (True, False): "removed", (True, True): "changed"}
    pinned = {(False, True): "pinned", (True, False): "no longer pinned", (True, True): "pinned anew"}
    names = sorted(old.keys() | new.keys())
    return [
        f"{name.removeprefix('./')} {(pinned if name == PIN else verbs)[name in old, name in new]}"
        for name in names
        if old.get(name) != new.get(name)
    ]
