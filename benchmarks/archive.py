"""How long an asset takes from the engine's tar: panorama-cli's way beside ours, on one tar of a directory.

python benchmarks/archive.py [DIRECTORY] [--rounds N]
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from panorama_build.containers.archive import write_asset


def main() -> None:
    arguments = parse(sys.argv[1:])
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        tar = work / "rootfs.tar"
        subprocess.run(["tar", "-C", arguments.directory, "--ignore-failed-read", "-cf", tar, "."], check=True)
        ways: dict[str, Callable[[Path, Path], int]] = {"panorama-cli's way": cli_way, "ours": our_way}
        print(f"{tar.stat().st_size / 1e6:.0f} MB of {arguments.directory}, best of {arguments.rounds}\n")
        show({title: measure(way, tar, work, arguments.rounds) for title, way in ways.items()})


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", nargs="?", type=Path, default=Path("/usr"), help="what to archive (/usr)")
    parser.add_argument("--rounds", type=int, default=3, help="runs of each way (3)")
    return parser.parse_args(words)


def cli_way(tar: Path, work: Path) -> int:
    """Write the export to a file, gzip -1 it, read it whole for its sha256, move it; returns its size."""
    copy = work / "copy.tar"
    with copy.open("wb") as file:
        for chunk in stream(tar):
            file.write(chunk)
    subprocess.run(["gzip", "-1", "-f", copy], check=True)
    packed = work / "copy.tar.gz"
    digest = hashlib.sha256(packed.read_bytes()).hexdigest()
    return Path(shutil.move(packed, work / f"{digest}.tar.gz")).stat().st_size


def our_way(tar: Path, work: Path) -> int:
    """Normalise, gzip and digest the export as it comes, rename; returns the asset's size."""
    written = write_asset(stream(tar), work / "asset")
    (work / "asset").rename(work / f"{written.sha256}.tar.gz")
    return written.size


def stream(tar: Path) -> Iterator[bytes]:
    """What the engine would send, through a pipe as from an engine."""
    with subprocess.Popen(["cat", tar], stdout=subprocess.PIPE) as engine:
        assert engine.stdout
        while chunk := engine.stdout.read(1 << 20):
            yield chunk


def measure(way: Callable[[Path, Path], int], tar: Path, work: Path, rounds: int) -> tuple[float, int]:
    """The shortest wall time in seconds, and the size of the asset in bytes."""
    times, size = [], 0
    for _ in range(rounds):
        os.sync()
        start = time.perf_counter()
        size = way(tar, work)
        times.append(time.perf_counter() - start)
    return min(times), size


def show(results: dict[str, tuple[float, int]]) -> None:
    base_seconds, base_size = next(iter(results.values()))
    print(f"{'':20}{'seconds':>9}{'ratio':>8}{'MB':>9}{'ratio':>8}")
    for title, (seconds, size) in results.items():
        print(f"{title:20}{seconds:9.2f}{seconds / base_seconds:8.2f}{size / 1e6:9.1f}{size / base_size:8.3f}")


if __name__ == "__main__":
    main()
