"""Something wrong or odd in an application, and the place in panorama.yaml where it stands."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from panorama_build.errors import PanoramaError, Place, in_order
from panorama_build.manifest.yamlfile import KeyPath, Places
from panorama_build.model import Graph, Json

Basis: TypeAlias = tuple[KeyPath, ...]


@dataclass(frozen=True)
class Finding:
    """Something wrong, or odd (a warning), and the key path in panorama.yaml where it stands.

    ``basis`` are key paths that it is concluded from: where one of them could not be read, and that was told, it may be
    but a consequence, and is not told.
    """

    path: KeyPath
    message: str
    hint: str | None = None
    warning: bool = False
    basis: Basis = ()


def located(findings: Iterable[Finding], places: Places) -> list[PanoramaError]:
    """Those findings that hold, sorted by their places in the file."""
    certain = (finding for finding in findings if all(map(places.sound, finding.basis)))
    return in_order(
        PanoramaError(finding.message, where=places[finding.path], hint=finding.hint) for finding in certain
    )


def path_of(graph: Graph) -> KeyPath:
    """Where panorama.yaml has a graph."""
    return ("graph",) if graph.key is None else ("graphs", graph.key)


def as_json(errors: Iterable[PanoramaError], warnings: Iterable[PanoramaError]) -> str:
    """Errors, then warnings, as a JSON list for other programs."""
    findings = [_entry("error", error) for error in errors]
    findings += [_entry("warning", warning) for warning in warnings]
    return json.dumps(findings, indent=1)


def _entry(severity: str, error: PanoramaError) -> Json:
    where = error.where if isinstance(error.where, Place) else None
    return {
        "severity": severity,
        "file": where.file if where else error.where,
        "line": where.line if where else None,
        "column": where.column if where else None,
        "message": error.message,
        "hint": error.hint,
    }
