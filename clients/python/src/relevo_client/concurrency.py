"""Concurrency: a bound on the commands in flight, and one on those that wait for a slot."""

from __future__ import annotations

import asyncio

from .errors import RateLimitedError


class ConcurrencyLimit:
    """
    Give slots in the order of the requests; ``async with`` acquires one, and releases it.

    Args:
        in_flight_max: How many slots there are.
        waiting_max: How many may wait for one.
    """

    def __init__(self, in_flight_max: int, waiting_max: int) -> None:
        self._slots = asyncio.Semaphore(in_flight_max)
        self._waiting = 0
        self._waiting_max = waiting_max

    async def __aenter__(self) -> None:
        await self.acquire()

    async def __aexit__(self, *exception: object) -> None:
        self.release()

    async def acquire(self) -> None:
        """
        Wait for a slot.

        Raises:
            RateLimitedError: ``waiting_max`` wait already.
        """
        if self._slots.locked() and self._waiting >= self._waiting_max:
            raise RateLimitedError(f"{self._waiting_max} commands wait for a slot already")
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1

    def release(self) -> None:
        """Release a slot."""
        self._slots.release()
