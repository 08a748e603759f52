"""What a run writes for people."""

from __future__ import annotations

import os
import sys
import threading
from typing import IO

_turn = threading.Lock()


def tell(stream: IO[str], text: str) -> None:
    """Write whole lines, one thread's after the other's.

    Where they can't be written any more, the run goes on without: its work does not depend on its reader.
    """
    with _turn:
        try:
            stream.write(text)
            stream.flush()
        except OSError as error:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if not isinstance(error, BrokenPipeError):
                sys.stderr.write(f"the run goes on, but what it says can't be written: {error.strerror}\n")
