"""The tasks of panorama.yaml, for doit."""

from panorama_build import load

DOIT_CONFIG, task_panorama = load()
