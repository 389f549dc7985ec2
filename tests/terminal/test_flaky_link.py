"""The proxy that stands for a phone's network."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from relevo.clients.terminal.demo.flaky_link import FlakyLink


@asynccontextmanager
async def echo_server() -> AsyncIterator[int]:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    writer.write(b"hello")
    return await reader.read(100)


async def test_cut_link_drops_and_refuses_until_it_is_restored() -> None:
    async with echo_server() as far_port:
        link = FlakyLink("127.0.0.1", far_port)
        port = await link.open()
        call = await asyncio.open_connection("127.0.0.1", port)
        assert await ask(*call) == b"hello"
        link.cut()
        assert await call[0].read() == b""
        other = await asyncio.open_connection("127.0.0.1", port)
        assert await other[0].read() == b""
        link.restore()
        third = await asyncio.open_connection("127.0.0.1", port)
        assert await ask(*third) == b"hello"
        await link.close()
        assert await third[0].read() == b""
        for _, writer in (call, other, third):
            writer.transport.abort()


async def test_link_to_a_closed_port_ends_the_connection() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        link = FlakyLink("127.0.0.1", closed.getsockname()[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", await link.open())
        assert await reader.read() == b""
        writer.transport.abort()
        await link.close()
