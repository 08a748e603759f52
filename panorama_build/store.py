"""What was built: assets named by their sha256, and records that say which fingerprint gave which asset.

assets/<sha256>.tar.gz      an asset's bytes, read-only
records/<fingerprint>.json  inputs, artifact, when it was made, and the artifact that the same inputs gave before it, if
                            its bytes were others; its time is that of its last use
artifacts/<task>.json       what the task's asset is now; later tasks depend on this file, so the same bytes
                            made again change nothing behind it
latest/<task>.json          the inputs that the task's artifact was last made of, or the digests of the documents that
                            it wrote, to tell what has changed
"""

from __future__ import annotations

import json
import os
import time
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

    def artifact(self, task: str, foreseen: Mapping[Path, bytes] | None = None) -> Artifact | None:
        """What a task's asset is, or would be by what files would hold; None where it was never made."""
        path = self.artifact_file(task)
        content = (foreseen or {}).get(path)
        return _artifact(_read(path) if content is None else json.loads(content))

    def find(self, fingerprint: Fingerprint) -> Artifact | None:
        """What was made of these inputs, if its bytes are here and right."""
        artifact = self.recorded(fingerprint)
        return artifact if artifact and not self.fault(artifact) else None

    def recorded(self, fingerprint: Fingerprint) -> Artifact | None:
        """What was made of these inputs, wherever its bytes may be now."""
        return _artifact((_read(self._record(fingerprint.digest)) or {}).get("artifact"))

    def fault(self, artifact: Artifact) -> str:
        """What is wrong with the bytes of an artifact; empty where they are here and right."""
        if self.holds(artifact.sha256, artifact.size):
            return ""
        return "asset damaged" if self.asset(artifact.sha256).exists() else "asset missing"

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
        path, former = self._record(fingerprint.digest), self.recorded(fingerprint)
        if former == artifact:
            with _told(path):
                os.utime(path)
        else:
            record = {"task": task, "inputs": dict(sorted(fingerprint.inputs.items())), "artifact": asdict(artifact)}
            _write(path, {**record, "made": _now(), **({"former": asdict(former)} if former else {})})
        self.remember(task, fingerprint.inputs)
        _write(self.artifact_file(task), artifact_bytes(artifact))

    def remember(self, task: str, inputs: Mapping[str, str]) -> None:
        """Keep what a task was last done with, for ``latest_inputs``."""
        _write(self._latest(task), dict(sorted(inputs.items())))

    def latest_inputs(self, task: str) -> Mapping[str, str] | None:
        """The inputs that the task's asset was last made of, or what the task last wrote; None where it never was."""
        return _read(self._latest(task))

    def _record(self, digest: str) -> Path:
        return self.root / "records" / f"{digest}.json"

    def _latest(self, task: str) -> Path:
        return self.root / "latest" / f"{_file_name(task)}.json"


def artifact_bytes(artifact: Artifact) -> bytes:
    """What the file holds that says what a task's asset is."""
    return _json(asdict(artifact))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


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


def _json(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, indent=1).encode("ascii")


def _write(path: Path, value: Mapping[str, Any] | bytes) -> None:
    with _told(path):
        write_whole(path, value if isinstance(value, bytes) else _json(value))


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Raise what goes wrong with writing a file as a PanoramaError."""
    try:
        yield
    except OSError as error:
        raise PanoramaError(f"can't be written: {error.strerror}", where=str(path)) from None
