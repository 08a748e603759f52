"""The wire of the Panorama API, by data: requests and answers, held against the service model.

What the model does not allow is refused: a member that is unknown, missing, of another type, too long, or of another
form. Answers are held against it as well, so that a part of the service cannot say what the service could not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from panorama_build.transfer.panorama import MODELS

Members = dict[str, Any]
Shape = dict[str, Any]

MODEL: dict[str, Any] = json.loads((MODELS / "panorama/2019-07-24/service-2.json").read_text())
SHAPES: dict[str, Shape] = MODEL["shapes"]
OPERATIONS: dict[str, dict[str, Any]] = MODEL["operations"]

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "boolean": (bool,),
    "timestamp": (int, float),
    "structure": (dict,),
    "map": (dict,),
    "list": (list,),
}
# Of the front that all of AWS's services have, and so in no model.
STATUS = {
    "ExpiredTokenException": 403,
    "InvalidSignatureException": 403,
    "ThrottlingException": 429,
    "UnrecognizedClientException": 403,
    **{name: shape["error"]["httpStatusCode"] for name, shape in SHAPES.items() if "error" in shape},
}


class Refusal(Exception):
    """An answer other than 200, with the members of its kind of error."""

    def __init__(self, kind: str, message: str, **members: Any) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = STATUS[kind]
        self.members = {"Message": message, **members}


def invalid(message: str, reason: str = "FIELD_VALIDATION_FAILED", **members: Any) -> Refusal:
    return Refusal("ValidationException", message, Reason=reason, **members)


def conflict(message: str, resource: str, kind: str = "PACKAGE") -> Refusal:
    return Refusal("ConflictException", message, ResourceId=resource, ResourceType=kind)


def missing(resource: str, kind: str = "PACKAGE") -> Refusal:
    return Refusal("ResourceNotFoundException", f"{resource} does not exist", ResourceId=resource, ResourceType=kind)


def read_request(method: str, url: str, body: bytes) -> tuple[str, Members]:
    """The operation that a request asks for, and its members."""
    path, query = urlsplit(url).path, parse_qsl(urlsplit(url).query, keep_blank_values=True)
    for name, operation in OPERATIONS.items():
        places = _match(operation["http"], method, path)
        if places is not None:
            shape = SHAPES[operation["input"]["shape"]]
            given = {**_placed(shape, "uri", places), **_placed(shape, "querystring", query), **_body(shape, body)}
            _refuse(violations(shape, given))
            return name, given
    raise invalid(f"{method} {path} is no operation", "UNKNOWN_OPERATION")


def check_answer(operation: str, answer: Members) -> Members:
    """An answer that the model allows; AssertionError for any other."""
    broken = list(violations(SHAPES[OPERATIONS[operation]["output"]["shape"]], answer))
    assert not broken, f"{operation} cannot answer so: {broken}"
    return answer


def check_refusal(operation: str, refusal: Refusal) -> Refusal:
    """A refusal of a kind that the operation has, or that all have, with its members."""
    if refusal.kind in SHAPES:
        assert refusal.kind in [error["shape"] for error in OPERATIONS[operation]["errors"]], (operation, refusal.kind)
        assert not list(violations(SHAPES[refusal.kind], refusal.members)), refusal.members
    return refusal


def violations(shape: Shape, value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Each member that breaks a rule of its shape, and how."""
    kind = shape["type"]
    content: Any = value
    if not isinstance(value, TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        yield where, f"must not be {value!r}: it is no {kind}"
        return
    size = value if kind == "integer" else len(content) if kind in ("string", "map", "list") else 0
    if not shape.get("min", size) <= size <= shape.get("max", size):
        yield where, f"must not be {value!r:.80}: {size} is not within {shape.get('min')} and {shape.get('max')}"
    if kind == "string":
        if not re.search(shape.get("pattern", "").replace("$", r"\Z"), content):
            yield where, f"must not be {value!r:.80}: it does not match {shape['pattern']}"
        if value not in shape.get("enum", [value]):
            yield where, f"must not be {value!r:.80}: it is none of {shape['enum']}"
    yield from _violations_within(shape, value, where)


def _violations_within(shape: Shape, value: Any, where: str) -> Iterator[tuple[str, str]]:
    if shape["type"] == "structure":
        for name in shape.get("required", []):
            if name not in value:
                yield f"{where}.{name}".lstrip("."), "is required"
        for name, each in value.items():
            member = f"{where}.{name}".lstrip(".")
            if name not in shape["members"]:
                yield member, "is no member of this request"
            else:
                yield from violations(SHAPES[shape["members"][name]["shape"]], each, member)
    elif shape["type"] == "map":
        for key, each in value.items():
            yield from violations(SHAPES[shape["key"]["shape"]], key, where)
            yield from violations(SHAPES[shape["value"]["shape"]], each, where)
    elif shape["type"] == "list":
        for each in value:
            yield from violations(SHAPES[shape["member"]["shape"]], each, where)


def _refuse(broken: Iterator[tuple[str, str]]) -> None:
    fields = [{"Name": name, "Message": how} for name, how in broken]
    if fields:
        raise invalid(f"{fields[0]['Name']} {fields[0]['Message']}", Fields=fields)


def _match(http: Members, method: str, path: str) -> list[tuple[str, str]] | None:
    """The members in an encoded path; None where it is another operation's."""
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", http["requestUri"])
    found = re.fullmatch(pattern, path) if method == http["method"] else None
    return [(name, unquote(value)) for name, value in found.groupdict().items()] if found else None


def _placed(shape: Shape, location: str, given: list[tuple[str, str]]) -> Members:
    """The members that stand in a path or a query, read by their types."""
    names = {
        member["locationName"]: (name, SHAPES[member["shape"]]["type"])
        for name, member in shape["members"].items()
        if member.get("location") == location
    }
    for name, _ in given:
        if name not in names:
            raise invalid(f"{name} is no member of this request")
    return {names[name][0]: _read(text, names[name][1]) for name, text in given}


def _read(text: str, kind: str) -> Any:
    if kind == "integer" and re.fullmatch(r"-?[0-9]+", text):
        return int(text)
    return {"true": True, "false": False}.get(text, text) if kind == "boolean" else text


def _body(shape: Shape, content: bytes) -> Members:
    try:
        members = json.loads(content or b"{}")
    except ValueError:
        members = None
    if not isinstance(members, dict):
        raise invalid("the body is no JSON object", "CANNOT_PARSE")
    for name in members:
        if "location" in shape["members"].get(name, {"location": ""}):
            raise invalid(f"{name} is no member of this request")
    return members
