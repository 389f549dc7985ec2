"""A core that a test drives by hand, and commands that are recorded and not sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from relevo_client import AsyncCommands
from relevo_client.backoff import Backoff
from relevo_client.core import Core, CoreSettings
from relevo_client.events import Event, StateChanged

from .wire import Map, error_map, welcome_map

NOTE = {"session_id": "c-1", "text": "hola"}
SETTINGS = CoreSettings(reconnect=Backoff(1.0, 15.0), retry=Backoff(1.0, 4.0), stable_s=10.0)


class Driver:
    """A core with its clock, its router and its program in the test's hands."""

    def __init__(self, settings: CoreSettings = SETTINGS) -> None:
        self.now = 1000.0
        self.states: list[StateChanged] = []
        self.keys = iter(f"key-{number}" for number in range(1, 1000))
        self.core = Core(settings, random=lambda: 0.5, new_key=lambda: next(self.keys))

    def connect(self, **welcome: Any) -> list[Map]:
        """Open a connection, be let in, and return what the client sends then."""
        self.core.opened("jwt", self.now)
        assert [message["type"] for message in self.sent()] == ["hello"]
        self.receive(welcome_map(**welcome))
        return self.sent()

    def sent(self) -> list[Map]:
        return self.core.take_outgoing(self.now)

    def receive(self, *messages: Map) -> None:
        for message in messages:
            self.core.received(message, self.now)

    def reply(self, command: Map, result: Map) -> None:
        self.receive({"type": "reply", "id": command["id"], "result": result})

    def refuse(self, command: Map, code: str, *, retryable: bool = False, **details: Any) -> None:
        self.receive(
            {"type": "reply", "id": command["id"], "error": error_map(code, retryable=retryable, **details)}
        )

    def close(self, code: int = 1006, reason: str = "") -> None:
        self.core.closed(code, reason, self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.core.tick(self.now)

    def events(self) -> list[Event]:
        """Return what has happened; changes of the state stand apart, in ``states``."""
        events = self.core.take_events()
        self.states += [event for event in events if isinstance(event, StateChanged)]
        return [event for event in events if not isinstance(event, StateChanged)]

    def outcome(self, command_id: str) -> Any:
        return dict(self.core.take_outcomes())[command_id]

    def note(self, timeout_s: float = 30.0) -> str:
        return self.core.submit("session.note", NOTE, deadline=self.now + timeout_s)

    def live(self) -> bool:
        return self.core.directory.live

    def subscribe(self) -> Map:
        """Subscribe to the directory and return the command."""
        self.core.submit("directory.subscribe", {}, deadline=self.now + 30)
        (command,) = self.sent()
        return command


class RecordedError(Exception):
    """Ends a command where it would be sent."""


class Recorder(AsyncCommands):
    """Keeps type, fields and key of the commands that its methods make."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[str, Mapping[str, Any], str | None]] = []

    async def command(
        self,
        type: str,
        fields: Mapping[str, Any],
        *,
        key: str | None = None,
        timeout: float | None = None,
    ) -> Mapping[str, Any]:
        self.sent.append((type, fields, key))
        raise RecordedError
