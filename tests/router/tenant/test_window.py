"""Windows by example: times are arguments."""

from itertools import pairwise

import pytest

from relevo.router.tenant.window import (
    AHEAD_S_MAX,
    FLUSHES_PER_WINDOW,
    WINDOW_S_MAX,
    WINDOW_S_MIN,
    PatchWindow,
)


def flushed_when_due(*flushes_s: float) -> tuple[PatchWindow, float]:
    """A window after flushes that took so long, each as soon as it was due; and when the last one was."""
    window, now_s = PatchWindow(), 100.0
    for took_s in flushes_s:
        now_s = window.due_at_s(now_s)
        window.flushed(now_s, took_s)
    return window, now_s


def test_window_at_the_first_change_is_not_open() -> None:
    assert PatchWindow().due_at_s(100.0) == 100.0


def test_window_after_a_flush_is_at_least_a_frame_of_a_screen() -> None:
    window, _ = flushed_when_due(0.004)
    assert window.due_at_s(100.001) == 100.0 + WINDOW_S_MIN


def test_window_after_a_frame_of_a_screen_is_closed() -> None:
    window, _ = flushed_when_due(0.004)
    assert window.due_at_s(100.02) == 100.02


def test_window_of_changes_that_keep_coming_is_several_flushes_long() -> None:
    window, now_s = flushed_when_due(*[0.004] * 50)
    assert window.due_at_s(now_s) - now_s == pytest.approx(FLUSHES_PER_WINDOW * 0.004, abs=1e-6)


@pytest.mark.limit("WINDOW_S_MAX")
def test_window_is_as_long_as_a_change_may_wait_at_most() -> None:
    window, now_s = flushed_when_due(*[1.0] * 50)
    assert window.due_at_s(now_s) - now_s == pytest.approx(WINDOW_S_MAX)


@pytest.mark.limit("WINDOW_S_MAX")
def test_window_after_dear_flushes_is_never_longer_than_that() -> None:
    window, now_s = flushed_when_due(*[1.0] * 50, *[0.0] * 50)
    assert window.due_at_s(now_s) - now_s <= WINDOW_S_MAX


@pytest.mark.limit("AHEAD_S_MAX")
def test_window_after_a_quiet_time_lets_some_dear_flushes_follow() -> None:
    dear_s = WINDOW_S_MAX / FLUSHES_PER_WINDOW
    window, now_s = flushed_when_due(*[dear_s] * 50)
    due_s = [now_s + 10.0]
    for _ in range(10):
        window.flushed(due_s[-1], dear_s)
        due_s.append(window.due_at_s(due_s[-1]))
    pauses_s = [later - earlier for earlier, later in pairwise(due_s)]
    # A flush that follows after a frame of a screen is ahead by the rest of its window.
    close = int(AHEAD_S_MAX / (WINDOW_S_MAX - WINDOW_S_MIN))
    assert pauses_s[:close] == pytest.approx([WINDOW_S_MIN] * close)
    assert pauses_s[close + 1 :] == pytest.approx([WINDOW_S_MAX] * (9 - close))


def test_window_after_one_dear_flush_among_cheap_ones_stays_short() -> None:
    window, now_s = flushed_when_due(*[0.001] * 50, 0.004)
    assert window.due_at_s(now_s) - now_s < WINDOW_S_MIN + 0.001
