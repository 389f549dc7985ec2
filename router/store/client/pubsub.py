"""
PubSub to the tenants' feeds, over one connection to each server, each proved alive by its own
messages.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from relevo.router.store.client.client import StoreClient
from relevo.router.store.client.connection import (
    ErrorReply,
    Server,
    StoreConnection,
    StoreConnectionError,
    pack,
    read_replication,
)
from relevo.router.store.client.errors import StoreDefectError, StoreUnavailableError
from relevo.router.store.client.redirect import parse_redirect
from relevo.router.store.client.topology import feed_channel, prefix

BACKOFF_S = 0.05
BACKOFF_MAX_S = 1.0


class PubSub:
    """
    Follow the feeds of any number of tenants, wherever they live.

    Handlers are called from the task that reads, and must return at once.

    Args:
        store: Where the tenants live; probes travel through its pipelines.
        node: This process's id, unique among all; names the channel of its probes.
        on_event: Called with the tenant and what was published on its feed.
        on_subscribed: Called when the server has confirmed a tenant, again after each interruption: what was
            published before was possibly missed.
        on_lost: Called when nothing is heard of a confirmed tenant any more.
        tick_s: A probe is published this often, in seconds.
        silence_max: After this many ticks without hearing a probe the connection stats as deaf.
    """

    def __init__(
        self,
        store: StoreClient,
        node: str,
        on_event: Callable[[str, bytes], None],
        on_subscribed: Callable[[str], None],
        on_lost: Callable[[str], None],
        *,
        tick_s: float = 0.5,
        silence_max: int = 5,
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
        # Those of them that are not on their way: the time before which not to try.
        self._unplaced: dict[str, float] = {}
        self._at: dict[str, SubscriberConnection] = {}
        self._connections: dict[Server, SubscriberConnection] = {}
        self._failures: dict[Server, int] = {}
        self._wanted: set[str] = set()
        self._wake = asyncio.Event()
        self._closed = False
        self._placing = asyncio.create_task(self._place(), name="store-subscriptions")

    @property
    def healthy(self) -> bool:
        """Tell whether each tenant is listened to, on a connection whose probes come back."""
        now = time.monotonic()
        return not self._placing.done() and all(fault_at > now for fault_at in self._unconfirmed.values())

    @property
    def confirmed(self) -> int:
        """The number of tenants that a server has confirmed."""
        return len(self._wanted) - len(self._unconfirmed)

    def add(self, tenant: str) -> None:
        """Ask for a tenant's feed; ``on_subscribed`` says when it is there. Asking twice is once."""
        if tenant in self._wanted or self._closed:
            return
        self._wanted.add(tenant)
        self._unconfirmed[tenant] = time.monotonic() + self.tick_s * self.silence_max
        self._replace(tenant, 0.0)

    def remove(self, tenant: str) -> None:
        """Give a tenant's feed up; no handler is called for it any more."""
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

    def confirm(self, tenant: str, connection: "SubscriberConnection") -> None:
        """Take note that a server has confirmed a tenant."""
        if self._at.get(tenant) is connection and tenant in self._unconfirmed:
            del self._unconfirmed[tenant]
            self._failures.pop(connection.server, None)
            self.on_subscribed(tenant)

    def astray(self, tenant: str, connection: "SubscriberConnection", wait_s: float) -> None:
        """Take note that a tenant is not served there, or no more, and look for it elsewhere."""
        if self._at.get(tenant) is connection:
            del self._at[tenant]
            self._lose(tenant, time.monotonic() + self.tick_s * self.silence_max, wait_s)

    def retire(self, connection: "SubscriberConnection") -> None:
        """Give a connection no further tenant."""
        if self._connections.get(connection.server) is connection:
            del self._connections[connection.server]

    def ended(self, connection: "SubscriberConnection", failed: bool) -> None:
        """Take note that a connection has ended; its tenants are out of hearing as of now."""
        self.retire(connection)
        if self._closed or not failed:
            return
        self.store.stats.subscriptions_lost += 1
        self.store.topology.suspect(connection.server)
        failures = self._failures.get(connection.server, 0)
        if len(self._failures) > 1000:
            # Servers that never come back must not add up.
            self._failures.clear()
        self._failures[connection.server] = failures + 1
        wait_s = min(BACKOFF_S * 2 ** min(failures, 10), BACKOFF_MAX_S) * random.uniform(0.5, 1.0)
        for tenant in [tenant for tenant, home in self._at.items() if home is connection]:
            del self._at[tenant]
            self._lose(tenant, time.monotonic(), wait_s)

    def _lose(self, tenant: str, fault_at: float, wait_s: float) -> None:
        was_confirmed = tenant not in self._unconfirmed
        self._unconfirmed[tenant] = min(fault_at, self._unconfirmed.get(tenant, fault_at))
        self._replace(tenant, wait_s)
        if was_confirmed:
            self._on_lost(tenant)

    def _replace(self, tenant: str, wait_s: float) -> None:
        self._unplaced[tenant] = time.monotonic() + wait_s
        self._wake.set()

    async def _place(self) -> None:
        """Hand each tenant without a connection to that of its server."""
        while True:
            now = time.monotonic()
            for tenant in [tenant for tenant, not_before in self._unplaced.items() if not_before <= now]:
                try:
                    server = await self.store.topology.locate(tenant)
                except StoreUnavailableError:
                    self._postpone(tenant)
                    continue
                if self._unplaced.pop(tenant, None) is not None:
                    connection = self._connections.get(server)
                    if connection is None:
                        connection = self._connections[server] = SubscriberConnection(self, server)
                    self._at[tenant] = connection
                    connection.subscribe(tenant)
            self._wake.clear()
            earliest = min(self._unplaced.values(), default=None)
            with suppress(TimeoutError):
                async with asyncio.timeout(None if earliest is None else max(earliest - time.monotonic(), 0)):
                    await self._wake.wait()

    def _postpone(self, tenant: str) -> None:
        if tenant in self._unplaced:
            self._unplaced[tenant] = time.monotonic() + random.uniform(BACKOFF_MAX_S / 2, BACKOFF_MAX_S)


class SubscriberConnection:
    """One connection to one server, from its making to its end."""

    def __init__(self, owner: PubSub, server: Server) -> None:
        self.server = server
        self._owner = owner
        self._tenants: dict[bytes, str] = {}
        self._confirmed: set[str] = set()
        # What the server has not answered yet, in the order of its answers.
        self._asked: deque[tuple[bytes, bytes]] = deque()
        self._probe_tenant: str | None = None
        self._probe_channel = b""
        self._silence = 0
        self._connected = False
        self._failed = True
        self._connection = StoreConnection(server, owner.store.topology.options, "relevo-feed")
        self._task = asyncio.create_task(self._live(), name=f"store-subscription {server}")

    def subscribe(self, tenant: str) -> None:
        self._tenants[feed_channel(tenant)] = tenant
        if self._connected:
            self._ask(b"SSUBSCRIBE", feed_channel(tenant))
            if self._probe_tenant is None:
                self._choose_probe(tenant)

    def unsubscribe(self, tenant: str) -> None:
        self._forget(feed_channel(tenant))
        if self._connected:
            self._ask(b"SUNSUBSCRIBE", feed_channel(tenant))

    async def close(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    def _forget(self, channel: bytes) -> None:
        tenant = self._tenants.pop(channel, None)
        if tenant is None:
            return
        self._confirmed.discard(tenant)
        if tenant == self._probe_tenant:
            self._ask(b"SUNSUBSCRIBE", self._probe_channel)
            self._probe_tenant = None
            if self._tenants:
                self._choose_probe(next(iter(self._tenants.values())))

    def _choose_probe(self, tenant: str) -> None:
        self._probe_tenant = tenant
        self._probe_channel = f"{prefix(tenant)}probe:{self._owner.node}".encode()
        self._silence = 0
        self._ask(b"SSUBSCRIBE", self._probe_channel)

    def _ask(self, verb: bytes, channel: bytes) -> None:
        # One channel a command: in a cluster those of one command must share a slot, and an error names no
        # channel.
        self._asked.append((verb, channel))
        self._connection.post(pack((verb, channel)))

    async def _live(self) -> None:
        probing: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(self._owner.store.limits.timeout_ms / 1000):
                await self._connection.connect()
                if not (await read_replication(self._connection)).primary:
                    raise StoreConnectionError(f"{self.server} is a replica")
            self._connected = True
            for tenant in list(self._tenants.values()):
                self.subscribe(tenant)
            probing = asyncio.create_task(self._probe(), name=f"store-probe {self.server}")
            while True:
                self._hear(await self._connection.receive())
        except (StoreConnectionError, TimeoutError):
            # The owner stats it, and its tenants are placed again.
            pass
        except Exception as error:
            # A handler's defect. Its event is lost, so the connection goes too: whoever follows the feed is
            # told.
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"a handler of the subscription to {self.server} failed", "exception": error}
            )
        finally:
            self._connected = False
            self._connection.abort()
            if probing is not None:
                probing.cancel()
            self._owner.ended(self, self._failed)

    async def _probe(self) -> None:
        """
        Publish to oneself through the verbs' way; silence is counted in ticks, which a stopped process has
        none of.
        """
        beat = 0
        publishing: asyncio.Task[None] | None = None
        while True:
            await asyncio.sleep(self._owner.tick_s)
            self._silence += 1
            if not self._tenants:
                self._failed = False
                self._owner.retire(self)
            if not self._tenants or self._silence > self._owner.silence_max or self._is_left():
                self._connection.abort()
                self._task.cancel()
                return
            beat += 1
            # Beside the ticks: a store that does not answer must not slow them down.
            if publishing is None or publishing.done():
                publishing = asyncio.create_task(self._publish(b"%d" % beat))

    def _is_left(self) -> bool:
        """Tell whether another server has the place of this one, which may go on alone and say so."""
        if self._probe_tenant is None:
            return False
        return self._owner.store.topology.known(self._probe_tenant) not in (None, self.server)

    async def _publish(self, beat: bytes) -> None:
        if self._probe_tenant is not None:
            # What is not published is not heard: the silence tells.
            with suppress(StoreUnavailableError, StoreDefectError):
                await self._owner.store.publish(self._probe_tenant, self._probe_channel, beat)

    def _hear(self, message: object) -> None:
        match message:
            # Not `bytes(channel)`, which looks in vain for `__match_args__`, at every event.
            case [b"smessage", bytes() as channel, bytes() as payload]:
                if channel == self._probe_channel:
                    self._silence = 0
                elif (tenant := self._tenants.get(channel)) is not None:
                    self._owner.on_event(tenant, payload)
            case [b"ssubscribe", bytes() as channel, *_]:
                self._answered(b"SSUBSCRIBE", channel)
                if (tenant := self._tenants.get(channel)) is not None:
                    self._confirmed.add(tenant)
                    if self._probe_tenant is None:
                        self._choose_probe(tenant)
                    self._owner.confirm(tenant, self)
            case [b"sunsubscribe", bytes() as channel, *_]:
                if not self._answered(b"SUNSUBSCRIBE", channel):
                    # Nobody asked for it: the slot has moved to another server.
                    self._lose(channel, 0.0)
            case ErrorReply():
                self._refused(message)

    def _answered(self, verb: bytes, channel: bytes) -> bool:
        if self._asked and self._asked[0] == (verb, channel):
            self._asked.popleft()
            return True
        return False

    def _refused(self, error: ErrorReply) -> None:
        if not self._asked:
            return
        verb, channel = self._asked.popleft()
        if verb == b"SUNSUBSCRIBE":
            return
        redirect = parse_redirect(error.text, self.server)
        if redirect is not None:
            self._owner.store.topology.moved(redirect.slot, redirect.server)
            self._lose(channel, BACKOFF_S)
        else:
            self._owner.store.topology.suspect(self.server)
            self._lose(channel, BACKOFF_MAX_S)

    def _lose(self, channel: bytes, wait_s: float) -> None:
        if channel == self._probe_channel and self._probe_tenant is not None:
            self._probe_tenant = None
            others = [tenant for tenant in self._confirmed if feed_channel(tenant) in self._tenants]
            if others:
                self._choose_probe(others[0])
            return
        tenant = self._tenants.get(channel)
        if tenant is not None:
            self._owner.store.topology.suspect(self.server)
            self._forget(channel)
            self._owner.astray(tenant, self, wait_s)
