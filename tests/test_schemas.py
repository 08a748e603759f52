"""Whatever a manifest can say, the documents it becomes are valid by the JSON Schemas that AWS published."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag, urljoin

import pytest
from jsonschema import Draft7Validator
from msgspec import Struct, structs
from referencing import Registry, Resource

from panorama_build import documents
from panorama_build.documents import Uris
from panorama_build.manifest import vocabulary
from panorama_build.manifest.application import MANIFEST, load_application
from panorama_build.manifest.yamlfile import read
from panorama_build.model import Package
from tests.applications import run

ROOT = Path(__file__).parent.parent
SCHEMAS = Path(os.environ.get("PANORAMA_SHARED", ROOT.parent / "shared")) / "schemas"
EVERYTHING = ROOT / "tests" / "projects" / "everything"
PROJECTS = [EVERYTHING, *(path.parent for path in sorted(ROOT.glob("examples/*/panorama.yaml")))]
KINDS = ("nodeGraph", "nodeGraphOverrides", "nodePackage", "assetDescriptor")

needs_schemas = pytest.mark.skipif(not SCHEMAS.is_dir(), reason="AWS's JSON Schemas are not here; see PANORAMA_SHARED")


REGISTRY: Registry[Any] = Registry().with_resources(
    (path.as_uri(), Resource.from_contents(json.loads(path.read_text()))) for path in SCHEMAS.rglob("*.schema.json")
)


def generated(project: Path) -> Iterator[tuple[str, Any]]:
    """Every document of a project with its kind, as though each asset were built."""
    application, _ = load_application(project, {})
    for graph in application.graphs:
        yield "nodeGraph", documents.graph_document(graph, application.account)
    for override in application.overrides:
        yield "nodeGraphOverrides", documents.override_document(override, application.account)
    for package in application.packages:
        yield "nodePackage", documents.package_document(package, uris(package))
        described = [*(asset.descriptor for asset in package.assets if asset.descriptor), *package.descriptors]
        for descriptor in described:
            yield "assetDescriptor", documents.descriptor_document(descriptor)


def uris(package: Package) -> dict[str, Uris]:
    made = [asset.name for asset in package.assets if asset.source or asset.same_as]
    return dict.fromkeys(made, Uris(f"{'0' * 64}.tar.gz", f"{'0' * 64}.json"))


def complaints(kind: str, document: Any) -> list[str]:
    validator = Draft7Validator({"$ref": schema_of(kind)}, registry=REGISTRY)
    return [error.message for error in validator.iter_errors(document)]


def schema_of(kind: str) -> str:
    return f"{SCHEMAS.as_uri()}/{kind}.schema.json"


@needs_schemas
@pytest.mark.parametrize("project", PROJECTS, ids=lambda project: project.name)
def test_documents_are_valid(project: Path) -> None:
    for kind, document in generated(project):
        assert complaints(kind, document) == [], json.dumps(document, indent=1)


@needs_schemas
def test_schemas_refuse_what_they_must() -> None:
    model = {"envelopeVersion": "2021-01-01", "framework": "MXNET", "inputs": [{"name": "data", "shape": [1]}]}
    assert complaints("assetDescriptor", {"mlModelDescriptor": model}) == []
    assert complaints("assetDescriptor", {"mlModelDescriptor": {**model, "inputs": [{"name": "data"}]}})


# Members of the schemas that no word of the vocabulary can put there, none of which was ever seen in an application.
UNSAID = {"nodeGraphOverrides.nodeOverrides[].envelopeVersion"}


@needs_schemas
def test_everything_says_all_that_the_schemas_know() -> None:
    known = {path for kind in KINDS for path in schema_paths(schema_of(kind))}
    said = {path for _, document in generated(EVERYTHING) for path in document_paths(document)}
    assert known - said == UNSAID
    assert said - known == set()


def schema_paths(uri: str) -> Iterator[str]:
    """The path of every member that a schema allows, e.g. ``nodeGraph.nodes[].name``."""
    return _schema_paths(REGISTRY.contents(uri), uri, uri, "")


def _schema_paths(schema: Any, uri: str, root: str, path: str) -> Iterator[str]:
    if "$ref" in schema:
        target, fragment = urldefrag(urljoin(uri, schema["$ref"]))
        found = REGISTRY.contents(target)
        for part in fragment.strip("/").split("/") if fragment else ():
            found = found[part]
        yield from _schema_paths(found, target, root, path)
    for one in schema.get("oneOf", ()):
        yield from _schema_paths(one, uri, root, path)
    if "items" in schema:
        yield from _schema_paths(schema["items"], uri, root, f"{path}[]")
    for name, member in schema.get("properties", {}).items():
        inner = f"{path}.{name}" if path else name
        yield inner
        yield from _schema_paths(member, uri, root, inner)


def document_paths(document: Any, path: str = "") -> Iterator[str]:
    """The path of every member of a document."""
    if isinstance(document, list):
        for item in document:
            yield from document_paths(item, f"{path}[]")
    if isinstance(document, dict):
        for name, member in document.items():
            inner = f"{path}.{name}" if path else name
            yield inner
            yield from document_paths(member, inner)


def test_everything_leaves_no_word_out() -> None:
    everything = read(EVERYTHING / MANIFEST, vocabulary.Manifest).value
    kinds = [each for each in vars(vocabulary).values() if isinstance(each, type) and issubclass(each, Struct)]
    words = {(kind, field.name) for kind in kinds for field in structs.fields(kind)}
    # Elsewhere the schemas know no member that has no word.
    useful = (vocabulary.Requirement, vocabulary.PortWords, vocabulary.RouteWords)
    assert {word for word in words if word[1] != "extra" or word[0] in useful} - set(used(everything)) == set()


def used(value: Any) -> Iterator[tuple[type, str]]:
    """Every word that stands in a manifest with a value other than its default."""
    if isinstance(value, Struct):
        for field in structs.fields(value):
            inner = getattr(value, field.name)
            default = field.default_factory() if callable(field.default_factory) else field.default
            if inner != default:
                yield type(value), field.name
                yield from used(inner)
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from used(inner)


def test_each_descriptor_has_a_file_of_its_own() -> None:
    for package in load_application(EVERYTHING, {})[0].packages:
        described = [*(asset.descriptor for asset in package.assets if asset.descriptor), *package.descriptors]
        assert len({each.file for each in described}) == len(described)


def test_a_port_s_default_is_of_the_port_s_type() -> None:
    package = load_application(EVERYTHING, {})[0].package("code")
    assert package
    defaults = {port.name: port.default for port in package.interfaces[0].inputs or ()}
    assert defaults == {"video_in": None, "threshold": 0.5, "label": "1.10", "most": 10, "night": False}


def test_everything_is_written_where_it_belongs(tmp_path: Path) -> None:
    shutil.copy(EVERYTHING / MANIFEST, tmp_path)
    done = run(tmp_path, dict(os.environ), "panorama-build", "check", "graph")
    assert done.status == 0, done.output
    written = {str(path.relative_to(tmp_path / "build")) for path in tmp_path.glob("build/**/*.json")}
    assert written == {
        "graphs/main/graph.json",
        "graphs/main/night.json",
        "graphs/main/override.json",
        "graphs/main/nothing.json",
        "graphs/main/overrides/shop.json",
        "graphs/main/notes.json",
        "deployment_overrides/rest.json",
    }
