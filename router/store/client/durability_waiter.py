"""
Hold what one server answered until its disk or its replicas have it, too.

The wait goes over a connection of its own, behind a small write of its own. A wait covers what its own
connection wrote, and all that the server did before stands before that write in its log. So one wait serves
every batch that was answered meanwhile; the first reply, which a repeated key gets again without a write, is
acknowledged as the first time; and on the verbs' connection nobody waits: leases are renewed and reads
answered, whatever the replicas do.
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
    StoreConnectionError,
    pack,
    read_replication,
)
from relevo.router.store.client.durability import Durability
from relevo.router.store.client.errors import StoreUnavailableError
from relevo.router.store.client.stats import Stats

# The server ends a wait that was in vain by itself; one that says nothing for longer is cut off.
ANSWER_MARGIN_S = 0.25
# Before the next round, where the connection could not be made.
BACKOFF_S = 0.05
BROKEN_OFF = "the acknowledgement was broken off"

HeldReply: TypeAlias = tuple[asyncio.Future[object], object]


@dataclass(frozen=True, slots=True)
class _HeldReplies:
    """Answers of one batch, the prefix of one of its tenants, the run id they came under, and when."""

    answers: Sequence[HeldReply]
    prefix: bytes
    run_id: str | None
    held_at: float


class DurabilityWaiter:
    """
    Acknowledge the answers of one server, one round at a time.

    Args:
        server: The server.
        options: How to be let in.
        durability: What an acknowledgement promises.
        stats: Where to count what is not acknowledged.
        on_unheard: Called when a round failed: the server may be no primary any more.
    """

    def __init__(
        self,
        server: Server,
        options: ConnectOptions,
        durability: Durability,
        stats: Stats,
        on_unheard: Callable[[Server], None],
    ) -> None:
        self.held = 0
        self._server = server
        self._options = options
        self._durability = durability
        self._stats = stats
        self._on_unheard = on_unheard
        self._limit_s = durability.timeout_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._batches: list[_HeldReplies] = []
        self._connection: StoreConnection | None = None
        self._run_id: str | None = None
        self._task: asyncio.Task[None] | None = None

    def hold(self, answers: Sequence[HeldReply], prefix: bytes, run_id: str | None) -> None:
        """
        Resolve the replies of a batch once they are durable, or fail them with StoreUnavailableError.

        Args:
            answers: The callers' futures, each with its answer.
            prefix: Of a tenant that lives on the server.
            run_id: The server's, under which the batch ran.
        """
        self._batches.append(_HeldReplies(answers, prefix, run_id, self._loop.time()))
        self.held += len(answers)
        if self._task is None:
            self._task = self._loop.create_task(self._run(), name=f"store-durability_waiter {self._server}")

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
                failure: str | None = BROKEN_OFF
                try:
                    failure = await self._round(batches)
                finally:
                    self._settle(batches, failure)
        except Exception as error:
            # What it held has failed as in doubt; the next round begins with another connection.
            self._disconnect()
            self._loop.call_exception_handler(
                {"message": f"the durability_waiter of {self._server} broke off", "exception": error}
            )
        finally:
            self._settle(self._batches, BROKEN_OFF)
            self._batches = []
            self._task = None

    async def _round(self, batches: Sequence[_HeldReplies]) -> str | None:
        """Return why these answers are not acknowledged, or None."""
        try:
            missing = await self._ask(batches[-1], batches[0].held_at + self._limit_s)
        except (StoreConnectionError, TimeoutError) as error:
            missing = str(error) or "it did not answer"
            self._disconnect()
            await asyncio.sleep(BACKOFF_S)
        if missing is None:
            return None
        self._on_unheard(self._server)
        return f"not acknowledged in {self._durability.timeout_ms} ms by {self._server}: {missing}"

    async def _ask(self, latest: _HeldReplies, deadline: float) -> str | None:
        async with asyncio.timeout_at(deadline + ANSWER_MARGIN_S):
            connection = await self._connected(latest.run_id)
            left_ms = max(1, int((deadline - self._loop.time()) * 1000))
            # It adds nothing, and is a write all the same: it stands in the append-only file and goes to the
            # replicas.
            write = pack((b"HINCRBY", latest.prefix + b"meta", b"seq", b"0"))
            await connection.send(write + pack(self._durability.wait(left_ms)))
            for reply in (await connection.receive(), await connection.receive()):
                if isinstance(reply, ErrorReply):
                    return reply.text
        return self._durability.missing(reply)

    async def _connected(self, run_id: str | None) -> StoreConnection:
        """Return a connection to the very server that has the run id, as far as there is one."""
        if self._connection is not None and (not self._connection.alive or self._run_id != run_id):
            self._disconnect()
        if self._connection is None:
            connection = StoreConnection(self._server, self._options, "relevo-durability_waiter")
            try:
                await connection.connect()
                replication = await read_replication(connection)
                if not replication.primary:
                    raise StoreConnectionError("it is a replica")
            except BaseException:
                connection.abort()
                raise
            self._connection, self._run_id = connection, replication.run_id
        return self._connection

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    def _settle(self, batches: Sequence[_HeldReplies], failure: str | None) -> None:
        for batch in batches:
            self.held -= len(batch.answers)
            reason = failure
            if reason is None and batch.run_id != self._run_id:
                # Another process listens there now, or the same one after it followed another: it may have
                # lost what it answered.
                reason = f"{self._server} has begun another run since it answered"
            for future, answer in batch.answers:
                if future.done():
                    continue
                if reason is None:
                    future.set_result(answer)
                else:
                    self._stats.unacknowledged += 1
                    future.set_exception(StoreUnavailableError(reason))
