"""Publishing to a service that answers the Panorama API, with a real S3 as its store."""

from __future__ import annotations

import gzip
import os
import random
import tarfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from panorama_build.address import Address
from panorama_build.errors import PanoramaError
from panorama_build.transfer.account import Account
from panorama_build.transfer.publication import Plan, Receipt, plan, publish
from panorama_build.transfer.refusals import explain
from panorama_build.transfer.registration import Registry
from panorama_build.transfer.remote import S3Remote, open_destination, open_remote
from tests import panorama_service as panorama
from tests.applications import App
from tests.panorama_packages import ACCOUNT, Patch
from tests.panorama_rules import Refusal
from tests.panorama_service import PanoramaService
from tests.servers import S3
from tests.test_remote import Built, build, quiet
from tests.upstream import Upstream

pytestmark = pytest.mark.server

FIRST = [
    "DescribePackageVersion",
    "DescribePackage",
    "CreatePackage",
    "RegisterPackageVersion",
    "DescribePackageVersion",
]
NEXT = [
    *("DescribePackageVersion", "DescribePackage", "RegisterPackageVersion", "DescribePackageVersion"),
    "DeregisterPackageVersion",
]


@pytest.fixture(autouse=True)
def environment(panorama_service: PanoramaService, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "PANORAMA_"))]:
        monkeypatch.delenv(name)
    for name, value in panorama_service.env.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def built(tmp_path: Path) -> Built:
    return build(tmp_path / "build", content=random.Random(1).randbytes(100_000))


def again(built: Built, content: bytes = b"another root file system") -> Built:
    """The next state of the same package."""
    return build(built.assets.parent, content=content)


def registry(tmp_path: Path, account: str | None = ACCOUNT) -> Registry:
    address = Address("panorama")
    opened = open_destination(address, tmp_path, Account(account, address, tmp_path / "accounts"))
    assert isinstance(opened, Registry)
    return opened


def compared(built: Built) -> Plan:
    return plan(built.package_json, built.assets, registry(built.assets.parent))


def published(built: Built) -> Receipt:
    return publish(compared(built), registry(built.assets.parent), quiet)


def keys(service: PanoramaService) -> set[str]:
    found = service.s3.client().list_objects_v2(Bucket=service.bucket).get("Contents", [])
    return {each["Key"] for each in found}


# What happens to a package


def test_a_new_package_is_created_uploaded_and_registered(panorama_service: PanoramaService, built: Built) -> None:
    receipt = published(built)
    assert panorama_service.calls == FIRST
    assert list(receipt.uploaded) == built.keys
    root = f"{ACCOUNT}/nodePackages/counter"
    manifest = f"{root}/manifests/1.0/{built.patch}.json"
    assert keys(panorama_service) == {f"{root}/{key}" for key in built.keys[:2]} | {manifest}
    version = panorama_service.packages["counter"].versions["1.0"]
    assert (version.latest, list(version.patches)) == (built.patch, [built.patch])


def test_a_plan_says_all_of_it_and_does_nothing(panorama_service: PanoramaService, built: Built) -> None:
    made = compared(built)
    assert [step.key for step in made.pending] == built.keys
    assert made.changes == ("create package counter", f"register 1.0 {built.patch[:12]}")
    assert panorama_service.packages == {} and keys(panorama_service) == set()
    publish(made, registry(built.assets.parent), quiet)
    old, new = built.patch, again(built)
    made = compared(new)
    assert [step.key for step in made.pending] == [new.keys[0], new.keys[2]]
    assert made.changes == (f"register 1.0 {new.patch[:12]}", f"deregister {old[:12]}")


def test_what_is_in_force_costs_one_request(panorama_service: PanoramaService, built: Built) -> None:
    published(built)
    panorama_service.calls.clear()
    made = compared(built)
    assert panorama_service.calls == ["DescribePackageVersion"]
    assert made.pending == () and made.changes == ()
    assert publish(made, registry(built.assets.parent), quiet).uploaded == ()
    assert panorama_service.calls == ["DescribePackageVersion"]


def test_the_patch_before_goes_when_the_next_is_there(panorama_service: PanoramaService, built: Built) -> None:
    published(built)
    panorama_service.calls.clear()
    new = again(built)
    published(new)
    assert panorama_service.calls == NEXT
    version = panorama_service.packages["counter"].versions["1.0"]
    assert (version.latest, list(version.patches)) == (new.patch, [new.patch])


def test_a_registration_is_waited_for(panorama_service: PanoramaService, built: Built) -> None:
    panorama_service.parts.pending = 1
    said: list[str] = []
    publish(compared(built), registry(built.assets.parent), said.append)
    assert said == [
        "create package counter",
        *(line for line in said if line.startswith("upload ")),
        f"register 1.0 {built.patch[:12]} as the latest",
        f"wait for 1.0 {built.patch[:12]}: REGISTER_PENDING",
    ]
    assert panorama_service.calls == [*FIRST, "DescribePackageVersion"]


def test_a_wait_ends_and_goes_on_with_the_next_run(
    panorama_service: PanoramaService, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(built)
    panorama_service.parts.pending = 2
    monkeypatch.setenv("PANORAMA_PATIENCE", "0.5")
    old, new = built.patch, again(built)
    with pytest.raises(PanoramaError) as caught:
        published(new)
    assert str(caught.value) == (
        f"panorama: the service has not registered counter 1.0 {new.patch[:12]} within 0.5 s "
        "(run again: it goes on waiting, and sends nothing twice; PANORAMA_PATIENCE sets the seconds)"
    )
    assert list(panorama_service.packages["counter"].versions["1.0"].patches) == [old, new.patch]
    monkeypatch.setenv("PANORAMA_PATIENCE", "60")
    assert published(new).uploaded == ()
    assert list(panorama_service.packages["counter"].versions["1.0"].patches) == [new.patch]


def test_a_failure_says_the_service_s_words_and_leaves_the_patch_before(
    panorama_service: PanoramaService, built: Built
) -> None:
    published(built)
    old, new = built.patch, again(built)
    panorama_service.parts.failing["counter"] = "asset code: platform not supported"
    with pytest.raises(PanoramaError) as caught:
        published(new)
    assert str(caught.value) == (
        f"panorama: the service did not register counter 1.0 {new.patch[:12]}: FAILED: asset code: "
        f"platform not supported; {old[:12]} stays the latest (correct what it says and publish again)"
    )
    assert panorama_service.packages["counter"].versions["1.0"].latest == old
    assert "DeregisterPackageVersion" not in panorama_service.calls
    panorama_service.parts.failing.clear()
    published(new)
    assert panorama_service.packages["counter"].versions["1.0"].latest == new.patch


def test_a_version_has_its_own_patches(panorama_service: PanoramaService, built: Built) -> None:
    published(built)
    text = built.package_json.read_text().replace('"version": "1.0"', '"version": "1.1"')
    built.package_json.write_text(text)
    published(built)
    assert panorama_service.packages["counter"].versions.keys() == {"1.0", "1.1"}


def test_an_old_patch_that_stays_fails_nothing(panorama_service: PanoramaService, built: Built) -> None:
    published(built)
    refusal = Refusal("AccessDeniedException", "not authorized to perform: panorama:DeregisterPackageVersion")
    panorama_service.refusals["DeregisterPackageVersion"].append(refusal)
    said: list[str] = []
    old, new = built.patch, again(built)
    publish(compared(new), registry(built.assets.parent), said.append)
    assert said[-1].startswith(f"warning: {old[:12]} stays registered: panorama: access denied")
    assert panorama_service.packages["counter"].versions["1.0"].patches.keys() == {old, new.patch}


def test_an_old_patch_that_stayed_comes_into_force_again(panorama_service: PanoramaService, built: Built) -> None:
    test_an_old_patch_that_stays_fails_nothing(panorama_service, built)
    old = again(built, random.Random(1).randbytes(100_000))
    published(old)
    version = panorama_service.packages["counter"].versions["1.0"]
    assert (version.latest, list(version.patches)) == (old.patch, [old.patch])


def test_who_is_overtaken_is_told(panorama_service: PanoramaService, built: Built) -> None:
    """Another patch was registered from elsewhere while this one was waited for: it stays in force."""
    panorama_service.parts.pending = 1
    newer = "b" * 64

    def overtake(line: str) -> None:
        if line.startswith("wait for"):
            version = panorama_service.packages["counter"].versions["1.0"]
            version.settle()
            version.patches[newer] = Patch(0, 0)
            version.latest = newer

    with pytest.raises(PanoramaError, match=f"was registered, but {newer[:12]} was made the latest meanwhile"):
        publish(compared(built), registry(built.assets.parent), overtake)
    assert panorama_service.packages["counter"].versions["1.0"].latest == newer

    def take_away(line: str) -> None:
        if line.startswith("wait for"):
            panorama_service.packages["counter"].versions["1.0"].patches.popitem()

    with pytest.raises(PanoramaError, match="was registered, but it was deregistered meanwhile"):
        publish(compared(again(built)), registry(built.assets.parent), take_away)


@pytest.mark.parametrize("where", ["_register", "_wait", "_deregister"])
def test_a_run_that_is_killed_is_finished_by_the_next(
    panorama_service: PanoramaService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Whatever it was about to say to the service."""
    app = application(tmp_path / "app", panorama_service, "net")
    assert app.doit("publish").status == 0
    put_model(app.root, "net", b"second")
    killing = "import os, panorama_build.transfer.registration as r\n"
    killing += f"r.Registration.{where} = lambda *_: os._exit(137)\n"
    dodo = (app.root / "dodo.py").read_text()
    (app.root / "dodo.py").write_text(killing + dodo)
    assert app.doit("publish").status == 137
    (app.root / "dodo.py").write_text(dodo)
    done = app.doit("publish")
    assert (done.status, done.outcomes["publish:net"]) == (0, "published"), done.output
    version = panorama_service.packages["net"].versions["1.0"]
    assert list(version.patches) == [version.latest]
    panorama_service.calls.clear()
    assert app.doit("publish").status == 0 and panorama_service.calls == []


def test_publishers_racing_register_once(panorama_service: PanoramaService, built: Built) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: published(built), range(8)))
    version = panorama_service.packages["counter"].versions["1.0"]
    assert (version.latest, list(version.patches)) == (built.patch, [built.patch])
    assert len(keys(panorama_service)) == 3


# What the service refuses


DENIED = Refusal("AccessDeniedException", "User: arn:aws:iam::1:user/u is not authorized")


@pytest.mark.parametrize(
    ("refusal", "said"),
    [
        (DENIED, "access denied: User: arn:aws:iam::1:user/u is not authorized"),
        (Refusal("ExpiredTokenException", "The security token is expired"), "the session token has expired"),
        (Refusal("UnrecognizedClientException", "invalid token"), "the access key is not known there"),
        (
            Refusal("ConflictException", "busy", ResourceId="a", ResourceType="b"),
            "in conflict with what is there: busy",
        ),
        (Refusal("InternalServerException", "oops"), "the server had an internal error"),
        (Refusal("ThrottlingException", "Rate exceeded"), "the server asks for fewer requests"),
        (Refusal("ValidationException", "no", Fields=[{"Name": "A", "Message": "b"}]), "does not take it: no; A: b"),
    ],
)
def test_a_refusal_is_told_as_itself_and_is_no_absence(
    panorama_service: PanoramaService, built: Built, monkeypatch: pytest.MonkeyPatch, refusal: Refusal, said: str
) -> None:
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    for operation in ("DescribePackageVersion", "DescribePackage"):
        panorama_service.refusals[operation].append(refusal)
        with pytest.raises(PanoramaError) as caught:
            published(built)
        told = str(caught.value)
        assert told.startswith("panorama: ") and said in told and "\n" not in told
        assert f"; {operation} to {panorama_service.url}, region us-east-1, keys from the environment" in told
    assert panorama_service.packages == {}


def test_what_to_allow_is_told(panorama_service: PanoramaService, built: Built) -> None:
    panorama_service.refusals["DescribePackage"].append(DENIED)
    with pytest.raises(PanoramaError, match=r"\(allow panorama:DescribePackage\)"):
        published(built)


def test_another_region_and_a_clock_that_is_off(
    panorama_service: PanoramaService, built: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    panorama_service.skew = timedelta(hours=1)
    with pytest.raises(PanoramaError, match="this machine's clock is wrong by more than the server allows"):
        published(built)
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    with pytest.raises(
        PanoramaError, match=r"expects another region: .*region eu-west-1.*\(set region: to the service's\)"
    ):
        published(built)


@pytest.mark.parametrize("operation", ["DescribePackage", "CreatePackage", "RegisterPackageVersion"])
def test_who_asks_too_often_asks_again(panorama_service: PanoramaService, built: Built, operation: str) -> None:
    panorama_service.refusals[operation].append(Refusal("ThrottlingException", "Rate exceeded"))
    published(built)
    assert panorama_service.packages["counter"].versions["1.0"].latest == built.patch


def test_an_answer_that_is_lost_is_no_conflict(panorama_service: PanoramaService, built: Built) -> None:
    """What was done, and is asked for again: another run was first, or the answer never came."""
    compare = compared(built)
    published(built)
    publish(compare, registry(built.assets.parent), quiet)
    assert list(panorama_service.packages["counter"].versions["1.0"].patches) == [built.patch]


def test_a_package_of_another_account_is_left_alone(panorama_service: PanoramaService, built: Built) -> None:
    published(built)
    other = registry(built.assets.parent, "210987654321")
    with pytest.raises(PanoramaError) as caught:
        plan(built.package_json, built.assets, other)
    assert str(caught.value) == (
        f"panorama: package counter is of account {ACCOUNT}, and this project of 210987654321 "
        "(correct account: or PANORAMA_ACCOUNT, or the profile)"
    )


def test_aws_answers_no_more() -> None:
    from botocore.exceptions import EndpointConnectionError

    url = "https://panorama.us-east-1.amazonaws.com"
    there = Address("panorama", endpoint=url, region="us-east-1")
    said = str(explain(EndpointConnectionError(endpoint_url=url, error="gone"), "DescribePackage", there))
    assert said.startswith("panorama: AWS ended the Panorama service on 2026-05-31, and it answers no more: ")
    assert said.endswith(
        f"; DescribePackage to {url}, region us-east-1, keys from the environment "
        "(publish to a folder or s3://BUCKET/PREFIX, or give the endpoint: of a service that is compatible)"
    )
    elsewhere = Address("panorama", endpoint="https://panorama.example.com")
    assert "AWS ended" not in str(explain(EndpointConnectionError(endpoint_url=url), "DescribePackage", elsewhere))


# Its store


def test_objects_are_the_bucket_owner_s_in_the_service_s_store_alone(
    panorama_service: PanoramaService, tmp_path: Path, built: Built
) -> None:
    acls: list[object] = []
    ours, plain = registry(tmp_path), open_remote(Address(f"s3://{panorama_service.bucket}/plain"), tmp_path)
    assert isinstance(plain, S3Remote)
    for bucket in (ours.bucket(panorama_service.bucket), plain.bucket):
        bucket.client.meta.events.register(
            "before-send.s3.PutObject", lambda request, **_: acls.append(request.headers.get("x-amz-acl"))
        )
    for remote in (ours, plain):
        publish(plan(built.package_json, built.assets, remote), remote, quiet)
    assert acls == [b"bucket-owner-full-control"] * 3 + [None] * 3


def test_a_store_may_be_an_access_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    arn = f"arn:aws:s3:us-west-2:{ACCOUNT}:accesspoint/panorama-store"
    client = registry(tmp_path).bucket(arn).client
    url = client.generate_presigned_url("put_object", Params={"Bucket": arn, "Key": "a/b"})
    assert urlsplit(url).netloc == f"panorama-store-{ACCOUNT}.s3-accesspoint.us-west-2.amazonaws.com"


# The account


def test_the_account_is_asked_of_sts_once(panorama_service: PanoramaService, tmp_path: Path) -> None:
    address = Address("panorama")
    assert Account(None, address, tmp_path).known is None
    with ThreadPoolExecutor(8) as pool:
        one = Account(None, address, tmp_path)
        assert set(pool.map(lambda _: one.ask(), range(8))) == {ACCOUNT}
    assert Account(None, address, tmp_path).ask() == Account(None, address, tmp_path).known == ACCOUNT
    assert panorama_service.calls == ["GetCallerIdentity"]


def test_an_account_that_is_stated_is_asked_of_nobody(panorama_service: PanoramaService, tmp_path: Path) -> None:
    assert Account("210987654321", Address("panorama"), tmp_path).ask() == "210987654321"
    assert panorama_service.calls == []


def test_other_keys_are_another_account_s(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Account(None, Address("panorama"), tmp_path).ask()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOTHER")
    assert Account(None, Address("panorama"), tmp_path).known is None
    with pytest.raises(PanoramaError, match=r"account: .*GetCallerIdentity.*or state account: in panorama\.yaml"):
        Account(None, Address("panorama"), tmp_path).ask()


# The program


PACKAGE = "models: {net: {source: NAME.tar.gz, framework: PYTORCH, inputs: {data: [1, 3, 224, 224]}}}"


def application(root: Path, service: PanoramaService, *names: str) -> App:
    """A project of packages with a model each."""
    packages = "".join(f"  {name}:\n    {PACKAGE.replace('NAME', name)}\n" for name in names)
    nodes = ", ".join(f"{name}: {name}" for name in names)
    root.mkdir()
    text = f"application: app\nremote: panorama\npackages:\n{packages}graph:\n  nodes: {{{nodes}}}\n"
    (root / "panorama.yaml").write_text(text)
    for name in names:
        put_model(root, name, b"first")
    (root / "dodo.py").write_text("from panorama_build import load\n\nDOIT_CONFIG, task_panorama = load()\n")
    return App(root, {**os.environ, **service.env})


def put_model(root: Path, name: str, content: bytes) -> None:
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        member = tarfile.TarInfo(f"{name}.pth")
        member.size = len(content)
        tar.addfile(member, BytesIO(content))
    (root / f"{name}.tar.gz").write_bytes(gzip.compress(archive.getvalue(), mtime=0))


def test_packages_are_published_beside_each_other(panorama_service: PanoramaService, tmp_path: Path) -> None:
    """The account is asked once; what is unchanged costs no request, or with --verify one a package."""
    panorama_service.parts.pending = 1
    names = [f"net{number}" for number in range(8)]
    app = application(tmp_path / "app", panorama_service, *names)
    first = app.doit("-n", "8", "publish")
    assert first.status == 0, first.output
    assert {verb for task, verb in first.outcomes.items() if task.startswith("publish:")} == {"published"}
    counted = Counter([*(FIRST * 8), *(["DescribePackageVersion"] * 8), "GetCallerIdentity"])
    assert Counter(panorama_service.calls) == counted
    assert panorama_service.packages.keys() == set(names)
    for arguments, calls in (
        (["publish"], []),
        (["publish", "--verify"], ["DescribePackageVersion"] * 8),
        (["publish:net3", "--verify"], ["DescribePackageVersion"]),
    ):
        panorama_service.calls.clear()
        again = app.doit(*arguments)
        assert again.status == 0, again.output
        assert panorama_service.calls == calls
        assert "published" not in again.outcomes.values()


def test_the_account_names_the_folders_once_it_is_known(panorama_service: PanoramaService, tmp_path: Path) -> None:
    app = application(tmp_path / "app", panorama_service, "net")
    assert app.doit().status == 0 and panorama_service.calls == [], "offline until something is published"
    assert app.json("build/graphs/app/graph.json")["nodeGraph"]["packages"][0]["name"] == "000000000000::net"
    assert app.doit("publish").status == 0
    assert app.doit().status == 0
    assert app.json("build/graphs/app/graph.json")["nodeGraph"]["packages"][0]["name"] == f"{ACCOUNT}::net"
    assert [path.name for path in (app.root / "build/packages").iterdir()] == [f"{ACCOUNT}-net-1.0"]
    assert panorama_service.calls.count("GetCallerIdentity") == 1


def test_one_package_that_fails_fails_alone(panorama_service: PanoramaService, tmp_path: Path) -> None:
    app = application(tmp_path / "app", panorama_service, "bad", "good")
    panorama_service.parts.failing["bad"] = "no such framework"
    done = app.doit("publish")
    assert done.status != 0
    assert (done.outcomes["publish:bad"], done.outcomes["publish:good"]) == ("failed", "published")
    assert "FAILED: no such framework" in done.detail("publish:bad")


def test_a_folder_is_verified_by_its_bytes(panorama_service: PanoramaService, tmp_path: Path) -> None:
    app = application(tmp_path / "app", panorama_service, "net")
    assert app.doit("publish", PANORAMA_REMOTE="out").status == 0
    (binary,) = (app.root / "out/binaries").glob("*.tar.gz")
    binary.write_bytes(b"x" * binary.stat().st_size)
    assert app.doit("publish", PANORAMA_REMOTE="out").status == 0
    done = app.doit("publish", "--verify", PANORAMA_REMOTE="out")
    assert done.status != 0 and "other bytes lie under this name" in done.output


# Against panorama-cli


def test_panorama_cli_and_publish_do_the_same(
    upstream: Upstream, s3: S3, panorama_service: PanoramaService, tmp_path: Path
) -> None:
    """The same calls, keys and versions; what one has published, the other finds there, whole."""
    app = application(tmp_path / "app", panorama_service, "net")
    env = {"PANORAMA_ACCOUNT": ACCOUNT, "PATH": os.environ["PATH"]}

    def theirs(service: PanoramaService) -> str:
        service.calls.clear()
        done = upstream.run(["package-application"], app.root / "build", {**service.env, **env})
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ours(service: PanoramaService) -> str:
        service.calls.clear()
        done = app.doit("graph", "asset", "publish", "--verify", **service.env, **env)
        assert done.status == 0, done.output
        return done.outcomes["publish:net"]

    with panorama.running(s3, f"{panorama_service.bucket}-theirs") as other:
        for content in (b"first", b"second"):
            put_model(app.root, "net", content)
            assert ours(panorama_service) == "published"
            theirs(other)
            assert sorted(panorama_service.calls) == sorted(other.calls)
            assert keys(panorama_service) == keys(other)
            assert state(panorama_service) == state(other)
        before = keys(other), state(other)
        assert "already registered, ignoring upload" in theirs(panorama_service)
        assert ours(other) == "unchanged"
        assert (keys(panorama_service), state(panorama_service)) == (keys(other), state(other)) == before


def state(service: PanoramaService) -> dict[str, dict[str, tuple[str, list[str]]]]:
    """Package -> version -> its latest patch, and all that are registered."""
    return {
        name: {number: (version.latest, sorted(version.patches)) for number, version in package.versions.items()}
        for name, package in service.packages.items()
    }
