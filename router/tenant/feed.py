"""
From the store's channel to the replica and the hub, without a hole.

What every tenant goes through: subscribe, read the directory, then take event after event. An event that does
not follow the last one means that some are missing: they are read from the event stream, or, where they are
not kept any more, the directory is reloaded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial

import msgspec
import structlog

from relevo.router.observe.incidents import incident
from relevo.router.observe.supervisor import Supervisor
from relevo.router.store.client.errors import StoreDefectError, StoreUnavailableError
from relevo.router.store.commands import StoreCommands
from relevo.router.store.events import Event, decode_event
from relevo.router.tenant.directory import GapError
from relevo.router.tenant.fanout import TenantHub

log = structlog.get_logger(__name__)

FEED_BUFFER_MAX = 4096
"""Events that wait while a tenant's directory is read."""

REPAIR_EVENTS_MAX = 500
RETRY_S = 0.2
LONGEST_RETRY_S = 10.0
"""What the wait after a defect doubles up to; each is an incident in the log."""


class _Following:
    """One tenant's place in the feed."""

    def __init__(self, hub: TenantHub) -> None:
        self.hub = hub
        self.ready = asyncio.Event()
        self.buffer: deque[Event] = deque()
        self.repair: asyncio.Task[None] | None = None
        # Whether the channel was interrupted since the repair last began to read.
        self.is_interrupted = False
        # The store's position that the replica has not reached, and when that was seen; 0: none.
        self.behind_at = 0
        self.behind_since_s = 0.0
        # Whether `on_reloaded` is still to be called, and whether the store lost events.
        self.was_reloaded = False
        self.has_forgotten = False


class Feed:
    """
    Keep the replicas of the served tenants true.

    Args:
        commands: Read directory and events from the store.
        supervisor: Runs the repairs.
        buffer_max: How many events may wait during a repair; beyond it, they are dropped and read again.
        late_ms: How late an event may be before it counts as lost.
        on_due: Called with in how many milliseconds something is due in a tenant.
        on_reloaded: Called after the directory of a running feed was reloaded, with whether the store has
            lost events that were published. Called again if it
            raises StoreUnavailableError, or GapError where the store has begun another epoch meanwhile.
    """

    def __init__(
        self,
        commands: StoreCommands,
        supervisor: Supervisor,
        buffer_max: int,
        late_ms: int,
        on_due: Callable[[str, int], None],
        on_reloaded: Callable[[str, bool], Awaitable[None]],
    ) -> None:
        self._commands = commands
        self._supervisor = supervisor
        self._buffer_max = buffer_max
        self._late_s = late_ms / 1000
        self._on_due = on_due
        self._on_reloaded = on_reloaded
        self._tenants: dict[str, _Following] = {}
        self.gaps = 0
        self.reloads = 0
        self.events = 0

    def follow(self, tenant: str, hub: TenantHub) -> None:
        """Follow a tenant; the caller subscribes to its channel, and passes its events to `heard`."""
        self._tenants[tenant] = _Following(hub)

    def leave(self, tenant: str) -> None:
        """Keep a tenant no more."""
        following = self._tenants.pop(tenant, None)
        if following is not None and following.repair is not None:
            following.repair.cancel()

    async def ready(self, tenant: str) -> None:
        """Wait until a tenant's replica is there; the caller bounds the wait."""
        await self._tenants[tenant].ready.wait()

    def is_ready(self, tenant: str) -> bool:
        """Return whether a tenant's replica is there."""
        following = self._tenants.get(tenant)
        return following is not None and following.ready.is_set()

    def is_repairing(self, tenant: str) -> bool:
        """Return whether a tenant is being read just now."""
        following = self._tenants.get(tenant)
        return following is not None and following.repair is not None

    @property
    def waiting(self) -> int:
        """The events that wait until their tenant's directory is read."""
        return sum(len(following.buffer) for following in self._tenants.values())

    def subscribed(self, tenant: str) -> None:
        """Take note that the channel is open, for the first time or again: events may be missing."""
        following = self._tenants.get(tenant)
        if following is not None:
            following.is_interrupted = True
            self._start_repair(tenant, following)

    async def repair(self, tenant: str) -> None:
        """Catch up with the store, and return when that is done; the caller bounds the wait."""
        following = self._tenants[tenant]
        self._start_repair(tenant, following)
        if following.repair is not None:
            await asyncio.wait([following.repair])

    def lost(self, tenant: str) -> None:
        """Log that the channel of a tenant is down; `subscribed` follows when it is up again."""
        if tenant in self._tenants:
            log.log(self._commands.consequence_level, "feed lost", tenant=tenant)

    def heard(self, tenant: str, payload: bytes) -> None:
        """Take an event in, as the channel brought it."""
        following = self._tenants.get(tenant)
        if following is None:
            return
        try:
            event = decode_event(payload)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            # It leaves a gap, which the next event shows and which is mended from the store.
            incident(log, "event rejected", error, tenant=tenant)
            return
        for change in event.changes:
            extra = change.record.extra
            if extra is not None and extra.due_at:
                self._on_due(tenant, extra.due_at - event.at)
        if following.repair is not None:
            if len(following.buffer) >= self._buffer_max:
                # What is missing then shows as a gap when the rest is taken.
                following.buffer.clear()
            following.buffer.append(event)
            return
        try:
            self._take(following, event)
        except GapError:
            self.gaps += 1
            following.buffer.append(event)
            self._start_repair(tenant, following)

    def compare(self, tenant: str, epoch: str, seq: int, now_s: float) -> None:
        """
        Compare the replica with what a lease renewal says of the store's position, and with an earlier one.

        A feed may be late; what has not come after `late_ms` is lost. Renewals may follow each other at once.

        Args:
            tenant: The tenant.
            epoch: The store's epoch.
            seq: The store's latest event.
            now_s: The time, in seconds of any clock that does not go back.
        """
        following = self._tenants.get(tenant)
        # Before the first read nothing can be missing: the channel is yet to be subscribed.
        if following is None or following.repair is not None or not following.ready.is_set():
            return
        replica = following.hub.replica
        is_behind = replica.seq < following.behind_at
        is_lost = is_behind and now_s - following.behind_since_s >= self._late_s
        if replica.epoch != epoch or is_lost:
            self.gaps += 1
            self._start_repair(tenant, following)
        elif not is_behind:
            following.behind_at = seq if replica.seq < seq else 0
            following.behind_since_s = now_s

    def _take(self, following: _Following, event: Event) -> None:
        if following.hub.replica.apply(event):
            self.events += 1
            following.hub.deliver(event)

    def _start_repair(self, tenant: str, following: _Following) -> None:
        if following.repair is None:
            work = partial(self._run_repair, tenant, following)
            following.repair = self._supervisor.run("feed repair", work)

    async def _run_repair(self, tenant: str, following: _Following) -> None:
        retry_s = RETRY_S
        while True:
            try:
                if await self._repair_once(tenant, following):
                    following.repair = None
                    return
                await asyncio.sleep(RETRY_S)
            except (StoreDefectError, msgspec.DecodeError) as error:
                # It costs this tenant: the others are served, and the node stays ready.
                incident(log, "feed repair failed", error, tenant=tenant, retry_in_s=retry_s)
                await asyncio.sleep(retry_s)
                retry_s = min(2 * retry_s, LONGEST_RETRY_S)

    async def _repair_once(self, tenant: str, following: _Following) -> bool:
        """Catch up with the store and with what was heard meanwhile; return whether that is done."""
        try:
            while True:
                following.is_interrupted = False
                if not await self._read_events(tenant, following):
                    await self._read_directory(tenant, following)
                if following.was_reloaded:
                    await self._on_reloaded(tenant, following.has_forgotten)
                    following.was_reloaded = following.has_forgotten = False
                if self._take_buffered(following) and not following.is_interrupted:
                    break
        except (StoreUnavailableError, GapError):
            return False
        following.behind_at = 0
        following.ready.set()
        return True

    def _take_buffered(self, following: _Following) -> bool:
        """Take what was heard while reading; return False if some of it was of another epoch."""
        same_epoch = True
        while following.buffer:
            event = following.buffer[0]
            if event.epoch == following.hub.replica.epoch:
                self._take(following, event)
            else:
                same_epoch = False
            following.buffer.popleft()
        return same_epoch

    async def _read_events(self, tenant: str, following: _Following) -> bool:
        replica = following.hub.replica
        while replica.epoch:
            found = await self._commands.events(tenant, replica.epoch, replica.seq, REPAIR_EVENTS_MAX)
            if found.events is None:
                return False
            for event in found.events:
                self._take(following, event)
            if replica.seq >= found.seq:
                return True
        return False

    async def _read_directory(self, tenant: str, following: _Following) -> None:
        replica = following.hub.replica
        epoch, seq = replica.epoch, replica.seq
        directory = await self._commands.directory(tenant)
        replica.load(directory)
        following.hub.directory_changed()
        if epoch:
            self.reloads += 1
            following.was_reloaded = True
            following.has_forgotten |= directory.forgot(epoch, seq)
