"""doit's commands, with errors in one line."""

from __future__ import annotations

from getopt import GetoptError
from typing import Any

from doit.cmdparse import CmdParseError
from doit.exceptions import InvalidCommand, InvalidDodoFile

from panorama_build.checks.finding import as_json
from panorama_build.errors import PanoramaError, PanoramaErrors


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
                print(_as_json(error.__cause__))
                return 3
            except PanoramaError as error:
                raise InvalidCommand(str(error)) from None
            except CmdParseError as error:
                if not isinstance(error.__context__, GetoptError):
                    raise
                raise InvalidCommand(f"{error.__context__} ({self.bin_name} help {self.name})") from None

    return Plain


def _as_json(error: PanoramaError) -> str:
    return as_json(error.errors, error.warnings) if isinstance(error, PanoramaErrors) else as_json([error], [])
