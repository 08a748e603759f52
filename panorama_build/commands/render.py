"""render: every document, without building anything."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from doit.cmd_base import Command

from panorama_build.errors import PanoramaError, count
from panorama_build.project import Project


class Render(Command):  # type: ignore[misc]
    """Writes all documents of the project."""

    doc_purpose = "write every document without building anything"
    doc_usage = "OUT"
    doc_description = "Writes graphs, overrides, package.json and descriptors to OUT, laid out as an application root."

    def execute(self, opt_values: Any, pos_args: list[str]) -> int:
        """Write them; what is wrong with the application is told, and stops nothing."""
        from panorama_build.render import render  # which no other command needs

        if len(pos_args) != 1:
            raise PanoramaError("render takes one folder", hint=f"{self.bin_name} render {self.doc_usage}")
        project, out = Project.read(Path()), Path(pos_args[0])
        try:
            files = render(project, out)
        except OSError as error:
            raise PanoramaError(f"can't be written: {error.strerror}", where=error.filename or str(out)) from None
        told = [*(f"ERROR: {each}\n" for each in project.wrong), *(f"warning: {each}\n" for each in project.odd)]
        sys.stderr.writelines(told)
        print(f"{count(len(files), 'document')} in {out}")
        return 0
