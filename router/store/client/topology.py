"""
Topology: the server on which a tenant lives. One server, the primary of a Sentinel deployment, or a shard of
a Redis Cluster.
"""

import asyncio
import random
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable

from relevo.router.store.client.connection import ConnectOptions, ErrorReply, Server, query, slot_of
from relevo.router.store.client.errors import StoreConnectionError, StoreUnavailableError
from relevo.router.store.client.url import Deployment, StoreUrl
from relevo.router.store.keys import prefix

SLOTS = 16384
# At most one look-up in this time, in seconds: more would flood the servers that are left.
LOOK_INTERVAL_S = 0.1
# The interval, in seconds, at which the sentinels are asked for the primary: a demoted one may be reachable
# and take writes, which it loses as soon as it learns of the failover.
REFRESH_INTERVAL_S = 1.0
# How many nodes of a cluster are asked for its slots at once.
ASKED_AT_ONCE = 5


class Topology(ABC):
    """
    Answer where a tenant lives, from memory until an error raises a suspicion.

    Attributes:
        options: Credentials, database and TLS of the servers that hold the data.
        moves: Whether a tenant may move to another server (failover, resharding).
        generation: Grows each time that the servers were looked up.
    """

    moves = True

    def __init__(self, options: ConnectOptions, timeout_s: float) -> None:
        self.options = options
        self.generation = 0
        self._timeout_s = timeout_s
        self._suspicions = 1
        self._suspicions_settled = 0
        self._looked_at = float("-inf")
        self._looking: asyncio.Task[None] | None = None
        self._failure = "nothing is known yet"

    @property
    @abstractmethod
    def servers(self) -> frozenset[Server]:
        """The servers that hold data, as last looked up."""

    @abstractmethod
    def _find(self, tenant: str) -> Server | None:
        """Return a tenant's server as last looked up, or None."""

    @abstractmethod
    async def _look(self) -> None:
        """Look the servers up; raises StoreConnectionError if no server replied."""

    def known(self, tenant: str) -> Server | None:
        """Return where a tenant lives, or None if that must be looked up first (``locate``)."""
        stale = self._suspicions != self._suspicions_settled
        if stale and time.monotonic() - self._looked_at >= LOOK_INTERVAL_S:
            return None
        return self._find(tenant)

    async def locate(self, tenant: str) -> Server:
        """Return where a tenant lives; raises StoreUnavailableError if that cannot be looked up."""
        server = self.known(tenant)
        if server is None:
            await self.look()
            server = self._find(tenant)
        if server is None:
            raise StoreUnavailableError(f"no server is known: {self._failure}")
        return server

    async def look(self) -> None:
        """
        Look the servers up, once for all callers at the same time; what was known stays if no server replies.
        """
        looking = self._looking
        if looking is None:
            if time.monotonic() - self._looked_at < LOOK_INTERVAL_S:
                return
            looking = self._begin_look()
        # Shielded: others wait for the same look-up.
        await asyncio.shield(looking)

    async def close(self) -> None:
        """Cancel a look-up that is under way."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def suspect(self, server: Server) -> None:
        """A server failed or refused: the next ``known`` or ``locate`` looks again."""
        self._suspicions += 1

    def moved(self, slot: int, server: Server) -> None:
        """A server redirected a slot to another server (``MOVED``)."""
        self._suspicions += 1

    def keys(self, tenant: str) -> tuple[bytes, ...]:
        """Return the keys that a script declares: the first one is the tenant's prefix."""
        return (prefix(tenant).encode(),)

    def _begin_look(self) -> asyncio.Task[None]:
        self._looking = asyncio.create_task(self._look_once(), name="store-topology")
        return self._looking

    async def _look_once(self) -> None:
        # A suspicion that arises while the look-up is under way is newer than its result.
        suspicions = self._suspicions
        try:
            await self._look()
            self._suspicions_settled = suspicions
            self.generation += 1
        except StoreConnectionError as error:
            self._failure = str(error)
        finally:
            self._looked_at = time.monotonic()
            self._looking = None


class StandaloneTopology(Topology):
    """One server, always the same."""

    moves = False

    def __init__(self, server: Server, options: ConnectOptions, timeout_s: float) -> None:
        super().__init__(options, timeout_s)
        self._server = server

    @property
    def servers(self) -> frozenset[Server]:
        return frozenset({self._server})

    def known(self, tenant: str) -> Server | None:
        return self._server

    def _find(self, tenant: str) -> Server | None:
        return self._server

    async def _look(self) -> None:
        """There is nothing to look up."""


class SentinelTopology(Topology):
    """
    The primary that the sentinels name.

    All sentinels are asked at once; as soon as more than half have replied, the reply with the highest
    configuration epoch counts. A sentinel that was partitioned together with the old primary still names that
    one, with an older epoch.
    """

    def __init__(self, url: StoreUrl, timeout_s: float) -> None:
        super().__init__(url.options, timeout_s)
        self._sentinels = url.servers
        self._sentinel_options = url.sentinel_options
        self._name = url.primary_name
        self._primary: Server | None = None

    @property
    def servers(self) -> frozenset[Server]:
        return frozenset() if self._primary is None else frozenset({self._primary})

    def known(self, tenant: str) -> Server | None:
        if self._looking is None and time.monotonic() - self._looked_at >= REFRESH_INTERVAL_S:
            # In the background.
            self._begin_look()
        return super().known(tenant)

    def _find(self, tenant: str) -> Server | None:
        return self._primary

    async def _look(self) -> None:
        asked = [asyncio.create_task(self._ask(sentinel)) for sentinel in self._sentinels]
        answers: list[tuple[int, Server]] = []
        failures: list[str] = []
        answered = 0
        try:
            for question in asyncio.as_completed(asked):
                try:
                    answers.append(await question)
                    answered += 1
                except StoreConnectionError as error:
                    failures.append(str(error))
                if answered * 2 > len(self._sentinels):
                    break
        finally:
            await _stop(asked)
        if not answers:
            raise StoreConnectionError(f"no sentinel names a primary ({'; '.join(failures)})")
        self._primary = max(answers, key=lambda answer: answer[0])[1]

    async def _ask(self, sentinel: Server) -> tuple[int, Server]:
        command = (b"SENTINEL", b"MASTER", self._name.encode())
        reply = await query(sentinel, self._sentinel_options, *command, timeout_s=self._timeout_s)
        if isinstance(reply, ErrorReply):
            raise StoreConnectionError(f"sentinel {sentinel}: {reply.text}")
        words = [word.decode() for word in _list(reply) if isinstance(word, bytes)]
        state = dict(zip(words[::2], words[1::2], strict=False))
        try:
            return int(state["config-epoch"]), Server(state["ip"], int(state["port"]))
        except (KeyError, ValueError):
            raise StoreConnectionError(f"sentinel {sentinel} gave no address") from None


class ClusterTopology(Topology):
    """A cluster: each tenant on the primary that serves the slot of its hash tag."""

    def __init__(self, url: StoreUrl, timeout_s: float) -> None:
        super().__init__(url.options, timeout_s)
        self._seeds = url.servers
        self._slots: list[Server | None] = [None] * SLOTS
        self._servers: frozenset[Server] = frozenset()
        # The server that the last redirect named knows of the change; other nodes may not yet.
        self._advisor: Server | None = None

    @property
    def servers(self) -> frozenset[Server]:
        return self._servers

    def _find(self, tenant: str) -> Server | None:
        return self._slots[slot_of(prefix(tenant).encode())]

    def keys(self, tenant: str) -> tuple[bytes, ...]:
        # While a slot is moved key by key, a script that declares one absent key would be sent on to the new
        # server and run there on the part of the tenant that has arrived. With a second absent key declared
        # the server answers TRYAGAIN instead, until the whole slot is there.
        name = prefix(tenant).encode()
        return (name, name + b"whole")

    def suspect(self, server: Server) -> None:
        super().suspect(server)
        if server == self._advisor:
            self._advisor = None

    def moved(self, slot: int, server: Server) -> None:
        super().moved(slot, server)
        self._slots[slot] = server
        self._servers |= {server}
        self._advisor = server

    async def _look(self) -> None:
        if self._advisor is not None:
            try:
                self._learn(await self._ask(self._advisor))
                return
            except StoreConnectionError:
                self._advisor = None
        others = list(self._servers.difference(self._seeds))
        random.shuffle(others)
        candidates = [*self._seeds[:ASKED_AT_ONCE], *others[:ASKED_AT_ONCE]]
        asked = [asyncio.create_task(self._ask(server)) for server in candidates]
        failures: list[str] = []
        try:
            for question in asyncio.as_completed(asked):
                try:
                    self._learn(await question)
                    return
                except StoreConnectionError as error:
                    failures.append(str(error))
        finally:
            await _stop(asked)
        raise StoreConnectionError(f"no node of the cluster tells its slots ({'; '.join(failures)})")

    async def _ask(self, server: Server) -> list[Server | None]:
        reply = await query(server, self.options, b"CLUSTER", b"SLOTS", timeout_s=self._timeout_s)
        if isinstance(reply, ErrorReply):
            raise StoreConnectionError(f"{server}: {reply.text}")
        slots: list[Server | None] = [None] * SLOTS
        for entry in _list(reply):
            match entry:
                case [int(first), int(last), [None | bytes() as host, int(port), *_], *_]:
                    # A node that does not know its own name means the one under which it was asked.
                    home = Server(host.decode() if host and host != b"?" else server.host, port)
                    slots[first : last + 1] = [home] * (last + 1 - first)
                case _:
                    raise StoreConnectionError(f"{server} gave slots in an unknown form")
        if not any(slots):
            raise StoreConnectionError(f"{server} knows of no slots")
        return slots

    def _learn(self, slots: list[Server | None]) -> None:
        self._slots = slots
        self._servers = frozenset(server for server in slots if server is not None)


def open_topology(url: StoreUrl, timeout_s: float) -> Topology:
    """
    Return the topology of a deployment.

    Args:
        url: As ``parse_url`` gives it.
        timeout_s: How long one server may take to reply, in seconds.
    """
    match url.deployment:
        case Deployment.STANDALONE:
            return StandaloneTopology(url.servers[0], url.options, timeout_s)
        case Deployment.SENTINEL:
            return SentinelTopology(url, timeout_s)
        case Deployment.CLUSTER:
            return ClusterTopology(url, timeout_s)


def _list(reply: object) -> list[object]:
    return reply if isinstance(reply, list) else []


async def _stop(tasks: Iterable[asyncio.Task[object]] | Iterable[asyncio.Task[tuple[int, Server]]]) -> None:
    gathered = list(tasks)
    for task in gathered:
        task.cancel()
    await asyncio.gather(*gathered, return_exceptions=True)
