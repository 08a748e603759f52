"""The same inputs give the same bits: at another time and place, by another user, with either builder."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from panorama_build.containers.archive import write_asset
from panorama_build.containers.context import EPOCH
from panorama_build.containers.difference import first_difference
from tests.applications import App, Run
from tests.servers import Engine
from tests.test_pipeline import without_buildx

MANIFEST = """\
application: app
platform: PLATFORM
packages:
  code:
    container: {asset: code, args: {BASE: "IMAGE"}, network: none}
    entry: [/panorama/app]
"""
STEPS = """\
ARG BASE
FROM ${BASE}
COPY . /panorama
ADD odd.tar /
RUN mkdir -p /var/made/sub && cd /var/made && for name in b a c; do echo $name > $name; done \\
 && ln a hard && ln -s a soft && chmod 4755 b && chown 7:8 c && mknod pipe p \\
 && rm /panorama/app && rm -r /odd/sticky && echo more >> /odd/one
"""
DODO = "from panorama_build import load\nDOIT_CONFIG, task_panorama = load()\n"
CAPABILITY = "\x01\0\0\x02\0\x04" + "\0" * 14  # cap_net_bind_service, as setcap writes it


# -- what a file system can hold


@dataclass(frozen=True)
class Member:
    """An entry of a tar, as far as it is to come through."""

    type: bytes = tarfile.REGTYPE
    mode: int = 0o644
    data: bytes = b""
    target: str = ""
    owner: tuple[int, int] = (0, 0)
    time: float = 1_000_000_000
    device: tuple[int, int] = (0, 0)
    attributes: tuple[tuple[str, str], ...] = ()


DEEP = "odd" + 3 * f"/{'d' * 100}"
ODD: dict[str, Member] = {
    "odd": Member(tarfile.DIRTYPE, 0o755),
    "odd/one": Member(data=b"one"),
    "odd/one too": Member(tarfile.LNKTYPE, target="odd/one"),
    "odd/link": Member(tarfile.SYMTYPE, 0o777, target="one"),
    "odd/link to nothing": Member(tarfile.SYMTYPE, 0o777, target="../nothing/" + "n" * 120),
    f"odd/{'l' * 150}": Member(data=b"long"),
    **{DEEP[: 3 + 101 * depth]: Member(tarfile.DIRTYPE, 0o755) for depth in (1, 2, 3)},
    f"{DEEP}/file": Member(data=b"deep"),
    f"{DEEP}/file too": Member(tarfile.LNKTYPE, target=f"{DEEP}/file"),
    "odd/caf\udce9": Member(data=b"Latin-1"),
    "odd/日本": Member(data=b"UTF-8"),
    "odd/two\nlines": Member(),
    "odd/setuid": Member(mode=0o4755),
    "odd/setgid": Member(mode=0o2755),
    "odd/sticky": Member(tarfile.DIRTYPE, 0o1777),
    "odd/secret": Member(mode=0o000, owner=(1234, 2_345_678)),
    "odd/capable": Member(mode=0o755, attributes=(("security.capability", CAPABILITY),)),
    "odd/null": Member(tarfile.CHRTYPE, 0o666, device=(1, 3)),
    "odd/loop": Member(tarfile.BLKTYPE, 0o660, device=(7, 300)),
    "odd/pipe": Member(tarfile.FIFOTYPE, 0o600),
    "odd/old": Member(time=5),
    "odd/new": Member(time=EPOCH + 100),
    "odd/holes": Member(data=bytes(1 << 20) + b"end" + bytes(1 << 20)),
}
# What the two builders export differently.
NOTED, HALF = "odd/noted", "odd/half a second"
DIFFERENT = {NOTED: Member(attributes=(("user.note", "kept"),)), HALF: Member(time=1_000_000_000.5)}


def crafted(members: dict[str, Member]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, member in members.items():
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.size, info.linkname = member.type, member.mode, len(member.data), member.target
            (info.uid, info.gid), info.mtime = member.owner, member.time
            info.devmajor, info.devminor = member.device
            info.pax_headers = {f"SCHILY.xattr.{key}": value for key, value in member.attributes}
            tar.addfile(info, io.BytesIO(member.data))
    return out.getvalue()


def contents(asset: Path) -> dict[str, Member]:
    """Everything below odd/ in an asset."""
    with tarfile.open(asset, encoding="utf-8", errors="surrogateescape") as tar:
        return {info.name: _member(tar, info) for info in tar if info.name.startswith("odd")}


def _member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> Member:
    content = tar.extractfile(info) if info.isreg() else None
    attributes = {key: value for key, value in info.pax_headers.items() if key.startswith("SCHILY.xattr.")}
    return Member(
        type=info.type,
        mode=info.mode,
        data=content.read() if content else b"",
        target=info.linkname,
        owner=(info.uid, info.gid),
        time=info.mtime,
        device=(info.devmajor, info.devminor) if info.isdev() and not info.isfifo() else (0, 0),
        attributes=tuple((key.removeprefix("SCHILY.xattr."), value) for key, value in attributes.items()),
    )


def project(root: Path, env: dict[str, str], dockerfile: str, image: str, platform: str = "linux/arm64") -> App:
    context = root / "packages/code"
    context.mkdir(parents=True)
    (root / "panorama.yaml").write_text(MANIFEST.replace("IMAGE", image).replace("PLATFORM", platform))
    (root / "dodo.py").write_text(DODO)
    (context / "Dockerfile").write_text(dockerfile)
    (context / "odd.tar").write_bytes(crafted(ODD))
    (context / "app").write_text("#!/bin/sh\n")
    (context / "app").chmod(0o755)
    (context / "link").symlink_to("app")
    return App(root, env)


@pytest.mark.engine
@pytest.mark.parametrize("road", ["buildkit", "classic", "20.10"])
def test_whatever_a_file_system_can_hold_comes_through(
    tmp_path: Path, engine: Engine, road: str, request: pytest.FixtureRequest
) -> None:
    env = engine.env if road == "buildkit" else without_buildx(engine, tmp_path)
    env = request.getfixturevalue("old_engine").env if road == "20.10" else env
    app = project(tmp_path / "app", env, "FROM scratch\nADD odd.tar /\n", "", "linux/amd64")
    (app.root / "packages/code/odd.tar").write_bytes(crafted({**ODD, **DIFFERENT}))
    done = app.doit("package", "asset")
    assert done.status == 0, done.output
    expected = {**ODD, **DIFFERENT, "odd/new": Member(time=EPOCH)}
    # Neither exports a fraction of a second: one rounds, one cuts. Attributes of users are BuildKit's alone.
    if road == "buildkit":
        expected[HALF] = Member(time=1_000_000_001)
    else:
        expected |= {HALF: Member(), NOTED: Member()}
    assert contents(app.asset("code")) == expected | times_of_links(expected)


def times_of_links(members: dict[str, Member]) -> dict[str, Member]:
    """A hard link has the mode, owner and time of its file."""
    links = {name: member for name, member in members.items() if member.type == tarfile.LNKTYPE}
    return {
        name: replace(members[link.target], type=link.type, data=b"", target=link.target)
        for name, link in links.items()
    }


# -- another time and place


def run_elsewhere(app: App, root: Path, env: dict[str, str], *arguments: str) -> Run:
    """Run doit by another user, if this one may become any, with another umask, home, locale and time zone."""
    home = root.parent / "home"
    home.mkdir()
    strange = {
        "HOME": str(home),
        "USER": "somebody",
        "TZ": "Pacific/Kiritimati",
        "LC_ALL": "tr_TR.UTF-8",
        "LANG": "C",
        "SOURCE_DATE_EPOCH": "86400",
        "PYTHONHASHSEED": "7",
        "COLUMNS": "40",
    }
    command = [str(Path(sys.executable).parent / "doit"), *arguments]
    if os.geteuid() == 0 and shutil.which("setpriv"):
        powers = "+dac_override,+dac_read_search"  # to reach the engine's socket and this test's folder
        command = ["setpriv", "--reuid=12345", "--regid=54321", "--clear-groups", *command]
        command[1:1] = [f"--inh-caps={powers}", f"--ambient-caps={powers}"]
        for path in [root, *root.rglob("*")]:
            os.chown(path, 12345, 54321, follow_symlinks=False)
    clean = {name: value for name, value in env.items() if not name.startswith("PANORAMA_TEST")}
    done = subprocess.run(
        command,
        cwd=root,
        env={**clean, **strange},
        umask=0o077,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    return Run(done.returncode, done.stdout)


def age(root: Path) -> None:
    """Give each file another time, in another century, and modes that make no difference."""
    for number, path in enumerate(sorted(root.rglob("*"))):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode ^ 0o066 if path.is_file() else 0o777)
        os.utime(path, (number * 10**8, 4 * 10**9 - number * 10**8), follow_symlinks=False)


@pytest.mark.engine
def test_the_same_inputs_give_the_same_bits_wherever_and_whenever(tmp_path: Path, engine: Engine) -> None:
    assets = {}
    for road, env in {"buildkit": engine.env, "classic": without_buildx(engine, tmp_path)}.items():
        here = project(tmp_path / road / "app", env, STEPS, engine.base)
        assert here.doit("package", "asset").status == 0
        assets[road, "here"] = here.asset("code").name
        there = project(tmp_path / road / "another place/under a longer path", env, STEPS, engine.base)
        age(there.root / "packages")
        done = run_elsewhere(there, there.root, env, "force=yes", "container", "package", "asset")
        assert done.status == 0, done.output
        assert not re.search(r"(#\d+) \[.*\] RUN(.*\n)*.*\1 CACHED|Using cache", done.output), "every step ran"
        assets[road, "there"] = there.asset("code").name
    assert len(set(assets.values())) == 1, assets


@pytest.mark.engine
def test_what_a_step_writes_differently_each_time_is_told(tmp_path: Path, engine: Engine) -> None:
    random = "ARG BASE\nFROM ${BASE}\nRUN echo same > /same && head -c 8 /dev/urandom > /odd\n"
    app = project(tmp_path / "app", engine.env, random, engine.base)
    app.doit("container")
    told = app.doit("force=yes", "container").detail("container:code")
    assert "; not the bits of before: odd: other bytes" in told
    assert "the same inputs gave other bits before: odd: other bytes" in app.doit("why", "container").output
    app.edit("packages/code/Dockerfile", "head -c 8 /dev/urandom", "echo same")
    app.doit("container")
    assert "; the same bits as before; " in app.doit("force=yes", "container").detail("container:code")


CHANGES: dict[str, tuple[Callable[[dict[str, Member]], dict[str, Member]], str | None]] = {
    "nothing": (lambda odd: odd, None),
    "bytes": (lambda odd: {**odd, "odd/one": Member(data=b"two")}, "odd/one: other bytes"),
    "size": (lambda odd: {**odd, "odd/one": Member(data=b"three")}, "odd/one: other bytes"),
    "mode": (lambda odd: {**odd, "odd/setuid": Member(mode=0o755)}, "odd/setuid: mode 755, was 4755"),
    "time": (lambda odd: {**odd, "odd/old": Member(time=6)}, "odd/old: mtime 6, was 5"),
    "target": (
        lambda odd: {**odd, "odd/link": Member(tarfile.SYMTYPE, 0o777, target="two")},
        "odd/link: linkname two, was one",
    ),
    "kind": (lambda odd: {**odd, "odd/one": Member(tarfile.DIRTYPE)}, "odd/one: a folder, was a file"),
    "gone": (lambda odd: dict(list(odd.items())[:-1]), "odd/holes: no longer there"),
    "new": (lambda odd: {**odd, "odd/z": Member()}, "odd/z: new"),
    "another": (lambda odd: {"odd": odd["odd"], "odd/0": Member(), **odd}, "odd/0: where odd/one was"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_first_difference_of_two_assets_is_named(change: str, tmp_path: Path) -> None:
    edit, expected = CHANGES[change]
    write_asset([crafted(ODD)], tmp_path / "before")
    write_asset([crafted(edit(ODD))], tmp_path / "after")
    assert first_difference(tmp_path / "before", tmp_path / "after") == expected
