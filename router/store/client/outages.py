"""Which servers of the store cannot be reached: logged once when one goes and once when it is back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Literal

import structlog

from relevo.router.store.client.connection import Server

log = structlog.get_logger(__name__)

Way = Literal["commands", "feed"]
"""How a server is used: a pipeline of commands, a subscription."""

AFTERMATH_S: Final = 30.0
"""For how long after an outage its consequences go on: expired leases, directories that are read again."""


class Outages:
    """
    The servers that are lost, and since when.

    Args:
        monotonic_s: The clock.
    """

    def __init__(self, monotonic_s: Callable[[], float] = time.monotonic) -> None:
        self._monotonic_s = monotonic_s
        self._lost: dict[Server, tuple[float, set[Way]]] = {}
        self._ended_at = float("-inf")

    @property
    def is_recent(self) -> bool:
        """Whether a server is lost or was a moment ago: what fails for that needs no line of its own."""
        return bool(self._lost) or self._monotonic_s() - self._ended_at < AFTERMATH_S

    def lost(self, server: Server, way: Way, reason: str) -> None:
        """Take note that a server does not answer."""
        known = self._lost.get(server)
        if known is not None:
            known[1].add(way)
            return
        self._lost[server] = (self._monotonic_s(), {way})
        log.error("store lost", server=str(server), reason=reason)

    def found(self, server: Server, way: Way) -> None:
        """Take note that a server answers."""
        if (known := self._lost.get(server)) is not None:
            known[1].discard(way)
            if not known[1]:
                self._end("store found", server)

    def forget(self, server: Server) -> None:
        """Take note that a server is not used any more, as after a failover."""
        if server in self._lost:
            self._end("store replaced", server)

    def _end(self, event: str, server: Server) -> None:
        since, _ = self._lost.pop(server)
        self._ended_at = self._monotonic_s()
        log.warning(event, server=str(server), lost_for_ms=round((self._ended_at - since) * 1000))
