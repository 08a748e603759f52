"""init: a new application."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from doit.cmd_base import Command

from panorama_build.errors import PanoramaError
from panorama_build.manifest import schema

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
RECIPE = "ci.sh"


class Init(Command):  # type: ignore[misc]
    """Lays out a new application."""

    doc_purpose = "lay out a new application"
    doc_usage = "DIR [--name NAME] [--ci]"
    doc_description = "Makes a small application in DIR, to build as it stands. What is there already stays as it is."
    cmd_options = (
        {"name": "name", "long": "name", "type": str, "default": "", "help": "the application; default: DIR's name"},
        {
            "name": "ci",
            "long": "ci",
            "type": bool,
            "default": False,
            "help": "add a GitHub workflow that publishes, and its steps for any CI",
        },
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


def name_of(folder: Path) -> str:
    """A name after that of a folder, with what a name can't have replaced."""
    name = Path(os.path.abspath(folder)).name
    return re.sub(r"[^a-zA-Z0-9_-]+", "_", name).strip("_-") or name


def contents(name: str, workflow: bool) -> dict[str, str]:
    """The files of a new application: their paths and texts."""
    if not re.fullmatch(r"[a-zA-Z0-9_][a-zA-Z0-9_-]{0,127}", name):
        hint = "--name takes a letter from a to z, digit or _, then these and -, 128 at most"
        raise PanoramaError(f"{json.dumps(name, ensure_ascii=False)} can't name an application", hint=hint)
    paths = (*TEMPLATES, WORKFLOW, RECIPE) if workflow else TEMPLATES
    return {path.replace(MARK, name): template(path).replace(MARK, name) for path in paths}


def template(path: str) -> str:
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
