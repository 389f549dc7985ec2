"""
Sharded pub/sub: the tenants' feeds, over one connection to each server, each with a heartbeat of its own.

A half-open subscription looks healthy for hours. So each connection also subscribes a channel of this
process, to which a heartbeat is published through the commands' pipeline; silence means a dead subscription.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog

from relevo.router.observe.incidents import incident
from relevo.router.observe.supervisor import Supervisor
from relevo.router.store.client.backoff import full_jitter_s
from relevo.router.store.client.client import StoreClient
from relevo.router.store.client.connection import (
    ErrorReply,
    Server,
    StoreConnection,
    connect_to_primary,
    pack,
)
from relevo.router.store.client.error_replies import parse_redirect
from relevo.router.store.client.errors import StoreConnectionError, StoreUnavailableError
from relevo.router.store.keys import feed_channel, prefix

log = structlog.get_logger(__name__)

BACKOFF_S = 0.05
BACKOFF_MAX_S = 1.0
# Servers that never come back must not add up.
FAILURES_MAX = 1000


class PubSub:
    """
    Subscribe the feeds of any number of tenants, wherever they live.

    Handlers are called while a read of the socket is handled, and must return at once.

    Args:
        store: Where the tenants live; heartbeats are published through it.
        node: This process's id, unique among all; names the channel of its heartbeats.
        on_event: Called with the tenant and what was published on its feed.
        on_subscribed: Called when the server has confirmed a tenant, again after each interruption: what was
            published before was possibly missed.
        on_lost: Called when a confirmed tenant's subscription is lost.
        supervisor: Runs the task that places the tenants.
        tick_s: Interval of the heartbeat, in seconds.
        silence_max: After this many ticks without a heartbeat the connection is dead.
    """

    def __init__(
        self,
        store: StoreClient,
        node: str,
        on_event: Callable[[str, bytes], None],
        on_subscribed: Callable[[str], None],
        on_lost: Callable[[str], None],
        supervisor: Supervisor,
        *,
        tick_s: float = 1.0,
        silence_max: int = 2,
    ) -> None:
        self.on_event = on_event
        self.on_subscribed = on_subscribed
        self.node = node
        self.tick_s = tick_s
        self.silence_max = silence_max
        self.store = store
        self._on_lost = on_lost
        # Tenants that no server has confirmed: the time after which that is a fault.
        self._unconfirmed: dict[str, float] = {}
        # Those of them that are to be looked for: the time before which not to try.
        self._unplaced: dict[str, float] = {}
        self._at: dict[str, SubscriberConnection] = {}
        self._connections: dict[Server, SubscriberConnection] = {}
        self._failures: dict[Server, int] = {}
        self._wanted: set[str] = set()
        self._wake = asyncio.Event()
        self._closed = False
        self._placing = supervisor.run("feed subscription", self._place)

    @property
    def healthy(self) -> bool:
        """Whether each tenant is subscribed, on a connection whose heartbeats arrive."""
        now = time.monotonic()
        return all(fault_at > now for fault_at in self._unconfirmed.values())

    @property
    def confirmed(self) -> int:
        """The number of tenants that a server has confirmed."""
        return len(self._wanted) - len(self._unconfirmed)

    def add(self, tenant: str) -> None:
        """Subscribe a tenant's feed; ``on_subscribed`` reports when it is confirmed. Twice is once."""
        if tenant in self._wanted or self._closed:
            return
        self._wanted.add(tenant)
        self._unconfirmed[tenant] = time.monotonic() + self.tick_s * self.silence_max
        self._place_later(tenant, 0.0)

    def remove(self, tenant: str) -> None:
        """Unsubscribe a tenant's feed; no handler is called for it any more."""
        self._wanted.discard(tenant)
        self._unconfirmed.pop(tenant, None)
        self._unplaced.pop(tenant, None)
        connection = self._at.pop(tenant, None)
        if connection is not None:
            connection.unsubscribe(tenant)

    async def close(self) -> None:
        """Drop all connections; no handler is called any more."""
        self._closed = True
        self._placing.cancel()
        with suppress(asyncio.CancelledError):
            await self._placing
        await asyncio.gather(*(connection.close() for connection in list(self._connections.values())))

    # What the connections report --------------------------------------------------------------------------

    def confirm(self, tenant: str, connection: "SubscriberConnection") -> None:
        """A server has confirmed a tenant."""
        if self._at.get(tenant) is connection and tenant in self._unconfirmed:
            del self._unconfirmed[tenant]
            self._failures.pop(connection.server, None)
            self.store.outages.found(connection.server, "feed")
            self.on_subscribed(tenant)

    def misplaced(self, tenant: str, connection: "SubscriberConnection", wait_s: float) -> None:
        """A tenant does not live on that server, or no longer: look for it elsewhere."""
        if self._at.get(tenant) is connection:
            del self._at[tenant]
            self._lose(tenant, time.monotonic() + self.tick_s * self.silence_max, wait_s)

    def retire(self, connection: "SubscriberConnection") -> None:
        """Place no further tenant on a connection."""
        if self._connections.get(connection.server) is connection:
            del self._connections[connection.server]

    def ended(self, connection: "SubscriberConnection", failed: bool) -> None:
        """A connection has ended: the subscriptions of its tenants are lost as of now."""
        self.retire(connection)
        if self._closed or not failed:
            return
        server = connection.server
        self.store.outages.lost(server, "feed", "the subscription is lost")
        self.store.stats.subscriptions_lost += 1
        self.store.topology.suspect(server)
        failures = self._failures.get(server, 0)
        if len(self._failures) > FAILURES_MAX:
            self._failures.clear()
        self._failures[server] = failures + 1
        wait_s = full_jitter_s(failures, BACKOFF_S, BACKOFF_MAX_S)
        for tenant in [tenant for tenant, home in self._at.items() if home is connection]:
            del self._at[tenant]
            self._lose(tenant, time.monotonic(), wait_s)

    # Placing ----------------------------------------------------------------------------------------------

    def _lose(self, tenant: str, fault_at: float, wait_s: float) -> None:
        was_confirmed = tenant not in self._unconfirmed
        self._unconfirmed[tenant] = min(fault_at, self._unconfirmed.get(tenant, fault_at))
        self._place_later(tenant, wait_s)
        if was_confirmed:
            self._on_lost(tenant)

    def _place_later(self, tenant: str, wait_s: float) -> None:
        self._unplaced[tenant] = time.monotonic() + wait_s
        self._wake.set()

    async def _place(self) -> None:
        """Give each tenant without a connection to that of its server."""
        for tenant in self._wanted - self._at.keys() - self._unplaced.keys():
            self._place_later(tenant, 0.0)  # A run that failed had begun with it.
        while True:
            now = time.monotonic()
            for tenant in [tenant for tenant, not_before in self._unplaced.items() if not_before <= now]:
                try:
                    server = await self.store.topology.locate(tenant)
                except StoreUnavailableError:
                    if tenant in self._unplaced:
                        self._unplaced[tenant] = time.monotonic() + BACKOFF_MAX_S
                    continue
                if self._unplaced.pop(tenant, None) is not None:
                    connection = self._connections.get(server)
                    if connection is None:
                        connection = self._connections[server] = SubscriberConnection(self, server)
                    connection.subscribe(tenant)
                    self._at[tenant] = connection
            self._wake.clear()
            earliest = min(self._unplaced.values(), default=None)
            with suppress(TimeoutError):
                async with asyncio.timeout(None if earliest is None else max(earliest - time.monotonic(), 0)):
                    await self._wake.wait()


class SubscriberConnection:
    """The subscriptions on one server, from connect to close."""

    def __init__(self, owner: PubSub, server: Server) -> None:
        self.server = server
        self._owner = owner
        self._tenants: dict[bytes, str] = {}
        self._confirmed: set[str] = set()
        # What the server has not replied to yet, in the order of its replies.
        self._asked: deque[tuple[bytes, bytes]] = deque()
        self._heartbeat_tenant: str | None = None
        self._heartbeat_channel = b""
        self._silence = 0
        self._failed = True
        self._connection: StoreConnection | None = None
        self._task = asyncio.create_task(self._run(), name=f"store-subscriber {server}")

    def subscribe(self, tenant: str) -> None:
        """Subscribe a tenant's feed, now or once connected."""
        self._tenants[feed_channel(tenant)] = tenant
        if self._connection is not None:
            self._ask(b"SSUBSCRIBE", feed_channel(tenant))
            if self._heartbeat_tenant is None:
                self._move_heartbeat(tenant)

    def unsubscribe(self, tenant: str) -> None:
        """Unsubscribe a tenant's feed."""
        self._forget(feed_channel(tenant))
        self._ask(b"SUNSUBSCRIBE", feed_channel(tenant))

    async def close(self) -> None:
        """Drop the connection."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        """Connect, subscribe, and send heartbeats until the connection is lost, dead or unused."""
        try:
            async with asyncio.timeout(self._owner.store.limits.timeout_ms / 1000):
                connection, _ = await connect_to_primary(
                    self.server, self._owner.store.topology.options, "relevo-feed"
                )
            connection.on_replies = self._on_messages
            connection.on_lost = self._on_lost
            self._connection = connection
            for tenant in list(self._tenants.values()):
                self.subscribe(tenant)
            await self._beat()
        except (StoreConnectionError, TimeoutError):
            # The owner counts it, and places its tenants again.
            pass
        except Exception as error:
            incident(log, "store subscriber failed", error, server=str(self.server))
        finally:
            self._disconnect()
            self._owner.ended(self, self._failed)

    def _on_lost(self, _: str) -> None:
        self._task.cancel()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    # Heartbeat --------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        """Publish the heartbeat. Silence is counted in ticks, of which a stopped process has none."""
        beat = 0
        publishing: asyncio.Future[Any] | None = None
        while True:
            await asyncio.sleep(self._owner.tick_s)
            self._silence += 1
            if not self._tenants:
                self._failed = False
                self._owner.retire(self)
                return
            if self._silence > self._owner.silence_max or self._is_replaced():
                return
            beat += 1
            # Not awaited: a store that does not reply must not slow the ticks down.
            if self._heartbeat_tenant is not None and (publishing is None or publishing.done()):
                publishing = self._owner.store.publish(
                    self._heartbeat_tenant, self._heartbeat_channel, b"%d" % beat
                )
                # A heartbeat that is not published is not received: the silence tells.
                publishing.add_done_callback(_ignore_error)

    def _move_heartbeat(self, tenant: str) -> None:
        """Send the heartbeats on a channel beside this tenant's feed."""
        self._heartbeat_tenant = tenant
        self._heartbeat_channel = f"{prefix(tenant)}probe:{self._owner.node}".encode()
        self._silence = 0
        self._ask(b"SSUBSCRIBE", self._heartbeat_channel)

    def _is_replaced(self) -> bool:
        """Whether another server has taken the place of this one, which may go on alone and reply."""
        if self._heartbeat_tenant is None:
            return False
        return self._owner.store.topology.known(self._heartbeat_tenant) not in (None, self.server)

    # Messages ---------------------------------------------------------------------------------------------

    def _ask(self, word: bytes, channel: bytes) -> None:
        # One channel a command: in a cluster those of one command must share a slot, and an error names no
        # channel.
        if self._connection is not None:
            self._asked.append((word, channel))
            self._connection.write(pack(word, channel))

    def _on_messages(self, messages: list[Any]) -> None:
        try:
            for message in messages:
                self._on_message(message)
        except Exception as error:
            # A handler's defect. Its event is lost, so the connection goes too, and its tenants are reported.
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"a handler of the subscription to {self.server} failed", "exception": error}
            )
            self._disconnect()
            self._task.cancel()

    def _on_message(self, message: object) -> None:
        match message:
            # Not `bytes(channel)`, which looks in vain for `__match_args__`, at every event.
            case [b"smessage", bytes() as channel, bytes() as payload]:
                if channel == self._heartbeat_channel:
                    self._silence = 0
                elif (tenant := self._tenants.get(channel)) is not None:
                    self._owner.on_event(tenant, payload)
            case [b"ssubscribe", bytes() as channel, *_]:
                self._is_reply(b"SSUBSCRIBE", channel)
                if (tenant := self._tenants.get(channel)) is not None:
                    self._confirmed.add(tenant)
                    if self._heartbeat_tenant is None:
                        self._move_heartbeat(tenant)
                    self._owner.confirm(tenant, self)
            case [b"sunsubscribe", bytes() as channel, *_]:
                if not self._is_reply(b"SUNSUBSCRIBE", channel):
                    # Unasked: the slot has moved to another server.
                    self._lose(channel, 0.0)
            case ErrorReply():
                self._on_error(message)

    def _is_reply(self, word: bytes, channel: bytes) -> bool:
        if self._asked and self._asked[0] == (word, channel):
            self._asked.popleft()
            return True
        return False

    def _on_error(self, error: ErrorReply) -> None:
        if not self._asked:
            return
        word, channel = self._asked.popleft()
        if word == b"SUNSUBSCRIBE":
            return
        redirect = parse_redirect(error.text, self.server)
        if redirect is not None:
            self._owner.store.topology.moved(redirect.slot, redirect.server)
            self._lose(channel, BACKOFF_S)
        else:
            self._owner.store.topology.suspect(self.server)
            self._lose(channel, BACKOFF_MAX_S)

    def _forget(self, channel: bytes) -> None:
        tenant = self._tenants.pop(channel, None)
        if tenant is None:
            return
        self._confirmed.discard(tenant)
        if tenant == self._heartbeat_tenant:
            self._ask(b"SUNSUBSCRIBE", self._heartbeat_channel)
            self._heartbeat_tenant = None
            if self._tenants:
                self._move_heartbeat(next(iter(self._tenants.values())))

    def _lose(self, channel: bytes, wait_s: float) -> None:
        if channel == self._heartbeat_channel and self._heartbeat_tenant is not None:
            self._heartbeat_tenant = None
            others = [tenant for tenant in self._confirmed if feed_channel(tenant) in self._tenants]
            if others:
                self._move_heartbeat(others[0])
            return
        tenant = self._tenants.get(channel)
        if tenant is not None:
            self._owner.store.topology.suspect(self.server)
            self._forget(channel)
            self._owner.misplaced(tenant, self, wait_s)


def _ignore_error(future: asyncio.Future[Any]) -> None:
    if not future.cancelled():
        future.exception()
