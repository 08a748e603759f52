"""The shared store: what one tree built is another's, and whatever is wrong with it costs a warning and no more."""

from __future__ import annotations

import hashlib
import json
import os
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import pytest

from panorama_build.address import Address
from panorama_build.digests import Digests
from panorama_build.errors import PanoramaError
from panorama_build.fingerprint import Fingerprint
from panorama_build.store import Artifact, Store
from panorama_build.transfer.cache import MAX_RECORD, Cache, within
from panorama_build.transfer.remote import DirectoryRemote, Remote, S3Remote
from tests.servers import READER, S3

BUCKET = "panorama-test-shared-store"
INPUTS = Fingerprint({"./src/app.py": "1" * 64, "platform": "linux/arm64"})
CONTENT = random.Random(1).randbytes(100_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
ARTIFACT = Artifact(SHA256, len(CONTENT), "7" * 64)
ASSET, RECORD = f"assets/{SHA256}.tar.gz", f"records/{INPUTS.digest}.json"


@dataclass
class Tree:
    """A project's store beside a shared one, and what was said."""

    store: Store
    cache: Cache
    said: list[str]

    @classmethod
    def at(cls, root: Path, remote: Remote, *, read_only: bool = False, patience: float = 15) -> Tree:
        said: list[str] = []
        cache = Cache(remote, read_only=read_only, patience=patience, warn=said.append)
        return cls(Store(root, Digests(root / "digests")), cache, said)

    def build(self, content: bytes = CONTENT) -> None:
        """Make an asset of INPUTS, and give it to the others."""
        artifact = Artifact(hashlib.sha256(content).hexdigest(), len(content), "7" * 64)
        with self.store.making() as temporary:
            temporary.write_bytes(content)
            self.store.keep(temporary, artifact)
        self.store.record("container:x", INPUTS, artifact)
        self.keep(artifact)

    def keep(self, artifact: Artifact = ARTIFACT) -> None:
        self.cache.keep(INPUTS, artifact, self.store)

    def find(self) -> Artifact | None:
        return self.cache.find(INPUTS)

    def fetch(self, artifact: Artifact = ARTIFACT) -> bool:
        with self.store.making() as temporary:
            right = self.cache.fetch(artifact, temporary)
            if right:
                self.store.keep(temporary, artifact)
        return right


@dataclass(frozen=True)
class Shared:
    """A shared store, for trees to come and as it is seen from behind."""

    remote: Remote
    folder: Path

    def tree(self, *, read_only: bool = False) -> Tree:
        return Tree.at(self.folder / uuid4().hex, self.remote, read_only=read_only)

    def write(self, key: str, content: bytes) -> None:
        path = self.folder / "content"
        path.write_bytes(content)
        self.remote.remove(key)
        self.remote.put(key, path, hashlib.sha256(content).hexdigest(), len(content))

    def read(self, key: str) -> bytes | None:
        pieces = self.remote.get(key)
        return None if pieces is None else b"".join(pieces)


@pytest.fixture(params=["directory", pytest.param("s3", marks=pytest.mark.server)])
def shared(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Shared:
    (tmp_path / "trees").mkdir()
    if request.param == "directory":
        return Shared(DirectoryRemote(tmp_path / "shared"), tmp_path / "trees")
    server: S3 = request.getfixturevalue("s3")
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    return Shared(S3Remote(a_prefix(server)), tmp_path / "trees")


def a_prefix(server: S3) -> Address:
    """A place in the server's bucket that nobody else has."""
    with suppress(Exception):
        server.make_bucket(BUCKET)
    return Address(f"s3://{BUCKET}/{uuid4().hex}")


def test_what_one_tree_built_another_finds_and_has_its_bytes_when_it_asks_for_them(shared: Shared) -> None:
    shared.tree().build()
    other = shared.tree()
    assert other.find() == ARTIFACT
    assert other.cache.find_asset(SHA256) == Artifact(SHA256, len(CONTENT))
    assert not other.store.holds(SHA256), "to know what was built is not to fetch it"
    assert other.fetch() and other.store.holds(SHA256) and other.said == []


def test_nothing_is_found_where_nothing_was_built(shared: Shared) -> None:
    tree = shared.tree()
    assert tree.find() is None and tree.cache.find_asset(SHA256) is None and tree.said == []


def test_a_record_comes_after_its_asset(shared: Shared, monkeypatch: pytest.MonkeyPatch) -> None:
    tree, there = shared.tree(), []
    put = tree.cache.remote.put

    def watched(key: str, path: Path, sha256: str, size: int) -> bool:
        there.append((key, shared.read(ASSET) is not None))
        return put(key, path, sha256, size)

    monkeypatch.setattr(tree.cache.remote, "put", watched)
    tree.build()
    assert there == [(ASSET, False), (RECORD, True)]


def test_who_builds_something_else_of_the_same_inputs_leaves_the_first_as_it_is(shared: Shared) -> None:
    shared.tree().build()
    later = shared.tree()
    later.build(b"the clock stands in this one")
    assert shared.tree().find() == ARTIFACT and later.said == []


def test_two_that_build_something_else_at_once_leave_a_record_whose_asset_is_there(shared: Shared) -> None:
    trees = [(shared.tree(), random.Random(number).randbytes(50_000)) for number in range(8)]
    threads = [threading.Thread(target=tree.build, args=(content,)) for tree, content in trees]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    last = shared.tree()
    found = last.find()
    assert found and last.fetch(found) and [tree.said for tree, _ in trees] == [[]] * 8


def test_read_only_use_takes_and_never_gives(shared: Shared) -> None:
    reader = shared.tree(read_only=True)
    reader.build()
    assert shared.read(RECORD) is None and shared.read(ASSET) is None
    shared.tree().build()
    assert reader.find() == ARTIFACT and reader.fetch() and reader.said == []


def test_a_damaged_asset_is_not_given_to_others(shared: Shared) -> None:
    tree = shared.tree(read_only=True)
    tree.build()
    tree.store.asset(SHA256).chmod(0o644)
    tree.store.asset(SHA256).write_bytes(bytes(len(CONTENT)))
    tree.cache.read_only = False
    tree.keep()
    assert shared.read(RECORD) is None and shared.read(ASSET) is None
    assert len(tree.said) == 1 and "it is damaged or was changed" in tree.said[0]


def record(**changes: object) -> bytes:
    artifact = {"sha256": SHA256, "size": len(CONTENT), "tar_sha256": None}
    whole = {"task": "container:x", "inputs": dict(INPUTS.inputs), "artifact": artifact}
    return json.dumps({**whole, **changes}).encode()


RECORD_LIES = {
    "empty": b"",
    "torn": record()[:-20],
    "no JSON": b"\xff\xfe",
    "deeply nested": b"[" * 200_000,
    "no object": b"[]",
    "of other inputs": record(inputs={**INPUTS.inputs, "platform": "linux/amd64"}),
    "of no inputs": record(inputs=None),
    "no artifact": record(artifact=None),
    "a digest that is a path": record(artifact={"sha256": "../../../etc/passwd", "size": 1, "tar_sha256": None}),
    "a size that is none": record(artifact={"sha256": SHA256, "size": -1, "tar_sha256": None}),
    "a size in words": record(artifact={"sha256": SHA256, "size": "many", "tar_sha256": None}),
    "larger than any record": record(more="x" * MAX_RECORD),
}


@pytest.mark.parametrize("lie", RECORD_LIES)
def test_a_record_that_lies_is_told_once_and_made_right_by_who_builds(shared: Shared, lie: str) -> None:
    shared.tree().build()
    shared.write(RECORD, RECORD_LIES[lie])
    tree = shared.tree()
    assert tree.find() is None and tree.find() is None
    said = f"warning: the shared store {tree.cache.url}: {RECORD} is torn or of other inputs, and is not believed"
    assert tree.said == [said]
    tree.build()
    assert shared.tree().find() == ARTIFACT and tree.said == [said]


ASSET_LIES = {
    "gone": None,
    "empty": b"",
    "truncated": CONTENT[:-1],
    "longer": CONTENT + b"x",
    "other bytes": bytes(len(CONTENT)),
}


@pytest.mark.parametrize("lie", ASSET_LIES)
def test_an_asset_that_lies_is_told_once_and_made_right_by_who_builds(shared: Shared, lie: str) -> None:
    shared.tree().build()
    content = ASSET_LIES[lie]
    if content is None:
        shared.remote.remove(ASSET)
    else:
        shared.write(ASSET, content)
    tree = shared.tree()
    found = tree.find()
    assert found is None or lie == "other bytes", "the size is seen without fetching anything"
    assert not tree.fetch() and tree.find() is None and not tree.fetch()
    assert not tree.store.holds(SHA256)
    assert len(tree.said) == 1 and tree.said[0].startswith(f"warning: the shared store {tree.cache.url}: {ASSET} ")
    tree.build()
    other = shared.tree()
    assert other.find() == ARTIFACT and other.fetch() and other.said == [] and len(tree.said) == 1


# Servers and file systems that fail


@pytest.fixture
def silent() -> Iterator[tuple[str, list[socket.socket]]]:
    """The address of a server that takes connections and never answers, and those that it took."""
    taken: list[socket.socket] = []
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def accept() -> None:
            while True:
                try:
                    taken.append(server.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}", taken
        server.shutdown(socket.SHUT_RDWR)
        thread.join()
    for connection in taken:
        connection.close()


@pytest.fixture
def any_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)


def check_is_left_alone(tree: Tree) -> None:
    """Nothing is found, nothing fails, and one line says why."""
    assert tree.find() is None and tree.find() is None and not tree.fetch()
    tree.build()
    assert len(tree.said) == 1, tree.said
    assert tree.said[0].startswith("warning: the shared store ") and "\n" not in tree.said[0]
    assert tree.said[0].endswith("; it is left alone for the rest of this run")


def test_a_server_that_never_answers_is_waited_for_once(
    tmp_path: Path, silent: tuple[str, list[socket.socket]], any_keys: None
) -> None:
    url, taken = silent
    tree = Tree.at(tmp_path / "tree", S3Remote(Address("s3://bucket/cache", endpoint=url), 60), patience=1)
    check_is_left_alone(tree)
    assert "no answer within 1 s" in tree.said[0] and len(taken) <= 1


def test_a_server_that_is_not_there_is_asked_once(tmp_path: Path, any_keys: None) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        url = f"http://127.0.0.1:{server.getsockname()[1]}"
    tree = Tree.at(tmp_path / "tree", S3Remote(Address("s3://bucket/cache", endpoint=url), 1))
    check_is_left_alone(tree)
    assert "cannot be reached" in tree.said[0]


def test_a_file_system_that_hangs_is_waited_for_once(tmp_path: Path) -> None:
    (tmp_path / "shared/records").mkdir(parents=True)
    os.mkfifo(tmp_path / "shared" / RECORD)
    tree = Tree.at(tmp_path / "tree", DirectoryRemote(tmp_path / "shared"), patience=1)
    check_is_left_alone(tree)
    assert "no answer within 1 s" in tree.said[0]


def test_a_transfer_has_the_more_time_the_more_there_is(tmp_path: Path) -> None:
    (tmp_path / "shared/assets").mkdir(parents=True)
    os.mkfifo(tmp_path / "shared" / ASSET)
    tree = Tree.at(tmp_path / "tree", DirectoryRemote(tmp_path / "shared"), patience=1)
    assert not tree.fetch()
    assert "no answer within 1.38 s" in tree.said[0], "100 kB at 256 kB a second"


def test_a_folder_that_is_none_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "shared").write_text("a file")
    check_is_left_alone(Tree.at(tmp_path / "tree", DirectoryRemote(tmp_path / "shared")))


def test_a_folder_that_takes_nothing_still_gives(tmp_path: Path) -> None:
    shared = Shared(DirectoryRemote(tmp_path / "shared"), tmp_path)
    shared.tree().build()
    (tmp_path / "shared" / RECORD).unlink()
    (tmp_path / "shared/records").rmdir()
    (tmp_path / "shared/records").symlink_to("nowhere/records")
    tree = shared.tree()
    tree.build()
    tree.keep()
    assert len(tree.said) == 1 and tree.said[0].endswith("; nothing more is put there in this run")
    assert tree.fetch()


@pytest.mark.server
def test_credentials_that_are_refused_are_told_once(tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**s3.env, "AWS_SECRET_ACCESS_KEY": "wrong"}.items():
        monkeypatch.setenv(name, value)
    tree = Tree.at(tmp_path / "tree", S3Remote(a_prefix(s3)))
    check_is_left_alone(tree)
    assert "the secret key does not fit the access key" in tree.said[0]


@pytest.mark.server
def test_a_bucket_that_is_not_there_is_told_once(tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    tree = Tree.at(tmp_path / "tree", S3Remote(Address("s3://no-such-bucket/cache")))
    check_is_left_alone(tree)
    assert 'bucket "no-such-bucket" does not exist' in tree.said[0]


@pytest.mark.server
def test_who_may_only_read_is_told_once_that_nothing_is_shared(
    tmp_path: Path, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = Shared(S3Remote(a_prefix(s3)), tmp_path)
    for name, value in {**s3.env, **READER}.items():
        monkeypatch.setenv(name, value)
    tree = shared.tree()
    assert tree.find() is None and tree.said == []
    tree.build()
    tree.keep()
    assert len(tree.said) == 1 and "access denied" in tree.said[0] and "s3:PutObject" in tree.said[0]


def test_what_fails_in_time_fails_as_it_did() -> None:
    def fail() -> None:
        raise PanoramaError("as it was")

    with pytest.raises(PanoramaError, match="as it was"):
        within(10, fail)
    assert within(10, lambda: 7) == 7
