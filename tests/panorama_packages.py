"""The part of the Panorama service that has packages, over a real S3: the files of a version must lie there."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.panorama_rules import Members, Refusal, conflict, invalid, missing

if TYPE_CHECKING:
    from tests.panorama_service import PanoramaService

ACCOUNT = "123456789012"
REGION = "us-east-1"


@dataclass
class Patch:
    """A patch version: ``pending`` for so many more descriptions, then ``failed`` for that reason, or there."""

    registered: float
    pending: int
    failed: str = ""
    becomes_latest: bool = False

    @property
    def status(self) -> str:
        if self.pending > 0:
            return "REGISTER_PENDING"
        return "FAILED" if self.failed else "REGISTER_COMPLETED"


@dataclass
class Version:
    """A version and its patches. The latest is one that is there, except where none is or ever was."""

    latest: str
    patches: dict[str, Patch] = field(default_factory=dict)

    def settle(self) -> None:
        for name, patch in self.patches.items():
            if patch.becomes_latest and patch.status == "REGISTER_COMPLETED":
                self.latest, patch.becomes_latest = name, False


@dataclass
class Package:
    name: str
    bucket: str
    tags: dict[str, str]
    created: float = field(default_factory=time.time)
    versions: dict[str, Version] = field(default_factory=dict)

    @property
    def names(self) -> Members:
        identity = f"package-{hashlib.sha256(self.name.encode()).hexdigest()[:26]}"
        return {"PackageId": identity, "Arn": f"arn:aws:panorama:{REGION}:{ACCOUNT}:package/{identity}"}

    @property
    def item(self) -> Members:
        return {**self.names, "PackageName": self.name, "CreatedTime": self.created, "Tags": self.tags}

    @property
    def location(self) -> dict[str, str]:
        root = f"{ACCOUNT}/nodePackages/{self.name}"
        return {
            "Bucket": self.bucket,
            "RepoPrefixLocation": root,
            "GeneratedPrefixLocation": f"{root}/generated",
            "BinaryPrefixLocation": f"{root}/binaries",
            "ManifestPrefixLocation": f"{root}/manifests",
        }


class Packages:
    """The operations on packages.

    ``pending`` says how many times a new registration is described as REGISTER_PENDING; ``failing`` says of which
    packages it fails then, and why. A registration whose files are not in the store fails, too.
    """

    def __init__(self, service: PanoramaService) -> None:
        self.service = service
        self.pending = 0
        self.failing: dict[str, str] = {}
        self.known: dict[str, Package] = {}

    @property
    def operations(self) -> dict[str, Callable[[Members], Members]]:
        return {
            "ListPackages": self._list,
            "CreatePackage": self._create,
            "DescribePackage": self._describe,
            "DescribePackageVersion": self._describe_version,
            "RegisterPackageVersion": self._register,
            "DeregisterPackageVersion": self._deregister,
        }

    def _list(self, given: Members) -> Members:
        return self.service.page("Packages", [package.item for package in self.known.values()], given)

    def _create(self, given: Members) -> Members:
        name = given["PackageName"]
        if name in self.known:
            raise conflict(f"package {name} exists already", name)
        package = self.known[name] = Package(name, self.service.location, given.get("Tags", {}))
        return {**package.names, "StorageLocation": package.location}

    def _describe(self, given: Members) -> Members:
        package = self._package(given)
        return {**package.item, "StorageLocation": package.location}

    def _describe_version(self, given: Members) -> Members:
        package, version = self._package(given), self._version(given)
        version.settle()
        name = given.get("PatchVersion", version.latest)
        patch = _registered(version, name)
        status = patch.status
        patch.pending -= 1
        return {
            "PackageId": package.names["PackageId"],
            "PackageArn": package.names["Arn"],
            "PackageName": package.name,
            "OwnerAccount": ACCOUNT,
            "PackageVersion": given["PackageVersion"],
            "PatchVersion": name,
            "IsLatestPatch": name == version.latest,
            "RegisteredTime": patch.registered,
            "Status": status,
            **({"StatusDescription": patch.failed[:255]} if status == "FAILED" else {}),
        }

    def _register(self, given: Members) -> Members:
        name = given["PatchVersion"]
        try:
            package = self._package(given)
        except Refusal as refusal:  # this operation knows no ResourceNotFoundException
            raise invalid(str(refusal)) from None
        version = package.versions.setdefault(given["PackageVersion"], Version(latest=name))
        if name in version.patches and version.patches[name].status != "FAILED":
            raise conflict(f"patch version {name} is registered already", name)
        failed = self.failing.get(package.name) or self._lacking(package, given["PackageVersion"], name)
        version.patches[name] = Patch(time.time(), self.pending, failed, given.get("MarkLatest", False))
        version.settle()
        return {}

    def _deregister(self, given: Members) -> Members:
        version, name = self._version(given), given["PatchVersion"]
        version.settle()
        _registered(version, name)
        successor = given.get("UpdatedLatestPatchVersion", version.latest)
        rest = version.patches.keys() - {name}
        if rest and successor not in rest:
            raise conflict(f"patch version {name} is the latest, and no other is named to be it", name)
        del version.patches[name]
        version.latest = successor
        if not rest:
            del self._package(given).versions[given["PackageVersion"]]
        return {}

    def _package(self, given: Members) -> Package:
        """A package by its id or its alias, for none but its owner."""
        wanted = given["PackageId"]
        for package in self.known.values() if given.get("OwnerAccount", ACCOUNT) == ACCOUNT else ():
            if wanted in (package.names["PackageId"], f"packageName/{package.name}"):
                return package
        raise missing(wanted)

    def _version(self, given: Members) -> Version:
        package, number = self._package(given), given["PackageVersion"]
        if number not in package.versions:
            raise missing(f"{package.name} {number}")
        return package.versions[number]

    def _lacking(self, package: Package, version: str, patch: str) -> str:
        """What a version's files lack in the store; empty where nothing is missing."""
        manifests, binaries = (package.location[f"{kind}PrefixLocation"] for kind in ("Manifest", "Binary"))
        try:
            content = self._stored(f"{manifests}/{version}/{patch}.json", patch)
            document = json.loads(content)["nodePackage"]
            named = document.get("name", package.name), document.get("version", version)
            for name in _binaries(document):
                self._stored(f"{binaries}/{name}", name.partition(".")[0])
        except _LackingError as lacking:
            return str(lacking)
        except (ValueError, LookupError, TypeError, AttributeError):
            return f"{patch}.json is no package.json"
        if named != (package.name, version):
            return f"package.json is of {named[0]} {named[1]}, not of {package.name} {version}"
        return ""

    def _stored(self, key: str, sha256: str) -> bytes:
        from botocore.exceptions import ClientError

        try:
            content = self.service.s3.client().get_object(Bucket=self.service.bucket, Key=key)["Body"].read()
        except ClientError:
            raise _LackingError(f"{key} is not in the store") from None
        if hashlib.sha256(content).hexdigest() != sha256:
            raise _LackingError(f"{key} does not have the sha256 of its name")
        return content


class _LackingError(Exception):
    """What a version's files lack."""


def _registered(version: Version, name: str) -> Patch:
    if name not in version.patches:
        raise missing(f"patch version {name}")
    return version.patches[name]


def _binaries(document: dict[str, Any]) -> Iterator[str]:
    """The files that a package's assets consist of, except those that are part of the device."""
    implementations = [one for asset in document.get("assets", []) for one in asset["implementations"]]
    for implementation in implementations:
        if implementation["type"] != "system":
            yield implementation["assetUri"]
            yield from [implementation["descriptorUri"]] if "descriptorUri" in implementation else []
