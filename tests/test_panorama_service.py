"""The Panorama service of the tests refuses what the API's reference forbids, and keeps promises of its own."""

from __future__ import annotations

import hashlib
import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest

from panorama_build.address import Address
from panorama_build.transfer.panorama import Service
from tests import api_reference
from tests.panorama_rules import OPERATIONS, Members, Refusal, check_answer, read_request
from tests.panorama_service import PanoramaService

Shape = dict[str, Any]

# Texts that fit each pattern of the reference that is more than a set of characters.
SAMPLES = {
    r"^([0-9]+)\.([0-9]+)$": "1.0",
    r"^arn:[a-z0-9][-.a-z0-9]{0,62}:iam::[0-9]{12}:role/.+$": "arn:aws:iam::123456789012:role/app",
}


def sample(shapes: dict[str, Shape], name: str) -> Any:
    """A value that a shape allows, with all its members."""
    shape = shapes[name]
    if shape["type"] == "structure":
        return {key: sample(shapes, member["shape"]) for key, member in shape["members"].items()}
    if shape["type"] == "map":
        return {sample(shapes, shape["key"]["shape"]): sample(shapes, shape["value"]["shape"])}
    if shape["type"] == "list":
        return [sample(shapes, shape["member"]["shape"])]
    if "enum" in shape:
        return shape["enum"][0]
    return {"integer": 1, "boolean": True}.get(shape["type"], SAMPLES.get(shape.get("pattern", ""), "a1"))


def wrong(shapes: dict[str, Shape], name: str) -> Iterator[Any]:
    """Values, each of which breaks one rule of a shape."""
    shape = shapes[name]
    good = sample(shapes, name)
    if "enum" in shape:
        yield f"{good}_"
    if shape["type"] == "string":
        if shape.get("min"):
            yield ""
        if "max" in shape:
            yield from (good * (shape["max"] + 1), f"{good}{'1' * (shape['max'] + 1 - len(good))}")
        if pattern := shape.get("pattern"):
            yield from (bad for bad in ("é ü", f"{good}\n", "a\nb") if not re.fullmatch(pattern, bad))
    elif shape["type"] == "structure":
        yield {**good, "Unknown": 1}
        yield from ({key: good[key] for key in good if key != each} for each in shape.get("required", []))
        for key, member in shape["members"].items():
            yield from ({**good, key: bad} for bad in wrong(shapes, member["shape"]))
    elif shape["type"] == "map":
        yield from (
            {bad: sample(shapes, shape["value"]["shape"])}
            for bad in wrong(shapes, shape["key"]["shape"])
            if isinstance(bad, str)
        )
        yield from ({"a": bad} for bad in wrong(shapes, shape["value"]["shape"]))
        if "max" in shape:
            yield {f"a{number}": "a1" for number in range(shape["max"] + 1)}
    elif shape["type"] == "list":
        yield from ([bad] for bad in wrong(shapes, shape["member"]["shape"]))
    elif "max" in shape:
        yield from (shape["min"] - 1, shape["max"] + 1)
    yield {"string": ["a1"], "boolean": "true", "integer": "one"}.get(shape["type"], "a1")


def send(operation: Shape, shape: Shape, members: Members) -> tuple[str, Members]:
    """What the service reads when a client sends these members as the reference has it."""
    path, query, body = operation["http"]["requestUri"], [], {}
    for name, value in members.items():
        member = shape["members"].get(name, {})
        if member.get("location") == "uri":
            path = path.replace(f"{{{member['locationName']}}}", quote(str(value), safe=""))
        elif member.get("location") == "querystring":
            query.append((member["locationName"], json.dumps(value) if isinstance(value, bool) else value))
        else:
            body[name] = value
    url = f"{path}?{urlencode(query)}" if query else path
    return read_request(operation["http"]["method"], url, json.dumps(body).encode())


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_constraint_of_the_reference_is_kept(name: str) -> None:
    """A request with all members passes; one that breaks a single rule is refused, whichever rule that is."""
    if not api_reference.FILE.exists():
        pytest.skip(f"{api_reference.FILE.name} is not here")
    reference = api_reference.read(api_reference.FILE.read_text())
    operation = reference.operations[name]
    if "input" not in operation:
        pytest.skip(f"{api_reference.FILE.name} does not describe {name}")
    shape = reference.shapes[operation["input"]["shape"]]
    good = sample(reference.shapes, operation["input"]["shape"])
    assert send(operation, shape, good) == (name, good)
    for bad in wrong(reference.shapes, operation["input"]["shape"]):
        if isinstance(bad, dict) and can_be_sent(shape, bad):
            with pytest.raises(Refusal) as refusal:
                print(send(operation, shape, bad), bad)
            assert (refusal.value.kind, refusal.value.status) == ("ValidationException", 400), bad


def can_be_sent(shape: Shape, members: Members) -> bool:
    """Whether a mistake is still one in a URL, where all is text, and nothing in a path's place is another path."""
    located = {name: member["location"] for name, member in shape["members"].items() if "location" in member}
    in_path = [members.get(name) for name, location in located.items() if location == "uri"]
    return all(in_path) and not any(isinstance(members.get(name), list) for name in located)


DIGEST = hashlib.sha256(b"{}").hexdigest()
VERSION = "/packages/packageName%2Fcounter/versions/1.0"


@pytest.mark.parametrize(
    ("method", "url", "body", "complaint"),
    [
        ("POST", "/packages", {}, "PackageName is required"),
        ("POST", "/packages", {"PackageName": "a b"}, "PackageName must not be 'a b'"),
        ("POST", "/packages", {"PackageName": "a" * 129}, "PackageName must not be"),
        ("POST", "/packages", {"PackageName": 1}, "PackageName must not be 1"),
        ("POST", "/packages", {"PackageName": "a", "Colour": "red"}, "Colour is no member of this request"),
        ("POST", "/packages", {"PackageName": "a", "Tags": {"": "x"}}, "Tags must not be"),
        ("POST", "/packages", [], "the body is no JSON object"),
        ("GET", "/packages/metadata/a%20b", {}, "PackageId must not be 'a b'"),
        ("GET", "/packages/metadata/a/versions/1", {}, "PackageVersion must not be '1'"),
        ("GET", "/packages/metadata/a/versions/1.0?PatchVersion=A", {}, "PatchVersion must not be 'A'"),
        ("GET", "/packages/metadata/a/versions/1.0?Patch=a", {}, "Patch is no member of this request"),
        ("PUT", f"{VERSION}/patch/{DIGEST}", {"MarkLatest": "true"}, "MarkLatest must not be 'true'"),
        ("PUT", f"{VERSION}/patch/{DIGEST}", {"OwnerAccount": "1234567890123"}, "OwnerAccount must not be"),
        ("DELETE", f"{VERSION}/patch/a-b", {}, "PatchVersion must not be 'a-b'"),
        ("GET", "/packages/metadata/packageName/a", {}, "is no operation"),
    ],
)
def test_panorama_refuses_a_malformed_request(method: str, url: str, body: object, complaint: str) -> None:
    with pytest.raises(Refusal, match=complaint) as refusal:
        read_request(method, url, json.dumps(body).encode())
    assert refusal.value.status == 400


def _ask(service: PanoramaService, method: str, url: str, **body: object) -> dict[str, Any]:
    return service.answer(method, url, json.dumps(body).encode())


def _upload(service: PanoramaService, kind: str, name: str, content: bytes) -> None:
    location = service.packages["counter"].location
    service.s3.client().put_object(Bucket=location["Bucket"], Key=f"{location[kind]}/{name}", Body=content)


def _manifest(service: PanoramaService, **members: object) -> str:
    """Upload a package.json; the path that registers it."""
    content = json.dumps({"nodePackage": members}).encode()
    patch = hashlib.sha256(content).hexdigest()
    _upload(service, "ManifestPrefixLocation", f"1.0/{patch}.json", content)
    return f"{VERSION}/patch/{patch}"


@pytest.mark.server
def test_panorama_keeps_the_latest_patch(panorama_service: PanoramaService) -> None:
    _ask(panorama_service, "POST", "/packages", PackageName="counter")
    old, new = (_manifest(panorama_service, description=text) for text in ("old", "new"))
    _ask(panorama_service, "PUT", old)
    _ask(panorama_service, "PUT", new, MarkLatest=True)
    described = _ask(panorama_service, "GET", VERSION.replace("/packages", "/packages/metadata"))
    assert described["PatchVersion"] == new.rpartition("/")[2]
    assert (described["IsLatestPatch"], described["Status"]) == (True, "REGISTER_COMPLETED")
    _ask(panorama_service, "DELETE", old)
    with pytest.raises(Refusal, match="does not exist"):
        _ask(panorama_service, "DELETE", old)
    _ask(panorama_service, "DELETE", new)
    assert panorama_service.packages["counter"].versions == {}


@pytest.mark.server
def test_panorama_registers_nothing_but_what_the_store_holds(panorama_service: PanoramaService) -> None:
    with pytest.raises(Refusal, match="packageName/counter does not exist"):
        _ask(panorama_service, "PUT", f"{VERSION}/patch/{DIGEST}")
    _ask(panorama_service, "POST", "/packages", PackageName="counter")
    assert _failed(panorama_service, f"{VERSION}/patch/{DIGEST}").endswith(
        f"manifests/1.0/{DIGEST}.json is not in the store"
    )
    other = _manifest(panorama_service, name="other")
    assert _failed(panorama_service, other) == "package.json is of other 1.0, not of counter 1.0"
    implementation = {"type": "model", "assetUri": f"{DIGEST}.tar.gz"}
    path = _manifest(panorama_service, assets=[{"name": "net", "implementations": [implementation]}])
    assert _failed(panorama_service, path).endswith(f"binaries/{DIGEST}.tar.gz is not in the store")
    _upload(panorama_service, "BinaryPrefixLocation", f"{DIGEST}.tar.gz", b"half")
    assert _failed(panorama_service, path).endswith("does not have the sha256 of its name")
    _upload(panorama_service, "BinaryPrefixLocation", f"{DIGEST}.tar.gz", b"{}")
    _ask(panorama_service, "PUT", path)
    with pytest.raises(Refusal, match="registered already"):
        _ask(panorama_service, "PUT", path)


def _failed(service: PanoramaService, path: str) -> str:
    _ask(service, "PUT", path, MarkLatest=True)
    version, _, patch = path.replace("/packages", "/packages/metadata").partition("/patch/")
    described = _ask(service, "GET", f"{version}?PatchVersion={patch}")
    assert described["Status"] == "FAILED"
    return str(described["StatusDescription"])


@pytest.mark.server
def test_a_registration_is_pending_before_it_is_the_latest(panorama_service: PanoramaService) -> None:
    _ask(panorama_service, "POST", "/packages", PackageName="counter")
    old, new = (_manifest(panorama_service, description=text) for text in ("old", "new"))
    _ask(panorama_service, "PUT", old)
    panorama_service.parts.pending = 2
    _ask(panorama_service, "PUT", new, MarkLatest=True)
    metadata = VERSION.replace("/packages", "/packages/metadata")
    assert _ask(panorama_service, "GET", metadata)["PatchVersion"] == old.rpartition("/")[2]
    described = [_ask(panorama_service, "GET", f"{metadata}?PatchVersion={new.rpartition('/')[2]}") for _ in range(3)]
    assert [each["Status"] for each in described] == ["REGISTER_PENDING", "REGISTER_PENDING", "REGISTER_COMPLETED"]
    assert [each["IsLatestPatch"] for each in described] == [False, False, True]


@pytest.mark.server
def test_the_latest_patch_goes_only_with_another_in_its_place(panorama_service: PanoramaService) -> None:
    _ask(panorama_service, "POST", "/packages", PackageName="counter")
    old, new = (_manifest(panorama_service, description=text) for text in ("old", "new"))
    for path in (old, new):
        _ask(panorama_service, "PUT", path, MarkLatest=True)
    with pytest.raises(Refusal, match="is the latest") as refusal:
        _ask(panorama_service, "DELETE", new)
    assert refusal.value.status == 409
    for owner, successor in (("210987654321", old), ("123456789012", f"{DIGEST[:8]}")):
        with pytest.raises(Refusal):
            query = urlencode({"OwnerAccount": owner, "UpdatedLatestPatchVersion": successor.rpartition("/")[2]})
            _ask(panorama_service, "DELETE", f"{new}?{query}")
    _ask(panorama_service, "DELETE", f"{new}?UpdatedLatestPatchVersion={old.rpartition('/')[2]}")
    assert _ask(panorama_service, "GET", VERSION.replace("/packages", "/packages/metadata"))["IsLatestPatch"]


@pytest.mark.server
def test_a_list_has_pages(panorama_service: PanoramaService, monkeypatch: pytest.MonkeyPatch) -> None:
    """As boto3 reads them, with our client."""
    names = [f"package{number}" for number in range(60)]
    for name in names:
        _ask(panorama_service, "POST", "/packages", PackageName=name)
    for name, value in panorama_service.env.items():
        monkeypatch.setenv(name, value)
    panorama_service.calls.clear()
    assert [item["PackageName"] for item in Service(Address("panorama")).items("ListPackages", "Packages")] == names
    assert panorama_service.calls == ["ListPackages"] * 3
    with pytest.raises(Refusal, match="NextToken"):
        _ask(panorama_service, "GET", "/packages?nextToken=YWJj")


def test_an_answer_that_the_service_could_not_give_is_a_mistake_of_the_tests() -> None:
    for item in ({"Name": "counter"}, {"PackageName": "a b"}):
        with pytest.raises(AssertionError):
            check_answer("ListPackages", {"Packages": [item]})
    with pytest.raises(AssertionError, match="StorageLocation"):
        check_answer("CreatePackage", {})


@pytest.mark.server
def test_panorama_refuses_an_unsigned_request(panorama_service: PanoramaService) -> None:
    with pytest.raises(urllib.error.HTTPError, match="403") as error:
        urllib.request.urlopen(f"{panorama_service.url}/packages/metadata/a")
    assert error.value.headers["x-amzn-errortype"] == "AccessDeniedException"
    assert json.load(error.value) == {"Message": "the request is not signed with a key of this account"}
