"""
An echo on the router's own transport, for suites that test an implementation of RFC 6455.

Everything is the router's, but for two rules of its protocol that such suites know nothing of: a subprotocol
must be offered, and each has messages of one kind only.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import uvicorn
from websockets.frames import Frame, Opcode

from relevo.protocol.codec import JSON, MSGPACK, Codec
from relevo.router.transport.frames import Core, build_frame
from relevo.router.transport.handshake import Handshake
from relevo.router.transport.http_guard import http_class
from relevo.router.transport.interface import Endpoint, Socket
from relevo.router.transport.origins import OriginRule
from relevo.router.transport.websocket import WebSocket, websocket_class

MIB = 1024 * 1024
MESSAGE_BYTES_MAX = 64 * MIB
FOR_EVER_MS = 24 * 60 * 60 * 1000


@dataclass(frozen=True)
class EchoSettings:
    """Limits above what such suites send, and no ping that they did not ask for."""

    outbox_soft_bytes: int = 64 * MIB
    outbox_hard_bytes: int = 256 * MIB
    ping_interval_ms: int = FOR_EVER_MS
    ping_timeout_ms: int = FOR_EVER_MS
    connections_per_address_max: int = 1000
    connect_rate: int = 0
    trusted_proxies: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    path_prefix: str = ""


class EchoCore(Core):
    """The router's core, which takes text and binary messages on one connection."""

    __slots__ = ()

    def take(self, frame: Frame) -> bytes | None:
        if frame.opcode is Opcode.TEXT or frame.opcode is Opcode.BINARY:
            self.codec = MSGPACK if frame.opcode is Opcode.BINARY else JSON
            # Whole frames of the kind that came last are taken past the library's parser.
            self._first_byte = 0x80 | frame.opcode
        return super().take(frame)


class TolerantHandshake(Handshake):
    """Accepts as the router does, and what offers no subprotocol, too."""

    def answer(
        self, url: bytes, scope: Mapping[str, Any], refusal: tuple[int, str] | None
    ) -> tuple[bytes, Codec | None]:
        if any(name == b"sec-websocket-protocol" for name, _ in scope["headers"]):
            return super().answer(url, scope, refusal)
        offer = (b"sec-websocket-protocol", JSON.subprotocol.encode())
        response, codec = super().answer(url, {**scope, "headers": [*scope["headers"], offer]}, refusal)
        return response.replace(f"Sec-WebSocket-Protocol: {JSON.subprotocol}\r\n".encode(), b""), codec


class Echo:
    """An endpoint that sends each message back as what it came."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket

    def received(self, data: bytes) -> None:
        core = self._socket._core
        assert core is not None
        self._socket.send_frame(build_frame(core.codec, data))

    def slow(self) -> None:
        self._socket.pause_reading()

    def drained(self) -> None:
        self._socket.resume_reading()

    def lost(self, code: int, by_peer: bool) -> None:
        pass


class AcceptAll:
    """An acceptor that refuses no peer."""

    def locate(self, peer: str | None, forwarded: Sequence[str]) -> str:
        return peer or ""

    def refuse(self, address: str) -> tuple[int, str] | None:
        return None

    def accept(self, socket: Socket) -> Endpoint:
        assert isinstance(socket, WebSocket)  # It looks at the core.
        return Echo(socket)


async def _no_app(scope: object, receive: object, send: object) -> None:
    """Serve nothing but websockets."""


def echo_class(settings: EchoSettings) -> type[WebSocket]:
    """Return the class to give to uvicorn as ``ws=``."""

    class EchoSocket(websocket_class(AcceptAll(), settings)):  # type: ignore[misc]
        __slots__ = ()
        _core_class = EchoCore

    EchoSocket._shared.message_bytes_max = MESSAGE_BYTES_MAX
    EchoSocket._shared.handshake = TolerantHandshake(OriginRule(settings.allowed_origins))

    return EchoSocket


@asynccontextmanager
async def serve_echo(settings: EchoSettings | None = None) -> AsyncIterator[int]:
    """Serve on a free loopback port until the block ends, and yield the port."""
    settings = settings or EchoSettings()
    config = uvicorn.Config(
        _no_app, ws=echo_class(settings), http=http_class(settings), lifespan="off", log_config=None
    )
    config.load()
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield listener.getsockname()[1]
    finally:
        for serving in server.servers:
            serving.close()
        for connection in list(server.server_state.connections):
            if isinstance(connection, WebSocket):
                connection.abort()
        listener.close()
        await asyncio.sleep(0)
