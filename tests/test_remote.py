"""Publishing: the same promises for a directory and for S3, over http and over https."""

from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from panorama_build.address import Address
from panorama_build.errors import PanoramaError
from panorama_build.transfer.publication import MAX_PACKAGE_JSON, Plan, Receipt, Step, current, plan, publish
from panorama_build.transfer.remote import DirectoryRemote, Remote, S3Remote, open_remote

BUCKET = "panorama-test-remote"


# An application root with packages


@dataclass(frozen=True)
class Built:
    """A built package: where its package.json and its assets are."""

    package_json: Path
    assets: Path
    tarball: str
    descriptor: str

    @property
    def patch(self) -> str:
        return hashlib.sha256(self.package_json.read_bytes()).hexdigest()

    @property
    def keys(self) -> list[str]:
        manifest = f"manifests/{self.package_json.parent.name.split('-')[1]}/1.0/{self.patch}.json"
        return [f"binaries/{self.tarball}", f"binaries/{self.descriptor}", manifest]

    def plan(self, remote: Remote) -> Plan:
        return plan(self.package_json, self.assets, remote)

    def publish(self, remote: Remote) -> Receipt:
        return publish(self.plan(remote), remote, quiet)


def quiet(_: str) -> None:
    """Says nothing."""


def build(root: Path, name: str = "counter", content: bytes = b"root file system") -> Built:
    assets = root / "assets"
    assets.mkdir(parents=True, exist_ok=True)
    tarball, descriptor = put_asset(assets, content, ".tar.gz"), put_asset(assets, b"{}", ".json")
    container = {"type": "container", "assetUri": tarball, "descriptorUri": descriptor}
    system = {"type": "system", "assetUri": "source/video/camera/rtsp/source_rtsp"}
    implementations = [
        {"name": "code", "implementations": [container]},
        {"name": "again", "implementations": [container]},
        {"name": "camera", "implementations": [system]},
    ]
    return Built(package_json(root, name, assets=implementations), assets, tarball, descriptor)


def put_asset(assets: Path, content: bytes, suffix: str) -> str:
    name = hashlib.sha256(content).hexdigest() + suffix
    (assets / name).write_bytes(content)
    return name


def package_json(root: Path, name: str = "counter", **fields: Any) -> Path:
    path = root / "packages" / f"123456789012-{name}-1.0" / "package.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"nodePackage": {"name": name, "version": "1.0", **fields}}, indent=4))
    return path


@pytest.fixture
def built(tmp_path: Path) -> Built:
    return build(tmp_path / "build", content=random.Random(1).randbytes(100_000))


# The remotes


@dataclass(frozen=True)
class Place:
    """A remote seen from behind: what really lies there."""

    open: Callable[[], Remote]
    keys: Callable[[], list[str]]
    write: Callable[[str, bytes], object]
    where: str


def directory(root: Path) -> Place:
    def write(key: str, content: bytes) -> None:
        (root / key).parent.mkdir(parents=True, exist_ok=True)
        (root / key).write_bytes(content)

    def keys() -> list[str]:
        return sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())

    return Place(lambda: DirectoryRemote(root), keys, write, f"{root}/")


def s3_prefix(server: Any, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    with suppress(Exception):
        server.make_bucket(BUCKET)
    prefix = f"some/{uuid4().hex}"
    address = Address(f"s3://{BUCKET}/{prefix}")
    client = S3Remote(address).bucket.client

    def write(key: str, content: bytes) -> None:
        client.put_object(Bucket=BUCKET, Key=f"{prefix}/{key}", Body=content, ChecksumAlgorithm="SHA256")

    def keys() -> list[str]:
        listed = client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return sorted(each["Key"].removeprefix(f"{prefix}/") for each in listed)

    return Place(lambda: S3Remote(address), keys, write, f"s3://{BUCKET}/{prefix}/")


@pytest.fixture(
    params=["directory", pytest.param("s3", marks=pytest.mark.server), pytest.param("s3_tls", marks=pytest.mark.server)]
)
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Place:
    if request.param == "directory":
        return directory(tmp_path / "published")
    return s3_prefix(request.getfixturevalue(request.param), monkeypatch)


# Promises of both


def test_a_package_is_published_whole(place: Place, built: Built) -> None:
    receipt = built.publish(place.open())
    assert place.keys() == sorted(built.keys)
    assert list(receipt.uploaded) == built.keys
    assert (receipt.package, receipt.version, receipt.patch) == ("counter", "1.0", built.patch)
    assert receipt.files[built.keys[0]] == 100_000


def test_a_plan_reads_only_and_ends_with_package_json(place: Place, built: Built) -> None:
    steps = built.plan(place.open()).steps
    assert [step.key for step in steps] == built.keys
    assert not any(step.present for step in steps)
    assert place.keys() == []


def test_what_is_published_is_not_uploaded_again(place: Place, built: Built) -> None:
    built.publish(place.open())
    said: list[str] = []
    again = built.plan(place.open())
    receipt = publish(again, place.open(), said.append)
    assert again.pending == () and receipt.uploaded == () and said == []
    assert sorted(receipt.files) == sorted(built.keys)


def test_each_upload_is_said(place: Place, built: Built) -> None:
    said: list[str] = []
    publish(built.plan(place.open()), place.open(), said.append)
    assert said[0] == f"upload binaries/{built.tarball} (100,000 bytes)"
    assert len(said) == 3


def test_an_asset_of_two_packages_goes_up_once(place: Place, built: Built) -> None:
    other = build(built.assets.parent, "other", random.Random(1).randbytes(100_000))
    built.publish(place.open())
    assert list(other.publish(place.open()).uploaded) == [other.keys[2]]


def test_an_asset_of_packages_published_at_once_goes_up_once(place: Place, tmp_path: Path) -> None:
    content = random.Random(2).randbytes(1 << 20)
    packages = [build(tmp_path / "build", f"package{number}", content) for number in range(4)]
    remote = place.open()
    plans = [package.plan(remote) for package in packages]
    with ThreadPoolExecutor(4) as pool:
        receipts = list(pool.map(lambda each: publish(each, place.open(), quiet), plans))
    uploaded = sorted(key for receipt in receipts for key in receipt.uploaded)
    assert uploaded == place.keys() == sorted({key for package in packages for key in package.keys})


def test_a_plan_may_be_old_when_it_is_performed(place: Place, built: Built) -> None:
    old = built.plan(place.open())
    built.publish(place.open())
    assert publish(old, place.open(), quiet).uploaded == ()


def test_other_bytes_of_the_right_size_are_not_the_asset(place: Place, built: Built) -> None:
    place.write(built.keys[0], bytes(100_000))
    remote = place.open()
    found = built.plan(remote)
    assert [step.present for step in found.steps] == [False, False, False]
    with pytest.raises(PanoramaError) as caught:
        publish(found, remote, quiet)
    kind = "file" if isinstance(remote, DirectoryRemote) else "object"
    assert str(caught.value) == (
        f"{place.where}{built.keys[0]}: other bytes lie under this name, and nothing is ever overwritten "
        f"(delete that {kind} and publish again)"
    )
    assert place.keys() == built.keys[:1]


def test_a_damaged_asset_does_not_go_up_and_nothing_after_it(place: Place, built: Built) -> None:
    (built.assets / built.tarball).write_bytes(b"truncat")
    with pytest.raises(PanoramaError) as caught:
        built.publish(place.open())
    assert str(caught.value) == (
        f"{built.assets / built.tarball}: sha256 is {hashlib.sha256(b'truncat').hexdigest()}, "
        f"not the {built.tarball.removesuffix('.tar.gz')} that its name or its plan promises "
        "(it is damaged or was changed: delete it and build again)"
    )
    assert place.keys() == []


def test_a_package_json_that_changed_since_the_plan_does_not_go_up(place: Place, built: Built) -> None:
    old = built.plan(place.open())
    built.package_json.write_text("{}")
    with pytest.raises(PanoramaError, match=r"package\.json: sha256 is .*promises"):
        publish(old, place.open(), quiet)
    assert len(place.keys()) == 2


def test_package_json_goes_up_last(place: Place, built: Built) -> None:
    there: list[list[str]] = []
    publish(built.plan(place.open()), place.open(), lambda _: there.append(place.keys()))
    assert there == [[], sorted(built.keys[:1]), sorted(built.keys[:2])]


def test_a_run_killed_between_two_steps_leaves_no_manifest_and_is_taken_up(place: Place, built: Built) -> None:
    assert run(place, built, "if line.startswith('upload manifests'): os.kill(os.getpid(), signal.SIGKILL)") == (
        -signal.SIGKILL
    )
    assert place.keys() == sorted(built.keys[:2])
    assert list(built.publish(place.open()).uploaded) == built.keys[2:]


def run(place: Place, built: Built, at_each_step: str) -> int:
    """Publish in a process of its own, which performs a statement before each upload; its exit code."""
    code = f"""
import os, resource, signal
from pathlib import Path
from panorama_build.address import Address
from panorama_build.transfer.publication import plan, publish
from panorama_build.transfer.remote import open_remote
def say(line):
    {at_each_step}
remote = open_remote(Address({place.where!r}), Path())
publish(plan(Path({str(built.package_json)!r}), Path({str(built.assets)!r}), remote), remote, say)
"""
    return subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent).returncode


# Receipts


def test_a_receipt_survives_its_file(place: Place, built: Built) -> None:
    receipt = built.publish(place.open())
    assert Receipt.from_json(receipt.to_json()) == receipt


def test_a_receipt_makes_publishing_needless(place: Place, built: Built, tmp_path: Path) -> None:
    file = tmp_path / "receipt"
    assert not current(file, built.package_json, place.open())
    file.write_bytes(built.publish(place.open()).to_json())
    assert current(file, built.package_json, place.open())


def test_a_receipt_of_other_bytes_or_of_another_remote_does_not(place: Place, built: Built, tmp_path: Path) -> None:
    file = tmp_path / "receipt"
    file.write_bytes(built.publish(place.open()).to_json())
    assert not current(file, built.package_json, DirectoryRemote(tmp_path / "elsewhere"))
    built.package_json.write_text(built.package_json.read_text() + "\n")
    assert not current(file, built.package_json, place.open())
    built.package_json.unlink()
    assert not current(file, built.package_json, place.open())


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"remote": "x", "files": 7}', b"[" * 100_000])
def test_a_receipt_that_is_none_does_not(built: Built, tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "receipt"
    file.write_bytes(content)
    assert not current(file, built.package_json, DirectoryRemote(tmp_path / "published"))


@pytest.mark.parametrize("loss", [Path.unlink, lambda path: path.write_bytes(b"half")])
def test_a_directory_that_lost_a_file_is_seen_at_once(
    built: Built, tmp_path: Path, loss: Callable[[Path], Any]
) -> None:
    remote, file = DirectoryRemote(tmp_path / "published"), tmp_path / "receipt"
    file.write_bytes(built.publish(remote).to_json())
    loss(remote.root / built.keys[0])
    assert not current(file, built.package_json, remote)


def test_an_s3_remote_is_told_apart_by_endpoint_and_profile(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    assert S3Remote(Address("s3://bucket/a/")).url == "s3://bucket/a"
    here = Address("s3://bucket/a", endpoint="http://me:pw@127.0.0.1:8333", profile="ci")
    assert S3Remote(here).url == "s3://bucket/a?endpoint=http://127.0.0.1:8333&profile=ci"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert S3Remote(Address("s3://bucket/a")).url == "s3://bucket/a?endpoint=http://127.0.0.1:1"


# What a package.json may not do


def test_missing_assets_are_all_named(built: Built, tmp_path: Path) -> None:
    (built.assets / built.tarball).unlink()
    (built.assets / built.descriptor).unlink()
    with pytest.raises(PanoramaError) as caught:
        built.plan(DirectoryRemote(tmp_path / "published"))
    assert str(caught.value) == (
        f"{built.assets}: 2 files of package counter not built: {built.tarball}, {built.descriptor} "
        "(doit run package:counter)"
    )


@pytest.mark.parametrize("uri", [".tar.gz", "deadbeaf01.tar.gz", "../" * 20 + "a.tar.gz", "a" * 64 + ".json", ""])
def test_an_asset_that_was_not_built_is_not_published(tmp_path: Path, uri: str) -> None:
    asset = {"name": "code", "implementations": [{"type": "container", "assetUri": uri}]}
    path = package_json(tmp_path, assets=[asset])
    with pytest.raises(PanoramaError) as caught:
        plan(path, tmp_path, DirectoryRemote(tmp_path / "published"))
    assert str(caught.value) == f'{path}: "{uri[:80]}" is not the name of a built asset (doit run package:counter)'


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"name": "../../etc"}, "'../../etc' is not a name or version that Panorama allows"),
        ({"name": "a" * 129}, "is not a name or version"),
        ({"name": "a\n"}, "is not a name or version"),
        ({"version": "1.0/.."}, "'1.0/..' is not a name or version"),
        ({"version": 1.0}, "expected string"),
        ({"assets": [{}]}, "has no 'implementations'"),
        ({"assets": None}, "not iterable"),
        ({"assets": [7]}, "not subscriptable"),
    ],
)
def test_a_package_json_out_of_shape_is_one_line(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    path = package_json(tmp_path)
    path.write_text(json.dumps({"nodePackage": {"name": "counter", "version": "1.0", **fields}}))
    with pytest.raises(PanoramaError, match=r"not a package\.json that can be published") as caught:
        plan(path, tmp_path, DirectoryRemote(tmp_path / "published"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b"\xff", b"[" * 100_000, b" " * (MAX_PACKAGE_JSON + 1)])
def test_a_file_that_is_no_package_json_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "package.json"
    path.write_bytes(content)
    with pytest.raises(PanoramaError) as caught:
        plan(path, tmp_path, DirectoryRemote(tmp_path / "published"))
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_missing_package_json_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(PanoramaError, match=r"package\.json: not accessible: No such file or directory"):
        plan(tmp_path / "package.json", tmp_path, DirectoryRemote(tmp_path))


# A directory


def test_a_run_killed_while_it_copies_leaves_no_half_file(built: Built, tmp_path: Path) -> None:
    place = directory(tmp_path / "published")
    at_50_kb = "signal.signal(signal.SIGXFSZ, signal.SIG_DFL); resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, -1))"
    assert run(place, built, at_50_kb) == -signal.SIGXFSZ
    (left,) = place.keys()
    assert left.startswith("binaries/.making-")
    built.publish(place.open())
    assert place.keys() == sorted(built.keys)


def test_a_disk_that_takes_no_more_is_one_line_and_leaves_nothing(built: Built, tmp_path: Path) -> None:
    place = directory(tmp_path / "published")
    assert run(place, built, "resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, -1))") == 1
    assert place.keys() == []


def test_what_another_machine_is_writing_is_left_alone_for_an_hour(built: Built, tmp_path: Path) -> None:
    place = directory(tmp_path / "published")
    place.write("binaries/.making-elsewhere-1-new", b"")
    place.write("binaries/.making-elsewhere-1-old", b"")
    os.utime(tmp_path / "published/binaries/.making-elsewhere-1-old", (0, 0))
    built.publish(place.open())
    assert place.keys() == sorted(["binaries/.making-elsewhere-1-new", *built.keys])


def test_published_files_have_the_mode_of_the_umask(built: Built, tmp_path: Path) -> None:
    remote = DirectoryRemote(tmp_path / "published")
    built.publish(remote)
    mask = os.umask(0)
    os.umask(mask)
    assert (remote.root / built.keys[0]).stat().st_mode & 0o777 == 0o666 & ~mask


def test_a_directory_that_cannot_be_made_is_one_line(built: Built, tmp_path: Path) -> None:
    (tmp_path / "published").write_text("a file")
    with pytest.raises(PanoramaError, match=r"not accessible: Not a directory \(check the path"):
        built.publish(DirectoryRemote(tmp_path / "published"))


def test_many_threads_put_one_key(tmp_path: Path) -> None:
    content = random.Random(3).randbytes(1 << 20)
    source = tmp_path / "source"
    source.write_bytes(content)
    barrier = threading.Barrier(8)

    def put(_: int) -> bool:
        barrier.wait()
        sha256 = hashlib.sha256(content).hexdigest()
        return DirectoryRemote(tmp_path / "published").put("binaries/a", source, sha256, len(content))

    with ThreadPoolExecutor(8) as pool:
        assert any(pool.map(put, range(8)))
    assert (tmp_path / "published/binaries/a").read_bytes() == content
    assert len(list((tmp_path / "published/binaries").iterdir())) == 1


# Addresses


def test_a_path_is_taken_from_the_project(tmp_path: Path) -> None:
    remote = open_remote(Address("../out"), tmp_path / "app")
    assert isinstance(remote, DirectoryRemote)
    assert (remote.root, remote.url) == (tmp_path / "out", "../out"), "its identity moves with the project"
    assert open_remote(Address((tmp_path / "out").as_uri()), Path("/")).url == (tmp_path / "out").as_uri()
    assert isinstance(open_remote(Address("s3://bucket/prefix"), tmp_path), S3Remote)


@pytest.mark.parametrize("url", ["https://me:secret@host/x", "gs://bucket", ""])
def test_other_addresses_are_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(PanoramaError, match="nothing can be published there") as caught:
        open_remote(Address(url), tmp_path)
    assert "secret" not in str(caught.value)


def test_a_plan_is_for_its_remote(built: Built, tmp_path: Path) -> None:
    made = built.plan(DirectoryRemote(tmp_path / "published"))
    with pytest.raises(ValueError, match="a plan for"):
        publish(replace(made, steps=()), DirectoryRemote(tmp_path / "elsewhere"), quiet)


def test_a_step_says_what_and_where(built: Built, tmp_path: Path) -> None:
    step = built.plan(DirectoryRemote(tmp_path / "published")).steps[0]
    sha256 = built.tarball.removesuffix(".tar.gz")
    assert step == Step(f"binaries/{built.tarball}", built.assets / built.tarball, sha256, 100_000, present=False)
