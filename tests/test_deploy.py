"""Deploying to a site: cameras made, the instance replaced, waited for, looked at, removed; and no secret is told.

Against the Panorama API of the tests, which takes what the published service model allows and a device could run.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from panorama_build.errors import PanoramaError
from panorama_build.project import Project
from panorama_build.steps.deploy import deploy, remove, status
from panorama_build.steps.graph import write_graphs
from panorama_build.steps.outcome import Outcome
from panorama_build.steps.package import write_package
from panorama_build.tasks.load import LOCAL
from panorama_build.transfer.waiting import Patience
from tests import panorama_service, secrets_manager
from tests.applications import NO_ENGINE, PROGRAMS, Run, run
from tests.panorama_packages import Package, Patch, Version
from tests.panorama_rules import Refusal
from tests.panorama_service import PanoramaService
from tests.panorama_sites import Sites, denied
from tests.secrets_manager import SecretsManager
from tests.servers import S3

pytestmark = pytest.mark.server

USER, PASSWORD = "jürgen&co", 'hunter/2 "é%'  # each is another text in a URL, in JSON, in Python
BRISK = Patience(total=10, first=0.001, longest=0.001)
HASTE = Patience(total=0)  # asks once
MANIFEST = """\
application: door
account: 123456789012
remote: {url: panorama, region: us-east-1}
packages:
  wall: {sink: hdmi}
graph:
  nodes:
    gate: camera
    limit: {float32: 0.5, overridable: true, override_mandatory: true}
    screen: wall
  edges: [gate -> screen]
sites:
  shop:
    device: shop-1
    cameras: {gate: [left, right]}
    values: {limit: 0.75}
    description: The first
    role: arn:aws:iam::123456789012:role/door
    tags: {team: retail}
"""
STREAM = """\
      gate: {name: cam, url: rtsp://192.0.2.10/s, username: {env: CAM_USER}, password: %s}
"""
OF_SECRET = "{secret: shop/cam, key: password}"


@dataclass
class Shop:
    """A project with one site, the service that it is deployed with, and all that was ever said of it."""

    root: Path
    service: PanoramaService
    sites: Sites
    secrets: SecretsManager
    told: list[str] = field(default_factory=list)

    @property
    def project(self) -> Project:
        return Project.load(Path())

    def build(self) -> None:
        project = self.project
        write_graphs(project)
        for package in project.application.packages:
            write_package(project, package)

    def deploy(self, patience: Patience = BRISK, *, forced: bool = False) -> Outcome:
        project = self.project
        return self._kept(deploy, project, project.application.sites[0], forced, self.told.append, patience)

    def status(self) -> Outcome:
        project = self.project
        return self._kept(status, project, project.application.sites[0], self.told.append)

    def remove(self, agreed: bool = True) -> Outcome:
        project = self.project
        return self._kept(remove, project, project.application.sites[0], agreed, self.told.append, BRISK)

    def refused(self, patience: Patience = BRISK) -> str:
        """What a deployment says that fails."""
        with pytest.raises(PanoramaError) as caught:
            self.deploy(patience)
        return str(caught.value)

    def calls(self) -> list[str]:
        """What was asked for since the last time."""
        made = self.service.calls[:]
        self.service.calls.clear()
        return made

    def edit(self, old: str, new: str) -> None:
        text = (self.root / "panorama.yaml").read_text()
        assert old in text
        (self.root / "panorama.yaml").write_text(text.replace(old, new))

    def with_stream(self, password: str = "{env: CAM_PASSWORD}") -> None:
        """Have one camera that is to be made, in place of two that are there."""
        self.edit("    cameras: {gate: [left, right]}\n", "    cameras:\n" + STREAM % password)

    def doit(self, *arguments: str) -> Run:
        done = run(self.root, {**os.environ, "DOCKER_HOST": NO_ENGINE}, "doit", *arguments)
        self.told.append(done.output)
        return done

    def _kept(self, step: Any, *arguments: Any) -> Outcome:
        """The outcome of a step; what it says, raises or logs is kept to be looked through."""
        try:
            with self._logged():
                outcome: Outcome = step(*arguments)
        except BaseException as error:
            while error is not None:
                self.told += [str(error), repr(error), repr(vars(error))]
                error = error.__cause__ or error.__context__  # type: ignore[assignment]
            raise
        self.told.append(repr(outcome))
        return outcome

    @contextmanager
    def _logged(self) -> Iterator[None]:
        keeper = logging.Handler()
        keeper.emit = lambda record: self.told.append(record.getMessage())  # type: ignore[method-assign]
        root = logging.getLogger()
        level = root.level
        root.addHandler(keeper)
        root.setLevel(logging.DEBUG)
        try:
            yield
        finally:
            root.removeHandler(keeper)
            root.setLevel(level)


@pytest.fixture
def shop(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A site whose packages are registered and whose cameras are there; when a test is done, no secret may be told."""
    with (
        panorama_service.running(s3, f"deploy-{uuid.uuid4()}") as service,
        secrets_manager.running(s3.env["AWS_ACCESS_KEY_ID"]) as secrets,
    ):
        env = {**service.env, "AWS_ENDPOINT_URL_SECRETS_MANAGER": secrets.url}
        for name, value in {**env, "CAM_USER": USER, "CAM_PASSWORD": PASSWORD}.items():
            monkeypatch.setenv(name, value)
        secrets.secrets = {
            "shop/cam": json.dumps({"password": PASSWORD, "number": 1}),
            "binary": b"x",
            "plain": PASSWORD,
        }
        monkeypatch.chdir(tmp_path)
        (tmp_path / "panorama.yaml").write_text(MANIFEST)
        (tmp_path / "dodo.py").write_text("from panorama_build import load\nDOIT_CONFIG, task_panorama = load()\n")
        shop = Shop(tmp_path, service, Sites(service), secrets)
        shop.sites.cameras |= {"left", "right"}
        shop.build()
        register(service, "wall")
        yield shop
        assert secrets_told(shop) == []


def register(service: PanoramaService, name: str) -> None:
    version = Version("0af1", {"0af1": Patch(0, 0)})
    service.packages[name] = Package(name, service.bucket, {}, versions={"1.0": version})


def secrets_told(shop: Shop) -> list[str]:
    """Where a user or password stands in what was said, or in a file that was written."""
    files = [path for path in shop.root.rglob("*") if path.is_file()]
    places = {"what was said": "\n".join(shop.told)}
    places |= {str(path): path.read_bytes().decode("utf-8", "replace") for path in files}
    # No way of writing either changes these parts.
    return [place for place, text in places.items() if "hunter" in text or "rgen" in text]


def test_a_first_deployment_sends_the_two_payloads_and_waits_for_the_nodes(shop: Shop) -> None:
    assert shop.deploy() == Outcome("deployed", "applicationInstance-1 on shop-1, 4 nodes RUNNING")
    request = shop.sites.instances["applicationInstance-1"].request
    graph, overrides = shop.sites.instances["applicationInstance-1"].documents
    folder = shop.root / "build/graphs/door"
    assert json.loads((folder / "graph.json").read_text()) == {"nodeGraph": graph}
    assert json.loads((folder / "overrides/shop.json").read_text()) == {"nodeGraphOverrides": overrides}
    assert overrides["nodeOverrides"] == [
        {"replace": "gate", "with": [{"name": "left"}, {"name": "right"}]},
        {"replace": "limit", "with": [{"name": "limit_override"}]},
    ]
    assert overrides["nodes"][-1] == {"name": "limit_override", "interface": "float32", "value": 0.75}
    assert [package["name"] for package in overrides["packages"]] == ["123456789012::left", "123456789012::right"]
    assert {name: value for name, value in request.items() if "Payload" not in name} == {
        "DefaultRuntimeContextDevice": "device-shop-1",
        "Name": "door-shop",
        "Description": "The first",
        "RuntimeRoleArn": "arn:aws:iam::123456789012:role/door",
        "Tags": {"team": "retail"},
    }


def test_each_change_of_its_status_is_a_line_and_then_each_node(shop: Shop) -> None:
    shop.sites.way = ("DEPLOYMENT_PENDING", *["DEPLOYMENT_IN_PROGRESS"] * 5, "DEPLOYMENT_SUCCEEDED")
    said: list[str] = []
    project = shop.project
    deploy(project, project.application.sites[0], False, said.append, BRISK)
    assert [line.partition(" (")[0] for line in said] == [
        "applicationInstance-1 is the first",
        "DEPLOYMENT_PENDING, STARTING",
        "DEPLOYMENT_IN_PROGRESS, STARTING",
        "DEPLOYMENT_SUCCEEDED, RUNNING",
        "node screen RUNNING",
        "node left RUNNING",
        "node right RUNNING",
        "node limit_override RUNNING",
    ]


def test_nothing_changed_is_one_request(shop: Shop) -> None:
    shop.deploy()
    shop.calls()
    assert shop.deploy() == Outcome("unchanged", "applicationInstance-1 on shop-1")
    assert shop.calls() == ["DescribeApplicationInstance"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("limit: 0.75", "limit: 0.8"),
        ("[left, right]", "left"),
        ("edges: [gate -> screen]", "description: Other"),
        ("team: retail", "team: sales"),
        ("role/door", "role/gate"),
        ("description: The first", "description: The second"),
        ("{sink: hdmi}", "{sink: hdmi, description: Another patch version}"),
    ],
)
def test_each_change_replaces_the_running_instance(shop: Shop, old: str, new: str) -> None:
    shop.deploy()
    shop.edit(old, new)
    shop.build()
    assert shop.deploy().verb == "deployed"
    assert shop.sites.instances["applicationInstance-2"].request["ApplicationInstanceIdToReplace"].endswith("-1")
    assert [each.identity for each in shop.sites.running] == ["applicationInstance-2"]
    assert shop.deploy().verb == "unchanged"


def test_an_instance_that_is_gone_is_made_again_and_forcing_replaces_one_that_is_there(shop: Shop) -> None:
    shop.deploy()
    del shop.sites.instances["applicationInstance-1"]
    assert shop.deploy().verb == "deployed"
    assert shop.deploy(forced=True).verb == "deployed"
    assert len(shop.sites.running) == 1


def test_without_its_receipt_the_instance_of_that_name_on_that_device_is_replaced(shop: Shop) -> None:
    shop.sites.devices["shop-2"] = "ONLINE"
    shop.deploy()
    shop.edit("device: shop-1", "device: device-shop-2")
    shop.deploy()
    for receipt in shop.root.glob(".panorama/receipts/*/sites/*.json"):
        receipt.unlink()
    shop.deploy()
    replaced = [each.request.get("ApplicationInstanceIdToReplace") for each in shop.sites.instances.values()]
    assert replaced == [None, None, "applicationInstance-2"]


def test_lists_are_read_to_their_last_page(shop: Shop) -> None:
    shop.sites.devices = {**{f"other-{number}": "ONLINE" for number in range(60)}, "shop-1": "OFFLINE"}
    shop.sites.cameras |= {f"cam-{number}" for number in range(60)}
    shop.deploy()
    assert shop.calls().count("ListDevices") == 3
    assert "shop-1 is OFFLINE: the deployment waits for it" in shop.told


def test_a_device_or_camera_that_is_not_there_is_said_before_anything_is_made(shop: Shop) -> None:
    shop.edit("shop-1", "shop-11")
    assert shop.refused() == 'the account has no device "shop-11" (did you mean "shop-1"?)'
    shop.edit("shop-11", "shop-1")
    shop.edit("left", "lift")
    assert shop.refused() == 'panorama.yaml:15:5: the account has no camera "lift" (did you mean "left"?)'
    assert not shop.sites.instances


@pytest.mark.parametrize("status", ["DEPLOYMENT_FAILED", "DEPLOYMENT_ERROR"])
def test_a_deployment_that_fails_is_told_in_the_service_s_words_and_the_old_one_stays(shop: Shop, status: str) -> None:
    shop.deploy()
    shop.edit("0.75", "0.8")
    shop.sites.way, shop.sites.reason = ("DEPLOYMENT_PENDING", status), "No space left on the device"
    assert shop.refused() == (
        f"applicationInstance-2: {status}: No space left on the device (correct it and run again)"
    )
    assert [each.identity for each in shop.sites.running] == ["applicationInstance-1"]
    shop.sites.way, shop.sites.reason = ("DEPLOYMENT_PENDING", "DEPLOYMENT_SUCCEEDED"), ""
    assert shop.deploy().verb == "deployed"
    assert [each.identity for each in shop.sites.running] == ["applicationInstance-3"]


def test_a_deployment_that_takes_too_long_goes_on_and_the_next_run_waits_for_it(shop: Shop) -> None:
    shop.sites.way = ("DEPLOYMENT_PENDING", *["DEPLOYMENT_IN_PROGRESS"] * 5, "DEPLOYMENT_SUCCEEDED")
    told = shop.refused(HASTE)
    assert "it is still DEPLOYMENT_" in told and "run again to go on waiting" in told
    assert shop.deploy().verb == "deployed"
    assert len(shop.sites.instances) == 1


def test_what_another_run_has_under_way_is_waited_for_and_then_replaced(shop: Shop) -> None:
    shop.sites.way = ("DEPLOYMENT_PENDING", *["DEPLOYMENT_IN_PROGRESS"] * 5, "DEPLOYMENT_SUCCEEDED")
    shop.refused(HASTE)
    shop.edit("0.75", "0.8")
    assert shop.deploy().verb == "deployed"
    assert [each.identity for each in shop.sites.running] == ["applicationInstance-2"]


@pytest.mark.parametrize("operation", ["CreateApplicationInstance", "ListDevices", "CreateNodeFromTemplateJob"])
def test_access_denied_is_access_denied(shop: Shop, operation: str) -> None:
    shop.with_stream()
    shop.service.refusals[operation].append(denied(operation))
    told = shop.refused()
    assert f"access denied: User is not authorized to perform: panorama:{operation}; {operation} to" in told
    assert not shop.sites.instances
    assert shop.deploy().verb == "deployed"


def test_a_request_that_makes_something_is_sent_once_and_again_only_where_it_was_not_taken(shop: Shop) -> None:
    broken = Refusal("InternalServerException", "Internal failure")
    slow = Refusal("ThrottlingException", "Rate exceeded")
    shop.service.refusals["CreateApplicationInstance"].append(broken)
    assert "the server had an internal error" in shop.refused()
    assert shop.calls().count("CreateApplicationInstance") == 1
    shop.service.refusals["CreateApplicationInstance"].append(slow)
    assert shop.deploy().verb == "deployed"
    assert shop.calls().count("CreateApplicationInstance") == 2


def test_being_asked_for_fewer_questions_does_not_end_the_waiting(shop: Shop) -> None:
    slow = Refusal("ThrottlingException", "Rate exceeded")
    shop.service.refusals["DescribeApplicationInstance"].extend([slow] * 3)  # as often as botocore tries
    assert shop.deploy().verb == "deployed"


# -- cameras


@pytest.mark.parametrize("password", ["{env: CAM_PASSWORD}", OF_SECRET, "{secret: plain}"])
def test_a_camera_is_made_once_with_credentials_read_then(shop: Shop, password: str) -> None:
    shop.with_stream(password)
    assert shop.deploy().verb == "deployed"
    (job,) = shop.sites.jobs.values()
    assert job.request["TemplateParameters"] == {
        "Username": USER,
        "Password": PASSWORD,
        "StreamUrl": "rtsp://192.0.2.10/s",
    }
    assert (job.request["OutputPackageName"], job.request["NodeName"]) == ("cam", "cam")
    asked = shop.secrets.asked[:]
    shop.edit("0.75", "0.8")
    os.environ.pop("CAM_PASSWORD")
    assert shop.deploy().verb == "deployed"
    assert len(shop.sites.jobs) == 1 and shop.secrets.asked == asked


def test_a_url_may_be_a_secret_too(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAM_URL", f"rtsp://{USER}:hunter@192.0.2.10/s")
    shop.edit("    cameras: {gate: [left, right]}", "    cameras: {gate: {name: cam, url: {env: CAM_URL}}}")
    shop.sites.job_reason = "no stream at {StreamUrl}, user and password are hunter and so on"
    assert shop.refused() == (
        "cam: the camera was not made: no stream at ***, user and password are *** and so on (correct it and run again)"
    )


def test_a_camera_s_url_does_not_change(shop: Shop) -> None:
    shop.with_stream()
    shop.deploy()
    shop.edit("192.0.2.10/s", "192.0.2.10/other")
    assert shop.refused() == (
        'panorama.yaml:16:7: camera "cam" was made of another url, and a camera does not change '
        "(give it another `name`)"
    )


def test_a_job_that_fails_is_told_in_the_service_s_words_without_the_credentials(shop: Shop) -> None:
    shop.with_stream()
    shop.sites.job_reason = "401 for {Username} with {Password} at {StreamUrl}"
    assert shop.refused() == (
        "cam: the camera was not made: 401 for *** with *** at rtsp://192.0.2.10/s (correct it and run again)"
    )
    assert not shop.sites.instances


@pytest.mark.parametrize("form", [PASSWORD, json.dumps(PASSWORD), repr(PASSWORD), f"x{PASSWORD}y{USER}z"])
def test_a_refusal_that_repeats_the_request_is_told_without_the_credentials(shop: Shop, form: str) -> None:
    shop.with_stream()
    refusal = Refusal("ValidationException", f"TemplateParameters must not be {form}", Reason="OTHER")
    shop.service.refusals["CreateNodeFromTemplateJob"].append(refusal)
    assert "TemplateParameters must not be " in shop.refused()


@pytest.mark.parametrize(
    ("password", "told"),
    [
        ("{env: NOT_SET}", "NOT_SET: not set in the environment (a camera's credentials come from there)"),
        ("{env: EMPTY}", "EMPTY: a text of 1 to 255 printable characters is needed here (correct what is kept there)"),
        ("{env: LONG}", "LONG: a text of 1 to 255 printable characters is needed here (correct what is kept there)"),
        ("{env: LINES}", "LINES: a text of 1 to 255 printable characters is needed here (correct what is kept there)"),
        (
            "{secret: none}",
            "secret none: not there: Secrets Manager can't find the specified secret; GetSecretValue to",
        ),
        ("{secret: binary}", "secret binary: the secret is binary (keep a text there)"),
        ("{secret: shop/cam, key: word}", 'shop/cam: the secret has no text "word" (correct `key` or the secret)'),
        ("{secret: shop/cam, key: number}", 'shop/cam: the secret has no text "number" (correct `key` or the secret)'),
        ("{secret: plain, key: password}", 'plain: the secret has no text "password" (correct `key` or the secret)'),
    ],
)
def test_a_credential_that_can_not_be_read_is_said_and_nothing_is_made(
    shop: Shop, password: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.setenv("LONG", "hunter" * 100)
    monkeypatch.setenv("LINES", "hunter\n2")
    shop.with_stream(password)
    assert shop.refused().startswith(told)
    assert not shop.sites.jobs


def test_a_job_that_another_run_began_is_waited_for(shop: Shop) -> None:
    shop.with_stream()
    shop.sites.pending = 5
    assert "is not done yet" in shop.refused(HASTE)
    assert shop.deploy().verb == "deployed"
    assert len(shop.sites.jobs) == 1


# -- looking and removing


def test_status_tells_the_instance_and_its_nodes_and_removing_asks_first(shop: Shop) -> None:
    assert shop.status() == Outcome("absent", 'no "door-shop" on shop-1')
    assert shop.remove() == Outcome("absent", 'no "door-shop" on shop-1')
    shop.deploy()
    assert shop.status() == Outcome("found", "DEPLOYMENT_SUCCEEDED, RUNNING; applicationInstance-1, 4 nodes RUNNING")
    with pytest.raises(PanoramaError, match=r"would remove applicationInstance-1 from shop-1 \(doit remove:shop --yes"):
        shop.remove(agreed=False)
    assert len(shop.sites.running) == 1
    assert shop.remove() == Outcome("removed", "applicationInstance-1 from shop-1")
    assert shop.status().verb == "absent"
    assert shop.deploy().verb == "deployed"


def test_a_removal_that_fails_is_told_and_can_be_tried_again(shop: Shop) -> None:
    shop.deploy()
    shop.sites.removal, shop.sites.reason = ("REMOVAL_PENDING", "REMOVAL_FAILED"), "The device does not answer"
    with pytest.raises(PanoramaError, match="applicationInstance-1: REMOVAL_FAILED: The device does not answer"):
        shop.remove()
    shop.sites.removal = ("REMOVAL_SUCCEEDED",)
    assert shop.remove().verb == "removed"


# -- as tasks


def test_as_tasks(shop: Shop) -> None:
    shop.with_stream()
    assert not {"deploy", "status", "remove"} & set(LOCAL)
    shop.sites.pending = 0
    shop.sites.way = ("DEPLOYMENT_PENDING", "DEPLOYMENT_SUCCEEDED")
    done = shop.doit("deploy:shop")
    assert (done.status, done.outcomes["deploy:shop"]) == (0, "deployed"), done.output
    assert "deploy:shop | DEPLOYMENT_PENDING, STARTING\n" in done.output
    assert shop.doit("status").detail("status:shop").endswith("3 nodes RUNNING")
    refused = shop.doit("remove:shop")
    assert (refused.status, refused.outcomes["remove:shop"]) == (1, "failed")
    assert shop.doit("remove:shop", "--yes").outcomes["remove:shop"] == "removed"


def test_an_interrupted_run_leaves_the_deployment_to_the_service_and_says_so(shop: Shop) -> None:
    shop.sites.way = ("DEPLOYMENT_PENDING", *["DEPLOYMENT_IN_PROGRESS"] * 1000)
    with subprocess.Popen(
        [PROGRAMS / "doit", "deploy:shop"], cwd=shop.root, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as running:
        assert running.stdout
        for line in running.stdout:
            if "DEPLOYMENT_IN_PROGRESS" in line:
                break
        running.send_signal(signal.SIGINT)
        rest = running.stdout.read()
    assert "applicationInstance-1 goes on at the service; `doit status:shop` shows it" in rest
    assert running.returncode != 0 and "Traceback" not in rest


def test_where_files_are_published_it_says_what_would_deploy(shop: Shop) -> None:
    shop.edit("remote: {url: panorama, region: us-east-1}", "remote: published")
    done = shop.doit("deploy:shop")
    assert (done.status, done.output.count("\n")) == (1, 2), done.output
    assert "no service is there to deploy it (`remote: panorama` with the endpoint of a service" in done.output


def test_aws_s_own_endpoint_is_no_more(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_PANORAMA", "https://panorama.us-east-1.amazonaws.com")
    monkeypatch.setenv("HTTPS_PROXY", "")
    assert "AWS ended the Panorama service on 2026-05-31" in shop.refused()
