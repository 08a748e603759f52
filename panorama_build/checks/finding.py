"""Something wrong or odd in an application, and the place in panorama.yaml where it stands."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from panorama_build.errors import PanoramaError, PanoramaErrors, Place
from panorama_build.manifest.yamlfile import KeyPath, Places
from panorama_build.model import Graph, Json


@dataclass(frozen=True)
class Finding:
    """Something wrong, or odd (a warning), and the key path in panorama.yaml where it stands."""

    path: KeyPath
    message: str
    hint: str | None = None
    warning: bool = False


def located(finding: Finding, places: Places) -> PanoramaError:
    """A finding with the place in the file."""
    return PanoramaError(finding.message, where=places[finding.path], hint=finding.hint)


def path_of(graph: Graph) -> KeyPath:
    """Where panorama.yaml has a graph."""
    return ("graph",) if graph.key is None else ("graphs", graph.key)


def as_json(errors: Iterable[PanoramaError], warnings: Iterable[PanoramaError]) -> str:
    """Errors, then warnings, as a JSON list for other programs."""
    findings = [_entry("error", error) for each in errors for error in _single(each)]
    findings += [_entry("warning", warning) for warning in warnings]
    return json.dumps(findings, indent=1)


def _single(error: PanoramaError) -> Iterator[PanoramaError]:
    yield from error.errors if isinstance(error, PanoramaErrors) else [error]


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
