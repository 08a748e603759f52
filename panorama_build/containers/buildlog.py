"""The log of a container's build."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from panorama_build.containers.context import DOCKERFILE
from panorama_build.errors import PanoramaError

TAIL = 15  # lines of a failed build among which its cause is looked for


class BuildLog:
    """The lines of a build: kept in a file, said as they come, the last remembered for a failure."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self.path = path
        self.say = say
        self.tail: deque[str] = deque(maxlen=TAIL)

    def __enter__(self) -> BuildLog:
        try:
            self.path.parent.mkdir(0o700, parents=True, exist_ok=True)  # a build may print what is secret
            self.file = self.path.open("w", encoding="utf-8", errors="replace")
        except OSError as error:
            raise PanoramaError(f"the build log can't be written: {error.strerror}", where=str(self.path)) from None
        return self

    def __exit__(self, *exception: object) -> None:
        with suppress(OSError):
            self.file.close()

    def write(self, text: str) -> None:
        """Take one or more lines."""
        for line in text.replace(DOCKERFILE, "Dockerfile").splitlines():
            if line.strip():
                with suppress(OSError):  # a full disk ends the log, and fails the build where its asset is written
                    self.file.write(f"{line.rstrip()}\n")
                    self.file.flush()
                self.tail.append(line.rstrip())
                self.say(line.rstrip())

    def read(self, stream: IO[bytes]) -> None:
        """Take all lines of a stream, as they come."""
        with stream:
            for line in stream:
                self.write(line.decode("utf-8", "replace"))

    def event(self, event: Mapping[str, Any]) -> None:
        """Take an event of the classic builder; a failure is raised."""
        self.write(str(event.get("stream") or ""))
        if "error" in event:
            self.write(str(event["error"]))
            raise self.failure()
        if "status" in event and "progress" not in event:
            self.write(" ".join(str(event[key]) for key in ("id", "status") if event.get(key)))

    def failure(self) -> PanoramaError:
        """The error of a build that failed here."""
        cause = next((line for line in reversed(self.tail) if re.search(r"(?i)\berror\b|failed|denied", line)), None)
        message = "the build failed" + (f": {cause.removeprefix('ERROR: ')}" if cause else "")
        return PanoramaError(message, hint=f"the whole log: {os.path.relpath(self.path)}")
