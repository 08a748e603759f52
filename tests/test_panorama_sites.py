"""The tests' own service takes no deployment, and no camera, that the published API or a device would not take.

That the service model says what panorama-api.md says is shown in test_panorama_model.py.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from panorama_build.address import Address
from panorama_build.transfer.panorama import panorama_client
from tests import panorama_service
from tests.panorama_sites import Sites
from tests.servers import S3

pytestmark = pytest.mark.server

GRAPH: dict[str, Any] = {
    "packages": [{"name": "panorama::abstract_rtsp_media_source", "version": "1.0"}],
    "nodes": [
        {
            "name": "gate",
            "interface": "panorama::abstract_rtsp_media_source.rtsp_v1_interface",
            "overridable": True,
        },
        {"name": "fixed", "interface": "string", "value": "a"},
    ],
}
OVERRIDES: dict[str, Any] = {
    "packages": [{"name": "123456789012::cam", "version": "1.0"}],
    "nodes": [{"name": "cam", "interface": "123456789012::cam.cam"}],
    "nodeOverrides": [{"replace": "gate", "with": [{"name": "cam"}]}],
}
STREAM = {"Username": "u", "Password": "p", "StreamUrl": "rtsp://192.0.2.10/"}


def instance(graph: Any = GRAPH, overrides: Any = OVERRIDES, **members: Any) -> dict[str, Any]:
    return {
        "DefaultRuntimeContextDevice": "device-shop-1",
        "ManifestPayload": {"PayloadData": json.dumps({"nodeGraph": graph})},
        "ManifestOverridesPayload": {"PayloadData": json.dumps({"nodeGraphOverrides": overrides})},
        **members,
    }


def camera(**members: Any) -> dict[str, Any]:
    return {
        "TemplateType": "RTSP_CAMERA_STREAM",
        "OutputPackageName": "new",
        "OutputPackageVersion": "1.0",
        "NodeName": "new",
        "TemplateParameters": STREAM,
        **members,
    }


@pytest.fixture(scope="module")
def call(s3: S3) -> Iterator[Callable[..., Any]]:
    """A request that botocore sends without looking at its values."""
    with panorama_service.running(s3, f"sites-{uuid.uuid4()}") as service, pytest.MonkeyPatch.context() as patch:
        for name, value in service.env.items():
            patch.setenv(name, value)
        Sites(service).cameras.add("cam")
        client = panorama_client(Address("panorama"))
        yield lambda operation, members: getattr(client, operation)(**members)


def test_what_fits_is_taken(call: Callable[..., Any]) -> None:
    assert call("create_application_instance", instance())["ApplicationInstanceId"]
    assert call("create_node_from_template_job", camera())["JobId"]


ANY = "create_application_instance", "create_node_from_template_job"


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        (ANY[0], instance(Name="a b")),
        (ANY[0], instance(Name="a" * 256)),
        (ANY[0], instance(Description="a\nb")),
        (ANY[0], instance(Description="a" * 256)),
        (ANY[0], instance(RuntimeRoleArn="arn:aws:iam::123456789012:user/a")),
        (ANY[0], instance(Tags={f"{number}": "" for number in range(51)})),
        (ANY[0], instance(Tags={"a": "b" * 257})),
        (ANY[0], instance(ManifestPayload={"PayloadData": json.dumps({"nodeGraph": GRAPH}, indent=1)})),
        (ANY[0], instance(ManifestPayload={"PayloadData": "a" * 51_201})),
        (ANY[0], instance(ManifestOverridesPayload={"PayloadData": "a" * 51_201})),
        (ANY[0], instance(ManifestPayload={"PayloadData": "no JSON"})),
        (ANY[0], instance(DefaultRuntimeContextDevice="shop-1")),
        (ANY[0], instance(DefaultRuntimeContextDevice="device-other")),
        (ANY[0], instance(ApplicationInstanceIdToReplace="applicationInstance-9")),
        (ANY[0], instance({**GRAPH, "packages": [{"name": "123456789012::wall", "version": "1.0"}]})),
        (ANY[0], instance(overrides={**OVERRIDES, "packages": [{"name": "123456789012::cam", "version": "2.0"}]})),
        (ANY[0], instance(overrides={**OVERRIDES, "nodes": []})),
        (ANY[0], instance(overrides={})),
        (ANY[0], instance(overrides={**OVERRIDES, "nodeOverrides": [{"replace": "gate", "with": []}]})),
        (ANY[0], instance(overrides={"nodeOverrides": [{"replace": "fixed", "with": [{"name": "cam"}]}]})),
        (ANY[0], instance(overrides={**OVERRIDES, "nodes": [{"name": "cam", "interface": "123456789012::cam.in"}]})),
        (ANY[1], camera(TemplateType="USB")),
        (ANY[1], camera(OutputPackageVersion="1")),
        (ANY[1], camera(NodeName="a.b")),
        (ANY[1], camera(TemplateParameters={**STREAM, "Password": "p" * 256})),
        (ANY[1], camera(TemplateParameters={**STREAM, "Port": "554"})),
        (ANY[1], camera(TemplateParameters={"Username": "u", "Password": "p"})),
        (ANY[1], camera(OutputPackageName="cam")),
    ],
)
def test_what_does_not_fit_is_refused(call: Callable[..., Any], operation: str, members: dict[str, Any]) -> None:
    with pytest.raises(ClientError, match=r"ValidationException|ConflictException"):
        call(operation, members)


def test_what_is_under_way_can_not_be_replaced_and_what_is_gone_not_removed(call: Callable[..., Any]) -> None:
    first = call("create_application_instance", instance())["ApplicationInstanceId"]
    with pytest.raises(ClientError, match="can't be replaced"):
        call("create_application_instance", instance(ApplicationInstanceIdToReplace=first))
    call("remove_application_instance", {"ApplicationInstanceId": first})
    with pytest.raises(ClientError, match="ConflictException"):
        call("remove_application_instance", {"ApplicationInstanceId": first})
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        call("describe_application_instance", {"ApplicationInstanceId": "applicationInstance-9"})
