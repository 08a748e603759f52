"""What `plan` and `why` say: lines for people, JSON for programs."""

from __future__ import annotations

import json
import tarfile
import zlib
from collections.abc import Iterator
from typing import Any

from panorama_build.containers.difference import first_difference
from panorama_build.errors import legible
from panorama_build.project import Project
from panorama_build.steps.decision import Upload
from panorama_build.steps.outcome import size
from panorama_build.tasks.plan import CURRENT, Planned, uploads

WIDTH = 10
WORDS = {
    "built": "build",
    "checked": "check",
    "failed": "fail",
    "fetched": "fetch",
    "published": "publish",
    "reused": "reuse",
    "skipped": "skip",
    "unchanged": "look at",
    "written": "write",
    "placed": "place",
}
"""The verbs of a run to come, by those of a run that was."""


def plan(project: Project, planned: list[Planned], as_json: bool) -> str:
    """What would be done and uploaded."""
    return _json(_plan_data(project, planned)) if as_json else "".join(f"{line}\n" for line in _plan(project, planned))


def why(project: Project, planned: list[Planned], as_json: bool) -> str:
    """A causal line for each task."""
    if as_json:
        return _json({"tasks": [_why_data(project, each) for each in planned]})
    width = max((len(each.task) for each in planned), default=0)
    return "".join(f"{each.task:{width}}  {because(project, each)}\n" for each in planned)


def because(project: Project, planned: Planned) -> str:
    """Why a task would run, or what it is up to date with."""
    made = project.store.made(planned.task)
    when = f"made of the same inputs on {made.replace('T', ' ').rstrip('Z')} UTC" if made else ""
    if planned.verb == CURRENT:
        parts = (f"up to date: {when}" if when else "up to date", differs(project, planned))
        return "; ".join(part for part in parts if part)
    return cause(planned) or "no cause but that it was asked for"


def differs(project: Project, planned: Planned) -> str:
    """What differs between the asset that a task made and the one that the very same inputs gave before, if any."""
    former, present = project.store.former(planned.task), project.store.artifact(planned.task)
    if former is None or present is None or former.sha256 == present.sha256:
        return ""
    try:
        found = first_difference(project.store.asset(former.sha256), project.store.asset(present.sha256))
    except FileNotFoundError:
        found = f"{former.sha256[:12]}, which is gone"
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        found = f"the two can't be compared: {error}"
    return legible(f"the same inputs gave other bits before: {found or 'packed otherwise'}")


def cause(planned: Planned) -> str:
    """The reasons of a planned task in a few words."""
    after = f"after {', '.join(planned.after)}" if planned.after else ""
    return legible("; ".join(part for part in (planned.decision.cause, after) if part))


def _plan(project: Project, planned: list[Planned]) -> Iterator[str]:
    work = [each for each in planned if each.verb != CURRENT]
    width = max((len(each.task) for each in work), default=0)
    for each in work:
        detail = "; ".join(part for part in (cause(each), _size(each)) if part)
        yield f"{WORDS[each.verb]:{WIDTH}} {each.task:{width}}  {detail}".rstrip()
        yield from (f"{'':{WIDTH}}   upload {upload.name}, {_bytes(upload)}" for upload in each.decision.uploads)
        yield from (f"{'':{WIDTH}}   {change}" for change in each.decision.changes)
    silent = {each.unasked for each in work if each.unasked}
    yield from (f"{project.application.remote.url} can't be asked what it has: {legible(each)}" for each in silent)
    yield _summary(planned, work)


def _summary(planned: list[Planned], work: list[Planned]) -> str:
    current = len(planned) - len(work)
    parts = [f"{len(work)} to do"] if work else ["nothing to do"]
    parts += [f"{current} up to date"] if current else []
    return ", ".join([*parts, *_upload_total(uploads(work))])


def _upload_total(files: list[Upload]) -> Iterator[str]:
    known = sum(each.size for each in files if each.size is not None)
    unknown = [each for each in files if each.size is None]
    if known:
        yield f"{size(known)} to upload"
    if unknown:
        last = sum(each.last or 0 for each in unknown)
        yield f"{len(unknown)} uploads of unknown size" + (f" (last {size(last)})" if last else "")


def _size(planned: Planned) -> str:
    """The size of what would be made, as far as one can tell."""
    decision = planned.decision
    if decision.size is not None:
        return size(decision.size)
    return f"last {size(decision.last)}" if planned.verb in ("built", "fetched") and decision.last else ""


def _bytes(upload: Upload) -> str:
    if upload.size is not None:
        return size(upload.size)
    return "size unknown" + (f", last {size(upload.last)}" if upload.last is not None else "")


def _plan_data(project: Project, planned: list[Planned]) -> dict[str, Any]:
    files = uploads(planned)
    return {
        "remote": project.application.remote.url,
        "tasks": [_task_data(each) for each in planned],
        "upload": {
            "bytes": sum(each.size for each in files if each.size is not None),
            "unknown": sum(each.size is None for each in files),
        },
        "unasked": next((each.unasked for each in planned if each.unasked), None),
    }


def _why_data(project: Project, planned: Planned) -> dict[str, Any]:
    known = {"made": project.store.made(planned.task) or None, "differs": differs(project, planned) or None}
    return {**_task_data(planned), "why": because(project, planned), **known}


def _task_data(planned: Planned) -> dict[str, Any]:
    decision = planned.decision
    return {
        "task": planned.task,
        "verb": planned.verb,
        "reasons": list(decision.reasons),
        "after": list(planned.after),
        "size": decision.size,
        "last": decision.last,
        "uploads": [vars(upload) for upload in decision.uploads],
        "changes": list(decision.changes),
    }


def _json(value: Any) -> str:
    return f"{json.dumps(value, indent=1)}\n"
