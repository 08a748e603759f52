"""What a team has built: records by fingerprint and assets by sha256, in a folder or in S3, shared by all of its trees.

    assets/<sha256>.tar.gz
    records/<fingerprint>.json       as in the store of a project; put last, so that a record promises its asset

It is a convenience and never needed: whatever is wrong with it costs one warning and a build. Nothing from it is
believed unverified, and a server that fails or is slow once is left alone for the rest of the run.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from pathlib import Path
from typing import TypeVar

from panorama_build.address import Address, public_url
from panorama_build.errors import PanoramaError
from panorama_build.files import sha256_of
from panorama_build.fingerprint import Fingerprint
from panorama_build.store import Artifact, Store, artifact_in
from panorama_build.transfer.fetch import save
from panorama_build.transfer.remote import Remote, open_remote, told

PATIENCE = 15.0  # seconds for a question; what takes longer is asked of nobody for whom a build is an answer
SLOWEST = 256 << 10  # bytes a second that a transfer must have, on the whole
MAX_RECORD = 16 << 20  # bytes; a record of 100,000 files has less

T = TypeVar("T")


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")


class Cache:
    """A shared store. No method raises PanoramaError: each warns, once in a run, of what is wrong, and does without."""

    def __init__(
        self,
        remote: Remote,
        *,
        read_only: bool = False,
        patience: float = PATIENCE,
        warn: Callable[[str], None] = _to_stderr,
    ) -> None:
        self.remote = remote
        self.read_only = read_only
        self._patience = patience
        self._warn = warn
        self._told: set[str] = set()
        self._distrusted: set[str] = set()
        self._lock = threading.Lock()

    @classmethod
    def at(cls, address: Address, project_root: Path, *, read_only: bool = False) -> Cache:
        """The shared store at ``address``. Nothing is asked; raises PanoramaError where none can be."""
        return cls(open_remote(address, project_root, PATIENCE), read_only=read_only)

    @property
    def url(self) -> str:
        """Where it is, for people."""
        return public_url(self.remote.url)

    def find(self, fingerprint: Fingerprint) -> Artifact | None:
        """What was made of these inputs, if a record says so and the asset is there in its size. Fetches no asset."""
        return self._asked(self._patience, lambda: self._recorded(fingerprint))

    def find_asset(self, sha256: str) -> Artifact | None:
        """The asset with this digest, which is known from elsewhere, if it is there. Fetches nothing."""
        size = self._asked(self._patience, lambda: self.remote.size(_asset(sha256)))
        return None if size is None or sha256 in self._distrusted else Artifact(sha256, size)

    def fetch(self, artifact: Artifact, to: Path) -> bool:
        """Bring an asset's bytes into the file ``to``; whether they are the right ones, all of them."""
        right = self._asked(self._time_for(artifact), lambda: self._fetched(artifact, to))
        if right is False:
            self._distrust(artifact, "is gone or has other bytes")
        return bool(right)

    def keep(self, fingerprint: Fingerprint, artifact: Artifact, store: Store) -> None:
        """Give others what ``store`` has of these inputs, unless they have it."""
        if self.read_only or {"reading", "writing"} & self._told:
            return
        try:
            within(self._time_for(artifact), lambda: self._keep(fingerprint, artifact, store))
        except PanoramaError as error:
            self._tell("writing", f"{error}; nothing more is put there in this run")

    def _asked(self, seconds: float, question: Callable[[], T]) -> T | None:
        """What the store answers; None when it doesn't, or did not before."""
        if "reading" in self._told:
            return None
        try:
            return within(seconds, question)
        except PanoramaError as error:
            self._tell("reading", f"{error}; it is left alone for the rest of this run")
            return None

    def _recorded(self, fingerprint: Fingerprint) -> Artifact | None:
        pieces = self.remote.get(_record(fingerprint))
        if pieces is None:
            return None
        artifact = artifact_in(b"".join(_up_to(MAX_RECORD, pieces)), fingerprint)
        if artifact is None:
            self._tell("record", f"{_record(fingerprint)} is torn or of other inputs, and is not believed")
        if artifact is None or artifact.sha256 in self._distrusted:
            return None
        size = self.remote.size(_asset(artifact.sha256))
        if size != artifact.size:
            self._distrust(artifact, "is gone" if size is None else f"has {size:,} bytes, not {artifact.size:,}")
            return None
        return artifact

    def _fetched(self, artifact: Artifact, to: Path) -> bool:
        pieces = self.remote.get(_asset(artifact.sha256))
        if pieces is None:
            return False
        fetched = save(_up_to(artifact.size + 1, pieces), to)
        return (fetched.sha256, fetched.size) == (artifact.sha256, artifact.size)

    def _keep(self, fingerprint: Fingerprint, artifact: Artifact, store: Store) -> None:
        """Others may do the same at any time: what they put first is as good."""
        if self._recorded(fingerprint):
            return
        self._put_asset(artifact, store.asset(artifact.sha256))
        self._distrusted.discard(artifact.sha256)
        try:
            self._put_record(fingerprint, store)
        except PanoramaError:
            if not self._recorded(fingerprint):
                self.remote.remove(_record(fingerprint))
                self._put_record(fingerprint, store)

    def _put_asset(self, artifact: Artifact, path: Path) -> None:
        """Put an asset, in the place of one that has no right to its name."""
        key = _asset(artifact.sha256)
        if self.remote.size(key) is not None:
            if self.remote.holds(key, artifact.sha256, artifact.size, path) and self.remote.refresh(key):
                return
            self.remote.remove(key)
        self.remote.put(key, path, artifact.sha256, artifact.size)

    def _put_record(self, fingerprint: Fingerprint, store: Store) -> None:
        path = store.record_file(fingerprint)
        with told(path):
            sha256, size = sha256_of(path), path.stat().st_size
        self.remote.put(_record(fingerprint), path, sha256, size)

    def _time_for(self, artifact: Artifact) -> float:
        return self._patience + artifact.size / SLOWEST

    def _distrust(self, artifact: Artifact, why: str) -> None:
        self._distrusted.add(artifact.sha256)
        self._tell("asset", f"{_asset(artifact.sha256)} {why}; it is made again")

    def _tell(self, kind: str, message: str) -> None:
        with self._lock:
            new = kind not in self._told
            self._told.add(kind)
        if new:
            self._warn(f"warning: the shared store {self.url}: {message}")


def within(seconds: float, call: Callable[[], T]) -> T:
    """What ``call`` gives; raises what it raises, and PanoramaError when it takes longer than that.

    It then goes on unheard and ends with the process: a dead network file system keeps whoever asks it for good.
    """
    answer: Future[T] = Future()

    def ask() -> None:
        try:
            answer.set_result(call())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=ask, daemon=True).start()
    try:
        return answer.result(seconds)
    except Late:
        raise PanoramaError(f"no answer within {seconds:.3g} s", hint="check the network") from None


def _asset(sha256: str) -> str:
    return f"assets/{sha256}.tar.gz"


def _record(fingerprint: Fingerprint) -> str:
    return f"records/{fingerprint.digest}.json"


def _up_to(most: int, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The first ``most`` bytes: what has more is not what was asked for, and need not be read to its end."""
    for piece in pieces:
        yield piece[:most]
        most -= len(piece)
        if most <= 0:
            return
