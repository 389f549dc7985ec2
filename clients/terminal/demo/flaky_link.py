"""A TCP proxy that can be cut, as a phone's network is in a lift: the connection ends without a close."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

_CHUNK_BYTES: Final = 65_536


class FlakyLink:
    """
    Forward bytes between a client and the router, until it is cut.

    Args:
        host: The router's address.
        port: The router's port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_cut = False

    async def open(self) -> int:
        """Listen, and return the loopback port to connect to."""
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def cut(self) -> None:
        """Drop all connections, and accept none."""
        self._is_cut = True
        for task in self._tasks:
            task.cancel()

    def restore(self) -> None:
        """Accept connections again."""
        self._is_cut = False

    async def close(self) -> None:
        """Drop all connections, and stop listening."""
        self.cut()
        if self._server is not None:
            self._server.close()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        writers = [writer]
        try:
            if not self._is_cut:
                router_reader, router_writer = await asyncio.open_connection(self._host, self._port)
                writers.append(router_writer)
                # The first end closes both: a half-closed connection is of no use to a websocket.
                ways = [
                    asyncio.create_task(_copy(reader, router_writer)),
                    asyncio.create_task(_copy(router_reader, writer)),
                ]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            # The router is down: the client sees its connection end, and reconnects.
            pass
        except asyncio.CancelledError:
            # Cut. Not raised, because the server that started this task would log it.
            pass
        finally:
            self._tasks.discard(task)
            for one in writers:
                one.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
