"""
A small client of the protocol for tests: a websocket, maps, and nothing clever.

It shares no code with the router, nor with the clients that are shipped: what it says and expects is what the
protocol's document says.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import msgpack  # type: ignore[import-untyped]
from websockets.asyncio.client import ClientConnection, connect
from websockets.client import ClientProtocol
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

Message = dict[str, Any]

# Nothing takes that long; a test that waits for what never comes ends with it.
LIMIT_S = 30.0
FORMATS = ("json", "msgpack")


class CommandRejectedError(AssertionError):
    """
    A command was refused where the test expected a result.

    Args:
        error: The error that the reply held.
    """

    def __init__(self, command: Message, error: Message) -> None:
        super().__init__(f"{command} was refused: {error}")
        self.error = error


def make_token(secret: str, *, ttl_s: float = 3600, header: Message | None = None, **claims: Any) -> str:
    """Return an HS256 token with these claims; those that are None are left out."""
    given = {name: value for name, value in claims.items() if value is not None}
    parts = [header or {"alg": "HS256", "typ": "JWT"}, {"exp": time.time() + ttl_s, **given}]
    signed = b".".join(_base64(json.dumps(part).encode()) for part in parts)
    return (signed + b"." + _base64(hmac.digest(secret.encode(), signed, hashlib.sha256))).decode()


def _base64(data: bytes) -> bytes:
    return base64.urlsafe_b64encode(data).rstrip(b"=")


class Dialog:
    """What an open transfer dialog shows: the directory's rows, kept true by snapshots and patches."""

    def __init__(self) -> None:
        self.position: tuple[str, int] = ("", 0)
        self.part = 0
        self.agents: dict[str, Message] = {}
        self.departments: dict[str, Message] = {}
        self.snapshots = 0
        self.patches: list[Message] = []

    @property
    def rows(self) -> tuple[dict[str, Message], dict[str, Message]]:
        """The departments and the agents, by id."""
        return self.departments, self.agents

    def take(self, message: Message) -> None:
        """Apply a snapshot, a part of one, or a patch; what does not follow breaks the protocol."""
        part, parts = message.get("part", 1), message.get("parts", 1)
        if message["type"] == "directory.snapshot" and part == 1:
            self.snapshots += 1
            self.agents, self.departments = {}, {}
        elif message["type"] == "directory.snapshot":
            assert part == self.part + 1, f"part {part} after part {self.part}"
        else:
            self.patches.append(message)
            since = (message["epoch"], message["since"])
            assert since == self.position, f"a patch since {since} for a dialog at {self.position}"
            for agent_id in message["agents_removed"]:
                self.agents.pop(agent_id, None)
            for department_id in message["departments_removed"]:
                self.departments.pop(department_id, None)
        self.agents |= {row["id"]: row for row in message["agents"]}
        self.departments |= {row["id"]: row for row in message["departments"]}
        self.part = part
        self.position = (message["epoch"], message["seq"]) if part == parts else ("", 0)


class RawClient:
    """
    One connection.

    Args:
        socket: An open websocket.
        name: What it is called when a test fails.
    """

    def __init__(self, socket: ClientConnection, name: str = "client") -> None:
        self.socket = socket
        self.name = name
        self.welcome: Message = {}
        self.dialog = Dialog()
        self.received: list[Message] = []
        self._unread: deque[Message] = deque()
        self._encode: Callable[[Any], str | bytes] = (
            msgpack.packb if socket.subprotocol == "relevo.v1.msgpack" else json.dumps
        )
        self._commands = 0

    def __repr__(self) -> str:
        return f"<{self.name}>"

    # Sending.

    async def send(self, type: str, **fields: Any) -> str:
        """Send a command, and return its id without waiting for the reply."""
        self._commands += 1
        fields = {"id": str(self._commands)} | fields
        await self.send_as_is({"type": type, **fields})
        return str(fields["id"])

    async def send_as_is(self, message: Any) -> None:
        """Send any value, in the format of this connection."""
        await self.socket.send(self._encode(message))

    async def command(self, type: str, **fields: Any) -> Message:
        """Send a command, and return its result."""
        reply = await self.reply(await self.send(type, **fields))
        if "error" in reply:
            raise CommandRejectedError({"type": type, **fields}, reply["error"])
        result: Message = reply["result"]
        return result

    async def refused(self, type: str, **fields: Any) -> Message:
        """Send a command that is to be refused, and return the error."""
        reply = await self.reply(await self.send(type, **fields))
        assert "error" in reply, f"{type} {fields} was not refused: {reply}"
        error: Message = reply["error"]
        return error

    async def say_hello(self, token: str) -> Message:
        """Say hello, and return what the router answers: a `welcome`, or a `reply` with an error."""
        hello = await self.send("hello", token=token, client="relevo-tests/1.0")
        return await self._expect(lambda message: message.get("id") == hello, "an answer to hello")

    async def reply(self, command_id: str | None) -> Message:
        """Return the reply to a command sent before."""
        return await self._expect(
            lambda message: message["type"] in ("reply", "pong") and message["id"] == command_id,
            f"a reply to {command_id}",
        )

    # What the router tells.

    async def expect_push(self, type: str, **fields: Any) -> Message:
        """
        Return the next message of this type whose fields are these; wait for it if it is not here yet.

        Args:
            type: The message's type.
            fields: A field of its own (``why="moved"``), or of an object in it (``session__id="s1"``).
        """

        def fits(message: Message) -> bool:
            return message["type"] == type and all(
                _field(message, path) == value for path, value in fields.items()
            )

        return await self._expect(fits, f"{type} {fields}")

    def unread(self, type: str) -> list[Message]:
        """Return the messages of this type that have come and that no test line has asked for."""
        return [message for message in self._unread if message["type"] == type]

    async def open_dialog(self) -> Dialog:
        """Open the transfer dialog, and return what it shows, which stays true from now on."""
        await self.command("directory.subscribe")
        await self.expect_push("directory.snapshot")
        # The snapshot may be one that others were sent before, with a patch right behind it.
        await self.reply(await self.send("ping"))
        return self.dialog

    async def sees_agent(self, agent_id: str, **fields: Any) -> Message:
        """Return an agent's row of the dialog once these fields show."""
        return await self._sees(lambda: self.dialog.agents.get(agent_id), fields, agent_id)

    async def sees_department(self, department_id: str, **fields: Any) -> Message:
        """Return a department's row of the dialog once these fields show."""
        return await self._sees(lambda: self.dialog.departments.get(department_id), fields, department_id)

    async def until(self, condition: Callable[[], object], what: str) -> None:
        """Read what comes until a condition holds."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while not condition():
                    await self._read()
        except TimeoutError:
            raise AssertionError(f"{self.name} waited for {what}; {self._story()}") from None

    async def read_on(self) -> None:
        """Read whatever comes, until cancelled or closed."""
        while True:
            await self._read()

    # Ends.

    async def expect_close(self) -> int:
        """Return the code with which the router closes the connection, reading what comes before."""
        try:
            async with asyncio.timeout(LIMIT_S):
                while True:
                    await self._read()
        except TimeoutError:
            raise AssertionError(f"{self.name} was not closed; {self._story()}") from None
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd is not None else 1006

    async def close(self, code: int = 1000) -> None:
        """Say goodbye."""
        await self.socket.close(code)

    def drop(self) -> None:
        """Vanish without a word, as a phone in a tunnel."""
        self.socket.transport.abort()

    async def _sees(self, row: Callable[[], Message | None], fields: Message, what: str) -> Message:
        def shows() -> bool:
            found = row()
            return found is not None and all(found.get(name) == value for name, value in fields.items())

        try:
            await self.until(shows, f"{what} with {fields}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it shows {row()}") from None
        found = row()
        assert found is not None
        return found

    async def _expect(self, fits: Callable[[Message], bool], what: str) -> Message:
        looked_at = 0
        found: Message | None = None

        def look() -> bool:
            nonlocal looked_at, found
            for message in list(self._unread)[looked_at:]:
                looked_at += 1
                if fits(message):
                    found = message
                    return True
            return False

        await self.until(look, what)
        assert found is not None
        self._unread.remove(found)
        return found

    async def _read(self) -> None:
        data = await self.socket.recv()
        decoded = msgpack.unpackb(data) if isinstance(data, bytes) else json.loads(data)
        for message in decoded if isinstance(decoded, list) else [decoded]:
            self.received.append(message)
            self._unread.append(message)
            if message["type"].startswith("directory."):
                self.dialog.take(message)

    def _story(self) -> str:
        return f"it got {self.received[-5:]}"


def _field(message: Message, path: str) -> Any:
    value: Any = message
    for name in path.split("__"):
        value = value.get(name) if isinstance(value, dict) else None
    return value


async def open_socket(
    address: str, format: str = "json", *, subprotocols: list[str] | None = None, **options: Any
) -> ClientConnection:
    """
    Open a websocket to a router.

    Args:
        address: Host and port.
        format: ``json`` or ``msgpack``.
        subprotocols: What to offer instead of the format's one.
        options: For the library's ``connect``.
    """
    offered = [f"relevo.v1.{format}"] if subprotocols is None else subprotocols
    settings: dict[str, Any] = {
        "compression": None,
        "ping_interval": None,
        "max_size": None,
        "max_queue": None,
        "close_timeout": 1,
        "proxy": None,
    }
    return await connect(
        f"ws://{address}/ws", subprotocols=[Subprotocol(name) for name in offered], **settings | options
    )


async def connect_agent(address: str, token: str, *, format: str = "json", name: str = "client") -> RawClient:
    """Open a websocket, say hello, and return the client once it was welcomed."""
    client = RawClient(await open_socket(address, format), name)
    try:
        client.welcome = await client.say_hello(token)
        if client.welcome["type"] != "welcome":
            raise CommandRejectedError({"type": "hello"}, client.welcome["error"])
    except BaseException:
        client.drop()
        raise
    return client


class NonReadingSocket:
    """
    A websocket that takes part in the handshake and hears everything, but answers nothing.

    Args:
        reader: What comes, after the handshake.
        writer: Its other half.
    """

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, protocol: ClientProtocol
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._protocol = protocol

    @classmethod
    async def open(cls, address: str) -> "NonReadingSocket":
        """Connect, and offer JSON."""
        host, _, port = address.partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        protocol = ClientProtocol(
            parse_uri(f"ws://{address}/ws"), subprotocols=[Subprotocol("relevo.v1.json")]
        )
        protocol.send_request(protocol.connect())
        writer.writelines(protocol.data_to_send())
        protocol.receive_data(await reader.readuntil(b"\r\n\r\n"))
        assert protocol.handshake_exc is None
        return cls(reader, writer, protocol)

    async def say_hello(self, token: str) -> None:
        """Send a hello: the last thing that it sends."""
        self._protocol.send_text(json.dumps({"type": "hello", "id": "1", "token": token}).encode())
        self._writer.writelines(self._protocol.data_to_send())

    async def hear_until_the_end(self) -> list[Frame]:
        """Return all frames until the router hangs up."""
        frames: list[Frame] = []
        async with asyncio.timeout(LIMIT_S):
            # The router may reset a connection that does not answer its close.
            with suppress(ConnectionResetError):
                while data := await self._reader.read(65_536):
                    self._protocol.receive_data(data)
                    frames += [
                        event for event in self._protocol.events_received() if isinstance(event, Frame)
                    ]
        self._writer.close()
        return frames
