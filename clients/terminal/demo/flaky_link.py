"""A way to the router that can be cut, as a phone's network is in a lift: nobody says goodbye."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

_CHUNK_BYTES: Final = 65_536


class Network:
    """
    Pass bytes on between a client and the router, until it is cut.

    Args:
        host: The router's address.
        port: The router's port.
    """

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None
        self._calls: set[asyncio.Task[None]] = set()
        self._is_cut = False

    async def open(self) -> int:
        """Begin, and return the loopback port to connect to."""
        self._server = await asyncio.start_server(self._pass_on, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def cut(self) -> None:
        """Drop what is connected, and let nobody connect."""
        self._is_cut = True
        for call in self._calls:
            call.cancel()

    def mend(self) -> None:
        """Let connect again."""
        self._is_cut = False

    async def close(self) -> None:
        """End."""
        self.cut()
        if self._server is not None:
            self._server.close()
        await asyncio.gather(*self._calls, return_exceptions=True)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        call = asyncio.current_task()
        assert call is not None
        self._calls.add(call)
        writers = [writer]
        try:
            if not self._is_cut:
                far_reader, far_writer = await asyncio.open_connection(self._host, self._port)
                writers.append(far_writer)
                # The first end ends both: a half-closed connection is of no use to a websocket.
                ways = [
                    asyncio.create_task(_copy(reader, far_writer)),
                    asyncio.create_task(_copy(far_reader, writer)),
                ]
                try:
                    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for way in ways:
                        way.cancel()
                    await asyncio.gather(*ways, return_exceptions=True)
        except OSError:
            # The router is not there: the client sees its connection end, and tries again.
            pass
        except asyncio.CancelledError:
            # Cut. Not passed on, because the server that started this task would log it.
            pass
        finally:
            self._calls.discard(call)
            for one in writers:
                one.transport.abort()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(_CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
