"""
Back-pressure on one connection: when its socket is read. Pure.

A socket is not read while its hello is being answered, while too many of its commands are in flight, while
its tenant has no room for another one, and for a while after a message over its rate limit. What is not read
waits in TCP's buffers, and in the end at the client.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import IntFlag
from typing import Any, Protocol, TypeAlias

from relevo.router.gateway.effects import AwaitSlot, Effect, PauseReading, RestReading, ResumeReading
from relevo.router.gateway.rate_limit import Allowance

Item: TypeAlias = Any
"""A message as it was decoded."""

REST_MS_MIN = 1
"""A shorter rest is added to the next one."""

_AWAIT_SLOT, _PAUSE_READING, _RESUME_READING = AwaitSlot(), PauseReading(), ResumeReading()


class Pause(IntFlag):
    """Why a connection is not read."""

    JOINING = 1
    IN_FLIGHT = 2
    TENANT = 4
    RATE = 8
    LEAVING = 16


# Plain numbers: an operation on members of IntFlag takes twenty times as long.
_JOINING, _IN_FLIGHT, _TENANT, _RATE = (
    int(why) for why in (Pause.JOINING, Pause.IN_FLIGHT, Pause.TENANT, Pause.RATE)
)


class Limiter(Protocol):
    """What this module knows of the in-flight limiter of a tenant."""

    @property
    def has_room(self) -> bool:
        """Whether another command may start now."""

    @property
    def has_waiters(self) -> bool:
        """Whether another connection waits for room."""

    def acquire(self, weight: int = 1) -> None:
        """Count a command as in flight, or as several."""

    def release(self, weight: int = 1) -> None:
        """Count it as done."""


class ReadControl:
    """
    Pause and resume the reading of one connection, and hold what has arrived before its turn.

    Args:
        effects: Where `PauseReading`, `ResumeReading`, `RestReading` and `AwaitSlot` go.
        allowance: Its rate limit.
        in_flight_max: How many of its commands may be in flight.
    """

    __slots__ = ("_effects", "_held", "_in_flight_max", "_limiter", "_pauses", "allowance", "in_flight")

    def __init__(self, effects: list[Effect], allowance: Allowance, in_flight_max: int) -> None:
        self.allowance = allowance
        self.in_flight = 0
        self._effects = effects
        self._in_flight_max = in_flight_max
        self._pauses = 0
        self._limiter: Limiter | None = None
        self._held: deque[Item] | None = None

    def hold(self) -> None:
        """Hold what arrives during the hello, at most the rest of a batch, until `opened`."""
        self._held = deque()
        self.pause(_JOINING)

    def limit(self, limiter: Limiter) -> None:
        """Count the commands among those of a tenant."""
        self._limiter = limiter

    def open(self, take: Callable[[Item], None]) -> None:
        """Take what was held during the hello, and read on."""
        self.take_held(take)
        self._resume(_JOINING)

    def end(self) -> None:
        """Drop what is held: the connection ends."""
        self._held = None

    def admits(self, item: Item) -> bool:
        """Return whether to take an item now; otherwise it is held."""
        if self._held is None and self._limiter is not None and not self._limiter.has_room:
            self._held = deque()
            self._await_slot()
        if self._held is None:
            return True
        self._held.append(item)
        return False

    def take_held(self, take: Callable[[Item], None]) -> None:
        """Take what is held, as far as the tenant has room, and one only if other connections wait."""
        held, limiter = self._held, self._limiter
        if held is None or limiter is None:
            return
        while held and limiter.has_room:
            take(held.popleft())
            if self._held is None:
                return  # It was the cause of a close.
            if limiter.has_waiters:
                break
        if held:
            self._await_slot()
        else:
            self._held = None
            self._resume(_TENANT)

    def begin(self, weight: int) -> None:
        """
        Count a command as in flight.

        Args:
            weight: As how many of the tenant's it counts (see `costs.weight`).
        """
        assert self._limiter is not None
        self._limiter.acquire(weight)
        self.in_flight += 1
        if self.in_flight >= self._in_flight_max:
            self.pause(_IN_FLIGHT)

    def finish(self, weight: int) -> None:
        """Count a command as answered; ``weight`` as for `begin`."""
        assert self._limiter is not None
        self.in_flight -= 1
        if self._pauses and self.in_flight <= self._in_flight_max // 2:
            self._resume(_IN_FLIGHT)
        self._limiter.release(weight)

    def rest(self) -> None:
        """Read nothing for as long as the rate limit says after it rejected something."""
        rest_ms = int(self.allowance.rest_s * 1000 + 1e-6)
        if rest_ms >= REST_MS_MIN and not self._pauses & _RATE:
            self.allowance.rest_s = 0.0
            self.pause(_RATE)
            self._effects.append(RestReading(rest_ms))

    def rested(self) -> None:
        """Read again after a rest."""
        self._resume(_RATE)

    def pause(self, why: int) -> None:
        """Read nothing for this reason."""
        self._pauses |= why
        self._effects.append(_PAUSE_READING)

    def _resume(self, why: int) -> None:
        if self._pauses & why:
            self._pauses ^= why
            if not self._pauses:
                self._effects.append(_RESUME_READING)

    def _await_slot(self) -> None:
        self.pause(_TENANT)
        self._effects.append(_AWAIT_SLOT)
