"""One websocket connection; the only importer of `websockets`."""

from __future__ import annotations

import ssl as tls
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    InvalidURI,
    ProxyError,
)
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from .codec import Codec, DecodeError, pack
from .errors import HandshakeRefusedError

# Proxies, and routers that are starting or draining, answer with these for a while.
_TEMPORARY_STATUSES = frozenset({408, 425, 429, *range(500, 600)})
_CLOSE_TIMEOUT_S = 2.0


class UnreachableError(Exception):
    """A connection attempt failed, and is retried."""


class ConnectionLostError(Exception):
    """The connection ended with ``close_code``, 1006 if it was lost."""

    def __init__(self, close_code: int, reason: str) -> None:
        super().__init__(f"closed with {close_code} {reason}".rstrip())
        self.close_code = close_code
        self.reason = reason


@dataclass(frozen=True, slots=True)
class ConnectionSettings:
    """
    How to connect.

    Attributes:
        message_bytes_max: The longest message to take from the router, in bytes.
        headers: Additional HTTP headers for the handshake.
        ssl: TLS settings for a ``wss://`` address.
        proxy: An HTTP or SOCKS proxy, None for none, True for what the system says.
    """

    message_bytes_max: int
    headers: Mapping[str, str] = field(default_factory=dict)
    ssl: tls.SSLContext | None = None
    proxy: str | Literal[True] | None = True


class Connection:
    """An open connection that speaks one format."""

    def __init__(self, socket: ClientConnection, codec: Codec) -> None:
        self._socket = socket
        self._codec = codec

    async def receive(self) -> list[object]:
        """
        Wait for a message or a batch.

        Raises:
            ConnectionLostError: The connection ended.
            DecodeError: What came is not of the agreed format.
        """
        try:
            data = await self._socket.recv()
        except ConnectionClosed as closed:
            raise _closed(closed) from closed
        if isinstance(data, str) == self._codec.binary:
            raise DecodeError("a frame of the wrong kind")
        return self._codec.decode(data.encode() if isinstance(data, str) else data)

    async def send(self, messages: Sequence[bytes]) -> None:
        """
        Send encoded messages, in batches.

        Raises:
            ConnectionLostError: The connection ended.
        """
        try:
            for packed in pack(self._codec, messages):
                await self._socket.send(packed, text=not self._codec.binary)
        except ConnectionClosed as closed:
            raise _closed(closed) from closed

    async def close(self, close_code: int, reason: str = "") -> None:
        """Close in good order; without effect on one that is closed."""
        await self._socket.close(close_code, reason)

    def abort(self) -> None:
        """Drop the connection if it is still open."""
        self._socket.transport.abort()


async def open_connection(url: str, codec: Codec, settings: ConnectionSettings) -> Connection:
    """
    Connect to a router.

    Raises:
        UnreachableError: It did not work this time.
        HandshakeRefusedError: It will not work before something changes.
    """
    options: dict[str, Any] = {} if settings.ssl is None else {"ssl": settings.ssl}
    try:
        socket = await connect(
            url,
            subprotocols=[Subprotocol(codec.subprotocol)],
            compression=None,
            max_size=settings.message_bytes_max,
            additional_headers=dict(settings.headers),
            proxy=settings.proxy,
            close_timeout=_CLOSE_TIMEOUT_S,
            **options,
        )
    except InvalidStatus as error:
        status = error.response.status_code
        if status in _TEMPORARY_STATUSES:
            raise UnreachableError(f"{url} answered {status}") from error
        raise HandshakeRefusedError(_why_refused(url, status, settings.headers), status=status) from error
    except (OSError, EOFError, InvalidMessage, ProxyError, ConnectionClosed) as error:
        raise UnreachableError(f"{url}: {error}") from error
    except InvalidHandshake as error:
        raise HandshakeRefusedError(f"{url}: {error}") from error
    if socket.subprotocol != codec.subprotocol:
        await socket.close(1002, "no common subprotocol")
        raise HandshakeRefusedError(f"{url} does not speak {codec.subprotocol}")
    return Connection(socket, codec)


def _why_refused(url: str, status: int, headers: Mapping[str, str]) -> str:
    origin = next((value for name, value in headers.items() if name.lower() == "origin"), None)
    if status == 403 and origin is not None:
        return f"{url} answered 403: set RELEVO_ALLOWED_ORIGINS={origin} for the router, or send no Origin"
    return f"{url} answered {status}"


def check_url(url: str) -> None:
    """
    Refuse what is no websocket address.

    Raises:
        ValueError: It is none.
    """
    try:
        parse_uri(url)
    except InvalidURI as error:
        raise ValueError(str(error)) from error


def _closed(closed: ConnectionClosed) -> ConnectionLostError:
    # Without a close frame of the router it is a lost connection, whatever this side sent.
    return (
        ConnectionLostError(1006, "")
        if closed.rcvd is None
        else ConnectionLostError(closed.rcvd.code, closed.rcvd.reason)
    )
