"""The tasks that publish."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator
from pathlib import Path

from panorama_build.model import Package
from panorama_build.project import Project
from panorama_build.steps.decision import Decision, Files
from panorama_build.steps.publish import decide_publish, foresee_publish, is_published, publish_package
from panorama_build.tasks.task import Task, is_forced, sayer, task_of_step

VERIFY = {
    "name": "verify",
    "long": "verify",
    "type": bool,
    "default": False,
    "help": "ask the remote, also where a receipt says what it holds",
}


def _verifying() -> bool:
    """Whether `--verify` follows `publish` or one of its tasks: doit tells a group's parameters to the group alone."""
    return f"--{VERIFY['long']}" in sys.argv


def publishings(project: Project) -> Iterator[Task]:
    """A task for each package."""
    for package in project.application.packages:
        yield _publishing(project, package)


def _publishing(project: Project, package: Package) -> Task:
    task, forced, verify = f"publish:{package.key}", is_forced(), _verifying()

    def decide(foreseen: Files, unknown: Collection[Path]) -> Decision:
        if project.package_json(package) in unknown:
            return foresee_publish(project, package, foreseen, unknown)
        return decide_publish(project, package, forced, verify, foreseen)

    return task_of_step(
        lambda: publish_package(project, package, forced, verify, sayer(task)),
        decide,
        name=package.key,
        doc=f"Publish {package.key} to {project.application.remote.url}",
        file_dep=[str(project.package_json(package))],
        params=[VERIFY],
        uptodate=[lambda: is_published(project, package) and not (forced or verify)],
    )
