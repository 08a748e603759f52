"""An application at a site: deployed, looked at, removed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from panorama_build.documents import graph_document, one_line, override_document
from panorama_build.errors import PanoramaError, did_you_mean
from panorama_build.files import write_whole
from panorama_build.interruption import Interrupted
from panorama_build.model import InterfaceName, Site, Stream
from panorama_build.project import Project
from panorama_build.steps.outcome import Outcome, Say
from panorama_build.transfer import cameras, deployment
from panorama_build.transfer.deployment import DEPLOYED, REMOVED, UNDER_WAY, Deployment
from panorama_build.transfer.panorama import Members, Service
from panorama_build.transfer.registration import Registry
from panorama_build.transfer.waiting import Patience

PATIENCE = Patience()


@dataclass(frozen=True)
class Receipt:
    """What the last deployment to a site left: what was sent, the instance, and the URL of each camera, as digests."""

    digest: str
    instance: str
    cameras: dict[str, str] = field(default_factory=dict)


def service_of(project: Project) -> Service:
    """The service that deploys. Raises PanoramaError where the application is published to a place that has none."""
    if isinstance(project.remote, Registry):
        return project.remote.service
    raise PanoramaError(
        "what is published here is for a device to fetch: no service is there to deploy it",
        where=project.places["remote",],
        hint="`remote: panorama` with the endpoint of a service that answers AWS's former API; docs/sites.md has both",
    )


def deploy(project: Project, site: Site, forced: bool, say: Say, patience: Patience = PATIENCE) -> Outcome:
    """Bring a site's device to what is declared, and wait until it is: with one request where nothing changed.

    A deployment that an earlier run began is waited for. Raises PanoramaError where it fails.
    """
    service, wanted = service_of(project), deployment_of(project, site)
    urls = {stream.name: _url_digest(stream) for stream in site.streams}
    receipt = _read_receipt(project, site)
    if receipt and (receipt.digest, receipt.cameras) == (wanted.digest, urls) and not forced:
        state = deployment.describe(service, receipt.instance)
        if state and state.get("Status") == DEPLOYED:
            return Outcome("unchanged", f"{receipt.instance} on {site.device}")
        if state and state.get("Status") in UNDER_WAY:
            return _finish(service, site, receipt.instance, say, patience)
    device = deployment.find_device(service, site.device)
    if device.get("DeviceAggregatedStatus") == "OFFLINE":
        say(f"{site.device} is OFFLINE: the deployment waits for it")
    _make_cameras(project, service, site, receipt.cameras if receipt else {}, say, patience)
    replaced = _to_replace(service, device["DeviceId"], site, say, patience)
    instance = deployment.create(service, wanted, device["DeviceId"], replaced)
    _write_receipt(project, site, Receipt(wanted.digest, instance, urls))
    say(f"{instance} replaces {replaced}" if replaced else f"{instance} is the first")
    return _finish(service, site, instance, say, patience)


def status(project: Project, site: Site, say: Say) -> Outcome:
    """What the service says of a site's instance and its nodes."""
    service = service_of(project)
    device = deployment.find_device(service, site.device)
    found = deployment.instances(service, device["DeviceId"], site.name)
    if not found:
        return Outcome("absent", f'no "{site.name}" on {site.device}')
    newest = found[0]
    if said := newest.get("StatusDescription"):
        say(str(said))
    states = _say_nodes(service, newest["ApplicationInstanceId"], say)
    return Outcome("found", f"{deployment.status_line(newest)}; {newest['ApplicationInstanceId']}{states}")


def remove(project: Project, site: Site, agreed: bool, say: Say, patience: Patience = PATIENCE) -> Outcome:
    """Remove a site's application from its device, and wait until it is. Its cameras and packages stay."""
    service = service_of(project)
    device = deployment.find_device(service, site.device)
    found = [each["ApplicationInstanceId"] for each in deployment.instances(service, device["DeviceId"], site.name)]
    if not found:
        return Outcome("absent", f'no "{site.name}" on {site.device}')
    if not agreed:
        message = f"this would remove {', '.join(found)} from {site.device}"
        raise PanoramaError(message, hint=f"doit remove:{site.key} --yes")
    for instance in found:
        deployment.remove(service, instance)
        state = _followed(service, site, instance, say, patience)
        deployment.expect(state, REMOVED, instance)
    _receipt_file(project, site).unlink(missing_ok=True)
    return Outcome("removed", f"{', '.join(found)} from {site.device}")


def deployment_of(project: Project, site: Site) -> Deployment:
    """What is sent to a site's device. Raises OSError where a package is not built."""
    account = project.account.ask()
    assert site.graph and site.override, "the check of the manifest sees to it"
    return Deployment(
        name=site.name,
        device=site.device,
        manifest=one_line(graph_document(site.graph, account)),
        overrides=one_line(override_document(site.override, account)),
        patches={
            package.key: hashlib.sha256(project.package_json(package).read_bytes()).hexdigest()
            for package in project.application.packages
        },
        description=site.description,
        role=site.role,
        tags=site.tags,
    )


def _finish(service: Service, site: Site, instance: str, say: Say, patience: Patience) -> Outcome:
    state = _followed(service, site, instance, say, patience)
    deployment.expect(state, DEPLOYED, instance)
    states = _say_nodes(service, instance, say)
    return Outcome("deployed", f"{instance} on {site.device}{states}")


def _followed(service: Service, site: Site, instance: str, say: Say, patience: Patience) -> Members | None:
    try:
        return deployment.follow(service, instance, say, patience)
    except Interrupted:
        say(f"{instance} goes on at the service; `doit status:{site.key}` shows it, running again waits for it")
        raise


def _say_nodes(service: Service, instance: str, say: Say) -> str:
    """Say each node's state; how many are in which."""
    states = list(deployment.nodes(service, instance))
    for node, state in states:
        say(f"node {node} {state}")
    counts = Counter(state for _, state in states)
    return "".join(f", {count} nodes {state}" for state, count in counts.items())


def _to_replace(service: Service, device: str, site: Site, say: Say, patience: Patience) -> str | None:
    """The instance of this name whose place the new one takes: what runs, rather than what failed."""
    found = deployment.instances(service, device, site.name)
    for each in found:
        if each["Status"] in UNDER_WAY:  # the service has to be done with it first
            say(f"{each['ApplicationInstanceId']} is still under way")
            _followed(service, site, each["ApplicationInstanceId"], say, patience)
    if any(each["Status"] in UNDER_WAY for each in found):
        found = deployment.instances(service, device, site.name)
    deployed = [each for each in found if each["Status"].startswith("DEPLOYMENT_")]
    best = [each for each in deployed if each["Status"] == DEPLOYED] or deployed
    return str(best[0]["ApplicationInstanceId"]) if best else None


# -- cameras


def _make_cameras(
    project: Project, service: Service, site: Site, made: Mapping[str, str], say: Say, patience: Patience
) -> None:
    """Make the cameras that the account has not; ``made`` are the URLs of those of an earlier run, as digests."""
    streams = {stream.name: stream for stream in site.streams}
    named = [name for name in _named_cameras(project, site) if name not in streams]
    there = cameras.known(service) if streams or named else set()
    for name in named:
        if name not in there:
            where, hint = project.places["sites", site.key, "cameras"], did_you_mean(name, there)
            raise PanoramaError(f'the account has no camera "{name}"', where=where, hint=hint or "or say its `url`")
    for name, stream in streams.items():
        if name not in there:
            cameras.make(service, stream, say, patience, dict(site.tags))
        elif made.get(name, _url_digest(stream)) != _url_digest(stream):
            where = project.places["sites", site.key, "cameras", stream.key]
            message = f'camera "{name}" was made of another url, and a camera does not change'
            raise PanoramaError(message, where=where, hint="give it another `name`")


def _named_cameras(project: Project, site: Site) -> Iterator[str]:
    """The packages of cameras that have to be in the account already."""
    for node in (site.override.nodes if site.override else None) or ():
        package = node.interface.package if isinstance(node.interface, InterfaceName) else None
        if package and package.account is None and project.application.package(package.package) is None:
            yield package.package


def _url_digest(stream: Stream) -> str:
    return hashlib.sha256(repr(stream.url).encode()).hexdigest()


# -- receipts


def _receipt_file(project: Project, site: Site) -> Path:
    return project.site_receipt(site, project.remote.url)


def _read_receipt(project: Project, site: Site) -> Receipt | None:
    try:
        return Receipt(**json.loads(_receipt_file(project, site).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def _write_receipt(project: Project, site: Site, receipt: Receipt) -> None:
    write_whole(_receipt_file(project, site), json.dumps(asdict(receipt), indent=1).encode("ascii"))
