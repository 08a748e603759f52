"""What each panorama-cli command did by hand, panorama.yaml declares and a task does: held against panorama-cli itself.

One project is made with panorama-cli's commands, one from a manifest, and then they are compared. Their documents
differ in what ``comparable`` names, their archives in ``ENGINES_OWN``, and in nothing else.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import shlex
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Template
from textwrap import dedent, indent
from typing import Any

import pytest

from tests import panorama_service as panorama
from tests.applications import Run, run
from tests.panorama_packages import ACCOUNT
from tests.panorama_service import PanoramaService
from tests.servers import S3, Engine
from tests.upstream import Upstream

pytestmark = [pytest.mark.engine, pytest.mark.server]

CREATE = """
create-package --name gate --type Camera
create-package --name screen --type Datasink
create-package --name call_node --type Model
create-package --name far_node --type Model
create-package --name twin_node --type Model
create-package --name counter
create-package --name local
create-package --name ready
add-panorama-package --type camera --name front_door
add-panorama-package --type data_sink --name hdmi
"""
BUILD = """
add-raw-model --model-asset-name squeezenet --model-local-path ../squeezenet.tar.gz --descriptor-path $call_node/descriptor.json --packages-path $call_node
add-raw-model --model-asset-name far --model-s3-uri $s3/far.tar.gz --descriptor-path $far_node/descriptor.json --packages-path $far_node $twin_node
build-container --container-asset-name counter_code --package-path $counter
build-container --container-asset-name local_code --package-path $local --local-image
export-container --container-asset-name ready_code --container-image-uri $base --package-path $ready
"""  # noqa: E501

# What stands in the manifest for these commands, and for what a person edits between and after them.
PACKAGES = {
    "gate": """
        camera: {}
    """,
    "screen": """
        sink: hdmi
    """,
    "call_node": """
        models:
          squeezenet:
            source: squeezenet.tar.gz
            sha256: $pin
            framework: PYTORCH
            inputs: {data: [1, 3, 224, 224]}
    """,
    "far_node": """
        models:
          far:
            source: $s3/far.tar.gz
            framework: MXNET
            inputs: {image: [1, 300, 300, 3]}
    """,
    "twin_node": """
        models: {far: far_node}
    """,
    "counter": """
        container: counter_code
        entry: [python3, /panorama/app.py]
        gpu: true
        inputs: {video_in: media, threshold: float32}
        ports: [8080]
    """,
    "local": """
        container: {asset: local_code, pull: false}
        entry: [python3, /panorama/app.py]
    """,
    "ready": """
        container: {asset: ready_code, image: "$base"}
        entry: [python3, /panorama/app.py]
    """,
}
HEAD = f"application: app\naccount: '{ACCOUNT}'\npackages:\n"
GRAPH = """
graph:
  nodes:
    gate: gate
    screen: screen
    front_door: camera
    hdmi: hdmi
    squeezenet: call_node
    far: far_node
    local_code_node: local
    ready_code_node: ready
    counter: counter
    threshold: {float32: 0.5, overridable: true, title: Threshold}
  edges:
    - front_door -> counter.video_in
    - threshold -> counter.threshold
    - counter -> hdmi
  routes: [8000 -> counter:8080]
"""

# The edits of generated files with panorama-cli, between the commands that create and those that build...
GPU = {"deviceType": "nvhost_gpu", "sharedResourcePolicy": {"policy": "allow_all"}}
DESCRIPTORS = {
    "call_node": {"framework": "PYTORCH", "inputs": [{"name": "data", "shape": [1, 3, 224, 224]}]},
    "far_node": {"framework": "MXNET", "inputs": [{"name": "image", "shape": [1, 300, 300, 3]}]},
}
COUNTER_IMPLEMENTATION = {
    "type": "container",
    "assetUri": ".tar.gz",
    "descriptorUri": ".json",
    "requirements": [{"type": "hardware_access", "inferenceAccelerators": [GPU]}],
}
COUNTER_INTERFACE = {
    "name": "counter_code_interface",
    "category": "business_logic",
    "asset": "counter_code",
    "inputs": [{"name": "video_in", "type": "media"}, {"name": "threshold", "type": "float32"}],
    "outputs": [{"name": "video_out", "type": "media"}],
    "network": {"inboundPorts": [{"port": 8080}]},
}
# ...and of the graph at the end.
COUNTER_NODE = {
    "name": "counter",
    "interface": f"{ACCOUNT}::counter.counter_code_interface",
    "overridable": False,
    "launch": "onAppStart",
}
THRESHOLD_NODE = {
    "name": "threshold",
    "interface": "float32",
    "value": 0.5,
    "overridable": True,
    "decorator": {"title": "Threshold"},
}
EDGES = [
    {"producer": "front_door.video_out", "consumer": "counter.video_in"},
    {"producer": "threshold", "consumer": "counter.threshold"},
    {"producer": "counter.video_out", "consumer": "hdmi.video_in"},
]
RULES = [{"node": "counter", "containerPort": 8080, "hostPort": 8000}]

ENTRY = {"path": "python3", "name": "/panorama/app.py"}

LOCAL = "panorama-tests/local"  # an image that no registry has
SQUEEZENET, FAR = (gzip.compress(name, mtime=0) for name in (b"squeezenet", b"far"))

# The archives differ in what the engine puts into a container to run it, which `docker export` takes for its own.
ENGINES_OWN = {
    *(".dockerenv", "dev", "dev/console", "dev/pts", "dev/shm", "proc", "sys"),
    *("etc", "etc/hostname", "etc/hosts", "etc/mtab", "etc/resolv.conf"),
}


@dataclass(frozen=True)
class Root:
    """An application root, by whomever it was made."""

    path: Path

    def folder(self, package: str) -> Path:
        return self.path / "packages" / f"{ACCOUNT}-{package}-1.0"

    def package(self, package: str) -> Any:
        return json.loads((self.folder(package) / "package.json").read_text())

    @property
    def graph(self) -> Any:
        return json.loads((self.path / "graphs/app/graph.json").read_text())

    def container(self, package: str) -> dict[str, tuple[object, ...]]:
        """The file system in a package's container: by name the type, mode, owner, link and content of each file."""
        implementation = self.package(package)["nodePackage"]["assets"][0]["implementations"][0]
        with tarfile.open(self.path / "assets" / implementation["assetUri"]) as tar:
            return {member.name: self._entry(tar, member) for member in tar}

    def _entry(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[object, ...]:
        file = tar.extractfile(member) if member.isreg() else None
        content = hashlib.sha256(file.read()).hexdigest() if file else ""
        return member.type, oct(member.mode), member.uid, member.gid, member.linkname, content

    def edit(self, file: str, **members: object) -> None:
        """What a person does in an editor: replace members of the one object in a JSON file."""
        path = self.path / file
        document = json.loads(path.read_text())
        next(iter(document.values())).update(members)
        path.write_text(json.dumps(document, indent=4))


@dataclass(frozen=True)
class Panorama:
    """panorama-cli with an account, an engine and a store."""

    upstream: Upstream
    env: Mapping[str, str]

    def run(self, command: str, cwd: Path) -> str:
        result = self.upstream.run(shlex.split(command), cwd, dict(self.env))
        assert result.returncode == 0, result.stdout + result.stderr
        return result.stdout


def panorama_cli(upstream: Upstream, engine: Engine, service: PanoramaService) -> Panorama:
    # It knows no platform but the engine's own, or the one that its environment names.
    return Panorama(upstream, {**engine.env, **service.env, "DOCKER_DEFAULT_PLATFORM": "linux/arm64"})


@pytest.fixture(scope="module")
def places(engine: Engine, s3: S3, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What commands and manifests refer to by $name."""
    bucket = s3.make_bucket("models-from-afar")
    s3.client().put_object(Bucket=bucket, Key="far.tar.gz", Body=FAR)
    context = tmp_path_factory.mktemp("local")
    (context / "Dockerfile").write_text('FROM scratch\nCOPY Dockerfile /etc/motd\nCMD ["none"]\n')
    engine.run("docker", "build", "--platform", "linux/arm64", "--tag", LOCAL, context)
    folders = {package: f"packages/{ACCOUNT}-{package}-1.0" for package in PACKAGES}
    pin = hashlib.sha256(SQUEEZENET).hexdigest()
    return {**folders, "s3": f"s3://{bucket}", "base": engine.base, "local_image": LOCAL, "pin": pin}


@pytest.fixture(scope="module")
def theirs(
    upstream: Upstream, engine: Engine, s3: S3, places: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Root:
    """A project made with panorama-cli."""
    desk = tmp_path_factory.mktemp("theirs")
    root = Root(desk / "app")
    with panorama.running(s3, "panorama-of-theirs") as service:
        cli = panorama_cli(upstream, engine, service)
        cli.run("init-project --name app", desk)
        for command in CREATE.strip().splitlines():
            cli.run(command, root.path)
        (desk / "squeezenet.tar.gz").write_bytes(SQUEEZENET)
        edit_by_hand(root, places)
        for command in BUILD.strip().splitlines():
            cli.run(Template(command).substitute(places), root.path)
    root.edit("graphs/app/graph.json", nodes=edited(root.graph), edges=EDGES, networkRoutingRules=RULES)
    return root


def edit_by_hand(root: Root, places: dict[str, str]) -> None:
    for package, members in DESCRIPTORS.items():
        root.edit(f"packages/{ACCOUNT}-{package}-1.0/descriptor.json", **members)
    for package in ("counter", "local", "ready"):
        root.edit(f"packages/{ACCOUNT}-{package}-1.0/descriptor.json", entry=ENTRY)
    for package in ("counter", "local"):
        write_sources(root.folder(package), places["base" if package == "counter" else "local_image"])
    asset = {"name": "counter_code", "implementations": [COUNTER_IMPLEMENTATION]}
    root.edit(f"packages/{ACCOUNT}-counter-1.0/package.json", assets=[asset], interfaces=[COUNTER_INTERFACE])


def edited(graph: Any) -> list[Any]:
    """A graph's nodes with those that no command adds, and without the second of one name, which no graph may have.

    add-raw-model gives each package that it is told a node named like the model.
    """
    nodes = [*graph["nodeGraph"]["nodes"], COUNTER_NODE, THRESHOLD_NODE]
    return [node for node in nodes if node["interface"] != f"{ACCOUNT}::twin_node.far_interface"]


def write_sources(folder: Path, base: str) -> None:
    """The sources of a container, which are the same for both programs."""
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / "Dockerfile").write_text(f"FROM {base}\nCOPY src /panorama\n")
    (folder / "src/app.py").write_text("print('counting')\n")
    (folder / "src/start").write_text("#!/bin/sh\n")
    (folder / "src/start").chmod(0o755)
    (folder / "src/main.py").symlink_to("app.py")


@dataclass(frozen=True)
class Project:
    """A project of ours, after a run."""

    folder: Path
    run: Run

    @property
    def root(self) -> Root:
        return Root(self.folder / "build")


@pytest.fixture(scope="module")
def ours(engine: Engine, s3: S3, places: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same project made from a manifest."""
    folder = tmp_path_factory.mktemp("ours")
    packages = "".join(f"  {name}:\n{indent(dedent(text).strip(), '    ')}\n" for name, text in PACKAGES.items())
    (folder / "panorama.yaml").write_text(HEAD + Template(packages).substitute(places) + GRAPH)
    (folder / "squeezenet.tar.gz").write_bytes(SQUEEZENET)
    write_sources(folder / "packages/counter", places["base"])
    write_sources(folder / "packages/local", places["local_image"])
    done = run(folder, {**engine.env, **s3.env}, "panorama-build")
    assert done.status == 0, done.output
    return Project(folder, done)


def comparable(document: Any) -> Any:
    """A package.json without what may differ, and why it may."""
    # A camera of panorama-cli's has no version, which package-application takes for 1.0.
    package = {"version": "1.0", **document["nodePackage"]}
    for asset in package["assets"]:
        for implementation in asset["implementations"]:
            if implementation["type"] == "container":
                del implementation["assetUri"]  # panorama-cli's is another at each build
    return undescribed(package)


def undescribed(value: Any) -> Any:
    """A document without descriptions: panorama-cli fills in its own, such as "Default desc"."""
    if isinstance(value, dict):
        return {key: undescribed(member) for key, member in value.items() if key != "description"}
    return [undescribed(member) for member in value] if isinstance(value, list) else value


@pytest.mark.parametrize("package", PACKAGES)
def test_at_most_eight_lines_declare_a_package(theirs: Root, ours: Project, package: str) -> None:
    assert len(PACKAGES[package].strip().splitlines()) + 1 <= 8
    assert comparable(ours.root.package(package)) == comparable(theirs.package(package))


def test_graph_is_equal(theirs: Root, ours: Project) -> None:
    assert ours.root.graph == theirs.graph


@pytest.mark.parametrize("package", ["call_node", "far_node", "counter", "local", "ready"])
def test_descriptor_is_equal_to_the_byte(theirs: Root, ours: Project, package: str) -> None:
    descriptor = (ours.root.folder(package) / "descriptor.json").read_bytes()
    assert descriptor == (theirs.folder(package) / "descriptor.json").read_bytes()
    assert (ours.root.path / "assets" / f"{hashlib.sha256(descriptor).hexdigest()}.json").read_bytes() == descriptor


def test_descriptor_has_the_name_that_the_manual_shows(ours: Project) -> None:
    name = "df53d7bc3666089c2f93d23f5b4d168d2f36950de42bd48da5fdcafd9dbac41a.json"
    (asset,) = ours.root.package("call_node")["nodePackage"]["assets"]
    assert asset["implementations"][0]["descriptorUri"] == name


@pytest.mark.parametrize("package", ["counter", "local", "ready"])
def test_container_is_the_same_file_system(theirs: Root, ours: Project, package: str) -> None:
    here, there = ours.root.container(package), theirs.container(package)
    assert there.keys() - here.keys() <= ENGINES_OWN
    assert {name: there[name] for name in here} == here


def test_models_are_the_same_assets(theirs: Root, ours: Project) -> None:
    """The one that is not pinned is said to be so."""
    models = {f"{hashlib.sha256(content).hexdigest()}.tar.gz" for content in (SQUEEZENET, FAR)}
    for root in (theirs, ours.root):
        assert models < {path.name for path in (root.path / "assets").iterdir()}
    assert "not pinned" not in ours.run.detail("model:squeezenet")
    assert "not pinned" in ours.run.detail("model:far")


def test_layout_is_equal(theirs: Root, ours: Project) -> None:
    assert layout(ours.root.path) == layout(theirs.path)


def layout(root: Path) -> set[str]:
    """The files of an application root, without sources and assets."""
    files = {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}
    return {
        name for name in files if not name.startswith("assets/") and "/src/" not in name and "Dockerfile" not in name
    }


def test_init_leads_to_the_folders_of_init_project(upstream: Upstream, tmp_path: Path) -> None:
    """And the application that init lays out has something in them."""
    (tmp_path / "theirs").mkdir()
    Panorama(upstream, {"PATH": os.environ["PATH"]}).run("init-project --name app", tmp_path / "theirs")
    for folder, command in ((tmp_path, ["init", "app"]), (tmp_path / "app", ["graph"])):
        done = run(folder, dict(os.environ), "panorama-build", *command)
        assert done.status == 0, done.output
    assert tree(tmp_path / "app/build") == tree(tmp_path / "theirs/app")
    assert Root(tmp_path / "app/build").graph["nodeGraph"]["nodes"]


def tree(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*")}


PAIR = """
application: pair
packages:
  code:
    container: {image: $local_image, pull: false}
    entry: [python3, /app.py]
  net:
    models:
      net: {source: squeezenet.tar.gz, framework: PYTORCH, inputs: {data: [1, 3, 224, 224]}}
graph:
  nodes: {camera: camera, code: code, net: net, most: {int32: 3}}
  edges: [camera -> code]
"""


@pytest.fixture
def pair(tmp_path: Path, places: dict[str, str], engine: Engine) -> Path:
    """A project of two packages, whose account the environment is to tell."""
    (tmp_path / "panorama.yaml").write_text(Template(PAIR).substitute(places))
    (tmp_path / "squeezenet.tar.gz").write_bytes(SQUEEZENET)
    return tmp_path


def build(project: Path, env: Mapping[str, str], *tasks: str, **more: str) -> None:
    done = run(project, {**env, **more}, "panorama-build", *tasks)
    assert done.status == 0, done.output


def test_panorama_cli_packages_our_application_root(
    upstream: Upstream, engine: Engine, panorama_service: PanoramaService, pair: Path
) -> None:
    """And `publish` stores what package-application does, for one package and for all."""
    env = {**engine.env, **panorama_service.env, "PANORAMA_ACCOUNT": ACCOUNT}
    to = panorama_service.s3.make_bucket(f"{panorama_service.bucket}-ours")
    cli = panorama_cli(upstream, engine, panorama_service)
    build(pair, env)
    for narrowed, task, registered in (
        (f"--packages-path packages/{ACCOUNT}-net-1.0", "publish:net", {"net"}),
        ("", "publish", {"net", "code"}),
    ):
        said = cli.run(f"package-application {narrowed}", pair / "build")
        assert "All packages uploaded and registered successfully" in said
        assert panorama_service.packages.keys() == registered
        build(pair, env, task, PANORAMA_REMOTE=f"s3://{to}/apps")
        assert stored(panorama_service.s3, to) == stored(panorama_service.s3, panorama_service.bucket)
    for name, package in panorama_service.packages.items():
        document = (pair / f"build/packages/{ACCOUNT}-{name}-1.0/package.json").read_bytes()
        assert list(package.versions["1.0"].patches) == [hashlib.sha256(document).hexdigest()]


def stored(s3: S3, bucket: str) -> dict[str, str]:
    """The names and contents of a store: the folders above are each program's own."""
    objects = s3.client().list_objects_v2(Bucket=bucket)["Contents"]
    contents = {each["Key"]: s3.client().get_object(Bucket=bucket, Key=each["Key"])["Body"].read() for each in objects}
    return {Path(key).name: hashlib.sha256(content).hexdigest() for key, content in contents.items()}


def test_another_account_is_one_value(
    upstream: Upstream, engine: Engine, panorama_service: PanoramaService, pair: Path
) -> None:
    """It changes what import-application changes, and no patch version."""
    build(pair, engine.env, PANORAMA_ACCOUNT="210987654321")
    shutil.copytree(pair / "build", pair / "imported")
    before = contents(pair / "build")
    build(pair, engine.env, PANORAMA_ACCOUNT=ACCOUNT)
    panorama_cli(upstream, engine, panorama_service).run("import-application", pair / "imported")
    after = contents(pair / "build")
    assert after == contents(pair / "imported")
    assert after == {
        name.replace("210987654321", ACCOUNT): content.replace(b"210987654321", ACCOUNT.encode())
        if name.startswith("graphs")
        else content
        for name, content in before.items()
    }


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}
