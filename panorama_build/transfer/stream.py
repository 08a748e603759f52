"""Bytes on their way to this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple


class Stream(NamedTuple):
    """The bytes of one version of something, from some place in it to its end.

    ``start`` is the place of the first byte in the whole, ``size`` the number of bytes of the whole, None where it is
    not announced. ``tag`` tells this version from any other, so that a later stream can go on with it; None where the
    source has nothing of the kind.
    """

    pieces: Iterator[bytes]
    start: int = 0
    size: int | None = None
    tag: str | None = None
