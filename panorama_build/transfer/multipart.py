"""A large file on its way into a bucket, in parts.

Nothing shows until all parts are there and the bucket has checked each. What a killed run sent is not sent again: its
upload is found under the key, and a part counts when its size and digest are those of the file. So publishers of the
same bytes may even share an upload. Once the object is there, every other upload under its key is useless and ended;
whoever still works at one is told "no such upload" and finds the object.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from panorama_build.errors import PanoramaError
from panorama_build.interruption import look
from panorama_build.transfer.refusals import code_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef, PartTypeDef

MIB = 1 << 20
PART = 64 * MIB
MOST_PARTS = 10_000
AT_ONCE = 4
ABANDONED = timedelta(days=7)

# The right to list uploads is one of its own, and not every server has the call: then nothing is taken up.
_NO_LISTING = frozenset({"AccessDenied", "403", "NotImplemented", "501", "MethodNotAllowed", "405"})
# After these the parts that lie there are of no more use: other bytes arrived, or the object or upload was overtaken.
_USELESS = frozenset({"BadDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"})
TAKEN = frozenset({"PreconditionFailed", "412", "ConditionalRequestConflict", "409", "NoSuchUpload"})


@dataclass(frozen=True)
class Parts:
    """A file of ``size`` bytes cut into parts of ``part`` bytes, with the SHA-256 of each."""

    path: Path
    size: int
    part: int
    digests: tuple[bytes, ...]

    def size_of(self, index: int) -> int:
        """Bytes of the part with this index, from 0."""
        return min(self.part, self.size - index * self.part)

    def is_part(self, index: int, found: PartTypeDef) -> bool:
        """Whether a part that lies in a bucket is the one with this index.

        Its SHA-256 decides; where the bucket tells none, its ETag does, if that is the MD5 of the very bytes.
        """
        if index >= len(self.digests) or found["Size"] != self.size_of(index):
            return False
        if checksum := found.get("ChecksumSHA256"):
            return checksum == in_base64(self.digests[index])
        return found["ETag"].strip('"') == self._md5(index)

    def _md5(self, index: int) -> str:
        with self.path.open("rb") as file:
            file.seek(index * self.part)
            return hashlib.md5(file.read(self.part), usedforsecurity=False).hexdigest()


@dataclass(frozen=True)
class Multipart:
    """The upload of ``parts`` to one key. ``call`` names a call to whoever must be told that it was refused."""

    client: S3Client
    bucket: str
    key: str
    parts: Parts
    call: Callable[[str], AbstractContextManager[None]]
    settings: Mapping[str, Any]  # of the object: ACL, metadata
    payer: Mapping[str, Any]

    def put(self) -> None:
        """Send what is not there and complete the upload, on condition that the key is still free.

        Raises PanoramaError. A connection that fails leaves the parts for the next run; an interruption, and whatever
        makes them useless, ends the upload.
        """
        begun = self._begun()
        ours = [(len(parts), upload) for upload, parts in begun.items() if parts is not None]
        upload = max(ours)[1] if ours else self._begin()
        there = begun.get(upload) or {}
        try:
            self._complete(upload, self._send(upload, there))
        except BaseException as error:
            if not isinstance(error, Exception) or _is_useless(error):
                self._abort(self.key, upload)
            raise
        self._end_others()

    def _begun(self) -> dict[str, dict[int, CompletedPartTypeDef] | None]:
        """The unfinished uploads under this key: the parts of each by index, None for one that holds anything else."""
        found = {}
        folder, slash, _ = self.key.rpartition("/")
        for each in self._listed(folder + slash or self.key):
            if each["Key"] == self.key:
                sums = each.get("ChecksumAlgorithm", "SHA256") == "SHA256"
                found[each["UploadId"]] = self._parts_in(each["UploadId"]) if sums else None
            elif each["Initiated"] < _long_ago():
                self._abort_abandoned(each["Key"], each["UploadId"])
        return found

    def _listed(self, prefix: str) -> list[Any]:
        """All uploads to keys of this prefix that were begun and not ended."""
        pages = self.client.get_paginator("list_multipart_uploads")
        asked: dict[str, Any] = {"Bucket": self.bucket, "Prefix": prefix, **self.payer}
        try:
            with self.call("ListMultipartUploads"):
                return [each for page in pages.paginate(**asked) for each in page.get("Uploads", [])]
        except PanoramaError as error:
            if code_of(error) in _NO_LISTING:
                return []
            raise

    def _parts_in(self, upload: str) -> dict[int, CompletedPartTypeDef] | None:
        try:
            found = {part["PartNumber"] - 1: part for part in self._list_parts(self.key, upload)}
        except PanoramaError as error:
            if code_of(error) in _NO_LISTING | TAKEN:
                return None
            raise
        if not all(self.parts.is_part(index, part) for index, part in found.items()):
            return None
        return {index: self._completed(index, part["ETag"]) for index, part in found.items()}

    def _list_parts(self, key: str, upload: str) -> Iterator[PartTypeDef]:
        pages = self.client.get_paginator("list_parts")
        with self.call("ListParts"):
            for page in pages.paginate(Bucket=self.bucket, Key=key, UploadId=upload, **self.payer):
                yield from page.get("Parts", [])

    def _begin(self) -> str:
        with self.call("CreateMultipartUpload"):
            return self.client.create_multipart_upload(
                Bucket=self.bucket, Key=self.key, ChecksumAlgorithm="SHA256", **self.settings, **self.payer
            )["UploadId"]

    def _send(self, upload: str, there: Mapping[int, CompletedPartTypeDef]) -> list[CompletedPartTypeDef]:
        def part(index: int) -> CompletedPartTypeDef:
            return there[index] if index in there else self._send_part(upload, index)

        with ThreadPoolExecutor(AT_ONCE) as pool:
            return list(pool.map(part, range(len(self.parts.digests))))

    def _send_part(self, upload: str, index: int) -> CompletedPartTypeDef:
        from s3transfer.utils import ReadFileChunk

        place = (str(self.parts.path), index * self.parts.part, self.parts.size_of(index))
        with self.call("UploadPart"), ReadFileChunk.from_filename(*place, callbacks=[_look]) as chunk:
            body: Any = chunk  # a file to read from, in all but its type
            answer = self.client.upload_part(
                Bucket=self.bucket,
                Key=self.key,
                UploadId=upload,
                PartNumber=index + 1,
                Body=body,
                ChecksumSHA256=in_base64(self.parts.digests[index]),
                **self.payer,
            )
        return self._completed(index, answer["ETag"])

    def _completed(self, index: int, etag: str) -> CompletedPartTypeDef:
        return {"PartNumber": index + 1, "ETag": etag, "ChecksumSHA256": in_base64(self.parts.digests[index])}

    def _complete(self, upload: str, parts: list[CompletedPartTypeDef]) -> None:
        with self.call("CompleteMultipartUpload"):
            self.client.complete_multipart_upload(
                Bucket=self.bucket,
                Key=self.key,
                UploadId=upload,
                MultipartUpload={"Parts": parts},
                IfNoneMatch="*",
                **self.payer,
            )

    def _end_others(self) -> None:
        """End what is left under this key: the object is there, and nothing can be completed any more."""
        with suppress(PanoramaError):
            for each in self._listed(self.key):
                if each["Key"] == self.key:
                    self._abort(self.key, each["UploadId"])

    def _abort(self, key: str, upload: str) -> None:
        # What cannot be ended costs space there, but the first error is the one to tell.
        with suppress(Exception):
            self.client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload, **self.payer)

    def _abort_abandoned(self, key: str, upload: str) -> None:
        """End an upload to another key of this folder, unless a part of it is young."""
        with suppress(Exception):
            if all(part["LastModified"] < _long_ago() for part in self._list_parts(key, upload)):
                self._abort(key, upload)


def _look(bytes_transferred: int) -> None:
    look()


def _is_useless(error: Exception) -> bool:
    """Whether what was sent before this error helps nobody any more."""
    return isinstance(error, OSError) or code_of(error) in _USELESS | TAKEN


def _long_ago() -> datetime:
    return datetime.now(timezone.utc) - ABANDONED


def in_base64(digest: bytes) -> str:
    """A digest as S3 writes it."""
    return base64.b64encode(digest).decode("ascii")


def part_size(size: int, part: int = PART) -> int:
    """Bytes of each part of a multipart upload of ``size`` bytes, in whole MiB when it must grow beyond ``part``.

    S3 takes 10,000 parts at most: https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
    """
    if size <= part * MOST_PARTS:
        return part
    return -(-size // (MOST_PARTS * MIB)) * MIB


def composite(digests: Iterable[bytes]) -> str:
    """What S3 tells as the SHA-256 of an object made of parts with these digests."""
    known = list(digests)
    return f"{in_base64(hashlib.sha256(b''.join(known)).digest())}-{len(known)}"
