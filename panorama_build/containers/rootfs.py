"""The engine's tar of a root file system, made the same everywhere.

Two exports of one image differ in times, and in what the engine puts into a container to run it. Both are levelled here
by patching the headers as they pass by. Format: POSIX.1-2017, pax, and GNU tar's manual, "Basic Tar Format".
"""

from __future__ import annotations

import os
import re
import tarfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from panorama_build.containers.context import DOCKERFILE, EPOCH
from panorama_build.errors import PanoramaError

_INJECTED = frozenset(
    {
        b".dockerenv",
        b"dev/console",
        b"dev/pts",
        b"dev/shm",
        b"etc/hostname",
        b"etc/hosts",
        b"etc/mtab",
        b"etc/resolv.conf",
    }
)
"""What ``docker export`` adds, or empties where the image has its own; ``buildx --output type=tar`` gives the image's.
No container ever sees the image's own, as each is mounted over. Without them, both ways give the same bytes."""

_TOUCHED = frozenset({b"dev", b"etc", b"proc", b"sys"})
"""Directories that get a new time, or come to be, when the engine makes a container."""

_HOST_RECORDS = frozenset({b"atime", b"ctime", b"uname", b"gname", b"SCHILY.xattr.security.selinux"})
"""Pax records that tell of the machine and not of the image."""

_BLOCK = tarfile.BLOCKSIZE
_ZEROS = bytes(_BLOCK)
_LONGEST_EXTENSION = 1 << 20
_ELF_HEAD = 20
_FILES = frozenset({b"\0", b"0", b"7", b"S"})
_WITHOUT_CONTENT = frozenset({b"1", b"2", b"3", b"4", b"5", b"6"})


def normalised(stream: Iterable[bytes], machines: Counter[int]) -> Iterator[memoryview | bytes]:
    """The pieces of the normalised tar of ``stream``; counts executable files by ELF e_machine in ``machines``.

    Left out: what the engine injects, the context's Dockerfile, the root itself. Raises PanoramaError if the stream
    ends early or is no tar, or has a hard link to what is left out.
    """
    return _normalised(_Source(stream), machines)


class _Source:
    """The engine's stream, of which exact numbers of bytes can be taken."""

    def __init__(self, stream: Iterable[bytes]) -> None:
        self._chunks = iter(stream)
        self._chunk = memoryview(b"")

    def take(self, count: int) -> bytes:
        return b"".join(self.pieces(count))

    def pieces(self, count: int) -> Iterator[memoryview]:
        while count:
            while not self._chunk:
                self._chunk = memoryview(self._next())
            piece, self._chunk = self._chunk[:count], self._chunk[count:]
            count -= len(piece)
            yield piece

    def skip(self, count: int) -> None:
        for _ in self.pieces(count):
            pass

    def drain(self) -> None:
        # An engine that cannot write the rest would report a broken pipe instead of success.
        for _ in self._chunks:
            pass

    def _next(self) -> bytes:
        for chunk in self._chunks:
            return chunk
        raise PanoramaError("the engine's stream ended early, before the end of the root file system", hint="run again")


def _normalised(source: _Source, machines: Counter[int]) -> Iterator[memoryview | bytes]:
    """The pieces of the normalised tar; counts ELF files in ``machines`` as they pass."""
    while entry := _next_entry(source):
        if _is_left_out(entry.name):
            source.skip(entry.padded_size)
            continue
        _refuse_link_to_nothing(entry)
        yield _patched(entry)
        if entry.is_program:
            head = source.take(min(entry.size, _ELF_HEAD))
            _count(head, machines)
            yield head
            yield from source.pieces(entry.padded_size - len(head))
        else:
            yield from source.pieces(entry.padded_size)
    source.drain()
    yield 2 * _ZEROS


@dataclass
class _Entry:
    """One entry of a tar: its header, and the extensions before it."""

    header: bytearray
    records: dict[bytes, bytes] = field(default_factory=dict)
    """Pax records, by keyword."""
    long: dict[bytes, bytes] = field(default_factory=dict)
    """GNU's long names (type L) and link targets (type K)."""
    sparse_map: bytes = b""
    """What an old GNU sparse file has between its header and its contents."""

    @property
    def type(self) -> bytes:
        return bytes(self.header[156:157])

    @property
    def size(self) -> int:
        if self.type in _WITHOUT_CONTENT:
            return 0
        return _integer(self.records[b"size"]) if b"size" in self.records else _number(self.header[124:136])

    @property
    def padded_size(self) -> int:
        return self.size + -self.size % _BLOCK

    @property
    def name(self) -> bytes:
        """The path without a slash at either end, and without a leading "./"."""
        return _plain(self.written_name).rstrip(b"/")

    @property
    def written_name(self) -> bytes:
        header_name = _text(self.header[:100])
        # The field of the prefix holds times in GNU's format, and nothing in the oldest.
        prefix = _text(self.header[345:500]) if self.header[257:263] == b"ustar\0" else b""
        short_name = prefix + b"/" + header_name if prefix else header_name
        return self.records.get(b"path") or self.long.get(b"L") or short_name

    @property
    def target(self) -> bytes:
        return self.records.get(b"linkpath") or self.long.get(b"K") or _text(self.header[157:257])

    @property
    def is_program(self) -> bool:
        return self.type in _FILES and self.type != b"S" and bool(_number(self.header[100:108]) & 0o111)


def _next_entry(source: _Source) -> _Entry | None:
    """The next header together with its extensions; None at the end of the archive."""
    records: dict[bytes, bytes] = {}
    long: dict[bytes, bytes] = {}
    while header := _next_header(source):
        entry = _Entry(header, records, long)
        match entry.type:
            case b"x":
                records |= _parsed(_extension(source, entry))
            case b"L" | b"K":
                long[entry.type] = _text(_extension(source, entry))
            case b"S":
                return _Entry(header, records, long, _sparse_map(source, header))
            case kind if kind in _FILES or kind in _WITHOUT_CONTENT:
                return entry
            case kind:
                raise _malformed(f"an entry of the unknown type {kind!r}")
    if records or long:
        raise _malformed("an extension that extends nothing")
    return None


def _next_header(source: _Source) -> bytearray | None:
    header = bytearray(source.take(_BLOCK))
    if header != _ZEROS:
        if _checksum(header) != _number(header[148:156]):
            raise _malformed("a header with a wrong checksum")
        return header
    if source.take(_BLOCK) != _ZEROS:
        raise _malformed("a lone block of zeros")
    return None


def _extension(source: _Source, entry: _Entry) -> bytes:
    size = _number(entry.header[124:136])
    if size > _LONGEST_EXTENSION:
        raise _malformed(f"an extension of {size} bytes")
    return source.take(size + -size % _BLOCK)[:size]


def _sparse_map(source: _Source, header: bytearray) -> bytes:
    blocks, more = [], header[482]
    while more:
        blocks.append(source.take(_BLOCK))
        more = blocks[-1][504]
    return b"".join(blocks)


def _is_left_out(name: bytes) -> bool:
    return name in _INJECTED or name in (b"", b".") or name.rpartition(b"/")[2] == os.fsencode(DOCKERFILE)


def _refuse_link_to_nothing(entry: _Entry) -> None:
    target = _plain(entry.target)
    if entry.type == b"1" and _is_left_out(target):
        message = f"is a hard link to {_shown(target)}, which no asset contains"
        raise PanoramaError(message, where=_shown(entry.name), hint="copy the file instead")


def _patched(entry: _Entry) -> bytes:
    """The normalised header of an entry, with its extensions."""
    _patch_names(entry)
    _patch_time(entry)
    _patch_owner_and_mode(entry)
    extensions = [_long(kind, value) for kind, value in sorted(entry.long.items())]
    records = {key: value for key, value in entry.records.items() if key not in _HOST_RECORDS}
    if records:
        extensions.append(_pax(records))
    entry.header[148:156] = b"%06o\0 " % _checksum(entry.header)
    return b"".join([*extensions, entry.header, entry.sparse_map])


def _patch_names(entry: _Entry) -> None:
    _patch_name(entry, entry.written_name, b"path", b"L", slice(0, 100))
    if entry.type == b"1":
        _patch_name(entry, entry.target, b"linkpath", b"K", slice(157, 257))


def _patch_name(entry: _Entry, name: bytes, keyword: bytes, kind: bytes, place: slice) -> None:
    plain = _plain(name)
    if plain == name:
        return
    if keyword in entry.records:
        entry.records[keyword] = plain
    elif kind in entry.long or len(plain) > 100:
        entry.long[kind] = plain
    else:
        entry.header[place] = plain.ljust(100, b"\0")
    if keyword == b"path" and entry.header[257:263] == b"ustar\0":
        entry.header[345:500] = bytes(155)


def _patch_time(entry: _Entry) -> None:
    written = _number(entry.header[136:148])
    time = _integer(entry.records[b"mtime"]) if b"mtime" in entry.records else written
    if time >= EPOCH or entry.name in _TOUCHED:
        time = EPOCH
        entry.records.pop(b"mtime", None)
    if time != written and time >= 0:
        entry.header[136:148] = b"%011o\0" % time
    if entry.header[257:265] == b"ustar  \0":
        # GNU's times of last access and last change.
        entry.header[345:369] = bytes(24)


def _patch_owner_and_mode(entry: _Entry) -> None:
    # Above the permissions, 20.10 writes the type of the file.
    entry.header[100:108] = b"%07o\0" % (_number(entry.header[100:108]) & 0o7777)
    if entry.header[257:262] == b"ustar":
        entry.header[265:329] = bytes(64)


def _pax(records: Mapping[bytes, bytes]) -> bytes:
    payload = b"".join(_record(key, value) for key, value in sorted(records.items()))
    return _extension_entry("././@PaxHeader", b"x", payload, tarfile.USTAR_FORMAT)


def _record(key: bytes, value: bytes) -> bytes:
    """``b"<length> <key>=<value>\\n"``, where the length counts its own digits."""
    rest = len(key) + len(value) + 3
    length = rest + len(str(rest))
    length = rest + len(str(length))
    return b"%d %s=%s\n" % (length, key, value)


def _long(kind: bytes, value: bytes) -> bytes:
    return _extension_entry("././@LongLink", kind, value + b"\0", tarfile.GNU_FORMAT)


def _extension_entry(name: str, kind: bytes, payload: bytes, tar_format: Literal[0, 1]) -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size = kind, 0, len(payload)
    return info.tobuf(tar_format) + payload + bytes(-len(payload) % _BLOCK)


def _parsed(payload: bytes) -> dict[bytes, bytes]:
    """The pax records in the contents of an extended header."""
    records = {}
    while payload:
        digits, blank, _ = payload.partition(b" ")
        length = _integer(digits)
        key, equals, value = payload[len(digits) + 1 : length].partition(b"=")
        if not (blank and equals and value.endswith(b"\n")):
            raise _malformed("a pax record that is none")
        records[key] = value[:-1]
        payload = payload[length:]
    return records


def _count(head: bytes, machines: Counter[int]) -> None:
    if head.startswith(b"\x7fELF") and len(head) == _ELF_HEAD:
        machines[int.from_bytes(head[18:20], "big" if head[5] == 2 else "little")] += 1


def _plain(name: bytes) -> bytes:
    return re.sub(rb"\A(?:\.?/)+", b"", name)


def _text(field: bytes | bytearray) -> bytes:
    return bytes(field).partition(b"\0")[0]


def _checksum(header: bytearray) -> int:
    """The sum of a header's bytes, its own field counted as blanks."""
    return sum(header) - sum(header[148:156]) + 8 * ord(" ")


def _number(field: bytes | bytearray) -> int:
    """A numeric field: octal digits, or GNU's base 256 where the first bit is set."""
    if field[0] == 0xFF:
        return int.from_bytes(field, "big", signed=True)
    if field[0] == 0x80:
        return int.from_bytes(field[1:], "big")
    try:
        return int(_text(field).strip() or b"0", 8)
    except ValueError:
        raise _malformed(f"{bytes(field)!r} instead of a number") from None


def _integer(value: bytes) -> int:
    """A decimal pax value without its fraction."""
    try:
        return int(value.partition(b".")[0])
    except ValueError:
        raise _malformed(f"{value!r} instead of a number") from None


def _malformed(what: str) -> PanoramaError:
    return PanoramaError(f"the engine's stream is no readable tar: {what}", hint="run again")


def _shown(name: bytes) -> str:
    return name.decode("utf-8", "backslashreplace")
