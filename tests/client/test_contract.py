"""The client against the router's own messages: two implementations of one protocol, each by itself."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import pytest
from relevo_client import Connected, Customer, Target
from relevo_client.codec import CODECS, Format, pack
from relevo_client.errors import ERRORS, STOPS
from relevo_client.pending import MUTATING

import relevo.protocol
from relevo.protocol import examples
from relevo.protocol.codec import InvalidMessage

from .driver import Driver, RecordedError, Recorder
from .wire import Map, welcome_map

FORMATS = pytest.mark.parametrize(
    ("format", "router_codec"),
    [("json", relevo.protocol.JSON), ("msgpack", relevo.protocol.MSGPACK)],
    ids=["json", "msgpack"],
)


async def messages_of_a_client() -> list[Map]:
    """Return every message that a client sends, with all optional fields."""
    recorder = Recorder()
    calls: list[Awaitable[Any]] = [
        recorder.agents.set_status("pause", agent_id="ana"),
        recorder.sessions.open(
            "c-1", Customer("u-1", "Eva"), Target.department("sales"), attributes={"n": 1}
        ),
        recorder.sessions.transfer("c-1", Target.agent("bo"), "busy", fence=1),
        recorder.sessions.accept("c-1", fence=2),
        recorder.sessions.decline("c-1", "no"),
        recorder.sessions.recall("c-1"),
        recorder.sessions.note("c-1", "hola"),
        recorder.sessions.close("c-1", fence=2),
        recorder.sessions.get("c-1"),
        recorder.sessions.place("c-1"),
        recorder.sessions.explain("c-1", seq=3, agent_id="ana"),
        recorder.sessions.history_page("c-1", after=1, limit=10),
        recorder.sessions.list_page(
            state="queued", department_id="sales", customer_id="u-1", mine=True, limit=10
        ),
        recorder.sessions.list_page(state="closed", closed_from_at=4, closed_to_at=5, sort="-age"),
        recorder.agents.put("ana", "Ana", departments=["sales"]),
        recorder.agents.remove("ana"),
        recorder.departments.put("sales", "Sales"),
        recorder.departments.remove("sales"),
        recorder.departments.get("sales"),
        recorder.departments.list_page(limit=5),
        recorder.agents.get("ana"),
        recorder.agents.list_page(limit=5),
        recorder.sessions.answer("c-1", fence=2),
        recorder.sessions.update("c-1", attributes={"vip": True}),
        recorder.settings.get(),
        recorder.settings.put({"answer_ms": 5000}),
    ]
    for call in calls:
        with pytest.raises(RecordedError):
            await call
    driver = Driver()
    driver.core.opened("jwt", driver.now)
    messages = driver.sent()
    driver.receive(welcome_map())
    for command_type, fields, _ in recorder.sent:
        driver.core.submit(command_type, fields, deadline=driver.now + 1)
    for command_type in ("directory.subscribe", "directory.unsubscribe", "session.watch", "session.unwatch"):
        driver.core.submit(command_type, {}, deadline=driver.now + 1)
    driver.core.refresh_token("jwt")
    driver.core.acknowledge("c-1", 3)
    return messages + driver.sent()


@FORMATS
async def test_router_decodes_every_message_of_the_client(
    format: Format, router_codec: relevo.protocol.Codec
) -> None:
    messages = await messages_of_a_client()
    (frame,) = pack(CODECS[format], [CODECS[format].encode(message) for message in messages])

    understood = router_codec.decode(frame)

    assert [command for command in understood if isinstance(command, InvalidMessage)] == []
    # The client needs no ping of the protocol: it sees the websocket's own.
    assert {message["type"] for message in messages} == set(relevo.protocol.COMMANDS) - {"ping"}


@FORMATS
def test_client_makes_an_event_of_every_push(format: Format, router_codec: relevo.protocol.Codec) -> None:
    driver = Driver()
    driver.core.opened("jwt", driver.now)
    driver.core.submit("directory.subscribe", {}, deadline=driver.now + 1)
    pushes = [examples.WELCOME_EXAMPLE, *examples.PUSH_EXAMPLES]
    messages = [message for push in pushes for message in CODECS[format].decode(router_codec.encode(push))]
    for message in messages:
        driver.core.received(message, driver.now)

    # A patch is an event only where it continues the directory, which an example need not do.
    patches = sum(isinstance(push, relevo.protocol.DirectoryPatch) for push in pushes)
    events = driver.events()
    assert isinstance(events[0], Connected)
    assert len(events) >= len(pushes) - patches


def test_error_codes_and_whether_to_try_again_are_the_same() -> None:
    ours = {code: kind.default_retryable for code, kind in ERRORS.items()}

    theirs = {code.value: code.retryable for code in relevo.protocol.ErrorCode}
    assert {code: ours[code] for code in theirs} == theirs


def test_close_codes_that_mean_stay_away_are_the_same() -> None:
    assert set(STOPS) >= {int(code) for code in relevo.protocol.CloseCode if code >= 4500}


def test_commands_that_carry_a_key_are_the_same() -> None:
    assert set(relevo.protocol.MUTATING) == MUTATING
