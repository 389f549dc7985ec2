from collections.abc import Callable

import pytest

from relevo.router.gateway.rate_limit import Allowance, Bucket, Limit
from relevo.router.gateway.read_control import JOINING, LEAVING, RESTING, Crowd, Intake

TURN_MAX = 32


class Reader:
    """A websocket that only says whether it is read."""

    def __init__(self) -> None:
        self.is_read = True

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True


def intake(reader: Reader, *, in_flight_max: int = 4, rate: int = 100, crowd: Crowd | None = None) -> Intake:
    opened = Intake(reader, Allowance(Bucket(Limit("connection", rate, 1))), in_flight_max)
    opened.join(crowd or crowd_of(1000), lambda item: opened.begun())
    return opened


class Turns:
    """A loop whose turns a test makes."""

    def __init__(self) -> None:
        self.due: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.due.append(callback)

    def turn(self) -> None:
        due, self.due = self.due, []
        for callback in due:
            callback()


def crowd_of(in_hand_max: int) -> Crowd:
    """Return a crowd in which few enter in each turn, so that none has to be made."""
    return Crowd(in_hand_max, TURN_MAX, Turns().call_soon)


class Member:
    """A connection whose commands stay in hand until a test finishes them."""

    def __init__(self, crowd: Crowd) -> None:
        self.reader = Reader()
        self.taken: list[str] = []
        self.intake = Intake(self.reader, Allowance(), 1000)
        self.intake.join(crowd, self.take)

    def take(self, item: str) -> None:
        self.taken.append(item)
        if item != "ping":
            self.intake.begun()

    def receive(self, *items: str) -> None:
        for item in items:
            if self.intake.admits(item):
                self.take(item)


@pytest.mark.limit("in_flight_max")
def test_beyond_its_commands_in_hand_a_connection_is_not_read_until_half_are_answered() -> None:
    reader = Reader()
    commands = intake(reader, in_flight_max=4)
    seen = []
    for step in (commands.begun,) * 5 + (commands.finished,) * 5:
        step()
        seen.append((commands.in_flight, reader.is_read))
    assert [in_flight for in_flight, is_read in seen[:5] if is_read] == [1, 2, 3]
    assert [in_flight for in_flight, is_read in seen[5:] if is_read] == [2, 1, 0]


def test_a_connection_is_read_again_when_nothing_speaks_against_it_any_more() -> None:
    reader = Reader()
    commands = intake(reader)
    commands.pause(JOINING)
    commands.pause(LEAVING)
    commands.resume(JOINING)
    commands.resume(JOINING)
    commands.resume(RESTING)
    assert not reader.is_read
    commands.resume(LEAVING)
    assert reader.is_read


def test_what_is_answered_meanwhile_does_not_end_a_rest() -> None:
    reader, timers = Reader(), list[tuple[int, Callable[[], None]]]()

    def call_later(delay_ms: int, callback: Callable[[], None]) -> None:
        timers.append((delay_ms, callback))

    commands = intake(reader)
    commands.begun()
    for _ in range(9):
        commands.allowance.take(1.0)
    commands.rest(call_later)
    commands.rest(call_later)
    commands.finished()
    assert not reader.is_read
    ((delay_ms, callback),) = timers
    assert delay_ms == 20
    callback()
    assert reader.is_read


def test_a_very_short_rest_is_added_to_the_next() -> None:
    reader = Reader()
    commands = intake(reader, rate=1000)
    delays = list[int]()
    for _ in range(10):
        commands.allowance.take(1.0 + sum(delays) / 1000)
        commands.rest(lambda delay_ms, _: delays.append(delay_ms))
        commands.resume(RESTING)
    assert delays == [1, 1]


def test_what_arrives_before_the_welcome_is_taken_after_it_in_order() -> None:
    member = Member(crowd_of(1000))
    member.intake.hold(JOINING)
    member.receive("a", "ping", "b")
    assert (member.taken, member.reader.is_read) == ([], False)
    member.intake.go_on()
    member.intake.resume(JOINING)
    assert (member.taken, member.reader.is_read) == (["a", "ping", "b"], True)


@pytest.mark.limit("tenant_in_flight_max")
def test_beyond_its_commands_in_hand_a_tenants_connections_take_turns() -> None:
    crowd = crowd_of(2)
    loud, quiet = Member(crowd), Member(crowd)
    loud.receive("1", "2", "3", "4", "5")
    quiet.receive("a", "ping")
    assert (loud.taken, quiet.taken) == (["1", "2"], [])
    assert [member.reader.is_read for member in (loud, quiet)] == [False, False]
    loud.intake.finished()
    assert (loud.taken, quiet.taken) == (["1", "2", "3"], [])
    loud.intake.finished()
    assert (loud.taken, quiet.taken) == (["1", "2", "3"], ["a"])
    quiet.intake.finished()
    assert (loud.taken, quiet.taken) == (["1", "2", "3", "4"], ["a"])
    loud.intake.finished()
    assert (loud.taken, quiet.taken) == (["1", "2", "3", "4", "5"], ["a", "ping"])
    assert [member.reader.is_read for member in (loud, quiet)] == [True, True]
    for _ in range(2):
        loud.intake.finished()
    assert (crowd.has_room, crowd.is_awaited) == (True, False)


def test_who_left_while_it_waited_gets_no_turn_and_holds_nobody_up() -> None:
    crowd = crowd_of(1)
    gone, other = Member(crowd), Member(crowd)
    other.receive("1")
    gone.receive("a")
    other.receive("2")
    gone.intake.end()
    other.intake.finished()
    assert (gone.taken, other.taken) == ([], ["1", "2"])


@pytest.mark.limit("tenant_turn_max")
def test_in_one_turn_of_the_loop_only_some_of_a_tenants_commands_are_begun() -> None:
    turns = Turns()
    crowd = Crowd(1000, TURN_MAX, turns.call_soon)
    loud, quiet = Member(crowd), Member(crowd)
    loud.receive(*(str(number) for number in range(2 * TURN_MAX)))
    quiet.receive("a", "b")
    assert (len(loud.taken), quiet.taken, loud.reader.is_read) == (TURN_MAX, [], False)
    loud.intake.finished()
    assert (len(loud.taken), quiet.taken) == (TURN_MAX, [])
    turns.turn()
    assert (len(loud.taken), quiet.taken) == (2 * TURN_MAX - 2, ["a", "b"])
    turns.turn()
    assert (len(loud.taken), loud.reader.is_read, quiet.reader.is_read) == (2 * TURN_MAX, True, True)
    turns.turn()
    assert (turns.due, crowd.has_room, crowd.is_awaited) == ([], True, False)
