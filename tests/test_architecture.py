"""The architecture as rules on imports: they point one way, and each library has one user."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "panorama_build"
MODULES = sorted(
    ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    for path in PACKAGE.rglob("*.py")
    if path.stem != "__init__"
)

# Modules and folders of the package. Each may import from what stands in a line before its own.
LAYERS = (
    "errors interruption output",
    "address files keyorder lock",
    "model fingerprint digests",
    "appliance",
    "documents store uptodate",
    "manifest",
    "containers transfer",
    "checks",
    "project",
    "steps",
    "render garbage",
    "importing tasks",
    "commands",
    "cli",
)
USERS = {
    "doit": "tasks commands cli",
    "docker": "containers.engine containers.classic containers.buildkit",
    "boto3": "transfer.aws transfer.panorama",
    "botocore": "transfer.aws transfer.panorama transfer.refusals",
    "s3transfer": "transfer.multipart",
    "yaml": "manifest importing.yamltext",
    "msgspec": "manifest importing",
    "deflate": "containers.archive",
}
LATE = {"docker", "boto3", "botocore", "s3transfer"}


def imports(module: str) -> Iterator[tuple[str, bool]]:
    """The modules that one imports, and whether it does so at its top, when it is loaded."""
    tree = ast.parse((PACKAGE / f"{module.replace('.', '/')}.py").read_text())
    top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in top
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in whole if node.module.startswith("panorama_build") else [node.module]:
                yield name, id(node) in top


def own(module: str) -> set[str]:
    """The modules of this package that one imports."""
    named = (name.removeprefix("panorama_build.") for name, _ in imports(module) if name.startswith("panorama_build."))
    return {known for name in named for known in (name, name.rpartition(".")[0]) if known in MODULES}


def layer(module: str) -> int:
    return next(number for number, names in enumerate(LAYERS) if module.split(".")[0] in names.split())


def test_every_module_has_its_layer() -> None:
    assert {module.split(".")[0] for module in MODULES} == set(" ".join(LAYERS).split())


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_one_way(module: str) -> None:
    group = module.split(".")[0]
    others = {name for name in own(module) if name.split(".")[0] != group}
    assert [name for name in others if layer(name) >= layer(module)] == []


def test_no_module_imports_itself_by_a_detour() -> None:
    list(TopologicalSorter({module: own(module) for module in MODULES}).static_order())


@pytest.mark.parametrize("module", MODULES)
def test_each_library_has_few_users_and_slow_ones_are_imported_late(module: str) -> None:
    for name, at_top in imports(module):
        library = name.split(".")[0]
        if library in USERS:
            users = USERS[library].split()
            assert {module, module.split(".")[0]} & set(users), f"{module} uses {library}"
            assert not (at_top and library in LATE), f"{module} imports {library} when it is loaded"
