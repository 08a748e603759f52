"""The tasks of sites: deploy, status, remove."""

from __future__ import annotations

from collections.abc import Iterator

from doit.exceptions import TaskFailed

from panorama_build.errors import PanoramaError
from panorama_build.model import Site
from panorama_build.project import Project
from panorama_build.steps.deploy import deploy, remove, service_of, status
from panorama_build.tasks.task import Task, action_of, broken, is_forced, sayer, task_of_step


def deployments(project: Project) -> Iterator[Task]:
    """A task for each site."""
    for site in project.application.sites:
        yield _deployment(project, site)


def _deployment(project: Project, site: Site) -> Task:
    forced = is_forced()
    try:
        service_of(project)
    except PanoramaError as error:
        return broken(f"deploy:{site.key}", error)
    return task_of_step(
        lambda: deploy(project, site, forced, sayer(f"deploy:{site.key}")),
        name=site.key,
        doc=f"Deploy to {site.device}",
        task_dep=["graph", *(["publish"] if project.application.packages else [])],
    )


def statuses(project: Project) -> Iterator[Task]:
    """A task for each site."""
    for site in project.application.sites:
        yield _status(project, site)


def _status(project: Project, site: Site) -> Task:
    say = sayer(f"status:{site.key}")
    return task_of_step(lambda: status(project, site, say), name=site.key, doc=f"Tell what runs on {site.device}")


def removals(project: Project) -> Iterator[Task]:
    """A task for each site."""
    for site in project.application.sites:
        yield _removal(project, site)


def _removal(project: Project, site: Site) -> Task:
    def action(yes: bool) -> dict[str, str] | TaskFailed:
        return action_of(lambda: remove(project, site, yes, sayer(f"remove:{site.key}")))()

    return {
        "name": site.key,
        "doc": f"Remove {site.name} from {site.device}",
        "actions": [action],
        "io": {"capture": False},
        "params": [{"name": "yes", "long": "yes", "type": bool, "default": False, "help": "without it, nothing is"}],
    }
