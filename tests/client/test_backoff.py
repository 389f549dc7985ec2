from __future__ import annotations

from relevo_client.backoff import Backoff

BACKOFF = Backoff(initial_s=0.5, cap_s=15.0)


def test_bound_doubles_up_to_the_cap() -> None:
    bounds = [BACKOFF.delay_s(attempt, lambda: 1.0) for attempt in range(8)]

    assert bounds == [0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0]


def test_jitter_reaches_down_to_nothing() -> None:
    assert BACKOFF.delay_s(5, lambda: 0.0) == 0.0
    assert BACKOFF.delay_s(5, lambda: 0.5) == 7.5


def test_very_long_outage_does_not_overflow() -> None:
    assert BACKOFF.delay_s(100_000, lambda: 1.0) == 15.0
