"""
Keepalive: the heartbeat of all connections (pings, RFC 6455 section 5.5.2) by one timer wheel.

A timer of the event loop for each of 20,000 idle connections costs more memory than all of this; here one
timer turns a wheel of slots.
"""

import asyncio
import time
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar

T = TypeVar("T", bound=Hashable)


class Wheel(Generic[T]):
    """
    Hold items in slots of time, each slot to be returned when it has passed. Pure: the time is an argument.

    Args:
        slot_ms: Width of a slot: an item is returned at most this late.
        span_ms: The longest delay that ``put`` will be given.
        now_ms: The present time, of any clock that does not go back.
    """

    __slots__ = ("_passed", "_slot_ms", "_slots")

    def __init__(self, slot_ms: int, span_ms: int, now_ms: int) -> None:
        self._slot_ms = slot_ms
        # Two more than the span needs: the slot that is passing, and the part by which a time is rounded up.
        self._slots: list[set[T]] = [set() for _ in range(span_ms // slot_ms + 2)]
        self._passed = now_ms // slot_ms

    @property
    def is_empty(self) -> bool:
        """Whether no slot holds anything."""
        return not any(self._slots)

    def put(self, item: T, due_at_ms: int) -> set[T]:
        """
        Add an item, to be returned by the first ``turn`` at or after its time.

        Args:
            item: Anything hashable.
            due_at_ms: At most ``span_ms`` after the present time; what is past comes with the next slot.

        Returns:
            The slot, from which the caller may discard the item before its time.
        """
        number = max(-(-due_at_ms // self._slot_ms), self._passed + 1)
        slot = self._slots[number % len(self._slots)]
        slot.add(item)
        return slot

    def turn(self, now_ms: int) -> list[T]:
        """
        Return the items whose time has come, and forget them.

        Args:
            now_ms: The present time; the loop may have been late by any number of slots.
        """
        due: list[T] = []
        current = now_ms // self._slot_ms
        # One round visits every slot, however long the loop stood still.
        for number in range(max(self._passed + 1, current - len(self._slots) + 1), current + 1):
            slot = self._slots[number % len(self._slots)]
            due.extend(slot)
            slot.clear()
        self._passed = max(self._passed, current)
        return due


class Watched(Hashable, Protocol):
    """A connection with a heartbeat."""

    def keep_alive(self, now_ms: int) -> None:
        """Send or check the ping that is due, and ask for the next call."""


class Keepalive:
    """
    Call connections when their heartbeat is due, with one timer that runs while there are any.

    Args:
        interval_ms: Time between two pings.
        timeout_ms: Time in which a ping is to be answered.
    """

    def __init__(self, interval_ms: int, timeout_ms: int) -> None:
        self.interval_ms = interval_ms
        self.timeout_ms = timeout_ms
        self._slot_ms = max(1, min(interval_ms, timeout_ms) // 64)
        self._wheel: Wheel[Watched] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, connection: Watched, due_at_ms: int) -> set[Watched]:
        """
        Call ``keep_alive`` of this connection once, at its time or up to a 64th of the interval later.

        Args:
            connection: Asks again by itself, each time.
            due_at_ms: On the clock of ``now_ms``, at most the longer of the two times ahead.

        Returns:
            The set to discard the connection from when it is gone before.
        """
        if self._timer is None or self._wheel is None:
            # A new wheel after a stop: the old one was empty, and its time had stopped.
            self._wheel = Wheel(self._slot_ms, max(self.interval_ms, self.timeout_ms), now_ms())
            self._start_timer()
        return self._wheel.put(connection, due_at_ms)

    def _start_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self._slot_ms / 1000, self._turn)

    def _turn(self) -> None:
        assert self._wheel is not None
        now = now_ms()
        for connection in self._wheel.turn(now):
            connection.keep_alive(now)
        if self._wheel.is_empty:
            self._timer = None
        else:
            self._start_timer()


def now_ms() -> int:
    """Return the time of a clock that does not go back, in milliseconds."""
    return int(time.monotonic() * 1000)
