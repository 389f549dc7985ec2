"""The latency of a change: from when it was due to when a dialog showed it, merged or not."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import pytest

from bench.load.behaviours import Dialogs, Schedule
from bench.load.engine import NEVER, Engine, Peer
from bench.load.protocols import ClientProtocol, StatusChange
from relevo.protocol.codec import JSON
from relevo.router.transport.frames import build_frame


class RowProtocol:
    """A protocol whose messages are agent, status and version, such as ``3 pause 7``."""

    def changed(self, payload: bytes) -> list[StatusChange]:
        """Read the rows."""
        found = []
        for line in payload.decode().split(","):
            index, status, version = line.split()
            found.append((int(index), status, int(version)))
        return found


class Clock:
    """The time as the test sets it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("bench.load.behaviours.monotonic", clock)
    return clock


@pytest.fixture
def one() -> Iterator[Dialogs]:
    engine = Engine(None)
    yield Dialogs(engine, cast(ClientProtocol, RowProtocol()))
    engine.close()


def test_schedule_has_one_in_each_interval_at_different_moments_of_it() -> None:
    schedule = Schedule(10.0, 2, 100)
    due = [schedule.due_at(number) for number in range(100)]
    assert [int((at - 10.0) * 2) for at in due] == list(range(100))
    assert len({round(at * 2 % 1, 3) for at in due}) == 100
    assert schedule.due_at(100) == NEVER


def test_schedule_shared_by_processes_is_the_same_as_of_one() -> None:
    schedule = Schedule(10.0, 2, 7)
    parts = [schedule.share(number, 3) for number in range(3)]
    due = [part.due_at(number) for number in range(3) for part in parts]
    assert due == [*map(schedule.due_at, range(7)), NEVER, NEVER]


def hear(one: Dialogs, clock: Clock, at: float, peer: Peer, *messages: str) -> None:
    clock.now = at
    one.received(peer, b"".join(build_frame(JSON, message.encode()) for message in messages))


def milliseconds(one: Dialogs, schedule: Schedule, changers: Sequence[int]) -> tuple[int, Any]:
    tally = one.tally(schedule, changers, [0] * len(changers))
    return tally.done, tally.latencies.percentile_ms(100)


def test_dialogs_count_a_change_from_when_it_was_due(clock: Clock, one: Dialogs) -> None:
    peers = [Peer(0, []), Peer(1, [])]
    hear(one, clock, 10.005, peers[0], "3 pause 1")
    hear(one, clock, 10.020, peers[1], "3 pause 1")
    done, longest = milliseconds(one, Schedule(10.0, 1, 1), [3])
    assert done == 2
    assert longest == pytest.approx(20, rel=0.011)


def test_dialogs_leave_out_a_change_that_was_never_shown(clock: Clock, one: Dialogs) -> None:
    # Three changes of one agent: pause, connected, pause. The first was never shown.
    peer, schedule = Peer(0, []), Schedule(10.0, 1, 3)
    hear(one, clock, schedule.due_at(1) + 0.030, peer, "3 connected 2")
    hear(one, clock, schedule.due_at(2) + 0.010, peer, "3 pause 3")
    done, longest = milliseconds(one, schedule, [3])
    assert done == 2
    assert longest == pytest.approx(30, rel=0.011)


def test_dialogs_count_a_merged_patch_on_each_screen(clock: Clock, one: Dialogs) -> None:
    fast, slow, schedule = Peer(0, []), Peer(1, []), Schedule(10.0, 1, 2)
    hear(one, clock, schedule.due_at(0) + 0.010, fast, "3 pause 1")
    hear(one, clock, schedule.due_at(1) + 0.010, fast, "4 pause 2")
    hear(one, clock, schedule.due_at(0) + 1.100, slow, "3 pause 1,4 pause 2")
    done, longest = milliseconds(one, schedule, [3, 4])
    assert done == 4
    assert longest == pytest.approx(1100, rel=0.011)


def test_dialogs_count_a_frame_in_pieces_once(clock: Clock, one: Dialogs) -> None:
    peer = Peer(0, [])
    frame = build_frame(JSON, b"3 pause 1")
    clock.now = 10.5
    one.received(peer, frame[:4])
    one.received(peer, frame[4:])
    assert milliseconds(one, Schedule(10.0, 1, 1), [3])[0] == 1
