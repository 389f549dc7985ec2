"""A real server for websockets with an endpoint that records, and a peer that can send any bytes."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from websockets.frames import Frame, Opcode

from relevo.router.transport.http_guard import http_class
from relevo.router.transport.interface import Endpoint, Socket
from relevo.router.transport.websocket import WebSocket, websocket_class

WAIT_S = 30.0
JSON_NAME = "relevo.v1.json"
MSGPACK_NAME = "relevo.v1.msgpack"


@dataclass(frozen=True)
class SocketSettings:
    """The settings of a websocket, with limits that small tests reach."""

    outbox_soft_bytes: int = 64 * 1024
    outbox_hard_bytes: int = 1024 * 1024
    ping_interval_ms: int = 20_000
    ping_timeout_ms: int = 20_000
    connections_per_address_max: int = 1000
    connect_rate: int = 0
    trusted_proxies: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()
    path_prefix: str = ""


class Recorder:
    """An endpoint that keeps what it hears, in order."""

    def __init__(self, socket: WebSocket, on_message: "Callable[[Recorder, bytes], None] | None") -> None:
        self.socket = socket
        self.events: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
        self.received_count = 0
        self._on_message = on_message

    def received(self, data: bytes) -> None:
        self.received_count += 1
        self.events.put_nowait(("received", data))
        if self._on_message is not None:
            self._on_message(self, data)

    def slow(self) -> None:
        self.events.put_nowait(("slow",))

    def drained(self) -> None:
        self.events.put_nowait(("drained",))

    def lost(self, code: int, by_peer: bool) -> None:
        self.events.put_nowait(("lost", code, by_peer))

    async def expect(self, *event: object) -> None:
        """Wait for the next event and check that it is this one."""
        async with asyncio.timeout(WAIT_S):
            assert await self.events.get() == event


@dataclass
class ScriptedAcceptor:
    """An acceptor that refuses where a test says so."""

    on_message: Callable[[Recorder, bytes], None] | None = None
    refusal: tuple[int, str] | None = None
    endpoints: asyncio.Queue[Recorder] = field(default_factory=asyncio.Queue)

    def locate(self, peer: str | None, forwarded: Sequence[str]) -> str:
        return peer or ""

    def refuse(self, address: str) -> tuple[int, str] | None:
        return self.refusal

    def accept(self, socket: Socket) -> Endpoint:
        assert isinstance(socket, WebSocket)  # Some tests look inside.
        endpoint = Recorder(socket, self.on_message)
        self.endpoints.put_nowait(endpoint)
        return endpoint

    async def next_endpoint(self) -> Recorder:
        """Wait for the endpoint of the next connection."""
        async with asyncio.timeout(WAIT_S):
            return await self.endpoints.get()


@dataclass
class Served:
    """A running server."""

    port: int
    acceptor: ScriptedAcceptor
    server: uvicorn.Server

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def open_count(self) -> int:
        """How many connections uvicorn would wait for."""
        return len(self.server.server_state.connections)


def echo(endpoint: Recorder, data: bytes) -> None:
    """Send a message back."""
    endpoint.socket.send(data)


async def plain_app(scope: Any, receive: Any, send: Any) -> None:
    """Answer any HTTP request with 204."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def serve_websockets(
    *, on_message: Callable[[Recorder, bytes], None] | None = None, **settings: Any
) -> AsyncIterator[Served]:
    """Serve on a free loopback port until the block ends."""
    acceptor = ScriptedAcceptor(on_message)
    limits = SocketSettings(**settings)
    config = uvicorn.Config(
        plain_app,
        ws=websocket_class(acceptor, limits),
        http=http_class(limits),
        lifespan="off",
        log_config=None,
    )
    config.load()
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup(sockets=[listener])
    try:
        yield Served(listener.getsockname()[1], acceptor, server)
    finally:
        for serving in server.servers:
            serving.close()
        for connection in list(server.server_state.connections):
            transport: Any = getattr(connection, "_transport", None) or getattr(connection, "transport", None)
            transport.abort()
        listener.close()


def upgrade_request(port: int, *, start: str = "GET /ws HTTP/1.1", **headers: str | None) -> bytes:
    """
    Write a good handshake, or one that differs from it.

    Args:
        port: The server's.
        start: The request line.
        headers: What to change, with ``_`` for ``-``; None leaves a header out.
    """
    fields: dict[str, str | None] = {
        "host": f"127.0.0.1:{port}",
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
        "sec-websocket-version": "13",
        "sec-websocket-protocol": JSON_NAME,
    }
    fields.update({name.replace("_", "-"): value for name, value in headers.items()})
    lines = [start, *(f"{name}: {value}" for name, value in fields.items() if value is not None)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


class Peer:
    """A client below any library: it sends bytes, and reads frames without answering them."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    def send_frame(self, opcode: int, payload: bytes = b"", *, is_final: bool = True) -> None:
        self.send(masked(opcode, payload, is_final=is_final))

    async def read_response(self) -> tuple[int, str, str]:
        """Read an HTTP response: its status, its head in lower case, and its body."""
        async with asyncio.timeout(WAIT_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = next((line for line in head.split("\r\n") if line.startswith("content-length:")), "0:0")
            body = await self.reader.readexactly(int(length.partition(":")[2]))
        return int(head.split(" ")[1]), head, body.decode()

    async def read_frame(self) -> tuple[int, bytes]:
        """Read one frame from the server: its opcode and payload."""
        async with asyncio.timeout(WAIT_S):
            first, length = await self.reader.readexactly(2)
            assert first & 0xF0 == 0x80, "the server sends final frames without extensions"
            if length == 126:
                (length,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", await self.reader.readexactly(8))
            return first & 0x0F, await self.reader.readexactly(length)

    async def expect_close(self, code: int) -> str:
        """Read frames up to the close, check its code, and return its reason."""
        opcode, payload = await self.read_frame()
        while opcode != Opcode.CLOSE:
            opcode, payload = await self.read_frame()
        assert int.from_bytes(payload[:2]) == code, payload
        return payload[2:].decode()

    async def expect_end(self) -> None:
        """Check that the server ends the connection without another byte."""
        async with asyncio.timeout(WAIT_S):
            assert await self.reader.read() == b""

    def stop_reading(self) -> None:
        self.writer.transport.pause_reading()  # type: ignore[attr-defined]

    def read_again(self) -> None:
        self.writer.transport.resume_reading()  # type: ignore[attr-defined]

    def abort(self) -> None:
        self.writer.transport.abort()


def masked(opcode: int, payload: bytes = b"", *, is_final: bool = True) -> bytes:
    """Return a frame as a client sends it."""
    return Frame(Opcode(opcode), payload, is_final).serialize(mask=True)


@asynccontextmanager
async def raw_peer(port: int) -> AsyncIterator[Peer]:
    """Connect without a handshake."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**24)
    try:
        yield Peer(reader, writer)
    finally:
        writer.transport.abort()


@asynccontextmanager
async def open_peer(served: Served, subprotocol: str = JSON_NAME) -> AsyncIterator[tuple[Peer, Recorder]]:
    """Connect with a good handshake; give both ends."""
    async with raw_peer(served.port) as peer:
        peer.send(upgrade_request(served.port, sec_websocket_protocol=subprotocol))
        status, _, _ = await peer.read_response()
        assert status == 101
        yield peer, await served.acceptor.next_endpoint()


async def turns(count: int = 3) -> None:
    """Let the event loop go round, for what is to happen in its next turn."""
    for _ in range(count):
        await asyncio.sleep(0)


async def fill_until_slow(endpoint: Recorder, payload: bytes) -> int:
    """Send to a peer that does not read until the endpoint hears that it is slow; return how many it took."""
    count = 0
    while endpoint.events.empty():
        endpoint.socket.send(payload)
        count += 1
        await asyncio.sleep(0)
    await endpoint.expect("slow")
    return count
