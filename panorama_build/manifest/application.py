"""panorama.yaml -> Application."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from panorama_build.errors import PanoramaError
from panorama_build.manifest import vocabulary as words
from panorama_build.manifest.graphs import Names
from panorama_build.manifest.packages import expand_address, expand_packages
from panorama_build.manifest.sites import expand_sites
from panorama_build.manifest.yamlfile import Places, read
from panorama_build.model import PLACEHOLDER_ACCOUNT, Application, SharedStore

MANIFEST = "panorama.yaml"


def load_application(root: Path, environ: Mapping[str, str] = os.environ) -> tuple[Application, Places]:
    """Read ``root/panorama.yaml``; give the application and the place of every value in the file.

    PANORAMA_ACCOUNT, PANORAMA_REMOTE, PANORAMA_CACHE (empty: none) and PANORAMA_CACHE_READ_ONLY of ``environ`` take
    precedence over the file's keys.
    Raises PanoramaErrors with all that is wrong in the file.
    """
    path = root / MANIFEST
    manifest, places = read(path, words.Manifest, os.path.relpath(path))
    return expand(manifest, environ), places


def expand(manifest: words.Manifest, environ: Mapping[str, str]) -> Application:
    """The application that a manifest stands for."""
    packages = expand_packages(manifest.packages)
    folder = manifest.graph.name if manifest.graph and manifest.graph.name else manifest.application
    names = Names(folder, {package.key: package for package in packages})
    graph = [] if manifest.graph is None else [names.graph(None, manifest.graph)]
    graphs = (*graph, *(names.graph(file, more) for file, more in manifest.graphs.items()))
    overrides = tuple(names.override(file, override) for file, override in manifest.overrides.items())
    return Application(
        name=manifest.application,
        account=_account(environ.get("PANORAMA_ACCOUNT")) or manifest.account or PLACEHOLDER_ACCOUNT,
        platform=manifest.platform,
        remote=expand_address(environ.get("PANORAMA_REMOTE") or manifest.remote),
        packages=packages,
        graphs=graphs,
        overrides=overrides,
        sites=expand_sites(manifest, names, graphs, overrides),
        documents={PurePosixPath(file): document for file, document in manifest.documents.items()},
        cache=_cache(manifest.cache, environ),
    )


def _account(said: str | None) -> str | None:
    """An account from the environment, which no reader has looked at."""
    if said and not re.fullmatch(r"[0-9a-zA-Z_]{1,12}", said):
        raise PanoramaError(f'"{said}" is no account', where="PANORAMA_ACCOUNT", hint="12 digits, e.g. 123456789012")
    return said


def _cache(declared: str | words.SharedStore | None, environ: Mapping[str, str]) -> SharedStore | None:
    """The shared store in force. None where there is none, or the environment says that there is to be none."""
    location = environ.get("PANORAMA_CACHE", declared)
    read_only = _yes(environ, "PANORAMA_CACHE_READ_ONLY")
    if read_only is None:
        read_only = isinstance(location, words.SharedStore) and location.read_only
    return SharedStore(expand_address(location), read_only) if location else None


def _yes(environ: Mapping[str, str], name: str) -> bool | None:
    """A yes or no from the environment; None where it says neither. Raises PanoramaError for any other word."""
    said = environ.get(name, "").lower()
    if said not in ("", "yes", "true", "1", "no", "false", "0"):
        raise PanoramaError(f'"{said}" is neither yes nor no', where=name, hint="yes: take from it, and give nothing")
    return said in ("yes", "true", "1") if said else None
