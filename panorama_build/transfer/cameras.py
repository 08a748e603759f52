"""Cameras: packages that the service makes of an RTSP stream by a template job."""

from __future__ import annotations

from collections.abc import Callable

from panorama_build.errors import PanoramaError
from panorama_build.model import Reference, Stream
from panorama_build.transfer.credentials import guarded, read, without
from panorama_build.transfer.panorama import Members, Service
from panorama_build.transfer.waiting import Patience

TEMPLATE = "RTSP_CAMERA_STREAM"
VERSION = "1.0"


def known(service: Service) -> set[str]:
    """The packages of the account that have a camera."""
    return {node["PackageName"] for node in service.items("ListNodes", "Nodes", Category="MEDIA_SOURCE")}


def make(service: Service, stream: Stream, say: Callable[[str], None], patience: Patience, tags: Members) -> None:
    """Make a camera, with credentials that are read now. A job that makes it already is waited for.

    Raises PanoramaError where it can't be made, without the credentials.
    """
    parameters = {
        name: read(said, service.address) if isinstance(said, Reference) else said
        for name, said in (("Username", stream.username), ("Password", stream.password), ("StreamUrl", stream.url))
        if said is not None
    }
    secrets = [text for name, text in parameters.items() if text != stream.url]
    job = guarded(secrets, lambda: _under_way(service, stream) or _begin(service, stream, parameters, tags))
    say(f"making camera {stream.name}")
    guarded(secrets, lambda: _finish(service, stream, job, secrets, patience))


def _under_way(service: Service, stream: Stream) -> str | None:
    """The job that makes the camera already, as after a run that was interrupted."""
    for job in service.items("ListNodeFromTemplateJobs", "NodeFromTemplateJobs"):
        if job.get("NodeName") == stream.name and job.get("Status") == "PENDING":
            return str(job["JobId"])
    return None


def _begin(service: Service, stream: Stream, parameters: Members, tags: Members) -> str:
    described = {"NodeDescription": stream.description} if stream.description else {}
    tagged = {"JobTags": [{"ResourceType": "PACKAGE", "Tags": tags}]} if tags else {}
    answer = service.call(
        "CreateNodeFromTemplateJob",
        TemplateType=TEMPLATE,
        OutputPackageName=stream.name,
        OutputPackageVersion=VERSION,
        NodeName=stream.name,
        TemplateParameters=parameters,
        **described,
        **tagged,
    )
    return str(answer["JobId"])


def _finish(service: Service, stream: Stream, job: str, secrets: list[str], patience: Patience) -> None:
    for _ in patience.questions():
        answer = service.call("DescribeNodeFromTemplateJob", JobId=job)
        if answer["Status"] == "SUCCEEDED":
            return
        if answer["Status"] == "FAILED":
            said = without(secrets, answer.get("StatusMessage") or "no reason given")
            raise PanoramaError(f"the camera was not made: {said}", where=stream.name, hint="correct it and run again")
    raise PanoramaError(f"job {job} is not done yet", where=stream.name, hint="run again: it is waited for")
