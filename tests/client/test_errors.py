from __future__ import annotations

import pytest
import relevo_client
from relevo_client.decode import InvalidDataError
from relevo_client.errors import (
    CommandTimeoutError,
    ConflictError,
    ConnectTimeoutError,
    RelevoError,
    SentAwayError,
    SignInRefusedError,
    UnauthorizedError,
    error_from_wire,
)

from .wire import error_map


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
