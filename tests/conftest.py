"""Servers for all tests, each started by the first test that asks for it and stopped when the session ends."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import pytest
from hypothesis import settings

from tests import panorama_service as panorama
from tests import programs
from tests import upstream as aws
from tests.panorama_service import PanoramaService
from tests.servers import S3, Engine, UnavailableError, host_engine, private_engine, s3_server
from tests.upstream import Upstream

T = TypeVar("T")

LONGEST = ("test_faults", "test_killed", "test_upstream", "test_panorama", "test_rebuilding")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first, so that no process of two ends up alone with one."""
    items.sort(key=lambda item: item.path.stem not in LONGEST)


settings.register_profile("quick", max_examples=20, deadline=None)
settings.register_profile("thorough", max_examples=1000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture(scope="session", autouse=True)
def _programs() -> Iterator[None]:
    yield
    programs.stop()


@contextmanager
def _or_skip(server: AbstractContextManager[T]) -> Iterator[T]:
    try:
        started = server.__enter__()
    except UnavailableError as error:
        pytest.skip(str(error))
    try:
        yield started
    finally:
        server.__exit__(None, None, None)


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """A present-day Docker engine with buildx."""
    host = os.environ.get("PANORAMA_TEST_ENGINE") == "host"
    with _or_skip(host_engine() if host else private_engine("26")) as started:
        yield started


@pytest.fixture(scope="session")
def old_engine() -> Iterator[Engine]:
    """The oldest Docker engine to support, without buildx."""
    with _or_skip(private_engine("20.10")) as started:
        yield started


@pytest.fixture(scope="session")
def _s3_server() -> Iterator[tuple[S3, S3]]:
    with _or_skip(s3_server()) as started:
        yield started


@pytest.fixture(scope="session")
def s3(_s3_server: tuple[S3, S3]) -> S3:
    """An S3 server over http."""
    return _s3_server[0]


@pytest.fixture(scope="session")
def s3_tls(_s3_server: tuple[S3, S3]) -> S3:
    """The same S3 server over https."""
    return _s3_server[1]


@pytest.fixture
def panorama_service(s3: S3) -> Iterator[PanoramaService]:
    """The Panorama API with a store of its own and nothing in it."""
    with panorama.running(s3, f"panorama-{uuid.uuid4()}") as service:
        yield service


@pytest.fixture(scope="session")
def upstream() -> Upstream:
    """AWS's panorama-cli."""
    try:
        return aws.install()
    except UnavailableError as error:
        pytest.skip(str(error))
