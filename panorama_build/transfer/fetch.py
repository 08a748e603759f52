"""A file from a path, https:// or s3:// into a place on this machine, hashed on its way."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from panorama_build.address import Address, parse_s3_url, public_url, silence
from panorama_build.errors import PanoramaError
from panorama_build.files import read
from panorama_build.interruption import look
from panorama_build.transfer.aws import Bucket
from panorama_build.transfer.multipart import MIB
from panorama_build.transfer.partial import Partial
from panorama_build.transfer.stream import Stream
from panorama_build.transfer.web import open_web


@dataclass(frozen=True)
class Fetched:
    """What arrived: the SHA-256 of the bytes in lower-case hex, and their number."""

    sha256: str
    size: int


def download(source: Address, to: Path, *, timeout: float | None = None) -> Fetched:
    """Bring the bytes of ``source`` into the file ``to``, which is created or overwritten.

    ``source.url`` is a path (relative to the working directory), ``file://``, ``http://``, ``https://`` or
    ``s3://bucket/key[?versionId=v]``. ``timeout`` is the longest silence of an HTTP server, in seconds.
    Raises PanoramaError, also when less arrives than was announced; what then lies in ``to`` is the caller's to remove,
    as is the comparison with a pinned digest the caller's to make.
    """
    return save(_open(source, timeout).pieces, to)


def resume(source: Address, to: Partial, sha256: str | None = None) -> Fetched:
    """Bring the bytes of ``source`` into ``to``, going on with those of a run before where they are of this version.

    Like ``download``. Where the whole has another digest than ``sha256``, what was kept is not believed: all is
    brought once more.
    """
    begun = to.begun()
    fetched = _resume(source, to, begun)
    if begun and sha256 not in (None, fetched.sha256):
        return _resume(source, to, None)
    return fetched


def _resume(source: Address, to: Partial, begun: tuple[int, str] | None) -> Fetched:
    at, tag = begun or (0, None)
    stream = _open(source, None, at, tag)
    try:
        to.remember(stream.tag, stream.size)
    except OSError as error:
        raise _unwritable(to.note, error) from error
    fetched = save(stream.pieces, to.path, stream.start)
    to.forget()
    return fetched


def save(pieces: Iterator[bytes], to: Path, start: int = 0) -> Fetched:
    """Write ``pieces`` into ``to`` behind its first ``start`` bytes, and hash it all in the same pass.

    Raises PanoramaError when ``to`` takes no more.
    """
    digest, size = hashlib.sha256(), start
    try:
        with to.open("r+b" if start else "w+b") as file:
            os.truncate(file.fileno(), start)
            _hash_all(file, digest)
            for piece in pieces:
                look()
                digest.update(piece)
                size += file.write(piece)
    except OSError as error:
        raise _unwritable(to, error) from error
    return Fetched(digest.hexdigest(), size)


def _hash_all(file: Any, digest: Any) -> None:
    while piece := file.read(MIB):
        digest.update(piece)


def _unwritable(to: Path, error: OSError) -> PanoramaError:
    return PanoramaError(
        f"cannot be written: {error.strerror}", where=str(to), hint="make room or choose another place"
    )


def _open(source: Address, timeout: float | None, at: int = 0, tag: str | None = None) -> Stream:
    scheme, separator, _ = source.url.partition("://")
    if not separator:
        return Stream(read(Path(source.url)))
    if scheme == "file":
        return Stream(read(Path(unquote(urlsplit(source.url).path))))
    if scheme == "s3":
        return _from_s3(source, at, tag)
    if scheme in {"http", "https"}:
        return open_web(source.url, timeout or silence(), at=at, tag=tag)
    raise PanoramaError(
        f'nothing can be fetched over "{scheme}"', where=public_url(source.url), hint="use a path, https:// or s3://"
    )


def _from_s3(source: Address, at: int, tag: str | None) -> Stream:
    _, key, version = parse_s3_url(source.url)
    if not key:
        raise PanoramaError("names a bucket, no object", where=public_url(source.url), hint="write s3://BUCKET/KEY")
    return Bucket(source).open(key, version, at=at, tag=tag)
