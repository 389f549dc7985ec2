"""
When one connection is read: at its rate, and while not too much of it is in hand. Pure: told of the time.

What is not read waits in the network, and in the end at the client.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from router.limits import Allowance

JOINING, FULL, RESTING, LEAVING = 1, 2, 4, 8
"""Why a connection is not read."""

REST_MS_MIN = 1
"""A rest that would be shorter is added to the next one."""


class Reader(Protocol):
    """What the intake knows of a websocket."""

    def pause_reading(self) -> None:
        """Read no message until `resume_reading`."""

    def resume_reading(self) -> None:
        """Read messages again."""


class Intake:
    """
    Pause and resume the reading of one connection.

    Args:
        reader: Its websocket.
        allowance: What it may send.
        in_flight_max: How many of its commands may be in hand.
    """

    __slots__ = ("_in_flight_max", "_pauses", "_reader", "allowance", "in_flight")

    def __init__(self, reader: Reader, allowance: Allowance, in_flight_max: int) -> None:
        self.allowance = allowance
        self.in_flight = 0
        self._in_flight_max = in_flight_max
        self._pauses = 0
        self._reader = reader

    def begun(self) -> None:
        """Take note that a command is in hand."""
        self.in_flight += 1
        if self.in_flight >= self._in_flight_max:
            self.pause(FULL)

    def finished(self) -> None:
        """Take note that a command was answered."""
        self.in_flight -= 1
        if self._pauses and self.in_flight <= self._in_flight_max // 2:
            self.resume(FULL)

    def rest(self, call_later: Callable[[int, Callable[[], None]], object]) -> None:
        """
        Read nothing for as long as the allowance says after it refused something.

        Args:
            call_later: Calls back after milliseconds.
        """
        rest_ms = int(self.allowance.rest_s * 1000)
        if rest_ms >= REST_MS_MIN and not self._pauses & RESTING:
            self.allowance.rest_s = 0.0
            self.pause(RESTING)
            call_later(rest_ms, lambda: self.resume(RESTING))

    def pause(self, why: int) -> None:
        """Read nothing for this reason, until it is no more."""
        self._pauses |= why
        self._reader.pause_reading()

    def resume(self, why: int) -> None:
        """Read again, if nothing else speaks against it."""
        if self._pauses & why:
            self._pauses ^= why
            if not self._pauses:
                self._reader.resume_reading()
