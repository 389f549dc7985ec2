"""A server of the Redis protocol that replies what a test tells it to."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import hiredis

from relevo.router.store.client.connection import Server

Reply = bytes
Handler = Callable[[list[bytes]], Reply | None]

OK = b"+OK\r\n"
RUN_ID = "a" * 40


def bulk(data: bytes) -> Reply:
    """Return a bulk string."""
    return b"$%d\r\n%b\r\n" % (len(data), data)


def error(text: str) -> Reply:
    """Return an error reply."""
    return f"-{text}\r\n".encode()


def info(role: str = "master", run_id: str = RUN_ID, **fields: str) -> Reply:
    """Return a reply to INFO."""
    pairs = {"role": role, "master_replid": run_id, "redis_version": "7.2.0", **fields}
    return bulk("".join(f"{name}:{value}\r\n" for name, value in pairs.items()).encode())


class FakeServer:
    """
    Listen on a loopback port, keep the commands, and reply.

    Attributes:
        commands: What arrived, connection by connection, without what a login sends.
        handlers: The replies by command word; None leaves a command without a reply. Others get `+OK`.
    """

    def __init__(self) -> None:
        self.commands: list[list[bytes]] = []
        self.handlers: dict[bytes, Handler] = {b"INFO": lambda words: info()}
        self.connections: list[asyncio.StreamWriter] = []
        self._arrived = asyncio.Event()
        self.server = Server()

    async def expect(self, word: bytes, count: int = 1) -> list[list[bytes]]:
        """Wait until a command has arrived so often, and return those."""
        async with asyncio.timeout(30):
            while len(found := self.of(word)) < count:
                self._arrived.clear()
                await self._arrived.wait()
        return found

    def of(self, word: bytes) -> list[list[bytes]]:
        """Return the commands of this word."""
        return [words for words in self.commands if words[0] == word]

    def send(self, data: bytes) -> None:
        """Send bytes on the latest connection."""
        self.connections[-1].write(data)

    def hang_up(self) -> None:
        """Close all connections."""
        for writer in self.connections:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Reply to one connection's commands until it is closed."""
        self.connections.append(writer)
        parser: Any = hiredis.Reader()
        try:
            while data := await reader.read(65536):
                parser.feed(data)
                while (words := parser.gets()) is not False:
                    self._take(words, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    def _take(self, words: list[bytes], writer: asyncio.StreamWriter) -> None:
        if words[0] == b"CLIENT":
            writer.write(OK)
            return
        self.commands.append(words)
        handler = self.handlers.get(words[0])
        reply = OK if handler is None else handler(words)
        if reply is not None:
            writer.write(reply)
        self._arrived.set()


@asynccontextmanager
async def fake_server() -> AsyncIterator[FakeServer]:
    """Run a fake server to the end of the block."""
    fake = FakeServer()
    async with await asyncio.start_server(fake.serve, "127.0.0.1", 0) as listening:
        host, port = listening.sockets[0].getsockname()
        fake.server = Server(host, port)
        try:
            yield fake
        finally:
            fake.hang_up()
