"""schema: what editors know of panorama.yaml."""

from __future__ import annotations

from typing import Any

from doit.cmd_base import Command

from panorama_build.errors import PanoramaError
from panorama_build.manifest import schema


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
