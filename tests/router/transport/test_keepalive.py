"""The wheel gives back each item when its time has come: not before, not twice, none forgotten."""

from hypothesis import given, settings
from hypothesis import strategies as st

from relevo.router.transport.keepalive import Wheel


def test_an_item_comes_back_at_its_time_and_not_before() -> None:
    wheel: Wheel[str] = Wheel(slot_ms=10, span_ms=100, now_ms=1_000)
    wheel.put("a", 1_050)
    assert wheel.turn(1_049) == []
    assert wheel.turn(1_050) == ["a"]
    assert wheel.turn(2_000) == []


def test_an_item_that_was_discarded_does_not_come_back() -> None:
    wheel: Wheel[str] = Wheel(slot_ms=10, span_ms=100, now_ms=0)
    slot = wheel.put("a", 50)
    slot.discard("a")
    assert wheel.is_empty
    assert wheel.turn(100) == []


def test_a_loop_that_stood_still_for_many_rounds_loses_nothing() -> None:
    wheel: Wheel[int] = Wheel(slot_ms=10, span_ms=100, now_ms=0)
    for number in range(10):
        wheel.put(number, number * 10)
    assert sorted(wheel.turn(100_000)) == list(range(10))


def test_a_time_that_has_passed_comes_with_the_next_slot() -> None:
    wheel: Wheel[str] = Wheel(slot_ms=10, span_ms=100, now_ms=500)
    wheel.put("a", 100)
    assert wheel.turn(510) == ["a"]


@settings(deadline=None)  # The machine may be busy.
@given(st.lists(st.tuples(st.integers(0, 300), st.integers(0, 97)), max_size=60))
def test_each_item_comes_once_and_at_most_a_slot_late(steps: list[tuple[int, int]]) -> None:
    slot_ms, span_ms, now_ms = 7, 97, 0
    wheel: Wheel[int] = Wheel(slot_ms, span_ms, now_ms)
    due: dict[int, int] = {}
    for number, (pause_ms, delay_ms) in enumerate(steps):
        # The timer turns the wheel at least once per slot.
        for now_ms in range(now_ms, now_ms + pause_ms + 1):  # noqa: B020
            for item in wheel.turn(now_ms):
                late_ms = now_ms - due.pop(item)
                assert 0 <= late_ms <= slot_ms
        due[number] = now_ms + delay_ms
        wheel.put(number, due[number])
    assert sorted(wheel.turn(now_ms + span_ms + slot_ms)) == sorted(due)
    assert wheel.is_empty
