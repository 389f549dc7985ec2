"""
How much one connection may ask for. Pure: the time is passed in.

A token bucket: `burst` messages at once, `rate` a second in the long run. Who keeps asking for more than that
is first told when to come back, and in the end sent away.
"""

from __future__ import annotations

REFUSALS_MAX = 1_000
"""Refused messages in a row, without one that was let through, after which a connection is closed."""


class TokenBucket:
    """
    Let messages through at a rate.

    Args:
        rate: Messages a second.
        burst: Messages at once, after a pause.
    """

    __slots__ = ("_burst", "_checked_at_s", "_rate", "_refusals", "_tokens")

    def __init__(self, rate: int, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._checked_at_s = 0.0
        self._refusals = 0

    def take(self, now_s: float) -> int:
        """
        Take a token for one message.

        Args:
            now_s: The time, in seconds of any clock that does not go back.

        Returns:
            0, or after how many milliseconds there is a token again.
        """
        if self._checked_at_s:
            self._tokens = min(self._burst, self._tokens + (now_s - self._checked_at_s) * self._rate)
        self._checked_at_s = now_s
        if self._tokens >= 1:
            self._tokens -= 1
            self._refusals = 0
            return 0
        self._refusals += 1
        return max(1, int((1 - self._tokens) / self._rate * 1000) + 1)

    @property
    def is_abused(self) -> bool:
        """Return whether so much was refused in a row that the sender does not listen."""
        return self._refusals > REFUSALS_MAX
