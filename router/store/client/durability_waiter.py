"""
Durability. With fsync or replica, replies are held until WAITAOF or WAIT on a second connection confirms the
write. One wait covers every reply received before it was sent (group commit).

A wait covers what its own connection wrote, and with that everything that precedes it in the server's log: so
each wait follows a write of its own that changes nothing. This also covers a reply that a repeated
idempotency key gets without a write. The commands' connection never waits: leases are renewed and reads
replied, whatever the replicas do.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from relevo.router.store.client.connection import (
    ConnectOptions,
    ErrorReply,
    Server,
    StoreConnection,
    connect_to_primary,
)
from relevo.router.store.client.durability import Durability
from relevo.router.store.client.errors import StoreConnectionError, StoreUnavailableError
from relevo.router.store.client.stats import Stats

# The server ends an unsuccessful wait by itself; a server that is silent for longer is disconnected.
REPLY_MARGIN_S = 0.25
# Before the next round, after the connection could not be made.
BACKOFF_S = 0.05
INTERRUPTED = "the wait for durability was interrupted"

HeldReply: TypeAlias = tuple[asyncio.Future[object], object]


@dataclass(frozen=True, slots=True)
class _Held:
    """Replies of one batch, the key prefix of one of its tenants, the run id they came under, and when."""

    replies: Sequence[HeldReply]
    prefix: bytes
    run_id: str | None
    held_at: float


class DurabilityWaiter:
    """
    Hold the replies of one server until they are durable, one wait at a time.

    Args:
        server: The server.
        options: How to log in.
        durability: The level to wait for.
        stats: Counts the replies that were not confirmed.
        on_unconfirmed: Called when a wait failed: the server may no longer be a primary.

    Attributes:
        held: How many replies are held.
    """

    def __init__(
        self,
        server: Server,
        options: ConnectOptions,
        durability: Durability,
        stats: Stats,
        on_unconfirmed: Callable[[Server], None],
    ) -> None:
        self.held = 0
        self._server = server
        self._options = options
        self._durability = durability
        self._stats = stats
        self._on_unconfirmed = on_unconfirmed
        self._limit_s = durability.timeout_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._batches: list[_Held] = []
        self._connection: StoreConnection | None = None
        self._run_id: str | None = None
        self._task: asyncio.Task[None] | None = None

    def hold(self, replies: Sequence[HeldReply], prefix: bytes, run_id: str | None) -> None:
        """
        Resolve the replies of a batch once they are durable, or fail them with StoreUnavailableError.

        Args:
            replies: The callers' futures, each with its reply.
            prefix: Key prefix of a tenant that lives on the server.
            run_id: The server's, under which the batch ran.
        """
        self._batches.append(_Held(replies, prefix, run_id, self._loop.time()))
        self.held += len(replies)
        if self._task is None:
            self._task = self._loop.create_task(self._run(), name=f"store-durability {self._server}")

    def take_options(self, options: ConnectOptions) -> None:
        """Log in with these from the next connection on."""
        self._options = options

    async def close(self) -> None:
        """Drop the connection; what is held fails with StoreUnavailableError."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._disconnect()

    async def _run(self) -> None:
        try:
            while self._batches:
                batches, self._batches = self._batches, []
                failure: str | None = INTERRUPTED
                try:
                    failure = await self._round(batches)
                finally:
                    self._release(batches, failure)
        except Exception as error:
            # What was held has failed as in doubt; the next round begins with another connection.
            self._disconnect()
            self._loop.call_exception_handler(
                {"message": f"durability wait of {self._server} failed", "exception": error}
            )
        finally:
            self._release(self._batches, INTERRUPTED)
            self._batches = []
            self._task = None

    async def _round(self, batches: Sequence[_Held]) -> str | None:
        """Wait once for all of these; return why they are not confirmed, or None."""
        try:
            shortfall = await self._wait(batches[-1], batches[0].held_at + self._limit_s)
        except (StoreConnectionError, TimeoutError) as error:
            shortfall = str(error) or "it did not reply"
            self._disconnect()
            await asyncio.sleep(BACKOFF_S)
        if shortfall is None:
            return None
        self._on_unconfirmed(self._server)
        return f"not acknowledged in {self._durability.timeout_ms} ms by {self._server}: {shortfall}"

    async def _wait(self, latest: _Held, deadline: float) -> str | None:
        async with asyncio.timeout_at(deadline + REPLY_MARGIN_S):
            connection = await self._connected(latest.run_id)
            left_ms = max(1, int((deadline - self._loop.time()) * 1000))
            # It adds 0 and is a write all the same: it goes to the append-only file and to the replicas.
            write = (b"HINCRBY", latest.prefix + b"tenant", b"w", b"0")
            replies = await connection.ask(write, self._durability.wait_command(left_ms))
        for reply in replies:
            if isinstance(reply, ErrorReply):
                return reply.text
        return self._durability.shortfall(replies[-1])

    async def _connected(self, run_id: str | None) -> StoreConnection:
        """Return a connection to the very server that has the run id, as far as there is one."""
        if self._connection is not None and (not self._connection.is_open or self._run_id != run_id):
            self._disconnect()
        if self._connection is None:
            self._connection, replication = await connect_to_primary(
                self._server, self._options, "relevo-durability"
            )
            self._run_id = replication.run_id
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    def _release(self, batches: Sequence[_Held], failure: str | None) -> None:
        for batch in batches:
            self.held -= len(batch.replies)
            reason = failure
            if reason is None and batch.run_id != self._run_id:
                # Another process listens there now, or the same one after it followed another primary: it may
                # have lost what it replied.
                reason = f"{self._server} has begun another run since it answered"
            for future, reply in batch.replies:
                if future.done():
                    continue
                if reason is None:
                    future.set_result(reply)
                else:
                    self._stats.unacknowledged += 1
                    future.set_exception(StoreUnavailableError(reason))
