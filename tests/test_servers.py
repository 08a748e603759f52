"""The servers that other tests lean on are real: each does what it is there for, and refuses what it must refuse."""

from __future__ import annotations

import base64
import hashlib
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.panorama_service import PanoramaService
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
