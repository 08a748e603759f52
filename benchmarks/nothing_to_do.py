"""What a run costs that has nothing to do: this tool, plain doit and make on the same files, in turn.

    python benchmarks/nothing_to_do.py [--packages 100] [--rounds 5]

Each package has one model, so there are two tasks a package, and neither an engine nor a network is needed. Plain doit
and make get one task a package with the same file as its dependency.
"""

from __future__ import annotations

import argparse
import gzip
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAMS = Path(sys.executable).parent

PLAIN = """\
def task_copy():
    for number in range({count}):
        yield {{"name": str(number), "file_dep": [f"models/{{number}}.tar.gz"], "targets": [f"out/{{number}}"],
               "actions": [f"cp models/{{number}}.tar.gz out/{{number}}"]}}
"""


def project(root: Path, count: int) -> None:
    """Models, a manifest, and the same for plain doit and make."""
    (root / "models").mkdir()
    (root / "out").mkdir()
    for number in range(count):
        (root / f"models/{number}.tar.gz").write_bytes(gzip.compress(os.urandom(10_000)))
    words = "    models: {{m{0}: {{source: models/{0}.tar.gz, framework: PYTORCH, inputs: {{data: [1]}}}}}}\n"
    packages = "".join(f"  p{number}:\n{words.format(number)}" for number in range(count))
    (root / "panorama.yaml").write_text(f"application: app\npackages:\n{packages}")
    (root / "plain.py").write_text(PLAIN.format(count=count))
    outs = " ".join(f"out/{number}" for number in range(count))
    (root / "Makefile").write_text(f"all: {outs}\nout/%: models/%.tar.gz\n\tcp $< $@\n")


def seconds(command: list[str], root: Path) -> float:
    """The wall time of a command that must succeed."""
    start = time.perf_counter()
    subprocess.run(command, cwd=root, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Print a row for each tool: the median, and the ratio to make's."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--packages", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    commands = {
        "make": ["make", "--silent"],
        "plain doit": [str(PROGRAMS / "doit"), "-f", "plain.py", "--db-file", ".plain"],
        "panorama-build": [str(PROGRAMS / "panorama-build")],
    }
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        project(root, options.packages)
        times: dict[str, list[float]] = {tool: [] for tool in commands}
        for command in [*commands.values()] * 2:  # the first run works, the second warms up
            seconds(command, root)
        for _ in range(options.rounds):
            for tool, command in commands.items():
                times[tool].append(seconds(command, root))
    base = statistics.median(times["make"])
    print(f"{options.packages} packages, {options.rounds} rounds, median of wall time")
    for tool, taken in times.items():
        median = statistics.median(taken)
        print(f"{tool:16} {median * 1000:8.0f} ms  {median / base:6.1f} x make")


if __name__ == "__main__":
    main()
