"""What a killed run left behind."""

from __future__ import annotations

from panorama_build.files import sweep
from panorama_build.project import Project
from panorama_build.transfer.remote import DirectoryRemote


def clear_away(project: Project) -> None:
    """Remove files in the making that nobody goes on with: here, and where this application is published."""
    remote = project.remote
    folders = [project.state, project.build]
    folders += [remote.root / "binaries", remote.root / "manifests"] if isinstance(remote, DirectoryRemote) else []
    for folder in folders:
        sweep(folder, below=True)
