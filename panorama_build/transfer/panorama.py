"""The Panorama API, through a service model of our own: AWS's tools know the service no more.

boto3 is imported inside the functions that need it, because it costs 0.3 s.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from panorama_build import interruption
from panorama_build.address import PANORAMA, Address, silence
from panorama_build.errors import PanoramaError
from panorama_build.transfer.constraints import broken
from panorama_build.transfer.refusals import THROTTLED, code_of, explain, explained

if TYPE_CHECKING:
    import boto3

# None of them takes a token that would make it the same request again.
NOT_REPEATABLE = frozenset({"CreateApplicationInstance", "CreateNodeFromTemplateJob"})

MODELS = Path(__file__).parent / "models"

Members = dict[str, Any]


class Service:
    """The Panorama API at an address. Opening it asks nothing; the client is made at the first call.

    Its methods may be called from several threads.
    """

    def __init__(self, address: Address) -> None:
        self.address = address
        self._lock = threading.Lock()
        self._change = threading.Lock()
        self._client: Any = None
        self._impatient: Any = None

    @property
    def client(self) -> Any:
        """The boto3 client, one for all threads."""
        with self._lock:
            if self._client is None:
                self._client = panorama_client(self.address)
            return self._client

    @property
    def impatient(self) -> Any:
        """A client that asks once: a request whose answer was lost may have made what another would make again."""
        with self._lock:
            if self._impatient is None:
                self._impatient = panorama_client(self.address, attempts=1)
            return self._impatient

    def call(self, operation: str, **members: Any) -> Members:
        """What the service answers to an operation, e.g. ``DescribePackage``.

        Raises PanoramaError for every refusal and fault, and for members that the service model does not allow, without
        their values. Changes go one by one: the service allowed one a second.
        """
        from botocore import xform_name

        once = operation in NOT_REPEATABLE
        client = self.impatient if once else self.client
        model = client.meta.service_model.operation_model(operation)
        for path, rule in broken(model.input_shape, members):
            raise PanoramaError(
                f"{operation} takes no such {path}: {rule}", where=PANORAMA, hint="correct panorama.yaml"
            )
        with nullcontext() if model.http["method"] == "GET" else self._change, self._explained(operation):
            send: Callable[[], Members] = partial(getattr(client, xform_name(operation)), **members)
            return _unthrottled(send) if once else send()

    def find(self, operation: str, **members: Any) -> Members | None:
        """As ``call``, with None where the service says that there is no such resource; nothing else means that."""
        try:
            return self.call(operation, **members)
        except PanoramaError as error:
            if code_of(error) == "ResourceNotFoundException":
                return None
            raise

    def items(self, operation: str, result: str, **members: Any) -> Iterator[Members]:
        """The items of a list operation, page after page; ``result`` is the member of its answer that holds them."""
        token: Members = {}
        while True:
            answer = self.call(operation, **members, **token)
            yield from answer.get(result, ())
            if not answer.get("NextToken"):
                return
            token = {"NextToken": answer["NextToken"]}

    @contextmanager
    def _explained(self, operation: str) -> Iterator[None]:
        with explained(operation, _there(self.address, self.client)):
            yield


def _unthrottled(request: Callable[[], Members]) -> Members:
    """The answer to a request, which is repeated where the service did not take it for its rate alone."""
    for pause in (1.0, 2.0, 4.0):
        try:
            return request()
        except Exception as error:
            if code_of(error) not in THROTTLED:
                raise
            interruption.pause(pause)
    return request()


def panorama_client(address: Address, attempts: int | None = None) -> Any:
    """A low-level Panorama client for ``address``; raises PanoramaError when it cannot be made.

    The endpoint is the address's, PANORAMA_ENDPOINT's, or what botocore takes from AWS_ENDPOINT_URL_PANORAMA, its
    configuration files or, last, from AWS's own names.
    """
    return _client(_session(address), "panorama", address, address.endpoint_used(), attempts)


def caller_account(address: Address) -> str:
    """The AWS account of whoever publishes to ``address``, asked of STS. Raises PanoramaError."""
    here = replace(address, url="sts", endpoint=None)
    client = _client(_session(here), "sts", here, None)
    with explained("GetCallerIdentity", _there(here, client)):
        return str(client.get_caller_identity()["Account"])


def _session(address: Address) -> boto3.Session:
    """A boto3 session that knows Panorama, by a data path of its own: the process's environment stays as it is."""
    import boto3
    from botocore.session import Session

    with explained("CreateClient", address):
        session = Session(profile=address.profile)
        session.get_component("data_loader").search_paths.insert(0, str(MODELS))
        return boto3.Session(botocore_session=session, region_name=address.region_used())


def secret_text(address: Address, name: str) -> str:
    """The text of a secret in AWS Secrets Manager, with the credentials for ``address``. Raises PanoramaError."""
    here = replace(address, url=f"secret {name}", endpoint=None)
    client = _client(_session(here), "secretsmanager", here, None)
    with explained("GetSecretValue", _there(here, client)):
        answer = client.get_secret_value(SecretId=name)
    if "SecretString" not in answer:
        raise PanoramaError("the secret is binary", where=here.url, hint="keep a text there")
    return str(answer["SecretString"])


def _client(
    session: boto3.Session, service: str, address: Address, endpoint: str | None, attempts: int | None = None
) -> Any:
    from botocore.config import Config

    config = Config(
        connect_timeout=min(10.0, silence()),
        read_timeout=silence(),
        retries={"mode": "standard", "total_max_attempts": attempts} if attempts else {"mode": "standard"},
    )
    with explained("CreateClient", address):
        try:
            return session.client(service, endpoint_url=endpoint, config=config)  # type: ignore[call-overload]
        except ValueError as error:
            raise explain(error, "CreateClient", address) from error


def _there(address: Address, client: Any) -> Address:
    """An address as its client fills it in."""
    return replace(address, endpoint=client.meta.endpoint_url, region=client.meta.region_name)
