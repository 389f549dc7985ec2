"""Whether memory grows: a line through samples that a few wild ones do not turn (pure)."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

MIB = 2**20
# What a process may have gained by the end of a run, as a part of what it has, and at least.
TOLERANCE_RATIO = 0.03
TOLERANCE_BYTES_MIN = 2 * MIB


@dataclass(frozen=True, slots=True)
class Sample:
    """
    How much something took at one moment.

    Attributes:
        at_s: When, in seconds of any clock.
        size_bytes: How much.
    """

    at_s: float
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Growth:
    """
    What became of something over a run.

    Attributes:
        name: What it is.
        typical_bytes: The median of its samples.
        gained_bytes: By how much the fitted line rises from the first to the last.
        tolerated_bytes: By how much it may.
        seconds: How long that took.
    """

    name: str
    typical_bytes: float
    gained_bytes: float
    tolerated_bytes: float
    seconds: float

    @property
    def is_tolerated(self) -> bool:
        """Whether it stayed as large as it was, as far as can be told."""
        return self.gained_bytes <= self.tolerated_bytes


def fitted_slope(samples: Sequence[Sample]) -> float:
    """
    Return the bytes per second of a line through samples.

    It is the median of the slopes between any two of them (Theil, 1950): up to a quarter may be anything.
    """
    slopes = [
        (later.size_bytes - sooner.size_bytes) / (later.at_s - sooner.at_s)
        for number, sooner in enumerate(samples)
        for later in samples[number + 1 :]
    ]
    return statistics.median(slopes)


def growth(name: str, samples: Sequence[Sample]) -> Growth:
    """
    Say what became of something.

    Args:
        name: What it is.
        samples: In their order, two at least.
    """
    seconds = samples[-1].at_s - samples[0].at_s
    typical = statistics.median(sample.size_bytes for sample in samples)
    tolerated = max(TOLERANCE_BYTES_MIN, TOLERANCE_RATIO * typical)
    return Growth(name, typical, fitted_slope(samples) * seconds, tolerated, seconds)
