"""A file from a path, https:// or s3:// into a place on this machine, hashed on its way."""

from __future__ import annotations

import base64
import hashlib
import http.client
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit

from panorama_build.address import Address, parse_s3_url, public_url
from panorama_build.errors import PanoramaError
from panorama_build.files import read
from panorama_build.transfer.aws import Bucket
from panorama_build.transfer.multipart import MIB

TIMEOUT = 30.0


@dataclass(frozen=True)
class Fetched:
    """What arrived: the SHA-256 of the bytes in lower-case hex, and their number."""

    sha256: str
    size: int


def download(source: Address, to: Path, *, timeout: float = TIMEOUT) -> Fetched:
    """Bring the bytes of ``source`` into the file ``to``, which is created or overwritten.

    ``source.url`` is a path (relative to the working directory), ``file://``, ``http://``, ``https://`` or
    ``s3://bucket/key[?versionId=v]``. ``timeout`` is the longest silence of an HTTP server, in seconds.
    Raises PanoramaError, also when less arrives than was announced; what then lies in ``to`` is the caller's to remove,
    as is the comparison with a pinned digest the caller's to make.
    """
    return save(_pieces(source, timeout), to)


def save(pieces: Iterator[bytes], to: Path) -> Fetched:
    """Write ``pieces`` into ``to`` and hash them in the same pass; raises PanoramaError when ``to`` takes no more."""
    digest, size = hashlib.sha256(), 0
    try:
        with to.open("wb") as file:
            for piece in pieces:
                digest.update(piece)
                size += file.write(piece)
    except OSError as error:
        hint = "make room or choose another place"
        raise PanoramaError(f"cannot be written: {error.strerror}", where=str(to), hint=hint) from error
    return Fetched(digest.hexdigest(), size)


def _pieces(source: Address, timeout: float) -> Iterator[bytes]:
    scheme, separator, _ = source.url.partition("://")
    if not separator:
        return read(Path(source.url))
    if scheme == "file":
        return read(Path(unquote(urlsplit(source.url).path)))
    if scheme == "s3":
        return _from_s3(source)
    if scheme in {"http", "https"}:
        return _from_web(source.url, timeout)
    raise PanoramaError(
        f'nothing can be fetched over "{scheme}"', where=public_url(source.url), hint="use a path, https:// or s3://"
    )


def _from_s3(source: Address) -> Iterator[bytes]:
    _, key, version = parse_s3_url(source.url)
    if not key:
        raise PanoramaError("names a bucket, no object", where=public_url(source.url), hint="write s3://BUCKET/KEY")
    return Bucket(source).get(key, version)


def _from_web(url: str, timeout: float) -> Iterator[bytes]:
    with _told(url):
        request = _request(url)
        opener = urllib.request.build_opener(_Redirects)
        with opener.open(request, timeout=timeout) as answer:
            announced, size = answer.length, 0
            while piece := answer.read(MIB):
                size += len(piece)
                yield piece
    if announced is not None and size != announced:
        raise _broke_off(url, size, announced)


def _broke_off(url: str, size: int, announced: int) -> PanoramaError:
    message = f"the answer broke off after {size:,} of {announced:,} bytes"
    return PanoramaError(message, where=public_url(url), hint="run again")


def _request(url: str) -> urllib.request.Request:
    """A GET of ``url``; its user and password go into a header that no redirect carries on."""
    parts = urlsplit(url)
    user, _, host = parts.netloc.rpartition("@")
    if not host:
        raise http.client.InvalidURL("no host in it")
    request = urllib.request.Request(parts._replace(netloc=host, fragment="").geturl())
    if user:
        token = base64.b64encode(unquote(user).encode()).decode("ascii")
        request.add_unredirected_header("Authorization", f"Basic {token}")
    return request


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects, never from https to anything less."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """The request to follow with; raises PanoramaError when it would leave https, or HTTP altogether."""
        allowed = {"https"} if req.type == "https" else {"http", "https"}
        if urlsplit(newurl).scheme not in allowed:
            message = f"redirects from {req.type} to {public_url(newurl)}, which is not followed"
            raise PanoramaError(message, where=public_url(req.full_url), hint="use an address that stays on https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


@contextmanager
def _told(url: str) -> Iterator[None]:
    """Turns what urllib raises into one sentence about ``url``."""
    try:
        yield
    except HTTPError as error:
        message, hint = _refusal(error)
        error.close()
    except URLError as error:
        message, hint = _fault(error.reason)
    except (OSError, http.client.HTTPException, ValueError) as error:
        message, hint = _fault(error)
    else:
        return
    raise PanoramaError(message, where=public_url(url), hint=hint)


def _refusal(error: HTTPError) -> tuple[str, str]:
    said = f"the server answered {error.code} {http.client.responses.get(error.code, '')}".rstrip()
    if error.code in {401, 403, 407}:
        return said, "it wants credentials, or others: check that you may read it"
    if error.code in {404, 410}:
        return said, "there is nothing under this address: correct it"
    if error.code == 429 or error.code >= 500:
        return said, "run again later"
    if error.code < 400:
        return f"{said}, and the redirects lead nowhere", "correct the address"
    return said, "correct the address"


def _fault(error: BaseException | str) -> tuple[str, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        hint = "set SSL_CERT_FILE to the certificate of the server's authority"
        return f"TLS failed: {error.verify_message}", hint
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}", "check that the server speaks https there"
    if isinstance(error, TimeoutError):
        return "the server does not answer", "check the address and the network"
    if isinstance(error, http.client.IncompleteRead):
        return f"the answer broke off after {len(error.partial):,} bytes of its last piece", "run again"
    if isinstance(error, OSError):
        return f"the server cannot be reached: {error.strerror or error}", "check the address and the network"
    if isinstance(error, (http.client.InvalidURL, ValueError)):
        return f"not an address: {error}", "correct it"
    return f"the server's answer is not HTTP: {type(error).__name__}", "check the address"
