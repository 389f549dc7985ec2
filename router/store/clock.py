"""
The time of day, as the store tells it.

Leases, graces, keys and histories go by the store's clock. Tokens do, too: so they end at the same moment on
every node, whatever the clocks of the nodes' own machines say.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from relevo.router.observe.incidents import incident
from relevo.router.store.client.errors import StoreDefectError, StoreUnavailableError

log = structlog.get_logger(__name__)

TOLD_APART_MS = 1000
"""How far this machine's clock may be from the store's before that is worth a line in the log."""


class Clock:
    """
    Tell the time; by this machine's clock until the store was asked once.

    Args:
        ask: Returns the store's time, in milliseconds since the Unix epoch.
        interval_ms: How often to ask.
    """

    def __init__(self, ask: Callable[[], Awaitable[int]], interval_ms: int) -> None:
        self._ask = ask
        self._interval_s = interval_ms / 1000
        self._began_at_ms = time.time_ns() / 1e6 - _monotonic_ms()

    def now_ms(self) -> int:
        """Return the time, in milliseconds since the Unix epoch."""
        return int(self._began_at_ms + _monotonic_ms())

    async def start(self) -> None:
        """Ask for the first time."""
        await self._set()
        apart_ms = self.now_ms() - time.time_ns() // 1_000_000
        if abs(apart_ms) > TOLD_APART_MS:
            log.warning("clock difference measured", apart_ms=apart_ms)

    async def keep(self) -> None:
        """Ask again and again, until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self._set()

    async def _set(self) -> None:
        asked_at_ms = _monotonic_ms()
        try:
            told_ms = await self._ask()
        except StoreUnavailableError:
            return  # What it told last still counts on.
        except StoreDefectError as error:
            incident(log, "clock update failed", error)
            return
        # It looked at its clock somewhere on the way: in the middle, as far as anybody knows.
        self._began_at_ms = told_ms - (asked_at_ms + _monotonic_ms()) / 2


def _monotonic_ms() -> float:
    return time.monotonic() * 1000
