"""The state machine alone: calls in, effects out."""

import subprocess
import sys
from typing import Any

import pytest

from relevo.protocol.commands import (
    COMMANDS,
    SessionAck,
    SessionGet,
    TokenRefresh,
)
from relevo.protocol.errors import CloseCode, Error, ErrorCode
from relevo.protocol.objects import Entry
from relevo.protocol.pushes import FEATURES
from relevo.protocol.results import Empty, HistoryResult, WatchResult
from relevo.router.gateway import connection
from relevo.router.gateway.commands import RULES
from relevo.router.gateway.connection import (
    _TAKE,
    ENDED,
    HELLO_TIMEOUT_MS,
    TOKEN_EXPIRING_MS,
    TRANSITIONS,
    Event,
    State,
)
from relevo.router.gateway.effects import (
    AwaitSlot,
    Close,
    CountThrottled,
    Disconnect,
    Execute,
    Join,
    PauseReading,
    RefreshToken,
    RestReading,
    ResumeReading,
    ResumeWatch,
    Send,
    SetTimer,
    StopTimer,
    Subscribe,
    Timer,
)
from relevo.router.gateway.rate_limit import BURST_S, REFUSALS_MAX
from tests.router.gateway.fakes import EXPIRES_AT, NOW_MS, Machine, limiter, principal

HELLO = {"type": "hello", "id": "h", "token": "t"}
GET = {"type": "session.get", "id": "1", "session_id": "s"}
ACK = {"type": "session.ack", "session_id": "s", "fence": 1}
PING = {"type": "ping", "id": "p"}


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def opened() -> Machine:
    machine = Machine()
    machine.open()
    return machine


def closes(machine: Machine) -> list[CloseCode]:
    return [effect.code for effect in machine.of(Close)]


# The table --------------------------------------------------------------------------------------------------


def test_transitions_have_a_row_for_each_state_and_reach_each() -> None:
    assert set(TRANSITIONS) == set(State)
    reached = {state for row in TRANSITIONS.values() for state in row.values()}
    assert reached == set(State) - {State.NEW}
    assert {event for row in TRANSITIONS.values() for event in row} == set(Event)


def test_transitions_of_each_state_but_the_last_end_with_the_websocket() -> None:
    assert [state for state, row in TRANSITIONS.items() if row.get(Event.LOST) is not State.CLOSED] == [
        State.CLOSED
    ]


def test_transitions_close_once() -> None:
    assert [state for state, row in TRANSITIONS.items() if Event.CLOSE not in row] == list(ENDED)


def test_every_command_is_the_connections_or_the_stores() -> None:
    own = {kind for kind in _TAKE if kind in COMMANDS.values()}
    assert own | set(RULES) == set(COMMANDS.values())
    assert not own & set(RULES)


def test_importing_the_connection_loads_no_loop_and_no_store() -> None:
    code = "import sys, relevo.router.gateway.connection; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {"asyncio", "redis", "uvicorn", "structlog"} & set(loaded.split())


# Hello ------------------------------------------------------------------------------------------------------


def test_a_new_connection_waits_for_the_hello(machine: Machine) -> None:
    assert machine.effects() == [SetTimer(HELLO_TIMEOUT_MS, Timer.HELLO)]
    machine.connection.timer_fired(Timer.HELLO, NOW_MS)
    assert (closes(machine), machine.state) == ([CloseCode.NO_HELLO], State.REJECTED)


def test_a_hello_is_verified_while_nothing_more_is_read(machine: Machine) -> None:
    machine.effects()
    machine.receive(HELLO)
    assert [type(effect) for effect in machine.effects()] == [PauseReading, StopTimer, Join]
    assert machine.state is State.VERIFYING


@pytest.mark.parametrize("first", [PING, {"type": "hello"}, {"type": "no.such"}], ids=str)
def test_a_first_message_that_is_no_hello_closes_with_4503(machine: Machine, first: dict[str, Any]) -> None:
    machine.receive(first)
    assert (closes(machine), machine.state) == ([CloseCode.UNDECODABLE], State.REJECTED)


def test_bytes_that_are_no_message_close_with_4503(opened: Machine) -> None:
    opened.connection.received(b"{", 1.0)
    assert closes(opened) == [CloseCode.UNDECODABLE]


def test_a_welcome_answers_the_hello_and_watches_the_token(machine: Machine) -> None:
    machine.verify()
    machine.effects()
    assert machine.connection.welcome(NOW_MS, synced_to=("e", 5))
    sent, timer, resume = machine.effects()
    assert isinstance(sent, Send)
    assert timer == SetTimer(EXPIRES_AT - TOKEN_EXPIRING_MS - NOW_MS, Timer.EXPIRING)
    assert resume == ResumeReading()
    assert machine.state is State.OPEN


def test_a_welcome_carries_the_hellos_id_and_the_token(machine: Machine) -> None:
    machine.verify()
    machine.effects()
    machine.connection.welcome(NOW_MS)
    (welcome,) = machine.sent()
    assert (welcome["type"], welcome["id"], welcome["connection_id"]) == ("welcome", "h", "c1")
    assert (welcome["tenant"], welcome["role"], welcome["expires_at"]) == ("acme", "agent", EXPIRES_AT)
    assert welcome["features"] == list(FEATURES)


def test_a_rejected_hello_is_answered_and_closed(machine: Machine) -> None:
    machine.receive(HELLO)
    machine.effects()
    machine.connection.reject(Error.of(ErrorCode.UNAUTHORIZED), CloseCode.UNAUTHORIZED)
    sent, stop, close = machine.effects()
    assert (type(sent), stop, close) == (Send, StopTimer(), Close(CloseCode.UNAUTHORIZED, "unauthorized"))


@pytest.mark.parametrize("ended_by", ["lost", "close"])
def test_answers_to_a_hello_after_the_end_change_nothing(machine: Machine, ended_by: str) -> None:
    machine.receive(HELLO)
    if ended_by == "lost":
        machine.connection.lost(1001, True)
    else:
        machine.connection.close(CloseCode.STORE_LOST)
    state = machine.state
    machine.effects()
    assert not machine.connection.verified(principal(), machine.limiter, ())
    assert not machine.connection.welcome(NOW_MS)
    machine.connection.reject(Error.of(ErrorCode.UNAUTHORIZED), CloseCode.UNAUTHORIZED)
    assert (machine.effects(), machine.state) == ([], state)


def test_messages_behind_the_hello_are_taken_after_the_welcome(machine: Machine) -> None:
    machine.receive(HELLO, PING, GET)
    machine.connection.verified(principal(), machine.limiter, ())
    machine.effects()
    machine.connection.welcome(NOW_MS)
    kinds = [type(effect) for effect in machine.effects()]
    assert kinds == [Send, SetTimer, Send, Execute, ResumeReading]


def test_a_second_hello_is_a_bad_message(opened: Machine) -> None:
    opened.receive(HELLO)
    (reply,) = opened.sent()
    assert (reply["id"], reply["error"]["code"], opened.state) == ("h", "bad_message", State.OPEN)


# Commands ---------------------------------------------------------------------------------------------------


def test_a_store_command_is_executed_and_its_answer_sent(opened: Machine) -> None:
    opened.receive(GET)
    (execute,) = opened.of(Execute)
    assert isinstance(execute.command, SessionGet)
    opened.connection.answered(execute.command, Empty())
    assert opened.sent() == [{"type": "reply", "id": "1", "result": {}}]


def test_an_error_is_the_reply_to_its_command(opened: Machine) -> None:
    opened.receive(GET)
    opened.effects()
    opened.connection.answered(SessionGet(id="1", session_id="s"), Error.of(ErrorCode.NOT_FOUND))
    (reply,) = opened.sent()
    assert (reply["id"], reply["error"]["code"]) == ("1", "not_found")


def test_an_acknowledgement_has_no_reply(opened: Machine) -> None:
    opened.receive(ACK)
    (execute,) = opened.of(Execute)
    assert isinstance(execute.command, SessionAck)
    opened.connection.answered(execute.command, Error.of(ErrorCode.NOT_FOUND))
    assert opened.effects() == []


def test_a_ping_is_answered_at_once(opened: Machine) -> None:
    opened.receive(PING)
    assert opened.sent() == [{"type": "pong", "id": "p"}]


def test_an_invalid_message_is_answered_with_its_path(opened: Machine) -> None:
    opened.receive({"type": "session.get", "id": "1"}, PING)
    reply, pong = opened.sent()
    assert (reply["error"]["code"], reply["error"]["details"]) == ("bad_message", {"path": "$.session_id"})
    assert pong["type"] == "pong"


@pytest.mark.parametrize(
    ("role", "kind", "is_allowed"),
    [
        ("agent", "directory.subscribe", True),
        ("service", "directory.subscribe", True),
        ("admin", "session.watch", True),
        ("service", "session.watch", True),
        ("agent", "session.watch", False),
        ("agent", "session.unwatch", False),
        ("agent", "directory.unsubscribe", True),
    ],
)
def test_a_subscription_needs_its_role(role: str, kind: str, is_allowed: bool) -> None:
    machine = Machine()
    machine.open(role)
    machine.receive({"type": kind, "id": "1"})
    effects = machine.effects()
    assert [type(effect) for effect in effects] == ([Send, Subscribe] if is_allowed else [Send])


def test_a_watch_that_resumes_is_answered_once_the_events_were_read() -> None:
    machine = Machine()
    machine.open("admin")
    machine.receive({"type": "session.watch", "id": "1", "resume": {"epoch": "e", "seq": 3}})
    (effect,) = machine.effects()
    assert isinstance(effect, ResumeWatch)
    machine.connection.answered(effect.command, WatchResult(True))
    assert [message["result"] for message in machine.sent()] == [{"resumed": True}]


def test_commands_beyond_in_flight_max_pause_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "IN_FLIGHT_MAX", 2)
    machine = Machine()
    machine.open()
    machine.receive(GET, GET)
    assert machine.of(PauseReading) == [PauseReading()]
    machine.connection.answered(SessionGet(id="1", session_id="s"), Empty())
    assert machine.of(ResumeReading) == [ResumeReading()]


def test_a_command_without_room_in_the_tenant_is_held_until_there_is() -> None:
    machine = Machine()
    machine.limiter = limiter(1)
    machine.open()
    machine.receive(GET, PING)
    assert [type(effect) for effect in machine.effects()] == [Execute, PauseReading, AwaitSlot]
    machine.connection.answered(SessionGet(id="1", session_id="s"), Empty())
    machine.effects()
    machine.connection.slot_free()
    assert [type(effect) for effect in machine.effects()] == [Send, ResumeReading]


def use_up_burst(machine: Machine) -> None:
    """Send what is left of the burst after the hello, at a rate of one a second."""
    machine.receive(*[PING] * (BURST_S - 1))
    machine.effects()


def test_messages_over_the_rate_are_rejected_and_read_more_slowly() -> None:
    machine = Machine(message_rate=1)
    machine.open()
    use_up_burst(machine)
    machine.receive(PING)
    counted, reply, pause, rest = machine.effects()
    assert isinstance(reply, Send)
    assert (counted, pause) == (CountThrottled("connection"), PauseReading())
    assert isinstance(rest, RestReading)
    machine.connection.rested()
    assert machine.effects() == [ResumeReading()]


def test_long_reply_is_charged_to_the_rate() -> None:
    machine = Machine(message_rate=10)
    machine.open()
    machine.receive({"type": "session.history", "id": "1", "session_id": "s"})
    (execute,) = machine.of(Execute)
    note = Entry(seq=1, kind="internal", at=NOW_MS, by=None, text="x" * 4000, transfer=None)
    machine.connection.answered(execute.command, HistoryResult([note] * 32, False))
    assert machine.sent()[0]["result"]["more"] is False
    machine.receive(*[PING] * 10)
    # A hello, a question, and the 31 times 4 KiB and two times 16 rows of its answer.
    assert len(machine.of(CountThrottled)) == 10 - (40 - 2 - 31 - 2)


def test_page_that_may_be_long_takes_room_of_many_commands_of_the_tenant() -> None:
    machine = Machine()
    machine.limiter = limiter(in_flight_max=33)
    machine.open()
    machine.receive({"type": "session.history", "id": "1", "session_id": "s", "limit": 500}, PING)
    (execute,) = machine.of(Execute)
    has_room = [machine.limiter.has_room]
    machine.receive({"type": "session.list", "id": "2"}, PING)
    has_room.append(machine.limiter.has_room)
    machine.connection.answered(execute.command, HistoryResult([], False))
    assert [*has_room, machine.limiter.has_room] == [True, False, True]


def test_first_subscription_of_a_connection_is_free() -> None:
    machine = Machine(message_rate=10)
    machine.open()
    machine.connection.charge_directory(10**6)
    machine.receive(PING)
    assert machine.of(CountThrottled) == []
    machine.connection.charge_directory(10**6)
    machine.receive(PING)
    assert machine.of(CountThrottled) == [CountThrottled("connection")]


def test_a_throttled_acknowledgement_has_no_reply() -> None:
    machine = Machine(message_rate=1)
    machine.open()
    use_up_burst(machine)
    machine.receive(ACK)
    assert machine.of(Send) == []


@pytest.mark.limit("REFUSALS_MAX")
def test_a_sender_that_ignores_the_rate_is_closed_with_4505() -> None:
    machine = Machine(message_rate=1)
    machine.open()
    use_up_burst(machine)
    for _ in range(REFUSALS_MAX):
        machine.receive(PING)
    assert closes(machine) == []
    machine.receive(PING)
    machine.receive(PING)
    assert closes(machine) == [CloseCode.RATE_LIMITED]


def test_messages_of_a_batch_behind_a_close_are_not_taken() -> None:
    machine = Machine()
    machine.receive(PING, HELLO)
    assert machine.of(Join) == []


# Tokens -----------------------------------------------------------------------------------------------------


def refresh(machine: Machine, answer: Any) -> list[Any]:
    machine.receive({"type": "token.refresh", "id": "r", "token": "t2"})
    (effect,) = machine.of(RefreshToken)
    assert isinstance(effect.command, TokenRefresh)
    machine.connection.refreshed(effect.command, answer, NOW_MS)
    return machine.effects()


def test_a_refreshed_token_moves_the_expiry(opened: Machine) -> None:
    timer, _ = refresh(opened, principal(expires_at=EXPIRES_AT + 5))
    assert timer == SetTimer(EXPIRES_AT + 5 - TOKEN_EXPIRING_MS - NOW_MS, Timer.EXPIRING)
    assert opened.connection.principal == principal(expires_at=EXPIRES_AT + 5)


def test_role_of_the_directory_counts(opened: Machine) -> None:
    opened.connection.take_role("admin")
    opened.receive({"type": "session.watch", "id": "w"})
    assert [message["result"] for message in opened.sent()] == [{}]


def test_a_token_that_is_not_verified_is_an_error(opened: Machine) -> None:
    (reply,) = refresh(opened, Error.of(ErrorCode.UNAVAILABLE))
    assert b'"unavailable"' in reply.message


def test_an_expiring_token_is_announced_and_then_closes_with_4501(opened: Machine) -> None:
    opened.connection.timer_fired(Timer.EXPIRING, EXPIRES_AT - 1000)
    sent, timer = opened.effects()
    assert isinstance(sent, Send)
    assert timer == SetTimer(1000, Timer.EXPIRED)
    opened.connection.timer_fired(Timer.EXPIRED, EXPIRES_AT)
    assert closes(opened) == [CloseCode.TOKEN_EXPIRED]


# Pushes -----------------------------------------------------------------------------------------------------


def test_pushes_before_the_welcome_follow_it_unless_it_has_their_outcome(machine: Machine) -> None:
    machine.verify()
    for epoch, seq in (("old", 9), ("e", 5), ("e", 6)):
        assert not machine.connection.takes_push(epoch, seq, b'{"type":"push","id":"%d"}' % seq)
    machine.effects()
    machine.connection.welcome(NOW_MS, synced_to=("e", 5))
    assert [message.get("id") for message in machine.sent()] == ["h", "6"]


def test_pushes_up_to_a_sync_are_not_sent(opened: Machine) -> None:
    opened.connection.sync("e", 5)
    pushes = (("e", 5), ("e", 6), ("f", 1))
    taken = [epoch + str(seq) for epoch, seq in pushes if opened.connection.takes_push(epoch, seq, b"")]
    assert taken == ["e6", "f1"]


def test_pushes_after_the_end_are_dropped(opened: Machine) -> None:
    opened.connection.close(CloseCode.REMOVED)
    opened.effects()
    assert not opened.connection.takes_push("e", 1, b"late")


# Ends -------------------------------------------------------------------------------------------------------


def test_draining_is_announced_and_closes_at_its_time(opened: Machine) -> None:
    opened.connection.drain(500)
    sent, timer = opened.effects()
    assert isinstance(sent, Send)
    assert (timer, opened.state) == (SetTimer(500, Timer.LEAVE), State.DRAINING)
    opened.connection.timer_fired(Timer.LEAVE, NOW_MS)
    assert (closes(opened), opened.state) == ([CloseCode.DRAINING], State.CLOSING)


def test_leaving_waits_for_the_answers_in_flight(opened: Machine) -> None:
    opened.receive(GET)
    opened.connection.drain(500)
    opened.effects()
    opened.connection.timer_fired(Timer.LEAVE, NOW_MS)
    assert (opened.effects(), opened.state) == ([PauseReading()], State.LEAVING)
    opened.connection.answered(SessionGet(id="1", session_id="s"), Empty())
    sent, stop, close = opened.effects()
    assert (type(sent), type(stop), type(close)) == (Send, StopTimer, Close)


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_draining_before_the_welcome_closes_at_its_time(machine: Machine, steps: int) -> None:
    if steps == 1:
        machine.receive(HELLO)
    elif steps == 2:
        machine.verify()
    machine.effects()
    machine.connection.drain(500)
    assert machine.effects() == [SetTimer(500, Timer.LEAVE)]
    machine.connection.timer_fired(Timer.LEAVE, NOW_MS)
    assert (closes(machine), machine.state) == ([CloseCode.DRAINING], State.REJECTED)


def test_a_welcome_on_a_draining_node_is_followed_by_the_time_to_leave(machine: Machine) -> None:
    machine.verify()
    machine.effects()
    machine.connection.welcome(NOW_MS, leave_in_ms=300)
    assert machine.of(SetTimer)[-1] == SetTimer(300, Timer.LEAVE)
    assert machine.state is State.DRAINING


def test_a_refresh_while_draining_keeps_the_time_to_leave(opened: Machine) -> None:
    opened.connection.drain(500)
    opened.effects()
    assert [type(effect) for effect in refresh(opened, principal())] == [Send]


def test_an_ended_connection_is_not_drained(opened: Machine) -> None:
    opened.connection.close(CloseCode.REMOVED)
    opened.effects()
    opened.connection.drain(500)
    assert opened.effects() == []


@pytest.mark.parametrize(
    ("code", "by_peer", "clean"), [(1000, True, True), (1000, False, False), (1006, False, False)]
)
def test_a_lost_agent_is_disconnected_and_cleanly_after_a_goodbye(
    opened: Machine, code: int, by_peer: bool, clean: bool
) -> None:
    opened.connection.lost(code, by_peer)
    assert opened.effects() == [StopTimer(), Disconnect(clean=clean)]


def test_connection_without_welcome_or_presence_is_not_disconnected() -> None:
    unwelcomed, back_end = Machine(), Machine()
    unwelcomed.verify()
    back_end.open("service")
    for machine in (unwelcomed, back_end):
        machine.effects()
        machine.connection.lost(1006, False)
        assert machine.effects() == [StopTimer()]


def test_a_closed_connection_is_registered_until_its_websocket_is_gone(opened: Machine) -> None:
    opened.connection.close(CloseCode.STORE_LOST)
    before = opened.connection.is_registered
    opened.connection.lost(4003, False)
    assert (before, opened.connection.is_registered) == (True, False)
    assert opened.of(Disconnect) == [Disconnect(clean=False)]


def test_a_close_drops_what_is_held() -> None:
    machine = Machine()
    machine.limiter = limiter(1)
    machine.open()
    machine.receive(GET, GET)
    machine.connection.close(CloseCode.REMOVED)
    machine.connection.answered(SessionGet(id="1", session_id="s"), Empty())
    machine.effects()
    machine.connection.slot_free()
    assert machine.effects() == []
