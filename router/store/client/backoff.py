"""Exponential backoff with full jitter (pure but for chance)."""

import random


def full_jitter_s(failures: int, first_s: float, longest_s: float) -> float:
    """
    Return how long to wait before the next attempt, in seconds.

    Chosen evenly between 0 and a bound that doubles with each failure, so that routers that lost the same
    server at the same moment do not come back at the same moment.

    Args:
        failures: How many attempts in a row have failed before this one.
        first_s: The bound after the first failure.
        longest_s: The bound that is never exceeded.
    """
    return random.uniform(0, min(first_s * 2 ** min(failures, 16), longest_s))
