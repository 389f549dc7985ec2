"""The tables of error and close codes, as the contract has them."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from relevo.protocol import CLOSES, ERRORS, CloseCode, Error, ErrorCode
from relevo.protocol.examples import ERROR_EXAMPLES

LUA = Path(__file__).parents[2] / "router/store/lua"
# reject('conflict', {fence = s.fence, state = s.state, ...})
REJECTION = re.compile(r"reject\('(\w+)', \{(.*?)\}\)", re.DOTALL)
FIELD = re.compile(r"(?:^|, *|\n *)(\w+) =")

HTTP_STATUSES = {400, 401, 403, 404, 409, 429, 503}


def test_error_codes_are_those_of_the_contract() -> None:
    assert {code.value: code.retryable for code in ErrorCode} == {
        "bad_message": False,
        "unauthorized": False,
        "forbidden": False,
        "not_found": False,
        "conflict": False,
        "closed": False,
        "same_target": False,
        "at_capacity": False,
        "in_use": False,
        "exists": False,
        "no_origin": False,
        "not_allowed": False,
        "key_reused": False,
        "rate_limited": True,
        "unavailable": True,
        "internal": True,
    }


def test_close_codes_are_those_of_the_contract() -> None:
    assert sorted(CloseCode) == [4000, 4001, 4002, 4003, 4500, 4501, 4502, 4503, 4504, 4505, 4506]


@pytest.mark.parametrize("code", ErrorCode)
def test_error_code_has_a_meaning_and_a_known_status(code: ErrorCode) -> None:
    assert ERRORS[code].meaning == code.meaning != ""
    assert code.http_status in HTTP_STATUSES


def test_error_statuses_of_retryable_codes_are_429_and_503() -> None:
    assert {code.http_status for code in ErrorCode if code.retryable} == {429, 503}


@pytest.mark.parametrize("code", CloseCode)
def test_close_code_meaning_fits_a_close_frame(code: CloseCode) -> None:
    assert 0 < len(CLOSES[code].encode()) <= 123
    assert code.meaning == CLOSES[code]


def test_close_codes_below_4500_reconnect() -> None:
    assert [code for code in CloseCode if code.reconnect] == [4000, 4001, 4002, 4003]


def test_error_of_takes_message_and_retryable_from_the_table() -> None:
    error = Error.of(ErrorCode.RATE_LIMITED, retry_in_ms=250)
    assert (error.code, error.message) == ("rate_limited", ErrorCode.RATE_LIMITED.meaning)
    assert (error.retryable, error.details) == (True, {"retry_in_ms": 250})


def test_error_of_takes_a_message_of_its_own() -> None:
    error = Error.of(ErrorCode.NOT_FOUND, "No session s-1")
    assert (error.message, error.retryable, error.details) == ("No session s-1", False, {})


@pytest.mark.parametrize("error", ERROR_EXAMPLES, ids=lambda error: str(error.code))
def test_error_details_of_an_example_have_the_fields_of_its_code(error: Error) -> None:
    details = msgspec.convert(error.details, ERRORS[error.code].details)
    assert msgspec.to_builtins(details) == error.details


def test_error_details_have_every_field_that_a_store_command_names() -> None:
    rejections = [found for path in LUA.rglob("*.lua") for found in REJECTION.findall(path.read_text())]
    assert len(rejections) > 10
    for code, fields in rejections:
        known = ERRORS[ErrorCode(code)].details.__struct_fields__
        assert set(FIELD.findall(fields)) <= set(known), (code, fields)
