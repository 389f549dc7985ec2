"""Readiness: whether a node can serve, as load balancers ask for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import structlog

from relevo.router.store.client.errors import (
    StoreDefectError,
    StoreEvictsError,
    StoreUnavailableError,
    UnsupportedStoreError,
)

if TYPE_CHECKING:
    from relevo.router.node import Node

log = structlog.get_logger(__name__)

STORE_CHECK_VALID_MS = 500
"""How long one check of the store is the answer to all requests: they need no token."""


class Readiness:
    """
    Whether a node can serve; made inside a running loop.

    Args:
        node: The node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._store = StoreReadiness(node.store.check)

    async def reason(self) -> str | None:
        """Return why the node should get no clients now, or None."""
        return self._node.unready or await self._store.reason()


class StoreReadiness:
    """
    Check the store for any number of requests, once at a time and not again within a moment.

    Args:
        check: Reaches the store; raises what `StoreClient.check` raises.
    """

    def __init__(self, check: Callable[[], Awaitable[None]]) -> None:
        self._check = check
        self._loop = asyncio.get_running_loop()
        self._checking: asyncio.Task[str | None] | None = None
        self._valid_until_s = 0.0
        self._logged: str | None = None

    async def reason(self) -> str | None:
        """Return why the store cannot be used, without its address, which the log has; None if it can."""
        if self._checking is None or (self._checking.done() and self._loop.time() >= self._valid_until_s):
            self._checking = self._loop.create_task(self._run())
        # Shielded: other requests wait for the same check.
        return await asyncio.shield(self._checking)

    async def _run(self) -> str | None:
        detail = reason = None
        try:
            await self._check()
        except (StoreUnavailableError, UnsupportedStoreError, StoreDefectError) as error:
            detail, reason = str(error), _public(error)
        # Balancers ask several times a second.
        if reason != self._logged:
            if reason is None:
                log.warning("store check passed")
            else:
                log.warning("store check failed", reason=detail)
            self._logged = reason
        self._valid_until_s = self._loop.time() + STORE_CHECK_VALID_MS / 1000
        return reason


def _public(error: Exception) -> str:
    if isinstance(error, StoreEvictsError):
        return f"the store's maxmemory-policy is {error.policy}, not noeviction"
    return next(text for kind, text in _PUBLIC.items() if isinstance(error, kind))


_PUBLIC = {
    StoreUnavailableError: "the store is unavailable",
    UnsupportedStoreError: "the store's version is not supported",
    StoreDefectError: "the store answers with an error",
}
