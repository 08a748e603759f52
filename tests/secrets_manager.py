"""The one operation of AWS Secrets Manager that is called: GetSecretValue, by its API reference, on loopback.

https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.panorama_packages import ACCOUNT, REGION

LONGEST_ID = 2048


class SecretsManager:
    """Secrets by name; bytes stand for a binary one. ``asked`` are the names that were read."""

    def __init__(self, access_key: str) -> None:
        self.access_key = access_key
        self.url = ""
        self.secrets: dict[str, str | bytes] = {}
        self.asked: list[str] = []

    def answer(self, headers: Any, body: bytes) -> tuple[int, dict[str, Any]]:
        """The status and members of an answer to one request."""
        scope = rf"AWS4-HMAC-SHA256 Credential={re.escape(self.access_key)}/\d+/{REGION}/secretsmanager/aws4_request,"
        if not re.match(scope, headers.get("Authorization", "")):
            return 400, _error("UnrecognizedClientException", "The security token included in the request is invalid.")
        if headers.get("X-Amz-Target") != "secretsmanager.GetSecretValue":
            return 400, _error("UnknownOperationException", "")
        try:
            given = json.loads(body)
            name = given.pop("SecretId")
        except (ValueError, KeyError, TypeError, AttributeError):
            return 400, _error("InvalidParameterException", "SecretId is required")
        if given or not isinstance(name, str) or not 1 <= len(name) <= LONGEST_ID:
            return 400, _error("InvalidParameterException", "a member is not as it has to be")
        self.asked.append(name)
        if name not in self.secrets:
            return 400, _error("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")
        return 200, self._secret(name)

    def _secret(self, name: str) -> dict[str, Any]:
        content = self.secrets[name]
        arn = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:{name}-AbCdEf"
        kept = {"SecretString": content} if isinstance(content, str) else {"SecretBinary": "AAAA"}
        version = {"VersionId": "a" * 32, "VersionStages": ["AWSCURRENT"], "CreatedDate": time.time()}
        return {"ARN": arn, "Name": name, **version, **kept}


def _error(kind: str, message: str) -> dict[str, Any]:
    return {"__type": kind, "Message": message}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    service: SecretsManager

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        status, members = self.service.answer(self.headers, body)
        content = json.dumps(members).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments: object) -> None:
        """Say nothing: pytest's output is for the tests."""


@contextmanager
def running(access_key: str) -> Iterator[SecretsManager]:
    """The service on a free port of loopback."""
    service = SecretsManager(access_key)
    handler = type("Handler", (_Handler,), {"service": service})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        service.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,)).start()
        try:
            yield service
        finally:
            server.shutdown()
