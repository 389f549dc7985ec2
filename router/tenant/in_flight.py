"""
Noisy-neighbour isolation: bound what one tenant has in flight, on one node.

Without the bound, many connections that send much at once would queue their commands for the store, where
each of the tenant's other commands would wait behind them; now they wait unread, at the clients
(back-pressure). How much of it stands in one batch to the store the fair queue bounds.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from weakref import WeakValueDictionary

TENANT_IN_FLIGHT_MAX = 500
"""Unanswered commands of one tenant, per node."""

TENANT_HELLOS_MAX = 200
"""Unanswered hellos of one tenant, per node, and as many disconnects."""


class InFlightLimiter:
    """
    A semaphore without a task: waiters are callbacks, first come, first served.

    Args:
        in_flight_max: How many commands are in flight at most.
    """

    __slots__ = ("__weakref__", "_in_flight", "_in_flight_max", "_waiting")

    def __init__(self, in_flight_max: int) -> None:
        self._in_flight = 0
        self._in_flight_max = in_flight_max
        self._waiting: deque[Callable[[], None]] = deque()

    @property
    def has_room(self) -> bool:
        """Whether another command may start now."""
        return self._in_flight < self._in_flight_max

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in flight and nothing waits."""
        return not self._in_flight and not self._waiting

    @property
    def has_waiters(self) -> bool:
        """Whether a callback waits for room."""
        return bool(self._waiting)

    def acquire(self, weight: int = 1) -> None:
        """
        Count a command as in flight; the caller has seen that there is room, or goes beyond the bound.

        Args:
            weight: As how many commands it counts: where there is room for one, a dear one may start.
        """
        self._in_flight += weight

    def release(self, weight: int = 1) -> None:
        """Count a command as done, and call the waiters for whom there is room now."""
        self._in_flight -= weight
        while self._waiting and self.has_room:
            self._waiting.popleft()()

    def wait(self, callback: Callable[[], None]) -> None:
        """Call back, once, when there is room; the callback acquires it, and may wait again for more."""
        self._waiting.append(callback)

    def slot(self, weight: int = 1) -> Slot:
        """Return an async context manager that waits for room and holds it until its block ends."""
        return Slot(self, weight)


class Slot:
    """
    Room for one command (see `InFlightLimiter.slot`).

    Args:
        limiter: Whose room.
        weight: As how many commands it counts.
    """

    # Not a generator of contextlib, which takes three times as long.
    __slots__ = ("_limiter", "_weight")

    def __init__(self, limiter: InFlightLimiter, weight: int) -> None:
        self._limiter = limiter
        self._weight = weight

    async def __aenter__(self) -> None:
        if self._limiter.has_room:
            self._limiter.acquire(self._weight)
        else:
            await self._wait()

    async def __aexit__(self, *_: object) -> None:
        self._limiter.release(self._weight)

    async def _wait(self) -> None:
        room: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def acquire() -> None:
            if not room.done():
                self._limiter.acquire(self._weight)
                room.set_result(None)

        self._limiter.wait(acquire)
        try:
            await room
        except asyncio.CancelledError:
            if room.done() and not room.cancelled():
                self._limiter.release(self._weight)
            raise


class InFlightLimiters:
    """The limiters of all tenants of one node, each kept while it is in use."""

    def __init__(self) -> None:
        self._limiters: WeakValueDictionary[tuple[str, str], InFlightLimiter] = WeakValueDictionary()

    def commands(self, tenant: str) -> InFlightLimiter:
        """Return the limiter of a tenant's commands, over websockets and HTTP."""
        return self._limiter("commands", tenant, TENANT_IN_FLIGHT_MAX)

    def hellos(self, tenant: str) -> InFlightLimiter:
        """Return the limiter of a tenant's hellos: apart, so that commands do not wait behind a storm."""
        return self._limiter("hellos", tenant, TENANT_HELLOS_MAX)

    def disconnects(self, tenant: str) -> InFlightLimiter:
        """Return the limiter of a tenant's connections that end: apart from those that come instead."""
        return self._limiter("disconnects", tenant, TENANT_HELLOS_MAX)

    def _limiter(self, kind: str, tenant: str, in_flight_max: int) -> InFlightLimiter:
        limiter = self._limiters.get((kind, tenant))
        if limiter is None:
            limiter = self._limiters[kind, tenant] = InFlightLimiter(in_flight_max)
        return limiter
