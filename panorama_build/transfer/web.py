"""A file from http:// or https://."""

from __future__ import annotations

import base64
import http.client
import re
import ssl
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import IO
from urllib.error import HTTPError, URLError
from urllib.parse import unquote, urlsplit

from panorama_build.address import public_url
from panorama_build.errors import PanoramaError
from panorama_build.transfer.stream import Stream

PIECE = 1 << 20
PAUSES = (0.3, 1.0)  # seconds


def open_web(url: str, timeout: float, *, at: int = 0, tag: str | None = None) -> Stream:
    """The bytes of ``url`` from ``at`` on if its version is still ``tag``, else from the start.

    ``timeout`` is the longest silence of the server, in seconds. A connection that breaks is taken up where it broke,
    as long as there is progress and the server tells versions apart (RFC 9110, 13.1.5 and 14). Raises PanoramaError.
    """
    with _told(url):
        answer = _ask(url, timeout, at, tag)
        start = _start(answer)
        size = None if answer.length is None else start + answer.length
        tag = _validator(answer)
        return Stream(_pieces(url, timeout, answer, start, size, tag), start, size, tag)


def _pieces(
    url: str, timeout: float, answer: http.client.HTTPResponse, start: int, size: int | None, tag: str | None
) -> Iterator[bytes]:
    at, begun = start, -1
    while True:
        begun = at
        try:
            for piece in _read(url, answer):
                at += len(piece)
                yield piece
        except PanoramaError:
            if at == begun or tag is None or size is None:
                raise
        if size is None or at == size:
            return
        if at == begun or tag is None:
            message = f"the answer broke off after {at:,} of {size:,} bytes"
            raise PanoramaError(message, where=public_url(url), hint="run again")
        answer = _go_on(url, timeout, at, tag)


def _read(url: str, answer: http.client.HTTPResponse) -> Iterator[bytes]:
    with _told(url), answer:
        while piece := answer.read(PIECE):
            yield piece


def _go_on(url: str, timeout: float, at: int, tag: str) -> http.client.HTTPResponse:
    with _told(url):
        answer = _ask(url, timeout, at, tag)
        if _start(answer) == at:
            return answer
        answer.close()
    raise PanoramaError("the file changed during the transfer", where=public_url(url), hint="run again")


def _ask(url: str, timeout: float, at: int, tag: str | None) -> http.client.HTTPResponse:
    request = _request(url)
    if at and tag:
        request.add_header("Range", f"bytes={at}-")
        request.add_header("If-Range", tag)
    try:
        return _open(request, timeout)
    except HTTPError as error:
        if at and error.code == http.HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            error.close()
            return _ask(url, timeout, 0, None)
        raise


def _open(request: urllib.request.Request, timeout: float) -> http.client.HTTPResponse:
    """The answer to a request, asked again after a pause where the server may think better of it."""
    opener = urllib.request.build_opener(_Redirects)
    for pause in PAUSES:
        try:
            return _opened(opener, request, timeout)
        except (URLError, ConnectionError) as error:
            if not _may_pass(error):
                raise
        time.sleep(pause)
    return _opened(opener, request, timeout)


def _opened(
    opener: urllib.request.OpenerDirector, request: urllib.request.Request, timeout: float
) -> http.client.HTTPResponse:
    answer: http.client.HTTPResponse = opener.open(request, timeout=timeout)
    return answer


def _may_pass(error: URLError | ConnectionError) -> bool:
    if isinstance(error, HTTPError):
        return error.code == http.HTTPStatus.TOO_MANY_REQUESTS or error.code >= http.HTTPStatus.INTERNAL_SERVER_ERROR
    return isinstance(error.reason if isinstance(error, URLError) else error, ConnectionError)


def _start(answer: http.client.HTTPResponse) -> int:
    """Where the answer begins in the whole file."""
    if answer.status != http.HTTPStatus.PARTIAL_CONTENT:
        return 0
    told = re.match(r"bytes (\d{1,18})-", answer.headers.get("Content-Range", ""))
    if not told:
        raise http.client.HTTPException("a part without its place")
    return int(told[1])


def _validator(answer: http.client.HTTPResponse) -> str | None:
    """What tells this version from any other: a strong ETag, or a time of change a minute back (RFC 9110, 8.8)."""
    etag, changed = answer.headers.get("ETag", ""), answer.headers.get("Last-Modified", "")
    if re.fullmatch(r'"[!#-~]*"', etag):
        return etag
    try:
        age = parsedate_to_datetime(answer.headers.get("Date", "")) - parsedate_to_datetime(changed)
    except (ValueError, TypeError):
        return None
    return changed if age > timedelta(minutes=1) else None


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
