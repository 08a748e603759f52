"""What a run tells: a line for each task that did something, and one at the end for the rest."""

from __future__ import annotations

from typing import Any

from doit import Globals
from doit.exceptions import BaseFail, TaskFailed, UnmetDependency
from doit.reporter import ConsoleReporter

WIDTH = 10
TRACELESS = "traceless"
"""The mark of a task that only tells: not even doit's database remembers it."""


class Reporter(ConsoleReporter):  # type: ignore[misc]
    """doit's console reporter, with what came of each task in place of its start."""

    desc = "panorama-build: what each task did, and why"

    def __init__(self, outstream: Any, options: dict[str, Any]) -> None:
        super().__init__(outstream, options)
        self.current = 0
        self.done = 0

    def execute_task(self, task: Any) -> None:
        """Say nothing yet."""

    def add_success(self, task: Any) -> None:
        """A line with the task's outcome."""
        if not task.actions:
            return
        if task.meta and TRACELESS in task.meta:
            Globals.dep_manager.remove_success(task)
            return
        verb, detail = task.values.get("verb", "done"), task.values.get("detail", "")
        if verb:
            self.done += 1
            self._line(verb, task.name, detail)

    def skip_uptodate(self, task: Any) -> None:
        """Count it."""
        if task.actions:
            self.current += 1

    def add_failure(self, task: Any, fail: BaseFail) -> None:
        """A line with what is wrong; a traceback only where the fault is this program's."""
        if not task.actions:
            return
        self.failures.append({"task": task, "exception": fail})
        if isinstance(fail, UnmetDependency):
            self._line("skipped", task.name, f"needs {fail.message}")
        elif isinstance(fail, TaskFailed):
            self._line("failed", task.name, fail.message)
        else:
            self._line("failed", task.name, fail.get_msg())

    def complete_run(self) -> None:
        """The account of the whole run."""
        for message in self.runtime_errors:
            self.write(f"{message}\n")
        parts = [f"{self.done} done"] if self.done else []
        parts += [f"{len(self.failures)} failed"] if self.failures else []
        parts += [f"{self.current} up to date"] if self.current else []
        nothing = "nothing to do: " if self.current and not self.done and not self.failures else ""
        if parts:
            self.write(f"{nothing}{', '.join(parts)}\n")

    def _line(self, verb: str, name: str, detail: str) -> None:
        self.write(f"{verb:{WIDTH}} {name}{f'  {detail}' if detail else ''}\n")
        self.outstream.flush()
