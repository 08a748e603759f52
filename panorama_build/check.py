"""Cross-checks of an application: what no single value of panorama.yaml can tell."""

from __future__ import annotations

from panorama_build.errors import PanoramaError
from panorama_build.model import Application
from panorama_build.yamlfile import Places

Finding = PanoramaError


def check(application: Application, places: Places) -> list[Finding]:
    """The warnings. Raises PanoramaErrors with all that is wrong."""
    return []
