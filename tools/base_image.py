"""Make a small Debian root with Python 3 for arm64 and push it to a registry on this machine.

    python tools/base_image.py 127.0.0.1:5000/panorama-base:1

The files come out of Debian's packages as they are: no maintainer script runs, so neither emulation nor an engine is
needed, and the same packages give the same image. The registry is spoken to directly, over plain HTTP.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

SUITE = "bookworm"
PACKAGES = """
    base-files busybox-static libbz2-1.0 libc6 libexpat1 libffi8 liblzma5 libpython3.11-minimal libpython3.11-stdlib
    libssl3 libuuid1 media-types python3-minimal python3.11-minimal zlib1g
"""
UNWANTED = ("usr/share/", "usr/sbin/", "usr/bin/py3", "usr/lib/aarch64-linux-gnu/gconv")
MERGED = ("bin", "lib", "sbin")
FILES = {"etc/passwd": b"root:x:0:0:root:/root:/bin/sh\n", "etc/group": b"root:x:0:\n"}
LINKS = {**{name: f"usr/{name}" for name in MERGED}, "usr/bin/sh": "busybox", "usr/bin/env": "busybox"}
MANIFEST = "application/vnd.oci.image.manifest.v1+json"

Entry = tuple[tarfile.TarInfo, bytes]


def _package(deb: Path) -> Iterator[Entry]:
    """The wanted files of a package, at their place in a root whose /bin, /lib and /sbin are links into /usr."""
    dpkg = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", deb], stdout=subprocess.PIPE)
    with dpkg, tarfile.open(fileobj=dpkg.stdout, mode="r|") as tar:
        for member in tar:
            name = member.name.removeprefix("./").lstrip(".")
            member.name = f"usr/{name}" if name.split("/")[0] in MERGED else name
            if name and not member.name.startswith(UNWANTED):
                content = tar.extractfile(member) if member.isfile() else None
                yield member, content.read() if content else b""
    if dpkg.returncode:
        raise SystemExit(f"base_image: {deb.name} cannot be unpacked")


def _own(time: int) -> Iterator[Entry]:
    """What a maintainer script would have made."""
    for name, content in FILES.items():
        member = tarfile.TarInfo(name)
        member.size, member.mtime = len(content), time
        yield member, content
    for name, target in LINKS.items():
        member = tarfile.TarInfo(name)
        member.type, member.linkname, member.mode, member.mtime = tarfile.SYMTYPE, target, 0o777, time
        yield member, b""


def _download(directory: Path) -> list[Path]:
    program = Path(__file__).with_name("debian-packages")
    if subprocess.run([program, directory, SUITE, "arm64", *PACKAGES.split()]).returncode:
        raise SystemExit(1)
    return sorted(directory.glob("*.deb"))


def root(path: Path) -> None:
    """Write the root file system as a tar whose bytes depend on the packages alone."""
    with tempfile.TemporaryDirectory() as temporary:
        entries = [entry for deb in _download(Path(temporary)) for entry in _package(deb)]
    entries += _own(int(max(member.mtime for member, _ in entries)))
    by_name = {member.name: (member, content) for member, content in entries}
    part = path.with_suffix(f".{os.getpid()}")
    with tarfile.open(part, "w", format=tarfile.GNU_FORMAT) as tar:
        for _, (member, content) in sorted(by_name.items()):
            tar.addfile(member, io.BytesIO(content))
    part.replace(path)


class Registry:
    """The two things a registry is asked here: does it have an image, and to take one."""

    def __init__(self, reference: str) -> None:
        self.host, _, rest = reference.partition("/")
        self.repository, _, self.tag = rest.rpartition(":")
        if not self.repository:
            raise SystemExit(f"base_image: {reference} is not of the form HOST:PORT/NAME:TAG")

    def _ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self.host)
        try:
            connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        except OSError as error:
            raise SystemExit(
                f"base_image: no registry answers at {self.host}: {error.strerror} (ENGINE=none tools/engine-up DIR)"
            ) from None
        return connection.getresponse()

    def _blob(self, content: bytes) -> dict[str, object]:
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        upload = self._ask("POST", f"/v2/{self.repository}/blobs/uploads/").headers["Location"]
        path = "/" + upload.split("//", 1)[-1].split("/", 1)[-1]
        answer = self._ask("PUT", f"{path}&digest={digest}", content, Content_Type="application/octet-stream")
        if answer.status != 201:
            raise SystemExit(f"base_image: {self.host} refused a blob: {answer.status} {answer.read().decode()}")
        return {"digest": digest, "size": len(content)}

    def has(self) -> bool:
        return self._ask("HEAD", f"/v2/{self.repository}/manifests/{self.tag}", Accept=MANIFEST).status == 200

    def push(self, layer: bytes) -> None:
        """Push an image of one layer, which stays uncompressed: compressors differ between machines."""
        content = self._blob(layer)
        image = {
            "architecture": "arm64",
            "os": "linux",
            "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin"], "Cmd": ["python3"]},
            "rootfs": {"type": "layers", "diff_ids": [content["digest"]]},
        }
        config = self._blob(json.dumps(image).encode())
        manifest = {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **config},
            "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar", **content}],
        }
        path = f"/v2/{self.repository}/manifests/{self.tag}"
        answer = self._ask("PUT", path, json.dumps(manifest).encode(), Content_Type=MANIFEST)
        if answer.status != 201:
            raise SystemExit(f"base_image: {self.host} refused the manifest: {answer.status} {answer.read().decode()}")


def push(reference: str, cache: Path) -> None:
    """Make sure that the registry has the image, taking the root file system of this recipe from the cache."""
    registry = Registry(reference)
    if registry.has():
        return
    recipe = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    tar = cache / f"base-{recipe[:16]}.tar"
    if not tar.exists():
        cache.mkdir(parents=True, exist_ok=True)
        root(tar)
    registry.push(tar.read_bytes())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("reference", help="HOST:PORT/NAME:TAG of a registry on this machine")
    parser.add_argument("--cache", type=Path, default=Path(".engine"), help="where the root file system is kept")
    options = parser.parse_args(arguments)
    push(options.reference, options.cache)
    print(options.reference)
    return 0


if __name__ == "__main__":
    sys.exit(main())
