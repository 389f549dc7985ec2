"""
One pipelined connection to one server: what is submitted in one turn of the loop travels as one batch, of
each tenant as much as its share.
"""

import asyncio
import random
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain

from relevo.router.store.client.connection import (
    ConnectOptions,
    ErrorReply,
    Replication,
    Server,
    StoreConnection,
    StoreConnectionError,
    pack,
    parse_replication,
    read_replication,
)
from relevo.router.store.client.durability_waiter import DurabilityWaiter
from relevo.router.store.client.errors import NotSentError, StoreDefectError, StoreUnavailableError
from relevo.router.store.client.fair_queue import FairQueue
from relevo.router.store.client.redirect import parse_redirect
from relevo.router.store.client.stats import Stats
from relevo.router.store.lua.library import Scripts

# With these the server says that it did not run what it was asked.
NOT_RUN = frozenset(
    {"LOADING", "READONLY", "CLUSTERDOWN", "MASTERDOWN", "TRYAGAIN", "OOM", "MISCONF", "NOREPLICAS", "BUSY"}
    | {"NOAUTH", "WRONGPASS", "NOPERM"}
)
# After these the tenant may be at home somewhere else.
ASTRAY = frozenset({"READONLY", "CLUSTERDOWN", "MASTERDOWN"})
# How often one call is sent again because the server had lost the verbs.
LOADS_MAX = 5
# The id of the replication history is read again after this many seconds: it may change under a living
# connection.
REPLICATION_INTERVAL_S = 1.0

_NOT_LOADED = re.compile(r"^ERR Function not found")
_ALREADY_LOADED = re.compile(r"^ERR Library '\w+' already exists")

_INFO = pack((b"INFO", b"replication"))
_ASKING = pack((b"ASKING",))


@dataclass(frozen=True, slots=True)
class PipelineLimits:
    """
    Bound what a pipeline holds and how long it waits.

    Attributes:
        timeout_ms: How long one command, and how long one batch or one connect, may take.
        queue_max: Commands that may wait to be sent, at most half of them for one tenant; one more is refused
            at once.
        batch_max: Commands in one batch.
        share_max: Those of one tenant in it; who comes meanwhile waits until all of it was answered.
        batch_bytes_max: Bytes after which a batch takes no further command.
        backoff_ms: Wait after the first failed connection; doubles up to ``backoff_max_ms``, with jitter.
        backoff_max_ms: The longest such wait.
    """

    timeout_ms: int = 1000
    queue_max: int = 4096
    batch_max: int = 512
    share_max: int = 32
    batch_bytes_max: int = 1 << 20
    backoff_ms: int = 50
    backoff_max_ms: int = 1000


class _Call:
    __slots__ = ("asking", "deadline", "durable", "future", "head", "loads", "request", "verb")

    def __init__(
        self,
        future: asyncio.Future[object],
        head: tuple[bytes, ...],
        verb: str | None,
        request: bytes,
        deadline: float,
        asking: bool,
        durable: bool,
    ) -> None:
        self.future = future
        self.head = head
        self.verb = verb
        self.request = request
        self.deadline = deadline
        self.asking = asking
        self.durable = durable
        self.loads = 0

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Pipeline:
    """
    Run verbs on one server, one batch in flight at a time.

    Nothing is sent twice, except what the server said it did not run for want of the verbs. A batch that
    breaks fails what it left unanswered; the next one travels over a new connection.

    Args:
        server: The server.
        options: How to be let in.
        scripts: The verbs.
        limits: The bounds.
        stats: Where to count what happens.
        durability_waiter: Holds replies until the server's disk or replicas have the write; None for
            durability `memory`.
        movable: Whether an unsent command fails with NotSentError as soon as the server is unreachable, so
            that another server is asked; otherwise it waits for this server until its deadline.
        on_astray: Called when the server is out of reach, or no primary.
    """

    def __init__(
        self,
        server: Server,
        options: ConnectOptions,
        scripts: Scripts,
        limits: PipelineLimits,
        stats: Stats,
        *,
        durability_waiter: DurabilityWaiter | None = None,
        movable: bool = False,
        on_astray: Callable[[Server], None] = lambda server: None,
    ) -> None:
        self.server = server
        self.run_id: str | None = None
        self._options = options
        self._scripts = scripts
        self._limits = limits
        self._stats = stats
        self._durability_waiter = durability_waiter
        self._movable = movable
        self._on_astray = on_astray
        self._timeout_s = limits.timeout_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._waiting: FairQueue[_Call] = FairQueue(limits.queue_max)
        self._sent: Sequence[_Call] = ()
        self._unloaded = True
        self._load_failure: ErrorReply | None = None
        self._returned: list[_Call] = []
        self._work = asyncio.Event()
        self._connection: StoreConnection | None = None
        self._drop_reason: str | None = None
        self._replication_read_at = 0.0
        self._failures = 0
        self._connect_at = 0.0
        self._last_failure = ""
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._closed = False
        self._start()

    @property
    def idle(self) -> bool:
        """Tell whether nothing waits for an answer."""
        return not self._waiting and not self._sent and not self._held

    @property
    def _held(self) -> int:
        return 0 if self._durability_waiter is None else self._durability_waiter.held

    async def run(
        self,
        verb: str,
        keys: tuple[bytes, ...],
        request: bytes,
        *,
        deadline: float | None = None,
        asking: bool = False,
        durable: bool = False,
        urgent: bool = False,
    ) -> bytes:
        """
        Run a verb; it gets the server's run id and ``request`` as its arguments.

        Args:
            verb: Name of the script.
            keys: The keys it declares.
            request: Its second argument.
            deadline: Loop time after which the caller waits no more for the server's answer; by default the
                time-out from now.
            asking: Whether to precede it with ``ASKING``.
            durable: Whether its answer is held until the durability_waiter has it acknowledged.
            urgent: Whether it is the router's own, and does not queue behind what the tenant asks for.

        Returns:
            What the script returned.

        Raises:
            NotSentError: It was not sent, and this server may not be the right one.
            StoreUnavailableError: No answer; it may or may not have been applied.
            StoreDefectError: The script failed, or returned something else than a string.
            RedirectedError: Another server has the keys; it was not applied.
        """
        head = (b"FCALL", self._scripts.function(verb), b"%d" % len(keys), *keys)
        lane = keys[0] if keys and not urgent else b""
        reply = await self._submit(
            lane, head, verb, request, deadline, asking, durable and self._durability_waiter is not None
        )
        if not isinstance(reply, bytes):
            raise StoreDefectError(verb, f"it returned {reply!r:.100}, not a string")
        return reply

    async def command(self, *words: bytes, deadline: float | None = None, asking: bool = False) -> object:
        """Run a plain command and return its reply; otherwise as ``run``."""
        return await self._submit(b"", words, None, b"", deadline, asking)

    async def close(self) -> None:
        """Drop the connection; what waits for an answer fails with StoreUnavailableError."""
        self._closed = True
        self._pump_task.cancel()
        with suppress(asyncio.CancelledError):
            await self._pump_task
        if self._timer is not None:
            self._timer.cancel()
        for call in chain(self._sent, self._waiting):
            call.fail(StoreUnavailableError("the store was closed"))
        self._sent = ()
        self._waiting.clear()
        self._disconnect()
        if self._durability_waiter is not None:
            await self._durability_waiter.close()

    def _submit(
        self,
        lane: bytes,
        head: tuple[bytes, ...],
        verb: str | None,
        request: bytes,
        deadline: float | None,
        asking: bool,
        durable: bool = False,
    ) -> asyncio.Future[object]:
        if self._closed:
            raise StoreUnavailableError("the store was closed")
        if not self._waiting.has_room(lane, self._held):
            self._stats.refused += 1
            raise StoreUnavailableError(
                f"{len(self._waiting) + self._held} commands are waiting for the store already"
            )
        future: asyncio.Future[object] = self._loop.create_future()
        if deadline is None:
            deadline = self._loop.time() + self._timeout_s
        self._waiting.add(lane, _Call(future, head, verb, request, deadline, asking, durable))
        self._work.set()
        if deadline < self._timer_at:
            self._watch(deadline)
        return future

    def _watch(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._expire)
        self._timer_at = deadline

    def _expire(self) -> None:
        """
        Fail what is due; one timer serves all calls, because one for each would cost more than its verb.
        """
        self._timer = None
        self._timer_at = float("inf")
        now = self._loop.time()
        for call in self._sent:
            if call.deadline <= now and not call.future.done():
                self._stats.time_outs += 1
                call.fail(StoreUnavailableError(f"no answer from {self.server} in time"))
        for call in self._waiting:
            if call.deadline <= now and not call.future.done():
                self._stats.time_outs += 1
                why = f" ({self._last_failure})" if self._last_failure else ""
                call.fail(StoreUnavailableError(f"{self.server} was not reached in time{why}"))
        self._waiting.drop(lambda call: call.future.done())
        pending = (call.deadline for call in chain(self._sent, self._waiting) if not call.future.done())
        earliest = min(pending, default=None)
        if earliest is not None:
            self._watch(earliest)

    def _start(self) -> None:
        self._pump_task = self._loop.create_task(self._pump(), name=f"store-pipeline {self.server}")
        self._pump_task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """
        Go on after a defect: its batch has failed as one in doubt, and the connection is not used again.
        """
        if task.cancelled() or self._closed:
            return
        self._loop.call_exception_handler(
            {
                "message": f"store pipeline to {self.server} broke off",
                "exception": task.exception(),
                "task": task,
            }
        )
        self._disconnect()
        self._fail_sent("a defect broke the batch off")
        self._back_off("a defect broke the batch off")
        self._start()

    async def _pump(self) -> None:
        try:
            await self._run()
        finally:
            # Also where nobody closes the pipeline, but the loop ends.
            self._disconnect()

    async def _run(self) -> None:
        while True:
            if not self._waiting:
                self._work.clear()
                await self._work.wait()
            if self._connection is not None and not self._connection.alive:
                # Noticed before anything was sent over it, so nothing is in doubt.
                self._disconnect()
            if self._connection is None:
                await self._connect()
            if self._connection is not None:
                batch = self._take()
                if batch:
                    await self._exchange(self._connection, batch)

    def _take(self) -> list[_Call]:
        batch: list[_Call] = []
        # From here on a batch that breaks off takes these with it.
        self._sent = batch
        size = 0
        for call in self._waiting.take(self._limits.share_max):
            if not call.future.done():
                batch.append(call)
                size += len(call.request)
                if len(batch) == self._limits.batch_max or size >= self._limits.batch_bytes_max:
                    break
        return batch

    async def _connect(self) -> None:
        wait_s = self._connect_at - self._loop.time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        connection = StoreConnection(self.server, self._options, "relevo-verbs")
        try:
            async with asyncio.timeout(self._timeout_s):
                await connection.connect()
                replication = await read_replication(connection)
            if not replication.primary:
                raise StoreConnectionError(f"{self.server} is a replica")
        except (StoreConnectionError, TimeoutError) as error:
            connection.abort()
            self._stats.connects_failed += 1
            self._back_off(str(error) or f"{self.server} does not answer")
        except BaseException:
            connection.abort()
            raise
        else:
            self._stats.connects += 1
            self._connection = connection
            # Before the first verb rather than after its failure: it may be another server than before.
            self._unloaded = True
            self._note_replication(replication)

    def _note_replication(self, replication: Replication) -> None:
        self.run_id = replication.run_id
        self._replication_read_at = self._loop.time()
        if not replication.primary:
            self._drop_reason = f"{self.server} became a replica"

    def _back_off(self, reason: str) -> None:
        self._last_failure = reason
        doubled_ms = self._limits.backoff_ms * 2 ** min(self._failures, 10)
        longest_s = min(doubled_ms, self._limits.backoff_max_ms) / 1000
        self._failures += 1
        self._connect_at = self._loop.time() + longest_s * random.uniform(0.5, 1.0)
        self._on_astray(self.server)
        if self._movable:
            for call in self._waiting:
                call.fail(NotSentError(reason))
            self._waiting.clear()

    def _fail_sent(self, reason: str) -> None:
        for call in self._sent:
            call.fail(StoreUnavailableError(reason))
        self._sent = ()

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    async def _exchange(self, connection: StoreConnection, batch: list[_Call]) -> None:
        """Send one batch and settle its calls; the run id in it is that of this very connection."""
        answered = 0
        held: list[tuple[_Call, object]] = []
        try:
            data, notes = self._compose(batch)
            async with asyncio.timeout(self._timeout_s):
                await connection.send(data)
                for note in notes:
                    note(await connection.receive())
                for call in batch:
                    if call.asking:
                        await connection.receive()
                    reply = await connection.receive()
                    answered += 1
                    if isinstance(reply, ErrorReply):
                        self._refuse(call, reply)
                    elif call.durable:
                        held.append((call, reply))
                    elif not call.future.done():
                        call.future.set_result(reply)
            self._failures = 0
        except (StoreConnectionError, TimeoutError) as error:
            reason = str(error) or f"no answer from {self.server} in time"
            self._stats.cuts += 1
            self._stats.time_outs += sum(
                1 for call in batch[answered:] if isinstance(error, TimeoutError) and not call.future.done()
            )
            self._disconnect()
            self._back_off(reason)
            # What is to be sent again for want of the verbs waits, and is not in doubt.
            self._sent = batch[answered:]
            self._fail_sent(reason)
        self._sent = ()
        if held and self._durability_waiter is not None:
            prefix = held[0][0].head[3]
            self._durability_waiter.hold([(call.future, reply) for call, reply in held], prefix, self.run_id)
        # In their order, before all that came later.
        self._waiting.put_back(self._returned)
        self._returned.clear()
        if self._drop_reason is not None:
            reason, self._drop_reason = self._drop_reason, None
            self._disconnect()
            self._back_off(reason)

    def _compose(self, batch: list[_Call]) -> tuple[bytes, list[Callable[[object], None]]]:
        pieces: list[bytes] = []
        notes: list[Callable[[object], None]] = []
        if self._loop.time() - self._replication_read_at >= REPLICATION_INTERVAL_S:
            pieces.append(_INFO)
            notes.append(lambda reply: self._note_replication(parse_replication(reply)))
        if self._unloaded:
            pieces.append(pack((b"FUNCTION", b"LOAD", self._scripts.source)))
            notes.append(self._note_load)
        run_id = (self.run_id or "").encode()
        verbs = 0
        for call in batch:
            if call.asking:
                pieces.append(_ASKING)
            if call.verb is None:
                pieces.append(pack(call.head))
            else:
                verbs += 1
                pieces.append(pack((*call.head, run_id, call.request)))
        self._stats.batches += 1
        self._stats.verbs += verbs
        self._stats.commands += len(batch) - verbs
        return b"".join(pieces), notes

    def _note_load(self, reply: object) -> None:
        self._unloaded = False
        self._load_failure = None
        if not isinstance(reply, ErrorReply):
            self._stats.libraries_loaded += 1
        elif not _ALREADY_LOADED.search(reply.text):
            self._unloaded, self._load_failure = True, reply

    def _refuse(self, call: _Call, error: ErrorReply) -> None:
        name = call.verb if call.verb is not None else call.head[0].decode()
        if call.verb is not None and _NOT_LOADED.search(error.text):
            # It has not run, so running it now is not a repetition.
            failure = self._load_failure
            if failure is not None and failure.code not in NOT_RUN:
                call.fail(StoreDefectError(name, failure.text))
            elif failure is not None or call.loads == LOADS_MAX:
                why = failure.text if failure is not None else "it loses the verbs as fast as they are loaded"
                call.fail(StoreUnavailableError(f"{self.server}: {why}"))
            elif not call.future.done():
                call.loads += 1
                self._unloaded = True
                self._returned.append(call)
        elif (redirected := parse_redirect(error.text, self.server)) is not None:
            call.fail(redirected)
        elif error.code in NOT_RUN:
            if error.code in ASTRAY:
                self._on_astray(self.server)
            if error.code == "READONLY":
                self._drop_reason = error.text
            call.fail(StoreUnavailableError(error.text))
        else:
            call.fail(StoreDefectError(name, error.text))
