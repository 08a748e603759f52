"""The ``panorama-build`` program: doit with this project's tasks, with or without a dodo.py."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from doit.cmd_base import DodoTaskLoader, NamespaceTaskLoader
from doit.doit_cmd import DoitMain

from panorama_build import tasks


class Loader(NamespaceTaskLoader):  # type: ignore[misc]
    """Tasks of the panorama.yaml in the working directory, for a project without a dodo.py."""

    cmd_options = ()

    def setup(self, opt_values: Any) -> None:
        """Read panorama.yaml."""
        config, creator = tasks.load()
        self.namespace = {"DOIT_CONFIG": config, "task_panorama": creator}


class Main(DoitMain):  # type: ignore[misc]
    """doit under a name of its own."""

    BIN_NAME = "panorama-build"


def main() -> int:
    """Run the program with the process's arguments; give its exit status."""
    loader = DodoTaskLoader() if Path("dodo.py").exists() else Loader()
    return int(Main(loader).run(sys.argv[1:]))
