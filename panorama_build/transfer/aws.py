"""What is said to AWS and to S3 servers like it, and what their refusals mean.

The only user of boto3. It is imported inside the functions that need it, because it costs 0.3 s.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from panorama_build.address import Address, parse_s3_url, silence
from panorama_build.errors import PanoramaError
from panorama_build.files import digest_of, read
from panorama_build.transfer.multipart import MIB, PART, TAKEN, Multipart, Parts, composite, in_base64, part_size
from panorama_build.transfer.refusals import code_of, explain, explained
from panorama_build.transfer.stream import Stream

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.literals import ObjectCannedACLType
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

SINGLE_PUT = 256 * MIB
RANGE = 8 * MIB
AT_ONCE = 8
ANNOUNCED = "sha256"  # the member of an object's metadata that holds the digest of all its bytes, in hex

_AGAIN = "build it again"
ABSENT = frozenset({"404", "NoSuchKey", "NotFound"})
_EMPTY = frozenset({"InvalidRange", "416"})  # of an empty object no byte can be asked for by its place
_OTHER = frozenset({"PreconditionFailed", "412"})
# Someone else's conditional request, or end of the upload, came between: the key may still be free.
_CROSSED = frozenset({"ConditionalRequestConflict", "409", "NoSuchUpload"})


class Head(NamedTuple):
    """What a bucket says of an object: its bytes, the SHA-256 that S3 keeps, and the one its writer announced.

    ``checksum`` is in base64, "<digest of the parts' digests>-<parts>" when the object was put in parts; ``announced``
    is in hex, from the object's own metadata.
    """

    size: int
    checksum: str | None
    announced: str | None = None


def s3_client(address: Address, patience: float | None = None) -> S3Client:
    """A low-level S3 client for ``address``; raises PanoramaError when it cannot be made.

    ``patience`` is the longest silence that it bears, in seconds, and what is asked then is asked no third time.

    Buckets go into the path, not the host name, where an endpoint is given: a server of one's own rarely has a name
    for each bucket in DNS.
    """
    import boto3
    from botocore.config import Config

    by_path = address.endpoint_used() and not parse_s3_url(address.url).bucket.startswith("arn:")
    config = Config(
        connect_timeout=min(10.0, patience or silence()),
        read_timeout=patience or silence(),
        retries={"mode": "standard", "total_max_attempts": 2} if patience else {"mode": "standard"},
        max_pool_connections=32,
        s3={"addressing_style": "path"} if by_path else None,
    )
    with explained("CreateClient", address):
        session = boto3.Session(profile_name=address.profile, region_name=address.region_used())
        try:
            return session.client("s3", endpoint_url=address.endpoint, config=config)
        except ValueError as error:
            raise explain(error, "CreateClient", address) from error


class Bucket:
    """The bucket of an ``s3://`` address. Opening it asks nothing; the client is made at the first call.

    All methods take whole keys, may be called from several threads, and raise PanoramaError for every refusal and
    fault. "Not there" is read from the error code of an absent key alone. ``acl`` is the canned ACL of what is put: a
    bucket of another account may want ``bucket-owner-full-control``, and most buckets today take none at all.
    """

    def __init__(
        self, address: Address, *, acl: ObjectCannedACLType | None = None, patience: float | None = None
    ) -> None:
        self.address = address
        self._patience = patience
        self._acl: dict[str, Any] = {"ACL": acl} if acl else {}
        self._payer: dict[str, Any] = {"RequestPayer": "requester"} if address.requester_pays else {}
        self.name = parse_s3_url(address.url).bucket
        self._lock = threading.Lock()
        self._client: S3Client | None = None
        self._exists = False

    @property
    def client(self) -> S3Client:
        """The client of this bucket, one for all threads."""
        with self._lock:
            if self._client is None:
                self._client = s3_client(self.address, self._patience)
            return self._client

    def head(self, key: str) -> Head | None:
        """Size and checksum of an object, None when there is none."""
        with self._call("HeadObject", key):
            try:
                answer = self.client.head_object(Bucket=self.name, Key=key, ChecksumMode="ENABLED", **self._payer)
            except Exception as error:
                if self._absent(error, key):
                    return None
                raise
            announced = answer.get("Metadata", {}).get(ANNOUNCED)
            return Head(answer["ContentLength"], answer.get("ChecksumSHA256"), announced)

    def holds(self, key: str, sha256: str, size: int, path: Path, *, part: int = PART) -> bool:
        """Whether the object is there with this size and these bytes.

        The SHA-256 that S3 keeps is compared. For an object made of parts it is no digest of the whole: there the one
        that its writer announced counts, since S3 checked every part against the writer's. Where that does not settle
        it, it is made again from the file at ``path``; and where there is none at all (put by other tools, or on
        servers without checksums), the object is read.
        """
        head = self.head(key)
        if head is None or head.size != size:
            return False
        if head.checksum and "-" not in head.checksum:
            return head.checksum == in_base64(bytes.fromhex(sha256))
        if head.checksum and head.announced:
            return head.announced == sha256
        if head.checksum and head.checksum == _checksum_of_parts(path, sha256, size, part):
            return True
        return self._read_sha256(key) == sha256

    def put_file(
        self, key: str, path: Path, sha256: str, size: int, *, single: int = SINGLE_PUT, part: int = PART
    ) -> bool:
        """Put a file that is ``size`` bytes and has this ``sha256``; True when it was put, False when it was there.

        Nothing is ever overwritten: an object with other bytes under this key is an error. Up to ``single`` bytes go in
        one request, more in parts of ``part`` bytes (S3 wants 5 MiB at least), which a later call goes on with. The
        file is checked before, and S3 checks each request's SHA-256, so that no other bytes appear under the key.
        """
        whole = size <= single
        put = self._put_whole if whole else partial(self._put_parts, size=size, part=part_size(size, part))
        for tries_left in (2, 1, 0):
            try:
                put(key, path, sha256)
                return True
            except Exception as error:
                if code_of(error) not in TAKEN:
                    raise
                if self.head(key) is not None:
                    break
                if not (tries_left and code_of(error) in _CROSSED):
                    raise
        self._verify_taken(key, sha256, size, path, part)
        return False

    def get(self, key: str, version: str | None = None) -> Iterator[bytes]:
        """The bytes of an object in pieces, all of one version; see ``open``."""
        yield from self.open(key, version).pieces

    def open(self, key: str, version: str | None = None, *, at: int = 0, tag: str | None = None) -> Stream:
        """An object from byte ``at`` on if its ETag is still ``tag``, else from its start.

        It comes in ranges of 8 MiB, some at a time, each on condition that the object is still the same. A connection
        that breaks is taken up where it broke, as long as there is progress.
        """
        asked = {**self._payer, **({"VersionId": version} if version else {})}
        with self._call("GetObject", key):
            try:
                first = self._range(key, asked | ({"IfMatch": tag} if tag else {}), at, at + RANGE)
            except Exception as error:
                if code_of(error) in _EMPTY and not at:
                    first = self.client.get_object(Bucket=self.name, Key=key, **asked)
                elif code_of(error) in _EMPTY | _OTHER and at:
                    return self.open(key, version)
                else:
                    raise
        start, size = _place(first)
        if start != at:
            first["Body"].close()
            return self.open(key, version)
        pieces = self._in_ranges(key, asked | {"IfMatch": first["ETag"]}, first, start, size)
        return Stream(pieces, start, size, first["ETag"])

    def _in_ranges(
        self, key: str, bound: Mapping[str, Any], first: GetObjectOutputTypeDef, start: int, size: int
    ) -> Iterator[bytes]:
        """All pieces from ``start``, in order: a few ranges are on their way at any time."""
        end = start + first["ContentLength"]
        yield from self._pieces(key, bound, start, end, first)
        if end == size:
            return
        with ThreadPoolExecutor(AT_ONCE) as pool:
            waiting: deque[Future[bytes]] = deque()
            try:
                for begin in range(end, size, RANGE):
                    waiting.append(pool.submit(self._whole_range, key, bound, begin, min(begin + RANGE, size)))
                    if len(waiting) > AT_ONCE:
                        yield waiting.popleft().result()
                while waiting:
                    yield waiting.popleft().result()
            finally:
                pool.shutdown(wait=True, cancel_futures=True)

    def _whole_range(self, key: str, bound: Mapping[str, Any], start: int, end: int) -> bytes:
        return b"".join(self._pieces(key, bound, start, end))

    def _pieces(
        self, key: str, bound: Mapping[str, Any], start: int, end: int, answer: GetObjectOutputTypeDef | None = None
    ) -> Iterator[bytes]:
        """The bytes from ``start`` to ``end``, the first of them in ``answer`` if it is given."""
        from botocore.exceptions import HTTPClientError, IncompleteReadError

        tries = 2
        with self._call("GetObject", key):
            while start < end:
                begun, answer = start, answer or self._range(key, bound, start, end)
                try:
                    for piece in answer["Body"].iter_chunks(MIB):
                        start += len(piece)
                        yield piece
                except (HTTPClientError, IncompleteReadError):
                    tries = tries - 1 if start == begun else 2
                    if not tries:
                        raise
                else:
                    if start == begun or start > end:
                        raise self._error(key, f"answered {start - begun:,} bytes of {end - begun:,}")
                answer = None

    def _range(self, key: str, bound: Mapping[str, Any], start: int, end: int) -> GetObjectOutputTypeDef:
        answer = self.client.get_object(Bucket=self.name, Key=key, Range=f"bytes={start}-{end - 1}", **bound)
        if start and _place(answer)[0] != start:
            raise self._error(key, f"does not answer from byte {start:,} on")
        return answer

    def remove(self, key: str) -> None:
        """Remove an object; where there is none, nothing happens."""
        with self._call("DeleteObject", key):
            self.client.delete_object(Bucket=self.name, Key=key, **self._payer)

    def list(self, prefix: str) -> Iterator[tuple[str, int, float]]:
        """Every object whose key begins with ``prefix``: key, size, and the time of its upload since 1970."""
        with self._call("ListObjectsV2", prefix):
            pages = self.client.get_paginator("list_objects_v2").paginate(
                Bucket=self.name, Prefix=prefix, **self._payer
            )
            for page in pages:
                for each in page.get("Contents", ()):
                    yield each["Key"], each["Size"], each["LastModified"].timestamp()

    def _absent(self, error: Exception, key: str) -> bool:
        """Whether a refused HEAD means that there is no such key; raises the refusal in words when it does not.

        The answer to HEAD has no body: 404 may be a missing bucket, 403 may be six things. The same question as a GET
        has one.
        """
        if code_of(error) in ABSENT and self._exists:
            return True
        if not code_of(error).isdigit():
            return False
        try:
            self.client.get_object(Bucket=self.name, Key=key, Range="bytes=0-0", **self._payer)
        except Exception as worded:
            if code_of(worded) not in ABSENT:
                raise
            self._exists = True
            return True
        # A HEAD that is behind the times: what is put on condition will find the object.
        return code_of(error) in ABSENT

    def _read_sha256(self, key: str) -> str:
        return digest_of(self.get(key))

    def _error(self, key: str, message: str) -> PanoramaError:
        return PanoramaError(f"the server {message}", where=f"s3://{self.name}/{key}", hint="run again")

    def _verify_taken(self, key: str, sha256: str, size: int, path: Path, part: int) -> None:
        if not self.holds(key, sha256, size, path, part=part):
            raise PanoramaError(
                "other bytes lie under this name, and nothing is ever overwritten",
                where=f"s3://{self.name}/{key}",
                hint="delete that object and publish again",
            )

    def _put_whole(self, key: str, path: Path, sha256: str) -> None:
        _verify(path, sha256)
        checksum = in_base64(bytes.fromhex(sha256))
        with self._call("PutObject", key), path.open("rb") as file:
            self.client.put_object(
                Bucket=self.name,
                Key=key,
                Body=file,
                ChecksumSHA256=checksum,
                IfNoneMatch="*",
                Metadata={ANNOUNCED: sha256},
                **self._acl,
                **self._payer,
            )

    def _put_parts(self, key: str, path: Path, sha256: str, *, size: int, part: int) -> None:
        parts = Parts(path, size, part, _part_digests(path, sha256, part))
        settings = {"Metadata": {ANNOUNCED: sha256}, **self._acl}
        Multipart(self.client, self.name, key, parts, lambda call: self._call(call, key), settings, self._payer).put()

    @contextmanager
    def _call(self, call: str, key: str) -> Iterator[None]:
        meta = self.client.meta
        there = replace(
            self.address, url=f"s3://{self.name}/{key}", endpoint=meta.endpoint_url, region=meta.region_name
        )
        with explained(call, there):
            yield


def _place(answer: GetObjectOutputTypeDef) -> tuple[int, int]:
    """Where an answer begins in its object, and the size of that."""
    told = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", answer.get("ContentRange") or "")
    return (int(told[1]), int(told[2])) if told else (0, answer["ContentLength"])


def _damaged(path: Path, found: str, sha256: str) -> PanoramaError:
    message = f"{found}, not the {sha256} that its name or its plan promises"
    return PanoramaError(message, where=str(path), hint="it is damaged or was changed: delete it and build again")


def _verify(path: Path, sha256: str) -> None:
    found = digest_of(read(path, hint=_AGAIN))
    if found != sha256:
        raise _damaged(path, f"sha256 is {found}", sha256)


def _part_digests(path: Path, sha256: str, part: int) -> tuple[bytes, ...]:
    """The SHA-256 of each part of a file whose own must be ``sha256``."""
    whole, digests = hashlib.sha256(), []
    for piece in read(path, part, _AGAIN):
        whole.update(piece)
        digests.append(hashlib.sha256(piece).digest())
    if whole.hexdigest() != sha256:
        raise _damaged(path, f"sha256 is {whole.hexdigest()}", sha256)
    return tuple(digests)


def _checksum_of_parts(path: Path, sha256: str, size: int, part: int) -> str | None:
    """What S3 would answer for the file put in parts; None when the file is not what it should be."""
    try:
        return composite(_part_digests(path, sha256, part_size(size, part)))
    except PanoramaError:
        return None
