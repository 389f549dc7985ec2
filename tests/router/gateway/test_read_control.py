from collections.abc import Sequence

import pytest

from relevo.router.gateway.effects import AwaitSlot, Effect, PauseReading, RestReading, ResumeReading
from relevo.router.gateway.rate_limit import Allowance, Bucket, Limit
from relevo.router.gateway.read_control import Pause, ReadControl
from relevo.router.tenant.in_flight import InFlightLimiter


class ReadConnection:
    """A connection whose commands stay in flight until a test finishes them."""

    def __init__(
        self, limiter: InFlightLimiter | None = None, *, in_flight_max: int = 1000, rate: int = 100
    ) -> None:
        self.taken: list[str] = []
        self.is_read = True
        self.rests: list[int] = []
        self.effects: list[Effect] = []
        allowance = Allowance(Bucket(Limit("connection", rate, 1)))
        self.control = ReadControl(self.effects, allowance, in_flight_max)
        self.limiter = limiter or limiter_of(1000)
        self.control.limit(self.limiter)

    def carry_out(self) -> None:
        while self.effects:
            match self.effects.pop(0):
                case PauseReading():
                    self.is_read = False
                case ResumeReading():
                    self.is_read = True
                case RestReading(delay_ms=delay_ms):
                    self.rests.append(delay_ms)
                case AwaitSlot():
                    self.limiter.wait(self.slot_free)
                case effect:
                    pytest.fail(f"unexpected {effect}")

    def slot_free(self) -> None:
        self.control.take_held(self.take)
        self.carry_out()

    def take(self, item: str) -> None:
        self.taken.append(item)
        if item != "ping":
            self.control.begin(1)

    def receive(self, *items: str) -> None:
        for item in items:
            if self.control.admits(item):
                self.take(item)
        self.carry_out()

    def finish(self) -> None:
        self.control.finish(1)
        self.carry_out()

    def throttle(self, times: int, now_s: float = 1.0) -> None:
        """Send more messages than the rate allows, and rest as it says."""
        for _ in range(times):
            self.control.allowance.take(now_s)
            self.control.rest()
        self.carry_out()


def limiter_of(in_flight_max: int) -> InFlightLimiter:
    """Return a limiter in which so few start that no iteration has to be made."""
    return InFlightLimiter(in_flight_max)


def reads(member: ReadConnection, steps: Sequence[str]) -> list[bool]:
    """Return whether the member is read after each step."""
    seen = []
    for step in steps:
        if step == "finish":
            member.finish()
        else:
            member.receive(step)
        seen.append(member.is_read)
    return seen


@pytest.mark.limit("IN_FLIGHT_MAX")
def test_commands_beyond_in_flight_max_pause_reading_until_half_answered() -> None:
    member = ReadConnection(in_flight_max=4)
    assert reads(member, ["1", "2", "3", "4"]) == [True, True, True, False]
    assert reads(member, ["finish"] * 4) == [False, True, True, True]


def test_reading_with_two_pauses_resumes_after_both() -> None:
    member = ReadConnection(in_flight_max=1)
    member.throttle(9)
    member.receive("1")
    member.control.rested()
    member.carry_out()
    assert not member.is_read
    member.finish()
    assert member.is_read


def test_leaving_pauses_reading_for_good() -> None:
    member = ReadConnection(in_flight_max=1)
    member.receive("1")
    member.control.pause(Pause.LEAVING.value)
    member.finish()
    member.control.rested()
    member.carry_out()
    assert not member.is_read


def test_answers_during_a_rest_do_not_end_it() -> None:
    member = ReadConnection()
    member.receive("1")
    member.throttle(9)
    member.finish()
    assert (member.is_read, len(member.rests)) == (False, 1)
    member.control.rested()
    member.carry_out()
    assert member.is_read


def test_a_rest_below_a_millisecond_is_added_to_the_next() -> None:
    member = ReadConnection(rate=1000)
    for number in range(10):
        member.throttle(1, 1.0 + sum(member.rests) / 1000)
        member.control.rested()
        assert len(member.rests) <= number
    assert member.rests == [1, 1]


def test_messages_held_during_the_hello_are_taken_after_it_in_order() -> None:
    member = ReadConnection()
    member.control.hold()
    member.receive("a", "ping", "b")
    assert (member.taken, member.is_read) == ([], False)
    member.control.open(member.take)
    member.carry_out()
    assert (member.taken, member.is_read) == (["a", "ping", "b"], True)


def test_connections_of_a_tenant_without_room_take_turns() -> None:
    limiter = limiter_of(2)
    loud, quiet = ReadConnection(limiter), ReadConnection(limiter)
    loud.receive("1", "2", "3", "4", "5")
    quiet.receive("a", "ping")
    assert (loud.taken, quiet.taken) == (["1", "2"], [])
    assert [member.is_read for member in (loud, quiet)] == [False, False]
    loud.finish()
    assert (loud.taken, quiet.taken) == (["1", "2", "3"], [])
    loud.finish()
    assert (loud.taken, quiet.taken) == (["1", "2", "3"], ["a"])
    quiet.finish()
    assert (loud.taken, quiet.taken) == (["1", "2", "3", "4"], ["a"])
    loud.finish()
    assert (loud.taken, quiet.taken) == (["1", "2", "3", "4", "5"], ["a", "ping"])
    assert [member.is_read for member in (loud, quiet)] == [True, True]


def test_an_ended_connection_gets_no_slot_and_blocks_no_other() -> None:
    limiter = limiter_of(1)
    gone, other = ReadConnection(limiter), ReadConnection(limiter)
    other.receive("1")
    gone.receive("a")
    other.receive("2")
    gone.control.end()
    other.finish()
    assert (gone.taken, other.taken) == ([], ["1", "2"])


def test_a_close_while_held_messages_are_taken_drops_the_rest() -> None:
    member = ReadConnection()
    member.control.hold()
    member.receive("a", "b")

    def close(item: str) -> None:
        member.taken.append(item)
        member.control.end()

    member.control.open(close)
    assert member.taken == ["a"]
