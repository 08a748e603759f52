"""import: a project made of an application root."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from doit.cmd_base import Command

from panorama_build.commands.init import lay_out, template
from panorama_build.errors import PanoramaError


class Import(Command):  # type: ignore[misc]
    """Makes a project of an application root of panorama-cli."""

    doc_purpose = "make a project of an application of panorama-cli"
    doc_usage = "SRC DEST"
    doc_description = """Writes a project to DEST that says what SRC says, with its graphs/, packages/ and assets/.
SRC stays as it is. What `render` makes of the project equals what was there."""

    def execute(self, opt_values: Any, pos_args: list[str]) -> int:
        """Make the project; tell what was found, what could not be known and what to do with it."""
        from panorama_build.importing.importer import import_application  # which no other command needs

        if len(pos_args) != 2:
            raise PanoramaError("import takes two folders", hint=f"{self.bin_name} import {self.doc_usage}")
        source, target = map(Path, pos_args)
        try:
            made = import_application(source, target)
            lay_out(target, {path: template(path) for path in ("dodo.py", ".gitignore")})
        except OSError as error:
            where = error.filename or str(target)
            raise PanoramaError(f"can't be read or written: {error.strerror or error}", where=where) from None
        told: list[tuple[str, Sequence[str | PanoramaError]]] = [
            ("found", [made.found]),
            ("not known", made.unknown),
            ("wrong", made.wrong),
            ("odd", made.odd),
            ("next", list(_after_import(target))),
        ]
        for title, lines in told:
            if lines:
                print("\n  ".join([title, *map(str, lines)]))
        return 0


def _after_import(target: Path) -> Iterator[str]:
    if not target.samefile("."):
        yield f"cd {shlex.quote(str(target))}"
    yield "panorama-build render OUT  # the documents as they were"
    yield "doit list                  # what there is to do"
    yield "doit                       # build it"
