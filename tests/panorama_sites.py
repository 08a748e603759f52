"""The part of the Panorama service that has devices, cameras and application instances.

It takes no deployment that a device could not run: each package has to be registered, each node's replacement to be
there and allowed, each abstract camera to be replaced.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.panorama_packages import ACCOUNT
from tests.panorama_rules import Members, Refusal, conflict, invalid, missing
from tests.panorama_service import PanoramaService

SUCCEEDED = ("DEPLOYMENT_PENDING", "DEPLOYMENT_IN_PROGRESS", "DEPLOYMENT_SUCCEEDED")
TEMPLATE = {"Username", "Password", "StreamUrl"}
BUILTINS = {"panorama::abstract_rtsp_media_source", "panorama::hdmi_data_sink"}


@dataclass
class Instance:
    """An application instance. ``way`` are the statuses that its next descriptions find, the last for good."""

    identity: str
    request: Members
    way: list[str]
    reason: str = ""
    created: float = field(default_factory=time.time)

    @property
    def status(self) -> str:
        return self.way[0]

    @property
    def node_names(self) -> list[str]:
        """The nodes that run: those of the graph that are not replaced, and those of the overrides."""
        graph, overrides = self.documents
        replaced = {each["replace"] for each in overrides.get("nodeOverrides", [])}
        nodes = [*graph["nodes"], *overrides.get("nodes", [])]
        return [node["name"] for node in nodes if node["name"] not in replaced]

    @property
    def documents(self) -> tuple[Members, Members]:
        """The graph and the overrides."""
        payloads = [self.request[f"Manifest{kind}Payload"]["PayloadData"] for kind in ("", "Overrides")]
        return json.loads(payloads[0])["nodeGraph"], json.loads(payloads[1])["nodeGraphOverrides"]

    def item(self) -> Members:
        device = self.request["DefaultRuntimeContextDevice"]
        kept = ("Name", "Description", "Tags", "DefaultRuntimeContextDevice")
        done = self.status in ("DEPLOYMENT_SUCCEEDED", "REMOVAL_SUCCEEDED", "REMOVAL_FAILED")
        reported = {"DesiredState": "RUNNING", "RuntimeContextName": device, "DeviceReportedTime": self.created}
        return {
            "ApplicationInstanceId": self.identity,
            "CreatedTime": self.created,
            "Status": self.status,
            "HealthStatus": "RUNNING" if self.status == "DEPLOYMENT_SUCCEEDED" else "NOT_AVAILABLE",
            "RuntimeContextStates": [{**reported, "DeviceReportedStatus": "RUNNING" if done else "STARTING"}],
            **{name: self.request[name] for name in kept if name in self.request},
            **({"StatusDescription": self.reason} if self.reason and self.status.endswith(("FAILED", "ERROR")) else {}),
        }


@dataclass
class Job:
    """A template job; ``pending`` for so many more descriptions, then failed with ``reason``, or done."""

    request: Members
    pending: int
    reason: str = ""
    created: float = field(default_factory=time.time)

    @property
    def status(self) -> str:
        return "PENDING" if self.pending > 0 else "FAILED" if self.reason else "SUCCEEDED"


class Sites:
    """The operations on devices, cameras and application instances.

    ``devices`` are statuses by name; ``cameras`` the packages of cameras. ``way`` and ``reason`` are those of the next
    instance, ``pending`` and ``job_reason`` those of the next job, whose reason may name its parameters.
    """

    def __init__(self, service: PanoramaService) -> None:
        self.service = service
        self.devices = {"shop-1": "ONLINE"}
        self.cameras: set[str] = set()
        self.jobs: dict[str, Job] = {}
        self.instances: dict[str, Instance] = {}
        self.way: tuple[str, ...] = SUCCEEDED
        self.removal: tuple[str, ...] = ("REMOVAL_PENDING", "REMOVAL_SUCCEEDED")
        self.reason = ""
        self.pending = 1
        self.job_reason = ""
        service.operations.update(self.operations)

    @property
    def operations(self) -> dict[str, Callable[[Members], Members]]:
        return {
            "ListDevices": self._list_devices,
            "ListNodes": self._list_nodes,
            "CreateNodeFromTemplateJob": self._create_job,
            "DescribeNodeFromTemplateJob": self._describe_job,
            "ListNodeFromTemplateJobs": self._list_jobs,
            "CreateApplicationInstance": self._create,
            "DescribeApplicationInstance": self._describe,
            "ListApplicationInstances": self._list,
            "ListApplicationInstanceNodeInstances": self._list_nodes_of,
            "RemoveApplicationInstance": self._remove,
        }

    @property
    def running(self) -> list[Instance]:
        """The instances that are neither failed nor removed."""
        return [each for each in self.instances.values() if each.status == "DEPLOYMENT_SUCCEEDED"]

    # -- devices and cameras

    def _list_devices(self, given: Members) -> Members:
        devices = [
            {"DeviceId": f"device-{name}", "Name": name, "DeviceAggregatedStatus": status}
            for name, status in self.devices.items()
        ]
        return self.service.page("Devices", devices, given)

    def _list_nodes(self, given: Members) -> Members:
        wanted = given.get("PackageName")
        nodes = [_node(name) for name in sorted(self.cameras) if wanted in (None, name)]
        kept = [node for node in nodes if given.get("Category", node["Category"]) == node["Category"]]
        return self.service.page("Nodes", kept, given)

    def _create_job(self, given: Members) -> Members:
        name = given["OutputPackageName"]
        parameters = given["TemplateParameters"]
        if not {"StreamUrl"} <= parameters.keys() <= TEMPLATE:
            raise invalid(f"an RTSP camera has no such parameters: {parameters}")
        busy = [job for job in self.jobs.values() if job.request["OutputPackageName"] == name and not job.reason]
        if name in self.cameras or name in self.service.packages or busy:
            raise conflict(f"package {name} exists already", name)
        identity = f"job-{len(self.jobs) + 1}"
        self.jobs[identity] = Job(given, self.pending, self.job_reason.format(**parameters))
        return {"JobId": identity}

    def _describe_job(self, given: Members) -> Members:
        if given["JobId"] not in self.jobs:  # this operation knows no ResourceNotFoundException
            raise invalid(f"there is no job {given['JobId']}")
        job = self.jobs[given["JobId"]]
        status = job.status
        job.pending -= 1
        if status == "SUCCEEDED":
            self.cameras.add(job.request["OutputPackageName"])
        times = {"CreatedTime": job.created, "LastUpdatedTime": job.created}
        message = job.reason if status == "FAILED" else ""
        return {**job.request, **times, "JobId": given["JobId"], "Status": status, "StatusMessage": message}

    def _list_jobs(self, given: Members) -> Members:
        jobs = [
            {"JobId": name, "NodeName": job.request["NodeName"], "Status": job.status, "CreatedTime": job.created}
            for name, job in self.jobs.items()
        ]
        return self.service.page("NodeFromTemplateJobs", jobs, given)

    # -- application instances

    def _create(self, given: Members) -> Members:
        device = given["DefaultRuntimeContextDevice"].removeprefix("device-")
        if given["DefaultRuntimeContextDevice"] != f"device-{device}" or device not in self.devices:
            raise invalid(f"there is no device {given['DefaultRuntimeContextDevice']}")
        instance = Instance(f"applicationInstance-{len(self.instances) + 1}", given, list(self.way), self.reason)
        if old := given.get("ApplicationInstanceIdToReplace"):
            replaced = self.instances.get(old)
            if replaced is None or "REMOVAL" in replaced.status or len(replaced.way) > 1:
                raise invalid(f"{old} can't be replaced")
            if replaced.request["DefaultRuntimeContextDevice"] != given["DefaultRuntimeContextDevice"]:
                raise invalid(f"{old} is on another device")
        for wrong in self._unfit(instance):
            raise invalid(wrong)
        self.instances[instance.identity] = instance
        return {"ApplicationInstanceId": instance.identity}

    def _unfit(self, instance: Instance) -> Iterator[str]:
        """Why a device could not run what is asked for."""
        try:
            graph, overrides = instance.documents
        except (ValueError, LookupError, TypeError):
            yield "a payload is no graph, or no overrides"
            return
        for package in [*graph["packages"], *overrides.get("packages", [])]:
            if not self._is_registered(package["name"], package["version"]):
                yield f"{package['name']} {package['version']} is not registered"
        nodes = {node["name"]: node for node in graph["nodes"]}
        new = {node["name"]: node for node in overrides.get("nodes", [])}
        if nodes.keys() & new.keys():
            yield f"nodes of the graph and of the overrides are called {nodes.keys() & new.keys()}"
        replaced = {each["replace"]: each["with"] for each in overrides.get("nodeOverrides", [])}
        for name, others in replaced.items():
            if not nodes.get(name, {}).get("overridable"):
                yield f"{name} can't be overridden"
            if not others or any(other["name"] not in new for other in others):
                yield f"nothing takes the place of {name}"
        for name, node in nodes.items():
            abstract = "abstract_rtsp_media_source" in node["interface"]
            if name not in replaced and (abstract or node.get("overrideMandatory")):
                yield f"{name} has to be overridden"
        interfaces = {name: face for name, node in new.items() if (face := node["interface"]) and "::" in face}
        for face in interfaces.values():
            owner, _, rest = face.partition("::")
            package, _, member = rest.partition(".")
            if owner == ACCOUNT and package in self.cameras and member != package:
                yield f"camera {package} has no interface {member}"

    def _is_registered(self, name: str, version: str) -> bool:
        account, _, package = name.partition("::")
        if name in BUILTINS or (account == ACCOUNT and package in self.cameras and version == "1.0"):
            return True
        known = self.service.packages.get(package) if account == ACCOUNT else None
        patches = known.versions[version].patches.values() if known and version in known.versions else ()
        return any(patch.status == "REGISTER_COMPLETED" for patch in patches)

    def _describe(self, given: Members) -> Members:
        instance = self._instance(given)
        item = instance.item()
        self._advance(instance)
        kept = [name for name in ("RuntimeRoleArn", "ApplicationInstanceIdToReplace") if name in instance.request]
        return {**item, **{name: instance.request[name] for name in kept}, "LastUpdatedTime": time.time()}

    def _advance(self, instance: Instance) -> None:
        """A description finds what comes next; what an instance replaces goes when it is there."""
        if len(instance.way) > 1:
            instance.way.pop(0)
            old = self.instances.get(instance.request.get("ApplicationInstanceIdToReplace", ""))
            if old and instance.status == "DEPLOYMENT_SUCCEEDED":
                old.way = ["REMOVAL_SUCCEEDED"]

    def _list(self, given: Members) -> Members:
        device = given.get("DeviceId")
        kept = [
            each.item()
            for each in self.instances.values()
            if device in (None, each.request["DefaultRuntimeContextDevice"])
        ]
        return self.service.page("ApplicationInstances", kept, given)

    def _list_nodes_of(self, given: Members) -> Members:
        instance = self.instances[given["ApplicationInstanceId"]]
        state = "RUNNING" if instance.status == "DEPLOYMENT_SUCCEEDED" else "NOT_AVAILABLE"
        nodes = [
            {"NodeInstanceId": f"node-{name}", "NodeName": name, "CurrentStatus": state} for name in instance.node_names
        ]
        return self.service.page("NodeInstances", nodes, given)

    def _remove(self, given: Members) -> Members:
        instance = self._instance(given)
        if "REMOVAL" in instance.status and instance.status != "REMOVAL_FAILED":
            raise conflict(f"{instance.identity} is {instance.status}", instance.identity, "APPLICATION_INSTANCE")
        instance.way = list(self.removal)
        instance.reason = self.reason
        return {}

    def _instance(self, given: Members) -> Instance:
        identity = given["ApplicationInstanceId"]
        if identity not in self.instances:
            raise missing(identity, "APPLICATION_INSTANCE")
        return self.instances[identity]


def _node(name: str) -> dict[str, Any]:
    return {
        "NodeId": f"{name}.{name}",
        "Name": name,
        "Category": "MEDIA_SOURCE",
        "PackageId": f"package-{name}",
        "PackageName": name,
        "PackageVersion": "1.0",
        "PatchVersion": "0af1",
        "OwnerAccount": ACCOUNT,
        "CreatedTime": time.time(),
    }


def denied(operation: str) -> Refusal:
    """What an account says that may not call an operation."""
    return Refusal("AccessDeniedException", f"User is not authorized to perform: panorama:{operation}")
