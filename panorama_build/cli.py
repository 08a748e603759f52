"""The ``panorama-build`` program: doit with this project's tasks and commands, with or without a dodo.py."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from doit.cmd_base import DodoTaskLoader, NamespaceTaskLoader
from doit.cmd_dumpdb import DumpDB
from doit.doit_cmd import DoitMain

from panorama_build import interruption
from panorama_build.commands.gc import Collect
from panorama_build.commands.help import Help
from panorama_build.commands.imports import Import
from panorama_build.commands.init import Init
from panorama_build.commands.pin import Pins
from panorama_build.commands.plain import plain
from panorama_build.commands.render import Render
from panorama_build.commands.schema import Schema
from panorama_build.tasks.commandline import lists
from panorama_build.tasks.load import load

DOITS_OWN = [command for command in DoitMain.DOIT_CMDS if command is not DumpDB]  # which reads dbm alone


class Loader(NamespaceTaskLoader):  # type: ignore[misc]
    """Tasks of the panorama.yaml in the working directory, for a project without a dodo.py."""

    cmd_options = ()

    def setup(self, opt_values: Any) -> None:
        """Read panorama.yaml."""
        config, creator = load()
        self.namespace = {"DOIT_CONFIG": config, "task_panorama": creator}


class Main(DoitMain):  # type: ignore[misc]
    """doit under a name of its own, with commands of its own."""

    BIN_NAME = "panorama-build"
    DOIT_CMDS = tuple(
        map(plain, (*DOITS_OWN, Collect, Help, Init, Import, Pins, Render, Schema))
    )  # the last of a name counts

    @staticmethod
    def print_version() -> None:
        """Print this program's version, and doit's."""
        from importlib.metadata import version  # costs 30 ms

        print(f"panorama-build {version('panorama-build')}, doit {version('doit')}")


def main() -> int:
    """Run the program with the process's arguments; give its exit status."""
    interruption.obey()
    loader = DodoTaskLoader() if Path("dodo.py").exists() else Loader()
    arguments = ["help"] if sys.argv[1:2] == ["--help"] else sys.argv[1:]
    if "" in arguments:
        sys.stderr.write("ERROR: an argument is empty (is a variable in it set?)\n")
        return 3
    if lists(arguments):
        interruption.end_with_reader()
    return Main(loader).run(arguments) or 0
