"""Turns: so many commands are under way at once, so many others wait for theirs, and one more is refused."""

from __future__ import annotations

import asyncio

from .errors import RateLimitedError


class Turns:
    """
    Give turns in the order in which they are asked for; ``async with`` takes one, and gives it back.

    Args:
        in_flight_max: How many at once.
        waiting_max: How many may wait.
    """

    def __init__(self, in_flight_max: int, waiting_max: int) -> None:
        self._slots = asyncio.Semaphore(in_flight_max)
        self._waiting = 0
        self._waiting_max = waiting_max

    async def __aenter__(self) -> None:
        await self.take()

    async def __aexit__(self, *exception: object) -> None:
        self.give_back()

    async def take(self) -> None:
        """
        Wait for a turn.

        Raises:
            RateLimitedError: Too many wait already.
        """
        if self._slots.locked() and self._waiting >= self._waiting_max:
            raise RateLimitedError(f"{self._waiting_max} commands wait for their turn already")
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1

    def give_back(self) -> None:
        """End a turn."""
        self._slots.release()
