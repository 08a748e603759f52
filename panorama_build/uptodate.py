"""What doit asks before it starts a task: did its files or its outputs change? Content decides, and nothing else.

doit keeps the state of a dependency when a task has run. Here that is its content when the task was *checked*, so an
edit made while the task runs is seen by the next run.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from panorama_build.digests import Digests


class Notes:
    """The content of files as the first task that needed them in this run saw it."""

    def __init__(self, digests: Digests) -> None:
        self.digests = digests
        self._seen: dict[str, str] = {}
        self.foreseen: dict[str, bytes] = {}

    def foresee(self, path: str, content: bytes) -> None:
        """From now on, take a file for one with this content: what a run that is but planned would leave."""
        self._seen[path] = hashlib.sha256(content).hexdigest()
        self.foreseen[path] = content

    def taken(self, path: str) -> str:
        """The digest of a file's content as first seen; empty, equal to none, where it can't be read."""
        if path not in self._seen:
            try:
                self._seen[path] = self.digests.of(path)
            except OSError:
                return ""
        return self._seen[path]


def content_checker(notes: Notes) -> type:
    """doit's checker of file dependencies (see doit.dependency.FileChangedChecker), by content."""

    class ContentChecker:
        CheckerError = OSError

        def exists(self, file_path: str) -> bool:
            return os.path.exists(file_path)

        def info(self, file_path: str) -> None:
            """Nothing, and no error: of a file that is missing, the step knows more to say, or another way."""

        def check_modified(self, file_path: str, _stat: None, state: str) -> bool:
            return notes.taken(file_path) != state

        def get_state(self, dep: str, _state: str | None) -> str:
            return notes.taken(dep)

    return ContentChecker


class Outputs:
    """An up-to-date check of doit: whether a task's outputs hold what the task left in them.

    ``paths`` gives them once the task has run; their digests are kept among the task's values.
    """

    def __init__(self, notes: Notes, paths: Callable[[], Iterable[Path]]) -> None:
        self.notes = notes
        self.paths = paths

    def __call__(self, task: Any, values: dict[str, Any]) -> bool:
        """Whether the outputs are there and right. Takes note of the task's dependencies, as this is asked first."""
        for dependency in task.file_dep:
            self.notes.taken(dependency)
        task.value_savers.append(self._digests)
        outputs: dict[str, str] | None = values.get("outputs")
        return outputs is not None and all(self._is(path, digest) for path, digest in outputs.items())

    def _digests(self) -> dict[str, Any]:
        return {"outputs": {str(path): self.notes.digests.of(path) for path in self.paths()}}

    def _is(self, path: str, digest: str) -> bool:
        try:
            return self.notes.digests.of(path) == digest
        except OSError:
            return False

    def __repr__(self) -> str:
        return "Outputs(unchanged)"
