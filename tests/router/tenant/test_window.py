"""Windows by example: times are arguments."""

import pytest

from relevo.router.tenant.window import FLUSHES_PER_WINDOW, WINDOW_S_MAX, WINDOW_S_MIN, PatchWindow


def opened(*flushes_s: float, at_s: float = 100.0) -> PatchWindow:
    """A window that opened at a time, after flushes that took so long."""
    window = PatchWindow()
    for took_s in flushes_s:
        window.flushed(at_s, took_s)
    return window


def test_the_first_change_is_due_at_once() -> None:
    assert PatchWindow().due_at_s(100.0) == 100.0


def test_a_change_in_a_window_is_due_when_it_closes() -> None:
    assert opened(0.0).due_at_s(100.001) == 100.0 + WINDOW_S_MIN


def test_a_change_after_a_window_is_due_at_once() -> None:
    assert opened(0.0).due_at_s(100.02) == 100.02


def test_a_window_after_dear_flushes_is_several_of_them_long() -> None:
    window = opened(*[0.004] * 50)
    assert window.due_at_s(100.0) == pytest.approx(100.0 + FLUSHES_PER_WINDOW * 0.004, abs=1e-6)


@pytest.mark.limit("WINDOW_S_MAX")
def test_a_window_has_the_length_that_a_change_may_wait_at_most() -> None:
    assert opened(*[1.0] * 50).due_at_s(100.0) == 100.0 + WINDOW_S_MAX


def test_one_dear_flush_among_cheap_ones_does_not_make_windows_long() -> None:
    assert opened(*[0.001] * 50, 0.004).due_at_s(100.0) < 100.0 + WINDOW_S_MIN + 0.001
