"""The Panorama API as a client of packages sees it, in this process, over a real S3.

Each request is held against the published service model: its members and their lengths and patterns. A registration
is held against the store as well: the manifest and every binary it names must lie there, under their own digests.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.servers import S3

ACCOUNT = "123456789012"
Members = dict[str, Any]


def text(longest: int, pattern: str, shortest: int = 1) -> Callable[[object], bool]:
    """A rule for a string."""
    whole = re.compile(pattern)
    return lambda value: isinstance(value, str) and shortest <= len(value) <= longest and bool(whole.fullmatch(value))


def tags(value: object) -> bool:
    """A rule for a map of at most 50 tags."""
    key, content = text(128, ".+"), text(256, ".*", shortest=0)
    return isinstance(value, dict) and len(value) <= 50 and all(key(k) and content(v) for k, v in value.items())


RULES: dict[str, Callable[[object], bool]] = {
    "PackageName": text(128, r"[a-zA-Z0-9\-_]+"),
    "PackageId": text(255, r"[a-zA-Z0-9\-_/]+"),
    "PackageVersion": text(255, r"[0-9]+\.[0-9]+"),
    "PatchVersion": text(255, r"[a-z0-9]+"),
    "UpdatedLatestPatchVersion": text(255, r"[a-z0-9]+"),
    "OwnerAccount": text(12, r"[0-9a-z_]+"),
    "MarkLatest": lambda value: isinstance(value, bool),
    "Tags": tags,
}


@dataclass(frozen=True)
class Operation:
    """Where an operation lies, and which members it takes beside those of its path, which are all required."""

    method: str
    path: str
    required: tuple[str, ...] = ()
    body: tuple[str, ...] = ()
    query: tuple[str, ...] = ()

    def match(self, method: str, path: str) -> Members | None:
        """The members in an encoded path; None where it is another operation's."""
        pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", self.path)
        found = re.fullmatch(pattern, path) if method == self.method else None
        return {name: unquote(value) for name, value in found.groupdict().items()} if found else None


OPERATIONS = {
    "CreatePackage": Operation("POST", "/packages", required=("PackageName",), body=("PackageName", "Tags")),
    "DescribePackage": Operation("GET", "/packages/metadata/{PackageId}"),
    "DescribePackageVersion": Operation(
        "GET",
        "/packages/metadata/{PackageId}/versions/{PackageVersion}",
        query=("OwnerAccount", "PatchVersion"),
    ),
    "RegisterPackageVersion": Operation(
        "PUT",
        "/packages/{PackageId}/versions/{PackageVersion}/patch/{PatchVersion}",
        body=("MarkLatest", "OwnerAccount"),
    ),
    "DeregisterPackageVersion": Operation(
        "DELETE",
        "/packages/{PackageId}/versions/{PackageVersion}/patch/{PatchVersion}",
        query=("OwnerAccount", "UpdatedLatestPatchVersion"),
    ),
}


STATUS = {
    "ValidationException": 400,
    "AccessDeniedException": 403,
    "ResourceNotFoundException": 404,
    "ConflictException": 409,
}


class Refusal(Exception):
    """An answer other than 200, with the members of its kind of error."""

    def __init__(self, kind: str, message: str, **members: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = STATUS[kind]
        self.members = {"Message": message, **members}


def _invalid(message: str, reason: str = "FIELD_VALIDATION_FAILED") -> Refusal:
    return Refusal("ValidationException", message, Reason=reason)


def _conflict(message: str, resource: str) -> Refusal:
    return Refusal("ConflictException", message, ResourceId=resource, ResourceType="PACKAGE")


def _missing(resource: str) -> Refusal:
    message = f"{resource} does not exist"
    return Refusal("ResourceNotFoundException", message, ResourceId=resource, ResourceType="PACKAGE")


@dataclass
class Patch:
    """A registered patch version; so many more of its descriptions still find it pending."""

    registered: float
    pending: int

    def describe(self) -> str:
        self.pending -= 1
        return "REGISTER_COMPLETED" if self.pending < 0 else "REGISTER_PENDING"


@dataclass
class Version:
    latest: str
    patches: dict[str, Patch] = field(default_factory=dict)


@dataclass
class Package:
    name: str
    bucket: str
    tags: dict[str, str]
    created: float = field(default_factory=time.time)
    versions: dict[str, Version] = field(default_factory=dict)

    @property
    def names(self) -> Members:
        identity = f"package-{hashlib.sha256(self.name.encode()).hexdigest()[:26]}"
        return {"PackageId": identity, "Arn": f"arn:aws:panorama:us-east-1:{ACCOUNT}:package/{identity}"}

    @property
    def location(self) -> dict[str, str]:
        root = f"{ACCOUNT}/nodePackages/{self.name}"
        return {
            "Bucket": self.bucket,
            "RepoPrefixLocation": root,
            "GeneratedPrefixLocation": f"{root}/generated",
            "BinaryPrefixLocation": f"{root}/binaries",
            "ManifestPrefixLocation": f"{root}/manifests",
        }


class PanoramaService:
    """The state of the service; ``packages`` by name and ``calls`` in their order are for assertions.

    ``pending`` says how many times a new registration is described as REGISTER_PENDING.
    """

    def __init__(self, s3: S3, bucket: str) -> None:
        self.s3 = s3
        self.bucket = bucket
        self.url = ""
        self.pending = 0
        self.packages: dict[str, Package] = {}
        self.calls: list[str] = []
        self._lock = threading.Lock()
        self._operations: dict[str, Callable[[Members], Members]] = {
            "CreatePackage": self._create,
            "DescribePackage": self._describe,
            "DescribePackageVersion": self._describe_version,
            "RegisterPackageVersion": self._register,
            "DeregisterPackageVersion": self._deregister,
        }

    @property
    def env(self) -> dict[str, str]:
        """What leads an AWS client to this service and to its store."""
        return {**self.s3.env, "AWS_ENDPOINT_URL_PANORAMA": self.url, "AWS_ENDPOINT_URL_STS": self.url}

    def answer(self, method: str, url: str, body: bytes) -> Members:
        """The members of an answer; Refusal where there is none."""
        name, given = read_request(method, url, body)
        with self._lock:
            self.calls.append(name)
            return self._operations[name](given)

    def check_signer(self, authorization: str) -> None:
        """By the key alone: that a client computes signatures is for the store to test."""
        key = re.escape(self.s3.env["AWS_ACCESS_KEY_ID"])
        if not re.match(rf"AWS4-HMAC-SHA256 Credential={key}/\d+/[\w-]+/(panorama|sts)/aws4_request,", authorization):
            raise Refusal("AccessDeniedException", "the request is not signed with a key of this account")

    def _create(self, given: Members) -> Members:
        name = given["PackageName"]
        if name in self.packages:
            raise _conflict(f"package {name} exists already", name)
        package = self.packages[name] = Package(name, self.bucket, given.get("Tags", {}))
        return {**package.names, "StorageLocation": package.location}

    def _describe(self, given: Members) -> Members:
        package = self._package(given)
        return {
            **package.names,
            "PackageName": package.name,
            "StorageLocation": package.location,
            "CreatedTime": package.created,
            "Tags": package.tags,
        }

    def _describe_version(self, given: Members) -> Members:
        package, version = self._package(given), self._version(given)
        name = given.get("PatchVersion", version.latest)
        patch = _registered(version, name)
        return {
            "PackageId": package.names["PackageId"],
            "PackageArn": package.names["Arn"],
            "PackageName": package.name,
            "OwnerAccount": ACCOUNT,
            "PackageVersion": given["PackageVersion"],
            "PatchVersion": name,
            "IsLatestPatch": name == version.latest,
            "RegisteredTime": patch.registered,
            "Status": patch.describe(),
        }

    def _register(self, given: Members) -> Members:
        name = given["PatchVersion"]
        try:
            package = self._package(given)
        except Refusal as refusal:  # this operation knows no ResourceNotFoundException
            raise _invalid(str(refusal)) from None
        version = package.versions.get(given["PackageVersion"], Version(latest=name))
        if name in version.patches:
            raise _conflict(f"patch version {name} is registered already", name)
        self._check_store(package, given["PackageVersion"], name)
        package.versions[given["PackageVersion"]] = version
        version.patches[name] = Patch(time.time(), self.pending)
        if given.get("MarkLatest"):
            version.latest = name
        return {}

    def _deregister(self, given: Members) -> Members:
        version, name = self._version(given), given["PatchVersion"]
        _registered(version, name)
        successor = given.get("UpdatedLatestPatchVersion", version.latest)
        rest = version.patches.keys() - {name}
        if rest and successor not in rest:
            raise _conflict(f"patch version {name} is the latest, and no other is named to be it", name)
        del version.patches[name]
        version.latest = successor
        if not rest:
            del self._package(given).versions[given["PackageVersion"]]
        return {}

    def _package(self, given: Members) -> Package:
        """A package by its id or its alias, for none but its owner."""
        wanted = given["PackageId"]
        for package in self.packages.values() if given.get("OwnerAccount", ACCOUNT) == ACCOUNT else ():
            if wanted in (package.names["PackageId"], f"packageName/{package.name}"):
                return package
        raise _missing(wanted)

    def _version(self, given: Members) -> Version:
        package, number = self._package(given), given["PackageVersion"]
        if number not in package.versions:
            raise _missing(f"{package.name} {number}")
        return package.versions[number]

    def _check_store(self, package: Package, version: str, patch: str) -> None:
        manifests, binaries = (package.location[f"{kind}PrefixLocation"] for kind in ("Manifest", "Binary"))
        content = self._stored(f"{manifests}/{version}/{patch}.json", patch)
        try:
            document = json.loads(content)["nodePackage"]
            named = document.get("name", package.name), document.get("version", version)
            names = list(_binaries(document))
        except (ValueError, LookupError, TypeError, AttributeError):
            raise _invalid(f"{patch}.json is no package.json") from None
        if named != (package.name, version):
            raise _invalid(f"package.json is of {named[0]} {named[1]}, not of {package.name} {version}")
        for name in names:
            self._stored(f"{binaries}/{name}", name.partition(".")[0])

    def _stored(self, key: str, sha256: str) -> bytes:
        from botocore.exceptions import ClientError

        try:
            content = self.s3.client().get_object(Bucket=self.bucket, Key=key)["Body"].read()
        except ClientError as error:
            raise _invalid(f"{key} is not in {self.bucket}: {error}") from None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise _invalid(f"{key} in {self.bucket} does not have the sha256 of its name")
        return content


def _registered(version: Version, name: str) -> Patch:
    if name not in version.patches:
        raise _missing(f"patch version {name}")
    return version.patches[name]


def _binaries(document: Members) -> Iterator[str]:
    """The files that a package's assets consist of, except those that are part of the device."""
    implementations = [one for asset in document.get("assets", []) for one in asset["implementations"]]
    for implementation in implementations:
        if implementation["type"] != "system":
            yield implementation["assetUri"]
            yield from [implementation["descriptorUri"]] if "descriptorUri" in implementation else []


def read_request(method: str, url: str, body: bytes) -> tuple[str, Members]:
    """The operation that a request asks for and its members, each of which obeys its rule."""
    path, query = urlsplit(url).path, parse_qsl(urlsplit(url).query, keep_blank_values=True)
    for name, operation in OPERATIONS.items():
        places = operation.match(method, path)
        if places is not None:
            given = [*places.items(), *_known(query, operation.query), *_known(_body(body), operation.body)]
            return name, _checked(dict(given), operation.required)
    raise _invalid(f"{method} {path} is no operation", "UNKNOWN_OPERATION")


def _body(content: bytes) -> list[tuple[str, object]]:
    try:
        members = json.loads(content or b"{}")
    except ValueError:
        members = None
    if not isinstance(members, dict):
        raise _invalid("the body is no JSON object", "CANNOT_PARSE")
    return list(members.items())


def _known(members: Sequence[tuple[str, object]], names: tuple[str, ...]) -> Sequence[tuple[str, object]]:
    for name, _ in members:
        if name not in names:
            raise _invalid(f"{name} is no member of this request")
    return members


def _checked(members: Members, required: tuple[str, ...]) -> Members:
    for name in required:
        if name not in members:
            raise _invalid(f"{name} is required")
    for name, value in members.items():
        if not RULES[name](value):
            raise _invalid(f"{name} must not be {value!r}")
    return members


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
            self.service.check_signer(self.headers.get("Authorization", ""))
            self._send(200, self._identity(body) if self.path == "/" else self._members(body))
        except Refusal as refusal:
            xml = STS_ERROR.format(kind=refusal.kind, message=refusal)
            self._send(refusal.status, xml if self.path == "/" else json.dumps(refusal.members), refusal.kind)

    do_GET = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

    def _members(self, body: bytes) -> str:
        return json.dumps(self.service.answer(self.command, self.path, body))

    def _identity(self, body: bytes) -> str:
        if ("Action", "GetCallerIdentity") not in parse_qsl(body.decode()):
            raise _invalid("GetCallerIdentity is all that this STS knows", "UNKNOWN_OPERATION")
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
