"""Cross-checks of an application: what no single value of panorama.yaml can tell."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from panorama_build.address import PANORAMA
from panorama_build.checks.finding import Finding, located
from panorama_build.checks.graphs import graphs
from panorama_build.checks.limits import limits
from panorama_build.checks.packages import packages
from panorama_build.checks.paths import paths
from panorama_build.checks.sites import sites
from panorama_build.errors import PanoramaError, PanoramaErrors
from panorama_build.manifest.yamlfile import Places
from panorama_build.model import (
    Application,
)
from panorama_build.transfer.account import Account
from panorama_build.transfer.cache import Cache
from panorama_build.transfer.remote import open_destination


def check(application: Application, places: Places) -> list[PanoramaError]:
    """The warnings, sorted by place. Raises PanoramaErrors with all that is wrong."""
    errors, warnings = judge(application, places)
    if errors:
        raise PanoramaErrors(errors, warnings)
    return warnings


def judge(application: Application, places: Places) -> tuple[list[PanoramaError], list[PanoramaError]]:
    """What is wrong, and what is odd, each sorted by place."""
    findings = list(_findings(application))
    wrong = [finding for finding in findings if not finding.warning]
    odd = [finding for finding in findings if finding.warning]
    return located(wrong, places), located(odd, places)


def _findings(application: Application) -> Iterator[Finding]:
    yield from _places(application)
    yield from paths(application)
    yield from packages(application)
    yield from graphs(application)
    yield from sites(application)
    yield from limits(application)
    for file in application.documents:
        message = f'"{file}" has no words here: it is passed through, and nothing in it is checked'
        yield Finding(("documents", str(file)), message, warning=True)


def _places(application: Application) -> Iterator[Finding]:
    """Where nothing can be published or shared. Nobody is asked, and nothing made."""
    remote, cache = application.remote, application.cache
    if remote.url == PANORAMA and not remote.endpoint_used():
        message = "AWS ended the Panorama service on 2026-05-31: nothing is published there"
        hint = "give endpoint: of a compatible service, or publish to a folder or s3://BUCKET/PREFIX"
        yield Finding(("remote",), message, hint, warning=True, basis=(("remote",),))
    try:
        open_destination(remote, Path(), Account(None, remote, Path()))
    except PanoramaError as error:
        message = f"{error.where or 'an empty remote'}: {error.message}"
        yield Finding(("remote",), message, error.hint, basis=(("remote",),))
    try:
        if cache:
            Cache.at(cache.address, Path(), read_only=cache.read_only)
    except PanoramaError as error:
        message = f"{error.where or 'an empty address'}: nothing can be shared there"
        yield Finding(("cache",), message, error.hint, basis=(("cache",),))
