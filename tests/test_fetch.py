"""Fetching: the bytes of a path, https:// or s3://, or one line about why not."""

from __future__ import annotations

import base64
import hashlib
import random
import re
import resource
import signal
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import trustme

from panorama_build.address import Address
from panorama_build.errors import PanoramaError
from panorama_build.transfer import web
from panorama_build.transfer.fetch import Fetched, download, resume
from panorama_build.transfer.partial import partial

CONTENT = random.Random(7).randbytes((5 << 20) + 3)
FETCHED = Fetched(hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))
BUCKET = "panorama-test-fetch"


VERSIONS = {
    "/etag": {"ETag": '"v1"'},
    "/dated": {"Last-Modified": "Sat, 01 Jan 2022 00:00:00 GMT"},
    "/weak": {"ETag": 'W/"v1"'},
}
RANGES: list[str | None] = []


class Handler(BaseHTTPRequestHandler):
    """Answers by path; ``/to?URL`` redirects, ``/404`` and its like are refusals."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        if path == "/to":
            self.answer(302, b"", Location=query)
        elif path == "/model":
            self.answer(200, CONTENT)
        elif path in VERSIONS:
            self.answer_ranged(VERSIONS[path], cut=int(query) if query else None)
        elif path == "/broken":
            self.answer(200, CONTENT[: 2 << 20], size=len(CONTENT))
        elif path == "/chunked":
            self.answer_in_chunks(whole=True)
        elif path == "/broken-chunked":
            self.answer_in_chunks(whole=False)
        elif path == "/private":
            expected = "Basic " + base64.b64encode(b"me:p@ss").decode()
            self.answer(200 if self.headers["Authorization"] == expected else 401, CONTENT)
        elif path == "/who":
            self.answer(200, str(self.headers["Authorization"]).encode())
        elif path == "/silent":
            threading.Event().wait(3)
        elif path == "/nonsense":
            self.wfile.write(b"SSH-2.0-OpenSSH_9.2\r\n")
            self.close_connection = True
        else:
            self.answer(int(path[1:]) if path[1:].isdigit() else 404, b"no")

    def answer(self, status: int, body: bytes, size: int | None = None, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body) if size is None else size))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = True

    def answer_ranged(self, tag: dict[str, str], cut: int | None) -> None:
        """Answers as a server that tells versions apart, and breaks off after ``cut`` bytes each time."""
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        RANGES.append(self.headers["Range"])
        start = int(asked[1]) if asked and self.headers["If-Range"] in tag.values() else 0
        place = {"Content-Range": f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}"} if start else {}
        body = CONTENT[start:]
        self.answer(206 if start else 200, body[:cut], len(body), **tag, **place)

    def answer_in_chunks(self, whole: bool) -> None:
        self.send_response(200)
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.write(b"%x\r\n%b\r\n" % (len(CONTENT), CONTENT) if whole else b"%x\r\n%b" % (99, CONTENT[:9]))
        self.wfile.write(b"0\r\n\r\n" if whole else b"")
        self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def serve(context: ssl.SSLContext | None) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"{'https' if context else 'http'}://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def http() -> Iterator[str]:
    yield from serve(None)


@pytest.fixture(scope="module")
def https(authority: trustme.CA) -> Iterator[str]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    yield from serve(context)


@pytest.fixture(autouse=True)
def trust(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(web, "PAUSES", (0, 0))


@pytest.fixture
def to(tmp_path: Path) -> Path:
    return tmp_path / "model.part"


def complaint(url: str, to: Path, **options: Any) -> str:
    with pytest.raises(PanoramaError) as caught:
        download(Address(url), to, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# A path


def test_a_path_is_copied_and_hashed(tmp_path: Path, to: Path) -> None:
    (tmp_path / "a model#1?.tar.gz").write_bytes(CONTENT)
    assert download(Address(str(tmp_path / "a model#1?.tar.gz")), to) == FETCHED
    assert to.read_bytes() == CONTENT
    assert download(Address((tmp_path / "a model#1?.tar.gz").as_uri()), to) == FETCHED


def test_a_path_where_nothing_is_one_line(tmp_path: Path, to: Path) -> None:
    assert complaint("models/x.tar.gz", to) == (
        "models/x.tar.gz: cannot be read: No such file or directory (correct the path)"
    )
    assert complaint(str(tmp_path), to) == f"{tmp_path}: cannot be read: Is a directory (correct the path)"


def test_a_place_that_takes_nothing_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(CONTENT)
    to = tmp_path / "nowhere" / "model.part"
    assert complaint(str(tmp_path / "model"), to) == (
        f"{to}: cannot be written: No such file or directory (make room or choose another place)"
    )


# The web


def test_a_web_address_is_fetched_and_hashed(http: str, https: str, to: Path) -> None:
    assert download(Address(f"{http}/model"), to) == FETCHED
    assert download(Address(f"{https}/model?signature=1"), to) == FETCHED
    assert to.read_bytes() == CONTENT


def test_an_answer_of_unannounced_length_is_fetched(https: str, to: Path) -> None:
    assert download(Address(f"{https}/chunked"), to) == FETCHED


def test_redirects_are_followed(http: str, https: str, to: Path) -> None:
    assert download(Address(f"{http}/to?{https}/to?/model"), to) == FETCHED


def test_redirects_are_not_followed_out_of_https(http: str, https: str, to: Path) -> None:
    assert complaint(f"{https}/to?{http}/model?signature=1", to) == (
        f"{https}/to: redirects from https to {http}/model, which is not followed (use an address that stays on https)"
    )
    assert "redirects from http to ftp://host/m, " in complaint(f"{http}/to?ftp://host/m", to)
    assert "the redirects lead nowhere" in complaint(f"{http}/to?file:///etc/passwd", to)


def test_a_circle_of_redirects_is_one_line(http: str, to: Path) -> None:
    assert complaint(f"{http}/to?/to", to).startswith(
        f"{http}/to: the server answered 302 Found, and the redirects lead"
    )


def test_an_answer_that_breaks_off_is_not_taken_for_whole(https: str, to: Path) -> None:
    assert complaint(f"{https}/broken", to) == (
        f"{https}/broken: the answer broke off after 2,097,152 of 5,242,883 bytes (run again)"
    )
    assert "the answer broke off" in complaint(f"{https}/broken-chunked", to)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ("404", "the server answered 404 Not Found (there is nothing under this address: correct it)"),
        ("403", "the server answered 403 Forbidden (it wants credentials, or others: check that you may read it)"),
        ("400", "the server answered 400 Bad Request (correct the address)"),
        ("503", "the server answered 503 Service Unavailable (run again later)"),
        ("599", "the server answered 599 (run again later)"),
    ],
)
def test_a_refusal_says_what_it_means(http: str, to: Path, status: str, sentence: str) -> None:
    assert complaint(f"{http}/{status}?X-Amz-Signature=secret", to) == f"{http}/{status}: {sentence}"


def test_an_authority_that_is_unknown_is_not_trusted(https: str, to: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    message = complaint(f"{https}/model", to)
    assert message.startswith(f"{https}/model: TLS failed: ")
    assert message.endswith(" (set SSL_CERT_FILE to the certificate of the server's authority)")


def test_https_where_http_is_spoken_is_one_line(http: str, to: Path) -> None:
    assert ": TLS failed: " in complaint(http.replace("http:", "https:") + "/model", to)


def test_a_server_that_is_not_there_is_one_line(to: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    url = f"http://127.0.0.1:{port}/m"
    assert complaint(url, to) == (
        f"{url}: the server cannot be reached: Connection refused (check the address and the network)"
    )
    assert "the server cannot be reached: " in complaint("https://models.invalid/m", to)


def test_a_server_that_falls_silent_is_one_line(http: str, to: Path) -> None:
    assert "the server does not answer" in complaint(f"{http}/silent", to, timeout=0.2)


def test_a_server_of_another_kind_is_one_line(http: str, to: Path) -> None:
    assert "the server's answer is not HTTP: BadStatusLine" in complaint(f"{http}/nonsense", to)


@pytest.mark.parametrize("url", ["https://", "https:///m", "http://host:port/m", "http://[::1/m", "http://ho st/m"])
def test_an_address_that_is_none_is_one_line(url: str, to: Path) -> None:
    assert ": not an address: " in complaint(url, to)


def test_user_and_password_are_sent_and_not_shown(http: str, to: Path) -> None:
    mine = http.replace("http://", "http://me:p%40ss@")
    assert download(Address(f"{mine}/private"), to) == FETCHED
    assert complaint(f"{mine}/404", to).startswith(f"{http}/404: ")


def test_user_and_password_do_not_follow_a_redirect(http: str, https: str, to: Path) -> None:
    mine = http.replace("http://", "http://me:p%40ss@")
    download(Address(f"{mine}/to?{https}/who"), to)
    assert to.read_bytes() == b"None"


def test_other_schemes_are_refused(to: Path) -> None:
    assert complaint("ftp://me:secret@host/m", to) == (
        'ftp://host/m: nothing can be fetched over "ftp" (use a path, https:// or s3://)'
    )


# Broken off, and gone on with


@pytest.mark.parametrize("url", ["etag", "dated"])
def test_a_connection_that_breaks_is_taken_up_where_it_broke(https: str, to: Path, url: str) -> None:
    RANGES.clear()
    assert download(Address(f"{https}/{url}?2000000"), to) == FETCHED
    assert RANGES == [None, "bytes=2000000-", "bytes=4000000-"]
    assert to.read_bytes() == CONTENT


def test_without_a_strong_tag_it_is_not(https: str, to: Path) -> None:
    assert "the answer broke off after 2,000,000 of 5,242,883 bytes" in complaint(f"{https}/weak?2000000", to)


def test_without_progress_it_is_given_up(https: str, to: Path) -> None:
    assert "the answer broke off after 0 of 5,242,883 bytes" in complaint(f"{https}/etag?0", to)


BROUGHT = """
import resource, signal, sys
from pathlib import Path
from panorama_build.address import Address
from panorama_build.transfer.fetch import resume
from panorama_build.transfer.partial import partial
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, -1))
with partial(Path(sys.argv[1]), "model") as to:
    resume(Address(sys.argv[2]), to)
"""


def bring_and_be_killed(folder: Path, url: str) -> None:
    """Begin a download in a process that the kernel kills at three million bytes."""
    killed = subprocess.run([sys.executable, "-c", BROUGHT, str(folder), url])
    assert killed.returncode == -signal.SIGXFSZ
    assert 2_000_000 < (folder / "model").stat().st_size <= 3_000_000


def bring(folder: Path, url: str, sha256: str | None = None) -> Fetched:
    with partial(folder, "model") as to:
        fetched = resume(Address(url), to, sha256)
        assert to.path.read_bytes() == CONTENT
    assert list(folder.iterdir()) == [], "what is done leaves nothing"
    return fetched


@pytest.mark.parametrize("url", ["etag", "dated"])
def test_what_a_killed_run_brought_is_not_brought_again(https: str, tmp_path: Path, url: str) -> None:
    bring_and_be_killed(tmp_path / "partial", f"{https}/{url}")
    there = (tmp_path / "partial" / "model").stat().st_size
    RANGES.clear()
    assert bring(tmp_path / "partial", f"{https}/{url}") == FETCHED
    assert [f"bytes={there}-"] == RANGES


def test_a_file_that_was_whole_is_seen_to_be_current(https: str, tmp_path: Path) -> None:
    bring_and_be_killed(tmp_path / "partial", f"{https}/etag")
    (tmp_path / "partial" / "model").write_bytes(CONTENT)
    RANGES.clear()
    assert bring(tmp_path / "partial", f"{https}/etag") == FETCHED
    assert [f"bytes={len(CONTENT) - 1}-"] == RANGES


def test_a_file_that_changed_meanwhile_is_brought_whole(
    https: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring_and_be_killed(tmp_path / "partial", f"{https}/etag")
    monkeypatch.setitem(VERSIONS, "/etag", {"ETag": '"v2"'})
    assert bring(tmp_path / "partial", f"{https}/etag") == FETCHED


def test_a_beginning_that_is_wrong_is_thrown_away(https: str, tmp_path: Path) -> None:
    bring_and_be_killed(tmp_path / "partial", f"{https}/etag")
    with (tmp_path / "partial" / "model").open("r+b") as file:
        file.write(bytes(9))
    assert bring(tmp_path / "partial", f"{https}/etag", FETCHED.sha256) == FETCHED


@pytest.mark.parametrize(
    "note", [b"", b"{", b"[]", b"[" * 100_000, b'{"tag": 1}', b'{"tag": "x", "size": -5}', b"\xff"]
)
def test_a_note_that_is_none_is_not_believed(https: str, tmp_path: Path, note: bytes) -> None:
    bring_and_be_killed(tmp_path / "partial", f"{https}/etag")
    (tmp_path / "partial" / "model.json").write_bytes(note)
    assert bring(tmp_path / "partial", f"{https}/etag") == FETCHED


def test_two_runs_that_bring_the_same_do_not_meet(https: str, tmp_path: Path) -> None:
    with partial(tmp_path, "model") as one, partial(tmp_path, "model") as other:
        assert one.path != other.path
        assert resume(Address(f"{https}/etag"), one) == resume(Address(f"{https}/etag"), other) == FETCHED
        one.path.rename(tmp_path / "asset")
        with partial(tmp_path, "model") as third:
            assert third.path == one.path, "its file has its own name by now"
    assert [path.name for path in tmp_path.iterdir() if path.name != "ca.pem"] == ["asset"]


def test_what_failed_stays_only_where_it_can_be_gone_on_with(http: str, tmp_path: Path) -> None:
    for url, left in (("etag?2000000", True), ("weak?2000000", False), ("404", False)):
        folder = tmp_path / url.partition("?")[0]
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, hard))
        try:
            with pytest.raises(PanoramaError), partial(folder, "model") as to:
                resume(Address(f"{http}/{url}"), to)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert bool(list(folder.iterdir())) == left


# S3


@pytest.fixture(params=["s3", "s3_tls"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    server = request.getfixturevalue(request.param)
    for name, value in server.env.items():
        monkeypatch.setenv(name, value)
    with suppress(Exception):
        server.make_bucket(BUCKET)
    return server


@pytest.mark.server
@pytest.mark.usefixtures("server")
def test_an_s3_address_is_fetched_and_hashed(tmp_path: Path, to: Path) -> None:
    from panorama_build.transfer.aws import Bucket

    (tmp_path / "model").write_bytes(CONTENT)
    url = f"s3://{BUCKET}/{uuid4().hex}/model.tar.gz"
    Bucket(Address(url)).put_file(url.removeprefix(f"s3://{BUCKET}/"), tmp_path / "model", FETCHED.sha256, FETCHED.size)
    assert download(Address(url), to) == FETCHED
    assert to.read_bytes() == CONTENT


@pytest.mark.server
@pytest.mark.usefixtures("server")
def test_what_a_killed_run_brought_of_an_object_is_not_brought_again(tmp_path: Path) -> None:
    from panorama_build.transfer.aws import Bucket

    key = f"{uuid4().hex}/model.tar.gz"
    bucket, url = Bucket(Address(f"s3://{BUCKET}")), f"s3://{BUCKET}/{key}"
    bucket.client.put_object(Bucket=BUCKET, Key=key, Body=CONTENT)
    bring_and_be_killed(tmp_path / "partial", url)
    there = (tmp_path / "partial" / "model").stat().st_size
    with partial(tmp_path / "partial", "model") as to:
        assert bucket.open(key, at=there, tag=(to.begun() or (0, ""))[1]).start == there
    assert bring(tmp_path / "partial", url, FETCHED.sha256) == FETCHED
    bring_and_be_killed(tmp_path / "partial", url)
    bucket.client.put_object(Bucket=BUCKET, Key=key, Body=CONTENT[::-1])
    with partial(tmp_path / "partial", "model") as to:
        assert resume(Address(url), to).sha256 == hashlib.sha256(CONTENT[::-1]).hexdigest()


@pytest.mark.server
@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("size", [0, 1, (8 << 20) - 1, 8 << 20, (8 << 20) + 1, (25 << 20) + 7])
def test_objects_of_any_size_come_in_ranges_and_in_order(to: Path, size: int) -> None:
    from panorama_build.transfer.aws import Bucket

    key, content = f"{uuid4().hex}/model", random.Random(size).randbytes(size)
    bucket = Bucket(Address(f"s3://{BUCKET}"))
    bucket.client.put_object(Bucket=BUCKET, Key=key, Body=content)
    assert download(Address(f"s3://{BUCKET}/{key}"), to) == Fetched(hashlib.sha256(content).hexdigest(), size)
    assert to.read_bytes() == content


@pytest.mark.server
@pytest.mark.usefixtures("server")
def test_an_object_that_changes_while_it_comes_is_one_line(to: Path) -> None:
    from panorama_build.transfer.aws import Bucket

    key, bucket = f"{uuid4().hex}/model", Bucket(Address(f"s3://{BUCKET}"))
    bucket.client.put_object(Bucket=BUCKET, Key=key, Body=bytes(20 << 20))
    pieces = bucket.get(key)
    next(pieces)
    bucket.client.put_object(Bucket=BUCKET, Key=key, Body=b"1" * (20 << 20))
    with pytest.raises(PanoramaError, match=r"the object changed during the transfer; GetObject .*\(run again\)"):
        list(pieces)


@pytest.mark.server
def test_a_version_of_an_object_is_fetched(server: Any, to: Path) -> None:
    from panorama_build.transfer.aws import Bucket

    name = server.make_bucket(f"versions-{uuid4().hex}")
    client = Bucket(Address(f"s3://{name}")).client
    client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    first = client.put_object(Bucket=name, Key="model", Body=CONTENT)["VersionId"]
    client.put_object(Bucket=name, Key="model", Body=b"newer")
    assert download(Address(f"s3://{name}/model?versionId={first}"), to) == FETCHED
    assert download(Address(f"s3://{name}/model"), to).size == 5
    message = complaint(f"s3://{name}/model?versionId={first[::-1]}", to)
    assert message.startswith(f"s3://{name}/model: there is no such version of the object; GetObject"), message


@pytest.mark.server
def test_an_s3_object_that_is_not_there_is_one_line(server: Any, to: Path) -> None:
    assert complaint(f"s3://{BUCKET}/nothing", to) == (
        f"s3://{BUCKET}/nothing: there is no such object; GetObject to {server.url}, region us-east-1, "
        "keys from the environment (correct the address)"
    )


@pytest.mark.parametrize("url", ["s3://bucket", "s3://bucket/", "s3:///key"])
def test_an_s3_address_needs_bucket_and_key(url: str, to: Path) -> None:
    assert "(write s3://BUCKET/KEY)" in complaint(url, to)
