from __future__ import annotations

import pytest
import relevo_client
from relevo_client.decode import InvalidDataError
from relevo_client.errors import (
    ERRORS,
    CommandTimeoutError,
    ConflictError,
    ConnectionStoppedError,
    ConnectTimeoutError,
    NoOriginError,
    NotAllowedError,
    RateLimitedError,
    RelevoError,
    SentAwayError,
    SignInRefusedError,
    UnauthorizedError,
    error_from_wire,
    stop_from_close,
)
from relevo_client.objects import Actor, Owner, Party

from .wire import error_map

CODES = {
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
    "key_reused": False,
    "rate_limited": True,
    "unavailable": True,
    "internal": True,
    "not_allowed": False,
    "no_origin": False,
}


def test_every_code_of_the_protocol_has_a_class_of_its_own() -> None:
    assert {code: kind.default_retryable for code, kind in ERRORS.items()} == CODES
    assert len(set(ERRORS.values())) == len(CODES)


@pytest.mark.parametrize("code", CODES)
def test_error_carries_message_and_details(code: str) -> None:
    error = error_from_wire(error_map(code, retryable=CODES[code], path="x"))

    assert type(error) is ERRORS[code]
    assert (error.code, error.retryable, error.details) == (code, CODES[code], {"path": "x"})


def test_conflict_names_the_owner() -> None:
    by = {"id": "bo", "name": "Bo", "role": "admin"}
    error = error_from_wire(
        error_map("conflict", fence=4, state="pending", owner={"kind": "agent", "id": "cy"}, by=by, at=77)
    )

    assert isinstance(error, ConflictError)
    assert (error.fence, error.state, error.at) == (4, "pending", 77)
    assert error.owner == Owner("agent", "cy")
    assert error.by == Actor("bo", "Bo", "admin")


def test_conflict_without_its_details_is_a_conflict_still() -> None:
    error = error_from_wire({"code": "conflict", "details": {"owner": 3, "by": "x", "fence": "y"}})

    assert isinstance(error, ConflictError)
    assert (error.owner, error.by, error.fence, error.state, error.at) == (None, None, None, None, None)


def test_unknown_code_is_an_error_that_carries_it() -> None:
    error = error_from_wire(error_map("too_late", retryable=True))

    assert type(error) is RelevoError
    assert (error.code, error.retryable) == ("too_late", True)


@pytest.mark.parametrize("value", [None, [], "conflict", {}, {"code": 4}])
def test_what_is_no_error_map_is_refused(value: object) -> None:
    with pytest.raises(InvalidDataError):
        error_from_wire(value)


def test_rate_limit_says_how_long_to_wait() -> None:
    error = error_from_wire(error_map("rate_limited", retry_in_ms=250))

    assert isinstance(error, RateLimitedError)
    assert error.retry_in_ms == 250


@pytest.mark.parametrize("close_code", [1000, 1001, 1006, 1011, 4000, 4001, 4002, 4003, 4499, 5000])
def test_close_code_below_4500_reconnects(close_code: int) -> None:
    assert stop_from_close(close_code, "") is None


@pytest.mark.parametrize(
    ("close_code", "code"),
    [
        (4500, "unauthorized"),
        (4501, "unauthorized"),
        (4502, "forbidden"),
        (4503, "bad_message"),
        (4504, "hello_timeout"),
        (4505, "rate_limited"),
        (4506, "replaced"),
        (4600, "connection_stopped"),
    ],
)
def test_close_code_from_4500_stops_the_client(close_code: int, code: str) -> None:
    error = stop_from_close(close_code, "why")

    assert isinstance(error, ConnectionStoppedError)
    assert (error.code, error.close_code, error.message, error.retryable) == (code, close_code, "why", False)


def test_not_allowed_says_why_and_what_would_be() -> None:
    bea = {"kind": "agent", "id": "bea", "name": "Bea"}
    error = error_from_wire(
        error_map("not_allowed", because="status", department="sales", alternatives=[bea, 5])
    )

    assert isinstance(error, NotAllowedError)
    assert (error.because, error.department) == ("status", "sales")
    assert error.alternatives == (Party("agent", "bea", "Bea"),)


def test_no_origin_names_the_owner() -> None:
    error = error_from_wire(error_map("no_origin", owner={"kind": "agent", "id": "cy"}))

    assert isinstance(error, NoOriginError)
    assert error.owner == Owner("agent", "cy")


@pytest.mark.parametrize("kind", [CommandTimeoutError, ConnectTimeoutError])
def test_timeout_of_the_client_is_a_timeout_error(kind: type[RelevoError]) -> None:
    with pytest.raises(TimeoutError) as timeout:
        raise kind("late")
    assert isinstance(timeout.value, RelevoError)
    assert timeout.value.message == "late"


def test_every_exception_of_the_package_ends_in_error() -> None:
    exported = [getattr(relevo_client, name) for name in relevo_client.__all__]
    exceptions = [each for each in exported if isinstance(each, type) and issubclass(each, BaseException)]

    assert exceptions
    assert [each.__name__ for each in exceptions if not each.__name__.endswith("Error")] == []


def test_stop_is_also_the_error_it_stands_for() -> None:
    assert issubclass(SignInRefusedError, UnauthorizedError)
    assert issubclass(SentAwayError, RelevoError)
