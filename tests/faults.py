"""An HTTP proxy on loopback that hands requests on to a server as they are, but for the one that gets a fault.

It stands before a real server under another port. A signature covers the Host that the client named, which the proxy
leaves alone, so the server takes the requests for its own.
"""

from __future__ import annotations

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import BinaryIO
from urllib.parse import parse_qs, urlsplit

Head = dict[str, str]


@dataclass(frozen=True)
class Request:
    """A request as it arrived; ``name`` tells it from all others of a run, whatever is retried."""

    line: str
    head: Head
    body: bytes
    name: str = ""

    @property
    def method(self) -> str:
        return self.line.split()[0]

    @property
    def path(self) -> str:
        return urlsplit(self.line.split()[1]).path

    @property
    def query(self) -> dict[str, list[str]]:
        return parse_qs(urlsplit(self.line.split()[1]).query, keep_blank_values=True)

    def bytes(self) -> bytes:
        """The request for the server: without what only concerns this connection."""
        kept = [f"{name}: {value}" for name, value in self.head.items() if name not in ("expect", "connection")]
        return "\r\n".join([self.line, *kept, "connection: close", "", ""]).encode("latin-1") + self.body


@dataclass(frozen=True)
class Answer:
    """An answer of the server, or one of ours."""

    status: int
    head: Head
    body: bytes = b""

    def bytes(self) -> bytes:
        lines = [f"HTTP/1.1 {self.status} {http.client.responses.get(self.status, '')}"]
        lines += [f"{name}: {value}" for name, value in self.head.items()]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + self.body


class DropError(Exception):
    """Ends a connection; what has been sent so far is all that is sent."""


Forward = Callable[[bytes], Answer]
# A fault sees the request and a way to hand bytes on, and says what bytes go back. DropError resets the connection.
Fault = Callable[[Request, Forward], bytes]


def refusal(status: int, code: str) -> Fault:
    """The request is not taken; the answer says so in S3's words, of which HEAD gets none."""

    def fault(request: Request, _: Forward) -> bytes:
        said = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>said by the proxy</Message></Error>".encode()
        body = b"" if request.method == "HEAD" else said
        return Answer(status, {"content-length": str(len(body)), "content-type": "application/xml"}, body).bytes()

    return fault


def reset_before(_: Request, __: Forward) -> bytes:
    raise DropError


def reset_after(request: Request, forward: Forward) -> bytes:
    forward(request.bytes())
    raise DropError


def no_answer(request: Request, forward: Forward) -> bytes:
    """The server has done it, and the client never hears of it."""
    forward(request.bytes())
    return b""


def cut_up(request: Request, forward: Forward) -> bytes:
    whole = request.bytes()
    with suppress(Exception):
        forward(whole[: len(whole) - max(len(request.body) // 2, 20)])
    raise DropError


def cut_down(request: Request, forward: Forward) -> bytes:
    answer = forward(request.bytes())
    whole = answer.bytes()
    return whole[: len(whole) - max(len(answer.body) // 2, 20)]


def corrupt_up(request: Request, forward: Forward) -> bytes:
    """A byte of the body is another; where there is none, one of the path."""
    if request.body:
        middle = len(request.body) // 2
        flipped = request.body[:middle] + bytes([request.body[middle] ^ 1]) + request.body[middle + 1 :]
        return forward(Request(request.line, request.head, flipped).bytes()).bytes()
    end = request.line.index(request.path) + len(request.path) - 1
    line = request.line[:end] + chr(ord(request.line[end]) ^ 1) + request.line[end + 1 :]
    return forward(Request(line, request.head, b"").bytes()).bytes()


def corrupt_down(request: Request, forward: Forward) -> bytes:
    """A byte of the body is another; where there is none, one of what the head says of the object."""
    answer = forward(request.bytes())
    if answer.body:
        middle = len(answer.body) // 2
        body = answer.body[:middle] + bytes([answer.body[middle] ^ 1]) + answer.body[middle + 1 :]
        return Answer(answer.status, answer.head, body).bytes()
    said = ("x-amz-checksum-sha256", "etag", "x-amz-request-id", "server")
    name = next(each for each in said if each in answer.head)
    value = answer.head[name]
    middle = len(value) // 2
    flipped = value[:middle] + chr(ord(value[middle]) ^ 1) + value[middle + 1 :]
    return Answer(answer.status, {**answer.head, name: flipped}).bytes()


def twice(request: Request, forward: Forward) -> bytes:
    forward(request.bytes())
    return forward(request.bytes()).bytes()


def stale_absent(request: Request, _: Forward) -> bytes:
    return Answer(404, {"content-length": "0"}).bytes()


def stale_old(request: Request, _: Forward) -> bytes:
    """What HEAD said of an object of three other bytes that lay there before."""
    return Answer(200, {"content-length": "3", "etag": '"acbd18db4cc2f85cedef654fccc4a4d8"'}).bytes()


def kind(request: Request) -> str:
    """What a request to S3 is about, in the words of a publishing."""
    if "uploads" in request.query:
        return "list uploads" if request.method == "GET" else "begin"
    if "partNumber" in request.query:
        return f"part {request.query['partNumber'][0]}"
    if "uploadId" in request.query:
        return {"GET": "list parts", "POST": "complete", "DELETE": "abort"}[request.method]
    last = request.path.rpartition("/")[2]
    what = "package.json" if "/manifests/" in request.path else last[64:].lstrip(".") or last
    return f"{request.method} {what}"


@dataclass
class Proxy:
    """A port before a server. ``requests`` is what came, one entry an attempt."""

    there: tuple[str, int]
    listener: socket.socket
    port: int
    requests: list[Request] = field(default_factory=list)
    fault: Fault | None = None
    at: str = ""
    lasting: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _calls: dict[str, list[str]] = field(default_factory=dict)
    _open: set[socket.socket] = field(default_factory=set)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def arm(self, fault: Fault | None, at: str = "", lasting: bool = False) -> None:
        """Do ``fault`` to the request named ``at``: to its first attempt, or to all."""
        with self._lock:
            self.fault, self.at, self.lasting = fault, at, lasting
            self.requests.clear()
            self._calls.clear()

    def names(self) -> list[str]:
        """The requests that came, each once."""
        return list(dict.fromkeys(request.name for request in self.requests))

    def close(self) -> None:
        """Listen no more, and end all connections: from now on they are refused."""
        with suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def refuse(self, _: Request, __: Forward) -> bytes:
        """The fault of a server that is gone, from this request on."""
        self.close()
        raise DropError

    def reopen(self) -> None:
        """Listen again, where it was closed."""
        if self.listener.fileno() < 0:
            self.listener = socket.create_server(("127.0.0.1", self.port))
            threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            self._open.add(near)
            threading.Thread(target=self._serve, args=(near,), daemon=True).start()

    def _serve(self, near: socket.socket) -> None:
        with near, suppress(OSError, http.client.HTTPException):
            reader = near.makefile("rb")
            while line := reader.readline().decode("latin-1").strip():
                request = self._named(_read(line, reader, near))
                fault = self._due(request)
                try:
                    sent = fault(request, self._forward(request)) if fault else self._pass(request)
                except DropError:
                    near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
                near.sendall(sent)
                if fault is no_answer:
                    near.recv(1)  # until the client gives up
                if fault:
                    break
        self._open.discard(near)

    def _named(self, request: Request) -> Request:
        """Count calls, not attempts: those of one call share an id that botocore gives them."""
        with self._lock:
            ids = self._calls.setdefault(kind(request), [])
            call = request.head.get("amz-sdk-invocation-id", request.line)
            if call not in ids:
                ids.append(call)
            number = ids.index(call) + 1
            name = kind(request) + (f" {number}" if number > 1 else "")
            named = Request(request.line, request.head, request.body, name)
            self.requests.append(named)
            return named

    def _due(self, request: Request) -> Fault | None:
        with self._lock:
            fault = self.fault if request.name == self.at else None
            if fault and not self.lasting:
                self.fault = None
            return fault

    def _pass(self, request: Request) -> bytes:
        return self._forward(request)(request.bytes()).bytes()

    def _forward(self, request: Request) -> Forward:
        def forward(sent: bytes) -> Answer:
            with socket.create_connection(self.there) as far:
                far.sendall(sent)
                if len(sent) < len(request.bytes()):
                    far.shutdown(socket.SHUT_WR)
                answer = http.client.HTTPResponse(far, method=request.method)
                answer.begin()
                body = answer.read()
                head = {name.lower(): value for name, value in answer.getheaders()}
            head.pop("transfer-encoding", None)
            head.pop("connection", None)
            if request.method != "HEAD":
                head["content-length"] = str(len(body))
            return Answer(answer.status, head, body)

        return forward


def _read(line: str, reader: BinaryIO, near: socket.socket) -> Request:
    head: Head = {}
    while text := reader.readline().decode("latin-1").strip():
        name, _, value = text.partition(":")
        head[name.lower()] = value.strip()
    if "expect" in head:
        near.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    return Request(line, head, reader.read(int(head.get("content-length", 0))))


@contextmanager
def proxy(url: str) -> Iterator[Proxy]:
    """A proxy before the server at ``url``."""
    parts = urlsplit(url)
    listener = socket.create_server(("127.0.0.1", 0))
    made = Proxy((parts.hostname or "", parts.port or 80), listener, listener.getsockname()[1])
    threading.Thread(target=made.accept, daemon=True).start()
    try:
        yield made
    finally:
        made.close()


FAULTS: dict[str, tuple[Fault, bool]] = {
    "connection reset before": (reset_before, False),
    "connection reset after": (reset_after, False),
    "no answer": (no_answer, False),
    "no answer each time": (no_answer, True),
    "500": (refusal(500, "InternalError"), False),
    "503 SlowDown": (refusal(503, "SlowDown"), False),
    "503 each time": (refusal(503, "SlowDown"), True),
    "403": (refusal(403, "AccessDenied"), True),
    "expired token": (refusal(400, "ExpiredToken"), True),
    "body cut on its way up": (cut_up, False),
    "answer cut": (cut_down, False),
    "byte corrupted up": (corrupt_up, False),
    "byte corrupted down": (corrupt_down, False),
    "delivered twice": (twice, False),
    "HEAD says absent": (stale_absent, True),
    "HEAD says old": (stale_old, True),
}
