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
import re
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

_SHA256 = re.compile(r"[0-9a-f]{64}")
_MOST_BYTES = 1 << 63


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

    def artifact(self, task: str, foreseen: Mapping[Path, bytes | int] | None = None) -> Artifact | None:
        """What a task's asset is, or would be by what files would hold; None where it was never made."""
        path = self.artifact_file(task)
        content = (foreseen or {}).get(path)
        return _artifact(_object(content if isinstance(content, bytes) else _content(path)))

    def find(self, fingerprint: Fingerprint) -> Artifact | None:
        """What was made of these inputs, if its bytes are here and right."""
        artifact = self.recorded(fingerprint)
        return artifact if artifact and not self.fault(artifact) else None

    def recorded(self, fingerprint: Fingerprint) -> Artifact | None:
        """What was made of these inputs, wherever its bytes may be now."""
        return artifact_in(_content(self.record_file(fingerprint)), fingerprint)

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
        asset = self.asset(artifact.sha256)
        asset.parent.mkdir(parents=True, exist_ok=True)
        temporary.chmod(0o444)
        os.replace(temporary, asset)

    def record(self, task: str, fingerprint: Fingerprint, artifact: Artifact) -> None:
        """Remember that ``task`` made ``artifact`` of these inputs, and that it is the task's asset now."""
        path, former = self.record_file(fingerprint), self.recorded(fingerprint)
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

    def made(self, task: str) -> str:
        """When the task's asset was made of its inputs, e.g. 2026-11-22T19:23:27Z; empty where that is not known."""
        return str(self._latest_record(task).get("made", ""))

    def former(self, task: str) -> Artifact | None:
        """The artifact with other bytes that the inputs of the task's asset gave before; None where there is none."""
        return _artifact(self._latest_record(task).get("former"))

    def _latest_record(self, task: str) -> dict[str, Any]:
        inputs = self.latest_inputs(task)
        return (_read(self.record_file(Fingerprint(inputs))) if inputs else None) or {}

    def record_file(self, fingerprint: Fingerprint) -> Path:
        """The file that says what was made of these inputs."""
        return self.root / "records" / f"{fingerprint.digest}.json"

    def _latest(self, task: str) -> Path:
        return self.root / "latest" / f"{_file_name(task)}.json"


def artifact_bytes(artifact: Artifact) -> bytes:
    """What the file holds that says what a task's asset is."""
    return _json(asdict(artifact))


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _file_name(task: str) -> str:
    return task.replace(":", "-")


def artifact_in(content: bytes, fingerprint: Fingerprint) -> Artifact | None:
    """What a record says was made of these inputs; None for one that is torn, misshapen or of other inputs."""
    record = _object(content)
    return _artifact(record.get("artifact")) if record and record.get("inputs") == fingerprint.inputs else None


def _artifact(value: Any) -> Artifact | None:
    """An artifact as a record has it. Its digest becomes part of paths, so nothing else passes for one."""
    if not isinstance(value, dict):
        return None
    sha256, size, tar_sha256 = (value.get(name) for name in ("sha256", "size", "tar_sha256"))
    if not _is_digest(sha256) or not (tar_sha256 is None or _is_digest(tar_sha256)):
        return None
    return Artifact(str(sha256), size, tar_sha256) if type(size) is int and 0 <= size < _MOST_BYTES else None


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and _SHA256.fullmatch(value) is not None


def _read(path: Path) -> dict[str, Any] | None:
    return _object(_content(path))


def _content(path: Path) -> bytes:
    """A file of ours; one that can't be read counts as empty, as it can be made again."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _object(content: bytes) -> dict[str, Any] | None:
    """A JSON object; a torn or foreign document counts as absent."""
    try:
        value = json.loads(content)
    except (ValueError, RecursionError):
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
