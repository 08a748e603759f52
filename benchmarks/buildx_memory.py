"""What it takes to get a root file system out of buildx: through a pipe, and through a nameless file.

    python benchmarks/buildx_memory.py [FOLDER...]      default: /usr/share

An image is made of the folders on this machine, its layers cached; then its asset is written both ways, and its tar
read by a slow reader. Shown are the time, and the most memory that buildx took. Needs a Docker engine with buildx.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from panorama_build.containers import archive
from panorama_build.files import BUFFER

COMMAND = ["docker", "buildx", "build", "--quiet", "--provenance=false", "--output=type=tar,dest=-"]


def through_a_pipe(command: list[str], _folder: Path) -> Iterator[bytes]:
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        while chunk := process.stdout.read(BUFFER):
            yield chunk


def through_a_file(command: list[str], folder: Path) -> Iterator[bytes]:
    with tempfile.TemporaryFile(buffering=0, dir=folder) as file:
        process, offset, ended = subprocess.Popen(command, stdout=file, stderr=subprocess.DEVNULL), 0, False
        while not ended:
            ended = process.poll() is not None
            while chunk := os.pread(file.fileno(), BUFFER, offset):
                offset += len(chunk)
                yield chunk
            time.sleep(0.01)


def watch(most: list[int], over: threading.Event) -> None:
    """Keep the most memory, in bytes, that any buildx of this build takes."""
    while not over.wait(0.02):
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, StopIteration):
                if b"--output=type=tar,dest=-" in (process / "cmdline").read_bytes():
                    lines = (process / "status").read_text().splitlines()
                    high = next(line for line in lines if line.startswith("VmHWM"))
                    most[0] = max(most[0], int(high.split()[1]) * 1024)


def at_full_speed(chunks: Iterator[bytes], folder: Path) -> None:
    archive.write_asset(chunks, folder / "asset")


def slowly(chunks: Iterator[bytes], _folder: Path) -> None:
    for chunk in chunks:
        time.sleep(len(chunk) / 20e6)


def main() -> None:
    """Build once for the layers, then read each way, in turn."""
    sources = [Path(argument) for argument in sys.argv[1:]] or [Path("/usr/share")]
    with tempfile.TemporaryDirectory(dir=".") as name:
        folder = Path(name)
        subprocess.run(["tar", "-cf", folder / "root.tar", *sources], check=True, stderr=subprocess.DEVNULL)
        (folder / "Dockerfile").write_text("FROM scratch\nADD root.tar /\n")
        command = [*COMMAND, name]
        size = sum(map(len, through_a_pipe(command, folder)))
        print(f"a root file system of {size / 1e6:,.0f} MB")
        for read, way in [(read, way) for read in (at_full_speed, slowly) for way in (through_a_pipe, through_a_file)]:
            most, over = [0], threading.Event()
            watcher = threading.Thread(target=watch, args=(most, over))
            watcher.start()
            began = time.monotonic()
            read(way(command, folder), folder)
            seconds = time.monotonic() - began
            over.set()
            watcher.join()
            print(f"{read.__name__:14} {way.__name__:16} {seconds:5.1f} s, buildx at most {most[0] / 1e6:,.0f} MB")


if __name__ == "__main__":
    main()
