"""
Keep the store's list of this node's connections equal to the connections that there are.

They differ after an answer that was lost, a store that went back in time, or a disconnect that could not be
sent. What could not be sent waits (`PendingDisconnects`); what differs shows in the count that each lease
renewal brings, and is reconciled.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Protocol

import structlog

from relevo.protocol.errors import CloseCode
from relevo.router.observe.tasks import BackgroundTasks
from relevo.router.store import answers
from relevo.router.store.client.errors import StoreDefectError, StoreUnavailableError
from relevo.router.store.commands import Caller, CommandRejectedError, StoreCommands
from relevo.router.tenant.client import Client
from relevo.router.tenant.directory import GapError
from relevo.router.tenant.fanout import TenantHub
from relevo.router.tenant.feed import Feed
from relevo.router.tenant.in_flight import InFlightLimiters
from relevo.router.tenant.lease import Leases

log = structlog.get_logger(__name__)

REGISTER_AGAIN_MAX = 256
"""How many connections are registered again at once after a reload."""


class PendingDisconnects:
    """
    Connections that are gone, and that the store may still count because it could not be asked. Pure.

    Args:
        size_max: How many, over all tenants. Beyond it a tenant's oldest are dropped: the store counts them
            until this node's lease on the tenant ends.
    """

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._size = 0
        self._tenants: defaultdict[str, dict[tuple[str, str], None]] = defaultdict(dict)

    def __len__(self) -> int:
        return self._size

    def add(self, tenant: str, agent_id: str, connection_id: str) -> None:
        """Keep a connection of an agent."""
        pending = self._tenants[tenant]
        if (agent_id, connection_id) in pending:
            return
        pending[agent_id, connection_id] = None
        self._size += 1
        if self._size > self._size_max:
            del pending[next(iter(pending))]
            self._size -= 1

    def take(self, tenant: str) -> list[tuple[str, str]]:
        """Return those of a tenant as (agent id, connection id), and drop them."""
        pending = list(self._tenants.pop(tenant, ()))
        self._size -= len(pending)
        return pending


class Tenants(Protocol):
    """What this module knows of the tenants that the node serves."""

    def hub(self, tenant: str) -> TenantHub | None:
        """Return the clients of a tenant, if it is served."""

    def has_connection(self, tenant: str, connection_id: str) -> bool:
        """Return whether a connection of a tenant is open, or about to be registered."""


class Registration:
    """
    Register, disconnect and reconcile connections.

    Args:
        commands: The store.
        tenants: The tenants that are served.
        feed: Their feed.
        leases: Their leases.
        limiters: Bound the disconnects in flight.
        tasks: Run what nothing waits for.
        timeout_ms: How long a feed may take to reach the store's epoch.
        pending_max: How many disconnects may wait for the store.
    """

    def __init__(
        self,
        commands: StoreCommands,
        tenants: Tenants,
        feed: Feed,
        leases: Leases,
        limiters: InFlightLimiters,
        tasks: BackgroundTasks,
        *,
        timeout_ms: int,
        pending_max: int,
    ) -> None:
        self._commands = commands
        self._tenants = tenants
        self._feed = feed
        self._leases = leases
        self._limiters = limiters
        self._tasks = tasks
        self._timeout_s = timeout_ms / 1000
        self._pending = PendingDisconnects(pending_max)
        # Where the store counted other connections than there are, at the last renewal.
        self._miscounted: set[str] = set()

    async def register(
        self, tenant: str, claims: Caller, connection_id: str, silent: Sequence[str] = ()
    ) -> answers.Attached:
        """
        Register a connection in the store, in the epoch of the tenant's feed.

        Args:
            tenant: The tenant.
            claims: The agent.
            connection_id: The connection.
            silent: Connections of the agent on this node that answer no ping: they give way first.

        Raises:
            TimeoutError: The feed did not reach that epoch in time.
        """
        try:
            attached = await self._commands.connect(tenant, claims, connection_id, silent)
            if self._is_of_another_epoch(tenant, attached):
                # The feed first: it tells the agent's other connections what the store has lost.
                async with asyncio.timeout(self._timeout_s):
                    await self._feed.repair(tenant)
                attached = await self._commands.connect(tenant, claims, connection_id, silent)
                if self._is_of_another_epoch(tenant, attached):
                    raise StoreUnavailableError("the store begins one epoch after the other")
        except (StoreUnavailableError, StoreDefectError, TimeoutError):
            # It may have been registered all the same, and would stay as long as this node lives.
            self._pending.add(tenant, claims.id, connection_id)
            raise
        if not attached.known and self._leases.holds(tenant) and not self._feed.is_repairing(tenant):
            hub = self._tenants.hub(tenant)
            if hub is not None and hub.replica.epoch == attached.epoch:
                self.lease_expired(tenant)
        self._leases.renewed(tenant)
        return attached

    async def disconnect(self, tenant: str, agent_id: str, connection_id: str, *, clean: bool) -> None:
        """Take a connection away from its agent in the store; ``clean`` skips the grace."""
        try:
            async with self._limiters.disconnects(tenant).slot():
                due_in_ms = await self._commands.disconnect(tenant, agent_id, connection_id, clean)
            self._leases.expect(tenant, due_in_ms)
        except (StoreUnavailableError, StoreDefectError) as error:
            # As long as this node renews its lease, no other node takes the connection away.
            level = self._commands.consequence_level
            log.log(level, "disconnect deferred", tenant=tenant, reason=str(error))
            self._pending.add(tenant, agent_id, connection_id)

    async def reloaded(self, tenant: str, has_forgotten: bool) -> None:
        """Register the tenant's connections again, and tell their agents what they may have missed."""
        hub = self._tenants.hub(tenant)
        if hub is None:
            return
        log.log(
            self._commands.consequence_level,
            "directory reloaded",
            tenant=tenant,
            epoch=hub.replica.epoch,
            seq=hub.replica.seq,
        )
        clients = list(hub.clients)
        if has_forgotten:
            # They have later fences than the store will give next; only a new welcome overrides those.
            for client in clients:
                client.close(CloseCode.STORE_LOST)
            return
        for start in range(0, len(clients), REGISTER_AGAIN_MAX):
            some = clients[start : start + REGISTER_AGAIN_MAX]
            await asyncio.gather(*(self._register_again(tenant, hub, client) for client in some))

    def lease_renewed(self, tenant: str, lease: answers.Lease) -> None:
        """Compare what a renewal says of the tenant with what is here, and send what is pending."""
        hub = self._tenants.hub(tenant)
        if hub is None:
            return
        if not lease.known and not self._feed.is_repairing(tenant) and lease.epoch == hub.replica.epoch:
            self.lease_expired(tenant)
        self._feed.compare(tenant, lease.epoch, lease.seq, asyncio.get_running_loop().time())
        for agent_id, connection_id in self._pending.take(tenant):
            self._tasks.spawn(self.disconnect(tenant, agent_id, connection_id, clean=False))
        registered = sum(client.is_registered for client in hub.clients)
        # After a storm thousands may wait to be registered, or to be disconnected.
        hellos, disconnects = self._limiters.hellos(tenant), self._limiters.disconnects(tenant)
        if lease.connections == registered or not (hellos.is_idle and disconnects.is_idle):
            self._miscounted.discard(tenant)
        elif tenant not in self._miscounted:
            # Some may just be coming or going; what still differs a renewal later is reconciled.
            self._miscounted.add(tenant)
        else:
            self._miscounted.discard(tenant)
            self._tasks.spawn(self._reconcile(tenant, hub))

    def lease_expired(self, tenant: str) -> None:
        """Close the connections that do not count any more; their clients reconnect to a live node."""
        hub = self._tenants.hub(tenant)
        if hub is not None and hub.clients:
            log.log(
                self._commands.consequence_level, "lease expired", tenant=tenant, connections=len(hub.clients)
            )
            for client in list(hub.clients):
                client.close(CloseCode.STORE_LOST)

    def drop(self, tenant: str) -> None:
        """Keep nothing more of a tenant: with this node's lease, the store drops its connections."""
        self._miscounted.discard(tenant)
        self._pending.take(tenant)

    def _is_of_another_epoch(self, tenant: str, attached: answers.Attached) -> bool:
        hub = self._tenants.hub(tenant)
        return hub is not None and hub.replica.epoch != attached.epoch

    async def _register_again(self, tenant: str, hub: TenantHub, client: Client) -> None:
        claims = client.claims_again()
        if claims is None:
            return
        try:
            attached = await self._commands.connect(tenant, claims, client.connection_id)
        except CommandRejectedError as refusal:
            log.warning("registration rejected", tenant=tenant, agent=claims.id, code=refusal.code)
            return
        self._leases.renewed(tenant)
        if attached.epoch != hub.replica.epoch:
            # What waits to be sent is of an epoch that has ended.
            raise GapError(f"{hub.replica.epoch} has become {attached.epoch}")
        agent = answers.agent(attached.agent)
        has_another_role = hub.take_role(client, agent.role)
        hub.correct(
            claims.id,
            attached.epoch,
            attached.seq,
            [answers.session(packed) for packed in attached.in_progress],
            [answers.session(packed) for packed in attached.pending],
        )
        if has_another_role:
            hub.send_role(client, agent)

    async def _reconcile(self, tenant: str, hub: TenantHub) -> None:
        """
        Have the store count the connections that there are.

        It may have gone back to older ones, or have run a hello after its connection's end: no other node
        takes those away as long as this one lives.
        """
        try:
            counted = await self._commands.connections(tenant)
            known = {connection_id for _, connection_id in counted}
            strays = [entry for entry in counted if not self._tenants.has_connection(tenant, entry[1])]
            missed = [one for one in hub.clients if one.is_registered and one.connection_id not in known]
            log.log(
                self._commands.consequence_level,
                "connections miscounted",
                tenant=tenant,
                strays=len(strays),
                missed=len(missed),
            )
            for agent_id, connection_id in strays:
                await self._commands.disconnect(tenant, agent_id, connection_id, clean=False)
            for client in missed:
                await self._register_again(tenant, hub, client)
        except (StoreUnavailableError, StoreDefectError, GapError) as error:
            # They are counted again at the next renewals.
            log.log(
                self._commands.consequence_level, "reconciliation deferred", tenant=tenant, reason=str(error)
            )
