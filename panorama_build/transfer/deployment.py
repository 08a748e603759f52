"""An application on a device: its instance there, made, replaced, followed and removed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass

from panorama_build.errors import PanoramaError, did_you_mean
from panorama_build.transfer.panorama import Members, Service
from panorama_build.transfer.refusals import THROTTLED, code_of
from panorama_build.transfer.waiting import Patience

DEPLOYED = "DEPLOYMENT_SUCCEEDED"
REMOVED = "REMOVAL_SUCCEEDED"
UNDER_WAY = frozenset(
    f"{what}_{state}" for what in ("DEPLOYMENT", "REMOVAL") for state in ("PENDING", "REQUESTED", "IN_PROGRESS")
)


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """What makes an application instance: the two payloads, and what is said of it.

    ``device`` is a name or an id. ``patches`` are the patch versions of the packages, which the payloads don't name.
    """

    name: str
    device: str
    manifest: str
    overrides: str
    patches: Mapping[str, str]
    description: str | None = None
    role: str | None = None
    tags: Mapping[str, str]

    @property
    def digest(self) -> str:
        """The sha256 of all of it: another one, and there is something to deploy."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode("ascii")).hexdigest()

    def members(self, device: str, replaced: str | None) -> Members:
        """The members of the request that deploys to the device with this id."""
        members = {
            "DefaultRuntimeContextDevice": device,
            "ManifestPayload": {"PayloadData": self.manifest},
            "ManifestOverridesPayload": {"PayloadData": self.overrides},
            "Name": self.name,
            "Description": self.description,
            "RuntimeRoleArn": self.role,
            "Tags": dict(self.tags) or None,
            "ApplicationInstanceIdToReplace": replaced,
        }
        return {name: value for name, value in members.items() if value is not None}


def find_device(service: Service, wanted: str) -> Members:
    """The device with this id, else with this name. Raises PanoramaError where there is none, or several."""
    devices = list(service.items("ListDevices", "Devices"))
    found = [device for device in devices if device.get("DeviceId") == wanted]
    found = found or [device for device in devices if device.get("Name") == wanted]
    if len(found) > 1:
        ids = ", ".join(device["DeviceId"] for device in found)
        raise PanoramaError(f'{len(found)} devices are called "{wanted}"', hint=f"name one by its id: {ids}")
    if not found:
        near = did_you_mean(wanted, [str(device.get("Name")) for device in devices])
        raise PanoramaError(f'the account has no device "{wanted}"', hint=near or f"it has {len(devices)} devices")
    return found[0]


def instances(service: Service, device: str, name: str) -> list[Members]:
    """The instances of this name on a device, the newest first; without those that are removed."""
    listed = service.items("ListApplicationInstances", "ApplicationInstances", DeviceId=device)
    found = [each for each in listed if each.get("Name") == name and each.get("Status") != REMOVED]
    return sorted(found, key=lambda each: each["CreatedTime"], reverse=True)


def describe(service: Service, instance: str) -> Members | None:
    """An instance as it is now; None where the service knows it no more."""
    return service.find("DescribeApplicationInstance", ApplicationInstanceId=instance)


def create(service: Service, deployment: Deployment, device: str, replaced: str | None) -> str:
    """Begin to deploy; the id of the new instance. The one that it replaces goes on until the device has the new."""
    answer = service.call("CreateApplicationInstance", **deployment.members(device, replaced))
    return str(answer["ApplicationInstanceId"])


def remove(service: Service, instance: str) -> None:
    """Begin to remove an instance."""
    service.call("RemoveApplicationInstance", ApplicationInstanceId=instance)


def follow(service: Service, instance: str, say: Callable[[str], None], patience: Patience) -> Members | None:
    """An instance when nothing is under way with it any more; each change is said. None: it is gone.

    Raises PanoramaError where that takes longer than ``patience`` has.
    """
    told = ""
    for waited in patience.questions():
        try:
            state = describe(service, instance)
        except PanoramaError as error:
            if code_of(error) in THROTTLED:
                continue
            raise
        if state is None:
            return None
        if (now := status_line(state)) != told:
            say(f"{now} ({waited:.0f} s)" if told else now)
            told = now
        if state.get("Status") not in UNDER_WAY:
            return state
    message = f"after {patience.total / 60:.0f} minutes it is still {told}"
    raise PanoramaError(message, where=instance, hint="it goes on without this run; run again to go on waiting")


def expect(state: Members | None, wanted: str, instance: str) -> None:
    """Raise PanoramaError, with the service's words, where an instance did not come to the ``wanted`` status."""
    status = state.get("Status") if state else REMOVED
    if status != wanted:
        said = (state or {}).get("StatusDescription") or "the service gives no reason"
        raise PanoramaError(f"{status}: {said}", where=instance, hint="correct it and run again")


def status_line(state: Members) -> str:
    """What the service, then what the device says of an instance."""
    reported = [each["DeviceReportedStatus"] for each in state.get("RuntimeContextStates") or ()]
    health = state.get("HealthStatus")
    more = [*reported, *([health] if health and state.get("Status") == DEPLOYED else [])]
    return ", ".join(dict.fromkeys([str(state.get("Status")), *more]))


def nodes(service: Service, instance: str) -> Iterator[tuple[str, str]]:
    """The nodes of an instance with their states."""
    listed = service.items("ListApplicationInstanceNodeInstances", "NodeInstances", ApplicationInstanceId=instance)
    for node in listed:
        yield str(node.get("NodeName") or node["NodeInstanceId"]), str(node["CurrentStatus"])
