"""The servers that other tests lean on are real: each does what it is there for, and refuses what it must refuse."""

from __future__ import annotations

import base64
import hashlib
import json
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.panorama_service import PanoramaService, Refusal, read_request
from tests.servers import S3, Engine
from tests.upstream import Upstream

DOCKERFILE = """\
FROM {base}
RUN ["/usr/bin/python3", "-c", "import json, csv, hashlib, platform; print('runs on', platform.machine())"]
"""


@pytest.fixture(params=["s3", "s3_tls"])
def either_s3(request: pytest.FixtureRequest) -> S3:
    server: S3 = request.getfixturevalue(request.param)
    return server


def _build(engine: Engine, directory: Path) -> str:
    (directory / "Dockerfile").write_text(DOCKERFILE.format(base=engine.base))
    command = ["docker", "build", "--platform", "linux/arm64", "--network", "none", "--tag", "proof", "."]
    return engine.run(*command, cwd=directory)


@pytest.mark.engine
def test_engine_builds_for_arm64(engine: Engine, tmp_path: Path) -> None:
    assert "runs on aarch64" in _build(engine, tmp_path)
    assert engine.run("docker", "image", "inspect", "--format", "{{.Architecture}}", "proof") == "arm64\n"
    assert "buildx" in engine.run("docker", "buildx", "version")


@pytest.mark.engine
def test_old_engine_builds_for_arm64(old_engine: Engine, tmp_path: Path) -> None:
    assert "runs on aarch64" in _build(old_engine, tmp_path)
    assert old_engine.run("docker", "image", "inspect", "--format", "{{.Architecture}}", "proof") == "arm64\n"
    assert old_engine.run("docker", "version", "--format", "{{.Server.Version}}").startswith("20.10.")


def _sha256(content: bytes) -> str:
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


@pytest.mark.server
def test_s3_keeps_an_object_and_its_checksum(either_s3: S3) -> None:
    bucket = either_s3.make_bucket(f"kept-over-{either_s3.url.partition(':')[0]}")
    client = either_s3.client()
    client.put_object(Bucket=bucket, Key="a/b", Body=b"content", ChecksumSHA256=_sha256(b"content"))
    assert client.get_object(Bucket=bucket, Key="a/b")["Body"].read() == b"content"
    head = client.head_object(Bucket=bucket, Key="a/b", ChecksumMode="ENABLED")
    assert (head["ContentLength"], head["ChecksumSHA256"]) == (7, _sha256(b"content"))


@pytest.mark.server
def test_s3_refuses_a_wrong_checksum(s3: S3) -> None:
    bucket = s3.make_bucket("checked")
    with pytest.raises(ClientError, match="BadDigest"):
        s3.client().put_object(Bucket=bucket, Key="a", Body=b"content", ChecksumSHA256=_sha256(b"other"))


@pytest.mark.server
def test_s3_refuses_an_unsigned_request(s3: S3) -> None:
    bucket = s3.make_bucket("private")
    s3.client().put_object(Bucket=bucket, Key="a", Body=b"content")
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{s3.url}/{bucket}/a")


@pytest.mark.server
def test_panorama_cli_creates_and_registers_a_package(
    upstream: Upstream, panorama_service: PanoramaService, tmp_path: Path
) -> None:
    app = tmp_path / "app"
    (tmp_path / "model.tar.gz").write_bytes(b"a model")
    (tmp_path / "descriptor.json").write_text("{}")
    package = "packages/123456789012-counter-1.0"
    model = ["--model-asset-name", "net", "--model-local-path", "../model.tar.gz", "--packages-path", package]
    for directory, command in [
        (tmp_path, ["init-project", "--name", "app"]),
        (app, ["create-package", "--name", "counter", "--type", "Model"]),
        (app, ["add-raw-model", *model, "--descriptor-path", "../descriptor.json"]),
        (app, ["add-panorama-package", "--type", "camera", "--name", "camera"]),
        (app, ["package-application"]),
    ]:
        result = upstream.run(command, directory, panorama_service.env)
        assert result.returncode == 0, result.stdout + result.stderr
    assert "All packages uploaded and registered successfully" in result.stdout
    patch = hashlib.sha256((app / package / "package.json").read_bytes()).hexdigest()
    version = panorama_service.packages["counter"].versions["1.0"]
    assert (version.latest, list(version.patches)) == (patch, [patch])


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
    with pytest.raises(Refusal, match=f"manifests/1.0/{DIGEST}.json is not in"):
        _ask(panorama_service, "PUT", f"{VERSION}/patch/{DIGEST}")
    with pytest.raises(Refusal, match=r"of other 1.0, not of counter 1.0"):
        _ask(panorama_service, "PUT", _manifest(panorama_service, name="other"))
    implementation = {"type": "model", "assetUri": f"{DIGEST}.tar.gz"}
    path = _manifest(panorama_service, assets=[{"name": "net", "implementations": [implementation]}])
    with pytest.raises(Refusal, match=f"binaries/{DIGEST}.tar.gz is not in"):
        _ask(panorama_service, "PUT", path)
    _upload(panorama_service, "BinaryPrefixLocation", f"{DIGEST}.tar.gz", b"half")
    with pytest.raises(Refusal, match="does not have the sha256 of its name"):
        _ask(panorama_service, "PUT", path)
    _upload(panorama_service, "BinaryPrefixLocation", f"{DIGEST}.tar.gz", b"{}")
    _ask(panorama_service, "PUT", path)
    with pytest.raises(Refusal, match="registered already"):
        _ask(panorama_service, "PUT", path)


@pytest.mark.server
def test_panorama_refuses_an_unsigned_request(panorama_service: PanoramaService) -> None:
    with pytest.raises(urllib.error.HTTPError, match="403") as error:
        urllib.request.urlopen(f"{panorama_service.url}/packages/metadata/a")
    assert error.value.headers["x-amzn-errortype"] == "AccessDeniedException"
    assert json.load(error.value) == {"Message": "the request is not signed with a key of this account"}
