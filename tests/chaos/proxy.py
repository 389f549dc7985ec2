"""A TCP proxy that does to connections what networks do, to all of them or to those of one name."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto

CHUNK_BYTES = 65536
PIECES_PER_S = 20


class Direction(Enum):
    """Where bytes go: from the client to the target, or back."""

    REQUESTS = auto()
    REPLIES = auto()


BOTH = (Direction.REQUESTS, Direction.REPLIES)


class Link:
    """
    The connections through a proxy that give themselves one name, or all of them, and what befalls them.

    A fault holds for the connections there are and for those to come, until `heal`.
    """

    def __init__(self, proxy: Proxy, name: bytes | None) -> None:
        self.name = name
        self.stalled: frozenset[Direction] = frozenset()
        self.is_down = False
        self.delay_s = 0.0
        self.bytes_per_s: int | None = None
        self._reply_bytes_left: int | None = None
        self._drop_reply_to: tuple[bytes, int] | None = None
        self._proxy = proxy

    def cut(self) -> None:
        """Cut the connections there are; new ones may be made."""
        self._proxy.abort(self)

    def down(self) -> None:
        """Cut the connections there are, and each new one as soon as it is known to be one of these."""
        self.is_down = True
        self.cut()

    def stall(self, *directions: Direction) -> None:
        """Hold back what goes in these directions, or in both; every socket stays open, and says nothing."""
        self.stalled = frozenset(directions or BOTH)

    def delay(self, delay_s: float) -> None:
        """Hold each piece back for a while."""
        self.delay_s = delay_s

    def throttle(self, bytes_per_s: int) -> None:
        """Let so many bytes through in a second, in each direction of each connection."""
        self.bytes_per_s = bytes_per_s

    def drop_replies(self, *, after_bytes: int = 0, to: bytes | None = None) -> None:
        """
        End the connection that brings the next reply, once, with what it brings cut off.

        Args:
            after_bytes: How many bytes of replies still arrive.
            to: Count from the next request that holds these bytes; from now on where absent.
        """
        if to is None:
            self._reply_bytes_left = after_bytes
        else:
            self._drop_reply_to = (to, after_bytes)

    def heal(self) -> None:
        """Let everything through again; what was held back arrives."""
        self.stalled, self.is_down, self.delay_s = frozenset(), False, 0.0
        self.bytes_per_s = self._reply_bytes_left = self._drop_reply_to = None
        self._proxy.wake()

    def see_request(self, data: bytes) -> None:
        """Arm what a request sets off."""
        if self._drop_reply_to is not None and self._drop_reply_to[0] in data:
            self._reply_bytes_left, self._drop_reply_to = self._drop_reply_to[1], None

    def see_reply(self, data: bytes) -> tuple[bytes, bool]:
        """Return what of a reply may pass, and whether that is the last of its connection."""
        if self._reply_bytes_left is None:
            return data, False
        data = data[: self._reply_bytes_left]
        self._reply_bytes_left -= len(data)
        if self._reply_bytes_left > 0:
            return data, False
        self._reply_bytes_left = None
        return data, True


class Proxy:
    """
    Forward a loopback port to another one.

    Args:
        target_port: Where to.
        on_reply: Called with the bytes that are about to be passed on to the client.
    """

    def __init__(self, target_port: int, on_reply: Callable[[bytes], None] | None = None) -> None:
        self.port = 0
        self.target_port = target_port
        self._on_reply = on_reply
        self._all = Link(self, None)
        self._links: dict[bytes, Link] = {}
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._woken = asyncio.Event()

    @property
    def url(self) -> str:
        """The address of a store behind it."""
        return f"redis://127.0.0.1:{self.port}"

    def link(self, name: str | None = None) -> Link:
        """Return the connections that call themselves so by CLIENT SETNAME, or all."""
        if name is None:
            return self._all
        return self._links.setdefault(name.encode(), Link(self, name.encode()))

    def heal(self) -> None:
        """Heal every link."""
        for link in (self._all, *self._links.values()):
            link.heal()

    async def open(self) -> None:
        """Begin to listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """End everything."""
        if self._server is not None:
            self._server.close()
        self._all.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def abort(self, link: Link) -> None:
        """Cut the connections of a link."""
        for connection in [one for one in self._connections if link in self._links_of(one)]:
            self._end(connection)

    def wake(self) -> None:
        """Have what waits look again."""
        self._woken.set()
        self._woken = asyncio.Event()

    def _links_of(self, connection: _Connection) -> list[Link]:
        named = self._links.get(connection.name) if connection.name is not None else None
        return [self._all] if named is None else [self._all, named]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Connection(writer)
        self._connections.add(connection)
        if self._all.is_down:
            self._end(connection)
            return
        # A silent link does not even reach the other side.
        task = asyncio.create_task(self._connect(connection, reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _connect(
        self, connection: _Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        await self._passing(connection, Direction.REQUESTS)
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            self._end(connection)
            return
        connection.writers.append(far_writer)
        await asyncio.gather(
            self._forward(connection, reader, far_writer, Direction.REQUESTS),
            self._forward(connection, far_reader, writer, Direction.REPLIES),
        )
        self._connections.discard(connection)

    async def _forward(
        self,
        connection: _Connection,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        direction: Direction,
    ) -> None:
        with suppress(OSError):
            while data := await reader.read(CHUNK_BYTES):
                if direction is Direction.REQUESTS:
                    connection.take_name(data)
                    for link in self._links_of(connection):
                        link.see_request(data)
                if not await self._pass_on(connection, data, writer, direction):
                    break
            await self._passing(connection, direction)
        writer.close()

    async def _pass_on(
        self, connection: _Connection, data: bytes, writer: asyncio.StreamWriter, direction: Direction
    ) -> bool:
        """Pass a chunk on as the links allow, and return whether the connection goes on."""
        while data:
            await self._passing(connection, direction)
            links = self._links_of(connection)
            if any(link.is_down for link in links):
                self._end(connection)
                return False
            await asyncio.sleep(max(link.delay_s for link in links))
            speeds = [link.bytes_per_s for link in links if link.bytes_per_s is not None]
            piece, data = data, b""
            if speeds:
                size = max(1, min(speeds) // PIECES_PER_S)
                piece, data = piece[:size], piece[size:]
                await asyncio.sleep(1 / PIECES_PER_S)
            is_last = False
            if direction is Direction.REPLIES:
                for link in links:
                    piece, ends = link.see_reply(piece)
                    is_last |= ends
                if self._on_reply is not None:
                    self._on_reply(piece)
            writer.write(piece)
            await writer.drain()
            if is_last:
                # Delivered before the cut: what was answered must arrive.
                writer.write_eof()
                return False
        return True

    async def _passing(self, connection: _Connection, direction: Direction) -> None:
        """Wait as long as this direction is stalled."""
        while any(direction in link.stalled for link in self._links_of(connection)):
            await self._woken.wait()

    def _end(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        for writer in connection.writers:
            writer.transport.abort()


class _Connection:
    """One connection and the one onward."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self.name: bytes | None = None
        self.writers = [writer]

    def take_name(self, data: bytes) -> None:
        """Learn how the client calls itself to a store."""
        if b"SETNAME" in data:
            self.name = data.split(b"SETNAME\r\n")[1].split(b"\r\n")[1]
