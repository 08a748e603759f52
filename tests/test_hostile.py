"""What comes from others is data: names never lead out of their folder, nothing is extracted, nothing is a command."""

from __future__ import annotations

import ast
import functools
import gzip
import hashlib
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from panorama_build.address import Address, parse_s3_url
from panorama_build.containers.buildlog import BuildLog
from panorama_build.containers.context import entries, write
from panorama_build.containers.dockerignore import Ignore
from panorama_build.errors import PanoramaError
from panorama_build.fingerprint import Fingerprint
from panorama_build.project import Project
from panorama_build.render import render
from panorama_build.store import artifact_in
from panorama_build.transfer.partial import partial
from panorama_build.transfer.publication import plan
from panorama_build.transfer.remote import DirectoryRemote
from tests.applications import example, run

PACKAGE = Path(__file__).parent.parent / "panorama_build"

# Names that lead elsewhere on one system or another.
LEADING_OUT = ["../out", "../../../../tmp/out", "/tmp/out", "a/../../out", "..", ".", ""]
ODD = ["a\0b", "a\nb", "C:\\out", "\\\\host\\out", "a\\..\\..\\out"]


# Names in panorama.yaml

MANIFEST = """\
application: app
account: "123456789012"
{application}
packages:
  code:
    container: {{image: base{container}}}
    entry: {{name: /app.py}}
    {package}
"""
PLACES = {
    "a package's key": ("", "", "name: code\n  {name}:\n    container: {{image: base}}\n    entry: {{name: /app.py}}"),
    "a package's name": ("", "", "name: {name}"),
    "a package's version": ("", "", "version: {name}"),
    "the version of its folder": ("", "", "directory_version: {name}"),
    "its folder": ("", "", "directory: {name}"),
    "a descriptor": ("", "", "descriptor: {name}"),
    "an asset": ("", ", asset: {name}", ""),
    "the application": ("graphs: {{{name}: {{}}}}", "", ""),
}


@pytest.mark.parametrize("name", [name for name in LEADING_OUT if "out" in name] + ODD)
@pytest.mark.parametrize("place", PLACES)
def test_no_name_in_the_manifest_leads_out_of_its_folder(tmp_path: Path, place: str, name: str) -> None:
    project = tmp_path / "some" / "project"
    project.mkdir(parents=True)
    application, container, package = (part.format(name=json.dumps(name)) for part in PLACES[place])
    text = MANIFEST.format(application=application, container=container, package=package)
    (project / "panorama.yaml").write_text(text)
    with suppress(PanoramaError):
        render(Project.load(project, {}), project / "documents")
    found = {path for path in tmp_path.rglob("*") if not path.is_dir()} - {project / "panorama.yaml"}
    assert all(path.is_relative_to(project / "documents") for path in found), found
    assert not Path("/tmp/out").exists()


def outside(folder: Path, project: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if not path.is_relative_to(project)}


# Names from a remote, and its JSON


@pytest.mark.parametrize("name", LEADING_OUT + ODD)
def test_no_digest_of_a_record_leads_out_of_the_store(name: str) -> None:
    record = {"inputs": {"a": "b"}, "artifact": {"sha256": name, "size": 1, "tar_sha256": None}}
    assert artifact_in(json.dumps(record).encode(), Fingerprint({"a": "b"})) is None


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[" * 100_000, b"\xff\xfe", b"null", b'{"inputs": {"a": "b"}, "artifact": {"sha256": 1}}']
)
def test_a_record_that_is_none_is_no_record(content: bytes) -> None:
    assert artifact_in(content, Fingerprint({"a": "b"})) is None


@pytest.mark.parametrize("name", [name for name in LEADING_OUT if name] + ODD)
def test_no_name_in_a_package_json_leads_out_of_a_remote(tmp_path: Path, name: str) -> None:
    for field in ("name", "version"):
        path = tmp_path / "package.json"
        path.write_text(json.dumps({"nodePackage": {"name": "a", "version": "1.0", field: name}}))
        with pytest.raises(PanoramaError, match=r"not a package\.json that can be published"):
            plan(path, tmp_path, DirectoryRemote(tmp_path / "published"))


@pytest.mark.parametrize("key", ["..", ".", "../k", "a/../../k", "a/./k", "a\0b", "a\nb"])
def test_no_key_of_an_address_is_a_step(key: str) -> None:
    with pytest.raises(PanoramaError, match="not an S3 address"):
        parse_s3_url(f"s3://bucket/{key}")


# A model's archive


def test_a_model_is_stored_and_never_extracted(tmp_path: Path) -> None:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for name, kind, target in [
            ("../../escaped", tarfile.REGTYPE, ""),
            ("/tmp/panorama-escaped", tarfile.REGTYPE, ""),
            ("link", tarfile.SYMTYPE, "/etc"),
            ("link/escaped", tarfile.REGTYPE, ""),
            ("device", tarfile.CHRTYPE, ""),
            ("model.params", tarfile.REGTYPE, ""),
            ("model-symbol.json", tarfile.REGTYPE, ""),
        ]:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, target
            tar.addfile(member)
    project = tmp_path / "some" / "project"
    (project / "models").mkdir(parents=True)
    (project / "models/net.tar.gz").write_bytes(out.getvalue())
    (project / "panorama.yaml").write_text(
        'application: app\naccount: "123456789012"\npackages:\n  net:\n    models:\n      net:\n'
        "        source: models/net.tar.gz\n        framework: MXNET\n        inputs: {data: [1, 3, 2, 2]}\n"
    )
    before = outside(tmp_path, project)
    done = run(project, {"PATH": os.environ["PATH"]}, "panorama-build", "run", "model", "check")
    assert done.status == 0, done.output
    (asset,) = (project / ".panorama/store/assets").iterdir()
    assert asset.name == f"{hashlib.sha256(out.getvalue()).hexdigest()}.tar.gz"
    assert outside(tmp_path, project) == before and not Path("/tmp/panorama-escaped").exists()
    assert not list(project.rglob("*escaped*")) and not list(project.rglob("*.params"))


def test_what_is_no_archive_is_not_stored(tmp_path: Path) -> None:
    (tmp_path / "net.tar.gz").write_bytes(b"#!/bin/sh\nrm -rf /\n")
    (tmp_path / "panorama.yaml").write_text(
        'application: app\naccount: "123456789012"\npackages:\n  net:\n    models:\n      net:\n'
        "        source: net.tar.gz\n        framework: MXNET\n        inputs: {data: [1, 3, 2, 2]}\n"
    )
    done = run(tmp_path, {"PATH": os.environ["PATH"]}, "panorama-build", "run", "model")
    assert done.status != 0 and "no gzip archive" in done.output and "Traceback" not in done.output
    assert not list((tmp_path / ".panorama/store").rglob("*.tar.gz"))


# Sources of a container


def test_a_link_out_of_the_sources_is_sent_as_a_link(tmp_path: Path) -> None:
    source = tmp_path / "src"
    source.mkdir()
    (tmp_path / "secret").write_text("the secret")
    (source / "file").symlink_to("../secret")
    (source / "folder").symlink_to("/etc")
    (source / "dangling").symlink_to("nowhere")
    out = io.BytesIO()
    write(source, entries(source, Ignore.parse("")), out, None)
    assert b"the secret" not in out.getvalue()
    with tarfile.open(fileobj=io.BytesIO(out.getvalue())) as tar:
        links = {member.name: member.linkname for member in tar if member.issym()}
    assert links == {"file": "../secret", "folder": "/etc", "dangling": "nowhere"}


# Private files


def test_what_is_on_its_way_is_read_by_its_owner_alone(tmp_path: Path) -> None:
    with partial(tmp_path / "partial", "model") as to:
        assert to.path.parent.stat().st_mode & 0o777 == 0o700


# The code itself

FORBIDDEN_CALLS = {
    "os.system", "os.popen", "os.execl", "os.spawnl", "subprocess.getoutput", "subprocess.getstatusoutput",
    "eval", "exec", "compile", "__import__", "pickle.loads", "pickle.load", "yaml.unsafe_load",
    "shutil.unpack_archive", "tempfile.mktemp",
}  # fmt: skip
FORBIDDEN_METHODS = {"extractall", "extract"}


def calls() -> Iterator[tuple[str, ast.Call]]:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call):
                yield f"{path.relative_to(PACKAGE)}:{node.lineno}: {ast.unparse(node.func)}", node


def test_no_shell_and_no_code_from_elsewhere() -> None:
    found = []
    for place, call in calls():
        name = ast.unparse(call.func)
        if name in FORBIDDEN_CALLS or name.rpartition(".")[2] in FORBIDDEN_METHODS:
            found.append(place)
        if any(word.arg == "shell" for word in call.keywords):
            found.append(place)
        if name in ("subprocess.run", "subprocess.Popen", "subprocess.check_output") and isinstance(
            call.args[0], (ast.Constant, ast.JoinedStr)
        ):
            found.append(place)
    assert found == []


def test_the_search_for_a_shell_finds_one() -> None:
    names = {ast.unparse(call.func) for _, call in calls()}
    assert any(name.startswith("subprocess.") for name in names), (
        "programs are started, so there is something to look at"
    )


def test_an_answer_that_unpacks_to_a_gigabyte_is_no_answer(tmp_path: Path) -> None:
    """A record is read up to a limit; what comes beyond it makes it no record."""
    from panorama_build.transfer.cache import MAX_RECORD

    assert MAX_RECORD <= 16 << 20
    assert artifact_in(gzip.compress(bytes(1 << 20)), Fingerprint({})) is None


def test_an_address_in_an_error_has_no_credentials() -> None:
    with pytest.raises(PanoramaError) as caught:
        parse_s3_url("s3://me:secret@/k?token=secret")
    assert "secret" not in str(caught.value)
    assert Address("https://me:secret@host/k").url, "they are kept where they were written"


# What an address tells


def test_credentials_in_an_address_stay_in_the_manifest(tmp_path: Path) -> None:
    """No record, which a team may share, no task's description and no line of a run has them."""
    app = example(tmp_path / "app")
    with web_server(app.root / "models") as url:
        secret = url.replace("http://", "http://me:hush@") + "/squeezenet1_0.tar.gz?token=whisper"
        app.edit("panorama.yaml", "models/squeezenet1_0.tar.gz", f'"{secret}"')
        done = app.doit("model", "package:call_node", "asset:call_node", PANORAMA_CACHE=str(tmp_path / "shared"))
        told = done.output + app.doit("list", "--all").output + app.doit("why").output
        pin = (app.root / "panorama.yaml").read_text().split("sha256: ")[1][:64]
        app.edit("panorama.yaml", pin, "0" * 64)
        told += app.doit("model").output
    assert done.outcomes["model:callable_squeezenet"] == "fetched" and "the pin is 000" in told
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "panorama.yaml"]
    assert [path for path in kept if b"hush" in path.read_bytes() or b"whisper" in path.read_bytes()] == []
    assert "hush" not in told and "whisper" not in told


@contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """The files of a folder over http; the URL."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def test_what_a_build_prints_is_for_its_owner_alone(tmp_path: Path) -> None:
    with BuildLog(tmp_path / "logs/container-code.log", lambda line: None) as log:
        log.write("token=hush")
    assert (tmp_path / "logs").stat().st_mode & 0o077 == 0
