"""Processor architectures: what an engine can run, and what an asset was really built for."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from panorama_build.errors import PanoramaError

# e_machine of ELF files, by Docker's names of the architectures.
_MACHINES = {"amd64": 62, "arm64": 183, "arm": 40, "386": 3, "riscv64": 243, "ppc64le": 21, "s390x": 22}
PLATFORMS = tuple(f"linux/{architecture}" for architecture in ("arm64", *sorted({*_MACHINES} - {"arm64"})))
_NAMES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386", "i386": "386"}
_HANDLERS = Path("/proc/sys/fs/binfmt_misc")


def name(architecture: str) -> str:
    """Docker's name of an architecture that a kernel may call otherwise, e.g. arm64 for aarch64."""
    return _NAMES.get(architecture, architecture)


def of(platform: str) -> str:
    """The architecture of a platform, e.g. arm64 of linux/arm64/v8."""
    return name(platform.split("/")[1] if "/" in platform else platform)


def is_known(platform: str) -> bool:
    """Whether ``platform`` is written as Docker writes one that containers can be built for."""
    return platform in PLATFORMS or re.fullmatch(r"linux/(arm64/v8|arm/v[5-8]|amd64/v[1-4])", platform) is not None


def check_emulation(info: Mapping[str, Any], platform: str, dockerfile: bytes) -> None:
    """Raise PanoramaError where the Dockerfile's RUN steps need an emulator that the engine's kernel lacks.

    ``info`` is the engine's answer to /info. Without the check such a build dies of "exec format error".
    """
    native = name(info["Architecture"])
    if native == of(platform) or not _runs_something(dockerfile) or _emulates(info, of(platform)):
        return
    hint = "`docker run --privileged --rm tonistiigi/binfmt --install all`, or Debian's package qemu-user-static"
    message = f"RUN steps for {platform} need emulation on this {native} engine, and its kernel has none"
    raise PanoramaError(message, hint=hint)


def check_built(machines: Mapping[int, int], platform: str) -> None:
    """Raise PanoramaError unless most programs of an asset (counts by e_machine) are for ``platform``."""
    wanted = _MACHINES.get(of(platform))
    programs = sum(machines.values())
    right = programs if wanted is None else machines.get(wanted, 0)
    if 2 * right < programs:
        most = max(machines, key=lambda machine: machines[machine])
        names = {number: architecture for architecture, number in _MACHINES.items()}
        raise wrong(platform, f"{programs - right} of its {programs} programs are for {names.get(most, most)}")


def wrong(platform: str, what: str) -> PanoramaError:
    """The error of a result for another architecture than ``platform``."""
    hint = f"take a base image for {platform}, or say another platform in panorama.yaml"
    return PanoramaError(f"{platform} was asked for, but {what}", hint=hint)


def _runs_something(dockerfile: bytes) -> bool:
    """Whether there are RUN steps, all for the target: a stage of another platform may run what it can."""
    runs = re.search(rb"(?mi)^\s*RUN\s", dockerfile)
    return bool(runs) and not re.search(rb"(?mi)^\s*FROM\s+--platform", dockerfile)


def _emulates(info: Mapping[str, Any], architecture: str) -> bool:
    """Whether the engine's kernel has a handler; one that can't be looked into from here is trusted."""
    if info.get("KernelVersion") != os.uname().release or not (_HANDLERS / "status").exists():
        return True
    machine = _MACHINES.get(architecture)
    return machine is None or any(_handles(path, machine) for path in _HANDLERS.iterdir())


def _handles(path: Path, machine: int) -> bool:
    """Whether a file of binfmt_misc is an enabled handler for ELF files of ``machine`` (e_machine, at offset 18)."""
    try:
        text = path.read_text()
    except OSError:
        return False
    magic = re.search(r"^magic (7f454c46[0-9a-f]{32,})", text, re.MULTILINE)
    return bool(magic) and text.startswith("enabled") and _machine(magic[1]) == machine if magic else False


def _machine(magic: str) -> int:
    return int.from_bytes(bytes.fromhex(magic[36:40]), "little")
