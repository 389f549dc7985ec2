from __future__ import annotations

import pytest
from relevo_client.errors import (
    ClientClosedError,
    RateLimitedError,
    RelevoError,
    SentAwayError,
    SignInRefusedError,
    TokenExpiredError,
)
from relevo_client.events import Connected, Disconnected, ServerDraining, Unreachable

from .driver import SETTINGS, Driver
from .wire import session_map, welcome_map


def test_hello_is_the_first_message_and_commands_wait_for_the_welcome() -> None:
    driver = Driver()
    driver.note()
    driver.core.opened("jwt", driver.now)

    (hello,) = driver.sent()
    assert (hello["type"], hello["token"]) == ("hello", "jwt")
    assert hello["client"].startswith("relevo-client-python/")
    assert driver.sent() == []

    driver.receive(welcome_map())
    assert [message["type"] for message in driver.sent()] == ["session.note"]


def test_welcome_fills_the_inbox_and_is_an_event() -> None:
    driver = Driver()
    driver.connect(in_progress=[session_map("a")], pending=[session_map("b", state="pending")])

    (event,) = driver.events()
    assert isinstance(event, Connected)
    assert not event.reconnected
    assert list(driver.core.inbox.in_progress) == ["a"]
    assert list(driver.core.inbox.pending) == ["b"]


def test_back_end_has_no_agent_and_an_empty_inbox() -> None:
    driver = Driver()
    driver.connect(role="service", agent=None)

    assert driver.core.welcome is not None
    assert driver.core.welcome.agent is None


def test_refused_hello_is_final() -> None:
    driver = Driver()
    command_id = driver.note()
    driver.core.opened("bad", driver.now)
    (hello,) = driver.sent()
    driver.refuse(hello, "unauthorized")
    driver.close(4500)

    assert driver.core.phase == "stopped"
    assert isinstance(driver.core.stop, SignInRefusedError)
    assert isinstance(driver.outcome(command_id), SignInRefusedError)
    (event,) = driver.events()
    assert isinstance(event, Disconnected)
    assert (event.reconnect_in_s, event.error) == (None, driver.core.stop)


def test_refused_hello_is_final_even_if_its_close_code_was_lost() -> None:
    driver = Driver()
    driver.core.opened("bad", driver.now)
    driver.refuse(driver.sent()[0], "forbidden")
    driver.close(1006)

    assert isinstance(driver.core.stop, SentAwayError)
    assert driver.core.stop.close_code == 1006


def test_hello_refused_for_the_moment_is_tried_again() -> None:
    driver = Driver()
    driver.core.opened("jwt", driver.now)
    (hello,) = driver.sent()
    driver.refuse(hello, "unavailable", retryable=True)
    driver.close(4003)

    assert driver.core.phase == "offline"
    assert driver.core.reconnect_at == driver.now + 0.5


def test_router_that_does_not_welcome_in_time_is_left() -> None:
    driver = Driver()
    driver.core.opened("jwt", driver.now)
    assert driver.core.wake_at(driver.now) == driver.now + SETTINGS.hello_timeout_s
    driver.wait(SETTINGS.hello_timeout_s)

    assert driver.core.take_close() == (1001, "no welcome in time")
    assert driver.core.take_close() is None


@pytest.mark.parametrize("code", [1000, 1006, 1011, 4000, 4001, 4002, 4003])
def test_lost_connection_is_made_again_after_a_jittered_wait(code: int) -> None:
    driver = Driver()
    driver.connect()
    driver.events()
    driver.close(code, "bye")

    assert driver.events() == [Disconnected(code, "bye", 0.5, None)]
    driver.now += 0.5
    driver.connect()
    (event,) = driver.events()
    assert isinstance(event, Connected)
    assert event.reconnected


def test_failed_attempts_wait_longer_up_to_the_cap() -> None:
    driver = Driver()
    waits = []
    for _ in range(7):
        driver.core.unreachable("refused", driver.now)
        waits.append(driver.core.reconnect_at - driver.now)

    assert waits == [0.5, 1.0, 2.0, 4.0, 7.5, 7.5, 7.5]
    assert driver.events() == [Unreachable("refused", at, wait_s) for at, wait_s in enumerate(waits, 1)]


def test_welcome_after_the_end_is_ignored() -> None:
    driver = Driver()
    driver.core.opened("jwt", driver.now)
    driver.core.shut()
    driver.receive(welcome_map())

    assert driver.core.state == "stopped"


def test_only_a_stable_connection_resets_the_backoff() -> None:
    driver = Driver()
    waits = []
    for lived_s in (0.0, 0.0, 0.0, 10.0, 0.0):
        driver.connect()
        driver.now += lived_s
        driver.close()
        waits.append(driver.core.reconnect_at - driver.now)

    assert waits == [0.5, 1.0, 2.0, 0.5, 1.0]


@pytest.mark.parametrize(("code", "kind"), [(4501, TokenExpiredError), (4502, SentAwayError)])
def test_close_that_says_stay_away_ends_the_client(code: int, kind: type[RelevoError]) -> None:
    driver = Driver()
    driver.connect()
    driver.events()
    command_id = driver.note()
    driver.close(code, "why")

    assert isinstance(driver.outcome(command_id), kind)
    (event,) = driver.events()
    assert isinstance(event, Disconnected)
    assert isinstance(event.error, kind)
    with pytest.raises(kind):
        driver.note()


def test_draining_router_is_left_at_its_time_without_a_backoff() -> None:
    driver = Driver()
    driver.connect()
    driver.events()
    driver.receive({"type": "server.draining", "reconnect_in_ms": 3000})
    assert driver.events() == [ServerDraining(3000)]
    assert driver.core.wake_at(driver.now) == driver.now + 3

    driver.wait(2.9)
    assert driver.core.take_close() is None
    driver.wait(0.1)
    close = driver.core.take_close()
    assert close is not None
    assert close[0] == 1001, "1000 would show the agent disconnected at once"
    driver.close(1001)

    assert driver.core.reconnect_at == driver.now


def test_draining_router_that_closes_first_is_given_the_rest_of_the_time() -> None:
    driver = Driver()
    driver.connect()
    driver.receive({"type": "server.draining", "reconnect_in_ms": 3000})
    driver.wait(1)
    driver.close(4000)

    assert driver.core.reconnect_at == driver.now + 2


def test_shut_fails_unanswered_commands() -> None:
    driver = Driver()
    driver.connect()
    command_id = driver.note()
    driver.core.shut()

    assert isinstance(driver.outcome(command_id), ClientClosedError)
    driver.close(4502)
    assert isinstance(driver.core.stop, ClientClosedError)


def test_fresh_token_is_handed_over_and_forgotten_with_its_connection() -> None:
    driver = Driver()
    driver.connect()
    driver.core.refresh_token("fresh")
    (command,) = driver.sent()
    assert (command["type"], command["token"]) == ("token.refresh", "fresh")
    assert "key" not in command
    driver.close()

    assert driver.connect() == []


def test_rate_limit_on_the_clients_own_command_is_waited_for() -> None:
    driver = Driver()
    driver.connect()
    driver.core.refresh_token("fresh")
    (command,) = driver.sent()
    driver.refuse(command, RateLimitedError.default_code, retryable=True, retry_in_ms=100)
    driver.wait(0.6)

    assert driver.sent() == [command]
