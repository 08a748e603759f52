from __future__ import annotations

import gzip
import hashlib
import io
import subprocess
import tarfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from panorama_build.containers.archive import Written, write_asset
from panorama_build.containers.context import DOCKERFILE, EPOCH
from panorama_build.errors import PanoramaError

ELF = b"\x7fELF\x02\x01" + bytes(12)
AARCH64, X86_64 = (183).to_bytes(2, "little"), (62).to_bytes(2, "little")
LATE = EPOCH + 1000.5


def member(name: str, content: bytes = b"", /, **attributes: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size, info.mtime = len(content), EPOCH - 1000
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


def tar_of(*members: tuple[tarfile.TarInfo, bytes], format: Literal[0, 1, 2] = tarfile.PAX_FORMAT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format, encoding="utf-8", errors="surrogateescape") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


ROOTFS = (
    member("bin", type=tarfile.DIRTYPE, mode=0o755),
    member("bin/su", ELF + X86_64 + b"code", mode=0o4755, uname="root", gname="root"),
    member("bin/tool", ELF + AARCH64 + bytes(5000), mode=0o755, uid=1000, gid=100, mtime=LATE),
    member("bin/other", type=tarfile.LNKTYPE, linkname="bin/tool", mode=0o755),
    member("lib.so", ELF + X86_64, mode=0o644, pax_headers={"SCHILY.xattr.security.capability": "\x01\x02"}),
    member("link", type=tarfile.SYMTYPE, linkname="/" + "t" * 150),
    member("dev/null", type=tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666),
    member("pipe", type=tarfile.FIFOTYPE),
    member("tmp", type=tarfile.DIRTYPE, mode=0o1777),
    member("old.pyc", b"x", mtime=1234567890.25),
    member("caf\udce9/" + "n" * 200, b"name"),
    member("é", b"utf-8", uname="é"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "asset"


def normalised(tar: bytes, path: Path) -> bytes:
    write_asset([tar], path)
    return gzip.decompress(path.read_bytes())


def names(tar: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        return archive.getnames()


def test_what_is_written_is_what_is_reported(path: Path) -> None:
    written = write_asset([tar_of(*ROOTFS)], path)
    packed = path.read_bytes()
    tar_sha256 = hashlib.sha256(gzip.decompress(packed)).hexdigest()
    assert written == Written(hashlib.sha256(packed).hexdigest(), len(packed), tar_sha256, {62: 1, 183: 1})


@pytest.mark.parametrize("command", ["gzip -t", "tar -tzf"])
def test_the_usual_tools_can_read_it(command: str, path: Path) -> None:
    write_asset([tar_of(*ROOTFS, member("big", bytes(3 << 20)))], path)
    subprocess.run([*command.split(), path.rename(f"{path}.gz")], check=True, capture_output=True)


@pytest.mark.parametrize("format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_all_that_makes_a_file_comes_through(format: Literal[1, 2], path: Path) -> None:
    before = tar_of(*ROOTFS, format=format)
    for old, new in zip(members(before), members(normalised(before, path)), strict=True):
        assert {**old, "uname": "", "gname": "", "mtime": min(old["mtime"], EPOCH)} == new


def members(tar: bytes) -> Iterator[dict[str, Any]]:
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for info in archive:
            xattrs = {key: value for key, value in info.pax_headers.items() if key.startswith("SCHILY")}
            content = archive.fileobj and info.isreg() and archive.extractfile(info).read()  # type: ignore[union-attr]
            yield {**info.get_info(), "chksum": 0, "xattrs": xattrs, "content": content}


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_normalising_twice_changes_nothing(format: Literal[0, 1, 2], path: Path) -> None:
    rootfs = [m for m in ROOTFS if format != tarfile.USTAR_FORMAT or len(m[0].name + m[0].linkname) < 100]
    once = normalised(tar_of(*rootfs, format=format), path)
    assert normalised(once, path) == once


@pytest.mark.parametrize(
    "different",
    [
        member("etc/passwd", b"x", mtime=LATE),
        member("etc/passwd", b"x", mtime=EPOCH + 1, uname="root", gname="wheel"),
        member("etc/passwd", b"x", mtime=EPOCH, mode=0o100644),
        member("./etc/passwd", b"x", mtime=EPOCH),
        member("/etc/passwd", b"x", mtime=EPOCH),
        member("etc/passwd", b"x", mtime=EPOCH, pax_headers={"atime": "1.5", "ctime": "2.5"}),
    ],
    ids=["a late time", "names of owners", "type in the mode", "a leading dot", "a leading slash", "times of access"],
)
def test_these_differences_do_not_matter(different: tuple[tarfile.TarInfo, bytes], path: Path) -> None:
    plain = member("etc/passwd", b"x", mtime=EPOCH)
    assert normalised(tar_of(different), path) == normalised(tar_of(plain), path)


@pytest.mark.parametrize(
    "different",
    [
        member("file", b"y"),
        member("file", b"x", mode=0o755),
        member("file", b"x", mode=0o4644),
        member("file", b"x", uid=1),
        member("file", b"x", mtime=EPOCH - 2000),
        member("File", b"x"),
        member("file", b"x", pax_headers={"SCHILY.xattr.user.a": "b"}),
    ],
    ids=["contents", "mode", "setuid", "owner", "an early time", "name", "attributes"],
)
def test_these_do(different: tuple[tarfile.TarInfo, bytes], path: Path) -> None:
    assert normalised(tar_of(different), path) != normalised(tar_of(member("file", b"x")), path)


def test_what_an_engine_injects_and_the_dockerfile_are_left_out(path: Path) -> None:
    injected = [".dockerenv", "./dev/console", "/etc/hostname", "etc/hosts", "etc/resolv.conf", f"app/{DOCKERFILE}"]
    mounted = [member(name, type=tarfile.DIRTYPE) for name in ("./", "dev/pts", "dev/shm")]
    mtab = member("etc/mtab", type=tarfile.SYMTYPE, linkname="/proc/mounts")
    dropped = [member(name, b"of the engine") for name in injected]
    kept = member("etc/hosts.allow", b"x")
    assert names(normalised(tar_of(*mounted, *dropped, mtab, kept), path)) == ["etc/hosts.allow"]


def test_a_directory_that_the_engine_touches_has_one_time(path: Path) -> None:
    tar = tar_of(*[member(name, type=tarfile.DIRTYPE, mtime=5) for name in ("dev", "etc", "opt")])
    assert [m["mtime"] for m in members(normalised(tar, path))] == [EPOCH, EPOCH, 5]


def test_a_hard_link_to_what_is_left_out_is_refused(path: Path) -> None:
    tar = tar_of(member("etc/hosts", b"x"), member("etc/mine", type=tarfile.LNKTYPE, linkname="./etc/hosts"))
    with pytest.raises(PanoramaError, match=r"^etc/mine: is a hard link to etc/hosts, .* \(copy the file instead\)$"):
        write_asset([tar], path)


def test_a_hard_link_names_its_target_as_the_target_is_named(path: Path) -> None:
    tar = tar_of(member("./a", b"x"), member("./b", type=tarfile.LNKTYPE, linkname="./a"))
    assert [(m["name"], m["linkname"]) for m in members(normalised(tar, path))] == [("a", ""), ("b", "a")]


def test_a_sparse_file_comes_through(tmp_path: Path, path: Path) -> None:
    with (tmp_path / "holes").open("wb") as file:
        for position in range(12):
            file.seek(position << 20)
            file.write(b"island")
        file.truncate(20 << 20)
    command = ["tar", "--format=gnu", "--sparse", "-C", str(tmp_path), "-cf", "-", "holes"]
    tar = subprocess.run(command, check=True, capture_output=True).stdout
    with tarfile.open(fileobj=io.BytesIO(normalised(tar, path))) as archive:
        assert archive.extractfile("holes").read() == (tmp_path / "holes").read_bytes()  # type: ignore[union-attr]


def chunks(content: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    for size in sizes:
        yield content[:size]
        content = content[size:]
    yield content


SAMPLE = tar_of(*ROOTFS, member("big", bytes(range(256)) * 6000))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(sizes=st.lists(st.integers(0, 100_000), max_size=30), threads=st.integers(1, 4))
def test_neither_chunks_nor_threads_change_a_bit(sizes: list[int], threads: int, path: Path) -> None:
    assert write_asset(chunks(SAMPLE, sizes), path, threads) == write_asset([SAMPLE], path)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=30)
@given(length=st.integers(0, len(tar_of(*ROOTFS).rstrip(b"\0")) + 512))
def test_a_truncated_stream_is_refused(length: int, path: Path) -> None:
    with pytest.raises(PanoramaError, match="the engine's stream ended early"):
        write_asset([tar_of(*ROOTFS)[:length]], path)


def with_bytes(tar: bytes, at: int, new: bytes) -> bytes:
    return tar[:at] + new + tar[at + len(new) :]


def resummed(tar: bytes) -> bytes:
    total = sum(tar[:148]) + sum(tar[156:512]) + 8 * 32
    return with_bytes(tar, 148, b"%06o\0 " % total)


PLAIN = tar_of(member("file", b"x"))


@pytest.mark.parametrize(
    ("tar", "complaint"),
    [
        (with_bytes(PLAIN, 0, b"g"), "a header with a wrong checksum"),
        (resummed(with_bytes(PLAIN, 124, b"9")), "b'90000000001\\x00' instead of a number"),
        (resummed(with_bytes(PLAIN, 156, b"V")), "an entry of the unknown type b'V'"),
        (bytes(512) + PLAIN, "a lone block of zeros"),
        (b"<html>" * 200, "b'l><html>' instead of a number"),
    ],
)
def test_what_is_no_tar_is_refused(tar: bytes, complaint: str, path: Path) -> None:
    with pytest.raises(PanoramaError) as caught:
        write_asset([tar], path)
    assert str(caught.value) == f"the engine's stream is no readable tar: {complaint} (run again)"


def test_what_the_stream_raises_comes_out_and_the_threads_end(path: Path) -> None:
    before = set(threading.enumerate())

    def broken() -> Iterator[bytes]:
        yield SAMPLE[:1_500_000]
        raise ConnectionResetError("the engine is gone")

    with pytest.raises(ConnectionResetError):
        write_asset(broken(), path)
    assert set(threading.enumerate()) <= before


def test_the_stream_is_read_to_its_end(path: Path) -> None:
    rest = iter([PLAIN, bytes(10240), bytes(10240)])
    write_asset(rest, path)
    assert list(rest) == []


INJECTED_BY_THE_IMAGE = """\
FROM {base}
COPY hosts mine /etc/
RUN --network=none cd /home && echo x > one && ln one two && chmod 4755 one && touch -d 2020-01-02 one /etc /dev
"""


@pytest.mark.engine
def test_both_ways_out_of_an_engine_give_one_asset(engine: Any, tmp_path: Path, path: Path) -> None:
    for name in ("hosts", "mine"):
        (tmp_path / name).write_text("of the image")
    (tmp_path / "Dockerfile").write_text(INJECTED_BY_THE_IMAGE.format(base=engine.base))

    def docker(*words: str) -> bytes:
        return subprocess.run(["docker", *words], env=engine.env, check=True, capture_output=True).stdout

    arm = "--platform=linux/arm64"
    built = docker("buildx", "build", arm, "--output", "type=tar,dest=-", str(tmp_path))
    docker("buildx", "build", arm, "--load", "--tag", "ctx-ways", str(tmp_path))
    container = docker("create", arm, "ctx-ways", "true").decode().strip()
    exported = docker("export", container)
    docker("rm", container)
    docker("rmi", "ctx-ways")
    assert list(members(normalised(exported, path))) == list(members(normalised(built, path)))
    assert normalised(exported, path) == normalised(built, path)
    assert write_asset([built], path).machines.keys() == {183}
