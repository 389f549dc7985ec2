"""
Limits of HTTP requests before they are parsed: time-out, head size, body size, pipeline depth.

uvicorn leaves these to a reverse proxy. A router may run without one, and each websocket begins as such a
request.
"""

import asyncio
import logging
import sys
from collections.abc import Sequence
from typing import Any, ClassVar, Final, NoReturn, Protocol, cast

from httptools import HttpParserUpgrade, HttpRequestParser
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from relevo.protocol.bounds import MESSAGE_BYTES_MAX
from relevo.router.transport.address_rate import AddressRate
from relevo.router.transport.client_address import Addresses

REQUEST_TIMEOUT_MS: Final = 10_000
"""How long a request may take to arrive."""

HTTP_CONNECTIONS_MAX: Final = 20_000
"""HTTP connections of a node; a websocket is one until its handshake is done."""

PATH_BYTES_MAX: Final = 8 * 1024
HEAD_BYTES_MAX: Final = 32 * 1024
HEADERS_MAX: Final = 128
REQUEST_BYTES_MAX: Final = HEAD_BYTES_MAX + 8 * MESSAGE_BYTES_MAX
"""A body may come in chunks of a byte, each with a head of its own; the application reads no more."""

PIPELINE_MAX: Final = 16
"""
Requests of one connection that wait while another is answered (HTTP pipelining).

uvicorn stops reading after the first, but has parsed what came with it by then: thousands of requests, for
half a second.
"""

LINGER_MS: Final = 1_000
"""How long a rejected connection is kept, so that the answer can still reach the peer."""

LINGERING_MAX: Final = 16
"""Rejected connections that are kept beside as many as may be open; one more is dropped without an answer."""

_PATH_TOO_LONG: Final = (414, "The path is too long.\n")
_HEAD_TOO_LARGE: Final = (431, "The headers are too large.\n")
_BODY_TOO_LARGE: Final = (413, "The request is too large.\n")
_TOO_SLOW: Final = (408, "The request took too long.\n")
_TOO_MANY: Final = (503, "There are too many connections.\n")
_TOO_MANY_FROM_THERE: Final = (429, "There are too many connections from this address.\n")
_TOO_DEEP: Final = (429, "Too many requests wait on this connection.\n")
_NOT_HTTP: Final = (400, "This is not HTTP.\n")

# A malformed request is answered and not logged: a flood would fill the log.
_LOGGER: Final = logging.getLogger("uvicorn.error.requests")
_LOGGER.setLevel(logging.ERROR)


class Settings(Protocol):
    """The settings of this module, as router.config has them."""

    @property
    def trusted_proxies(self) -> Sequence[str]: ...
    @property
    def connections_per_address_max(self) -> int: ...
    @property
    def connect_rate(self) -> int: ...


class _RequestRejectedError(Exception):
    """Stop the parser; the answer is in ``_refusal``."""


class BoundedHttp(HttpToolsProtocol):
    """uvicorn's connection, with limits; made by uvicorn from what ``http_class`` returned."""

    _open: ClassVar[set["BoundedHttp"]]
    _open_max: ClassVar[int]
    _lingering: ClassVar[set["BoundedHttp"]]
    _addresses: ClassVar[Addresses]
    _connects: ClassVar[AddressRate]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = _LOGGER
        self._ended = False  # Refused, or a websocket by now.
        # The request that the application answers; uvicorn's `cycle` is the latest, which may wait behind it.
        self._answered_cycle: RequestResponseCycle | None = None
        self._refusal = _NOT_HTTP
        self._in_head = self._in_body = False
        self._asks_for_websocket = False
        self._head_bytes = 0
        self._unfinished_bytes = 0  # Fed since the last complete request.
        self._fed = self._unfed = b""
        self._timer: asyncio.TimerHandle | None = None
        self._drop_timer: asyncio.TimerHandle | None = None
        self._address = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # A proxy's connection has no client address: its requests are known only later.
        self._address = self._addresses.of(self.client[0] if self.client else None, ())
        if len(self._open) + len(self._lingering) >= self._open_max + LINGERING_MAX:
            # Even to refuse it politely takes a file.
            self._ended = True
            self.transport.abort()
            return
        if len(self._open) >= self._open_max:
            self._refuse(*_TOO_MANY)
            return
        is_too_fast = self._connects.take(self._address, self.loop.time()) > 0
        if is_too_fast or not self._addresses.has_room(self._address):
            self._refuse(*_TOO_MANY_FROM_THERE)
            return
        self._open.add(self)
        self._addresses.enter(self._address)
        self._await_request()

    def pause_writing(self) -> None:
        """Abort a peer that takes longer to read an answer than it may take to send a request."""
        super().pause_writing()
        self._drop_timer = self.loop.call_later(REQUEST_TIMEOUT_MS / 1000, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._stop_drop_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._release()
        self._lingering.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._ended:
            return
        self._unfinished_bytes += len(data)
        self._unfed = data
        while self._unfed:
            self._fed, self._unfed = self._unfed, b""
            super().data_received(self._fed)
            if self._has_ended():
                return
        if self._in_head and self._unfinished_bytes > HEAD_BYTES_MAX:
            self._refuse(*_HEAD_TOO_LARGE)
        elif self._unfinished_bytes > REQUEST_BYTES_MAX:
            self._refuse(*_BODY_TOO_LARGE)
        elif self._unfinished_bytes and self._timer is None:
            self._await_request()

    def handle_websocket_upgrade(self) -> None:
        cycle = cast(RequestResponseCycle | None, self.cycle)
        if cycle is not None and not cycle.response_complete:
            # An answer that is still to come would come amid the frames.
            self._refuse(*_TOO_DEEP)
            return
        self._release()
        self._ended = True
        super().handle_websocket_upgrade()
        # It refers to this object: with it, both would wait for the garbage collector.
        self.parser = None  # type: ignore[assignment]

    def _unsupported_upgrade_warning(self) -> None:
        """
        Parse the request again as if no upgrade had been asked for (RFC 9110 section 7.8).

        Some clients ask for HTTP/2 with their first request. The parser passes over its body and is of no use
        any more.
        """
        error = sys.exception()
        assert isinstance(error, HttpParserUpgrade)
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        headers = [b"%s: %s\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        head = b"%s %s HTTP/%s\r\n%s\r\n" % (method, self.url, version, b"".join(headers))
        self._unfed = head + self._fed[error.args[0] :]
        self.parser = HttpRequestParser(self)

    def _should_upgrade(self) -> bool:
        return self._asks_for_websocket

    def _ignores_upgrade(self) -> bool:
        return self.parser.should_upgrade() and not self._asks_for_websocket

    def send_400_response(self, msg: str) -> None:
        """Answer where the parser stopped: at a malformed request or at one of the limits."""
        self._refuse(*self._refusal)

    # What the parser finds.

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._head_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        self._head_bytes += len(url)
        if len(self.url) > PATH_BYTES_MAX:
            self._stop(_PATH_TOO_LONG)

    def on_header(self, name: bytes, value: bytes) -> None:
        # After a body in chunks, too: what comes there is kept with the headers.
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value) + 4
        if self._head_bytes > HEAD_BYTES_MAX or len(self.headers) > HEADERS_MAX:
            self._stop(_HEAD_TOO_LARGE)

    def on_headers_complete(self) -> None:
        self._in_head, self._in_body = False, True
        if len(self.pipeline) >= PIPELINE_MAX:
            self._stop(_TOO_DEEP)
        if self.parser.get_method() == b"CONNECT":
            # An upgrade to the parser, whatever its headers (RFC 9110 section 9.3.6): this is no proxy.
            self._stop(_NOT_HTTP)
        self._asks_for_websocket = self.parser.should_upgrade() and super()._should_upgrade()
        if not self._ignores_upgrade():
            super().on_headers_complete()
            if not self.pipeline:
                self._answered_cycle = self.cycle

    def on_response_complete(self) -> None:
        if self.pipeline:
            self._answered_cycle = self.pipeline[-1][0]
        super().on_response_complete()

    def on_message_complete(self) -> None:
        if self._ignores_upgrade():
            return  # It only seems so: see _unsupported_upgrade_warning.
        super().on_message_complete()
        self._in_body = False
        self._unfinished_bytes = 0
        self._stop_timer()

    # Ends.

    def _stop(self, refusal: tuple[int, str]) -> NoReturn:
        self._refusal = refusal
        raise _RequestRejectedError

    def _await_request(self) -> None:
        self._timer = self.loop.call_later(REQUEST_TIMEOUT_MS / 1000, self._time_is_up)

    def _time_is_up(self) -> None:
        if self._unfinished_bytes:
            self._refuse(*_TOO_SLOW)
        else:
            # A browser opens connections in advance; an answer without a question would confuse it.
            self.transport.close()

    def _refuse(self, status: int, text: str) -> None:
        """Answer the incomplete request, unless it or another one has an answer; then hang up."""
        self._release()
        self._ended = True
        self._lingering.add(self)
        # uvicorn, when it stops, need not wait for it.
        self.connections.discard(self)
        cycle = cast(RequestResponseCycle | None, self.cycle)
        if cycle is None or (not cycle.response_started if self._in_body else cycle.response_complete):
            lines = (
                STATUS_LINE[status],
                b"content-type: text/plain; charset=utf-8\r\n",
                b"content-length: %d\r\n" % len(text),
                b"connection: close\r\n\r\n",
                text.encode(),
            )
            self.transport.write(b"".join(lines))
        self.pipeline.clear()
        for one in (cycle, self._answered_cycle):
            if one is not None:
                one.disconnected = True  # So that nothing is written behind the end of our side.
                one.message_event.set()
        # Closed with unread input, the socket would be reset, and the reset might overtake the answer.
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._timer = self.loop.call_later(LINGER_MS / 1000, self.transport.abort)

    def _has_ended(self) -> bool:
        # A call, because the state changes while the parser runs.
        return self._ended

    def _release(self) -> None:
        if self in self._open:
            self._open.discard(self)
            self._addresses.leave(self._address)
        self._stop_timer()
        self._stop_drop_timer()

    def _stop_drop_timer(self) -> None:
        if self._drop_timer is not None:
            self._drop_timer.cancel()
            self._drop_timer = None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def http_class(settings: Settings, connections_max: int | None = None) -> type[BoundedHttp]:
    """
    Return the class to give to one uvicorn server as ``http=``.

    Args:
        settings: The limits.
        connections_max: How many HTTP connections may be open, where files are short; None for
            `HTTP_CONNECTIONS_MAX`.
    """

    class ServedHttp(BoundedHttp):
        _open: ClassVar[set[BoundedHttp]] = set()
        _open_max = HTTP_CONNECTIONS_MAX if connections_max is None else connections_max
        _lingering: ClassVar[set[BoundedHttp]] = set()
        _addresses = Addresses(settings.trusted_proxies, settings.connections_per_address_max)
        _connects = AddressRate(settings.connect_rate)

    return ServedHttp
