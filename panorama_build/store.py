"""What was built: assets named by their sha256, and records that say which fingerprint gave which asset.

assets/<sha256>.tar.gz      an asset's bytes, read-only
records/<fingerprint>.json  inputs and artifact, for good: a branch switched away and back is no work
artifacts/<task>.json       what the task's asset is now; later tasks depend on this file, so the same bytes
                            made again change nothing behind it
latest/<task>.json          the inputs that the task's artifact was last made of, to tell what has changed
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from panorama_build.digests import Digests
from panorama_build.errors import PanoramaError
from panorama_build.files import scratch, write_whole
from panorama_build.fingerprint import Fingerprint


@dataclass(frozen=True)
class Artifact:
    """An asset that was made: its name's digest, its size in bytes, and for a container the digest of its plain tar."""

    sha256: str
    size: int
    tar_sha256: str | None = None


class Store:
    """The folder that holds what was built."""

    def __init__(self, root: Path, digests: Digests) -> None:
        self.root = root
        self.digests = digests

    def asset(self, sha256: str) -> Path:
        """Where the asset with this digest lies, if it is there."""
        return self.root / "assets" / f"{sha256}.tar.gz"

    def artifact_file(self, task: str) -> Path:
        """The file that says what a task's asset is."""
        return self.root / "artifacts" / f"{_file_name(task)}.json"

    def artifact(self, task: str) -> Artifact | None:
        """What a task's asset is, None where it was never made."""
        return _artifact(_read(self.artifact_file(task)))

    def find(self, fingerprint: Fingerprint) -> Artifact | None:
        """What was made of these inputs, if its bytes are here and right."""
        record = _read(self._record(fingerprint.digest)) or {}
        artifact = _artifact(record.get("artifact"))
        return artifact if artifact and self.holds(artifact.sha256, artifact.size) else None

    def holds(self, sha256: str, size: int | None = None) -> bool:
        """Whether the asset is here, every byte of it."""
        path = self.asset(sha256)
        try:
            return (size is None or path.stat().st_size == size) and self.digests.of(path) == sha256
        except OSError:
            return False

    @contextmanager
    def making(self) -> Iterator[Path]:
        """A temporary name for an asset in the making; ``keep`` gives it its own."""
        with scratch(self.root / "assets") as temporary:
            yield temporary

    def keep(self, temporary: Path, artifact: Artifact) -> None:
        """Name a finished file by its content."""
        temporary.chmod(0o444)
        os.replace(temporary, self.asset(artifact.sha256))

    def record(self, task: str, fingerprint: Fingerprint, artifact: Artifact) -> None:
        """Remember that ``task`` made ``artifact`` of these inputs, and that it is the task's asset now."""
        inputs = dict(sorted(fingerprint.inputs.items()))
        record = {"task": task, "inputs": inputs, "artifact": asdict(artifact)}
        _write(self._record(fingerprint.digest), record)
        _write(self._latest(task), inputs)
        _write(self.artifact_file(task), asdict(artifact))

    def latest_inputs(self, task: str) -> Mapping[str, str] | None:
        """The inputs that the task's asset was last made of."""
        return _read(self._latest(task))

    def _record(self, digest: str) -> Path:
        return self.root / "records" / f"{digest}.json"

    def _latest(self, task: str) -> Path:
        return self.root / "latest" / f"{_file_name(task)}.json"


def _file_name(task: str) -> str:
    return task.replace(":", "-")


def _artifact(value: Any) -> Artifact | None:
    try:
        return Artifact(str(value["sha256"]), int(value["size"]), value.get("tar_sha256"))
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def _read(path: Path) -> dict[str, Any] | None:
    """A JSON object from a file of ours; a torn or foreign one counts as absent, as it can be made again."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _write(path: Path, value: Mapping[str, Any]) -> None:
    try:
        write_whole(path, json.dumps(value, indent=1).encode("ascii"))
    except OSError as error:
        raise PanoramaError(f"can't be written: {error.strerror}", where=str(path)) from None
