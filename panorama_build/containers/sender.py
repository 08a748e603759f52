"""The build context on its way to the engine."""

from __future__ import annotations

import threading
from typing import IO, BinaryIO, cast

from panorama_build.containers.container import Container
from panorama_build.errors import PanoramaError


class Sender(threading.Thread):
    """Sends a context beside the build; ``sent`` fills with the digests of what went out."""

    def __init__(self, container: Container, out: IO[bytes]) -> None:
        super().__init__()
        self.container = container
        self.out = out
        self.sent: dict[str, str] = {}
        self.error: PanoramaError | None = None
        self.start()

    def run(self) -> None:
        """Send it all. A build that ended early has its own reason, so a closed pipe is none."""
        try:
            with self.out:
                self.sent.update(self.container.send(cast(BinaryIO, self.out)))
        except BrokenPipeError:
            pass
        except PanoramaError as error:
            self.error = error
