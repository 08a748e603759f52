"""panorama.yaml -> Application."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from panorama_build.errors import PanoramaError
from panorama_build.manifest import vocabulary as words
from panorama_build.manifest.graphs import Names
from panorama_build.manifest.packages import expand_address, expand_packages
from panorama_build.manifest.sites import expand_sites
from panorama_build.manifest.yamlfile import Places, Reading, read
from panorama_build.model import PLACEHOLDER_ACCOUNT, Application, SharedStore

MANIFEST = "panorama.yaml"


def load_application(root: Path, environ: Mapping[str, str] = os.environ) -> tuple[Application, Places]:
    """Read ``root/panorama.yaml``; give the application and the place of every value in the file.

    Raises PanoramaErrors with all that can't be read in the file.
    """
    return read_application(root, environ).whole()


def read_application(root: Path, environ: Mapping[str, str] = os.environ) -> Reading[Application]:
    """Read as much of ``root/panorama.yaml`` as can be.

    PANORAMA_ACCOUNT, PANORAMA_REMOTE, PANORAMA_CACHE (empty: none) and PANORAMA_CACHE_READ_ONLY of ``environ`` take
    precedence over the file's keys.
    Raises PanoramaError where there is nothing to read.
    """
    path = root / MANIFEST
    reading = read(path, words.Manifest, os.path.relpath(path))
    if reading.value is None:
        return Reading(None, reading.places, reading.errors)
    return _overruled(Reading(expand(reading.value), reading.places, reading.errors), environ)


def _overruled(reading: Reading[Application], environ: Mapping[str, str]) -> Reading[Application]:
    """A reading in which what the environment says stands in place of what the file says, and is found there."""
    assert reading.value
    changes: dict[str, Any] = {}
    errors = list(reading.errors)
    if account := environ.get("PANORAMA_ACCOUNT"):
        changes["account"] = account
        reading.places.put(("account",), "PANORAMA_ACCOUNT")
        errors += _misnamed(account)
    if remote := environ.get("PANORAMA_REMOTE"):
        changes["remote"] = expand_address(remote)
        reading.places.put(("remote",), "PANORAMA_REMOTE")
    cache = reading.value.cache
    if "PANORAMA_CACHE" in environ:
        location = environ["PANORAMA_CACHE"]
        cache = SharedStore(expand_address(location), read_only=False) if location else None
        reading.places.put(("cache",), "PANORAMA_CACHE")
    try:
        read_only = _yes(environ, "PANORAMA_CACHE_READ_ONLY")
        cache = replace(cache, read_only=read_only) if cache and read_only is not None else cache
    except PanoramaError as error:
        errors.append(error)
    return Reading(replace(reading.value, cache=cache, **changes), reading.places, errors)


def expand(manifest: words.Manifest) -> Application:
    """The application that a manifest stands for."""
    packages = expand_packages(manifest.packages)
    folder = manifest.graph.name if manifest.graph and manifest.graph.name else manifest.application
    names = Names(folder, {package.key: package for package in packages})
    graph = [] if manifest.graph is None else [names.graph(None, manifest.graph)]
    graphs = (*graph, *(names.graph(file, more) for file, more in manifest.graphs.items()))
    overrides = tuple(names.override(file, override) for file, override in manifest.overrides.items())
    return Application(
        name=manifest.application,
        account=manifest.account or PLACEHOLDER_ACCOUNT,
        platform=manifest.platform,
        remote=expand_address(manifest.remote),
        packages=packages,
        graphs=graphs,
        overrides=overrides,
        sites=expand_sites(manifest, names, graphs, overrides),
        documents={PurePosixPath(file): document for file, document in manifest.documents.items()},
        cache=_cache(manifest.cache),
    )


def _misnamed(account: str) -> Iterator[PanoramaError]:
    """What is wrong with an account from the environment, which no reader has looked at."""
    if not re.fullmatch(r"[0-9a-zA-Z_]{1,12}", account):
        hint = "12 digits, e.g. 123456789012"
        yield PanoramaError(f'"{account}" is no account', where="PANORAMA_ACCOUNT", hint=hint)


def _cache(declared: str | words.SharedStore | None) -> SharedStore | None:
    """The shared store that a manifest declares."""
    read_only = isinstance(declared, words.SharedStore) and declared.read_only
    return SharedStore(expand_address(declared), read_only) if declared else None


def _yes(environ: Mapping[str, str], name: str) -> bool | None:
    """A yes or no from the environment; None where it says neither. Raises PanoramaError for any other word."""
    said = environ.get(name, "").lower()
    if said not in ("", "yes", "true", "1", "no", "false", "0"):
        raise PanoramaError(f'"{said}" is neither yes nor no', where=name, hint="yes: take from it, and give nothing")
    return said in ("yes", "true", "1") if said else None
