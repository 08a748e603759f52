"""Application roots as panorama-cli has them: the real ones, and small ones made here."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, TypeAlias

from panorama_build.documents import canonical
from panorama_build.importing.importer import Import, import_application
from panorama_build.project import Project
from panorama_build.render import documents
from tests.applications import ROOT

Files: TypeAlias = dict[str, Any]  # path -> a document's value, or a file's bytes

SHARED = Path(os.environ.get("PANORAMA_SHARED", ROOT.parent / "shared"))
CORPUS = sorted(path for path in (SHARED / "corpus").glob("*") if path.is_dir())
ROOTS = {"nodeGraph", "nodeGraphOverrides", "nodePackage", "runtimeDescriptor", "mlModelDescriptor"}
GRAPH, OVERRIDE = "graphs/shop/graph.json", "deployment_overrides/shop.json"
CODE, NETS = "packages/123456789012-code-1.0", "packages/123456789012-nets-1.0"


def shop() -> Files:
    """A small application that has nothing odd."""
    envelope = {"envelopeVersion": "2021-01-01"}
    video_in, video_out = [{"name": "video_in", "type": "media"}], [{"name": "video_out", "type": "media"}]
    packages = ["123456789012::code", "123456789012::nets", "panorama::abstract_rtsp_media_source"]
    launched = {"overridable": False, "launch": "onAppStart"}
    title = {"title": "Camera camera", "description": "Default description for camera camera"}
    camera = {"overridable": True, "launch": "onAppStart", "decorator": title}
    threshold = {"name": "threshold", "interface": "float32", "value": 60.0, "overridable": True}
    container = {"type": "container", "assetUri": f"{'a' * 64}.tar.gz", "descriptorUri": f"{'b' * 64}.json"}
    runtime = {"runtimeDescriptor": {**envelope, "entry": {"path": "python3", "name": "/panorama/app.py"}}}
    tensors = [{"name": "data", "shape": [1, 3, 224, 224]}]
    model = {"mlModelDescriptor": {**envelope, "framework": "PYTORCH", "inputs": tensors}}
    nodes = [
        {"name": "camera", "interface": "panorama::abstract_rtsp_media_source.rtsp_v1_interface", **camera},
        {"name": "app", "interface": "123456789012::code.code_interface", **launched},
        threshold,
        {"name": "net", "interface": "123456789012::nets.net_interface", **launched},
    ]
    edges = [
        {"producer": "camera.video_out", "consumer": "app.video_in"},
        {"producer": "threshold", "consumer": "app.threshold"},
    ]
    yard = [{"name": "yard", "interface": "123456789012::yard.yard", **launched}]
    return {
        GRAPH: {
            "nodeGraph": {**envelope, "packages": [_listed(each) for each in packages], "nodes": nodes, "edges": edges}
        },
        OVERRIDE: {
            "nodeGraphOverrides": {
                **envelope,
                "packages": [_listed("123456789012::yard")],
                "nodes": yard,
                "nodeOverrides": [{"replace": "camera", "with": [{"name": "yard"}]}],
            }
        },
        f"{CODE}/package.json": {
            "nodePackage": {
                **envelope,
                "name": "code",
                "version": "1.0",
                "assets": [{"name": "code", "implementations": [container]}],
                "interfaces": [
                    {
                        "name": "code_interface",
                        "category": "business_logic",
                        "asset": "code",
                        "inputs": [*video_in, {"name": "threshold", "type": "float32"}],
                        "outputs": video_out,
                    }
                ],
            }
        },
        f"{CODE}/descriptor.json": runtime,
        f"{CODE}/Dockerfile": b"FROM base\nCOPY src /panorama\n",
        f"{CODE}/src/app.py": b"print()\n",
        f"{NETS}/package.json": {
            "nodePackage": {
                **envelope,
                "name": "nets",
                "version": "1.0",
                "description": "What it sees",
                "assets": [_model_asset("net", model)],
                "interfaces": [
                    {
                        "name": "net_interface",
                        "category": "ml_model",
                        "asset": "net",
                        "inputs": video_in,
                        "outputs": video_out,
                    }
                ],
            }
        },
        f"{NETS}/descriptor.json": model,
    }


def _listed(package: str) -> Files:
    return {"name": package, "version": "1.0"}


def _model_asset(name: str, descriptor: Files) -> Files:
    digest = hashlib.sha256(canonical(descriptor)).hexdigest()
    implementation = {"type": "model", "assetUri": f"{'c' * 64}.tar.gz", "descriptorUri": f"{digest}.json"}
    return {"name": name, "implementations": [implementation]}


def write(root: Path, files: Files) -> Path:
    """Lay out files below ``root``; documents as panorama-cli writes them."""
    for file, value in files.items():
        path = root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(value if isinstance(value, bytes) else canonical(value))
    return root


def there_and_back(source: Path, target: Path) -> tuple[Import, dict[str, bytes]]:
    """Import an application root, and render the project."""
    done = import_application(source, target)
    return done, {str(file): content for file, content in documents(Project.read(target, {})).items()}


def is_document(path: Path) -> bool:
    """Whether a file of an application root is a graph, overrides, package.json or a descriptor."""
    try:
        value = json.loads(path.read_bytes())
    except ValueError:
        return False
    return isinstance(value, dict) and bool(value.keys() & ROOTS)


def differing(source: Path, rendered: dict[str, bytes]) -> list[str]:
    """The documents of an application root that are not rendered as they were, byte by byte where they can be."""
    paths = {str(path.relative_to(source)): path for path in source.rglob("*.json") if path.parent.name != "assets"}
    return [
        file for file, path in paths.items() if is_document(path) and not same(path.read_bytes(), rendered.get(file))
    ]


def same(found: bytes, rendered: bytes | None) -> bool:
    """Whether a document came back: its bytes if panorama-cli wrote them, else its values with their types."""
    value = json.loads(found)
    if rendered is None or canonical(value) == found:
        return found == rendered
    return json.dumps(json.loads(rendered), sort_keys=True) == json.dumps(value, sort_keys=True)


def contents(root: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
