"""Publishing and fetching under every fault, at every request in turn, before a real S3 server.

`pytest tests/test_faults.py -s` prints the tables.
"""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from panorama_build.address import Address
from panorama_build.errors import PanoramaError
from panorama_build.transfer import aws, multipart, publication, web
from panorama_build.transfer.aws import s3_client
from panorama_build.transfer.fetch import resume
from panorama_build.transfer.partial import partial
from panorama_build.transfer.publication import plan, publish
from panorama_build.transfer.remote import S3Remote
from tests.faults import FAULTS, Proxy, proxy
from tests.servers import S3
from tests.test_fetch import CONTENT, FETCHED, Handler
from tests.test_remote import Built, build, quiet

BUCKET = "panorama-test-faults"
SINGLE, PART = 1 << 20, 5 << 20
REFUSED = "connection refused"
ROWS = [REFUSED, *FAULTS]
# What a client that asks again must get over. The others may also end in one line.
HEALED = {
    "connection reset before",
    "connection reset after",
    "500",
    "503 SlowDown",
    "answer cut",
    "delivered twice",
}


class SmallParts(S3Remote):
    """An S3 remote for which five MiB is large."""

    def put(self, key: str, path: Path, sha256: str, size: int) -> bool:
        return self.bucket.put_file(f"{self.prefix}/{key}", path, sha256, size, single=SINGLE, part=PART)


@pytest.fixture
def before(s3: S3, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    """A proxy before the S3 server, and clients that lead to it, ask three times and don't wait."""
    from botocore.retries.standard import ExponentialBackoff

    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(ExponentialBackoff, "delay_amount", lambda *_: 0)
    monkeypatch.setattr(multipart, "AT_ONCE", 1)
    monkeypatch.setattr(aws, "AT_ONCE", 1)
    monkeypatch.setattr(publication, "ThreadPoolExecutor", lambda _: ThreadPoolExecutor(1))
    with suppress(Exception):
        s3.make_bucket(BUCKET)
    with proxy(s3.url) as made:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", made.url)
        yield made


class Cell(NamedTuple):
    """What came of one fault at one request."""

    fault: str
    request: str
    outcome: str


def show(title: str, cells: list[Cell]) -> None:
    """Print what came of each fault at each request."""
    columns = list(dict.fromkeys(cell.request for cell in cells))
    print(f"\n\n{title}: done = done and verified, said = one line and a plain rerun completes it\n")
    for number, column in enumerate(columns, 1):
        print(f"{number:4} {column}")
    print(f"\n{'':25}" + "".join(f"{number:6}" for number, _ in enumerate(columns, 1)))
    found = {(cell.fault, cell.request): cell.outcome for cell in cells}
    for row in dict.fromkeys(cell.fault for cell in cells):
        print(f"{row:25}" + "".join(f"{found.get((row, column), '.'):>6}" for column in columns))


class Clients:
    """The client that everyone gets. One serves a row and no more: botocore gives each a number of retries."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.patient = s3_client(Address(f"s3://{BUCKET}"))

    def for_row(self, fault: str) -> None:
        self.monkeypatch.setenv("PANORAMA_TIMEOUT", "0.25" if fault.startswith("no answer") else "20")
        self.monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1" if fault == "no answer each time" else "3")
        self.of_row = s3_client(Address(f"s3://{BUCKET}"))

    def use(self, client: Any) -> None:
        self.monkeypatch.setattr(aws, "s3_client", lambda *_: client)


def applies(fault: str, request: str) -> bool:
    return not fault.startswith("HEAD") or request.startswith("HEAD")


def arm(to: Proxy, fault: str, request: str) -> None:
    to.arm(*((to.refuse, request) if fault == REFUSED else (FAULTS[fault][0], request, FAULTS[fault][1])))


def outcome(work: Callable[[], object]) -> str:
    """How work ends: well, or in a line that says why not. Nothing else is allowed."""
    try:
        work()
    except PanoramaError as error:
        assert "\n" not in str(error) and error.hint
        return "said"
    return "done"


def lies_in(client: Any, prefix: str) -> dict[str, str]:
    """What lies under a prefix, with the ETag that the server has computed of the bytes it took."""
    listed = client.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return {each["Key"].removeprefix(f"{prefix}/"): each["ETag"].strip('"') for each in listed}


def etag(path: Path) -> str:
    """The ETag that a file gets, in one request or in parts, on a server without encryption."""
    content = path.read_bytes()
    if len(content) <= SINGLE:
        return hashlib.md5(content).hexdigest()
    parts = [hashlib.md5(content[at : at + PART]).digest() for at in range(0, len(content), PART)]
    return f"{hashlib.md5(b''.join(parts)).hexdigest()}-{len(parts)}"


def promised(built: Built) -> dict[str, str]:
    files = [built.assets / built.tarball, built.assets / built.descriptor, built.package_json]
    return dict(zip(built.keys, map(etag, files), strict=True))


@pytest.mark.server
def test_publishing_under_every_fault_at_every_request(
    before: Proxy, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = build(tmp_path / "small", content=b"one request")
    large = build(tmp_path / "large", content=random.Random(1).randbytes(PART + 1))  # in two parts
    promises = {built: promised(built) for built in (small, large)}
    inspect, clients, cells = s3.client(), Clients(monkeypatch), []

    def publish_to(prefix: str, built: Built) -> None:
        remote = SmallParts(Address(f"s3://{BUCKET}/{prefix}"))
        publish(plan(built.package_json, built.assets, remote), remote, quiet)

    def requests(prefix: str, built: Built) -> list[str]:
        before.arm(None)
        publish_to(prefix, built)
        return before.names()

    def outcome_of(fault: str, request: str, built: Built, prefix: str) -> str:
        arm(before, fault, request)
        clients.use(clients.of_row)
        ended = outcome(lambda: publish_to(prefix, built))
        assert any(each.name == request for each in before.requests), f"{fault}: {request} did not come"
        before.reopen()
        before.arm(None)
        clients.use(clients.patient)
        whole, there = promises[built], lies_in(inspect, prefix)
        assert there.items() <= whole.items(), "nothing half-visible"
        assert built.keys[2] not in there or there == whole, "a manifest promises all it names"
        if ended != "done":
            publish_to(prefix, built)
            there = lies_in(inspect, prefix)
        assert there == whole, "it is done, or a plain rerun completes it"
        if ended != "done" or not fault.startswith("no answer"):  # the impatient may leave it to the next
            assert "Uploads" not in inspect.list_multipart_uploads(Bucket=BUCKET, Prefix=prefix), "nothing is left over"
        return ended

    done = uuid4().hex
    fresh, again = requests(done, small), requests(done, small)
    in_parts = [each for each in requests(uuid4().hex, large) if each not in fresh]
    columns = [
        *((request, request, small, "") for request in fresh),
        *((request, request, large, "") for request in in_parts),
        *((f"{request}, published before", request, small, done) for request in again),
    ]
    for fault in ROWS:
        clients.for_row(fault)
        for column, request, built, prefix in columns:
            if applies(fault, request):
                cells.append(Cell(fault, column, outcome_of(fault, request, built, prefix or uuid4().hex)))
    show("publishing", cells)
    assert [each for each in cells if each.fault in HEALED and each.outcome != "done"] == []


@pytest.mark.server
def test_fetching_a_model_under_every_fault_at_every_request(
    before: Proxy, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = random.Random(2).randbytes((1 << 20) + 1)
    monkeypatch.setattr(aws, "RANGE", 1 << 20)
    s3.client().put_object(Bucket=BUCKET, Key="model", Body=content)
    source = Address(f"s3://{BUCKET}/model")
    cells, clients = [], Clients(monkeypatch)
    for fault in ROWS:
        clients.for_row(fault)
        clients.use(clients.of_row)
        for request in ("GET model", "GET model 2"):
            if applies(fault, request):
                arm(before, fault, request)
                cells.append(Cell(fault, request, fetched(before, source, tmp_path, content)))
    show("fetching from S3", cells)
    assert [each for each in cells if each.fault in HEALED and each.outcome != "done"] == []


def fetched(through: Proxy, source: Address, folder: Path, content: bytes) -> str:
    """How fetching under the fault that is armed ends; a plain rerun must complete it."""
    sha256 = hashlib.sha256(content).hexdigest()

    def bring() -> None:
        with partial(folder / "partial", "model") as to:
            if resume(source, to, sha256).sha256 != sha256:
                raise PanoramaError("not the pin's bytes", hint="run again")
            assert to.path.read_bytes() == content

    ended = outcome(bring)
    through.reopen()
    through.arm(None)
    if ended != "done":
        bring()
    assert list((folder / "partial").iterdir()) == []
    return ended


@pytest.mark.usefixtures("no_proxy")
def test_fetching_a_model_from_the_web_under_every_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    assert hashlib.sha256(CONTENT).hexdigest() == FETCHED.sha256
    cells = []
    monkeypatch.setattr(web, "PAUSES", (0, 0))
    with proxy(f"http://127.0.0.1:{server.server_port}") as before:
        for fault in ROWS:
            monkeypatch.setenv("PANORAMA_TIMEOUT", "0.3" if fault.startswith("no answer") else "20")
            if applies(fault, "GET etag"):
                arm(before, fault, "GET etag")
                ended = fetched(before, Address(f"{before.url}/etag"), tmp_path, CONTENT)
                cells.append(Cell(fault, "GET etag", ended))
    server.shutdown()
    server.server_close()
    show("fetching from the web", cells)
    assert [each for each in cells if each.fault in HEALED and each.outcome != "done"] == []


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
