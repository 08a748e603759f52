"""What an application says of the project's files: told where it can't be true, and silent where nobody can know."""

from __future__ import annotations

import gzip
import io
import os
import resource
import tarfile
import time
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from panorama_build.checks.inspection import inspect
from panorama_build.checks.modelarchive import misfit
from panorama_build.manifest.application import load_application
from tests.applications import ROOT

MANIFEST = "application: a\npackages: {code: {container: code, entry: [python3, ENTRY]}}\n"


def told(folder: Path, dockerfile: str, entry: str = "/panorama/app.py", ignore: str = "") -> list[str]:
    """What is said of a context that holds src/app.py, src/lib/run.py, main.py and lib.tar."""
    context = folder / "packages/code"
    for name in ("src/app.py", "src/lib/run.py", "main.py", "lib.tar"):
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).touch()
    (context / "Dockerfile").write_text(dockerfile)
    (context / ".dockerignore").write_text(ignore)
    (folder / "panorama.yaml").write_text(MANIFEST.replace("ENTRY", entry))
    application, _ = load_application(folder, {})
    findings = list(inspect(folder, application))
    assert all(finding.warning and finding.path == ("packages", "code", "entry") for finding in findings)
    return [f"{finding.message} ({finding.hint})" for finding in findings]


THERE = [
    "COPY src /panorama",
    "COPY src /panorama/",
    "COPY ./src/ /panorama",
    "COPY /src /panorama",
    "copy --chown=1:1 --link src /panorama",
    'COPY ["src", "/panorama"]',
    "COPY src/app.py /panorama/app.py",
    "COPY src/app.py /panorama/",
    "COPY src/app.py /panorama",
    "COPY main.py src/app.py /panorama/",
    "COPY main.py \\\n  # why\n\n  src/app.py \\\n  /panorama/",
    "# escape=`\nFROM base\nCOPY main.py `\n src/app.py /panorama/",
    "COPY src/*.py /panorama/",
    "COPY s?c /panorama",
    "ADD src /panorama",
    "WORKDIR /panorama\nCOPY src .",
    "WORKDIR /\nWORKDIR panorama\nCOPY src/app.py ./",
    "COPY main.py /panorama/\nCOPY src /panorama",
    "FROM other AS last\nCOPY src /panorama\nFROM last",
]
UNKNOWN = [
    "",
    "RUN git clone https://example.org/app /panorama",
    "COPY other /panorama\nRUN mv /panorama/x /panorama/app.py",
    "COPY other /panorama\nRUN <<EOF\nCOPY nothing here\nEOF",
    "COPY --from=build /out /panorama",
    "COPY other /panorama\nCOPY --from=build /out/app.py /panorama/app.py",
    "COPY $SOURCE /panorama",
    "COPY other ${TO}",
    "COPY other .",
    "COPY --exclude=x other /panorama",
    "COPY <<EOF /panorama/app.py\nprint()\nEOF",
    "ADD https://example.org/app.py /panorama/",
    "ADD lib.tar /panorama",
    "COPY [other /panorama",
    "COPY",
    "COPY src /elsewhere\nFROM other",
]
MISSING = {
    "COPY main.py /panorama/": None,
    "COPY src/lib /panorama": "COPY src/lib /panorama finds no src/lib/app.py (add src/lib/app.py)",
    "COPY source /panorama": "COPY source /panorama finds no source/app.py (add source/app.py)",
    "COPY src /app": 'COPY src /app makes it /app/app.py (did you mean "/app/app.py"?)',
    "COPY src/app.py /app/": 'COPY src/app.py /app/ makes it /app/app.py (did you mean "/app/app.py"?)',
    "RUN apt-get update && apt-get install -y git\nCOPY src/lib /panorama": "COPY src/lib /panorama finds no "
    "src/lib/app.py (add src/lib/app.py)",
    "COPY . /panorama": "COPY . /panorama finds no app.py (add app.py)",
}


@pytest.mark.parametrize("dockerfile", THERE)
def test_an_entry_that_the_dockerfile_copies_is_found(tmp_path: Path, dockerfile: str) -> None:
    lines = dockerfile if dockerfile.startswith(("FROM", "# escape")) else f"FROM base\n{dockerfile}"
    assert told(tmp_path, lines) == []


@pytest.mark.parametrize("dockerfile", UNKNOWN)
def test_nothing_is_said_where_the_file_may_come_from_elsewhere(tmp_path: Path, dockerfile: str) -> None:
    assert told(tmp_path, f"FROM base\n{dockerfile}\n") == []


@pytest.mark.parametrize(("dockerfile", "complaint"), MISSING.items())
def test_an_entry_that_can_not_be_there_is_told(tmp_path: Path, dockerfile: str, complaint: str | None) -> None:
    expected = [] if complaint is None else [f"the container has no /panorama/app.py: {complaint}"]
    assert told(tmp_path, f"FROM base\n{dockerfile}\n") == expected


def test_a_name_that_is_nearly_right_is_proposed(tmp_path: Path) -> None:
    (complaint,) = told(tmp_path, "FROM base\nCOPY src /panorama\n", "/panorama/ap.py")
    assert complaint.endswith('finds no src/ap.py (did you mean "/panorama/app.py"?)')


def test_a_file_that_dockerignore_leaves_out_is_not_there(tmp_path: Path) -> None:
    (complaint,) = told(tmp_path, "FROM base\nCOPY src /panorama\n", ignore="**/*.py\n!main.py\n")
    assert complaint.startswith("the container has no /panorama/app.py: .dockerignore leaves out src/app.py")


@settings(max_examples=5 * settings().max_examples)
@given(text=st.text(alphabet="COPYADRUNFM \n\\#\"'[]<>-=*./$srcapp,`\0é", max_size=120))
def test_no_dockerfile_makes_it_stumble(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    told(tmp_path_factory.getbasetemp(), f"FROM base\nCOPY {text}")


# -- models


def archive(path: Path, *names: str, size: int = 10) -> Path:
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = size
            tar.addfile(info, io.BytesIO(bytes(size)))
    return path


@pytest.mark.parametrize(
    ("framework", "names"),
    [
        ("PYTORCH", ["model.pth"]),
        ("PYTORCH", ["notes.txt", "a/model.pt"]),
        ("TENSORFLOW", ["saved_model/1/saved_model.pb", "saved_model/1/variables/x"]),
        ("TENSORFLOW", ["model.h5"]),
        ("TENSORFLOW", ["model.tflite"]),
        ("MXNET", ["model-0000.params", "model-symbol.json"]),
        ("PYTORCH", [f"{'long/' * 40}model.pth"]),
        ("ONNX", ["model.onnx"]),
    ],
)
@pytest.mark.parametrize("size", [10, 40 << 20])
def test_an_archive_of_its_framework_is_right(tmp_path: Path, framework: str, names: list[str], size: int) -> None:
    assert misfit(archive(tmp_path / "model.tar.gz", *names, size=size), framework) is None


def test_an_archive_of_another_framework_is_told(tmp_path: Path) -> None:
    path = archive(tmp_path / "model.tar.gz", "frozen.pb", "labels.txt")
    assert misfit(path, "PYTORCH") == ("has no *.pth or *.pt, which PYTORCH needs", "it has frozen.pb, labels.txt")
    large = archive(tmp_path / "large.tar.gz", "frozen.pb", "x.bin", "y", size=40 << 20)
    assert misfit(large, "PYTORCH") == ("has no *.pth or *.pt, which PYTORCH needs", "it has frozen.pb")
    assert misfit(archive(path, "weights.bin", "y", size=40 << 20), "PYTORCH") is None  # who knows what follows
    assert misfit(archive(path, "a.params"), "MXNET") == ("has no *-symbol.json, which MXNET needs", "it has a.params")


def pax(claimed: int) -> bytes:
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, claimed
    return info.tobuf(tarfile.USTAR_FORMAT)


def bomb(size: int) -> bytes:
    """A gzip of ``size`` zeros, put together from that of a MiB: to compress them all takes seconds."""
    deflate = zlib.compressobj(9, wbits=31)
    head = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    more = deflate.compress(bytes(1 << 20)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return head + more * ((size >> 20) - 1)


HOSTILE = {
    "empty": b"",
    "no gzip": b"PK\x03\x04",
    "gzip of nothing": gzip.compress(b""),
    "gzip of junk": gzip.compress(os.urandom(100_000)),
    "cut": gzip.compress(os.urandom(100_000))[:5000],
    "damaged": b"\x1f\x8b\x08\x00" + bytes(100),
    "a bomb": bomb(1 << 30),
    "a bomb of digits": gzip.compress(pax(8 << 20) + b"1" * (8 << 20)),
    "pax upon pax": gzip.compress(pax(0) * 20_000),
    "a size below zero": gzip.compress(tarfile.TarInfo("x").tobuf()[:124] + b"\xff" * 12 + bytes(376)),
    "a size beyond all": gzip.compress(tarfile.TarInfo("x").tobuf()[:124] + b"77777777777\0" + bytes(376)),
    "an endless name": b"\x1f\x8b\x08\x08" + bytes(6) + b"x" * (8 << 20),
    "a thousand gzips": gzip.compress(b"") * 100_000,
    "a name that paints": gzip.compress(tarfile.TarInfo("\x1b[31mred\n").tobuf() + bytes(1024)),
}


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_archive_costs_little_and_leaves_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.tar.gz"
    path.write_bytes(content)
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    wrong = misfit(path, "PYTORCH")
    assert time.process_time() - start < 3
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60_000  # kB
    assert wrong is None or all(text.isprintable() for text in wrong)
    assert list(tmp_path.iterdir()) == [path]


def test_a_source_that_is_not_there_or_can_not_be_read_is_told(tmp_path: Path) -> None:
    models = "{a: {source: none.tar.gz, framework: PYTORCH}, b: {source: ., framework: PYTORCH}}"
    (tmp_path / "panorama.yaml").write_text(f"application: a\npackages: {{nets: {{models: {models}}}}}\n")
    application, _ = load_application(tmp_path, {})
    assert [finding.message for finding in inspect(tmp_path, application)] == [
        "there is no none.tar.gz yet",
        ". can't be read: Is a directory",
    ]


def test_the_example_and_a_new_application_are_right() -> None:
    application, _ = load_application(ROOT / "examples/people_counter", {})
    odd = [finding.message for finding in inspect(ROOT / "examples/people_counter", application)]
    assert set(odd) <= {"there is no models/squeezenet1_0.tar.gz yet"}
