"""The protocols of the peers: Socket.IO with its msgpack parser, Centrifugo's, and plain JSON."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

from bench.load.engine import Step, Target
from bench.load.protocols import (
    SESSION_PLACEHOLDER,
    STATUSES,
    TARGET_PLACEHOLDER,
    StatusChange,
    agent_id,
    agent_index,
)
from bench.load.wire import BINARY, TEXT, client_frame
from bench.peers.messages import row, sent

DIALOGS = "dialogs"
ARRIVAL = re.compile(rb"session\.assigned.{1,60}?(s\d{7})", re.DOTALL)


def socketio_target(ports: tuple[int, ...]) -> Target:
    """Return the target for Socket.IO servers; Engine.IO's heartbeat is a "2", answered by a "3"."""
    path = "/socket.io/?EIO=4&transport=websocket"
    return Target(ports, path=path, heartbeat=b"2", heartbeat_answer=client_frame(b"3", TEXT))


@dataclass(frozen=True, slots=True)
class SocketIoProtocol:
    """Socket.IO, protocol 5 over Engine.IO 4, with packets in MessagePack."""

    target: Target
    arrival: re.Pattern[bytes] = field(default=ARRIVAL)
    answer: re.Pattern[bytes] | None = None

    def opening(self, index: int, dialog: bool, resume: tuple[str, int] | None) -> list[Step]:
        """Connect the namespace, then send the agent's id."""
        hello = {"agent": agent_id(index), "dialog": dialog}
        return [
            Step(None, b"0{"),
            Step(self._packet({"type": 0, "data": {}, "nsp": "/"}), b"sid"),
            Step(self._event("hello", hello), b"welcome"),
        ]

    def changes(self, index: int) -> tuple[bytes, bytes]:
        """Set the own status."""
        first, second = (self._event("status", {"id": "1", "status": status}) for status in STATUSES)
        return first, second

    def changed(self, payload: bytes) -> list[StatusChange]:
        """Read a row; a payload that begins like text is no row."""
        if payload[:1] < b"\x80":
            return []
        data = msgspec.msgpack.decode(payload).get("data")
        if not isinstance(data, list) or data[0] != "row":
            return []
        return _changed(data[1])

    def position(self, payload: bytes) -> tuple[str, int] | None:
        """Return None: peers have no position."""
        return None

    def transfer(self) -> bytes:
        """Transfer a session."""
        return self._event(
            "transfer", {"id": "1", "session_id": SESSION_PLACEHOLDER, "to": TARGET_PLACEHOLDER}
        )

    def acknowledgement(self, message: bytes, session: bytes) -> bytes | None:
        """Return None: peers have no acknowledgement."""
        return None

    def _event(self, name: str, message: Mapping[str, Any]) -> bytes:
        return self._packet({"type": 2, "data": [name, message], "nsp": "/"})

    @staticmethod
    def _packet(packet: Mapping[str, Any]) -> bytes:
        return client_frame(msgspec.msgpack.encode(packet), BINARY)


@dataclass(frozen=True, slots=True)
class PlainProtocol:
    """JSON messages over a bare websocket."""

    target: Target
    arrival: re.Pattern[bytes] = field(default=ARRIVAL)
    answer: re.Pattern[bytes] | None = None

    def opening(self, index: int, dialog: bool, resume: tuple[str, int] | None) -> list[Step]:
        """Send the agent's id."""
        return [Step(self._message({"agent": agent_id(index), "dialog": dialog}), b"welcome")]

    def changes(self, index: int) -> tuple[bytes, bytes]:
        """Set the own status."""
        first, second = (
            self._message({"type": "status", "id": "1", "status": status}) for status in STATUSES
        )
        return first, second

    def changed(self, payload: bytes) -> list[StatusChange]:
        """Read a row."""
        message = msgspec.json.decode(payload)
        return _changed(message["row"]) if message["type"] == "row" else []

    def position(self, payload: bytes) -> tuple[str, int] | None:
        """Return None: peers have no position."""
        return None

    def transfer(self) -> bytes:
        """Transfer a session."""
        return self._message(
            {"type": "transfer", "id": "1", "session_id": SESSION_PLACEHOLDER, "to": TARGET_PLACEHOLDER}
        )

    def acknowledgement(self, message: bytes, session: bytes) -> bytes | None:
        """Return None: peers have no acknowledgement."""
        return None

    @staticmethod
    def _message(message: Mapping[str, Any]) -> bytes:
        return client_frame(msgspec.json.encode(message), TEXT)


def centrifugo_target(ports: tuple[int, ...]) -> Target:
    """Return the target for Centrifugo nodes; an empty map is its heartbeat, and the answer to it."""
    answer = client_frame(b"{}", TEXT)
    return Target(ports, path="/connection/websocket", heartbeat=b"{}", heartbeat_answer=answer)


@dataclass(frozen=True, slots=True)
class CentrifugoProtocol:
    """
    Centrifugo's own protocol in JSON; a frame may hold several messages, one a line.

    A row is published on the dialogs' channel, and a session on its next owner's. The offset that the history
    gives a publication tells a change from an earlier one to the same status.
    """

    target: Target
    arrival: re.Pattern[bytes] = field(default=ARRIVAL)
    answer: re.Pattern[bytes] | None = None

    def opening(self, index: int, dialog: bool, resume: tuple[str, int] | None) -> list[Step]:
        """Connect, and subscribe to the agent's channel and, for a dialog, to that of all."""
        channels = [agent_id(index), *([DIALOGS] if dialog else [])]
        return [
            Step(self._command({"connect": {}}), b'"connect"'),
            *(Step(self._command({"subscribe": {"channel": one}}), b'"subscribe"') for one in channels),
        ]

    def changes(self, index: int) -> tuple[bytes, bytes]:
        """Set the own status."""
        first, second = (
            self._publish(DIALOGS, {"type": "row", "row": row(agent_id(index), status, 1_700_000_000_000)})
            for status in STATUSES
        )
        return first, second

    def changed(self, payload: bytes) -> list[StatusChange]:
        """Read the rows that were published."""
        found = []
        for line in payload.splitlines():
            push = msgspec.json.decode(line).get("push", {})
            if push.get("channel") == DIALOGS and "pub" in push:
                published = push["pub"]
                index = agent_index(published["data"]["row"]["id"])
                if index is not None:
                    found.append((index, published["data"]["row"]["status"], published["offset"]))
        return found

    def position(self, payload: bytes) -> tuple[str, int] | None:
        """Return None: a dialog begins empty."""
        return None

    def transfer(self) -> bytes:
        """Transfer a session."""
        news = sent(SESSION_PLACEHOLDER, "a", TARGET_PLACEHOLDER, 1_700_000_000_000)
        return self._publish(TARGET_PLACEHOLDER, {"type": "session.assigned", **news})

    def acknowledgement(self, message: bytes, session: bytes) -> bytes | None:
        """Return None: peers have no acknowledgement."""
        return None

    def _publish(self, channel: str, data: Mapping[str, Any]) -> bytes:
        return self._command({"publish": {"channel": channel, "data": data}})

    @staticmethod
    def _command(command: Mapping[str, Any]) -> bytes:
        return client_frame(msgspec.json.encode({"id": 1, **command}), TEXT)


def _changed(shown: Mapping[str, Any]) -> list[StatusChange]:
    index = agent_index(shown["id"])
    return [] if index is None else [(index, shown["status"], shown["status_since_at"])]
