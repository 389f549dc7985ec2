"""
Pipelining and back-pressure: one connection to one server, one batch in flight.

What is submitted in one turn of the loop travels as one batch, which the fair queue fills. What is submitted
while it is in flight is the next batch; it is written as soon as the last reply is read, before the replies
are handled, so that the server and this process work at the same time. A full queue refuses at once.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from operator import attrgetter
from typing import Any, TypeAlias

from relevo.router.store.client.backoff import full_jitter_s
from relevo.router.store.client.call import Call
from relevo.router.store.client.connection import (
    ConnectOptions,
    ErrorReply,
    Replication,
    Server,
    StoreConnection,
    connect_to_primary,
    pack,
    parse_replication,
)
from relevo.router.store.client.durability_waiter import DurabilityWaiter
from relevo.router.store.client.error_replies import (
    ALREADY_LOADED,
    NOT_LOADED,
    NOT_RUN,
    SUSPICIOUS,
    RedirectedError,
    parse_redirect,
)
from relevo.router.store.client.errors import (
    NotSentError,
    StoreConnectionError,
    StoreDefectError,
    StoreUnavailableError,
)
from relevo.router.store.client.fair_queue import FairQueue
from relevo.router.store.client.outages import Outages
from relevo.router.store.client.stats import Stats
from relevo.router.store.keys import prefix

# How often one call is sent again because the server had lost the function library.
LOADS_MAX = 5
# How often the id of the replication history is read again: it may change while a connection lives.
REPLICATION_INTERVAL_S = 1.0

_INFO = pack(b"INFO", b"replication")
_ASKING = pack(b"ASKING")


@dataclass(frozen=True, slots=True)
class PipelineLimits:
    """
    Bound what a pipeline holds and how long it waits.

    Attributes:
        timeout_ms: How long one command, and how long one batch or one connect, may take.
        queue_max: Commands that may wait to be sent, at most half of them of one tenant; one more is refused.
        batch_max: Commands in one batch.
        batch_per_tenant_max: Those of one tenant in it, by their weight.
        batch_bytes_max: Bytes after which a batch takes no further command.
        backoff_ms: Bound of the wait after the first failed connection; doubles up to ``backoff_max_ms``.
        backoff_max_ms: The longest bound.
    """

    timeout_ms: int = 1000
    queue_max: int = 20_000
    batch_max: int = 512
    batch_per_tenant_max: int = 32
    batch_bytes_max: int = 1 << 20
    backoff_ms: int = 50
    backoff_max_ms: int = 1000


# What is expected of each reply of a batch: a call's, one that a function handles, or one to be ignored.
_Expected: TypeAlias = Call | Callable[[object], None] | None


class Pipeline:
    """
    Send calls to one server, one batch in flight at a time.

    Nothing is sent twice, except what the server said it did not run because the function library was not
    loaded. A batch that is cut off fails the calls without a reply as in doubt; the next batch travels over a
    new connection.

    Args:
        server: The server.
        options: How to log in.
        library: The packed ``FUNCTION LOAD``.
        limits: The bounds.
        stats: Counts what happens.
        durability_waiter: Holds replies until the server's disk or replicas have the write; None for
            durability `memory`.
        on_suspect: Called when the server is unreachable, or no primary.
        reroute: Gets a call that this server certainly has not run: it was redirected, or could not be sent.
        fails_over: Whether another server may take this one's place: what is not sent when this one becomes
            unreachable goes to ``reroute``; otherwise it waits for this one until its deadline.
        outages: Takes note when the server is lost and found.
    """

    def __init__(
        self,
        server: Server,
        options: ConnectOptions,
        library: bytes,
        limits: PipelineLimits,
        stats: Stats,
        *,
        durability_waiter: DurabilityWaiter | None,
        on_suspect: Callable[[Server], None],
        reroute: Callable[[Call, NotSentError | RedirectedError], None],
        fails_over: bool,
        outages: Outages,
    ) -> None:
        self.server = server
        self.run_id: str | None = None
        self._options = options
        self._library = library
        self._limits = limits
        self._stats = stats
        self._durability_waiter = durability_waiter
        self._on_suspect = on_suspect
        self._reroute = reroute
        self._fails_over = fails_over
        self._outages = outages
        self._timeout_s = limits.timeout_ms / 1000
        self._loop = asyncio.get_running_loop()
        self._waiting: FairQueue[Call] = FairQueue(limits.queue_max, attrgetter("weight"))
        self._flush_scheduled = False
        # The batch in flight.
        self._sent: list[Call] = []
        self._expected: list[_Expected] = []
        self._replied = 0
        self._batch_deadline = 0.0
        self._held: list[tuple[Call, object]] = []
        self._retries: list[Call] = []
        # The connection.
        self._connection: StoreConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self._packed_run_id = b""
        self._replication_read_at = 0.0
        self._drop_reason: str | None = None
        self._loaded = False
        self._load_failure: ErrorReply | None = None
        self._failures = 0
        self._connect_at = 0.0
        self._last_failure = ""
        # One timer for all deadlines.
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._closed = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing waits for a reply."""
        is_holding = self._durability_waiter is not None and self._durability_waiter.held > 0
        return not self._waiting and not self._sent and not is_holding

    def submit(self, call: Call) -> None:
        """
        Queue a call; its future gets the reply.

        The future fails with StoreUnavailableError (no reply, or the queue is full: it may or may not have
        been applied) or StoreDefectError (the command failed, or a store command returned no string).
        """
        if self._closed:
            call.fail(StoreUnavailableError("the store was closed"))
            return
        waiter = self._durability_waiter
        held = 0 if waiter is None else waiter.held
        if not self._waiting.add(call.flow, call, held):
            self._stats.refused += 1
            waiting = len(self._waiting) + held
            call.fail(StoreUnavailableError(f"{waiting} commands are waiting for the store already"))
            return
        if call.deadline < self._timer_at:
            self._watch(call.deadline)
        if self._connection is None:
            self._connect_soon()
        elif not self._sent and not self._flush_scheduled:
            self._flush_scheduled = True
            self._loop.call_soon(self._flush)

    def execute(self, *words: bytes) -> asyncio.Future[Any]:
        """Submit a plain command that concerns this server alone, and return the future of its reply."""
        call = Call(
            self._loop.create_future(),
            words[0].decode(),
            pack(*words),
            None,
            self._loop.time() + self._timeout_s,
        )
        self.submit(call)
        return call.future

    def take_options(self, options: ConnectOptions) -> None:
        """Log in with these from the next connection on."""
        self._options = options
        if self._durability_waiter is not None:
            self._durability_waiter.take_options(options)

    async def close(self) -> None:
        """Drop the connection; what waits for a reply fails with StoreUnavailableError."""
        self._closed = True
        if self._connecting is not None:
            self._connecting.cancel()
            with suppress(asyncio.CancelledError):
                await self._connecting
        if self._timer is not None:
            self._timer.cancel()
        for call in chain(self._sent, self._waiting):
            call.fail(StoreUnavailableError("the store was closed"))
        self._sent = []
        self._waiting.clear()
        self._disconnect()
        if self._durability_waiter is not None:
            await self._durability_waiter.close()

    # Deadlines --------------------------------------------------------------------------------------------

    def _watch(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(deadline, self._expire)
        self._timer_at = deadline

    def _expire(self) -> None:
        """Fail what is due; one timer serves all calls, as one for each would cost more than the call."""
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
        if self._sent and self._batch_deadline <= now:
            self._stats.time_outs += sum(not call.future.done() for call in self._sent)
            self._cut(f"no answer from {self.server} in time")
        deadlines = [call.deadline for call in chain(self._sent, self._waiting) if not call.future.done()] + (
            [self._batch_deadline] if self._sent else []
        )
        if deadlines and (earliest := min(deadlines)) < self._timer_at:
            self._watch(earliest)

    # Connecting -------------------------------------------------------------------------------------------

    def _connect_soon(self) -> None:
        if self._connecting is None and not self._closed:
            self._connecting = self._loop.create_task(self._connect(), name=f"store-connect {self.server}")

    async def _connect(self) -> None:
        """Connect while something waits to be sent, with a backoff after each failure."""
        try:
            while self._waiting and self._connection is None:
                try:
                    await self._connect_once()
                except Exception as error:
                    self._report(error)
        finally:
            self._connecting = None
        if self._connection is not None:
            self._flush()

    async def _connect_once(self) -> None:
        wait_s = self._connect_at - self._loop.time()
        if wait_s > 0:
            await asyncio.sleep(wait_s)
        try:
            async with asyncio.timeout(self._timeout_s):
                connection, replication = await connect_to_primary(
                    self.server, self._options, "relevo-commands"
                )
        except (StoreConnectionError, TimeoutError) as error:
            self._stats.connects_failed += 1
            self._back_off(str(error) or f"{self.server} does not answer")
            return
        self._stats.connects += 1
        connection.on_replies = self._on_replies
        connection.on_lost = self._on_lost
        self._connection = connection
        # Before the first call rather than after its failure: it may be another server than before.
        self._loaded = False
        self._note_replication(replication)

    def _note_replication(self, replication: Replication) -> None:
        self.run_id = replication.run_id
        run_id = replication.run_id.encode()
        self._packed_run_id = b"$%d\r\n%b\r\n" % (len(run_id), run_id)
        self._replication_read_at = self._loop.time()
        if not replication.primary:
            self._drop_reason = f"{self.server} became a replica"

    def _back_off(self, reason: str) -> None:
        self._last_failure = reason
        self._outages.lost(self.server, "commands", reason)
        first_s, longest_s = self._limits.backoff_ms / 1000, self._limits.backoff_max_ms / 1000
        self._connect_at = self._loop.time() + full_jitter_s(self._failures, first_s, longest_s)
        self._failures += 1
        self._on_suspect(self.server)
        if self._fails_over:
            unsent = list(self._waiting)
            self._waiting.clear()
            for call in unsent:
                if not call.future.done():
                    self._reroute(call, NotSentError(reason))

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            self._connection = None

    def _on_lost(self, reason: str) -> None:
        self._connection = None
        if self._sent:
            self._cut(reason)
        # An idle connection is replaced at the next call: nothing was sent over it, so nothing is in doubt.

    def _cut(self, reason: str) -> None:
        """Give the connection up, and with it the rest of the batch in flight."""
        self._stats.cuts += 1
        self._disconnect()
        unanswered = [call for call in self._expected[self._replied :] if isinstance(call, Call)]
        self._end_batch()
        for call in unanswered:
            call.fail(StoreUnavailableError(reason))
        self._back_off(reason)
        if self._waiting:
            self._connect_soon()

    def _report(self, error: Exception) -> None:
        """Report a defect; its batch fails as in doubt, and the connection is not used again."""
        self._loop.call_exception_handler(
            {"message": f"store pipeline to {self.server} failed", "exception": error}
        )
        self._expected = list(self._sent)
        self._replied = 0
        self._cut("a defect broke the batch off")

    # Batches ----------------------------------------------------------------------------------------------

    def _flush(self) -> None:
        self._flush_scheduled = False
        if self._connection is None:
            # It was lost in this very turn, before anything was sent over it.
            if self._waiting:
                self._connect_soon()
        elif not self._sent:
            self._send()

    def _send(self) -> None:
        """Write the next batch, if anything waits."""
        if self._connection is None or not self._waiting:
            return
        # From here on a defect fails the calls that are in it.
        batch: list[Call] = []
        self._sent = batch
        try:
            self._fill(batch)
            if batch:
                self._connection.write(self._encode(batch))
        except Exception as error:
            self._report(error)

    def _fill(self, batch: list[Call]) -> None:
        size = 0
        limits = self._limits
        for call in self._waiting.take(limits.batch_per_tenant_max):
            if not call.future.done():
                batch.append(call)
                size += len(call.head) + len(call.request or b"")
                if len(batch) == limits.batch_max or size >= limits.batch_bytes_max:
                    break

    def _encode(self, batch: list[Call]) -> bytes:
        now = self._loop.time()
        pieces: list[bytes] = []
        expected: list[_Expected] = []
        self._expected = expected
        self._replied = 0
        self._batch_deadline = now + self._timeout_s
        if self._batch_deadline < self._timer_at:
            self._watch(self._batch_deadline)
        if now - self._replication_read_at >= REPLICATION_INTERVAL_S:
            pieces.append(_INFO)
            expected.append(lambda reply: self._note_replication(parse_replication(reply)))
        if not self._loaded and any(call.request is not None for call in batch):
            pieces.append(self._library)
            expected.append(self._on_load)
        plain = 0
        for call in batch:
            if call.asking:
                pieces.append(_ASKING)
                expected.append(None)
            pieces.append(call.head)
            if call.request is None:
                plain += 1
            else:
                pieces.append(self._packed_run_id)
                pieces.append(b"$%d\r\n%b\r\n" % (len(call.request), call.request))
            expected.append(call)
        self._stats.batches += 1
        self._stats.commands += len(batch) - plain
        self._stats.plain_commands += plain
        return b"".join(pieces)

    def _on_replies(self, replies: list[Any]) -> None:
        try:
            self._take_replies(replies)
        except StoreConnectionError as error:
            self._cut(str(error))
        except Exception as error:
            self._report(error)

    def _take_replies(self, replies: list[Any]) -> None:
        done: list[tuple[asyncio.Future[Any], object]] = []
        first = self._replied
        self._replied += len(replies)
        for expected, reply in zip(self._expected[first : self._replied], replies, strict=True):
            if not isinstance(expected, Call):
                if expected is not None:
                    expected(reply)
            elif type(reply) is bytes or (expected.request is None and type(reply) is not ErrorReply):
                if expected.durable and self._durability_waiter is not None:
                    self._held.append((expected, reply))
                else:
                    done.append((expected.future, reply))
            elif (error := self._error_of(expected, reply)) is not None:
                done.append((expected.future, error))
        if self._replied == len(self._expected):
            if self._failures:
                self._failures = 0
                self._outages.found(self.server, "commands")
            self._end_batch()
            if self._drop_reason is not None:
                reason, self._drop_reason = self._drop_reason, None
                self._disconnect()
                self._back_off(reason)
                if self._waiting:
                    self._connect_soon()
            else:
                self._send()
        for future, outcome in done:
            if future.done():
                continue
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

    def _end_batch(self) -> None:
        """Hold the durable replies, and put what is to be sent again in front of all that came later."""
        self._sent, self._expected, self._replied = [], [], 0
        if self._held and self._durability_waiter is not None:
            held, self._held = self._held, []
            replies = [(call.future, reply) for call, reply in held]
            self._durability_waiter.hold(replies, prefix(held[0][0].tenant).encode(), self.run_id)
        if self._retries:
            self._waiting.put_back(self._retries)
            self._retries = []

    def _on_load(self, reply: object) -> None:
        self._loaded = True
        self._load_failure = None
        if not isinstance(reply, ErrorReply):
            self._stats.libraries_loaded += 1
        elif not ALREADY_LOADED.search(reply.text):
            self._loaded, self._load_failure = False, reply

    def _error_of(self, call: Call, reply: object) -> Exception | None:
        """Return the error for a call, or None if it is sent again or elsewhere."""
        if not isinstance(reply, ErrorReply):
            return StoreDefectError(call.name, f"it returned {reply!r:.100}, not a string")
        if call.request is not None and NOT_LOADED.search(reply.text):
            # It has not run, so running it now is not a repetition.
            failure = self._load_failure
            if failure is not None and failure.code not in NOT_RUN:
                return StoreDefectError(call.name, failure.text)
            if failure is not None or call.loads == LOADS_MAX:
                why = failure.text if failure is not None else "it loses functions as fast as they are loaded"
                return StoreUnavailableError(f"{self.server}: {why}")
            if not call.future.done():
                call.loads += 1
                self._loaded = False
                self._retries.append(call)
            return None
        redirected = parse_redirect(reply.text, self.server)
        if redirected is not None:
            if not call.future.done():
                self._reroute(call, redirected)
            return None
        if reply.code in NOT_RUN:
            if reply.code in SUSPICIOUS:
                self._on_suspect(self.server)
            if reply.code == "READONLY":
                self._drop_reason = reply.text
            return StoreUnavailableError(reply.text)
        return StoreDefectError(call.name, reply.text)
