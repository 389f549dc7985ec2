"""
When a tenant's changes go out as one patch: at once if it is quiet, conflated if it is not. Pure.

A rate limit on flushes by GCRA: the state is the theoretical arrival time of the next one.
"""

from __future__ import annotations

from typing import Final

WINDOW_S_MIN: Final = 0.016
"""A screen shows no more than one patch per frame, at 60 frames a second."""

WINDOW_S_MAX: Final = 0.050
"""The longest that a change may wait (PROTOCOL.md, The directory)."""

FLUSHES_PER_WINDOW: Final = 8
"""A window lasts as long as this many flushes: so at most an eighth of the time is spent on patches."""

AHEAD_S_MAX: Final = 0.100
"""How far flushes may run ahead of that: changes that come close together once are not made to wait."""

SMOOTHING: Final = 0.25
"""The weight of the latest flush in the average."""


class PatchWindow:
    """
    Conflation with a leading edge: the first changes go out at once, and those that keep coming in windows.

    The dearer a flush, the longer the window: few dialogs get each change soon, many get fewer patches.
    """

    __slots__ = ("_flush_s", "_flushed_at_s", "_next_at_s")

    def __init__(self) -> None:
        self._flushed_at_s = 0.0
        self._next_at_s = 0.0
        self._flush_s = 0.0

    def due_at_s(self, now_s: float) -> float:
        """
        Return when to flush a change.

        Args:
            now_s: When it came.

        Returns:
            ``now_s`` if no window is open, else the time at which it closes.
        """
        return max(now_s, self._flushed_at_s + WINDOW_S_MIN, self._next_at_s - AHEAD_S_MAX)

    def flushed(self, now_s: float, took_s: float) -> None:
        """
        Open the next window.

        Args:
            now_s: The time.
            took_s: How long the flush took.
        """
        self._flush_s += SMOOTHING * (took_s - self._flush_s)
        window_s = min(max(FLUSHES_PER_WINDOW * self._flush_s, WINDOW_S_MIN), WINDOW_S_MAX)
        self._flushed_at_s = now_s
        self._next_at_s = max(self._next_at_s, now_s) + window_s
