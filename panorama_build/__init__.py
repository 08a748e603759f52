"""Build and publish AWS Panorama applications from one panorama.yaml."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


def load(root: str | Path = ".") -> tuple[dict[str, Any], Callable[[], Iterator[dict[str, Any]]]]:
    """The doit configuration and tasks of the project in ``root``; see panorama_build.tasks.load.load."""
    from panorama_build.tasks import load as loading

    return loading.load(root)
