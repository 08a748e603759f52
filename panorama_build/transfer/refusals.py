"""What the refusals and faults of AWS, and of S3 servers like it, mean: the true cause and what to do about it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from panorama_build.address import Address, parse_s3_url, public_url
from panorama_build.errors import PanoramaError

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

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
        "SlowDown Throttling ThrottlingException TooManyRequestsException RequestLimitExceeded 503 ServiceUnavailable",
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
    ("InternalError 500", "the server had an internal error", "run again later"),
    ("InvalidObjectState", "the object is archived", "restore it first"),
)

_ALLOWANCES = {
    "HeadObject": "s3:GetObject and s3:ListBucket (without the latter, a missing object is refused too)",
    "GetObject": "s3:GetObject and s3:ListBucket (without the latter, a missing object is refused too)",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "PutObject": "s3:PutObject",
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
    code = code_of(error)
    said = str(error.response["Error"].get("Message", "")).strip().rstrip(".")
    if code in {"AccessDenied", "AccessDeniedException", "403"}:
        detail = f": {said}" if len(said) > len("Access Denied") else ""
        return f"access denied{detail}", f"allow {_ALLOWANCES.get(call, call)}"
    for codes, message, hint in _REFUSALS:
        if code in codes.split():
            return message.format(bucket=_bucket(address), home=_home(error)), hint
    return f"refused with {code}: {said}", "see the server's manual on this code"


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
    for kind in type(error).__mro__:
        if kind.__name__ in _FAULTS:
            message, hint = _FAULTS[kind.__name__]
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
