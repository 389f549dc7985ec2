"""
One connection to one store server. The only file that touches redis-py and hiredis.

redis-py connects and logs in. After that the connection is an ``asyncio.Protocol`` of its own on the same
transport: replies arrive as a list for each read of the socket, without a stream, a task or a future between.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

import hiredis
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import RedisError

from relevo.router.store.client.errors import StoreConnectionError

slot_of = cast(Callable[[bytes], int], key_slot)

FEED_BYTES = 2048
"""What the reply parser is given at a time: it moves all that is left in its buffer after every reply."""

# A close with this discards what the kernel has not delivered yet (SO_LINGER on, 0 s): a command that was
# given up does not arrive minutes later, when a network partition heals.
_DISCARD_ON_CLOSE = struct.pack("ii", 1, 0)
_INCOMPLETE = object()


class Server(NamedTuple):
    """Where one server listens: host and port, or the path of a unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """
    How to log in to a server.

    Attributes:
        username: None for the server's default user.
        password: Never part of a text that this object prints.
        database: Number of the database.
        tls: redis-py's ``ssl_*`` options, or None for a connection without TLS.
    """

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    database: int = 0
    tls: Mapping[str, str | bool] | None = field(default=None, repr=False, hash=False)


class ErrorReply:
    """An error that a server replied; ``code`` is its first word."""

    __slots__ = ("code", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.code = text.partition(" ")[0]


@dataclass(frozen=True, slots=True)
class Replication:
    """A server's role, and the id of its replication history (``master_replid``)."""

    primary: bool
    run_id: str


class StoreConnection(asyncio.Protocol):
    """
    One connection, from connect to close; it never reconnects.

    After ``connect`` replies resolve ``ask``, until the owner sets ``on_replies`` and ``on_lost``. Time-outs
    are the owner's.

    Args:
        server: The server.
        options: How to log in.
        name: The connection's name in the server's ``CLIENT LIST``.

    Attributes:
        on_replies: Called with the replies of one read: bytes, int, None, lists of these, or ErrorReply. What
            it raises is a defect of the owner's, which has to handle it.
        on_lost: Called once with the reason when the connection is lost; not after ``abort``.
    """

    def __init__(self, server: Server, options: ConnectOptions, name: str) -> None:
        self.on_replies: Callable[[list[Any]], None] = self._resolve
        self.on_lost: Callable[[str], None] = self._fail
        # Parts of redis-py are without types.
        self._login: Any = _login(server, options, name)
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader(notEnoughData=_INCOMPLETE, replyError=cast(Any, ErrorReply))
        self._asked: deque[asyncio.Future[object]] = deque()

    @property
    def is_open(self) -> bool:
        """Whether the connection is made and, as far as this side knows, not lost."""
        return self._transport is not None

    async def connect(self) -> None:
        """Connect, log in and select the database; raises StoreConnectionError."""
        try:
            await self._login.connect()
        except (RedisError, OSError) as error:
            raise StoreConnectionError(_describe(error)) from error
        reader, writer = self._login._reader, self._login._writer
        if reader is None or writer is None or reader.at_eof():
            raise StoreConnectionError("the server closed the connection")
        self._transport = cast(asyncio.Transport, writer.transport)
        self._transport.set_protocol(self)
        # A write goes to the socket at once, not at the end of the loop's turn: the server works on a batch
        # while the replies of the one before are handled.
        self._transport.set_write_buffer_limits(high=0)

    def write(self, data: bytes) -> None:
        """Write packed commands; after the connection is lost this does nothing."""
        if self._transport is not None:
            self._transport.write(data)

    async def ask(self, *commands: tuple[bytes, ...]) -> list[object]:
        """
        Send commands and return their replies, for as long as that takes.

        Raises:
            StoreConnectionError: The connection is lost.
        """
        if self._transport is None:
            raise StoreConnectionError("the connection is closed")
        loop = asyncio.get_running_loop()
        asked: list[asyncio.Future[object]] = [loop.create_future() for _ in commands]
        self._asked += asked
        self._transport.write(b"".join(pack(*words) for words in commands))
        return [await future for future in asked]

    def abort(self) -> None:
        """Drop the connection at once, and with it what was not delivered yet."""
        self.on_replies = self.on_lost = _ignore
        transport, self._transport = self._transport, None
        if transport is not None and not transport.is_closing():
            plain_socket = transport.get_extra_info("socket")
            if plain_socket is not None:
                # Where the peer closed first there is nothing left to discard.
                with suppress(OSError):
                    plain_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD_ON_CLOSE)
            transport.abort()
        self._login._close()

    # asyncio.Protocol -------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Parse what one read of the socket brought."""
        reader, replies, size = self._reader, [], len(data)
        try:
            for start in range(0, size, FEED_BYTES):
                reader.feed(data, start, min(FEED_BYTES, size - start))
                while (reply := reader.gets()) is not _INCOMPLETE:
                    replies.append(reply)
        except hiredis.ProtocolError as error:
            self._lose(_describe(error))
            return
        if replies:
            self.on_replies(replies)

    def connection_lost(self, exc: Exception | None) -> None:
        """Report the loss, unless this side aborted."""
        self._lose(_describe(exc) if exc is not None else "the server closed the connection")

    def _lose(self, reason: str) -> None:
        on_lost = self.on_lost
        self.abort()
        on_lost(reason)

    def _resolve(self, replies: list[object]) -> None:
        for reply in replies:
            if self._asked and not (future := self._asked.popleft()).done():
                future.set_result(reply)

    def _fail(self, reason: str) -> None:
        while self._asked:
            future = self._asked.popleft()
            if not future.done():
                future.set_exception(StoreConnectionError(reason))


def _login(server: Server, options: ConnectOptions, name: str) -> AbstractConnection:
    arguments: dict[str, Any] = {
        "username": options.username,
        "password": options.password,
        "db": options.database,
        "client_name": name,
        "protocol": 2,
        "decode_responses": False,
        "socket_timeout": None,
        "socket_connect_timeout": None,
        "driver_info": None,
        "maint_notifications_config": None,
        # redis-py's own retries run a command twice when only its reply is lost.
        "retry": Retry(NoBackoff(), 0),
    }
    if server.path:
        return UnixDomainSocketConnection(path=server.path, **arguments)
    if options.tls is None:
        return Connection(host=server.host, port=server.port, **arguments)
    tls: dict[str, Any] = dict(options.tls)
    return SSLConnection(host=server.host, port=server.port, **arguments, **tls)


def pack(*words: bytes) -> bytes:
    """Return a command as the protocol of Redis has it (RESP, an array of bulk strings)."""
    return cast(bytes, hiredis.pack_command(cast(Any, words)))


async def connect_to_primary(
    server: Server, options: ConnectOptions, name: str
) -> tuple[StoreConnection, Replication]:
    """Connect as ``StoreConnection`` does; raises StoreConnectionError if the server is no primary."""
    connection = StoreConnection(server, options, name)
    try:
        await connection.connect()
        [reply] = await connection.ask((b"INFO", b"replication"))
        replication = parse_replication(reply)
        if not replication.primary:
            raise StoreConnectionError(f"{server} is a replica")
    except BaseException:
        connection.abort()
        raise
    return connection, replication


def parse_replication(reply: object) -> Replication:
    """Read the reply to ``INFO replication``; raises StoreConnectionError if it is none."""
    fields = parse_info(reply)
    if "role" not in fields or "master_replid" not in fields:
        raise StoreConnectionError("the server does not say its role")
    return Replication(fields["role"] == "master", fields["master_replid"])


def parse_info(reply: object) -> dict[str, str]:
    """Read the reply to an ``INFO`` command; raises StoreConnectionError if it is none."""
    if isinstance(reply, ErrorReply):
        raise StoreConnectionError(reply.text)
    if not isinstance(reply, bytes):
        raise StoreConnectionError("not a reply to INFO")
    lines = (line.partition(":") for line in reply.decode("utf-8", "replace").splitlines())
    return {name: value.strip() for name, _, value in lines if value}


async def query(server: Server, options: ConnectOptions, *command: bytes, timeout_s: float) -> object:
    """
    Send one command over a connection of its own.

    Args:
        server: The server.
        options: How to log in.
        command: The command, word by word.
        timeout_s: Limit for all of it, in seconds.

    Raises:
        StoreConnectionError: The server cannot be reached, or does not reply in time.
    """
    connection = StoreConnection(server, options, "relevo-lookup")
    try:
        async with asyncio.timeout(timeout_s):
            await connection.connect()
            [reply] = await connection.ask(command)
            return reply
    except TimeoutError:
        raise StoreConnectionError(f"no reply from {server} in time") from None
    finally:
        connection.abort()


def _ignore(_: object) -> None:
    """Do nothing: the connection was aborted."""


def _describe(error: BaseException) -> str:
    return str(error) or type(error).__name__
