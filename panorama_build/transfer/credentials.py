"""Credentials: read where they are when they are used, and kept out of whatever is told.

Nothing here is written anywhere, and no exception that leaves this module names a credential.
"""

from __future__ import annotations

import json
import logging
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar
from urllib.parse import quote, quote_plus, urlsplit

from panorama_build.address import Address
from panorama_build.errors import PanoramaError
from panorama_build.model import Reference
from panorama_build.transfer.panorama import secret_text

T = TypeVar("T")

LONGEST = 255  # characters of a template's parameter, by the service model

_quiet = threading.RLock()
_LOGGERS = ("botocore", "boto3", "urllib3")


def read(reference: Reference, address: Address, environ: Mapping[str, str] = os.environ) -> str:
    """The text that is found at ``reference``; a secret with the credentials of ``address``. Raises PanoramaError."""
    if reference.env is not None:
        where, text = reference.env, environ.get(reference.env)
    else:
        where, text = _secret(reference, address)
    if text is None:
        raise PanoramaError("not set in the environment", where=where, hint="a camera's credentials come from there")
    if not 1 <= len(text) <= LONGEST or not text.isprintable():
        message = f"a text of 1 to {LONGEST} printable characters is needed here"
        raise PanoramaError(message, where=where, hint="correct what is kept there")
    return text


def guarded(secrets: Iterable[str], action: Callable[[], T]) -> T:
    """What ``action`` gives. It is not logged, and what it raises as PanoramaError is raised without the secrets."""
    hidden = list(secrets)
    try:
        with _unlogged():
            return action()
    except PanoramaError as error:
        told = PanoramaError(
            without(hidden, error.message),
            where=without(hidden, error.where) if isinstance(error.where, str) else error.where,
            hint=without(hidden, error.hint) if error.hint else None,
        )
    raise told  # out here it has no cause and no context, which would hold what the service said


def without(secrets: Iterable[str], text: str) -> str:
    """``text`` with each secret, in any of the forms in which it may stand there, as ``***``."""
    forms = {form for secret in secrets for form in _forms(secret)}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "***")
    return text


def _forms(secret: str) -> Iterator[str]:
    """A secret as it is, as a URL, JSON or Python writes it; and what a URL has of user and password."""
    yield from (secret, quote(secret, safe=""), quote(secret), quote_plus(secret))
    yield from (json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1])
    authority = urlsplit(secret).netloc.rpartition("@")[0] if "://" in secret else ""
    yield from filter(None, (authority, *authority.split(":", 1)))


def _secret(reference: Reference, address: Address) -> tuple[str, str]:
    """A secret, or a member of one that is a JSON object; and what a person calls it."""
    name = str(reference.secret)
    with _unlogged():
        text = secret_text(address, name)
    if reference.key is None:
        return name, text
    member = _members(text).get(reference.key)
    if isinstance(member, str):
        return f"{name}, {reference.key}", member
    raise PanoramaError(f'the secret has no text "{reference.key}"', where=name, hint="correct `key` or the secret")


def _members(text: str) -> Mapping[str, object]:
    try:
        members = json.loads(text)
    except ValueError:
        members = None
    return members if isinstance(members, dict) else {}


@contextmanager
def _unlogged() -> Iterator[None]:
    """AWS's libraries write whole requests to their logs, where a program asks them to."""
    with _quiet:  # levels are the whole process's
        levels = {name: logging.getLogger(name).level for name in _LOGGERS}
        for name in levels:
            logging.getLogger(name).setLevel(logging.WARNING)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
