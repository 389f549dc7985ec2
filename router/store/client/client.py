"""The router's one way to its store: run a verb of a tenant, wherever that tenant lives."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from relevo.router.store.client.connection import Cut, Server, parse_info
from relevo.router.store.client.durability import Durability
from relevo.router.store.client.durability_waiter import Witness
from relevo.router.store.client.errors import NotSent, StoreDefect, Unavailable, Unsupported
from relevo.router.store.client.pipeline import Limits, Link
from relevo.router.store.client.redirect import Redirected
from relevo.router.store.client.stats import Counts
from relevo.router.store.client.topology import open_topology
from relevo.router.store.client.url import parse_address
from relevo.router.store.lua.library import FOLDER, Scripts

# How often one command follows a tenant that moves.
REDIRECTS_MAX = 5

_Reply = TypeVar("_Reply")


class Store:
    """
    Run verbs; a link to each server is made when it is first needed.

    Create it inside a running loop.

    Args:
        url: Where the store is (``address.parse_address``).
        scripts: The folder of the verbs.
        limits: Bounds of time and number.
        durability: What the answers of durable verbs promise.

    Raises:
        ValueError: The URL is malformed; the message names what, and shows no password.
    """

    def __init__(
        self,
        url: str,
        *,
        scripts: Path = FOLDER,
        limits: Limits | None = None,
        durability: Durability | None = None,
    ) -> None:
        self.limits = limits if limits is not None else Limits()
        self.durability = durability if durability is not None else Durability()
        self.counts = Counts()
        self.topology = open_topology(parse_address(url), self.limits.timeout_ms / 1000)
        self._scripts = Scripts(scripts)
        self._links: dict[Server, Link] = {}
        self._generation = self.topology.generation
        self._timeout_s = self.limits.timeout_ms / 1000
        # Asking which loop runs is a system call, in Python 3.11.
        self._loop = asyncio.get_running_loop()
        self._retiring: set[asyncio.Task[None]] = set()

    async def open(self) -> None:
        """Look the servers up, and ``check`` them."""
        await self.topology.look()
        await self.check()

    async def check(self) -> None:
        """
        Reach every server once, and see whether it can do what it is needed for.

        Raises:
            Unavailable: One cannot be reached, has no room, or cannot keep the promised durability now; the
                store may be used all the same, and does what it can as soon as it can.
            Unsupported: One is too old.
            StoreDefect: One does not let the router look.
        """
        if not self.topology.servers:
            await self.topology.locate("")
        await asyncio.gather(*(self._check(server) for server in self.topology.servers))

    def run(
        self, tenant: str, verb: str, request: bytes, *, durable: bool = False, urgent: bool = False
    ) -> Coroutine[Any, Any, bytes]:
        """
        Run a verb on a tenant's data.

        Args:
            tenant: The tenant's id.
            verb: Name of the script.
            request: Its second argument, after the run id of the server.
            durable: Whether what it answers must be as durable as this store promises.
            urgent: Whether it is the router's own, and does not queue behind what the tenant asks for.

        Returns:
            What the script returned.

        Raises:
            Unavailable: It may or may not have been applied. Comes at the latest after the time-out, and that
                of the durability.
            StoreDefect: The script failed.
        """
        keys = self.topology.keys(tenant)
        return self._at_home(
            tenant,
            lambda link, deadline, asking: link.run(
                verb, keys, request, deadline=deadline, asking=asking, durable=durable, urgent=urgent
            ),
        )

    async def publish(self, tenant: str, channel: bytes, payload: bytes) -> None:
        """
        Publish on a sharded channel of a tenant.

        Args:
            tenant: Whose server publishes.
            channel: Starts with the tenant's prefix.
            payload: What subscribers get.

        Raises:
            Unavailable: It may or may not have been published.
        """
        await self._at_home(
            tenant,
            lambda link, deadline, asking: link.command(
                b"SPUBLISH", channel, payload, deadline=deadline, asking=asking
            ),
        )

    async def scan(self, pattern: str, count: int) -> AsyncIterator[list[bytes]]:
        """
        Yield the names of all keys that fit a pattern, in pieces; some perhaps twice.

        Args:
            pattern: As the store's ``SCAN`` takes it.
            count: About how many names are looked at for one piece.

        Raises:
            Unavailable: A server that holds data does not answer.
        """
        for server in sorted(self.topology.servers, key=str):
            cursor = b"0"
            while True:
                page = await self._link(server).command(
                    b"SCAN", cursor, b"MATCH", pattern.encode(), b"COUNT", b"%d" % count
                )
                match page:
                    case [bytes() as cursor, [*names]]:
                        yield [name for name in names if isinstance(name, bytes)]
                    case _:
                        raise StoreDefect("SCAN", f"it answered {page!r:.100}")
                if cursor == b"0":
                    break

    async def time_ms(self) -> int:
        """
        Return the store's time, in milliseconds since the Unix epoch; of several servers one tells it to all.

        Raises:
            Unavailable: It does not answer.
            StoreDefect: It answers something else.
        """
        servers = self.topology.servers or frozenset({await self.topology.locate("")})
        reply = await self._link(min(servers, key=str)).command(b"TIME")
        match reply:
            case [bytes(seconds), bytes(microseconds)]:
                return int(seconds) * 1000 + int(microseconds) // 1000
        raise StoreDefect("TIME", f"it answered {reply!r:.100}")

    def run_id(self, tenant: str) -> str | None:
        """Return the run id of the server on which a tenant lives, or None before the first contact."""
        server = self.topology.known(tenant)
        link = self._links.get(server) if server is not None else None
        return link.run_id if link is not None else None

    async def close(self) -> None:
        """Drop all connections; what waits for an answer fails with Unavailable."""
        await self.topology.close()
        links = list(self._links.values())
        await asyncio.gather(*(link.close() for link in links), *self._retiring, return_exceptions=True)

    async def _at_home(self, tenant: str, submit: Callable[[Link, float, bool], Awaitable[_Reply]]) -> _Reply:
        """
        Submit a command where the tenant lives; follow the tenant as long as the command certainly has not
        run.
        """
        deadline = self._loop.time() + self._timeout_s
        server = self.topology.known(tenant)
        asking = False
        redirects = 0
        while True:
            try:
                if server is None:
                    server = await self._locate(tenant, deadline)
                return await submit(self._link(server), deadline, asking)
            except NotSent:
                if self._loop.time() >= deadline:
                    raise
                server, asking = self.topology.known(tenant), False
            except Redirected as redirected:
                redirects += 1
                self.counts.redirects += 1
                if redirects > REDIRECTS_MAX:
                    raise Unavailable(f"redirected {redirects} times, at last: {redirected}") from None
                if not redirected.asking:
                    self.topology.moved(redirected.slot, redirected.server)
                server, asking = redirected.server, redirected.asking

    async def _locate(self, tenant: str, deadline: float) -> Server:
        try:
            async with asyncio.timeout_at(deadline):
                return await self.topology.locate(tenant)
        except TimeoutError:
            raise Unavailable("the servers could not be looked up in time") from None

    def _link(self, server: Server) -> Link:
        if self._generation != self.topology.generation:
            self._generation = self.topology.generation
            self._retire_unused()
        link = self._links.get(server)
        if link is None:
            witness = None
            if self.durability.waits:
                witness = Witness(
                    server, self.topology.access, self.durability, self.counts, self.topology.suspect
                )
            link = Link(
                server,
                self.topology.access,
                self._scripts,
                self.limits,
                self.counts,
                witness=witness,
                movable=self.topology.moves,
                on_astray=self.topology.suspect,
            )
            self._links[server] = link
        return link

    def _retire_unused(self) -> None:
        """
        Close links to servers that hold data no more; one that still waits for answers stays until the next
        time.
        """
        servers = self.topology.servers
        for server, link in list(self._links.items()):
            if server not in servers and link.idle:
                del self._links[server]
                task = asyncio.create_task(link.close())
                self._retiring.add(task)
                task.add_done_callback(self._retiring.discard)

    async def _check(self, server: Server) -> None:
        try:
            fields = parse_info(
                await self._link(server).command(b"INFO", b"server", b"replication", b"persistence")
            )
        except Cut as error:
            raise Unavailable(str(error)) from error
        version, oldest = fields.get("redis_version", "0"), self.durability.version_min
        if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < oldest:
            wanted = ".".join(map(str, oldest))
            why = f" for durability `{self.durability.level.value}`" if self.durability.waits else ""
            raise Unsupported(
                f"{server} is Redis {version}; Redis {wanted} or later or any Valkey is needed{why}"
            )
        await self._link(server).run("ready", (), b"")
        shortcoming = self.durability.shortcoming(fields)
        if shortcoming is not None:
            raise Unavailable(f"{server}: {shortcoming}")
