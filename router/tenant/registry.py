"""The tenants that this node serves: opened at first use, dropped when idle."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable
from itertools import islice
from time import perf_counter

from relevo.router.config import Settings
from relevo.router.store.client.errors import StoreUnavailableError
from relevo.router.store.client.pubsub import PubSub
from relevo.router.tenant.directory import Replica
from relevo.router.tenant.fanout import TenantHub
from relevo.router.tenant.feed import Feed
from relevo.router.tenant.lease import Leases
from relevo.router.tenant.window import PatchWindow
from relevo.router.transport.frames import build_frame
from relevo.router.transport.websocket import broadcast

TENANTS_MAX = 10_000
"""Tenants served at once."""

TENANT_IDLE_MS = 60_000
"""How long a tenant without connections stays in memory."""

DROPPED_AT_ONCE = 16
"""Idle tenants dropped in one iteration of the loop, where many become idle together."""

TOMBSTONES_MAX = 1000
"""Removed rows that a tenant's directory remembers."""


class TenantRegistry:
    """
    Open and drop tenants; made inside a running loop.

    Args:
        settings: The bounds and times.
        feed: Keeps their replicas true.
        subscriptions: Brings their events.
        leases: Vouch for their connections.
        on_dropped: Called with a tenant that was dropped.
    """

    def __init__(
        self,
        settings: Settings,
        feed: Feed,
        subscriptions: PubSub,
        leases: Leases,
        on_dropped: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._feed = feed
        self._subscriptions = subscriptions
        self._leases = leases
        self._on_dropped = on_dropped
        self._hubs: dict[str, TenantHub] = {}
        self._connections: defaultdict[str, set[str]] = defaultdict(set)
        self._idle_since_s: dict[str, float] = {}  # The longest idle first.
        self._dropping: asyncio.Handle | None = None
        self._loop = asyncio.get_running_loop()

    def __len__(self) -> int:
        return len(self._hubs)

    @property
    def hubs(self) -> Iterable[TenantHub]:
        """The hubs of the tenants that are served."""
        return self._hubs.values()

    def hub(self, tenant: str) -> TenantHub | None:
        """Return the hub of a tenant, if it is served."""
        return self._hubs.get(tenant)

    def has_connection(self, tenant: str, connection_id: str) -> bool:
        """Return whether a connection has entered a tenant, and not left it."""
        return connection_id in self._connections.get(tenant, ())

    def enter(self, tenant: str, connection_id: str) -> None:
        """Keep a tenant for a connection, from before it is registered until `leave`."""
        self._connections[tenant].add(connection_id)

    def leave(self, tenant: str, connection_id: str) -> None:
        """Keep a tenant no longer for a connection; some time after the last one it is dropped."""
        connections = self._connections[tenant]
        connections.discard(connection_id)
        if not connections:
            del self._connections[tenant]
            self._watch_idle(tenant)

    async def serve(self, tenant: str) -> TenantHub:
        """
        Return the hub of a tenant once its directory is read.

        Raises:
            TimeoutError: It could not be read in `store_timeout_ms`.
            StoreUnavailableError: This node serves as many tenants as it may.
        """
        if self._feed.is_ready(tenant):
            return self._hubs[tenant]  # As for all but the first: nothing to wait for, so no time limit.
        async with asyncio.timeout(self._settings.store_timeout_ms / 1000):
            while True:
                hub = self._hubs.get(tenant)
                if hub is None:
                    if len(self._hubs) >= TENANTS_MAX:
                        raise StoreUnavailableError("this node serves as many tenants as it may")
                    hub = self._open(tenant)
                await self._feed.ready(tenant)
                if self._hubs.get(tenant) is hub:
                    return hub

    def stop(self) -> None:
        """Stop following the tenants' feeds."""
        for tenant in self._hubs:
            self._feed.leave(tenant)

    def _open(self, tenant: str) -> TenantHub:
        window = PatchWindow()

        def schedule_flush() -> None:
            now_s = self._loop.time()
            due_at_s = window.due_at_s(now_s)
            if due_at_s <= now_s:
                self._loop.call_soon(flush)  # With what else this iteration of the loop brings.
            else:
                self._loop.call_at(due_at_s, flush)

        def flush() -> None:
            began_s = perf_counter()  # The loop's clock stands still within an iteration.
            hub.flush()
            window.flushed(self._loop.time(), perf_counter() - began_s)

        hub = TenantHub(Replica(TOMBSTONES_MAX), build_frame, broadcast, schedule_flush)
        self._hubs[tenant] = hub
        self._feed.follow(tenant, hub)
        self._subscriptions.add(tenant)
        self._leases.serve(tenant)
        return hub

    def _watch_idle(self, tenant: str) -> None:
        """Drop a tenant some time after its last connection: one timer for all, however many come and go."""
        if tenant in self._hubs:
            self._idle_since_s.pop(tenant, None)
            self._idle_since_s[tenant] = self._loop.time()
            if self._dropping is None:
                self._dropping = self._loop.call_later(TENANT_IDLE_MS / 1000, self._drop_idle)

    def _drop_idle(self) -> None:
        """Drop some of the tenants that are idle for long enough, and come back for the others."""
        self._dropping = None
        idle_before_s = self._loop.time() - TENANT_IDLE_MS / 1000
        for tenant, since_s in list(islice(self._idle_since_s.items(), DROPPED_AT_ONCE)):
            if since_s > idle_before_s:
                self._dropping = self._loop.call_at(since_s + TENANT_IDLE_MS / 1000, self._drop_idle)
                return
            del self._idle_since_s[tenant]
            if tenant not in self._connections:
                self._drop(tenant)
        if self._idle_since_s:
            self._dropping = self._loop.call_soon(self._drop_idle)

    def _drop(self, tenant: str) -> None:
        del self._hubs[tenant]
        # The lease ends with it, and the store counts none of this node's connections any more.
        self._leases.leave(tenant)
        self._subscriptions.remove(tenant)
        self._feed.leave(tenant)
        self._on_dropped(tenant)
