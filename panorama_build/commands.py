"""What ``panorama-build`` knows beyond doit's own commands."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from getopt import GetoptError
from importlib.resources import files
from pathlib import Path
from typing import Any

from doit import cmd_help
from doit.cmd_base import Command
from doit.cmdparse import CmdParseError
from doit.exceptions import InvalidCommand, InvalidDodoFile

from panorama_build import schema
from panorama_build.check import judge
from panorama_build.errors import PanoramaError
from panorama_build.finding import as_json
from panorama_build.project import Project

MARK = "NAME"  # what stands for the application's name in a template's text and path
TEMPLATES = (
    "panorama.yaml",
    "dodo.py",
    ".gitignore",
    "packages/NAME/Dockerfile",
    "packages/NAME/.dockerignore",
    "packages/NAME/src/app.py",
)
WORKFLOW = ".github/workflows/panorama.yml"

ABOUT = """\
panorama-build builds and publishes the AWS Panorama application that panorama.yaml describes.

  panorama-build                everything, locally
  panorama-build TASK...        some tasks, e.g. publish
  panorama-build help COMMAND   more of a command below

It is doit (https://pydoit.org) with the tasks of that file; beside a dodo.py, `doit` alone does the same.
"""


def plain(command: Any) -> Any:
    """A command that tells what is no fault of the program in one line."""

    class Plain(command):  # type: ignore[misc]
        name = command.get_name()

        def parse_execute(self, in_args: list[str]) -> Any:
            try:
                return super().parse_execute(in_args)
            except InvalidDodoFile as error:
                if "--json" not in in_args or not isinstance(error.__cause__, PanoramaError):
                    raise
                print(as_json([error.__cause__], []))
                return 3
            except PanoramaError as error:
                raise InvalidCommand(str(error)) from None
            except CmdParseError as error:
                if not isinstance(error.__context__, GetoptError):
                    raise
                raise InvalidCommand(f"{error.__context__} ({self.bin_name} help {self.name})") from None

    return Plain


class Help(cmd_help.Help):  # type: ignore[misc]
    """doit's help, which says whose it is."""

    name = "help"

    def print_usage(self, cmds: Mapping[str, Any]) -> None:
        """List the commands."""
        print(ABOUT)
        for name in sorted(cmds):
            print(f"  {self.bin_name} {name:14} {cmds[name].doc_purpose}")


# -- init


class Init(Command):  # type: ignore[misc]
    """Lays out a new application."""

    doc_purpose = "lay out a new application"
    doc_usage = "DIR [--name NAME] [--ci]"
    doc_description = "Makes a small application in DIR, to build as it stands. What is there already stays as it is."
    cmd_options = (
        {"name": "name", "long": "name", "type": str, "default": "", "help": "the application; default: DIR's name"},
        {"name": "ci", "long": "ci", "type": bool, "default": False, "help": "add a GitHub workflow that publishes"},
    )

    def execute(self, opt_values: Any, pos_args: list[str]) -> int:
        """Make the application, and tell what to do with it."""
        options, more = self.cmdparser.parse_only(pos_args[1:], opt_values)  # doit's parser ends at DIR
        if not pos_args or more:
            raise PanoramaError("init takes one folder", hint=f"{self.bin_name} init {self.doc_usage}")
        folder = Path(pos_args[0])
        try:
            made = contents(options["name"] or name_of(folder), options["ci"])
            lay_out(folder, made)
            schema.keep(folder)
        except OSError as error:
            raise PanoramaError(f"can't be written: {error.strerror}", where=error.filename or str(folder)) from None
        print("\n".join(_account(folder, made)))
        return 0


class Schema(Command):  # type: ignore[misc]
    """Prints the JSON Schema of panorama.yaml."""

    doc_purpose = "print the JSON Schema of panorama.yaml, for editors"
    doc_usage = ""
    doc_description = f"""Each project has it as {schema.PLACE}, where the first line of a panorama.yaml points:
# yaml-language-server: $schema={schema.PLACE}"""

    def execute(self, opt_values: Any, pos_args: list[str]) -> int:
        """Print it."""
        if pos_args:
            raise PanoramaError("schema takes no arguments", hint=f"{self.bin_name} schema > FILE")
        print(schema.text(), end="")
        return 0


def name_of(folder: Path) -> str:
    """A name after that of a folder, with what a name can't have replaced."""
    name = Path(os.path.abspath(folder)).name
    return re.sub(r"[^a-zA-Z0-9_-]+", "_", name).strip("_-") or name


def contents(name: str, workflow: bool) -> dict[str, str]:
    """The files of a new application: their paths and texts."""
    if not re.fullmatch(r"[a-zA-Z0-9_][a-zA-Z0-9_-]{0,127}", name):
        hint = "--name takes a letter from a to z, digit or _, then these and -, 128 at most"
        raise PanoramaError(f"{json.dumps(name, ensure_ascii=False)} can't name an application", hint=hint)
    paths = (*TEMPLATES, WORKFLOW) if workflow else TEMPLATES
    return {path.replace(MARK, name): _template(path).replace(MARK, name) for path in paths}


def _template(path: str) -> str:
    """A template's text. Its files bear no leading dots, with which they would act on the folder they are kept in."""
    kept = "/".join(part.removeprefix(".") for part in path.split("/"))
    return (files("panorama_build.templates") / kept).read_text("utf-8")


def lay_out(folder: Path, texts: Mapping[str, str]) -> None:
    """Write files into a folder, all of them or, where anything is in the way of one, none. Raises OSError."""
    targets = {folder / path: text for path, text in texts.items()}
    if taken := list(_in_the_way(targets)):
        hint = "init overwrites nothing: choose another folder, or move it away"
        raise PanoramaError("already there", where=", ".join(map(str, taken)), hint=hint)
    for path, text in targets.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)


def _in_the_way(targets: Iterable[Path]) -> Iterator[Path]:
    """Files that exist, and what is no folder where one has to be."""
    folders = dict.fromkeys(parent for path in targets for parent in reversed(path.parents))
    yield from (folder for folder in folders if os.path.lexists(folder) and not os.path.isdir(folder))
    yield from (path for path in targets if os.path.lexists(path))


def _account(folder: Path, made: Iterable[str]) -> Iterator[str]:
    yield "made"
    yield from (f"  {folder / path}" for path in made)
    yield "next"
    if not folder.samefile("."):
        yield f"  cd {shlex.quote(str(folder))}"
    yield "  doit list     # what there is to do"
    yield "  doit          # build it; its base image is named in the Dockerfile"
    yield "  doit publish  # put it where others fetch it"


# -- import and render


class Import(Command):  # type: ignore[misc]
    """Makes a project of an application root of panorama-cli."""

    doc_purpose = "make a project of an application of panorama-cli"
    doc_usage = "SRC DEST"
    doc_description = """Writes a project to DEST that says what SRC says, with its graphs/, packages/ and assets/.
SRC stays as it is. What `render` makes of the project equals what was there."""

    def execute(self, opt_values: Any, pos_args: list[str]) -> int:
        """Make the project; tell what was found, what could not be known and what to do with it."""
        from panorama_build.importer import import_application  # which no other command needs

        if len(pos_args) != 2:
            raise PanoramaError("import takes two folders", hint=f"{self.bin_name} import {self.doc_usage}")
        source, target = map(Path, pos_args)
        try:
            made = import_application(source, target)
            lay_out(target, {path: _template(path) for path in ("dodo.py", ".gitignore")})
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
        project, out = Project.load(Path()), Path(pos_args[0])
        try:
            files = render(project, out)
        except OSError as error:
            raise PanoramaError(f"can't be written: {error.strerror}", where=error.filename or str(out)) from None
        wrong, odd = judge(project.application, project.places)
        sys.stderr.writelines([*(f"ERROR: {each}\n" for each in wrong), *(f"warning: {each}\n" for each in odd)])
        print(f"{len(files)} documents in {out}")
        return 0
