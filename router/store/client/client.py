"""The router's one way to its store: run a verb of a tenant, wherever that tenant lives."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from relevo.router.store.client.connection import Server, StoreConnectionError, parse_info
from relevo.router.store.client.durability import Durability
from relevo.router.store.client.durability_waiter import DurabilityWaiter
from relevo.router.store.client.errors import (
    NotSentError,
    StoreDefectError,
    StoreUnavailableError,
    UnsupportedStoreError,
)
from relevo.router.store.client.pipeline import Pipeline, PipelineLimits
from relevo.router.store.client.redirect import RedirectedError
from relevo.router.store.client.stats import Stats
from relevo.router.store.client.topology import open_topology
from relevo.router.store.client.url import parse_url
from relevo.router.store.lua.library import FOLDER, Scripts

# How often one command follows a tenant that moves.
REDIRECTS_MAX = 5

_Reply = TypeVar("_Reply")


class StoreClient:
    """
    Run verbs; a pipeline to each server is made when it is first needed.

    Create it inside a running loop.

    Args:
        url: Where the store is (``address.parse_url``).
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
        limits: PipelineLimits | None = None,
        durability: Durability | None = None,
    ) -> None:
        self.limits = limits if limits is not None else PipelineLimits()
        self.durability = durability if durability is not None else Durability()
        self.stats = Stats()
        self.topology = open_topology(parse_url(url), self.limits.timeout_ms / 1000)
        self._scripts = Scripts(scripts)
        self._pipelines: dict[Server, Pipeline] = {}
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
            StoreUnavailableError: A server is unreachable, full, or does not meet the durability level. The
                client may be used all the same, and works as soon as the server does.
            UnsupportedStoreError: One is too old.
            StoreDefectError: One does not let the router look.
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
            StoreUnavailableError: It may or may not have been applied. Raised at the latest after the
                time-out plus that of the durability level.
            StoreDefectError: The script failed.
        """
        keys = self.topology.keys(tenant)
        return self._at_home(
            tenant,
            lambda pipeline, deadline, asking: pipeline.run(
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
            StoreUnavailableError: It may or may not have been published.
        """
        await self._at_home(
            tenant,
            lambda pipeline, deadline, asking: pipeline.command(
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
            StoreUnavailableError: A server that holds data does not answer.
        """
        for server in sorted(self.topology.servers, key=str):
            cursor = b"0"
            while True:
                page = await self._pipeline(server).command(
                    b"SCAN", cursor, b"MATCH", pattern.encode(), b"COUNT", b"%d" % count
                )
                match page:
                    case [bytes() as cursor, [*names]]:
                        yield [name for name in names if isinstance(name, bytes)]
                    case _:
                        raise StoreDefectError("SCAN", f"it answered {page!r:.100}")
                if cursor == b"0":
                    break

    async def time_ms(self) -> int:
        """
        Return the store's time, in milliseconds since the Unix epoch; of several servers one tells it to all.

        Raises:
            StoreUnavailableError: It does not answer.
            StoreDefectError: It answers something else.
        """
        servers = self.topology.servers or frozenset({await self.topology.locate("")})
        reply = await self._pipeline(min(servers, key=str)).command(b"TIME")
        match reply:
            case [bytes(seconds), bytes(microseconds)]:
                return int(seconds) * 1000 + int(microseconds) // 1000
        raise StoreDefectError("TIME", f"it answered {reply!r:.100}")

    def run_id(self, tenant: str) -> str | None:
        """Return the run id of the server on which a tenant lives, or None before the first contact."""
        server = self.topology.known(tenant)
        pipeline = self._pipelines.get(server) if server is not None else None
        return pipeline.run_id if pipeline is not None else None

    async def close(self) -> None:
        """Drop all connections; what waits for an answer fails with StoreUnavailableError."""
        await self.topology.close()
        pipelines = list(self._pipelines.values())
        await asyncio.gather(
            *(pipeline.close() for pipeline in pipelines), *self._retiring, return_exceptions=True
        )

    async def _at_home(
        self, tenant: str, submit: Callable[[Pipeline, float, bool], Awaitable[_Reply]]
    ) -> _Reply:
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
                return await submit(self._pipeline(server), deadline, asking)
            except NotSentError:
                if self._loop.time() >= deadline:
                    raise
                server, asking = self.topology.known(tenant), False
            except RedirectedError as redirected:
                redirects += 1
                self.stats.redirects += 1
                if redirects > REDIRECTS_MAX:
                    raise StoreUnavailableError(
                        f"redirected {redirects} times, at last: {redirected}"
                    ) from None
                if not redirected.asking:
                    self.topology.moved(redirected.slot, redirected.server)
                server, asking = redirected.server, redirected.asking

    async def _locate(self, tenant: str, deadline: float) -> Server:
        try:
            async with asyncio.timeout_at(deadline):
                return await self.topology.locate(tenant)
        except TimeoutError:
            raise StoreUnavailableError("the servers could not be looked up in time") from None

    def _pipeline(self, server: Server) -> Pipeline:
        if self._generation != self.topology.generation:
            self._generation = self.topology.generation
            self._retire_unused()
        pipeline = self._pipelines.get(server)
        if pipeline is None:
            durability_waiter = None
            if self.durability.waits:
                durability_waiter = DurabilityWaiter(
                    server, self.topology.options, self.durability, self.stats, self.topology.suspect
                )
            pipeline = Pipeline(
                server,
                self.topology.options,
                self._scripts,
                self.limits,
                self.stats,
                durability_waiter=durability_waiter,
                movable=self.topology.moves,
                on_astray=self.topology.suspect,
            )
            self._pipelines[server] = pipeline
        return pipeline

    def _retire_unused(self) -> None:
        """
        Close pipelines to servers that no longer hold data; one that waits for replies is kept until the
        next look-up.
        """
        servers = self.topology.servers
        for server, pipeline in list(self._pipelines.items()):
            if server not in servers and pipeline.idle:
                del self._pipelines[server]
                task = asyncio.create_task(pipeline.close())
                self._retiring.add(task)
                task.add_done_callback(self._retiring.discard)

    async def _check(self, server: Server) -> None:
        try:
            fields = parse_info(
                await self._pipeline(server).command(b"INFO", b"server", b"replication", b"persistence")
            )
        except StoreConnectionError as error:
            raise StoreUnavailableError(str(error)) from error
        version, oldest = fields.get("redis_version", "0"), self.durability.version_min
        if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < oldest:
            wanted = ".".join(map(str, oldest))
            why = f" for durability `{self.durability.level.value}`" if self.durability.waits else ""
            raise UnsupportedStoreError(
                f"{server} is Redis {version}; Redis {wanted} or later or any Valkey is needed{why}"
            )
        await self._pipeline(server).run("ready", (), b"")
        shortcoming = self.durability.shortcoming(fields)
        if shortcoming is not None:
            raise StoreUnavailableError(f"{server}: {shortcoming}")
