"""gc: what nothing needs goes, what anything needs stays, also where others publish at the same time."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from pathlib import Path
from uuid import uuid4

import pytest

from panorama_build.address import Address
from panorama_build.garbage import Garbage, of_folder, of_shared
from panorama_build.transfer import publication
from panorama_build.transfer.remote import DirectoryRemote, Remote, S3Remote, open_remote
from tests.applications import App, Run, example, run
from tests.servers import S3

DAY = 24 * 3600.0
MODEL = "models/squeezenet1_0.tar.gz"


@pytest.fixture
def app(tmp_path: Path) -> App:
    """An application of one package with a model, built and published, twice over: the second model is in force."""
    app = example(tmp_path / "app")
    (app.root / "panorama.yaml").write_text(
        f"application: app\npackages:\n  net:\n    models: {{m: {{source: {MODEL}, framework: PYTORCH, "
        "inputs: {data: [1]}}}\n"
    )
    for content in (b"\x1f\x8b one", b"\x1f\x8b two"):
        (app.root / MODEL).write_bytes(content)
        assert app.doit("publish", "asset", "graph").status == 0
    return app


def gc(app: App, *arguments: str) -> Run:
    return run(app.root, app.env, "panorama-build", "gc", *arguments)


def age(folder: Path, days: float = 60) -> None:
    """Have everything in a folder be as old as that."""
    for path in folder.rglob("*"):
        os.utime(path, (time.time() - days * DAY,) * 2, follow_symlinks=False)


def files(*folders: Path) -> set[Path]:
    return {path for folder in folders for path in folder.rglob("*") if path.is_file() and path.name != "lock"}


def test_what_is_young_stays_and_what_is_old_is_only_listed_until_someone_agrees(app: App) -> None:
    before = files(app.root)
    assert gc(app, "--yes").output == "nothing to remove\n"
    age(app.root)
    listed = gc(app)
    assert listed.status == 0 and listed.output.endswith("3 files, 317 bytes\n"), listed.output
    assert files(app.root) == before
    told = json.loads(gc(app, "--json").output)
    assert [each["name"].split("/")[-2] for each in told["garbage"]] == ["records", "assets", "assets"]
    assert all(abs(each["age"] - 60 * DAY) < 3600 for each in told["garbage"])


def test_nothing_that_is_needed_goes(app: App) -> None:
    age(app.root)
    done = gc(app, "--yes")
    assert done.output.endswith("removed 3 of 3, 317 bytes\n"), done.output
    assert app.doit("publish", "asset", "graph").output.startswith("nothing to do: ")
    assert gc(app, "--yes").output == "nothing to remove\n"


def test_a_package_that_is_gone_takes_its_traces_with_it(app: App) -> None:
    text = (app.root / "panorama.yaml").read_text()
    (app.root / "panorama.yaml").write_text("application: app\n")
    app.doit()
    age(app.root)
    (app.root / "published/manifests/keep").mkdir()
    assert gc(app, "--yes", "--older-than", "7").status == 0
    left = files(app.root / ".panorama/store", app.root / ".panorama/receipts", app.root / "build/assets")
    assert {path.name for path in left} <= {"graph.json"}
    assert len(files(app.root / "published")) == 5, "what was published stays: two versions, their models, a descriptor"
    (app.root / "panorama.yaml").write_text(text)
    assert app.doit("publish").outcomes["publish:net"] == "unchanged"


def test_a_folder_keeps_what_its_manifests_name(app: App) -> None:
    place = app.root / "published"
    (place / "binaries/orphan.tar.gz").write_bytes(b"of no manifest")
    (place / "binaries/.making-elsewhere-1-x").write_bytes(b"half")
    age(place)
    (place / "binaries/young.tar.gz").write_bytes(b"not yet of a manifest")
    remote = DirectoryRemote(place)
    assert {each.name for each in of_folder(remote, 30 * DAY)} == {
        "binaries/orphan.tar.gz",
        "binaries/.making-elsewhere-1-x",
    }
    next(place.glob("manifests/*/*/*.json")).write_text("torn")
    refused = gc(app, "--yes")
    assert refused.status == 1 and "nobody knows what it needs" in refused.output and "Traceback" not in refused.output
    assert (place / "binaries/orphan.tar.gz").exists()


def test_a_publisher_beside_a_collector_leaves_no_manifest_without_its_binary(app: App) -> None:
    """Each round, an old binary of no manifest is collected and published at once."""
    place, receipts = DirectoryRemote(app.root / "published"), 0
    (package_json,) = app.root.glob("build/packages/*/package.json")
    (binary,) = (app.root / "build/assets").glob(f"{_model(app)}.tar.gz")
    for _ in range(150):
        for path in (place.root / "manifests").rglob("*.json"):
            path.unlink()
        age(place.root)
        garbage = [each for each in of_folder(place, 30 * DAY) if each.name.endswith(binary.name)]
        plan = publication.plan(package_json, app.root / "build/assets", place)
        start = threading.Barrier(2)

        collector = threading.Thread(target=_collect, args=(garbage, start))
        collector.start()
        start.wait()
        receipt = publication.publish(plan, place, lambda line: None)
        collector.join()
        receipts += bool(receipt.uploaded)
        for key, size in receipt.files.items():
            assert (place.root / key).stat().st_size == size, key
    assert receipts


def _collect(garbage: list[Garbage], start: threading.Barrier) -> None:
    start.wait()
    for each in garbage:
        each.remove()


def _model(app: App) -> str:
    sha256: str = app.json(".panorama/store/artifacts/model-m.json")["sha256"]
    return sha256


def shared(remote_url: str, root: Path) -> None:
    """Two records, of which one is old, and three assets."""
    remote = place_at(remote_url, root)
    for name in ("a", "b", "c"):
        _put(remote, root, f"assets/{name * 64}.tar.gz", name.encode())
    for name in ("a", "b"):
        artifact = {"sha256": name * 64, "size": 1}
        _put(remote, root, f"records/{name * 64}.json", json.dumps({"artifact": artifact}).encode())


def _put(remote: Remote, root: Path, key: str, content: bytes) -> None:
    path = root / "content"
    path.write_bytes(content)
    remote.put(key, path, hashlib.sha256(content).hexdigest(), len(content))


def test_a_shared_folder_keeps_what_its_young_records_name(tmp_path: Path) -> None:
    place = tmp_path / "shared"
    shared(place.as_uri(), tmp_path)
    age(place)
    os.utime(place / f"records/{'b' * 64}.json")
    found = list(of_shared(DirectoryRemote(place), 30 * DAY))
    assert [each.name for each in found] == [f"records/{'a' * 64}.json"] + [f"assets/{x * 64}.tar.gz" for x in "ac"]
    DirectoryRemote(place).refresh(f"assets/{'c' * 64}.tar.gz")
    assert [each.remove() for each in found] == [True, True, False], "what was refreshed since is left alone"
    assert len(files(place)) == 3


@pytest.mark.server
def test_a_shared_store_in_s3_is_collected_by_age(s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    url = f"s3://{s3.make_bucket(f'shared-{uuid4()}')}/team"
    shared(url, tmp_path)
    remote = place_at(url, tmp_path)
    assert not list(of_shared(remote, DAY)), "all was put just now"
    tomorrow = list(of_shared(remote, -DAY))
    assert [each.name for each in tomorrow] == [
        *(f"records/{name * 64}.json" for name in "ab"),
        *(f"assets/{name * 64}.tar.gz" for name in "abc"),
    ]
    assert all(each.remove() for each in tomorrow)
    assert list(remote.entries("assets")) == list(remote.entries("records")) == []


def place_at(url: str, root: Path) -> DirectoryRemote | S3Remote:
    """The folder or bucket at a URL."""
    remote = open_remote(Address(url), root)
    assert isinstance(remote, DirectoryRemote | S3Remote)
    return remote
