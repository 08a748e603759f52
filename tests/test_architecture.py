"""The architecture as rules on imports: they point one way, and each library has one user."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "panorama_build"
MODULES = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem != "__init__")

# Each may import from what stands before it.
LAYERS = (
    "errors",
    "files yamltree address fingerprint dockerignore dockerfile modelarchive vocabulary scalars keyorder",
    "model entryfile yamlfile yamltext digests refusals machines context",
    "schema finding buildlog rootfs documents wording packages graphs store uptodate aws",
    "archive manifest limits fetch tree graph_wording",
    "remote descriptor_wording check",
    "project publication container package_wording",
    "sender draft inspection",
    "buildkit classic",
    "engine",
    "steps",
    "render",
    "reporter importer",
    "tasks",
    "commands",
    "cli",
)
USERS = {
    "doit": "tasks reporter commands cli",
    "docker": "engine classic buildkit",
    "boto3": "aws",
    "botocore": "aws refusals",
    "yaml": "yamlfile yamltree yamltext scalars",
    "msgspec": "vocabulary schema yamlfile scalars packages graphs wording package_wording",
    "deflate": "archive",
}
LATE = {"docker", "boto3", "botocore"}


def imports(module: str) -> Iterator[tuple[str, bool]]:
    """The modules that one imports, and whether it does so at its top, when it is loaded."""
    tree = ast.parse((PACKAGE / f"{module}.py").read_text())
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in top
        elif isinstance(node, ast.ImportFrom) and node.module == "panorama_build":
            for alias in node.names:
                yield f"panorama_build.{alias.name}", id(node) in top
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module, id(node) in top


def layer(module: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if module in names.split())


def test_every_module_has_its_layer() -> None:
    assert sorted(" ".join(LAYERS).split()) == MODULES


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module: str) -> None:
    own = [name.split(".")[1] for name, _ in imports(module) if name.startswith("panorama_build.")]
    assert [name for name in own if layer(name) >= layer(module)] == []


@pytest.mark.parametrize("module", MODULES)
def test_each_library_has_few_users_and_slow_ones_are_imported_late(module: str) -> None:
    for name, at_top in imports(module):
        library = name.split(".")[0]
        if library in USERS:
            assert module in USERS[library].split(), f"{module} uses {library}"
            assert not (at_top and library in LATE), f"{module} imports {library} when it is loaded"
