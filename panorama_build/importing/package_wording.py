"""Packages in words: package.json and descriptors -> what panorama.yaml says of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from msgspec import structs

from panorama_build.documents import package_document
from panorama_build.errors import PanoramaError
from panorama_build.importing.descriptor_wording import Links
from panorama_build.importing.wording import (
    Members,
    Unsayable,
    Words,
    arranged,
    merge,
    ordered,
    plain,
    same,
    say,
    understand,
)
from panorama_build.manifest import vocabulary
from panorama_build.manifest.packages import expand_packages
from panorama_build.model import Json, Package

_SHA256 = re.compile("[0-9a-f]{64}")
_CAMERA = {"username": "username", "password": "password", "streamUrl": "url"}
_IMPLEMENTATION = {"type": str, "assetUri": str, "descriptorUri": str, "requirements": list}


def expanded(key: str, words: Words) -> Package:
    """The package that ``words`` become. Raises PanoramaError where a manifest can't have them."""
    return expand_packages({key: understand(words, vocabulary.PackageWords)})[0]


def _body(key: str, words: Words) -> Members:
    return package_document(expanded(key, words), {})["nodePackage"]  # type: ignore[no-any-return]


@dataclass(frozen=True)
class PackageWording:
    """Finds words for the package under ``key``."""

    key: str
    body: Json
    links: Links
    archives: Collection[str] = field(default_factory=tuple)  # those of the application root's assets

    def words(self, in_order: bool) -> Words:
        """The words for the package. Raises Unsayable."""
        if not isinstance(self.body, dict):
            raise Unsayable
        start = self.links.words()
        words = say(self.body, lambda words: _body(self.key, words), self.choices(start), start)
        words = next((ready for ready in self.ready_made(words) if self.fits(ready)), words)
        words = ordered(self.body, lambda words: _body(self.key, words), words) if in_order else words
        words = _without_file_names(self.key, words)
        if "container" in words:
            words = {**words, "container": plain(words["container"], "asset")}
        return arranged(words, vocabulary.PackageWords)

    def fits(self, words: Words) -> bool:
        """Whether ``words`` become the package."""
        try:
            return same(_body(self.key, words), self.body)
        except PanoramaError:
            return False

    def choices(self, start: Words) -> Iterator[list[Words]]:
        """What may be said of a package, part by part."""
        for member in ("name", "version", "description"):
            yield [{member: self.body.get(member)}]
        assets = [merge(start, words) for words in _attempt(self.assets, self.body.get("assets"))]
        yield [{"assets": None}, *assets]
        interfaces = self.body.get("interfaces")
        said = merge(start, *assets)
        yield [*self.derived(said, interfaces), *self.in_full(interfaces)]

    def assets(self, found: Json) -> Words:
        """The words for all assets, in their order."""
        if not isinstance(found, list):
            raise Unsayable
        words = merge(*(self.asset(asset) for asset in found))
        names = [asset["name"] for asset in found]
        usual = [asset.name for asset in expanded(self.key, words).assets]
        return words if names == usual else {**words, "assets": names}

    def asset(self, asset: Json) -> Words:
        """The words for an asset: all that a package says of it."""
        match asset:
            case {"name": str(name), "implementations": [{"type": str(kind), **implementation}]}:
                found: Words = {"type": kind, **implementation}  # type: ignore[dict-item]
            case _:
                raise Unsayable
        uris = self.source(found) | _implementation(found)
        say_as: dict[str, Callable[[Words], Words]] = {
            "container": lambda words: _container(name, words),
            "model": lambda words: {"models": {name: words}},
            "system": lambda words: {"system": {name: words["uri"]}},
        }
        if kind not in say_as:
            raise Unsayable

        def expand(words: Words) -> Members:
            (made,) = _body(self.key, say_as[kind](words))["assets"]
            return made  # type: ignore[no-any-return]

        rest: list[Words] = [{"description": asset.get("description")}]
        return say_as[kind](say(asset, expand, [_required(found), rest], {"uri": "", **uris}))

    def source(self, implementation: Members) -> Words:
        """Where a model's archive lies, if it came along."""
        uri = implementation.get("assetUri")
        if implementation["type"] != "model" or uri not in self.archives:
            return {}
        pin = str(uri).partition(".")[0]
        return {"source": f"models/{uri}", **({"sha256": pin} if _SHA256.fullmatch(pin) else {})}

    def ready_made(self, words: Words) -> Iterator[Words]:
        """A camera or a screen as panorama-cli made them."""
        if "system" not in words:
            return
        rest = {word: value for word, value in words.items() if word not in ("system", "assets", "interfaces")}
        match self.body:
            case {"interfaces": [{"inputs": [*inputs]}]}:
                ports = merge(*_attempt(_named, inputs))
            case _:
                ports = {}
        camera = {word: ports[port].get("default") for port, word in _CAMERA.items() if port in ports}
        usual = structs.asdict(vocabulary.CameraWords())
        yield {**rest, "sink": "hdmi"}
        yield {**rest, "camera": {word: camera[word] for word in camera if camera[word] != usual[word]}}

    def derived(self, said: Words, found: Json) -> Iterator[Words]:
        """The ports of the one interface that a container has without further ado."""
        face = found[0] if isinstance(found, list) and found and isinstance(found[0], dict) else {}
        sides = [list(_attempt(self.port_words, face.get(side))) for side in ("inputs", "outputs")]
        ports = [{"ports": each} for each in _attempt(_inbound, face.get("network"))]
        choices = [
            [{}, *({word: each} for each in side)] for word, side in zip(("inputs", "outputs"), sides, strict=True)
        ]
        for parts in product(*choices, [{}, *ports]) if "container" in said else ():
            yield merge(*parts)

    def in_full(self, found: Json) -> Iterator[Words]:
        """All interfaces."""
        for words in _attempt(self.interfaces, found):
            yield {"interfaces": words}

    def interfaces(self, found: Json) -> Words:
        """A mapping of interfaces."""
        named = _named(found)
        return {name: self.interface(name, face) for name, face in named.items()}

    def interface(self, name: str, face: Members) -> Words:
        """An interface in full."""

        def expand(words: Words) -> Members:
            return _body(self.key, {"interfaces": {name: words}})["interfaces"][0]  # type: ignore[no-any-return]

        sides = [
            [{side: None}, *({side: each} for each in _attempt(self.port_words, face.get(side)))]
            for side in ("inputs", "outputs")
        ]
        ports = [{"ports": each} for each in _attempt(_inbound, face.get("network"))]
        plain_ones = [[{member: face.get(member)}] for member in ("category", "asset", "description")]
        return arranged(say(face, expand, [*plain_ones, *sides, ports]), vocabulary.InterfaceWords)

    def port_words(self, found: Json) -> Words:
        """A mapping of ports."""
        return {name: self.port(name, port) for name, port in _named(found).items()}

    def port(self, name: str, port: Members) -> Words | str:
        """A port."""

        def expand(words: Words) -> Members:
            face = _body(self.key, {"interfaces": {"face": {"inputs": {name: words}}}})["interfaces"][0]
            return face["inputs"][0]  # type: ignore[no-any-return]

        choices = {"description": "description", "default": "default", "maxConnections": "max_connections"}
        start = {"type": port.get("type")}
        words = say(port, expand, [[{word: port.get(member)}] for member, word in choices.items()], start)
        return plain(words, "type")  # type: ignore[no-any-return]


def _container(name: str, words: Words) -> Words:
    """What a package says of its container: how it is made stands below it, what it asks for beside it."""
    beside: Words = {word: words[word] for word in ("gpu", "requirements") if word in words}
    recipe = {word: value for word, value in words.items() if word not in beside}
    return {"container": {"asset": name, **recipe}, **beside}


def _implementation(found: Members) -> Words:
    """The URIs of an implementation, and what there are no words for."""
    odd = {member: value for member, value in found.items() if not isinstance(value, _IMPLEMENTATION.get(member, ()))}
    said = {"uri": "assetUri", "descriptor_uri": "descriptorUri"}
    words = {word: found[member] for word, member in said.items() if member in found and member not in odd}
    return {**words, **({"implementation": odd} if odd else {})}


def _required(found: Members) -> list[Words]:
    requirements = found.get("requirements")
    if not isinstance(requirements, list):
        return []
    return [{"gpu": True}, {"requirements": requirements}, {"gpu": True, "requirements": requirements[1:]}]


def _inbound(network: Json) -> list[Any]:
    match network:
        case {"inboundPorts": list(ports)} if len(network) == 1:
            return [_inbound_port(port) for port in ports]
    raise Unsayable


def _inbound_port(port: Json) -> Any:
    match port:
        case {"port": number, **rest}:
            said = {"description": rest.pop("description")} if isinstance(rest.get("description"), str) else {}
            return {"port": number, **said, **({"extra": rest} if rest else {})} if said or rest else number
    raise Unsayable


def _without_file_names(key: str, words: Words) -> Words:
    """``words`` without the names of descriptor files that go without saying."""
    shorter = [{word: value for word, value in words.items() if word != "descriptor"}]
    for name, model in words.get("models", {}).items():
        rest = {word: value for word, value in model.items() if word != "descriptor"}
        shorter.append({**words, "models": {**words["models"], name: rest}})
    for each in shorter:
        if each != words and _descriptor_files(key, each) == _descriptor_files(key, words):
            return _without_file_names(key, each)
    return words


def _descriptor_files(key: str, words: Words) -> list[str | None]:
    return [asset.descriptor.file if asset.descriptor else None for asset in expanded(key, words).assets]


def _named(found: Json) -> dict[str, dict[str, Json]]:
    """A list of objects by name, where they have names and no two the same."""
    items = found if isinstance(found, list) else [None]
    named = {item["name"]: item for item in items if isinstance(item, dict) and isinstance(item.get("name"), str)}
    if len(named) != len(items):
        raise Unsayable
    return named


def _attempt(word: Callable[[Json], Any], found: Json) -> Iterator[Any]:
    """What ``word`` makes of ``found``, if it can."""
    try:
        yield word(found)
    except (Unsayable, PanoramaError):
        return
