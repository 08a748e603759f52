"""What the refusals and faults of AWS, and of S3 servers like it, mean: the true cause and what to do about it."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from panorama_build.address import PANORAMA, Address, parse_s3_url, public_url
from panorama_build.errors import PanoramaError

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

THROTTLED = (
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
    "RequestLimitExceeded",
    "503",
    "ServiceUnavailable",
)

# Error codes, what they mean, what to do. Sources: the S3 API reference, "Error responses", and each service's.
_REFUSALS = (
    (
        "InvalidAccessKeyId UnrecognizedClientException InvalidClientTokenId",
        "the access key is not known there",
        "check AWS_ACCESS_KEY_ID or the profile's aws_access_key_id",
    ),
    (
        "SignatureDoesNotMatch InvalidSignatureException",
        "the secret key does not fit the access key",
        "check AWS_SECRET_ACCESS_KEY or the profile's aws_secret_access_key",
    ),
    (
        "ExpiredToken ExpiredTokenException TokenRefreshRequired",
        "the session token has expired",
        "sign in again, or set a new AWS_SESSION_TOKEN",
    ),
    ("InvalidToken", "the session token is not valid", "unset AWS_SESSION_TOKEN or sign in again"),
    ("NoSuchBucket", 'bucket "{bucket}" does not exist', "create it or correct the address"),
    ("NoSuchKey NotFound 404", "there is no such object", "correct the address"),
    ("NoSuchVersion", "there is no such version of the object", "correct versionId"),
    (
        "PermanentRedirect TemporaryRedirect 301 AuthorizationHeaderMalformed IllegalLocationConstraintException",
        'bucket "{bucket}" is in {home}',
        "set region: to the bucket's",
    ),
    (
        "RequestTimeTooSkewed RequestExpired",
        "this machine's clock is wrong by more than the server allows",
        "set the clock",
    ),
    (
        " ".join(THROTTLED),
        "the server asks for fewer requests, and did so at every retry",
        "run again later",
    ),
    ("ConditionalRequestConflict 409", "someone else is putting the same object right now", "run again"),
    ("NoSuchUpload", "the upload was ended from elsewhere", "run again"),
    ("PreconditionFailed 412", "the object changed during the transfer", "run again"),
    (
        "BadDigest InvalidDigest XAmzContentSHA256Mismatch XAmzContentChecksumMismatch IncompleteBody",
        "other bytes arrived than were announced",
        "run again; if it persists, the file was changed meanwhile",
    ),
    ("InternalError InternalServerException 500", "the server had an internal error", "run again later"),
    ("ResourceNotFoundException", "not there: {said}", "correct the name, or the region or profile that it lies in"),
    ("ConflictException", "in conflict with what is there: {said}", "run again, or resolve it in the service"),
    ("ValidationException", "the service does not take it: {said}", "correct panorama.yaml"),
    ("ServiceQuotaExceededException", "a quota is used up: {said}", "remove what is not needed, or ask for more"),
    ("AnotherRegion", "the service expects another region: {said}", "set region: to the service's"),
    ("InvalidObjectState", "the object is archived", "restore it first"),
)

# Refusals that share their code with another cause, by the words of AWS's signature check.
_WORDED = (
    (re.compile("Signature expired|Signature not yet current"), "RequestExpired"),
    (re.compile("[Cc]redential should be scoped to"), "AnotherRegion"),
)

# Where AWS had the service.
_ENDED = re.compile(r"https://panorama(-fips)?\.[a-z0-9-]+\.(amazonaws\.com(\.cn)?|api\.aws)")

_ALLOWANCES = {
    "HeadObject": "s3:GetObject and s3:ListBucket (without the latter, a missing object is refused too)",
    "GetObject": "s3:GetObject and s3:ListBucket (without the latter, a missing object is refused too)",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "PutObject": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
}

# Classes of botocore.exceptions by name, so that botocore need not be imported to read its errors.
_FAULTS = {
    "ProfileNotFound": ('there is no profile "{profile}"', "correct the profile, or add it with `aws configure`"),
    "NoCredentialsError": (
        "no credentials found",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile",
    ),
    "PartialCredentialsError": ("the credentials are incomplete: {error}", "set both keys, or name a profile"),
    "SSOError": ("the SSO session has expired or was not begun", "run `aws sso login{login}`"),
    "LoginError": ("the login session has expired or was not begun", "run `aws login{login}`"),
    "TokenRetrievalError": ("the SSO session has expired or was not begun", "run `aws sso login{login}`"),
    "CredentialRetrievalError": ("credentials were not to be had: {error}", "correct the profile's source of them"),
    "ConfigParseError": ("the AWS configuration is not readable: {error}", "correct that file"),
    "NoRegionError": ("no region is set", "set region: or AWS_REGION"),
    "SSLError": ("TLS failed: {cause}", "set AWS_CA_BUNDLE to the certificate of the server's authority"),
    "ProxyConnectionError": ("the proxy cannot be reached: {cause}", "correct HTTPS_PROXY and NO_PROXY"),
    "EndpointConnectionError": ("the endpoint cannot be reached: {cause}", "check endpoint: and the network"),
    "ConnectTimeoutError": ("the endpoint does not answer", "check endpoint: and the network"),
    "ReadTimeoutError": ("the server fell silent", "run again"),
    "HTTPClientError": ("the connection broke: {cause}", "run again"),
    "IncompleteReadError": ("the answer broke off", "run again"),
    "FlexibleChecksumError": ("other bytes arrived than the server announced", "run again"),
}


def explain(error: Exception, call: str, address: Address) -> PanoramaError:
    """One true sentence for what boto3 raised in ``call``: the cause, who asked whom, and what to do.

    ``address`` says whom: its bucket, endpoint, region and profile are named.
    """
    call = getattr(error, "operation_name", call)
    message, hint = _refusal(error, call, address) if code_of(error) else _fault(error, address)
    return PanoramaError(
        _one_line(f"{message}; {call} {_to_whom(address)}"), where=public_url(address.url), hint=_one_line(hint)
    )


@contextmanager
def explained(call: str, address: Address) -> Iterator[None]:
    """Raise what boto3 raises in ``call`` as the PanoramaError that explains it."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise explain(error, call, address) from error


def code_of(error: BaseException) -> str:
    """The error code of a refusal, also of one that has been explained; empty for any other error."""
    refused = error.__cause__ if isinstance(error, PanoramaError) else error
    response: dict[str, Any] = getattr(refused, "response", None) or {}
    return str(response.get("Error", {}).get("Code", ""))


def _refusal(error: Any, call: str, address: Address) -> tuple[str, str]:
    said = _said(error.response)
    code = next((meant for words, meant in _WORDED if words.search(said)), code_of(error))
    if code in {"AccessDenied", "AccessDeniedException", "403"}:
        detail = f": {said}" if len(said) > len("Access Denied") else ""
        return f"access denied{detail}", f"allow {_ALLOWANCES.get(call) or _action(call, address)}"
    for codes, message, hint in _REFUSALS:
        if code in codes.split():
            return message.format(bucket=_bucket(address), home=_home(error), said=said), hint
    if _ended(address):
        return _end(f"{code}: {said}")
    return f"refused with {code}: {said}", "see the server's manual on this code"


def _said(response: Mapping[str, Any]) -> str:
    """A refusal's own words, with the members of the request that they are about."""
    said = str(response["Error"].get("Message") or response.get("Message") or "").strip().rstrip(".")
    fields = [f"{field.get('Name')}: {field.get('Message')}" for field in response.get("Fields") or ()]
    return "; ".join([said, *fields])


def _action(call: str, address: Address) -> str:
    return f"{PANORAMA}:{call}" if address.url == PANORAMA else call


def _ended(address: Address) -> bool:
    """Whether it is AWS's own Panorama that is asked."""
    return address.url == PANORAMA and bool(_ENDED.fullmatch(address.endpoint_used() or ""))


def _end(cause: str) -> tuple[str, str]:
    return (
        f"AWS ended the Panorama service on 2026-05-31, and it answers no more: {cause}",
        "publish to a folder or s3://BUCKET/PREFIX, or give the endpoint: of a service that is compatible",
    )


def _home(error: ClientError) -> str:
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    said: dict[str, Any] = {**error.response.get("Error", {})}
    region = headers.get("x-amz-bucket-region") or said.get("Region")
    return f"region {region}" if region else "another region"


def _fault(error: Exception, address: Address) -> tuple[str, str]:
    profile = address.profile_used()
    words = {
        "error": error,
        "cause": _cause(error),
        "profile": profile or "default",
        "login": f" --profile {profile}" if profile else "",
    }
    kinds = [kind.__name__ for kind in type(error).__mro__]
    if _ended(address) and {"ConnectionError", "HTTPClientError"} & {*kinds} and "ProxyConnectionError" not in kinds:
        return _end(_cause(error))
    for kind in kinds:
        if kind in _FAULTS:
            message, hint = _FAULTS[kind]
            return message.format(**words), hint.format(**words)
    return str(error), "correct the address"


def _cause(error: BaseException) -> str:
    inner: BaseException | None = error
    while inner:
        if words := getattr(inner, "verify_message", None) or getattr(inner, "strerror", None):
            return str(words)
        inner = inner.__cause__ or inner.__context__
    return str(error)


def _bucket(address: Address) -> str:
    return parse_s3_url(address.url).bucket if address.url.startswith("s3://") else ""


def _to_whom(address: Address) -> str:
    endpoint, region = address.endpoint_used(), address.region_used()
    at = f"to {public_url(endpoint)}, " if endpoint else ""
    return f"{at}region {region or 'not set'}, {_identity(address)}"


def _identity(address: Address) -> str:
    if address.profile is None and os.environ.get("AWS_ACCESS_KEY_ID"):
        return "keys from the environment"
    return f"profile {address.profile_used() or 'default'}"


def _one_line(text: str) -> str:
    return " ".join(text.split())
