"""What would be done for a task: decided by reading alone, so that a plan tells the very value that a run performs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TypeAlias, TypedDict

from panorama_build.errors import legible
from panorama_build.fingerprint import Fingerprint, reasons
from panorama_build.store import Artifact, Store, artifact_bytes

Files: TypeAlias = Mapping[Path, bytes | int]
"""Files as tasks would leave them: a file's bytes, or its size alone where later tasks ask for no more."""

NOTHING: Files = MappingProxyType({})


@dataclass(frozen=True)
class Upload:
    """A file to upload: its size in bytes, None where it is not made yet; ``last`` is the size that it had before."""

    name: str
    size: int | None
    last: int | None = None


@dataclass(frozen=True)
class Decision:
    """What a task would do: a verb of ``Outcome``, and why, the most telling reason first.

    ``leaves`` are the files that later tasks read, as far as what is in them is known before the work is done.
    ``size`` is that of the asset, None where there is none or it is not known, ``last`` that of the one before.
    ``changes`` is what a remote is told besides files, in words.
    """

    verb: str
    reasons: tuple[str, ...]
    leaves: Files = field(default_factory=dict, kw_only=True)
    size: int | None = field(default=None, kw_only=True)
    last: int | None = field(default=None, kw_only=True)
    uploads: tuple[Upload, ...] = field(default=(), kw_only=True)
    changes: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def cause(self) -> str:
        """The reasons in a few words; empty where there are none."""
        more = f" and {len(self.reasons) - 1} more" if len(self.reasons) > 1 else ""
        return legible(f"{self.reasons[0]}{more}") if self.reasons else ""

    @property
    def because(self) -> str:
        """The cause as the end of a line."""
        return f"; {self.cause}" if self.reasons else ""


class Left(TypedDict):
    """What a decision says of an asset."""

    leaves: Files
    size: int | None
    last: int | None


def left(store: Store, task: str, artifact: Artifact | None) -> Left:
    """What a task leaves that makes an asset, where the asset is known."""
    last = store.artifact(task)
    leaves: Files = {store.artifact_file(task): artifact_bytes(artifact)} if artifact else {}
    return {"leaves": leaves, "size": artifact.size if artifact else None, "last": last.size if last else None}


def why_made(store: Store, task: str, fingerprint: Fingerprint, forced: bool, origin: str = "") -> tuple[str, ...]:
    """Why an asset is not the one of before, or has to be made: from the recorded and the present inputs.

    ``origin`` says who has its bytes, if others made it: it has not to be.
    """
    before, recorded = store.latest_inputs(task), store.recorded(fingerprint)
    changed = reasons(before, fingerprint.inputs) if before is not None else []
    if forced:
        return (*changed, "forced")
    if origin:
        return tuple(changed)
    if recorded:
        fault = store.fault(recorded)
        return (*changed, fault) if fault else tuple(changed)
    return tuple(changed) or (("record missing",) if before is not None else ("first build",))
