"""What a run tells: a line for each task that did something, and one at the end for the rest."""

from __future__ import annotations

import sqlite3
from typing import Any

from doit import Globals
from doit.exceptions import BaseFail, TaskFailed, UnmetDependency
from doit.reporter import ConsoleReporter

from panorama_build.interruption import is_asked
from panorama_build.output import tell

WIDTH = 10


class Reporter(ConsoleReporter):  # type: ignore[misc]
    """doit's console reporter, with what came of each task in place of its start."""

    desc = "panorama-build: what each task did, and why"

    def __init__(self, outstream: Any, options: dict[str, Any]) -> None:
        super().__init__(outstream, options)
        self.current = 0
        self.done = 0

    def initialize(self, tasks: Any, selected_tasks: Any) -> None:
        """doit's database is written when all is done: if that fails, the work is done nevertheless."""
        super().initialize(tasks, selected_tasks)
        database = Globals.dep_manager
        close = database.close

        def close_or_tell() -> None:
            try:
                close()
            except sqlite3.Error as error:
                self.write(f"doit's database was not written, so all is looked at again next time: {error}\n")

        database.close = close_or_tell

    def write(self, text: str) -> None:
        """Lines for the reader, if there still is one."""
        tell(self.outstream, text)

    def execute_task(self, task: Any) -> None:
        """Say nothing yet."""

    def add_success(self, task: Any) -> None:
        """A line with the task's outcome."""
        if not task.actions:
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
        nothing = "nothing to do: " if not (self.done or self.failures or is_asked()) else ""
        if parts:
            self.write(f"{nothing}{', '.join(parts)}\n")

    def _line(self, verb: str, name: str, detail: str) -> None:
        self.write(f"{verb:{WIDTH}} {name}{f'  {detail}' if detail else ''}\n")
