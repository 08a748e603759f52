"""Descriptors in words, and which of a package's descriptor files belongs to which of its assets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from panorama_build.documents import canonical, descriptor_document
from panorama_build.errors import PanoramaError
from panorama_build.importing.tree import Document, Folder
from panorama_build.importing.wording import Words, merge, same, understand
from panorama_build.manifest import vocabulary
from panorama_build.manifest.packages import expand_packages
from panorama_build.model import Json


class Asset(NamedTuple):
    """An asset of package.json, or one that an interface names and that was never built."""

    name: str
    type: str
    descriptor_uri: str = ""
    built: bool = True


@dataclass(frozen=True)
class Links:
    """Which descriptor is whose. The link is recorded nowhere but in a URI that is the descriptor's sha256."""

    assets: tuple[Asset, ...]
    of: dict[Asset, Document]
    loose: tuple[Document, ...]

    def words(self) -> Words:
        """What the package says of assets never built, and of descriptors."""
        never = [asset_words(asset, {}) for asset in self.assets if not asset.built]
        linked = [_descriptor(asset, document) for asset, document in self.of.items()]
        loose = [{"descriptors": {document.file.name: document.value}} for document in self.loose]
        return merge(*never, *linked, *loose)


def link(folder: Folder) -> Links:
    """Find each asset's descriptor: by its sha256, or as the only one of its kind for the only asset of its kind."""
    body = folder.package.body("nodePackage") if folder.package else None
    assets = tuple(_assets(body, folder)) if isinstance(body, dict) else ()
    documents = list(folder.descriptors.values())
    of = {asset: document for asset in assets for document in documents if _digest(document) == asset.descriptor_uri}
    for kind, root in (("container", "runtimeDescriptor"), ("model", "mlModelDescriptor")):
        asked = [asset for asset in assets if asset.type == kind and asset not in of]
        free = [document for document in documents if document not in of.values() and document.body(root)]
        if len(asked) == len(free) == 1:
            of[asked[0]] = free[0]
    return Links(assets, of, tuple(document for document in documents if document not in of.values()))


def _digest(document: Document) -> str:
    return f"{hashlib.sha256(document.content).hexdigest()}.json"


def _assets(body: dict[str, Any], folder: Folder) -> Iterator[Asset]:
    built = [asset for item in _items(body.get("assets")) for asset in _built(item)]
    yield from built
    names = {asset.name for asset in built}
    for kind, category in (("container", "business_logic"), ("model", "ml_model")):
        faces = [face for face in _items(body.get("interfaces")) if face.get("category") == category]
        asked = [face["asset"] for face in faces if isinstance(face.get("asset"), str)]
        missing = dict.fromkeys(asset for asset in asked if asset not in names)
        possible = kind == "model" or (len(missing) == 1 and _has_container(folder))
        yield from (Asset(name, kind, built=False) for name in missing if possible and _can_name(name, kind))


def _items(found: Json) -> list[dict[str, Any]]:
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def _built(item: dict[str, Any]) -> Iterator[Asset]:
    match item:
        case {"name": str(name), "implementations": [{"type": "container" | "model" as kind, **rest}]}:
            uri = rest.get("descriptorUri")
            if _can_name(name, kind):
                yield Asset(name, kind, uri if isinstance(uri, str) else "")


def _has_container(folder: Folder) -> bool:
    dockerfile = any(source.name == "Dockerfile" for source in folder.sources)
    return dockerfile or any(document.body("runtimeDescriptor") for document in folder.descriptors.values())


def _can_name(name: str, kind: str) -> bool:
    return _read(asset_words(Asset(name, kind), {})) is not None


def asset_words(asset: Asset, words: Words) -> Words:
    """What a package says of an asset, ``words`` being more of it."""
    if asset.type == "container":
        return {"container": {"asset": asset.name}, **words}
    return {"models": {asset.name: words}}


def _descriptor(asset: Asset, document: Document) -> Words:
    """The words for an asset's descriptor: those of the vocabulary, or the JSON itself."""
    file = document.file.name
    for words in _runtime(document) if asset.type == "container" else _model(document):
        said = asset_words(asset, {**words, "descriptor": file})
        if _becomes(said, document):
            return said
    return merge(asset_words(asset, {"descriptor": file}), {"descriptors": {file: document.value}})


def _becomes(words: Words, document: Document) -> bool:
    descriptor = _read(words)
    if descriptor is None:
        return False
    return canonical(descriptor) == document.content if document.is_canonical else same(descriptor, document.value)


def _read(words: Words) -> Json:
    """The descriptor that a package's only asset has, {} where it has none; None where the words are refused."""
    try:
        (package,) = expand_packages({"package": understand(words, vocabulary.PackageWords)})
    except PanoramaError:
        return None
    descriptor = package.assets[0].descriptor
    return descriptor_document(descriptor) if descriptor else {}


def _runtime(document: Document) -> Iterator[Words]:
    match document.body("runtimeDescriptor"):
        case {"entry": {"path": path, "name": name, "arguments": list(arguments)}}:
            yield {"entry": [path, name, *arguments]}
        case {"entry": {"path": path, "name": name}}:
            yield {"entry": [path, name]}
        case {"entry": {"name": name}}:
            yield {"entry": [name]}
    match document.body("runtimeDescriptor"):
        case {"entry": {**entry}, **rest}:
            yield {"entry": _entry(entry), **_some(events=rest.get("events"))}
        case {"events": events}:
            yield {"events": events}


def _entry(entry: dict[Any, Any]) -> Words:
    said: Words = {word: entry.pop(word) for word in ("path", "name", "arguments") if word in entry}
    match entry.get("environment"):
        case [*variables] if all(isinstance(each, dict) and each.keys() == {"name", "value"} for each in variables):
            del entry["environment"]
            said["environment"] = {str(each["name"]): each["value"] for each in variables}
    return {**said, **({"extra": entry} if entry else {})}


def _model(document: Document) -> Iterator[Words]:
    match document.body("mlModelDescriptor"):
        case {"framework": framework, "inputs": list(inputs), **rest}:
            tensors = dict(tensor for each in inputs for tensor in _tensor(each))
            versions = _some(framework_version=rest.get("frameworkVersion"), precision=rest.get("precisionMode"))
            yield {"framework": framework, **versions, **_some(inputs=tensors or None)}


def _tensor(found: Json) -> Iterator[tuple[str, Any]]:
    match found:
        case {"name": str(name), "shape": shape, **rest}:
            said = _some(type=rest.pop("type", None))
            words = {"shape": shape, **said, **_some(extra=rest or None)}
            yield name, words if said or rest else shape


def _some(**words: Any) -> Words:
    return {word: value for word, value in words.items() if value is not None}
