from collections.abc import Callable

from router.intake import JOINING, LEAVING, RESTING, Intake
from router.limits import Allowance, Bucket, Limit


class Reader:
    """A websocket that only says whether it is read."""

    def __init__(self) -> None:
        self.is_read = True

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True


def intake(reader: Reader, *, in_flight_max: int = 4) -> Intake:
    return Intake(reader, Allowance(Bucket(Limit("connection", 100, 1))), in_flight_max)


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
    assert delay_ms == 10
    callback()
    assert reader.is_read


def test_a_very_short_rest_is_added_to_the_next() -> None:
    reader = Reader()
    commands = Intake(reader, Allowance(Bucket(Limit("connection", 1000, 1))), 4)
    delays = []
    for _ in range(17):
        commands.allowance.take(1.0)
        commands.rest(lambda delay_ms, _: delays.append(delay_ms))
        commands.resume(RESTING)
    assert delays == [1, 1]
