"""
This node's word for the connections it holds.

A lease per served tenant, renewed by one script that also sweeps what is due there: at each interval, and at
each deadline before the next one. A node that could not
renew for a whole lease no longer knows whether its connections still count: it closes them, and the clients
come back to a node that does.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Final

import msgspec
import structlog

from relevo.router.observe.incidents import incident
from relevo.router.observe.supervisor import Supervisor
from relevo.router.store.answers import Lease
from relevo.router.store.client.errors import StoreDefectError, StoreUnavailableError
from relevo.router.store.commands import StoreCommands

log = structlog.get_logger(__name__)

GROUPS: Final = 32
"""
Into how many groups the tenants are parted; each renews its leases at its own time.

All at once, a thousand leases would hold up what else the node and the store do; each by itself, none would
share a trip to the store with another.
"""


WAKE_STEP_S: Final = 0.05
"""Deadlines of a tenant within such a step are met by one renewal, at its end."""


class Leases:
    """
    Renew the leases of the tenants that this node serves.

    Args:
        commands: The store.
        lease_ms: How long a lease lasts.
        renew_ms: How often it is renewed.
        on_lease: Called with what the store said of a lease.
        on_expired: Called when a lease may have run out here: its connections do not count any more.
    """

    def __init__(
        self,
        commands: StoreCommands,
        lease_ms: int,
        renew_ms: int,
        on_lease: Callable[[str, Lease], None],
        on_expired: Callable[[str], None],
    ) -> None:
        self._commands = commands
        self._lease_s = lease_ms / 1000
        self._renew_s = renew_ms / 1000
        self._on_lease = on_lease
        self._on_expired = on_expired
        self._renewed_at: dict[str, float] = {}
        self._groups: list[set[str]] = [set() for _ in range(GROUPS)]
        self._started_at = 0.0
        self._supervisor: Supervisor | None = None
        # A group without tenants has no task, so that an idle node is not woken for it.
        self._renewing: dict[int, asyncio.Task[None]] = {}
        # Only of tenants in which something is due before the next renewal.
        # With their times, which uvloop's handles of what is due at once do not have.
        self._wakes: dict[str, tuple[float, asyncio.Handle]] = {}

    def start(self, supervisor: Supervisor) -> None:
        """Renew until the supervisor stops; the leases then expire by themselves."""
        self._started_at = asyncio.get_running_loop().time()
        self._supervisor = supervisor
        supervisor.run("lease expiry", self._keep_watch)
        for number, group in enumerate(self._groups):
            if group:
                self._renew_group(supervisor, number)

    def serve(self, tenant: str) -> None:
        """Vouch for the connections of a tenant from now on."""
        self._group(tenant).add(tenant)
        if self._supervisor is not None:
            self._renew_group(self._supervisor, hash(tenant) % GROUPS)

    def leave(self, tenant: str) -> None:
        """Vouch for a tenant no more; its lease runs out by itself."""
        self._group(tenant).discard(tenant)
        self._renewed_at.pop(tenant, None)
        wake = self._wakes.pop(tenant, None)
        if wake is not None:
            wake[1].cancel()

    def _group(self, tenant: str) -> set[str]:
        return self._groups[hash(tenant) % GROUPS]

    def holds(self, tenant: str) -> bool:
        """Return whether this node believes to hold the lease of a tenant."""
        return tenant in self._renewed_at

    def renewed(self, tenant: str) -> None:
        """Take note that a lease was just taken or renewed by another command."""
        is_first = not self.holds(tenant)
        self._renewed_at[tenant] = asyncio.get_running_loop().time()
        if is_first:
            self.expect(tenant, 0)  # What is due before the first renewal is not known yet.

    def expect(self, tenant: str, due_in_ms: int) -> None:
        """Renew a lease when something is due there, if that is before its next renewal."""
        if due_in_ms >= self._renew_s * 1000 or self._supervisor is None or tenant not in self._group(tenant):
            return
        loop = asyncio.get_running_loop()
        at = loop.time()
        if due_in_ms > 0:
            at = math.ceil((at + due_in_ms / 1000) / WAKE_STEP_S) * WAKE_STEP_S
        wake = self._wakes.get(tenant)
        if wake is None or wake[0] > at:
            if wake is not None:
                wake[1].cancel()
            self._wakes[tenant] = at, loop.call_at(at, self._wake, self._supervisor, tenant)

    def _wake(self, supervisor: Supervisor, tenant: str) -> None:
        del self._wakes[tenant]
        supervisor.run("deadline", partial(self._renew, tenant))

    def _renew_group(self, supervisor: Supervisor, number: int) -> None:
        task = self._renewing.get(number)
        if task is None or task.done():
            work = partial(self._keep_renewing, self._groups[number], number * self._renew_s / GROUPS)
            self._renewing[number] = supervisor.run("lease renewal", work)

    async def _keep_renewing(self, group: set[str], phase_s: float) -> None:
        """Renew the leases of a group at its own time of each interval, until it has no tenant."""
        loop = asyncio.get_running_loop()
        first_at = self._started_at + phase_s
        intervals = math.ceil(max(loop.time() - first_at, 0) / self._renew_s)
        for due_at in count(first_at + intervals * self._renew_s, self._renew_s):
            if due_at < loop.time() - self._renew_s:
                continue  # After a standstill one renewal stands for all that were missed.
            await asyncio.sleep(due_at - loop.time())
            if not group:
                return
            # Before renewing: after a long standstill of this process the leases have run out in the store,
            # too.
            for tenant in list(group):
                self._let_expire(tenant)
            await asyncio.gather(*(self._renew(tenant) for tenant in group))

    async def _keep_watch(self) -> None:
        """Notice a lease that runs out when it does, however long the store takes not to answer."""
        loop = asyncio.get_running_loop()
        while True:
            for tenant in list(self._renewed_at):
                self._let_expire(tenant)
            earliest = min(self._renewed_at.values(), default=loop.time())
            await asyncio.sleep(max(earliest + self._lease_s - loop.time(), 0))

    def _let_expire(self, tenant: str) -> None:
        at = self._renewed_at.get(tenant)
        if at is not None and asyncio.get_running_loop().time() - at >= self._lease_s:
            del self._renewed_at[tenant]
            self._on_expired(tenant)

    async def _renew(self, tenant: str) -> None:
        asked_at = asyncio.get_running_loop().time()
        # A tenant that is just being opened has no lease yet: nothing has run out then.
        was_held = self.holds(tenant)
        try:
            # Not longer than until the next one: whether the lease has run out is to be noticed in time.
            async with asyncio.timeout(self._renew_s):
                lease = await self._commands.renew(tenant)
        except TimeoutError:
            # The store's client notices it, too, and says it once for all tenants.
            log.debug("lease renewal failed", tenant=tenant, reason="no answer in time")
        except StoreUnavailableError as error:
            level = self._commands.consequence_level
            log.log(level, "lease renewal failed", tenant=tenant, reason=str(error))
        except StoreDefectError as error:
            incident(log, "lease renewal failed", error, tenant=tenant)
        else:
            if tenant not in self._group(tenant):
                return  # It was left meanwhile.
            # The lease counts from when it was asked for: later would promise more than the store does.
            self._renewed_at[tenant] = asked_at
            self._on_lease(tenant, lease if was_held else msgspec.structs.replace(lease, known=True))
            # One step of the store is short; a node that died with thousands of agents is many.
            self.expect(tenant, lease.due_in_ms)
