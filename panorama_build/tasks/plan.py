"""What a run would do, with nothing done: each task is asked for its decision as the ones before would leave it.

A task behind a container that is yet to be built can't know what it will find: it comes *after* that task, and what it
does then may be less than it says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from panorama_build.errors import PanoramaError
from panorama_build.steps.decision import Decision, Files, Upload
from panorama_build.transfer.publication import RemoteError

CURRENT = "up-to-date"


@dataclass(frozen=True)
class Status:
    """What doit says of a task: whether it would start it, and why; ``error`` is what would keep it from that."""

    runs: bool
    reasons: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class Work:
    """A task as far as a plan needs it.

    ``decide`` gets the files that earlier tasks would leave, and those that they would leave with what nobody knows.
    ``status`` asks doit, which takes each file given to ``foresee`` for one that holds that already.
    """

    name: str
    needs: frozenset[str]
    targets: tuple[str, ...]
    decide: Callable[[Files, Mapping[Path, str]], Decision]
    asks_remote: bool
    status: Callable[[], Status]


@dataclass(frozen=True)
class Planned:
    """What would become of a task.

    ``verb`` is the one that the run will tell, or ``up-to-date``, ``failed``, ``skipped``; ``after`` are the tasks on
    whose result it depends whether it is even run; ``unasked`` says why the remote's part of the answer is missing.
    """

    task: str
    verb: str
    decision: Decision
    after: tuple[str, ...] = ()
    unasked: str = ""


class Plan:
    """The tasks of a run to come, decided one after the other."""

    def __init__(self, foresee: Callable[[str, bytes], None]) -> None:
        self._foresee = foresee
        self._left: dict[Path, bytes | int] = {}
        self._unknown: dict[Path, str] = {}
        self._broken: dict[str, str] = {}
        self._silent = ""

    def of(self, works: Iterable[Work]) -> Iterator[Planned]:
        """What would become of each task; a task stands behind those that it depends on."""
        for work in works:
            planned = self._planned(work)
            self._take(work, planned)
            yield planned

    def _planned(self, work: Work) -> Planned:
        broken = sorted({self._broken[need] for need in work.needs if need in self._broken})
        if broken:
            return Planned(work.name, "skipped", Decision("skipped", tuple(f"needs {task}" for task in broken)))
        after = tuple(sorted({task for path, task in self._unknown.items() if str(path) in work.needs}))
        status = Status(True) if after else work.status()
        if status.error:
            return Planned(work.name, "failed", Decision("failed", (status.error,)))
        if not status.runs:
            return Planned(work.name, CURRENT, Decision(CURRENT, ()))
        return self._decided(work, status, after)

    def _decided(self, work: Work, status: Status, after: tuple[str, ...]) -> Planned:
        """What a task decides that doit would start. A remote that was silent once is not asked again."""
        try:
            if self._silent and work.asks_remote:
                raise RemoteError(self._silent)
            decision = work.decide(self._left, self._unknown)
        except RemoteError as error:
            self._silent = str(error)
            return Planned(work.name, "published", Decision("published", status.reasons), after, self._silent)
        except (PanoramaError, OSError) as error:
            return Planned(work.name, "failed", Decision("failed", (str(error),)))
        return Planned(work.name, decision.verb, replace(decision, reasons=decision.reasons or status.reasons), after)

    def _take(self, work: Work, planned: Planned) -> None:
        """Have later tasks see what this one would leave."""
        if planned.verb in ("failed", "skipped"):
            self._broken |= dict.fromkeys(work.targets, work.name)
        elif planned.verb != CURRENT:
            self._left.update(planned.decision.leaves)
            for path, content in planned.decision.leaves.items():
                if isinstance(content, bytes):
                    self._foresee(str(path), content)
            unknown = [Path(target) for target in work.targets if Path(target) not in planned.decision.leaves]
            self._unknown |= dict.fromkeys(unknown, work.name)


def closure(works: list[Work], wanted: Collection[str]) -> list[Work]:
    """The works that are wanted by their names, and those whose targets they need, in their order."""
    maker = {target: work for work in works for target in work.targets}
    names, todo = set(), [work for work in works if work.name in wanted]
    while todo:
        work = todo.pop()
        names.add(work.name)
        todo += [maker[need] for need in work.needs if need in maker and maker[need].name not in names]
    return [work for work in works if work.name in names]


def uploads(plan: Iterable[Planned]) -> list[Upload]:
    """All that a plan uploads, a file that several packages share but once."""
    found = [(each.task, upload) for each in plan for upload in each.decision.uploads]
    return list(
        {upload.name if upload.size is not None else (task, upload.name): upload for task, upload in found}.values()
    )
