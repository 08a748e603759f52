"""What would be done for a task: decided by reading alone, so that a plan tells the very value that a run performs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from panorama_build.errors import legible
from panorama_build.fingerprint import Fingerprint, reasons
from panorama_build.store import Artifact, Store, artifact_bytes

NOTHING: Mapping[Path, bytes] = MappingProxyType({})


@dataclass(frozen=True)
class Decision:
    """What a task would do: a verb of ``Outcome``, and why, the most telling reason first.

    ``leaves`` are the files that later tasks read, with the bytes that they would have, as far as that is known before
    the work is done.
    """

    verb: str
    reasons: tuple[str, ...]
    leaves: Mapping[Path, bytes] = field(default_factory=dict, kw_only=True)

    @property
    def cause(self) -> str:
        """The reasons in a few words; empty where there are none."""
        more = f" and {len(self.reasons) - 1} more" if len(self.reasons) > 1 else ""
        return legible(f"{self.reasons[0]}{more}") if self.reasons else ""

    @property
    def because(self) -> str:
        """The cause as the end of a line."""
        return f"; {self.cause}" if self.reasons else ""


def left(store: Store, task: str, artifact: Artifact | None) -> Mapping[Path, bytes]:
    """What a task leaves that makes an asset, where the asset is known."""
    return {store.artifact_file(task): artifact_bytes(artifact)} if artifact else NOTHING


def why_made(store: Store, task: str, fingerprint: Fingerprint, forced: bool) -> tuple[str, ...]:
    """Why an asset is not the one of before, or has to be made: from the recorded and the present inputs."""
    before, recorded = store.latest_inputs(task), store.recorded(fingerprint)
    changed = reasons(before, fingerprint.inputs) if before is not None else []
    if forced:
        return (*changed, "forced")
    if recorded:
        fault = store.fault(recorded)
        return (*changed, fault) if fault else tuple(changed)
    return tuple(changed) or (("record missing",) if before is not None else ("first build",))
