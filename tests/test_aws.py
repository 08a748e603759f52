"""S3 through boto3: what is put is what lies there, and each refusal says its true cause."""

from __future__ import annotations

import base64
import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest

from panorama_build.address import Address, parse_s3_url, public_url
from panorama_build.errors import PanoramaError
from panorama_build.transfer import multipart
from panorama_build.transfer.aws import Bucket
from panorama_build.transfer.multipart import MIB, Parts, part_size
from panorama_build.transfer.refusals import explain
from tests.faults import Answer, Request, proxy

PART = 5 * MIB
BUCKET = "panorama-test-aws"


class File(NamedTuple):
    path: Path
    sha256: str
    size: int


def write(path: Path, content: bytes) -> File:
    path.write_bytes(content)
    return File(path, hashlib.sha256(content).hexdigest(), len(content))


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


def requests(bucket: Bucket) -> Counter[str]:
    """Counts what goes over the wire from now on, by operation."""
    counts: Counter[str] = Counter()
    bucket.client.meta.events.register(
        "before-send.s3", lambda event_name, **_: counts.update([event_name.rpartition(".")[2]])
    )
    return counts


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "aws-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")


@pytest.fixture(scope="module", params=["s3", "s3_tls"])
def running(request: pytest.FixtureRequest) -> Any:
    server = request.getfixturevalue(request.param)
    with suppress(Exception):
        server.make_bucket(BUCKET)
    return server


@pytest.fixture
def server(running: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name, value in running.env.items():
        monkeypatch.setenv(name, value)
    return running


@pytest.fixture
def bucket(server: Any) -> Bucket:
    return Bucket(Address(f"s3://{BUCKET}"))


@pytest.fixture
def key() -> str:
    return f"{uuid4().hex}/k"


# Addresses


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("s3://models", ("models", "", None)),
        ("s3://models/", ("models", "", None)),
        ("s3://models/a/b.tar.gz", ("models", "a/b.tar.gz", None)),
        ("s3://models/a%20b?x", ("models", "a%20b?x", None)),
        ("s3://models/a?versionId=3.L4", ("models", "a", "3.L4")),
        (
            "s3://arn:aws:s3:us-west-2:123456789012:accesspoint/store/k",
            ("arn:aws:s3:us-west-2:123456789012:accesspoint/store", "k", None),
        ),
    ],
)
def test_an_s3_url_has_a_bucket_a_key_and_perhaps_a_version(url: str, parts: tuple[str, str, str | None]) -> None:
    assert parse_s3_url(url) == parts


@pytest.mark.parametrize("url", ["s3://", "s3:///k", "s3://b", "https://b/k", "s3://bucket/../k", "s3://bucket/a\nb"])
def test_anything_else_is_no_s3_address(url: str) -> None:
    with pytest.raises(PanoramaError, match="not an S3 address"):
        parse_s3_url(url)


def test_urls_are_shown_without_credentials() -> None:
    assert public_url("https://me:secret@host/a?X-Amz-Signature=1#f") == "https://host/a"
    assert public_url("models/a#1?.gz") == "models/a#1?.gz"


@pytest.mark.parametrize(
    ("size", "part", "count"),
    [
        (1, 64 * MIB, 1),
        (64 * MIB, 64 * MIB, 1),
        (64 * MIB + 1, 64 * MIB, 2),
        (5 << 30, 64 * MIB, 80),
        ((5 << 30) + 1, 64 * MIB, 81),
        (10_000 * 64 * MIB - 1, 64 * MIB, 10_000),
        (10_000 * 64 * MIB, 64 * MIB, 10_000),
        (10_000 * 64 * MIB + 1, 65 * MIB, 9_847),
        (10_000 * 65 * MIB, 65 * MIB, 10_000),
        (10_000 * 65 * MIB + 1, 66 * MIB, 9_849),
        (5 << 40, 525 * MIB, 9_987),
    ],
)
def test_parts_grow_only_when_there_would_be_more_than_ten_thousand(size: int, part: int, count: int) -> None:
    assert part_size(size) == part
    cut = Parts(Path(), size, part, (b"",) * count)
    sizes = [cut.size_of(index) for index in range(count)]
    assert sum(sizes) == size
    assert 0 < min(sizes) <= max(sizes) <= 5 << 30, "what S3 takes as a part"


def test_importing_the_module_imports_no_boto3() -> None:
    code = "import sys, panorama_build.transfer.aws; sys.exit('boto3' in sys.modules or 'botocore' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


# Objects


@pytest.mark.server
def test_what_was_put_is_there_and_comes_back(bucket: Bucket, key: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a", noise(3 * MIB + 1))
    assert not bucket.holds(key, file.sha256, file.size, file.path)
    assert bucket.put_file(key, *file)
    assert bucket.holds(key, file.sha256, file.size, file.path)
    assert b"".join(bucket.get(key)) == file.path.read_bytes()


@pytest.mark.server
def test_an_empty_file_is_a_file(bucket: Bucket, key: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a", b"")
    assert bucket.put_file(key, *file)
    assert bucket.holds(key, file.sha256, 0, file.path)
    assert b"".join(bucket.get(key)) == b""


@pytest.mark.server
def test_of_an_object_in_parts_one_question_settles_what_it_is(bucket: Bucket, key: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a", noise(PART + 1))
    bucket.put_file(key, *file, single=PART, part=PART)
    file.path.unlink()
    counts = requests(bucket)
    assert bucket.holds(key, file.sha256, file.size, file.path)
    assert not bucket.holds(key, hashlib.sha256(b"").hexdigest(), file.size, file.path)
    assert counts == {"HeadObject": 2}


@pytest.mark.server
def test_a_large_file_goes_in_parts(bucket: Bucket, key: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a", noise(2 * PART + 77))
    counts = requests(bucket)
    assert bucket.put_file(key, *file, single=PART, part=PART)
    assert counts == {
        "ListMultipartUploads": 2,
        "CreateMultipartUpload": 1,
        "UploadPart": 3,
        "CompleteMultipartUpload": 1,
    }
    counts.clear()
    assert bucket.holds(key, file.sha256, file.size, file.path, part=PART)
    assert counts == {"HeadObject": 1}
    assert b"".join(bucket.get(key)) == file.path.read_bytes()


@pytest.mark.server
@pytest.mark.parametrize("single", [PART, 100 * MIB])
def test_the_second_to_put_finds_it_there(bucket: Bucket, key: str, tmp_path: Path, single: int) -> None:
    file = write(tmp_path / "a", noise(PART + 1))
    assert bucket.put_file(key, *file, single=single, part=PART)
    assert not bucket.put_file(key, *file, single=single, part=PART)
    assert uploads(bucket, key) == []


@pytest.mark.server
@pytest.mark.parametrize("single", [PART, 100 * MIB])
def test_other_bytes_are_never_overwritten(bucket: Bucket, key: str, tmp_path: Path, single: int) -> None:
    file = write(tmp_path / "a", noise(PART + 1))
    bucket.client.put_object(Bucket=BUCKET, Key=key, Body=bytes(file.size), ChecksumAlgorithm="SHA256")
    assert not bucket.holds(key, file.sha256, file.size, file.path, part=PART)
    with pytest.raises(PanoramaError) as caught:
        bucket.put_file(key, *file, single=single, part=PART)
    assert str(caught.value) == (
        f"s3://{BUCKET}/{key}: other bytes lie under this name, and nothing is ever overwritten "
        "(delete that object and publish again)"
    )
    assert b"".join(bucket.get(key)) == bytes(file.size)


@pytest.mark.server
def test_an_object_without_sha256_is_read_to_know_it(bucket: Bucket, key: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a", noise(1000))
    bucket.client.put_object(Bucket=BUCKET, Key=key + "same", Body=noise(1000), ChecksumAlgorithm="CRC32")
    bucket.client.put_object(Bucket=BUCKET, Key=key + "other", Body=bytes(1000), ChecksumAlgorithm="CRC32")
    assert bucket.holds(key + "same", file.sha256, file.size, file.path)
    assert not bucket.holds(key + "other", file.sha256, file.size, file.path)


@pytest.mark.server
def test_an_object_that_another_tool_put_in_parts_is_read_to_know_it(bucket: Bucket, key: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a", noise(PART + 5))
    upload = bucket.client.create_multipart_upload(Bucket=BUCKET, Key=key, ChecksumAlgorithm="SHA256")["UploadId"]
    at: Any = {"Bucket": BUCKET, "Key": key, "UploadId": upload}
    digest = base64.b64encode(hashlib.sha256(file.path.read_bytes()).digest()).decode()
    etag = bucket.client.upload_part(**at, PartNumber=1, Body=file.path.read_bytes(), ChecksumSHA256=digest)["ETag"]
    parts: Any = [{"PartNumber": 1, "ETag": etag, "ChecksumSHA256": digest}]
    bucket.client.complete_multipart_upload(**at, MultipartUpload={"Parts": parts})
    counts = requests(bucket)
    assert bucket.holds(key, file.sha256, file.size, file.path, part=PART)
    assert counts == {"HeadObject": 1, "GetObject": 1}
    assert bucket.holds(key, file.sha256, file.size, file.path, part=2 * PART)
    assert counts == {"HeadObject": 2, "GetObject": 1}


@pytest.mark.server
@pytest.mark.parametrize("single", [PART, 100 * MIB])
def test_a_damaged_file_does_not_go_up(bucket: Bucket, key: str, tmp_path: Path, single: int) -> None:
    file = write(tmp_path / "a", noise(PART + 1))
    other = write(file.path, bytes(PART + 1))
    counts = requests(bucket)
    with pytest.raises(PanoramaError) as caught:
        bucket.put_file(key, *file, single=single, part=PART)
    assert str(caught.value) == (
        f"{file.path}: sha256 is {other.sha256}, not the {file.sha256} that its name or its plan promises "
        "(it is damaged or was changed: delete it and build again)"
    )
    assert not counts


@pytest.mark.server
def test_a_file_that_changes_during_the_upload_does_not_appear(bucket: Bucket, key: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a", noise(2 * PART))
    bucket.client.meta.events.register(
        "before-send.s3.CreateMultipartUpload", lambda **_: write(file.path, bytes(file.size)) and None
    )
    with pytest.raises(PanoramaError, match="other bytes arrived than were announced; UploadPart"):
        bucket.put_file(key, *file, single=PART, part=PART)
    assert bucket.head(key) is None
    assert uploads(bucket, key) == []


@pytest.mark.server
def test_an_interrupted_upload_leaves_nothing(bucket: Bucket, key: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a", noise(3 * PART))

    def interrupt(request: Any, **_: Any) -> None:
        if "partNumber=2" in request.url:
            raise KeyboardInterrupt

    bucket.client.meta.events.register("before-send.s3.UploadPart", interrupt)
    with pytest.raises(KeyboardInterrupt):
        bucket.put_file(key, *file, single=PART, part=PART)
    assert uploads(bucket, key) == []
    assert bucket.head(key) is None


KILLED = """
import os, signal, sys
from pathlib import Path
from panorama_build import interruption
from panorama_build.address import Address
from panorama_build.transfer import multipart
from panorama_build.transfer.aws import Bucket
multipart.AT_ONCE = 1
bucket = Bucket(Address(sys.argv[1]))
def kill(request, **_):
    if "partNumber=3" in request.url:
        os.kill(os.getpid(), int(sys.argv[6]))
interruption.obey()
bucket.client.meta.events.register("before-send.s3.UploadPart", kill)
bucket.put_file(sys.argv[2], Path(sys.argv[3]), sys.argv[4], int(sys.argv[5]), single=0, part=5 << 20)
"""


def put_and_be_killed(key: str, file: File, number: int = signal.SIGKILL) -> int:
    command = [sys.executable, "-c", KILLED, f"s3://{BUCKET}", key, *map(str, file), str(int(number))]
    return subprocess.run(command).returncode


@pytest.mark.server
def test_a_signal_ends_an_upload_and_leaves_nothing(bucket: Bucket, key: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a", noise(5 * PART))
    assert put_and_be_killed(key, file, signal.SIGINT) == 128 + signal.SIGINT
    assert uploads(bucket, key) == []
    assert bucket.head(key) is None


@pytest.mark.server
def test_what_a_killed_run_sent_is_not_sent_again(bucket: Bucket, key: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a", noise(3 * PART))
    assert put_and_be_killed(key, file) == -signal.SIGKILL
    assert bucket.head(key) is None
    counts = requests(bucket)
    assert bucket.put_file(key, *file, single=PART, part=PART)
    assert counts["UploadPart"] == 1 and counts["CreateMultipartUpload"] == 0
    assert bucket.holds(key, file.sha256, file.size, file.path)
    assert b"".join(bucket.get(key)) == file.path.read_bytes()


@pytest.mark.server
def test_parts_of_other_bytes_are_not_taken_for_these(bucket: Bucket, key: str, tmp_path: Path) -> None:
    put_and_be_killed(key, write(tmp_path / "b", bytes(3 * PART)))
    file = write(tmp_path / "a", noise(3 * PART))
    assert bucket.put_file(key, *file, single=PART, part=PART)
    assert b"".join(bucket.get(key)) == file.path.read_bytes()
    assert uploads(bucket, key) == [], "what nobody can complete any more is ended"


@pytest.mark.server
def test_a_connection_that_fails_keeps_what_was_sent(bucket: Bucket, key: str, tmp_path: Path) -> None:
    from botocore.exceptions import EndpointConnectionError

    file = write(tmp_path / "a", noise(2 * PART))

    def fail(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")

    bucket.client.meta.events.register("before-send.s3.CompleteMultipartUpload", fail, "fail")
    with pytest.raises(PanoramaError, match="the endpoint cannot be reached"):
        bucket.put_file(key, *file, single=PART, part=PART)
    bucket.client.meta.events.unregister("before-send.s3.CompleteMultipartUpload", unique_id="fail")
    counts = requests(bucket)
    assert bucket.put_file(key, *file, single=PART, part=PART)
    assert counts["UploadPart"] == 0


@pytest.mark.server
def test_uploads_of_others_are_ended_when_they_are_long_abandoned(
    bucket: Bucket, key: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = key.replace("/k", "/other")
    put_and_be_killed(other, write(tmp_path / "b", noise(3 * PART)))
    folder, file = key.rpartition("/")[0], write(tmp_path / "a", noise(PART + 1))
    assert bucket.put_file(key, *file, single=PART, part=PART)
    assert len(uploads(bucket, folder)) == 1, "it may be alive"
    monkeypatch.setattr(multipart, "ABANDONED", timedelta(seconds=-5))
    assert bucket.put_file(key + "2", *file, single=PART, part=PART)
    assert uploads(bucket, folder) == []


@pytest.mark.server
def test_an_upload_that_is_ended_from_elsewhere_is_begun_again(bucket: Bucket, key: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a", noise(2 * PART))
    ended: list[str] = []

    def end(**_: Any) -> None:
        if not ended:
            ended.append(uploads(bucket, key)[0]["UploadId"])
            bucket.client.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=ended[0])

    bucket.client.meta.events.register("before-send.s3.CompleteMultipartUpload", end)
    assert bucket.put_file(key, *file, single=PART, part=PART)
    assert b"".join(bucket.get(key)) == file.path.read_bytes()


@pytest.mark.server
def test_eight_processes_put_the_same_file_at_once(bucket: Bucket, key: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a", noise(3 * PART + 5))
    racing = KILLED.replace("os.kill(os.getpid(), int(sys.argv[6]))", "pass").replace(
        "\nbucket.put", "\nput = bucket.put"
    )
    command = [sys.executable, "-c", f"{racing}\nprint(put)", f"s3://{BUCKET}", key, *map(str, file)]
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    said = [run.communicate()[0] for run in runs]
    assert [run.returncode for run in runs] == [0] * 8
    assert "True\n" in said and set(said) <= {"True\n", "False\n"}
    assert b"".join(bucket.get(key)) == file.path.read_bytes()
    assert uploads(bucket, key) == []


@pytest.mark.server
def test_a_missing_object_is_absent_and_asked_for_once(bucket: Bucket, key: str) -> None:
    counts = requests(bucket)
    assert [bucket.head(key + name) for name in "abc"] == [None, None, None]
    assert counts == {"HeadObject": 3, "GetObject": 1}


@pytest.mark.server
def test_a_download_that_breaks_is_taken_up_where_it_broke(bucket: Bucket, key: str, tmp_path: Path) -> None:
    file = write(tmp_path / "a", noise(3 * MIB))
    bucket.put_file(key, *file)
    with Cut(os.environ["AWS_ENDPOINT_URL_S3"], after=2 * MIB) as cut:
        through = Bucket(Address(f"s3://{BUCKET}", endpoint=cut.url))
        counts = requests(through)
        assert b"".join(through.get(key)) == file.path.read_bytes()
        assert counts == {"GetObject": 2}


class Cut:
    """A port before a server that closes its first connection after so many bytes of answer."""

    def __init__(self, url: str, after: int) -> None:
        scheme, _, authority = url.partition("://")
        host, _, port = authority.partition(":")
        self.there, self.left = (host, int(port)), after
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"{scheme}://{host}:{self.listener.getsockname()[1]}"

    def __enter__(self) -> Cut:
        threading.Thread(target=self.accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()

    def accept(self) -> None:
        for limit in (self.left, 1 << 40):
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(self.there)
            threading.Thread(target=self.carry, args=(near, far, 1 << 40), daemon=True).start()
            threading.Thread(target=self.carry, args=(far, near, limit), daemon=True).start()

    def carry(self, source: socket.socket, sink: socket.socket, limit: int) -> None:
        with suppress(OSError):
            while limit > 0 and (piece := source.recv(1 << 16)):
                sink.sendall(piece)
                limit -= len(piece)
            sink.shutdown(socket.SHUT_RDWR)


def uploads(bucket: Bucket, key: str) -> list[Any]:
    return list(bucket.client.list_multipart_uploads(Bucket=BUCKET, Prefix=key).get("Uploads", []))


# Refusals and faults


def refusal(address: Address, key: str = "k") -> str:
    with pytest.raises(PanoramaError) as caught:
        Bucket(address).head(key)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.server
def test_a_missing_bucket_is_not_a_missing_object(server: Any) -> None:
    assert refusal(Address("s3://no-such-bucket")) == (
        's3://no-such-bucket/k: bucket "no-such-bucket" does not exist; '
        f"GetObject to {server.url}, region us-east-1, keys from the environment (create it or correct the address)"
    )


@pytest.mark.server
def test_a_wrong_secret_is_called_so(server: Any, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    assert refusal(Address(f"s3://{BUCKET}")) == (
        f"s3://{BUCKET}/k: the secret key does not fit the access key; "
        f"GetObject to {server.url}, region us-east-1, keys from the environment "
        "(check AWS_SECRET_ACCESS_KEY or the profile's aws_secret_access_key)"
    )


@pytest.mark.server
def test_an_unknown_access_key_is_called_so(server: Any, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "unknown")
    assert refusal(Address(f"s3://{BUCKET}")) == (
        f"s3://{BUCKET}/k: the access key is not known there; "
        f"GetObject to {server.url}, region us-east-1, keys from the environment "
        "(check AWS_ACCESS_KEY_ID or the profile's aws_access_key_id)"
    )


@pytest.mark.server
def test_the_keys_of_a_profile_are_used(server: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    access, secret = (os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "not asked for")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    (tmp_path / "keys").write_text(
        f"[ci]\naws_access_key_id = {access}\naws_secret_access_key = {secret}\n"
        f"[old]\naws_access_key_id = {access}\naws_secret_access_key = wrong\n"
    )
    assert Bucket(Address(f"s3://{BUCKET}", profile="ci")).head("k") is None
    assert "region us-east-1, profile old (" in refusal(Address(f"s3://{BUCKET}", profile="old"))


@pytest.mark.server
def test_a_server_whose_authority_is_unknown_is_not_trusted(s3_tls: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in s3_tls.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("AWS_CA_BUNDLE")
    message = refusal(Address("s3://bucket"))
    assert message.startswith("s3://bucket/k: TLS failed: unable to get local issuer certificate; HeadObject to https:")
    assert message.endswith("(set AWS_CA_BUNDLE to the certificate of the server's authority)")


def test_no_credentials_is_called_so() -> None:
    assert refusal(Address("s3://bucket", endpoint="http://127.0.0.1:1")) == (
        "s3://bucket/k: no credentials found; HeadObject to http://127.0.0.1:1, region us-east-1, profile default "
        "(set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile)"
    )


def test_an_unknown_profile_is_called_so() -> None:
    assert refusal(Address("s3://bucket", region="eu-west-1", profile="staging")) == (
        's3://bucket: there is no profile "staging"; CreateClient region eu-west-1, profile staging '
        "(correct the profile, or add it with `aws configure`)"
    )


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "access")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


@pytest.mark.usefixtures("keys")
def test_an_endpoint_where_nobody_listens_is_called_so() -> None:
    assert refusal(Address("s3://bucket", endpoint="http://127.0.0.1:1", region="eu-west-1")) == (
        "s3://bucket/k: the endpoint cannot be reached: Connection refused; "
        "HeadObject to http://127.0.0.1:1, region eu-west-1, keys from the environment "
        "(check endpoint: and the network)"
    )


@pytest.mark.usefixtures("keys")
def test_an_endpoint_without_an_address_is_called_so() -> None:
    message = refusal(Address("s3://bucket", endpoint="http://me:secret@store.invalid"))
    assert message.startswith("s3://bucket/k: the endpoint cannot be reached: ")
    assert "HeadObject to http://store.invalid, region" in message


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize("endpoint", ["nonsense", "http://", "ftp//x"])
def test_an_endpoint_that_is_no_url_is_one_line(endpoint: str) -> None:
    assert "nvalid endpoint" in refusal(Address("s3://bucket", endpoint=endpoint))


@pytest.mark.usefixtures("keys")
def test_a_broken_configuration_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "aws-config").write_text("[profile\nx")
    assert "the AWS configuration is not readable: " in refusal(Address("s3://bucket"))


def answered(code: str, call: str, message: str = "", **more: Any) -> Exception:
    """The error that boto3 makes of such an answer; for what no server on loopback can be made to say."""
    from botocore.exceptions import ClientError

    response: Any = {"Error": {"Code": code, "Message": message}, **more}
    return ClientError(response, call)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (answered("NoSuchBucket", "PutObject"), 'bucket "models" does not exist; PutObject'),
        (answered("ExpiredToken", "PutObject"), "the session token has expired; PutObject"),
        (answered("AccessDenied", "PutObject", "Access Denied"), "access denied; PutObject"),
        (
            answered("AccessDenied", "PutObject", "User: me is not authorized to perform: s3:PutObject"),
            "access denied: User: me is not authorized to perform: s3:PutObject; PutObject",
        ),
        (
            answered("RequestTimeTooSkewed", "PutObject"),
            "this machine's clock is wrong by more than the server allows;",
        ),
        (answered("SlowDown", "PutObject"), "the server asks for fewer requests, and did so at every retry; PutObject"),
        (
            answered(
                "PermanentRedirect",
                "PutObject",
                ResponseMetadata={"HTTPHeaders": {"x-amz-bucket-region": "eu-west-1"}},
            ),
            'bucket "models" is in region eu-west-1; PutObject',
        ),
        (answered("301", "HeadObject"), 'bucket "models" is in another region; HeadObject'),
        (answered("Teapot", "PutObject", "I am\na teapot."), "refused with Teapot: I am a teapot; PutObject"),
    ],
)
def test_each_refusal_has_its_sentence(error: Exception, sentence: str) -> None:
    explained = explain(error, "PutObject", Address("s3://models/k", region="us-east-1", profile="ci"))
    assert str(explained).startswith(f"s3://models/k: {sentence}")
    assert "region us-east-1, profile ci (" in str(explained)


def test_an_expired_sso_session_says_how_to_begin_one() -> None:
    from botocore.exceptions import UnauthorizedSSOTokenError

    explained = explain(UnauthorizedSSOTokenError(), "PutObject", Address("s3://models/k", profile="ci"))
    assert explained.message.startswith("the SSO session has expired or was not begun; PutObject ")
    assert explained.hint == "run `aws sso login --profile ci`"


# S3 as people have it: what no server on loopback does is seen in the request that leaves


def leaving(bucket: Bucket, call: str, work: Any) -> Any:
    """The request of a call, as it was about to leave."""
    from botocore.exceptions import EndpointConnectionError

    seen: list[Any] = []

    def stop(request: Any, **_: Any) -> None:
        seen.append(request)
        raise EndpointConnectionError(endpoint_url=request.url)

    bucket.client.meta.events.register(f"before-send.s3.{call}", stop)
    with pytest.raises(PanoramaError):
        work()
    return seen[0]


@pytest.mark.usefixtures("keys")
@pytest.mark.parametrize(
    ("url", "settings", "sent"),
    [
        ("s3://bucket/a", {}, "https://bucket.s3.eu-west-1.amazonaws.com/k"),
        ("s3://bucket.with.dots/a", {}, "https://s3.eu-west-1.amazonaws.com/bucket.with.dots/k"),
        ("s3://bucket/a", {"endpoint": "http://minio:9000"}, "http://minio:9000/bucket/k"),
        ("s3://bucket/a", {"endpoint": "https://store.example/s3"}, "https://store.example/s3/bucket/k"),
        (
            "s3://arn:aws:s3:us-west-2:123456789012:accesspoint/store/a",
            {},
            "https://store-123456789012.s3-accesspoint.us-west-2.amazonaws.com/k",
        ),
        (
            "s3://arn:aws:s3:us-west-2:123456789012:accesspoint:store/a",
            {},
            "https://store-123456789012.s3-accesspoint.us-west-2.amazonaws.com/k",
        ),
    ],
)
def test_a_bucket_is_found_where_it_is(url: str, settings: dict[str, str], sent: str) -> None:
    bucket = Bucket(Address(url, region="eu-west-1", **settings))  # type: ignore[arg-type]
    assert leaving(bucket, "HeadObject", lambda: bucket.head("k")).url == sent


@pytest.mark.usefixtures("keys")
def test_the_endpoint_of_the_environment_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://minio:9000")
    bucket = Bucket(Address("s3://bucket"))
    assert leaving(bucket, "HeadObject", lambda: bucket.head("k")).url == "http://minio:9000/bucket/k"
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://garage:3900")
    bucket = Bucket(Address("s3://bucket"))
    assert leaving(bucket, "HeadObject", lambda: bucket.head("k")).url == "http://garage:3900/bucket/k"


@pytest.mark.usefixtures("keys")
def test_the_requester_pays_where_it_is_said(tmp_path: Path) -> None:
    file = write(tmp_path / "a", noise(10))
    for pays in (False, True):
        for call, work in [
            ("HeadObject", lambda bucket: bucket.head("k")),
            ("GetObject", lambda bucket: list(bucket.get("k"))),
            ("PutObject", lambda bucket: bucket.put_file("k", *file)),
        ]:
            bucket = Bucket(Address("s3://bucket", endpoint="http://127.0.0.1:1", requester_pays=pays))
            request = leaving(bucket, call, partial(work, bucket))
            assert request.headers.get("x-amz-request-payer") == (b"requester" if pays else None), call


@pytest.mark.usefixtures("keys")
def test_an_acl_is_sent_for_the_bucket_that_wants_it_alone(tmp_path: Path) -> None:
    file = write(tmp_path / "a", noise(10))
    for acl in (None, "bucket-owner-full-control"):
        for call, single in (("PutObject", 100), ("CreateMultipartUpload", 0)):
            bucket = Bucket(Address("s3://bucket", endpoint="http://127.0.0.1:1"), acl=acl)
            bucket.client.meta.events.register("before-call.s3.ListMultipartUploads", no_uploads)
            request = leaving(
                bucket, call, lambda bucket=bucket, single=single: bucket.put_file("k", *file, single=single)
            )
            assert request.headers.get("x-amz-acl") == (acl and acl.encode())


def no_uploads(**_: Any) -> Any:
    """An answer in place of a request."""
    from botocore.awsrequest import AWSResponse

    head: Any = {}
    return AWSResponse("", 200, head, None), {"Uploads": []}


@pytest.mark.server
def test_an_etag_that_is_no_md5_is_not_taken_for_one(s3: Any, server: Any, key: str, tmp_path: Path) -> None:
    """With SSE-KMS an ETag is anything, and the checksum is what it was."""
    file = write(tmp_path / "a", noise(1000))

    def encrypted(request: Request, forward: Any) -> bytes:
        answer = forward(request.bytes())
        head = {**answer.head, "etag": f'"{"0" * 32}"', "x-amz-server-side-encryption": "aws:kms"}
        return Answer(answer.status, head, answer.body).bytes()

    with proxy(s3.url) as before:
        bucket = Bucket(Address(f"s3://{BUCKET}", endpoint=before.url))
        assert bucket.put_file(key, *file)
        before.arm(encrypted, "HEAD k", lasting=True)
        assert bucket.holds(key, file.sha256, file.size, file.path)
        assert before.names() == ["HEAD k"]


@pytest.mark.server
def test_a_proxy_of_the_environment_is_used(s3: Any, key: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    file = write(tmp_path / "a", noise(1000))
    with suppress(Exception):
        s3.make_bucket(BUCKET)
    with proxy(s3.url) as before:
        monkeypatch.setenv("HTTP_PROXY", before.url)
        assert Bucket(Address(f"s3://{BUCKET}")).put_file(key, *file)
        assert before.names() == ["PUT k"]
        assert before.requests[0].line.startswith(f"PUT {s3.url}/")
    assert "the proxy cannot be reached: Connection refused" in refusal(Address(f"s3://{BUCKET}"))
