"""Where something lies, as a person writes it: a path, https:// or s3://, and how to get there."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from typing import NamedTuple

from panorama_build.errors import PanoramaError

PANORAMA = "panorama"
"""The address that is no place in itself: the Panorama API, which tells for each package where its bytes go."""

_S3_URL = re.compile(
    r"s3://(?P<bucket>arn:[\w:-]+:accesspoint[/:][\w-]+|[A-Za-z0-9][A-Za-z0-9._-]{2,254})"
    r"(?:/(?P<key>.*?))?(?:\?versionId=(?P<version>[^?&]+))?"
)


@dataclass(frozen=True)
class Address:
    """Where something lies, and how to get there: the manifest's ``url`` and what may stand beside it.

    ``url`` is a path, ``https://``, ``http://``, ``s3://bucket/key`` or ``panorama``. What is None is taken from the
    environment and the AWS configuration files, as boto3 does; AWS_REGION is read too, as all other AWS tools do. With
    ``requester_pays`` the reader says that it pays, which buckets of that kind ask for.
    """

    url: str
    endpoint: str | None = None
    region: str | None = None
    profile: str | None = None
    requester_pays: bool = False

    def endpoint_used(self) -> str | None:
        """The endpoint named here or by the environment; None where AWS or its configuration files decide."""
        own = ("PANORAMA_ENDPOINT", "AWS_ENDPOINT_URL_PANORAMA") if self.url == PANORAMA else ("AWS_ENDPOINT_URL_S3",)
        return self.endpoint or next(filter(None, map(os.environ.get, (*own, "AWS_ENDPOINT_URL"))), None)

    def profile_used(self) -> str | None:
        """The profile named here or by the environment."""
        return self.profile or os.environ.get("AWS_PROFILE") or os.environ.get("AWS_DEFAULT_PROFILE")

    def region_used(self) -> str | None:
        """The region named here or by the environment."""
        return self.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")


class S3Url(NamedTuple):
    """The parts of an ``s3://`` URL; ``key`` is taken as written, without any decoding."""

    bucket: str
    key: str
    version: str | None


def silence() -> float:
    """The longest that a server may say nothing, in seconds: PANORAMA_TIMEOUT, or 60.

    Raises PanoramaError where that is no positive number.
    """
    return _seconds("PANORAMA_TIMEOUT", 60)


def patience() -> float:
    """The longest that a service may work on what it was told to do, in seconds: PANORAMA_PATIENCE, or 900.

    Raises PanoramaError where that is no positive number.
    """
    return _seconds("PANORAMA_PATIENCE", 900)


def _seconds(name: str, default: int) -> float:
    said = os.environ.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", said) or not float(said):
        raise PanoramaError(f'"{said}" is no time', where=name, hint=f"give seconds, such as {default}")
    return float(said)


def public_url(url: str) -> str:
    """``url`` without user, password, query and fragment: what may stand in a log."""
    return re.sub(r"(://)[^/?#]*@|[?#].*", r"\1", url, flags=re.DOTALL) if "://" in url else url


def identity(url: str) -> str:
    """``url`` as it may be kept: a digest stands for what ``public_url`` leaves out."""
    public = public_url(url)
    return public if public == url else f"{public} {hashlib.sha256(url.encode()).hexdigest()[:16]}"


def parse_s3_url(url: str) -> S3Url:
    """Split ``s3://bucket/key?versionId=v``; the bucket may be an access point's ARN, the key may be empty.

    Raises PanoramaError when ``url`` is none of these, or its key holds a segment that a path would read as a step.
    """
    match = _S3_URL.fullmatch(url)
    key = match["key"] or "" if match else ""
    if not match or not key.isprintable() or {".", ".."} & set(key.split("/")):
        raise PanoramaError("not an S3 address", where=public_url(url), hint="write s3://BUCKET/KEY")
    return S3Url(match["bucket"], key, match["version"])
