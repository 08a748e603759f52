"""The Panorama API as its clients see it, in this process, over a real S3; and of STS, whose account one is.

Requests, answers and refusals are held against the published service model (``panorama_rules``). What the operations
do is said by parts of the service: ``panorama_packages``, and others that take an operation name to a function.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from tests.panorama_packages import ACCOUNT, REGION, Package, Packages
from tests.panorama_rules import Members, Refusal, check_answer, check_refusal, invalid, read_request
from tests.servers import S3

CLOCK_SKEW = timedelta(minutes=5)


class PanoramaService:
    """The state of the service.

    ``calls`` are the operations asked for, in their order. ``refusals`` are answers to the next calls of an operation,
    in place of what it does. ``operations`` may be added to by other parts.
    """

    def __init__(self, s3: S3, bucket: str) -> None:
        self.s3 = s3
        self.bucket = bucket
        self.location = bucket  # as StorageLocation names it
        self.url = ""
        self.skew = timedelta()  # by which its clock is ahead
        self.calls: list[str] = []
        self.refusals: dict[str, deque[Refusal]] = defaultdict(deque)
        self.parts = Packages(self)
        self.operations: dict[str, Callable[[Members], Members]] = dict(self.parts.operations)
        self._lock = threading.Lock()

    @property
    def packages(self) -> dict[str, Package]:
        """The packages by name."""
        return self.parts.known

    @property
    def env(self) -> dict[str, str]:
        """What leads an AWS client to this service and to its store."""
        return {**self.s3.env, "AWS_ENDPOINT_URL_PANORAMA": self.url, "AWS_ENDPOINT_URL_STS": self.url}

    def answer(self, method: str, url: str, body: bytes) -> Members:
        """The members of an answer; Refusal where there is none."""
        name, given = read_request(method, url, body)
        if name not in self.operations:
            raise invalid(f"{name} is not part of this service", "UNKNOWN_OPERATION")
        with self._lock:
            self.calls.append(name)
            try:
                if self.refusals[name]:
                    raise self.refusals[name].popleft()
                return check_answer(name, self.operations[name](given))
            except Refusal as refusal:
                raise check_refusal(name, refusal) from None

    def page(self, result: str, items: list[Members], given: Members) -> Members:
        """A list operation's answer: as many items as asked for, 25 at most, and the token of the next page."""
        token = base64.b64decode(given.get("NextToken", "")).decode()
        if not re.fullmatch("[0-9]*", token):
            raise invalid("NextToken is none of this service", "OTHER")
        start = int(token or 0)
        end = start + (given.get("MaxResults") or 25)
        more = {"NextToken": base64.b64encode(str(end).encode()).decode()} if end < len(items) else {}
        return {result: items[start:end], **more}

    def check_signer(self, authorization: str, date: str) -> None:
        """By key, region and time alone: that a client computes signatures is for the store to test."""
        key = re.escape(self.s3.env["AWS_ACCESS_KEY_ID"])
        signed = re.match(
            rf"AWS4-HMAC-SHA256 Credential={key}/\d+/([\w-]+)/(panorama|sts)/aws4_request,", authorization
        )
        if not signed:
            raise Refusal("AccessDeniedException", "the request is not signed with a key of this account")
        if signed[1] != REGION:
            message = f"Credential should be scoped to a valid region, not '{signed[1]}'. "
            raise Refusal("InvalidSignatureException", message)
        now = datetime.now(timezone.utc) + self.skew
        if abs(datetime.strptime(date, "%Y%m%dT%H%M%S%z") - now) > CLOCK_SKEW:
            message = f"Signature expired: {date} is now earlier than {now - CLOCK_SKEW:%Y%m%dT%H%M%SZ}"
            raise Refusal("InvalidSignatureException", message)


IDENTITY = f"""\
<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <GetCallerIdentityResult>
    <Arn>arn:aws:iam::{ACCOUNT}:user/tests</Arn><UserId>AIDATESTS</UserId><Account>{ACCOUNT}</Account>
  </GetCallerIdentityResult>
  <ResponseMetadata><RequestId>tests</RequestId></ResponseMetadata>
</GetCallerIdentityResponse>"""

STS_ERROR = """\
<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
  <Error><Type>Sender</Type><Code>{kind}</Code><Message>{message}</Message></Error><RequestId>tests</RequestId>
</ErrorResponse>"""


class _Handler(BaseHTTPRequestHandler):
    """The wire: rest-json for Panorama; for STS, whose requests all go to /, forms and XML."""

    protocol_version = "HTTP/1.1"
    service: PanoramaService

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            self.service.check_signer(self.headers.get("Authorization", ""), self.headers.get("X-Amz-Date", ""))
            self._send(200, self._identity(body) if self.path == "/" else self._members(body))
        except Refusal as refusal:
            xml = STS_ERROR.format(kind=refusal.kind, message=refusal)
            self._send(refusal.status, xml if self.path == "/" else json.dumps(refusal.members), refusal.kind)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

    def _members(self, body: bytes) -> str:
        return json.dumps(self.service.answer(self.command, self.path, body))

    def _identity(self, body: bytes) -> str:
        if ("Action", "GetCallerIdentity") not in parse_qsl(body.decode()):
            raise invalid("GetCallerIdentity is all that this STS knows", "UNKNOWN_OPERATION")
        self.service.calls.append("GetCallerIdentity")
        return IDENTITY

    def _send(self, status: int, body: str, error: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", "text/xml" if self.path == "/" else "application/json")
        self.send_header("Content-Length", str(len(body.encode())))
        if error:
            self.send_header("x-amzn-errortype", error)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *arguments: object) -> None:
        """Say nothing: pytest's output is for the tests."""


@contextmanager
def running(s3: S3, bucket: str) -> Iterator[PanoramaService]:
    """The service on a free port of loopback."""
    service = PanoramaService(s3, s3.make_bucket(bucket))
    handler = type("Handler", (_Handler,), {"service": service})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        service.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        try:
            yield service
        finally:
            server.shutdown()
