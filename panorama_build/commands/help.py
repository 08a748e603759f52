"""doit's help, as that of this program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from doit import cmd_help

ABOUT = """\
panorama-build builds and publishes the AWS Panorama application that panorama.yaml describes.

  panorama-build                everything, locally
  panorama-build TASK...        some tasks, e.g. publish
  panorama-build help COMMAND   more of a command below

It is doit (https://pydoit.org) with the tasks of that file; beside a dodo.py, `doit` alone does the same.
"""


class Help(cmd_help.Help):  # type: ignore[misc]
    """doit's help, which says whose it is."""

    name = "help"

    def print_usage(self, cmds: Mapping[str, Any]) -> None:
        """List the commands."""
        print(ABOUT)
        for name in sorted(cmds):
            print(f"  {self.bin_name} {name:14} {cmds[name].doc_purpose}")
