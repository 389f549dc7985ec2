"""The fault proxy, before a server that sends everything back twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

import pytest

from tests.chaos.proxy import Direction, Proxy

LIMIT_S = 30.0
NAMED = b"CLIENT SETNAME\r\n$1\r\na\r\n"

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[..., Awaitable[Ends]]


class DoublingServer:
    """A server that sends everything back twice, and keeps what it received."""

    def __init__(self) -> None:
        self.heard = bytearray()
        self.news = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1000):
                self.heard += data
                self.news.set()
                writer.write(data + data)
        await hang_up(writer)


@pytest.fixture
def doubling_server() -> DoublingServer:
    """What stands behind the proxy."""
    return DoublingServer()


@pytest.fixture
async def connect(proxy: Proxy) -> AsyncIterator[Connect]:
    """Connect, perhaps under a name, and return when the connection is through."""
    writers: list[asyncio.StreamWriter] = []

    async def through(name: bytes = b"") -> Ends:
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writers.append(writer)
        if name:
            writer.write(name)
            assert await read(reader, 2 * len(name)) == name + name
        return reader, writer

    yield through
    for writer in writers:
        await hang_up(writer)


@pytest.fixture
async def proxy(doubling_server: DoublingServer) -> AsyncIterator[Proxy]:
    """The proxy before it."""
    server = await asyncio.start_server(doubling_server.serve, "127.0.0.1", 0)
    opened = Proxy(server.sockets[0].getsockname()[1])
    await opened.open()
    yield opened
    await opened.close()
    server.close()


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a connection, which may be broken."""
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def read(reader: asyncio.StreamReader, count: int) -> bytes:
    """Return so many bytes, or what came before the end."""
    async with asyncio.timeout(LIMIT_S):
        try:
            return await reader.readexactly(count)
        except asyncio.IncompleteReadError as error:
            return error.partial
        except ConnectionError:
            return b"cut"


async def test_what_is_held_back_arrives_when_the_link_is_healed(
    proxy: Proxy, connect: Connect, doubling_server: DoublingServer
) -> None:
    reader, writer = await connect(NAMED)
    proxy.link().stall()
    writer.write(b"one")
    waiting = asyncio.create_task(read(reader, 6))
    other, _ = await asyncio.gather(connect(), asyncio.sleep(0.05))
    other[1].write(b"two")
    await asyncio.sleep(0.05)
    assert doubling_server.heard == NAMED
    assert not waiting.done()
    proxy.heal()
    assert await waiting == b"oneone"
    assert await read(other[0], 6) == b"twotwo"


async def test_one_direction_stalls_alone(
    proxy: Proxy, connect: Connect, doubling_server: DoublingServer
) -> None:
    reader, writer = await connect(NAMED)
    proxy.link().stall(Direction.REPLIES)
    doubling_server.news.clear()
    writer.write(b"one")
    async with asyncio.timeout(LIMIT_S):
        await doubling_server.news.wait()
    assert doubling_server.heard == NAMED + b"one"
    waiting = asyncio.create_task(read(reader, 6))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    proxy.heal()
    assert await waiting == b"oneone"


async def test_a_fault_of_one_name_leaves_the_others_alone(proxy: Proxy, connect: Connect) -> None:
    named, other = await connect(NAMED), await connect(NAMED.replace(b"a\r", b"b\r"))
    proxy.link("a").cut()
    assert await read(named[0], 1) in (b"", b"cut")
    other[1].write(b"one")
    assert await read(other[0], 6) == b"oneone"


async def test_downed_link_accepts_no_connection_until_healed(proxy: Proxy, connect: Connect) -> None:
    first = await connect(NAMED)
    proxy.link().down()
    second = await connect()
    for reader, _ in (first, second):
        assert await read(reader, 1) in (b"", b"cut")
    proxy.heal()
    await connect(NAMED)


async def test_a_reply_is_dropped_once_with_its_connection(
    proxy: Proxy, connect: Connect, doubling_server: DoublingServer
) -> None:
    reader, writer = await connect(NAMED)
    proxy.link().drop_replies(after_bytes=4, to=b"one")
    writer.write(b"two")
    assert await read(reader, 6) == b"twotwo"
    writer.write(b"one")
    assert await read(reader, 6) == b"oneo"
    assert doubling_server.heard.endswith(b"one")
    await connect(NAMED)


@pytest.mark.slow
async def test_what_is_delayed_or_throttled_comes_late_and_whole(proxy: Proxy, connect: Connect) -> None:
    loop = asyncio.get_running_loop()
    reader, writer = await connect(NAMED)
    proxy.link().delay(0.1)
    began = loop.time()
    writer.write(b"one")
    assert await read(reader, 6) == b"oneone"
    # Once on the way there, and once on the way back.
    assert loop.time() - began >= 0.2
    proxy.heal()
    proxy.link().throttle(1000)
    began = loop.time()
    writer.write(b"x" * 200)
    assert await read(reader, 400) == b"x" * 400
    assert loop.time() - began >= 0.4
