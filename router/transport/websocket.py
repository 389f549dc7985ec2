"""
Carry messages over websockets: one ``asyncio.Protocol`` around the sans-I/O core of the ``websockets``
library.

uvicorn parses the request and hands over the transport (its ``ws=`` class). From there on a connection is
this object, the core that parses its frames, and an outbox: no task, no queue and no timer of its own,
because there are many and most are idle. The endpoint knows what a message means; this module knows bytes,
limits and close codes.
"""

import asyncio
import random
from collections.abc import Iterable, Iterator
from typing import Any, ClassVar, Final, Protocol, cast

import structlog

from relevo.protocol.bounds import MESSAGE_BYTES_MAX
from relevo.protocol.codec import Codec
from relevo.protocol.errors import CloseCode
from relevo.router.transport.frames import PING_FRAME, Core, Frame, Opcode, build_frame
from relevo.router.transport.handshake import CODECS, Handshake
from relevo.router.transport.interface import Acceptor, Endpoint
from relevo.router.transport.keepalive import Keepalive, Watched, now_ms
from relevo.router.transport.origins import OriginRule, RefusedOrigins
from relevo.router.transport.outbox import BATCH_BYTES_MAX, Outbox, OutboxRules

log = structlog.get_logger(__name__)

__all__ = ["Settings", "WebSocket", "broadcast", "build_frame", "websocket_class"]

CLOSE_WAIT_MS: Final = 5_000
"""Time-out of the peer's answer to a close."""

LINGER_MS: Final = 1_000
"""How long a failed or dropped connection is kept, so that the close can still reach the peer."""

SILENT_MS: Final = 2_000
"""From when on a peer that owes the answer to a ping counts as silent."""

INBOUND_SLICE_BYTES: Final = 4 * 1024
"""Input of one connection parsed per loop iteration: at most 683 of the smallest frames."""

CLOSING_SLICE_MS: Final = 10
"""The time between two such slices from a peer that is being closed."""

FIRST_MESSAGE_FREE_BYTES: Final = 4 * 1024
"""What every connection may have sent of its first message before that is complete."""

FIRST_MESSAGES_BYTES_MAX: Final = 32 * 1024 * 1024
"""What all connections of a node together may have sent beyond that; one more is dropped."""

_NO_FRAMES: Final[Iterator[Frame]] = iter(())


class Settings(Protocol):
    """The settings of this module, as router.config has them."""

    @property
    def outbox_soft_bytes(self) -> int: ...
    @property
    def outbox_hard_bytes(self) -> int: ...
    @property
    def ping_interval_ms(self) -> int: ...
    @property
    def ping_timeout_ms(self) -> int: ...
    @property
    def allowed_origins(self) -> tuple[str, ...]: ...
    @property
    def path_prefix(self) -> str: ...


class _ServerState(Protocol):
    @property
    def connections(self) -> set[Any]: ...


class _HttpConnection(Protocol):
    """What this module knows of uvicorn's connection, from which it takes over the transport."""

    scope: dict[str, Any]
    url: bytes


class _Shared:
    """What all connections of one server share."""

    def __init__(self, acceptor: Acceptor, settings: Settings) -> None:
        self.acceptor = acceptor
        self.handshake = Handshake(
            OriginRule(settings.allowed_origins), settings.path_prefix, self._log_refused_origin
        )
        self._refused_origins = RefusedOrigins()
        self.message_bytes_max = MESSAGE_BYTES_MAX
        self.soft_bytes = settings.outbox_soft_bytes
        self.rules = {
            codec.subprotocol: OutboxRules(codec, build_frame, settings.outbox_hard_bytes)
            for codec in CODECS.values()
        }
        self.keepalive = Keepalive(settings.ping_interval_ms, settings.ping_timeout_ms)
        # Of first messages that are not complete: nothing is known of who sends them.
        self.first_messages_bytes = 0
        self._unflushed: list[WebSocket] = []
        self._loop = asyncio.get_running_loop()  # Kept, since each look for it is a system call (getpid).

    def _log_refused_origin(self, origin: str, host: str) -> None:
        if self._refused_origins.is_due(origin, self._loop.time()):
            # A browser does not tell its page why.
            hint = f"set RELEVO_ALLOWED_ORIGINS={origin} if this page may connect"
            log.warning("origin refused", origin=origin, host=host, hint=hint)

    def flush_soon(self, socket: "WebSocket") -> None:
        """Write what the socket has queued at the end of this turn of the loop; one callback serves all."""
        if not self._unflushed:
            self._loop.call_soon(self._flush_all)
        self._unflushed.append(socket)

    def _flush_all(self) -> None:
        sockets = iter(self._unflushed)
        self._unflushed = []
        try:
            for socket in sockets:
                socket.flush()
        finally:
            # Only an error leaves a rest: one connection's defect does not silence the others.
            for socket in sockets:
                self.flush_soon(socket)


class WebSocket(asyncio.Protocol):
    """
    One websocket, from the handshake that uvicorn hands over to the end.

    uvicorn makes it, from what ``websocket_class`` returned; an endpoint gets it from
    ``Acceptor.accept``, as a `Socket` (interface.py), which says what its methods do.
    """

    __slots__ = (
        "_awaiting_pong",
        "_behind_frame_bytes",
        "_connections",
        "_core",
        "_deadline",
        "_ended",
        "_endpoint",
        "_first_message_bytes",
        "_flush_scheduled",
        "_frames",
        "_in_read",
        "_open",
        "_outbox",
        "_paused",
        "_pinged_at_ms",
        "_reading",
        "_slot",
        "_slow",
        "_transport",
        "_unread",
        "_unsent_bytes",
        "codec",
        "remote",
    )
    _shared: ClassVar[_Shared]
    _core_class: ClassVar[type[Core]] = Core
    codec: Codec
    remote: str
    _outbox: Outbox

    def __init__(self, config: object, server_state: _ServerState, app_state: object) -> None:
        self._connections = server_state.connections
        self._transport: asyncio.Transport | None = None
        self._core: Core | None = None
        self._endpoint: Endpoint | None = None
        self._open = False  # Messages may be sent.
        self._ended = False  # Nothing more is read or written; the transport is on its way out.
        self._deadline: asyncio.TimerHandle | None = None
        # Input: bytes not yet parsed, frames not yet delivered.
        self._unread = b""
        self._frames: Iterator[Frame] = _NO_FRAMES
        # Of the first message, which is not complete; None once it is.
        self._first_message_bytes: int | None = 0
        self._in_read = False
        self._paused = False
        self._reading = True
        # Output.
        self._flush_scheduled = False
        self._slow = False
        # While a frame that does not count is unsent: the bytes written behind it.
        self._behind_frame_bytes: int | None = None
        # Keepalive.
        self._unsent_bytes = 0
        self._slot: set[Watched] | None = None
        self._pinged_at_ms = 0
        self._awaiting_pong = False

    # What an endpoint calls.

    @property
    def buffered_bytes(self) -> int:
        """Bytes sent here that the network has not accepted yet."""
        if self._transport is None or self._core is None:
            return 0
        return self._outbox.size_bytes + self._transport.get_write_buffer_size()

    @property
    def is_silent(self) -> bool:
        """Whether the peer has not answered a ping for SILENT_MS."""
        return self._awaiting_pong and now_ms() - self._pinged_at_ms >= SILENT_MS

    def send(self, payload: bytes) -> None:
        """Send one encoded message, joined with others of the same turn of the loop."""
        if self._open:
            self._outbox.add(payload)
            self._schedule_flush()

    def send_frame(self, frame: bytes) -> None:
        """Send a frame that was built once for many sockets, in its order among what ``send`` is given."""
        transport = self._transport
        if not self._open or transport is None:
            return
        was_slow = self._slow
        if self._outbox.size_bytes:
            if len(frame) <= BATCH_BYTES_MAX:
                self._outbox.add_frame(frame)
                self._schedule_flush()
                return
            # Joined with what is queued, a large frame would be a copy for this socket alone.
            self.flush()
            if self._has_closed():
                return
        # There is nothing to join it with, and most of what a thousand dialogs are sent comes this way.
        transport.write(frame)
        if was_slow:
            self._count(transport, len(frame))
        elif self._slow:
            # It goes as the socket takes it, however large: the hard limit is for what is sent behind it.
            self._behind_frame_bytes = 0

    def close(self, code: int, reason: str = "") -> None:
        """Send what is queued, then a close frame; give the peer ``CLOSE_WAIT_MS`` to answer it."""
        self._close(code, reason, CLOSE_WAIT_MS)

    def abort(self) -> None:
        """Drop the connection at once, with whatever is unsent."""
        if self._transport is not None:
            self._ended = True
            self._transport.abort()

    def pause_reading(self) -> None:
        """Receive no message, not even one that has arrived, until ``resume_reading``; TCP holds the peer."""
        if self._core is not None and not self._core.is_deaf:
            self._paused = True
            self._adjust_reading()

    def resume_reading(self) -> None:
        """Receive messages again, beginning with those held back."""
        if self._paused:
            self._paused = False
            # An answer to a ping may have been waiting behind the pause: its time-out starts again.
            self._pinged_at_ms = now_ms() if self._awaiting_pong else self._pinged_at_ms
            self._read()

    # What uvicorn and the transport call.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._core is None:
            self._open_connection()  # The request, written out again: uvicorn has parsed it.
        elif not self._ended:
            self._unread = self._unread + data if self._unread else data
            self._read()
            if self._first_message_bytes is not None and not self._has_room(len(data)):
                self.abort()

    def eof_received(self) -> None:
        self._hang_up()

    def pause_writing(self) -> None:
        self._slow = True
        if self._endpoint is not None:
            self._endpoint.slow()

    def resume_writing(self) -> None:
        self._slow = False
        self._behind_frame_bytes = None
        # An answer to a ping may have been waiting behind a large frame: its time-out starts again.
        self._pinged_at_ms = now_ms() if self._awaiting_pong else self._pinged_at_ms
        if self._endpoint is not None:
            self._endpoint.drained()

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        if self._deadline is not None:
            self._deadline.cancel()
        if self._slot is not None:
            self._slot.discard(self)
        self._end_first_message()
        core, endpoint = self._core, self._endpoint
        # The endpoint refers to this object too: left as they are, both would wait for the garbage collector.
        self._transport = self._core = self._endpoint = self._deadline = None
        self._open, self._ended, self._unread, self._frames = False, True, b"", _NO_FRAMES
        if core is not None and endpoint is not None:
            code, by_peer = core.close_seen
            core.release()
            endpoint.lost(code, by_peer)

    def shutdown(self) -> None:
        """Close because uvicorn stops; it waits until the connection is gone."""
        self.close(1001, "going away")

    def keep_alive(self, now_ms: int) -> None:
        """Ping the peer, or close it if it has not answered, and ask for the next call."""
        keepalive = self._shared.keepalive
        if self._core is None or not self._open:
            return  # A close has its own deadline.
        self._core.control_frames = 0
        waited_ms = now_ms - self._pinged_at_ms
        if not self._awaiting_pong and waited_ms >= keepalive.interval_ms:
            self._awaiting_pong = True
            self._pinged_at_ms = now_ms
            self._unsent_bytes = self._unsent_of_frame()
            self.send_frame(PING_FRAME)
            due_at_ms = now_ms + min(keepalive.interval_ms, keepalive.timeout_ms)
        elif not self._awaiting_pong:
            due_at_ms = self._pinged_at_ms + keepalive.interval_ms
        elif self._paused:
            due_at_ms = now_ms + keepalive.timeout_ms  # Its answer cannot be read now.
        elif waited_ms < keepalive.timeout_ms:
            due_at_ms = self._pinged_at_ms + keepalive.timeout_ms
        elif (unsent_bytes := self._unsent_of_frame()) < self._unsent_bytes:
            # The ping waits behind a large frame, of which the peer has taken something meanwhile.
            self._unsent_bytes = unsent_bytes
            due_at_ms = now_ms + keepalive.timeout_ms
        else:
            self._close(CloseCode.NO_PONG, CloseCode.NO_PONG.meaning, LINGER_MS)
            self.abort()
            return
        self._slot = keepalive.watch(self, due_at_ms)

    # The handshake.

    def _open_connection(self) -> None:
        transport, shared = self._transport, self._shared
        assert transport is not None
        http = cast(_HttpConnection, transport.get_protocol())
        scope = http.scope
        forwarded = [
            value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"
        ]
        self.remote = shared.acceptor.locate(scope["client"][0] if scope["client"] else None, forwarded)
        refusal = shared.acceptor.refuse(self.remote)
        response, codec = shared.handshake.answer(http.url, scope, refusal)
        transport.write(response)
        if codec is None:
            transport.close()
            return
        self.codec = codec
        self._core = self._core_class(self.codec, shared.message_bytes_max)
        self._outbox = Outbox(shared.rules[self.codec.subprotocol])
        transport.set_write_buffer_limits(high=shared.soft_bytes)
        self._open = True
        self._endpoint = shared.acceptor.accept(self)
        # Not before: uvicorn, when it stops, waits for all in this set, and what was refused never leaves it.
        self._connections.add(self)
        # The first ping comes after a random part of the interval: clients that came back together do not
        # answer together for ever.
        self._pinged_at_ms = now_ms() - int(random.random() * shared.keepalive.interval_ms)
        self._slot = shared.keepalive.watch(self, self._pinged_at_ms + shared.keepalive.interval_ms)

    # Input.

    def _read(self) -> None:
        """Parse what has arrived, a slice in a turn of the loop; deliver it while the endpoint takes it."""
        if self._in_read:
            return  # The endpoint resumed while it was given a message: the loop below goes on.
        self._in_read = True
        has_parsed = False
        try:
            while not self._paused and not self._ended and (core := self._core) is not None:
                frame = next(self._frames, None)
                if frame is not None:
                    self._take(core, frame)
                elif core.eof_sent:
                    self._linger(core)  # A close frame has its own way, with _take().
                elif not self._unread:
                    break
                elif has_parsed:
                    # A flood of tiny frames from one peer must not keep the loop from all others; and once it
                    # was sent away, only its close frame is still of interest.
                    loop = asyncio.get_running_loop()
                    if self._open:
                        loop.call_soon(self._read)
                    else:
                        loop.call_later(CLOSING_SLICE_MS / 1000, self._read)
                    break
                else:
                    has_parsed = True
                    unread = self._unread
                    message = core.take_whole(unread)
                    if message is not None:
                        self._unread = b""
                        self._deliver(message)
                        continue
                    self._unread = unread[INBOUND_SLICE_BYTES:]
                    core.receive_data(unread[:INBOUND_SLICE_BYTES])
                    self._frames = cast(Iterator[Frame], iter(core.events_received()))
                    self._send_core_output(core)
        finally:
            self._in_read = False
        self._adjust_reading()

    def _take(self, core: Core, frame: Frame) -> None:
        if frame.opcode is Opcode.CLOSE:
            self._hang_up()
            return
        if frame.opcode is Opcode.PONG:
            self._awaiting_pong = False
        message = core.take(frame)
        if message is not None:
            self._deliver(message)

    def _deliver(self, message: bytes) -> None:
        if self._first_message_bytes is not None:
            self._end_first_message()
        if self._endpoint is not None:
            self._endpoint.received(message)

    def _has_room(self, size: int) -> bool:
        """Count what has arrived of the first message; return False where there is no room for it."""
        assert self._first_message_bytes is not None
        shared = self._shared
        shared.first_messages_bytes -= max(0, self._first_message_bytes - FIRST_MESSAGE_FREE_BYTES)
        self._first_message_bytes += size
        shared.first_messages_bytes += max(0, self._first_message_bytes - FIRST_MESSAGE_FREE_BYTES)
        return shared.first_messages_bytes <= FIRST_MESSAGES_BYTES_MAX

    def _end_first_message(self) -> None:
        if self._first_message_bytes is not None:
            counted = max(0, self._first_message_bytes - FIRST_MESSAGE_FREE_BYTES)
            self._shared.first_messages_bytes -= counted
            self._first_message_bytes = None

    def _adjust_reading(self) -> None:
        wanted = not self._paused and not self._unread
        if wanted is not self._reading and self._transport is not None:
            self._reading = wanted
            if wanted:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    # Output.

    def _schedule_flush(self) -> None:
        if self._outbox.size_bytes > self._shared.soft_bytes:
            self.flush()  # Before the turn ends, so that the socket says whether the peer keeps up.
        elif not self._flush_scheduled:
            self._flush_scheduled = True
            self._shared.flush_soon(self)

    def flush(self) -> None:
        """Write what is queued, with one call."""
        self._flush_scheduled = False
        transport = self._transport
        if transport is None or self._ended:
            return
        data = self._outbox.take()
        if data:
            transport.write(data)
        if self._slow:
            self._count(transport, len(data))

    def _count(self, transport: asyncio.Transport, size_bytes: int) -> None:
        """Count what was just written to a peer that is slow, and close it above the hard limit."""
        unsent_bytes = transport.get_write_buffer_size()
        if self._behind_frame_bytes is not None:
            self._behind_frame_bytes += size_bytes
            unsent_bytes = min(unsent_bytes, self._behind_frame_bytes)
        if self._open and self._outbox.is_over(unsent_bytes):
            self._close(CloseCode.TOO_SLOW, CloseCode.TOO_SLOW.meaning, LINGER_MS)

    def _has_closed(self) -> bool:
        """Return whether nothing more is sent."""
        return not self._open

    def _unsent_of_frame(self) -> int:
        """Return how many bytes of a frame that does not count, and of what is before it, are unsent."""
        if self._behind_frame_bytes is None or self._transport is None:
            return 0
        return max(0, self._transport.get_write_buffer_size() - self._behind_frame_bytes)

    def _send_core_output(self, core: Core) -> None:
        for data in core.data_to_send():
            if data:  # An empty one marks the end of the stream: see _hang_up() and _linger().
                self._outbox.add_frame(data)
                self._schedule_flush()
        if self._open and not core.is_open:
            self._open = False
            # What is left may depend on an endpoint that has paused, or on a peer that does not read.
            self._set_deadline(CLOSE_WAIT_MS)

    # The end.

    def _close(self, code: int, reason: str, wait_ms: int) -> None:
        core = self._core
        if not self._open or core is None:
            return
        core.close(code, reason)
        self._paused = False  # The peer's answer has to be read.
        self._send_core_output(core)
        self._set_deadline(wait_ms)
        self.flush()
        self._read()

    def _linger(self, core: Core) -> None:
        """
        End our side after a failure (RFC 6455 section 7.1.7), and read on a little without looking.

        A socket that is closed with unread input is reset, and the reset may overtake the close frame.
        """
        transport = self._transport
        if transport is None or self._ended:
            return
        self._send_core_output(core)
        self.flush()
        self._ended = True
        self._unread, self._frames, self._paused = b"", _NO_FRAMES, False
        if transport.can_write_eof():
            transport.write_eof()
        self._set_deadline(LINGER_MS)
        self._adjust_reading()

    def _hang_up(self) -> None:
        """Close the transport after what is queued; the closing handshake is done, or cannot be done."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if self._core is not None:
            self.flush()
        self._ended = True
        self._open = False
        transport.close()
        # A peer that does not read would keep the transport for ever.
        self._set_deadline(LINGER_MS)

    def _set_deadline(self, wait_ms: int) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = asyncio.get_running_loop().call_later(wait_ms / 1000, self.abort)


def broadcast(sockets: Iterable[Any], frame: bytes) -> None:
    """
    Send one frame to many sockets, as `WebSocket.send_frame` does to each.

    Written out, because the calls for each of a thousand dialogs cost a quarter of what the network takes.

    Args:
        sockets: Of this module's class.
        frame: The whole frame.
    """
    for socket in sockets:
        transport = socket._transport
        if transport is None or not socket._open or socket._slow or socket._outbox.size_bytes:
            socket.send_frame(frame)
        else:
            transport.write(frame)
            if socket._slow:
                socket._behind_frame_bytes = 0


def websocket_class(acceptor: Acceptor, settings: Settings) -> type[WebSocket]:
    """
    Return the class to give to one uvicorn server as ``ws=``; called inside a running loop.

    Args:
        acceptor: Decides on each handshake, and makes the endpoints.
        settings: The limits and times, and the origins that may connect.

    Raises:
        ValueError: ``allowed_origins`` holds what is not an origin.
    """

    class ServedWebSocket(WebSocket):
        __slots__ = ()
        _shared = _Shared(acceptor, settings)

    return ServedWebSocket
