"""The end of a run that someone asks for: Ctrl-C, SIGTERM, a terminal that closes.

What is under way is broken off, what was begun is cleared away, what is finished stays. A run that does not end in
order within ``PATIENCE`` seconds ends like a killed one, and the next run clears away.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import FrameType

PATIENCE = 1.5

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_NOBODYS = (signal.SIG_DFL, signal.default_int_handler)  # whoever ignores or takes a signal has a reason

_asked = threading.Event()
_breaks: list[Callable[[], None]] = []
_at_work: set[int] = set()
_status = 0


class Interrupted(SystemExit):
    """The run is to end: raised in the threads that look."""


@cache
def obey() -> None:
    """End this process in order when it is asked to; its exit status is 128 and the signal's number."""
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            if signal.getsignal(number) in _NOBODYS:
                signal.signal(number, _end)
        threading.Thread(target=_lose_patience, daemon=True).start()


def end_with_reader() -> None:
    """End without a word when nobody reads on, as in `doit list | head`: for what changes nothing, and asks nobody."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def is_asked() -> bool:
    """Whether the run is to end."""
    return _asked.is_set()


def is_at_work() -> bool:
    """Whether something that was begun is not cleared away."""
    return bool(_at_work)


def look() -> None:
    """Raise Interrupted if the run is to end. Loops over the pieces of anything large look at each."""
    if is_asked():
        raise Interrupted(_status)


def pause(seconds: float) -> None:
    """Sleep, unless the run is to end, which raises Interrupted."""
    until = time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        look()
        time.sleep(min(left, 0.2))


@contextmanager
def broken_off_by(action: Callable[[], None]) -> Iterator[None]:
    """Have an interruption call ``action``, which must make fail what the block waits for."""
    _breaks.append(action)
    try:
        yield
    finally:
        _breaks.remove(action)


@contextmanager
def work() -> Iterator[None]:
    """Have an interruption wait until the block has cleared away what it began."""
    _at_work.add(threading.get_ident())
    try:
        yield
    finally:
        _at_work.discard(threading.get_ident())


def _end(number: int, _frame: FrameType | None) -> None:
    """Runs in the main thread, between any two steps of it, so it must wait for no lock."""
    global _status
    if _asked.is_set():
        os._exit(_status)
    _status = 128 + number
    _asked.set()
    for action in _breaks.copy():
        with suppress(Exception):
            action()
    until = time.monotonic() + PATIENCE / 2
    while _at_work - {threading.get_ident()} and time.monotonic() < until:
        time.sleep(0.02)
    with suppress(OSError):
        os.write(2, b"interrupted\n")
    raise Interrupted(_status)


def _lose_patience() -> None:
    _asked.wait()
    time.sleep(PATIENCE)
    os._exit(_status)
