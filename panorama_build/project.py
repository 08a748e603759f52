"""A project on disk: its application, and where everything of it lies.

panorama.yaml            what a person edits
packages/<name>/         sources
build/                   generated: an application root exactly as panorama-cli lays it out
    graphs/<application>/graph.json
    packages/<account>-<name>-<version>/package.json, descriptor.json
    assets/<sha256>.tar.gz, <sha256>.json
.panorama/               state; deleting it is always safe
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from panorama_build.address import PANORAMA
from panorama_build.checks.check import judge
from panorama_build.checks.finding import located
from panorama_build.checks.inspection import inspect
from panorama_build.digests import Digests
from panorama_build.errors import PanoramaError, PanoramaErrors
from panorama_build.manifest.application import load_application, read_application
from panorama_build.manifest.yamlfile import Places
from panorama_build.model import PLACEHOLDER_ACCOUNT, Application, Asset, Build, Package, Site, Source
from panorama_build.store import Store
from panorama_build.transfer.account import Account
from panorama_build.transfer.cache import Cache
from panorama_build.transfer.destination import Destination
from panorama_build.transfer.remote import open_destination
from panorama_build.uptodate import Notes

STATE = ".panorama"


@dataclass(frozen=True)
class Project:
    """An application with its folder.

    ``places`` tells where in panorama.yaml each value stands, ``wrong`` and ``odd`` what doesn't fit together there.
    """

    root: Path
    application: Application
    places: Places
    wrong: list[PanoramaError]
    odd: list[PanoramaError]
    digests: Digests
    notes: Notes
    store: Store
    account: Account
    remote: Destination
    cache: Cache | None = None

    @classmethod
    def load(cls, root: Path, environ: Mapping[str, str] = os.environ) -> Project:
        """Read the project in ``root``. Raises PanoramaErrors with all that is wrong with its panorama.yaml.

        No server is asked: an account that is not stated stays a placeholder, unless publishing has learned it.
        """
        reading = read_application(root, environ)
        if reading.value is None:
            raise PanoramaErrors(reading.errors)
        wrong, odd = judge(reading.value, reading.places)
        if reading.errors or wrong:
            files = located(inspect(root, reading.value), reading.places)
            raise PanoramaErrors([*reading.errors, *wrong], [*odd, *files])
        return cls._of(root, reading.value, reading.places, wrong, odd)

    @classmethod
    def read(cls, root: Path, environ: Mapping[str, str] = os.environ) -> Project:
        """Read the project in ``root``, whether its parts fit together or not: ``wrong`` tells.

        Raises PanoramaErrors with all that can't be read.
        """
        application, places = load_application(root, environ)
        return cls._of(root, application, places, *judge(application, places))

    @classmethod
    def _of(
        cls,
        root: Path,
        application: Application,
        places: Places,
        wrong: list[PanoramaError],
        odd: list[PanoramaError],
    ) -> Project:
        state = root / STATE
        digests = Digests(state / "digests")
        shared = application.cache
        cache = Cache.at(shared.address, root, read_only=shared.read_only) if shared else None
        stated = None if application.account == PLACEHOLDER_ACCOUNT else application.account
        account = Account(stated, application.remote, state / "accounts")
        if application.remote.url == PANORAMA:
            application = replace(application, account=account.known or PLACEHOLDER_ACCOUNT)
        remote = open_destination(application.remote, root, account)
        store = Store(state / "store", digests)
        return cls(root, application, places, wrong, odd, digests, Notes(digests), store, account, remote, cache)

    @property
    def build(self) -> Path:
        """The application root that panorama-cli accepts."""
        return self.root / "build"

    @property
    def state(self) -> Path:
        """Where the tool remembers."""
        return self.root / STATE

    @property
    def assets(self) -> Path:
        """The application root's assets."""
        return self.build / "assets"

    def package_folder(self, package: Package) -> Path:
        """The folder of a package in the application root, named as panorama-cli takes it apart again."""
        name = package.directory or f"{self.application.account}-{package.key}-{package.directory_version}"
        return self.build / "packages" / name

    def package_json(self, package: Package) -> Path:
        """A package's package.json."""
        return self.package_folder(package) / "package.json"

    def receipt(self, package: Package, remote: str) -> Path:
        """What is known of a package's last publishing to the remote with this URL."""
        return self.state / "receipts" / hashlib.sha256(remote.encode()).hexdigest()[:16] / f"{package.key}.json"

    def site_receipt(self, site: Site, service: str) -> Path:
        """What is known of a site's last deployment through the service of this name."""
        return self.state / "receipts" / hashlib.sha256(service.encode()).hexdigest()[:16] / f"sites/{site.key}.json"

    def log(self, task: str) -> Path:
        """The log of a task's build."""
        return self.state / "logs" / f"{task.replace(':', '-')}.log"

    def own_output(self) -> list[Path]:
        """Folders that are never input: everything that the tool writes."""
        folders = [self.build, self.state, self.root / "published", *self._local_folders()]
        return [folder.resolve() for folder in folders]

    def _local_folders(self) -> Iterator[Path]:
        """The remote and the shared store, where they are folders."""
        cache = self.application.cache
        remote = self.application.remote
        for address in (*([] if remote.url == PANORAMA else [remote]), *([cache.address] if cache else [])):
            path = address.url.removeprefix("file://")
            if "://" not in path:
                yield self.root / Path(path).expanduser()

    def task_of(self, package: Package, asset: Asset) -> str:
        """The name of the task that makes an asset.

        A package has one container as a rule, so that task goes by the package's name; a model goes by its own, with
        the package's before it where another package has a model of that name. Either way names stay what they are
        when an unrelated package is added.
        """
        package, asset = self.original(package, asset)
        if isinstance(asset.source, Build):
            return f"container:{package.key}"
        alone = self._models[asset.name] == 1
        return f"model:{asset.name}" if alone else f"model:{package.key}.{asset.name}"

    @cached_property
    def _models(self) -> Counter[str]:
        """How many packages have a model of each name."""
        return Counter(asset.name for _, asset in self.application.assets() if isinstance(asset.source, Source))

    def original(self, package: Package, asset: Asset) -> tuple[Package, Asset]:
        """An asset with its package, or those that it is the same as."""
        if not asset.same_as:
            return package, asset
        owner = self.application.package(asset.same_as[0])
        lent = owner.asset(asset.same_as[1]) if owner else None
        assert owner and lent, "the check of the manifest sees to it"
        return self.original(owner, lent)
