"""How long to wait before trying again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Backoff:
    """
    Exponential delays with full jitter: anything from nothing to the doubled bound.

    Full jitter, because ten thousand clients of a killed router try again at the same moment otherwise.

    Args:
        initial_s: The bound of the first delay, in seconds.
        cap_s: The bound that doubling stops at, in seconds.
    """

    initial_s: float
    cap_s: float

    def delay_s(self, attempt: int, random: Callable[[], float]) -> float:
        """
        Return the seconds to wait before a try.

        Args:
            attempt: How many tries have failed before, from 0.
            random: Returns a number in [0, 1).
        """
        # 2**64 seconds is beyond any cap; an unbounded exponent would overflow a float after a long outage.
        return random() * min(self.cap_s, self.initial_s * 2.0 ** min(attempt, 64))
