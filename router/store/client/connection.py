"""One connection to one store server, typed: the only file that touches redis-py's loosely typed objects."""

import asyncio
import socket
import struct
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, cast

import hiredis
from redis.asyncio.connection import AbstractConnection, Connection, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.crc import key_slot
from redis.exceptions import RedisError

pack = cast(Callable[[tuple[bytes, ...]], bytes], hiredis.pack_command)
slot_of = cast(Callable[[bytes], int], key_slot)

# Closing with this discards what the kernel has not delivered yet, so that a command that was given up does
# not arrive minutes later, when a cut heals.
_DISCARD_ON_CLOSE = struct.pack("ii", 1, 0)

READ_BYTES_MAX = 64 * 1024
_INCOMPLETE = object()


@dataclass(frozen=True, slots=True)
class Server:
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


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """An error reply; ``code`` is its first word."""

    code: str
    text: str


class StoreConnectionError(Exception):
    """The connection could not be made, or broke; the message says how."""


class StoreConnection:
    """
    Hold one connection from its making to its end; it never connects again.

    Time limits are the caller's business (``asyncio.timeout``): a limit per read would cost a timer per
    reply. A method that raises leaves the connection unusable, and the caller calls ``abort``.
    """

    def __init__(self, server: Server, options: ConnectOptions, name: str) -> None:
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
            # redis-py's own retries apply a script twice when only its reply was lost.
            "retry": Retry(NoBackoff(), 0),
        }
        tls: dict[str, Any] = dict(options.tls or {})
        if server.path:
            connection: AbstractConnection = UnixDomainSocketConnection(path=server.path, **arguments)
        elif options.tls is None:
            connection = Connection(host=server.host, port=server.port, **arguments)
        else:
            connection = SSLConnection(host=server.host, port=server.port, **arguments, **tls)
        # Parts of redis-py are without types.
        self._connection: Any = connection
        # redis-py reads one reply through five functions, which costs more than the verb's request.
        self._replies: Any = hiredis.Reader(notEnoughData=_INCOMPLETE)

    @property
    def alive(self) -> bool:
        """Tell whether the other side has not closed yet, as far as this one has heard."""
        reader: asyncio.StreamReader | None = self._connection._reader
        return reader is not None and not reader.at_eof()

    async def connect(self) -> None:
        """Connect, log in and choose the database; raises StoreConnectionError."""
        try:
            await self._connection.connect()
        except (RedisError, OSError) as error:
            raise StoreConnectionError(_describe(error)) from error

    async def send(self, data: bytes) -> None:
        """Write packed commands and wait until the transport took them; raises StoreConnectionError."""
        writer: asyncio.StreamWriter | None = self._connection._writer
        if writer is None:
            raise StoreConnectionError("the connection is closed")
        try:
            writer.write(data)
            await writer.drain()
        except OSError as error:
            raise StoreConnectionError(_describe(error)) from error

    def post(self, data: bytes) -> None:
        """Write packed commands without waiting, beside a task that reads."""
        writer: asyncio.StreamWriter | None = self._connection._writer
        if writer is not None:
            writer.write(data)

    async def receive(self) -> object:
        """
        Read the next reply, for as long as that takes.

        Returns:
            bytes, int, None, a list of these, or a ErrorReply.

        Raises:
            StoreConnectionError: The connection broke.
        """
        reader: asyncio.StreamReader | None = self._connection._reader
        try:
            while (reply := self._replies.gets()) is _INCOMPLETE:
                data = await reader.read(READ_BYTES_MAX) if reader is not None else b""
                if not data:
                    raise StoreConnectionError("the server closed the connection")
                self._replies.feed(data)
        except (hiredis.ProtocolError, OSError) as error:
            raise StoreConnectionError(_describe(error)) from error
        if isinstance(reply, hiredis.ReplyError):
            text = str(reply)
            return ErrorReply(text.partition(" ")[0], text)
        answer: object = reply
        return answer

    async def ask(self, *command: bytes) -> object:
        """Send one command and return its reply; raises StoreConnectionError."""
        await self.send(pack(command))
        return await self.receive()

    def abort(self) -> None:
        """Drop the connection at once, with what was not delivered yet."""
        writer: asyncio.StreamWriter | None = self._connection._writer
        if writer is None:
            return
        plain_socket = writer.transport.get_extra_info("socket")
        if plain_socket is not None and not writer.transport.is_closing():
            # Where the peer was faster there is nothing left to discard.
            with suppress(OSError):
                plain_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _DISCARD_ON_CLOSE)
        writer.transport.abort()
        self._connection._close()


@dataclass(frozen=True, slots=True)
class Replication:
    """What a server says about its place in replication."""

    primary: bool
    run_id: str


async def read_replication(connection: StoreConnection) -> Replication:
    """Ask a server for its role and the id of its replication history; raises StoreConnectionError."""
    return parse_replication(await connection.ask(b"INFO", b"replication"))


def parse_replication(reply: object) -> Replication:
    """Read the reply of ``INFO replication``; raises StoreConnectionError if it is none."""
    fields = parse_info(reply)
    if "role" not in fields or "master_replid" not in fields:
        raise StoreConnectionError("the server does not say its role")
    return Replication(fields["role"] == "master", fields["master_replid"])


def parse_info(reply: object) -> dict[str, str]:
    """Read the reply of an ``INFO`` command; raises StoreConnectionError if it is none."""
    if isinstance(reply, ErrorReply):
        raise StoreConnectionError(reply.text)
    if not isinstance(reply, bytes):
        raise StoreConnectionError("not an answer to INFO")
    lines = (line.partition(":") for line in reply.decode("utf-8", "replace").splitlines())
    return {name: value.strip() for name, _, value in lines if value}


async def query(server: Server, options: ConnectOptions, *command: bytes, timeout_s: float) -> object:
    """
    Ask one server one thing over a connection of its own.

    Args:
        server: Whom to ask.
        options: Credentials, database and TLS.
        command: The command, word by word.
        timeout_s: Limit for all of it, in seconds.

    Raises:
        StoreConnectionError: It could not be asked, or did not answer in time.
    """
    connection = StoreConnection(server, options, "relevo-lookup")
    try:
        async with asyncio.timeout(timeout_s):
            await connection.connect()
            return await connection.ask(*command)
    except TimeoutError:
        raise StoreConnectionError(f"no answer from {server} in time") from None
    finally:
        connection.abort()


def _describe(error: BaseException) -> str:
    return str(error) or type(error).__name__
