"""Latencies: percentiles from buckets, merged over processes."""

from __future__ import annotations

import pytest

from bench.timing import Latencies, merged


def test_percentile_is_within_one_percent_of_the_value() -> None:
    latencies = Latencies()
    latencies.add([0.001 * number for number in range(1, 101)])
    assert latencies.percentile_ms(50) == pytest.approx(50, rel=0.011)
    assert latencies.percentile_ms(99) == pytest.approx(99, rel=0.011)
    assert latencies.percentile_ms(100) == pytest.approx(100, rel=0.011)


def test_merged_latencies_count_all_processes() -> None:
    parts = [Latencies(), Latencies()]
    parts[0].add([0.01] * 99)
    parts[1].add([1.0])
    together = merged(parts)
    assert together.count == 100
    assert together.percentile_ms(99.9) == pytest.approx(1000, rel=0.011)


def test_percentile_without_values_is_none() -> None:
    assert Latencies().percentile_ms(99) is None
