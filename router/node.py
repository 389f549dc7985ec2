"""
One router process: its connections, the tenants it serves for them, and its word for them in the store.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary

import structlog

from relevo.protocol.commands import Command
from relevo.protocol.errors import CloseCode
from relevo.router.auth.tokens import Verifier
from relevo.router.config import Settings
from relevo.router.gateway.connection import Connection
from relevo.router.gateway.rate_limit import Rates
from relevo.router.gateway.read_control import Crowd
from relevo.router.observe.incidents import incident
from relevo.router.store import records
from relevo.router.store.client.client import StoreClient
from relevo.router.store.client.durability import Durability, DurabilityLevel
from relevo.router.store.client.errors import StoreDefectError, StoreUnavailableError, UnsupportedStoreError
from relevo.router.store.client.pipeline import PipelineLimits
from relevo.router.store.client.pubsub import PubSub
from relevo.router.store.clock import Clock
from relevo.router.store.commands import Caller, CommandLimits, CommandRejectedError, StoreCommands
from relevo.router.tenant.directory import Gap, Replica
from relevo.router.tenant.fanout import TenantHub
from relevo.router.tenant.feed import Feed
from relevo.router.tenant.lease import Presence
from relevo.router.tenant.pending_disconnects import Departures
from relevo.router.tenant.turns import Turn
from relevo.router.transport.client_address import Addresses
from relevo.router.transport.frames import build_frame
from relevo.router.transport.interface import Socket

log = structlog.get_logger(__name__)

CLOSE_WAIT_S = 6.0  # A client has five seconds to answer a close.


class Node:
    """
    Hold everything that one process has; made inside a running loop.

    Args:
        settings: The settings.
        store_url: Where the store is.
    """

    def __init__(self, settings: Settings, store_url: str) -> None:
        self.settings = settings
        self.node_id = secrets.token_hex(8)
        self.store = StoreClient(
            store_url,
            limits=PipelineLimits(
                timeout_ms=settings.store_timeout_ms,
                queue_max=settings.store_queue_max,
                share_max=settings.tenant_turn_max,
            ),
            durability=Durability(
                DurabilityLevel(settings.durability),
                settings.durability_replicas,
                settings.durability_timeout_ms,
            ),
        )
        self.clock = Clock(self.store.time_ms, settings.node_renew_ms)
        self.verifier = Verifier(settings, self.clock.now_ms)
        self.verbs = StoreCommands(self.store, CommandLimits.of(settings), self.node_id)
        self.feed = Feed(self.verbs, settings.feed_buffer_max, self._reloaded)
        self.subscriptions = PubSub(
            self.store, self.node_id, self.feed.heard, self.feed.subscribed, self._feed_lost
        )
        self.presence = Presence(
            self.verbs,
            settings.node_lease_ms,
            settings.node_renew_ms,
            self._leased,
            self._lease_expired,
        )
        self.hubs: dict[str, TenantHub] = {}
        self.connections: dict[str, Connection] = {}
        self._addresses = Addresses(settings.trusted_proxies, settings.connections_per_address_max)
        self.rates = Rates(settings)
        self._crowds: WeakValueDictionary[tuple[str, str], Crowd] = WeakValueDictionary()
        self.draining = False
        self.accepted = 0
        self.joins = 0
        self.commands: Counter[tuple[type[Command], str]] = Counter()
        self.throttled: Counter[str] = Counter()
        self.closes: Counter[str] = Counter()
        self._emptied = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._departures = Departures(settings.connections_max)
        self._idle: dict[str, asyncio.TimerHandle] = {}
        # Where the store counted other connections than there are, at the last renewal.
        self._miscounted: set[str] = set()
        self._loop = asyncio.get_running_loop()

    # Life -------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Reach the store, if it can be reached, and begin to keep presence."""
        try:
            await self.store.open()
        except (StoreUnavailableError, UnsupportedStoreError, StoreDefectError) as error:
            # Not the end: readiness says so, and the store is looked for again with every command.
            log.error("store not usable", reason=str(error))
        await self.clock.start()
        self.presence.start()

    async def drain(self) -> None:
        """Send the connections away, spread over `drain_ms`, and wait until they are gone."""
        self.draining = True
        spread_ms = self.settings.drain_ms
        for connection in list(self.connections.values()):
            connection.drain(random.randint(0, spread_ms))
        if self.connections:
            with suppress(TimeoutError):
                async with asyncio.timeout(spread_ms / 1000 + CLOSE_WAIT_S):
                    await self._emptied.wait()

    async def stop(self) -> None:
        """Give up what is left."""
        self.draining = True
        await self.presence.stop()
        await self.clock.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=self.settings.store_timeout_ms / 1000)
        for tenant in list(self.hubs):
            self.feed.leave(tenant)
        await self.subscriptions.close()
        await self.store.close()

    @property
    def unready(self) -> str | None:
        """Return why this node should get no clients now, or None."""
        if self.draining:
            return "draining"
        if not self.subscriptions.healthy:
            return "the store's feed is not heard"
        return None

    async def check_store(self) -> str | None:
        """Return why the store cannot be used, or None."""
        try:
            await self.store.check()
        except (StoreUnavailableError, UnsupportedStoreError, StoreDefectError) as error:
            return f"the store cannot be used: {error}"
        return None

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a task of some connection; what it raises is a defect."""
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def now_s(self) -> float:
        """Return the loop's time, in seconds."""
        return self._loop.time()

    def call_later(self, delay_ms: int, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back after a time."""
        return self._loop.call_later(delay_ms / 1000, callback)

    def call_at(self, at_ms: int, callback: Callable[[], None]) -> asyncio.TimerHandle:
        """Call back at a time of day, which may have passed."""
        return self.call_later(max(at_ms - self.clock.now_ms(), 0), callback)

    # Connections: the websocket's gate --------------------------------------------------------------------

    def locate(self, peer: str | None, forwarded: Sequence[str]) -> str:
        """Return where a connection comes from."""
        return self._addresses.of(peer, forwarded)

    def refuse(self, address: str) -> tuple[int, str] | None:
        """Return why no new websocket is taken from there, as HTTP status and text, or None."""
        if self.draining:
            return 503, "draining"
        if len(self.connections) >= self.settings.connections_max:
            return 503, "too many connections"
        if not self._addresses.has_room(address):
            return 429, "too many connections from this address"
        return None

    def accept(self, socket: Socket) -> Connection:
        """Take a new websocket."""
        self.accepted += 1
        connection = Connection(self, socket, f"{self.accepted:x}")
        self.connections[connection.connection_id] = connection
        self._addresses.enter(socket.remote)
        self._emptied.clear()
        return connection

    def crowd(self, tenant: str) -> Crowd:
        """Return the tenant's commands in hand, the same for everybody who holds it."""
        return self._crowd("commands", tenant, self.settings.tenant_in_flight_max)

    def arrivals(self, tenant: str) -> Crowd:
        """Return the tenant's hellos in hand: apart, so that who is in does not wait behind a storm."""
        return self._crowd("hellos", tenant, self.settings.tenant_hellos_max)

    def goodbyes(self, tenant: str) -> Crowd:
        """Return the tenant's connections that are being taken away: apart from those that come instead."""
        return self._crowd("goodbyes", tenant, self.settings.tenant_hellos_max)

    def _crowd(self, what: str, tenant: str, in_hand_max: int) -> Crowd:
        crowd = self._crowds.get((what, tenant))
        if crowd is None:
            crowd = self._crowds[what, tenant] = Crowd(
                in_hand_max, self.settings.tenant_turn_max, self._loop.call_soon
            )
        return crowd

    def joined(self, connection: Connection) -> None:
        """Take note of a connection that was welcomed."""
        self.joins += 1
        if self.draining:
            connection.drain(random.randint(0, self.settings.drain_ms))

    def forget(self, connection: Connection, code: int, by_peer: bool) -> None:
        """Take note of a connection that is gone, and of who closed it (see `Endpoint.lost`)."""
        self.connections.pop(connection.connection_id, None)
        self._addresses.leave(connection.address)
        # A client may close with any of thousands of codes: they are not told apart.
        self.closes["client" if by_peer else str(code)] += 1
        if not self.connections:
            self._emptied.set()
        principal = connection.principal
        if principal is not None:
            self.rates.shared(principal, self.now_s())  # Kept from now on: who comes back starts from there.
            self._watch_idle(principal.tenant)

    async def disconnect(self, tenant: str, agent_id: str, connection_id: str, clean: bool = False) -> None:
        """Take a connection away from its agent in the store; ``clean`` skips the grace."""
        try:
            async with Turn(self.goodbyes(tenant)):
                await self.verbs.disconnect(tenant, agent_id, connection_id, clean)
        except (StoreUnavailableError, StoreDefectError) as error:
            # Later, then: as long as this node renews its lease, nobody else does.
            log.warning("connection not taken away", tenant=tenant, reason=str(error))
            self._departures.add(tenant, agent_id, connection_id)

    # Tenants ----------------------------------------------------------------------------------------------

    async def serve(self, tenant: str) -> TenantHub:
        """
        Return the hub of a tenant once its directory is known here.

        Raises:
            TimeoutError: It could not be read in `store_timeout_ms`.
            StoreUnavailableError: This node serves as many tenants as it may.
        """
        if self.feed.is_ready(tenant):
            return self.hubs[tenant]  # As for all but the first: nothing to wait for, so no limit to that.
        async with asyncio.timeout(self.settings.store_timeout_ms / 1000):
            while True:
                hub = self.hubs.get(tenant)
                if hub is None:
                    if len(self.hubs) >= self.settings.tenants_max:
                        raise StoreUnavailableError("this node serves as many tenants as it may")
                    hub = self._open_tenant(tenant)
                await self.feed.ready(tenant)
                if self.hubs.get(tenant) is hub:
                    return hub

    async def attach(self, tenant: str, claims: Caller, connection_id: str) -> records.Attached:
        """
        Register a connection in the store, in the epoch of the tenant's feed; raises as its `connect`.

        Raises:
            TimeoutError: The feed did not get there in `store_timeout_ms`.
        """
        try:
            attached = await self.verbs.connect(tenant, claims, connection_id)
            if self._is_of_another_epoch(tenant, attached):
                # The feed first: it tells the agent's other connections what the store has lost.
                async with asyncio.timeout(self.settings.store_timeout_ms / 1000):
                    await self.feed.mend(tenant)
                attached = await self.verbs.connect(tenant, claims, connection_id)
                if self._is_of_another_epoch(tenant, attached):
                    raise StoreUnavailableError("the store begins one epoch after the other")
        except (StoreUnavailableError, StoreDefectError, TimeoutError):
            # It may have been registered all the same, and would stay as long as this node lives.
            self._departures.add(tenant, claims.id, connection_id)
            raise
        if not attached.known and self.presence.holds(tenant) and not self.feed.is_repairing(tenant):
            hub = self.hubs.get(tenant)
            if hub is not None and hub.replica.epoch == attached.epoch:
                self._lease_expired(tenant)
        self.presence.held(tenant)
        return attached

    def _is_of_another_epoch(self, tenant: str, attached: records.Attached) -> bool:
        hub = self.hubs.get(tenant)
        return hub is not None and hub.replica.epoch != attached.epoch

    def _open_tenant(self, tenant: str) -> TenantHub:
        flushed_at = 0.0
        idle_s, busy_s = self.settings.patch_window_ms / 1000, self.settings.patch_window_busy_ms / 1000

        def schedule_flush() -> None:
            nonlocal flushed_at
            now = self._loop.time()
            # Under load a window stays open for as long as a change may wait.
            busy = min(now + busy_s, flushed_at + busy_s + idle_s)
            flushed_at = max(now + idle_s, busy)
            self._loop.call_at(flushed_at, hub.flush)

        hub = TenantHub(Replica(self.settings.replica_tombstones_max), build_frame, schedule_flush)
        self.hubs[tenant] = hub
        self.feed.follow(tenant, hub)
        self.subscriptions.add(tenant)
        self.presence.serve(tenant)
        return hub

    def _watch_idle(self, tenant: str) -> None:
        """Give a tenant up some time after its last connection: one timer each, however many come and go."""
        hub = self.hubs.get(tenant)
        if hub is not None and not hub.clients:
            if (waiting := self._idle.get(tenant)) is not None:
                waiting.cancel()
            self._idle[tenant] = self.call_later(
                self.settings.tenant_idle_ms, lambda: self._leave_if_idle(tenant)
            )

    def _leave_if_idle(self, tenant: str) -> None:
        del self._idle[tenant]
        hub = self.hubs.get(tenant)
        if hub is not None and not hub.clients and not self._is_joining(tenant):
            del self.hubs[tenant]
            self._miscounted.discard(tenant)
            # The lease ends with it, and the store counts none of this node's connections any more.
            self.presence.leave(tenant)
            self._departures.take(tenant)
            self.subscriptions.remove(tenant)
            self.feed.leave(tenant)

    def _is_joining(self, tenant: str) -> bool:
        return any(
            connection.principal is not None and connection.principal.tenant == tenant
            for connection in self.connections.values()
        )

    # What the feed and the lease tell ---------------------------------------------------------------------

    def _feed_lost(self, tenant: str) -> None:
        if not self.draining:
            log.warning("feed lost", tenant=tenant)

    async def _reloaded(self, tenant: str, has_forgotten: bool) -> None:
        """Register the tenant's connections again, and tell their agents what they may have missed."""
        hub = self.hubs.get(tenant)
        if hub is None:
            return
        log.warning("directory read anew", tenant=tenant, epoch=hub.replica.epoch, seq=hub.replica.seq)
        clients = [client for client in hub.clients if isinstance(client, Connection)]
        if has_forgotten:
            # They know of later fences than will be dealt out now; only a new welcome is believed over those.
            for client in clients:
                client.close(CloseCode.STORE_LOST)
            return
        for start in range(0, len(clients), 256):
            await asyncio.gather(
                *(self._register_again(tenant, hub, one) for one in clients[start : start + 256])
            )

    async def _register_again(self, tenant: str, hub: TenantHub, connection: Connection) -> None:
        claims = connection.claims_again()
        if claims is None:
            return
        try:
            attached = await self.verbs.connect(tenant, claims, connection.connection_id)
        except CommandRejectedError as refusal:
            log.warning("connection not registered again", tenant=tenant, agent=claims.id, code=refusal.code)
            return
        self.presence.held(tenant)
        if attached.epoch != hub.replica.epoch:
            # What waits to be told is of an epoch that has ended.
            raise Gap(f"{hub.replica.epoch} has become {attached.epoch}")
        hub.correct(
            claims.id,
            attached.epoch,
            attached.seq,
            [records.session(packed) for packed in attached.in_progress],
            [records.session(packed) for packed in attached.pending],
        )

    def _leased(self, tenant: str, lease: records.Lease) -> None:
        hub = self.hubs.get(tenant)
        if hub is None:
            return
        if not lease.known and not self.feed.is_repairing(tenant) and lease.epoch == hub.replica.epoch:
            self._lease_expired(tenant)
        self.feed.compare(tenant, lease.epoch, lease.seq)
        for agent_id, connection_id in self._departures.take(tenant):
            self.spawn(self.disconnect(tenant, agent_id, connection_id))
        there = sum(isinstance(client, Connection) and client.is_registered for client in hub.clients)
        # After a storm thousands may wait for their turn to be counted, or not to be any more.
        is_in_motion = not (self.arrivals(tenant).is_empty and self.goodbyes(tenant).is_empty)
        if lease.connections == there or is_in_motion:
            self._miscounted.discard(tenant)
        elif tenant not in self._miscounted:
            # Some may just be coming or going; what is still so a renewal later is looked at.
            self._miscounted.add(tenant)
        else:
            self._miscounted.discard(tenant)
            self.spawn(self._reconcile(tenant, hub))

    async def _reconcile(self, tenant: str, hub: TenantHub) -> None:
        """
        Have the store count the connections that there are.

        It may have gone back to older ones, or have heard of a hello after its end: nobody else takes those
        away as long as this node lives.
        """
        try:
            counted = await self.verbs.connections(tenant)
            known = {connection_id for _, connection_id in counted}
            strays = [entry for entry in counted if entry[1] not in self.connections]
            missed = [
                client
                for client in list(hub.clients)
                if isinstance(client, Connection) and client.connection_id not in known
            ]
            log.warning("connections miscounted", tenant=tenant, strays=len(strays), missed=len(missed))
            for agent_id, connection_id in strays:
                await self.verbs.disconnect(tenant, agent_id, connection_id, clean=False)
            for connection in missed:
                await self._register_again(tenant, hub, connection)
        except (StoreUnavailableError, StoreDefectError, Gap) as error:
            # They are counted again at the next renewals.
            log.warning("connections not put right", tenant=tenant, reason=str(error))

    def _lease_expired(self, tenant: str) -> None:
        """Close the connections that do not count any more; their clients come back, to whoever is alive."""
        hub = self.hubs.get(tenant)
        if hub is not None and hub.clients:
            log.warning("lease ran out", tenant=tenant, connections=len(hub.clients))
            for client in list(hub.clients):
                client.close(CloseCode.STORE_LOST)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            incident(log, "task failed", error)
