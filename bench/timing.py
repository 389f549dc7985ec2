"""Latencies of open-loop load: counted in buckets, merged over processes, read as percentiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# From a microsecond to a hundred seconds; each bucket is one percent wide.
_BOUNDS = np.geomspace(1e-6, 1e2, 1852)


def _no_counts() -> Any:
    return np.zeros(len(_BOUNDS) + 1, dtype=np.int64)


@dataclass
class Latencies:
    """
    Hold how long things took, each from when it was due rather than from when it was sent.

    A sender that falls behind its schedule thus adds its own delay to what it measures, instead of leaving
    out the very moments in which the server was slow.
    """

    counts: Any = field(default_factory=_no_counts)

    def add(self, seconds: Any) -> None:
        """Count durations: a sequence or an array of any shape, in seconds."""
        places = np.searchsorted(_BOUNDS, np.asarray(seconds, dtype=np.float64).ravel(), side="right")
        self.counts += np.bincount(places, minlength=len(self.counts))

    @property
    def count(self) -> int:
        """Return how many were counted."""
        return int(self.counts.sum())

    def percentile_ms(self, percent: float) -> float | None:
        """Return the upper bound of the bucket in which this percentile lies, in milliseconds."""
        if not self.count:
            return None
        place = int(np.searchsorted(np.cumsum(self.counts), self.count * percent / 100))
        return float(_BOUNDS[min(place, len(_BOUNDS) - 1)]) * 1000


def merged(parts: Sequence[Latencies]) -> Latencies:
    """Return what several processes have counted, as one."""
    total = Latencies()
    for part in parts:
        total.counts += part.counts
    return total
