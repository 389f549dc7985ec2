"""The client that we ship, with everything that it sends and receives taken down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from relevo_client import Client
from relevo_client.codec import Codec
from relevo_client.connection import Connection, ConnectionLostError

from tests.chaos.history import ClientLog, History


class RecordedLink(Connection):
    """
    One connection, taken down.

    Args:
        connection: The connection.
        codec: Its format.
        history: Where it is taken down.
        log: Whose it is.
    """

    def __init__(self, connection: Connection, codec: Codec, history: History, log: ClientLog) -> None:
        self._connection = connection
        self._codec = codec
        self._history = history
        self._log = log

    async def receive(self) -> list[object]:
        try:
            messages = await self._connection.receive()
        except ConnectionLostError as closed:
            self._history.note_client(self._log, "lost", {"code": closed.close_code, "why": closed.reason})
            raise
        for message in messages:
            assert isinstance(message, dict)
            self._history.note_client(self._log, "received", message)
        return messages

    async def send(self, messages: Sequence[bytes]) -> None:
        for packed in messages:
            for message in self._codec.decode(packed):
                assert isinstance(message, dict)
                if message["type"] != "hello":
                    self._history.note_client(self._log, "sent", message)
        await self._connection.send(messages)

    async def close(self, close_code: int, reason: str = "") -> None:
        await self._connection.close(close_code, reason)

    def abort(self) -> None:
        self._connection.abort()


class RecordedClient(Client):
    """
    A client of the run.

    Args:
        history: Where it is taken down.
        log: Its log there.
        url: The routers, as for any client.
        token: The token's source.
        options: As for any client.
    """

    def __init__(
        self, history: History, log: ClientLog, url: Sequence[str], token: Any, **options: Any
    ) -> None:
        super().__init__(url, token, **options)
        self._history = history
        self._log = log
        history.note_client(log, "began", {})

    async def _serve(self, connection: Connection, token: str) -> None:
        self._history.note_client(self._log, "connected", {})
        await super()._serve(RecordedLink(connection, self._codec, self._history, self._log), token)
