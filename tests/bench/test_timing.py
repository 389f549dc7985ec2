"""Latencies are counted so that merged processes read as one."""

from __future__ import annotations

import pytest

from bench.timing import Latencies, merged


def test_a_percentile_is_at_most_one_percent_above_the_value() -> None:
    latencies = Latencies()
    latencies.add([0.001 * number for number in range(1, 101)])
    assert latencies.percentile_ms(50) == pytest.approx(50, rel=0.011)
    assert latencies.percentile_ms(99) == pytest.approx(99, rel=0.011)
    assert latencies.percentile_ms(100) == pytest.approx(100, rel=0.011)


def test_processes_count_together() -> None:
    parts = [Latencies(), Latencies()]
    parts[0].add([0.01] * 99)
    parts[1].add([1.0])
    together = merged(parts)
    assert together.count == 100
    assert together.percentile_ms(99.9) == pytest.approx(1000, rel=0.011)


def test_nothing_counted_has_no_percentile() -> None:
    assert Latencies().percentile_ms(99) is None
