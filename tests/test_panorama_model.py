"""The service model of our own: the operations that are called, as the API's reference has them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from panorama_build.address import Address
from panorama_build.errors import PanoramaError
from panorama_build.transfer.panorama import MODELS, Service
from tests import api_reference
from tests.servers import ROOT

FILE = MODELS / "panorama/2019-07-24/service-2.json"
MODEL: dict[str, Any] = json.loads(FILE.read_text())
OPERATIONS = """
    ListPackages CreatePackage DescribePackage RegisterPackageVersion DescribePackageVersion DeregisterPackageVersion
    ListNodes DescribeNode CreateNodeFromTemplateJob DescribeNodeFromTemplateJob ListNodeFromTemplateJobs
    CreateApplicationInstance DescribeApplicationInstance DescribeApplicationInstanceDetails ListApplicationInstances
    ListApplicationInstanceNodeInstances RemoveApplicationInstance ListDevices DescribeDevice TagResource
"""

# What the reference names and does not describe, and what it does not say of what it describes.
UNDESCRIBED = {"TagResource", "ListNodeFromTemplateJobs"}
UNDESCRIBED_SHAPES = {
    *(f"{operation}{kind}" for operation in UNDESCRIBED for kind in ("Request", "Response")),
    *("NodeFromTemplateJob", "NodeFromTemplateJobList"),
    *("ConflictExceptionErrorArgument", "ValidationExceptionErrorArgument", "ValidationExceptionField"),
}
UNSAID = {"TemplateValue": {"sensitive": True}}


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment with keys and a region, and nothing else of AWS."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "PANORAMA_"))]:
        monkeypatch.delenv(name)
    for name, value in {"AWS_ACCESS_KEY_ID": "AKIA", "AWS_SECRET_ACCESS_KEY": "s", "AWS_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


def described() -> api_reference.Reference:
    if not api_reference.FILE.exists():
        pytest.skip(f"{api_reference.FILE.name} is not here")
    return api_reference.read(api_reference.FILE.read_text())


def test_each_operation_is_the_reference_s() -> None:
    reference = described()
    assert MODEL["metadata"] == reference.metadata
    for name, operation in MODEL["operations"].items():
        undescribed = {"input", "output"} if name in UNDESCRIBED else set()
        assert {key: operation[key] for key in operation.keys() - undescribed} == reference.operations[name]


def test_each_shape_is_the_reference_s() -> None:
    shapes = described().shapes
    assert MODEL["shapes"].keys() - UNDESCRIBED_SHAPES <= shapes.keys()
    for name in MODEL["shapes"].keys() - UNDESCRIBED_SHAPES:
        assert MODEL["shapes"][name] == {**shapes[name], **UNSAID.get(name, {})}, name


def test_the_model_has_what_is_called_and_no_more() -> None:
    assert MODEL["operations"].keys() == {*OPERATIONS.split()}
    named = [operation[key]["shape"] for operation in MODEL["operations"].values() for key in ("input", "output")]
    named += [error["shape"] for operation in MODEL["operations"].values() for error in operation["errors"]]
    reached: set[str] = set()
    while named:
        if (name := named.pop()) not in reached:
            reached.add(name)
            named += shapes_in(MODEL["shapes"][name])
    assert reached == MODEL["shapes"].keys()


def shapes_in(shape: dict[str, Any]) -> list[str]:
    parts = [*shape.get("members", {}).values(), *(shape[key] for key in ("member", "key", "value") if key in shape)]
    return [part["shape"] for part in parts]


def test_boto3_has_the_client_and_the_environment_is_as_it_was() -> None:
    import boto3

    before = dict(os.environ)
    client = Service(Address("panorama")).client
    assert set(client.meta.service_model.operation_names) == {*OPERATIONS.split()}
    assert client.meta.endpoint_url == "https://panorama.eu-west-1.amazonaws.com"
    assert dict(os.environ) == before
    assert "panorama" not in boto3.Session().get_available_services(), "other sessions are as they were"


@pytest.mark.parametrize(
    ("settings", "address", "endpoint"),
    [
        ({"AWS_ENDPOINT_URL": "http://any"}, Address("panorama"), "http://any"),
        (
            {"AWS_ENDPOINT_URL": "http://any", "AWS_ENDPOINT_URL_PANORAMA": "http://own"},
            Address("panorama"),
            "http://own",
        ),
        (
            {"AWS_ENDPOINT_URL_PANORAMA": "http://own", "PANORAMA_ENDPOINT": "http://ours"},
            Address("panorama"),
            "http://ours",
        ),
        ({"PANORAMA_ENDPOINT": "http://ours"}, Address("panorama", endpoint="http://said"), "http://said"),
        ({"AWS_ENDPOINT_URL_S3": "http://s3"}, Address("panorama"), "https://panorama.eu-west-1.amazonaws.com"),
        ({}, Address("panorama", region="us-west-2"), "https://panorama.us-west-2.amazonaws.com"),
    ],
)
def test_the_endpoint(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], address: Address, endpoint: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert Service(address).client.meta.endpoint_url == endpoint


def test_a_profile_s_region_and_endpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = "[profile lab]\nregion = ap-southeast-2\nservices = lab\n[services lab]\npanorama =\n  endpoint_url = http://lab\n"
    (tmp_path / "config").write_text(config)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.delenv("AWS_REGION")
    meta = Service(Address("panorama", profile="lab")).client.meta
    assert (meta.endpoint_url, meta.region_name) == ("http://lab", "ap-southeast-2")


@pytest.mark.parametrize(
    ("operation", "members", "said"),
    [
        ("DescribePackage", {"PackageId": "a b"}, r"PackageId: it must match ^[a-zA-Z0-9\-\_\/]+$"),
        ("DescribePackage", {"PackageId": "a\n"}, r"PackageId: it must match ^[a-zA-Z0-9\-\_\/]+$"),
        ("DescribePackage", {"PackageId": "a" * 256}, "PackageId: it has 256 characters, and 1 to 255 are allowed"),
        ("ListPackages", {"MaxResults": 26}, "MaxResults: it is 26, and 0 to 25 are allowed"),
        (
            "ListNodes",
            {"Category": "CAMERA"},
            "Category: it must be one of BUSINESS_LOGIC, ML_MODEL, MEDIA_SOURCE, MEDIA_SINK",
        ),
        (
            "CreatePackage",
            {"PackageName": "a", "Tags": {str(n): "" for n in range(51)}},
            "Tags: it has 51 entries, and 0 to 50 are allowed",
        ),
        (
            "CreateApplicationInstance",
            {"DefaultRuntimeContextDevice": "d", "ManifestPayload": {"PayloadData": "{}\n"}},
            "ManifestPayload.PayloadData: it must match ^.+$",
        ),
    ],
)
def test_what_the_service_would_refuse_is_not_sent(operation: str, members: dict[str, Any], said: str) -> None:
    with pytest.raises(PanoramaError) as caught:
        Service(Address("panorama", endpoint="http://127.0.0.1:1")).call(operation, **members)
    assert str(caught.value) == f"panorama: {operation} takes no such {said} (correct panorama.yaml)"


@pytest.mark.server  # a package index, for the build
def test_an_installed_wheel_has_the_model(tmp_path: Path) -> None:
    pip, source = [sys.executable, "-m", "pip", "--quiet"], tmp_path / "source"
    for name in ("panorama_build", "templates"):
        shutil.copytree(ROOT / name, source / name)
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    if subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, source], capture_output=True).returncode:
        pytest.skip("no wheel can be built here")
    (wheel,) = tmp_path.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", tmp_path / "installed", wheel], check=True)
    program = "from panorama_build.transfer import panorama as p; print(p.Service(p.Address('panorama')).client.meta)"
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; print(p.__file__)"], cwd=tmp_path, env=env, text=True, capture_output=True
    )
    assert done.returncode == 0 and str(tmp_path) in done.stdout, done
