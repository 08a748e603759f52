"""Publishing to the Panorama service: a package has its place in the service's store, and its versions are registered.

    binaries/<name>                               <BinaryPrefixLocation>/<name>
    manifests/<package>/<version>/<patch>.json    <ManifestPrefixLocation>/<version>/<patch>.json

The service copies a version when it is registered, which takes it some time. A new patch version is marked the latest;
the one that was the latest before is deregistered once the new one is there, and never before.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from panorama_build.address import PANORAMA, Address, patience, public_url
from panorama_build.errors import PanoramaError
from panorama_build.transfer.account import Account
from panorama_build.transfer.aws import Bucket
from panorama_build.transfer.destination import Say
from panorama_build.transfer.panorama import Service
from panorama_build.transfer.refusals import THROTTLED, code_of
from panorama_build.transfer.waiting import Patience

LONGEST_PAUSE = 15.0

Members = Mapping[str, Any]


class Registry:
    """The Panorama service as the place to publish to, for one account. Opening it asks nothing."""

    def __init__(self, address: Address, account: Account) -> None:
        self.address = address
        self.account = account
        self.service = Service(address)
        self._lock = threading.Lock()
        self._buckets: dict[str, Bucket] = {}

    @property
    def url(self) -> str:
        """The account, with the endpoint, region and profile in force: under others, a package is another one."""
        endpoint = self.address.endpoint_used()
        used = {
            "account": self.account.known,
            "endpoint": endpoint and public_url(endpoint),
            "region": self.address.region_used(),
            "profile": self.address.profile_used(),
        }
        return f"{PANORAMA}?{urlencode({name: value for name, value in used.items() if value}, safe=':/')}"

    def still_holds(self, sizes: Mapping[str, int]) -> bool:
        """True: the service cannot be asked without a request."""
        return True

    def entry(self, package: str, version: str, patch: str, former: str | None = None) -> Registration:
        """What the service knows of a patch version: one question where it is the latest, else two.

        A run that ended between registering it and deregistering ``former`` is finished, for one question more.
        """
        alias = f"packageName/{package}"
        latest = self.service.find("DescribePackageVersion", PackageId=alias, PackageVersion=version)
        known = Registration(self, package, version, patch, latest or {})
        if not known.current:
            known.locate(self.service.find("DescribePackage", PackageId=alias))
        elif former and former != patch:
            names = {"PackageId": alias, "PackageVersion": version, "PatchVersion": former}
            known.previous = former if self.service.find("DescribePackageVersion", **names) else None
        return known

    def bucket(self, name: str) -> Bucket:
        """A bucket or access point of the service's store, whose objects are the service's to own."""
        with self._lock:
            if name not in self._buckets:
                address = Address(f"s3://{name}", region=self.address.region, profile=self.address.profile)
                self._buckets[name] = Bucket(address, acl="bucket-owner-full-control")
            return self._buckets[name]


class Registration:
    """A patch version of a package in the service. ``latest`` is what the service says of its version's latest one.

    ``previous`` is the patch version that makes way for this one.
    """

    def __init__(self, registry: Registry, package: str, version: str, patch: str, latest: Members) -> None:
        self.registry = registry
        self.package = package
        self.version = version
        self.patch = patch
        self._latest = latest
        self._package: Members | None = None
        in_force = latest.get("Status") == "REGISTER_COMPLETED" and latest["PatchVersion"] != patch
        self.previous: str | None = latest["PatchVersion"] if in_force else None
        self._of_account(latest.get("PackageArn"))

    @property
    def current(self) -> bool:
        """Whether the patch version is in force: registered, and the latest."""
        return self._known_as("REGISTER_COMPLETED")

    @property
    def changes(self) -> tuple[str, ...]:
        """What there is to do besides files."""
        deregister = (f"deregister {self.previous[:12]}",) if self.previous else ()
        if self.current:
            return deregister
        create = () if self._package else (f"create package {self.package}",)
        register = "wait for" if self._known_as("REGISTER_PENDING") else "register"
        return (*create, f"{register} {self.version} {self.patch[:12]}", *deregister)

    def locate(self, package: Members | None) -> None:
        """Take note of what the service says of the package; None where there is none."""
        self._package = package
        self._of_account((package or {}).get("Arn"))

    def holds(self, key: str, sha256: str, size: int, path: Path) -> bool:
        """Whether the file is in the store; where the version is in force, the service has looked at that itself."""
        if self.current or self._package is None:
            return self.current
        bucket, name = self._place(key)
        return bucket.holds(name, sha256, size, path)

    def refresh(self, key: str) -> bool:
        """True: nobody but the service collects what it stores."""
        return True

    def open(self, say: Say) -> None:
        """Create the package, where there is none: another run may do so at the same moment."""
        if self.current or self._package:
            return
        say(f"create package {self.package}")
        try:
            self.locate(self._call("CreatePackage", PackageName=self.package))
        except PanoramaError as error:
            if code_of(error) != "ConflictException":
                raise
            self.locate(self._call("DescribePackage", PackageId=f"packageName/{self.package}"))

    def put(self, key: str, path: Path, sha256: str, size: int) -> bool:
        """Upload the file; False when it was there."""
        bucket, name = self._place(key)
        return bucket.put_file(name, path, sha256, size)

    def close(self, say: Say) -> None:
        """Register the patch version as the latest, wait until it is there, and deregister the one before."""
        if not self.current and not self._known_as("REGISTER_PENDING"):
            self._register(say)
        described = self._latest if self.current else self._wait(say)
        if not described["IsLatestPatch"]:
            self._take_over()
        elif self.previous:
            self._deregister(self.previous, say)

    def _register(self, say: Say) -> None:
        say(f"register {self.version} {self.patch[:12]} as the latest")
        try:
            self._call("RegisterPackageVersion", **self._names, MarkLatest=True)
        except PanoramaError as error:
            if code_of(error) != "ConflictException":
                raise
            # Another run, or this one before it was killed, has registered it: what came of that is asked next.
            if self._described() is None:
                raise

    def _wait(self, say: Say) -> Members:
        told = False
        for _ in Patience(total=patience(), longest=LONGEST_PAUSE).questions():
            described = self._described()
            status = described["Status"] if described else "REGISTER_PENDING"
            if described and status == "REGISTER_COMPLETED":
                return described
            if described and status != "REGISTER_PENDING":
                raise self._failure(status, described.get("StatusDescription") or "no reason given")
            if not told:
                say(f"wait for {self.version} {self.patch[:12]}: {status}")
                told = True
        message = f"the service has not registered {self._name} within {patience():g} s"
        hint = "run again: it goes on waiting, and sends nothing twice; PANORAMA_PATIENCE sets the seconds"
        raise PanoramaError(message, where=PANORAMA, hint=hint)

    def _described(self) -> Members | None:
        """What the service says of this patch version; None where it is asked too often."""
        try:
            return self._call("DescribePackageVersion", **self._names)
        except PanoramaError as error:
            if code_of(error) in THROTTLED:
                return None
            if code_of(error) == "ResourceNotFoundException":
                raise self._overtaken("it was deregistered") from error
            raise

    def _failure(self, status: str, reason: str) -> PanoramaError:
        stays = f"; {self.previous[:12]} stays the latest" if self.previous else ""
        return PanoramaError(
            f"the service did not register {self._name}: {status}: {reason}{stays}",
            where=PANORAMA,
            hint="correct what it says and publish again",
        )

    def _take_over(self) -> None:
        """Be the latest in place of the one before: a patch that was registered earlier cannot be registered again."""
        names = {"PackageId": self._names["PackageId"], "PackageVersion": self.version}
        latest = self._call("DescribePackageVersion", **names)["PatchVersion"]
        if latest == self.previous:
            self._call("DeregisterPackageVersion", **names, PatchVersion=latest, UpdatedLatestPatchVersion=self.patch)
        elif latest != self.patch:
            raise self._overtaken(f"{latest[:12]} was made the latest")

    def _overtaken(self, how: str) -> PanoramaError:
        message = f"{self._name} was registered, but {how} meanwhile, from elsewhere"
        return PanoramaError(message, where=PANORAMA, hint="publish again if this one is to be in force")

    def _deregister(self, patch: str, say: Say) -> None:
        """As panorama-cli, without failing: an old patch version more is in nobody's way."""
        names = {**self._names, "PatchVersion": patch}
        try:
            self.registry.service.find("DeregisterPackageVersion", **names)
        except PanoramaError as error:
            say(f"warning: {patch[:12]} stays registered: {error}")

    def _place(self, key: str) -> tuple[Bucket, str]:
        assert self._package, "opened before"
        location = self._package["StorageLocation"]
        kind, *rest = key.split("/")
        prefix, names = ("BinaryPrefixLocation", rest) if kind == "binaries" else ("ManifestPrefixLocation", rest[1:])
        return self.registry.bucket(location["Bucket"]), "/".join([location[prefix].rstrip("/"), *names])

    def _of_account(self, arn: str | None) -> None:
        account = str(arn).split(":")[4] if arn and arn.count(":") >= 5 else ""
        if account and account != self.registry.account.known:
            message = (
                f"package {self.package} is of account {account}, and this project of {self.registry.account.known}"
            )
            raise PanoramaError(message, where=PANORAMA, hint="correct account: or PANORAMA_ACCOUNT, or the profile")

    def _known_as(self, status: str) -> bool:
        return (self._latest.get("PatchVersion"), self._latest.get("Status")) == (self.patch, status)

    def _call(self, operation: str, **members: Any) -> dict[str, Any]:
        return self.registry.service.call(operation, **members)

    @property
    def _names(self) -> dict[str, str]:
        identity = (self._package or self._latest)["PackageId"]
        return {"PackageId": identity, "PackageVersion": self.version, "PatchVersion": self.patch}

    @property
    def _name(self) -> str:
        return f"{self.package} {self.version} {self.patch[:12]}"
