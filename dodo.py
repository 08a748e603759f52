"""The example's main job, from a fresh checkout: `doit` builds it, `doit publish` publishes it."""

from pathlib import Path

from panorama_build import load

EXAMPLE = "examples/people_counter"
BASE = "127.0.0.1:5000/panorama-base:1"

DOIT_CONFIG, tasks = load(EXAMPLE)


def task_panorama():
    """The example's own tasks; its container waits for the base image."""
    for task in tasks():
        if task["basename"] == "container":
            task["setup"] = ["base"]
        yield task


def task_base():
    """Make the base image from Debian's packages and push it to the registry on this machine"""
    return {"actions": [f"python3 tools/base_image.py {BASE} --cache .engine"], "verbosity": 2}


def task_archive():
    """Make the model: SqueezeNet 1.0 with seeded weights, untrained"""
    archive = f"{EXAMPLE}/models/squeezenet1_0.tar.gz"
    Path(archive).parent.mkdir(exist_ok=True)
    script = "tools/model_archive.py"
    return {"actions": [f"python3 {script} {archive}"], "file_dep": [script], "targets": [archive]}
