"""Credentials: whatever goes wrong while one is used, nothing that is told or kept of it holds the credential."""

from __future__ import annotations

import json
import logging
import traceback
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panorama_build.address import Address
from panorama_build.errors import PanoramaError
from panorama_build.model import Reference
from panorama_build.transfer.credentials import guarded, read, without

TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="*"), min_size=1)
SECRET = "hunter2"


@given(before=TEXTS, secret=TEXTS, after=TEXTS)
def test_no_form_of_a_secret_is_left(before: str, secret: str, after: str) -> None:
    for form in (secret, json.dumps(secret), repr(secret), quote(secret), quote(secret, safe=""), quote_plus(secret)):
        told = without([secret], before + form + after)
        assert secret not in told and form.strip("\"'") not in told


@given(text=TEXTS, secret=TEXTS)
def test_what_holds_no_secret_stays_as_it_is(text: str, secret: str) -> None:
    told = without([secret], text)
    assert told == text or "***" in told


def test_a_longer_secret_is_not_betrayed_by_a_shorter_one_in_it() -> None:
    assert without(["ab", "xaby"], "xaby and ab") == "*** and ***"


def refuse() -> None:
    try:
        raise ValueError(f"the request was {{'Password': '{SECRET}'}}")
    except ValueError as error:
        raise PanoramaError(f"refused: {SECRET}", where=f"https://{SECRET}@host", hint=f"not {SECRET}") from error


def test_what_is_raised_has_neither_the_secret_nor_a_cause_that_has_it() -> None:
    with pytest.raises(PanoramaError) as caught:
        guarded([SECRET], refuse)
    assert str(caught.value) == "https://***@host: refused: *** (not ***)"
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_the_libraries_log_nothing_meanwhile_and_as_before_afterwards(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "botocore"):
        guarded([], lambda: logging.getLogger("botocore.endpoint").debug("Making request with %s", SECRET))
        guarded([], lambda: logging.getLogger("urllib3.connectionpool").debug(SECRET))
        assert SECRET not in caplog.text
        logging.getLogger("botocore.endpoint").debug("as before")
        assert "as before" in caplog.text


def test_the_environment_is_read_when_it_is_asked_for() -> None:
    nowhere = Address("panorama")
    assert read(Reference(env="A"), nowhere, {"A": "1"}) == "1"
    with pytest.raises(PanoramaError, match=r"^A: not set in the environment"):
        read(Reference(env="A"), nowhere, {})
