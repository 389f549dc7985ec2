"""A websocket server that a test plays by hand: it receives and sends exactly what the test says."""

from __future__ import annotations

import asyncio
import http
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgpack  # type: ignore[import-untyped]
from relevo_client import Backoff, Client, Event, EventStream
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from .wire import Map, error_map, welcome_map

AT_ONCE = Backoff(0.0, 0.0)


class ScriptedConnection:
    """The router's end of one connection."""

    def __init__(self, socket: ServerConnection) -> None:
        self._socket = socket
        self._received: deque[Map] = deque()
        self.binary = socket.subprotocol == "relevo.v1.msgpack"

    async def expect(self, type: str) -> Map:
        """Receive the next message, which must be of this type."""
        while not self._received:
            data = await self._socket.recv()
            assert isinstance(data, bytes) == self.binary, "a frame of the wrong kind"
            decoded = msgpack.unpackb(data) if isinstance(data, bytes) else json.loads(data)
            self._received.extend(decoded if isinstance(decoded, list) else [decoded])
        message = self._received.popleft()
        assert message["type"] == type, message
        return message

    async def push(self, message: Map | list[Any]) -> None:
        """Send a message, or a batch."""
        await self._socket.send(msgpack.packb(message) if self.binary else json.dumps(message))

    async def push_bytes(self, data: bytes | str) -> None:
        """Send a frame as it is."""
        await self._socket.send(data)

    async def reply(self, command: Map, result: Map) -> None:
        """Answer a command."""
        await self.push({"type": "reply", "id": command["id"], "result": result})

    async def refuse(self, command: Map, code: str, *, retryable: bool = False, **details: Any) -> None:
        """Answer a command with an error."""
        error = error_map(code, retryable=retryable, **details)
        await self.push({"type": "reply", "id": command["id"], "error": error})

    async def let_in(self, **welcome: Any) -> Map:
        """Receive the hello and answer it with a welcome."""
        hello = await self.expect("hello")
        await self.push(welcome_map(**welcome) | {"id": hello["id"]})
        return hello

    async def close(self, code: int, reason: str = "") -> None:
        """Close with a code."""
        await self._socket.close(code, reason)

    async def cut(self) -> None:
        """Lose the connection without a word."""
        self._socket.transport.abort()
        await self._socket.wait_closed()

    async def wait_closed(self) -> int | None:
        """Wait for the client to close, and return its code."""
        await self._socket.wait_closed()
        return self._socket.close_code


class ScriptedRouter:
    """A listening port whose connections are handed to the test."""

    def __init__(self) -> None:
        self._connections: asyncio.Queue[ScriptedConnection] = asyncio.Queue()
        self._server: Server | None = None
        self.refusals: list[int] = []

    @property
    def url(self) -> str:
        assert self._server is not None
        return f"ws://127.0.0.1:{next(iter(self._server.sockets)).getsockname()[1]}/ws"

    async def next_connection(self) -> ScriptedConnection:
        """Wait for the client to connect."""
        return await self._connections.get()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[ScriptedRouter]:
        """Listen on a free loopback port."""
        subprotocols = [Subprotocol("relevo.v1.json"), Subprotocol("relevo.v1.msgpack")]
        async with serve(
            self._hand_over,
            "127.0.0.1",
            0,
            subprotocols=subprotocols,
            process_request=self._refuse,
        ) as server:
            self._server = server
            yield self

    async def _hand_over(self, socket: ServerConnection) -> None:
        self._connections.put_nowait(ScriptedConnection(socket))
        await socket.wait_closed()

    def _refuse(self, socket: ServerConnection, request: Request) -> Response | None:
        if self.refusals:
            return socket.respond(http.HTTPStatus(self.refusals.pop(0)), "not now\n")
        return None


async def next_of(stream: EventStream, *kinds: type[Event]) -> Event:
    """Return the next event of these types."""
    async for event in stream:
        if isinstance(event, kinds):
            return event
    raise AssertionError("the client was closed")


def make_client(router: ScriptedRouter, **options: Any) -> Client:
    """Make a client that waits for nothing before it tries again."""
    settings: dict[str, Any] = {"token": "jwt", "reconnect": AT_ONCE, "retry": AT_ONCE, "proxy": None}
    return Client(router.url, **(settings | options))


@asynccontextmanager
async def connected(
    router: ScriptedRouter, welcome: Map | None = None, **options: Any
) -> AsyncIterator[tuple[Client, ScriptedConnection]]:
    """Connect a client and let it in."""
    client = make_client(router, **options)
    starting = asyncio.create_task(client.start())
    connection = await router.next_connection()
    await connection.let_in(**(welcome or {}))
    await starting
    try:
        yield client, connection
    finally:
        await client.close()
