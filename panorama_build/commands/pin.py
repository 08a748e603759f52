"""pin: the digests of what comes from elsewhere, written into panorama.yaml."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from doit.cmd_base import Command

from panorama_build.errors import PanoramaError
from panorama_build.project import Project
from panorama_build.steps.pin import Pin, pins, write_pins


class Pins(Command):  # type: ignore[misc]
    """Pins base images and models."""

    name = "pin"
    doc_purpose = "write the digests of base images and models into panorama.yaml"
    doc_usage = "[--check] [--offline] [PACKAGE ...]"
    doc_description = """Asks registries for the digests of base images, and hashes models; a model from elsewhere
is fetched, and stays in the store. In panorama.yaml nothing but the digests changes.
--check writes nothing: its exit status is 1 where a digest is missing or no longer the present one."""
    cmd_options = (
        {"name": "check", "long": "check", "type": bool, "default": False, "help": "only tell what would be written"},
        {
            "name": "offline",
            "long": "offline",
            "type": bool,
            "default": False,
            "help": "ask no registry, fetch nothing",
        },
    )

    def execute(self, opt_values: Any, pos_args: list[str]) -> int:
        """Find the digests; tell of them or write them. 1: there is something to pin, 3: something can't be told."""
        check, offline = bool(opt_values["check"]), bool(opt_values["offline"])
        project = Project.load(Path())
        if unknown := set(pos_args) - {package.key for package in project.application.packages}:
            raise PanoramaError(f'there is no package "{min(unknown)}"', where=project.places.file)
        known = list(pins(project, pos_args))
        # What has no pin needs no question to be told so.
        asked = [pin for pin in known if not ((offline and pin.is_far) or (check and pin.digest is None))]
        found, failed = _latest(project, asked)
        new = {pin: digest for pin, digest in found.items() if digest != pin.digest}
        places = project.places if check or not new else write_pins(project, new)
        open_ones = [pin for pin in known if pin.digest is None and pin not in asked]
        lines = [f"{places[pin.path]}: {pin.what} is not pinned" for pin in open_ones]
        lines += [f"{places[pin.path]}: {pin.what} {_said(pin, digest, check)}" for pin, digest in new.items()]
        if not (lines or failed):
            lines = [f"nothing to pin: {len(known)} pinned"]
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stderr.writelines(f"ERROR: {error}\n" for error in failed)
        return 3 if failed else int(bool(open_ones or (new and check)))


def _latest(project: Project, asked: Iterable[Pin]) -> tuple[dict[Pin, str], list[PanoramaError]]:
    """The present digest of each, and what could not be told."""
    found, failed = dict[Pin, str](), list[PanoramaError]()
    for pin in asked:
        try:
            found[pin] = pin.latest()
        except PanoramaError as error:
            where = project.places[pin.path] if error.where is None else error.where
            failed.append(PanoramaError(error.message, where=where, hint=error.hint))
    project.digests.save()
    return found, failed


def _said(pin: Pin, digest: str, check: bool) -> str:
    if check:
        return f"is pinned to {pin.digest}, and is {digest} now"
    return f"{'pinned anew' if pin.digest else 'pinned'} to {digest}"
