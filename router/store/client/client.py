"""The store client: run a store command on a tenant's data, wherever that tenant lives."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from relevo.router.store.client.call import Call
from relevo.router.store.client.connection import ConnectOptions, Server, pack, parse_info
from relevo.router.store.client.durability import Durability
from relevo.router.store.client.durability_waiter import DurabilityWaiter
from relevo.router.store.client.error_replies import RedirectedError
from relevo.router.store.client.errors import (
    NotSentError,
    StoreConnectionError,
    StoreDefectError,
    StoreEvictsError,
    StoreUnavailableError,
    UnsupportedStoreError,
)
from relevo.router.store.client.outages import Outages
from relevo.router.store.client.pipeline import Pipeline, PipelineLimits
from relevo.router.store.client.stats import Stats
from relevo.router.store.client.topology import open_topology
from relevo.router.store.client.url import parse_url
from relevo.router.store.lua.library import FOLDER, LIBRARIES, Scripts

# How often one command follows a tenant that moves.
REDIRECTS_MAX = 5
# How many packed heads are kept, of some 200 bytes each: one for each tenant and store command in use.
HEADS_MAX = 4096
NO_EVICTION = "noeviction"
_CHECKED = (b"server", b"replication", b"persistence", b"memory")
# What a server answers when another node was faster to delete a library.
LIBRARY_GONE = "not found"


class StoreClient:
    """
    Run store commands; a pipeline to each server is opened when it is first needed.

    Create it inside a running loop.

    Args:
        url: The store (``url.parse_url``).
        scripts: The folder of the store commands.
        limits: Bounds of time and number.
        durability: What the reply to a durable command promises.

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
        self.outages = Outages()
        self._url = parse_url(url)
        self.topology = open_topology(self._url, self.limits.timeout_ms / 1000)
        self._scripts = Scripts(scripts)
        self.library = self._scripts.name
        self._library = pack(b"FUNCTION", b"LOAD", self._scripts.source)
        self._head = lru_cache(maxsize=HEADS_MAX)(self._pack_head)
        self._pipelines: dict[Server, Pipeline] = {}
        self._generation = self.topology.generation
        self._timeout_s = self.limits.timeout_ms / 1000
        self._loop = asyncio.get_running_loop()
        # Look-ups and closes that nothing else refers to.
        self._tasks: set[asyncio.Task[None]] = set()

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
            UnsupportedStoreError: A server is too old.
            StoreEvictsError: A server removes data when its memory is full.
            StoreDefectError: A server does not let the router look.
        """
        if not self.topology.servers:
            await self.topology.locate("")
        await asyncio.gather(*(self._check(server) for server in self.topology.servers))

    def credentials_of(self, url: str) -> ConnectOptions:
        """
        Return how a URL of this store says to log in.

        Raises:
            ValueError: It is malformed, or names other servers.
        """
        parsed = parse_url(url)
        if (
            replace(parsed, options=self._url.options, sentinel_options=self._url.sentinel_options)
            != self._url
        ):
            raise ValueError("the URL of the store names another store, which needs a restart")
        return parsed.options

    def take_credentials(self, credentials: ConnectOptions) -> None:
        """Log in with these from the next connection on."""
        self.topology.options = credentials
        for pipeline in self._pipelines.values():
            pipeline.take_options(credentials)

    def run(
        self,
        tenant: str,
        command: str,
        request: bytes,
        *,
        durable: bool = False,
        urgent: bool = False,
        weight: int = 1,
    ) -> asyncio.Future[bytes]:
        """
        Submit a store command; it gets the server's run id and the request as its arguments.

        Args:
            tenant: The tenant's id.
            command: Name of the store command.
            request: Its second argument.
            durable: Whether the reply must be as durable as this client promises.
            urgent: Whether it is the router's own and does not queue behind what the tenant sends.
            weight: As how many commands it counts in its tenant's share of a batch.

        Returns:
            The future of what the command returned. It fails with StoreUnavailableError (it may or may not
            have been applied), at the latest after the time-out plus that of the durability level; or with
            StoreDefectError (the command failed, or returned no string).
        """
        future: asyncio.Future[bytes] = self._loop.create_future()
        deadline = self._loop.time() + self._timeout_s
        head = self._head(tenant, command)
        self._submit(Call(future, command, head, request, deadline, tenant, durable, urgent, weight))
        return future

    def publish(self, tenant: str, channel: bytes, payload: bytes) -> asyncio.Future[Any]:
        """
        Publish on a sharded channel of a tenant.

        Args:
            tenant: Whose server publishes.
            channel: Starts with the tenant's prefix.
            payload: What subscribers get.

        Returns:
            A future, which fails with StoreUnavailableError if it may not have been published.
        """
        future = self._loop.create_future()
        deadline = self._loop.time() + self._timeout_s
        packed = pack(b"SPUBLISH", channel, payload)
        self._submit(Call(future, "SPUBLISH", packed, None, deadline, tenant, urgent=True))
        return future

    async def scan(self, pattern: str, count: int) -> AsyncIterator[list[bytes]]:
        """
        Yield the names of all keys that match a pattern, in pieces; some perhaps twice.

        Args:
            pattern: As the store's ``SCAN`` takes it.
            count: About how many names are looked at for one piece.

        Raises:
            StoreUnavailableError: A server that holds data does not reply.
        """
        for server in sorted(self.topology.servers, key=str):
            cursor = b"0"
            while True:
                page = await self._pipeline(server).execute(
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
        Return the store's time, in milliseconds since the Unix epoch; of several servers always the same.

        Raises:
            StoreUnavailableError: The server does not reply.
            StoreDefectError: It replies something else.
        """
        servers = self.topology.servers or frozenset({await self.topology.locate("")})
        reply = await self._pipeline(min(servers, key=str)).execute(b"TIME")
        match reply:
            case [bytes(seconds), bytes(microseconds)]:
                return int(seconds) * 1000 + int(microseconds) // 1000
        raise StoreDefectError("TIME", f"it answered {reply!r:.100}")

    async def read(self, tenant: str, *words: bytes) -> Any:
        """
        Return what a plain command answers on a tenant's server; no function library is needed there.

        Raises:
            StoreUnavailableError: The server does not reply.
            StoreDefectError: The command failed.
        """
        return await self._pipeline(await self.topology.locate(tenant)).execute(*words)

    async def libraries(self) -> dict[Server, list[str]]:
        """
        Return the names of this project's function libraries on each server.

        Raises:
            StoreUnavailableError: A server does not reply, or does not let the router look.
            StoreDefectError: It replies something else.
        """
        found = {}
        for server in self.topology.servers:
            reply = await self._pipeline(server).execute(
                b"FUNCTION", b"LIST", b"LIBRARYNAME", LIBRARIES.encode()
            )
            try:
                found[server] = [
                    dict(zip(words[::2], words[1::2], strict=True))[b"library_name"].decode()
                    for words in reply
                ]
            except (TypeError, KeyError, AttributeError):
                raise StoreDefectError("FUNCTION LIST", f"it answered {reply!r:.100}") from None
        return found

    async def drop_library(self, server: Server, name: str) -> bool:
        """
        Delete a function library from a server and its replicas; return whether it was there.

        Raises:
            StoreUnavailableError: It may still be there.
            StoreDefectError: The server refuses.
        """
        try:
            await self._pipeline(server).execute(b"FUNCTION", b"DELETE", name.encode())
        except StoreDefectError as error:
            if LIBRARY_GONE not in error.text:
                raise
            return False
        return True

    def run_id(self, tenant: str) -> str | None:
        """Return the run id of the server on which a tenant lives, or None before the first contact."""
        server = self.topology.known(tenant)
        pipeline = self._pipelines.get(server) if server is not None else None
        return pipeline.run_id if pipeline is not None else None

    async def close(self) -> None:
        """Drop all connections; what waits for a reply fails with StoreUnavailableError."""
        for task in self._tasks:
            task.cancel()
        await self.topology.close()
        closing = (pipeline.close() for pipeline in list(self._pipelines.values()))
        await asyncio.gather(*closing, *self._tasks, return_exceptions=True)

    def _pack_head(self, tenant: str, command: str) -> bytes:
        """Return a store command packed up to its keys; the run id and the request follow."""
        keys = self.topology.keys(tenant) if tenant else ()
        words = (b"FCALL", self._scripts.function(command), b"%d" % len(keys), *keys)
        packed = (b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
        return b"*%d\r\n" % (len(words) + 2) + b"".join(packed)

    def _submit(self, call: Call) -> None:
        server = self.topology.known(call.tenant)
        if server is None:
            self._spawn(self._submit_when_located(call))
        else:
            self._pipeline(server).submit(call)

    async def _submit_when_located(self, call: Call) -> None:
        try:
            async with asyncio.timeout_at(call.deadline):
                server = await self.topology.locate(call.tenant)
        except TimeoutError:
            call.fail(StoreUnavailableError("the servers could not be looked up in time"))
        except StoreUnavailableError as error:
            call.fail(error)
        except asyncio.CancelledError:
            call.fail(StoreUnavailableError("the store was closed"))
            raise
        else:
            self._pipeline(server).submit(call)

    def _reroute(self, call: Call, error: NotSentError | RedirectedError) -> None:
        """Follow the tenant: the call certainly has not run."""
        if isinstance(error, RedirectedError):
            call.redirects += 1
            self.stats.redirects += 1
            if call.redirects > REDIRECTS_MAX:
                call.fail(StoreUnavailableError(f"redirected {call.redirects} times, at last: {error}"))
                return
            if not error.asking:
                self.topology.moved(error.slot, error.server)
            call.asking = error.asking
            self._pipeline(error.server).submit(call)
        elif not call.tenant or self._loop.time() >= call.deadline:
            call.fail(error)
        else:
            call.asking = False
            self._submit(call)

    def _pipeline(self, server: Server) -> Pipeline:
        if self._generation != self.topology.generation:
            self._generation = self.topology.generation
            self._close_unused()
        pipeline = self._pipelines.get(server)
        if pipeline is None:
            waiter = None
            if self.durability.needs_wait:
                waiter = DurabilityWaiter(
                    server, self.topology.options, self.durability, self.stats, self.topology.suspect
                )
            pipeline = self._pipelines[server] = Pipeline(
                server,
                self.topology.options,
                self._library,
                self.limits,
                self.stats,
                durability_waiter=waiter,
                on_suspect=self.topology.suspect,
                reroute=self._reroute,
                outages=self.outages,
                fails_over=self.topology.moves,
            )
        return pipeline

    def _close_unused(self) -> None:
        """
        Close pipelines to servers that no longer hold data; one that waits for replies is kept until the next
        look-up.
        """
        servers = self.topology.servers
        for server, pipeline in list(self._pipelines.items()):
            if server not in servers and pipeline.is_idle:
                del self._pipelines[server]
                self.outages.forget(server)
                self._spawn(pipeline.close())

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _check(self, server: Server) -> None:
        pipeline = self._pipeline(server)
        try:
            fields = parse_info(await pipeline.execute(b"INFO", *_CHECKED))
        except StoreConnectionError as error:
            raise StoreUnavailableError(str(error)) from error
        version, oldest = fields.get("redis_version", "0"), self.durability.version_min
        if tuple(int(part) for part in version.split(".")[:2] if part.isdigit()) < oldest:
            wanted = ".".join(map(str, oldest))
            why = f" for durability `{self.durability.level.value}`" if self.durability.needs_wait else ""
            raise UnsupportedStoreError(
                f"{server} is Redis {version}; Redis {wanted} or later or any Valkey is needed{why}"
            )
        # Whether or not a limit of its memory is set now: an operator may set one at any time.
        policy = fields.get("maxmemory_policy", NO_EVICTION)
        if policy != NO_EVICTION:
            raise StoreEvictsError(str(server), policy)
        ready = self._loop.create_future()
        deadline = self._loop.time() + self._timeout_s
        pipeline.submit(Call(ready, "ready", self._head("", "ready"), b"", deadline))
        await ready
        obstacle = self.durability.obstacle(fields)
        if obstacle is not None:
            raise StoreUnavailableError(f"{server}: {obstacle}")
