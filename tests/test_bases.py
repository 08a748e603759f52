"""The images that a Dockerfile names: found where the engine would look for one, and pinned there alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from panorama_build.containers.bases import Base, bases, rewritten
from panorama_build.containers.container import look
from panorama_build.model import Build

DIGESTS = {image: f"sha256:{number:064x}" for number, image in enumerate(["debian:12", "python:3.9", "r:5000/a/b:1.0"])}
D, P, R = (f"{image}@{digest}" for image, digest in DIGESTS.items())

# Each Dockerfile, and what is sent of it with the three images pinned.
PINNED = {
    "FROM debian:12\n": f"FROM {D}\n",
    "FROM debian:12": f"FROM {D}",
    "from debian:12 as debian:12\r\nFROM debian:12\r\n": f"from {D} as debian:12\r\nFROM debian:12\r\n",
    "FROM debian:12 AS base\nFROM Base\nCOPY --from=base /a /b\n": (
        f"FROM {D} AS base\nFROM Base\nCOPY --from=base /a /b\n"
    ),
    "FROM --platform=$BUILDPLATFORM debian:12 AS base\n": f"FROM --platform=$BUILDPLATFORM {D} AS base\n",
    "FROM --platform=linux/arm64 \\\n  # which\n\n  debian:12 \\\n  AS base\n": (
        f"FROM --platform=linux/arm64 \\\n  # which\n\n  {D} \\\n  AS base\n"
    ),
    "# escape=`\nFROM `\n debian:12\n": f"# escape=`\nFROM `\n {D}\n",
    "FROM\tdebian:12\n": f"FROM\t{D}\n",
    '\ufeffFROM "debian:12"\n': f"\ufeffFROM {D}\n",
    "ARG BASE=debian:12\nFROM $BASE\n": f"ARG BASE=debian:12\nFROM {D}\n",
    "ARG TAG=11\nFROM debian:${TAG}\n": "ARG TAG=11\nFROM debian:${TAG}\n",
    "ARG GIVEN=11\nFROM debian:${GIVEN}\n": f"ARG GIVEN=11\nFROM {D}\n",
    "ARG NAME=debian GIVEN\nARG BASE=${NAME}:${GIVEN}\nFROM ${BASE} AS a\nARG BASE=b\nFROM ${BASE}\n": (
        f"ARG NAME=debian GIVEN\nARG BASE=${{NAME}}:${{GIVEN}}\nFROM {D} AS a\nARG BASE=b\nFROM {D}\n"
    ),
    "ARG NO GIVEN\nFROM ${NO:-debian}:${GIVEN:+12}\n": f"ARG NO GIVEN\nFROM {D}\n",
    "ARG GIVEN\nARG NO=\nFROM ${NO-python:3.9}debian:12\n": f"ARG GIVEN\nARG NO=\nFROM {D}\n",
    "FROM debian:${TARGETARCH}\n": "FROM debian:${TARGETARCH}\n",
    "FROM debian:$UNDECLARED\n": "FROM debian:$UNDECLARED\n",
    "FROM scratch\nCOPY --from=python:3.9 /a /b\n": f"FROM scratch\nCOPY --from={P} /a /b\n",
    "FROM debian:12 AS a\nFROM r:5000/a/b:1.0\nCOPY --chown=1 --from=0 /a /b\n": (
        f"FROM {D} AS a\nFROM {R}\nCOPY --chown=1 --from=0 /a /b\n"
    ),
    "FROM scratch\nRUN --mount=type=bind,from=python:3.9,target=/x ls\n": (
        f"FROM scratch\nRUN --mount=type=bind,from={P},target=/x ls\n"
    ),
    "FROM scratch\nCOPY <<end /a\nFROM debian:12\nend\nCOPY --from=debian:12 /a /b\n": (
        f"FROM scratch\nCOPY <<end /a\nFROM debian:12\nend\nCOPY --from={D} /a /b\n"
    ),
    "FROM scratch\nRUN echo FROM debian:12 --from=debian:12\n# FROM debian:12\n": (
        "FROM scratch\nRUN echo FROM debian:12 --from=debian:12\n# FROM debian:12\n"
    ),
    f"FROM {D}\n": f"FROM {D}\n",
    "": "",
}


def pinned(dockerfile: bytes, found: list[Base], digests: dict[str, str]) -> bytes:
    return rewritten(
        dockerfile, found, lambda base: f"{base.image}@{found}" if (found := digests.get(base.image)) else None
    )


@pytest.mark.parametrize("written", PINNED)
def test_what_is_sent_names_the_digest_where_the_dockerfile_names_the_image(written: str) -> None:
    dockerfile = written.encode()
    found = bases(dockerfile, {"GIVEN": "12"}, "linux/arm64")
    assert pinned(dockerfile, found, DIGESTS).decode() == PINNED[written]


LINES = ["FROM debian:12", "FROM $A AS b", "from b", "ARG A=debian:12", "COPY --from=python:3.9 \\", " x y", "# c", ""]


@example("\x0c\\\n\x1c", False)
@given(st.lists(st.sampled_from(LINES) | st.text(max_size=20)).map("\n".join) | st.text(), st.booleans())
def test_without_its_digests_the_text_is_what_was_written(text: str, given_a: bool) -> None:
    dockerfile = text.encode("utf-8", "surrogatepass")
    found = bases(dockerfile, {"A": "debian:12"} if given_a else {}, "linux/arm64")
    assert pinned(dockerfile, found, {}) == dockerfile
    assert [base.start for base in found] == sorted(base.start for base in found)
    places = {base.image: "sha256:1" for base in found}
    assert pinned(dockerfile, found, places).count(b"@sha256:1") == len(found) + dockerfile.count(b"@sha256:1")


def inputs(folder: Path, dockerfile: str, **build: object) -> dict[str, str]:
    """A container's inputs but for its platform and recipe."""
    (folder / "Dockerfile").write_text(dockerfile)
    known = {"context": ".", "dockerfile": "Dockerfile", **build}
    container = look(folder, "name", Build(**known), "linux/arm64", [])  # type: ignore[arg-type]
    found = container.fingerprint(lambda path: "0").inputs
    return {name: value for name, value in found.items() if name not in ("platform", "recipe", "./Dockerfile")}


def test_a_digest_is_an_input_of_its_own_wherever_it_stands(tmp_path: Path) -> None:
    bare = inputs(tmp_path, "FROM debian:12\n")
    digest = DIGESTS["debian:12"]
    pinned_once = {**bare, "base debian:12": digest}
    assert inputs(tmp_path, "FROM debian:12\n", bases={"debian:12": digest, "other": digest}) == pinned_once
    assert inputs(tmp_path, f"FROM {D}\n") == pinned_once
    by_argument = {"BASE": D}
    assert inputs(tmp_path, "ARG BASE\nFROM $BASE\n", arguments=by_argument)["base debian:12"] == digest
    assert inputs(tmp_path, "", image=D) == {"the image": "debian:12", "base debian:12": digest}
    assert inputs(tmp_path, "", image="debian:12") == {"the image": "debian:12"}


def test_places_that_name_one_image_differently_are_told_apart(tmp_path: Path) -> None:
    first = inputs(tmp_path, f"FROM {D}\nCOPY --from=debian:12 /a /b\n")
    second = inputs(tmp_path, f"FROM debian:12\nCOPY --from={D} /a /b\n")
    assert first["the Dockerfile"] == second["the Dockerfile"] and first != second
