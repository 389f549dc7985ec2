from __future__ import annotations

from relevo_client.errors import (
    CommandTimeoutError,
    ConflictError,
    InvalidReplyError,
    RelevoError,
    UnavailableError,
)

from .driver import NOTE, Driver
from .wire import error_map


def test_reply_settles_its_command_and_no_other() -> None:
    driver = Driver()
    driver.connect()
    first, second = driver.note(), driver.note()
    commands = {command["id"]: command for command in driver.sent()}
    driver.reply(commands[second], {"entry": 2})

    assert driver.core.take_outcomes() == [(second, {"entry": 2})]
    driver.reply(commands[first], {"entry": 1})
    assert driver.core.take_outcomes() == [(first, {"entry": 1})]


def test_only_a_mutating_command_has_an_idempotency_key() -> None:
    driver = Driver()
    driver.connect()
    driver.note()
    driver.core.submit("session.get", {"session_id": "c-1"}, deadline=driver.now + 1)
    driver.core.submit("session.note", NOTE, deadline=driver.now + 1, key="mine")

    assert [command.get("key") for command in driver.sent()] == ["key-1", None, "mine"]


def test_refusal_for_good_is_the_outcome() -> None:
    driver = Driver()
    driver.connect()
    command_id = driver.note()
    driver.refuse(driver.sent()[0], "conflict", fence=4)

    outcome = driver.outcome(command_id)
    assert isinstance(outcome, ConflictError)
    assert outcome.fence == 4


def test_command_whose_connection_was_lost_is_sent_again_the_same() -> None:
    driver = Driver()
    driver.connect()
    driver.note()
    first = driver.sent()
    driver.close()
    assert driver.sent() == []

    assert driver.connect() == first


def test_retryable_command_is_sent_again_after_a_growing_wait() -> None:
    driver = Driver()
    driver.connect()
    command_id = driver.note()
    (command,) = driver.sent()
    for wait_s in (0.5, 1.0, 2.0, 2.0):
        driver.refuse(command, "unavailable", retryable=True)
        assert driver.sent() == []
        assert driver.core.wake_at(driver.now) == driver.now + wait_s
        driver.wait(wait_s)
        assert driver.sent() == [command]

    driver.reply(command, {"entry": 1})
    assert driver.outcome(command_id) == {"entry": 1}


def test_rate_limited_command_waits_for_retry_in_ms() -> None:
    driver = Driver()
    driver.connect()
    driver.note()
    (command,) = driver.sent()
    driver.refuse(command, "rate_limited", retryable=True, retry_in_ms=7000)

    assert driver.core.wake_at(driver.now) == driver.now + 7.5


def test_command_at_its_deadline_raises_with_the_last_error() -> None:
    driver = Driver()
    driver.connect()
    command_id = driver.note(timeout_s=5)
    (command,) = driver.sent()
    driver.refuse(command, "unavailable", retryable=True)
    driver.wait(5)

    outcome = driver.outcome(command_id)
    assert isinstance(outcome, CommandTimeoutError)
    assert outcome.key == "key-1"
    assert isinstance(outcome.__cause__, UnavailableError)
    driver.reply(command, {"entry": 1})
    assert driver.core.take_outcomes() == []


def test_command_gives_up_at_its_deadline_without_any_connection() -> None:
    driver = Driver()
    command_id = driver.note(timeout_s=5)
    assert driver.core.wake_at(driver.now) == driver.now + 5
    driver.wait(5)

    assert isinstance(driver.outcome(command_id), CommandTimeoutError)
    assert driver.connect() == []


def test_forgotten_command_is_not_sent_again() -> None:
    driver = Driver()
    driver.connect()
    command_id = driver.note()
    driver.sent()
    driver.core.forget(command_id)
    driver.close()

    assert driver.connect() == []


def test_command_that_cannot_be_sent_is_settled() -> None:
    driver = Driver()
    driver.connect()
    command_id = driver.note()
    driver.core.reject(command_id, RelevoError("too long"))

    assert str(driver.outcome(command_id)) == "error: too long"
    assert driver.sent() == []


def test_reply_without_a_result_is_no_reply() -> None:
    driver = Driver()
    driver.connect()
    command_id = driver.note()
    driver.receive({"type": "reply", "id": driver.sent()[0]["id"]})

    assert isinstance(driver.outcome(command_id), InvalidReplyError)


def test_reply_without_its_command_is_ignored() -> None:
    driver = Driver()
    driver.connect()
    driver.receive({"type": "reply", "id": None, "error": error_map("bad_message")})
    driver.receive({"type": "reply", "id": "77", "result": {}})

    assert driver.core.take_outcomes() == []
