from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from panorama_build.containers.context import DOCKERFILE, EPOCH, Entry, digest_entries, entries, write
from panorama_build.containers.dockerignore import Ignore
from panorama_build.errors import PanoramaError


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def members(root: Path, ignore: str = "") -> list[Entry]:
    return entries(root, Ignore.parse(ignore))


def paths(root: Path, ignore: str = "") -> list[str]:
    return [entry.path for entry in members(root, ignore)]


def tar_of(root: Path, extra: dict[str, bytes] | None = None) -> bytes:
    out = io.BytesIO()
    write(root, members(root), out, extra)
    return out.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    for name in ("b/two", "a.txt", "a/z/deep", "a/one", "run.sh"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(f"this is {name}")
    (root / "run.sh").chmod(0o755)
    (root / "empty").mkdir()
    (root / "link").symlink_to("../outside")
    return root


def test_entries_are_sorted_by_bytes_and_parents_come_first(root: Path) -> None:
    assert paths(root) == ["a", "a.txt", "a/one", "a/z", "a/z/deep", "b", "b/two", "empty", "link", "run.sh"]


def test_links_are_not_followed(root: Path) -> None:
    (root / "loop").symlink_to(".")
    assert Entry("loop", "symlink", target=".") in members(root)
    assert Entry("link", "symlink", target="../outside") in members(root)


def test_an_ignored_directory_is_there_for_what_is_brought_back_in_it(root: Path) -> None:
    assert paths(root, "*\n!a/z") == ["a", "a/z", "a/z/deep"]


def test_a_pruned_directory_is_not_even_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: read.append(Path(path).name) or scandir(path))  # type: ignore[func-returns-value]
    members(root, "a\nempty\n!b/two")
    assert sorted(read) == ["app", "b"]


def test_excluded_directories_are_never_part(root: Path) -> None:
    found = entries(root, Ignore(), exclude=[root / "a", root / "empty", root / "not there"])
    assert [entry.path for entry in found] == ["a.txt", "b", "b/two", "link", "run.sh"]


def test_what_is_neither_file_nor_directory_is_refused_unless_ignored(root: Path) -> None:
    os.mkfifo(root / "pipe")
    with pytest.raises(PanoramaError) as caught:
        members(root)
    assert str(caught.value) == "pipe: is neither a file nor a directory (name it in .dockerignore)"
    assert "pipe" not in paths(root, "pipe")


def test_what_is_sent_is_what_is_digested(root: Path) -> None:
    extra = {DOCKERFILE: b"FROM scratch\n"}
    sent = write(root, members(root), io.BytesIO(), extra)
    assert sent == digest_entries(root, members(root), sha256, extra)
    assert sent["run.sh"] == f"{sha256(root / 'run.sh')} x"
    assert (sent["empty"], sent["link"]) == ("directory", "-> ../outside")
    assert sent[DOCKERFILE] == hashlib.sha256(b"FROM scratch\n").hexdigest()


def test_times_owners_and_umask_do_not_matter(root: Path) -> None:
    before = tar_of(root)
    for entry in members(root):
        if entry.kind != "symlink":
            os.utime(root / entry.path, (1, 1))
            (root / entry.path).chmod(0o700 if entry.executable or entry.kind == "directory" else 0o600)
    assert tar_of(root) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "a/one").write_text("THIS is a/one"),
        lambda root: (root / "a/one").chmod(0o744),
        lambda root: (root / "a/one").rename(root / "a/two"),
        lambda root: (root / "empty").rmdir(),
        lambda root: [(root / "link").unlink(), (root / "link").symlink_to("elsewhere")],
    ],
)
def test_contents_names_and_x_bits_do(root: Path, change: Callable[[Path], Any]) -> None:
    tar, digests = tar_of(root), digest_entries(root, members(root), sha256)
    change(root)
    assert tar_of(root) != tar
    assert digest_entries(root, members(root), sha256) != digests


def test_any_name_and_any_hard_link_survives_the_tar(root: Path) -> None:
    names = ["é", os.fsdecode(b"caf\xe9"), "x" * 200, "/".join(["d" * 90] * 3), "new\nline"]
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("the same")
    os.link(root / "é", root / "hard")
    with tarfile.open(fileobj=io.BytesIO(tar_of(root, {DOCKERFILE: b"x"}))) as tar:
        assert tar.getnames() == [DOCKERFILE, *paths(root)]
        assert all(tar.extractfile(name).read() == b"the same" for name in [*names, "hard"])  # type: ignore[union-attr]
        assert {(m.mtime, m.uid, m.gid, m.uname, m.gname) for m in tar} == {(EPOCH, 0, 0, "", "")}
        assert {m.name: m.mode for m in tar if not m.issym()}.items() >= {("run.sh", 0o755), ("a.txt", 0o644)}


def test_a_file_that_grows_while_it_is_sent_is_cut(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = tar_of(root)
    meddle_after_fstat(monkeypatch, root / "a/one", lambda path: path.write_text("this is a/one, and more"))
    assert tar_of(root) == expected


def test_a_file_that_shrinks_while_it_is_sent_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    meddle_after_fstat(monkeypatch, root / "a/one", lambda path: path.write_text("this"))
    with pytest.raises(PanoramaError, match=r"^a/one: was truncated while it was being read \(run again\)$"):
        tar_of(root)


def meddle_after_fstat(monkeypatch: pytest.MonkeyPatch, path: Path, meddle: Callable[[Path], Any]) -> None:
    fstat = os.fstat

    def fstat_and_meddle(descriptor: int) -> os.stat_result:
        status = fstat(descriptor)
        if status.st_ino == path.stat().st_ino:
            meddle(path)
        return status

    monkeypatch.setattr(os, "fstat", fstat_and_meddle)


@pytest.mark.parametrize(
    "instead",
    [lambda path: None, lambda path: path.symlink_to("/etc/passwd"), os.mkfifo, lambda path: path.mkdir()],
    ids=["nothing", "a link", "a pipe", "a directory"],
)
def test_a_file_that_is_another_thing_by_now_is_refused(root: Path, instead: Callable[[Path], Any]) -> None:
    found = members(root)
    (root / "a.txt").unlink()
    instead(root / "a.txt")
    with pytest.raises(PanoramaError, match=r"^a\.txt: (vanished|is no longer a file).*\(run again\)$"):
        write(root, found, io.BytesIO())


def test_a_generated_file_takes_no_name_of_a_real_one(root: Path) -> None:
    (root / DOCKERFILE).touch()
    with pytest.raises(PanoramaError, match="this name is reserved for a generated file"):
        tar_of(root, {DOCKERFILE: b""})


@pytest.mark.engine
def test_an_engine_builds_from_it(root: Path, engine: Any) -> None:
    (root / os.fsdecode(b"caf\xe9")).touch()
    (root / ("x" * 200)).touch()
    context = tar_of(root, {DOCKERFILE: b"FROM scratch\nCOPY . /\n"})
    build = ["docker", "buildx", "build", "--output", "type=tar,dest=-", "-f", DOCKERFILE, "-"]
    built = subprocess.run(build, input=context, env=engine.env, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(built)) as tar:
        assert sorted(tar.getnames()) == sorted([DOCKERFILE, *paths(root)])
        assert tar.getmember("run.sh").mode == 0o755
        assert tar.getmember("link").linkname == "../outside"
