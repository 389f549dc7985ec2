"""
The client without a socket: messages and the time in; messages, outcomes and events out.

Nothing here waits or does I/O. A shell calls ``opened``, ``received``, ``closed`` and ``tick`` with the time,
in seconds of any steady clock. After each it takes the effects (``take_outgoing``, ``take_outcomes``,
``take_close``, ``take_events``, ``take_token_wanted``), and asks ``wake_at`` when to call ``tick`` again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from .backoff import Backoff
from .decode import InvalidDataError, decode
from .directory import Directory, Patch, Snapshot, SnapshotParts
from .errors import (
    ClientClosedError,
    ConnectionStoppedError,
    InvalidReplyError,
    RelevoError,
    SignInRefusedError,
    TokenExpiredError,
    error_from_wire,
    stop_from_close,
    stop_from_refusal,
)
from .events import (
    PUSHES,
    AgentChanged,
    ClientState,
    Connected,
    DirectoryChanged,
    Disconnected,
    Event,
    ServerDraining,
    SessionAssigned,
    SessionChanged,
    SessionPending,
    SessionRemoved,
    StateChanged,
    StatusChanged,
    TokenExpiring,
    UnknownPush,
    Unreachable,
)
from .inbox import Inbox
from .objects import Agent, Session, Welcome
from .pending import MUTATING, Outcome, PendingCommand, PendingCommands

logger = logging.getLogger("relevo_client")

Phase: TypeAlias = Literal["offline", "hello", "ready", "stopped"]

RECONNECT = Backoff(initial_s=0.5, cap_s=15.0)
RETRY = Backoff(initial_s=0.2, cap_s=5.0)

_HELLO_ID = "hello"
_ACKS_MAX = 1024
_FOREVER = float("inf")


@dataclass(frozen=True, slots=True)
class CoreSettings:
    """
    The client's limits and times.

    Attributes:
        reconnect: Delays between connection attempts.
        retry: Delays before a refused command is sent again.
        stable_s: A connection that lasted this long resets the delays.
        hello_timeout_s: How long to wait for the welcome.
        token_renewable: Whether each attempt has a fresh token.
        acknowledge: Whether ``session.assigned`` is acknowledged as soon as it is received.
        client_name: What ``hello`` says as ``client``.
    """

    reconnect: Backoff = RECONNECT
    retry: Backoff = RETRY
    stable_s: float = 10.0
    hello_timeout_s: float = 15.0
    token_renewable: bool = False
    acknowledge: bool = True
    client_name: str = "relevo-client-python/0.2"


class Core:
    """
    One client's state.

    Args:
        settings: Limits and times.
        random: Returns a number in [0, 1), for the jitter.
        new_key: Returns an idempotency key that was never used.
        directory: What to keep the rows in.
    """

    def __init__(
        self,
        settings: CoreSettings,
        *,
        random: Callable[[], float],
        new_key: Callable[[], str],
        directory: Directory | None = None,
    ) -> None:
        self.directory = Directory() if directory is None else directory
        self.inbox = Inbox()
        # The latest, for a loop that begins while the client is connected.
        self.connected: Connected | None = None
        self.phase: Phase = "offline"
        self.welcome: Welcome | None = None
        self.agent: Agent | None = None
        self.stop: RelevoError | None = None
        self.reconnect_at = 0.0
        self._settings = settings
        self._random = random
        self._new_key = new_key
        self._pending = PendingCommands(settings.retry, random)
        self._next_id = 0
        self._hello: dict[str, Any] | None = None
        self._hello_error: RelevoError | None = None
        self._acks: dict[str, int] = {}
        self._events: list[Event] = []
        self._token_refused = False
        self._outcomes: list[tuple[str, Outcome]] = []
        self._close: tuple[int, str] | None = None
        self._token_wanted = False
        self._wants_directory = False
        self._wants_sessions = False
        self._snapshot_parts = SnapshotParts()
        self._gaps = 0
        self._attempts = 0
        self._ready_at = 0.0
        self._hello_until = _FOREVER
        self._drain_at = _FOREVER
        self._moved = False
        self._handlers: Mapping[str, Callable[[Mapping[str, Any], float], None]] = {
            "reply": self._on_reply,
            "welcome": self._on_welcome,
            "directory.snapshot": self._on_snapshot,
            "directory.patch": self._on_patch,
            "pong": self._on_pong,
        }

    @property
    def state(self) -> ClientState:
        """Whether the client is connected, tries to be, or has stopped."""
        if self.phase in ("ready", "stopped"):
            return "connected" if self.phase == "ready" else "stopped"
        return "connecting"

    # The connection.

    def opened(self, token: str, now: float) -> None:
        """Start a connection: the handshake is done."""
        self._set_phase("hello")
        self._hello = {
            "type": "hello",
            "id": _HELLO_ID,
            "token": token,
            "client": self._settings.client_name,
        }
        self._hello_error = None
        self._hello_until = now + self._settings.hello_timeout_s

    def received(self, message: object, now: float) -> None:
        """
        Take one message; a batch is as many calls.

        Raises:
            InvalidDataError: It is of a known type, but malformed. The connection has to be closed then,
                because what the message said is lost.
        """
        if not isinstance(message, Mapping):
            raise InvalidDataError("", "a map", message)
        kind = message.get("type")
        if not isinstance(kind, str):
            raise InvalidDataError("type", "a string", kind)
        if self.phase == "stopped":
            # It came before the connection was closed.
            return
        if kind in self._handlers:
            self._handlers[kind](message, now)
        else:
            self._on_push(kind, message, now)

    def closed(self, close_code: int, reason: str, now: float) -> None:
        """Note the end of a connection, and decide what comes after it."""
        was_ready = self.phase == "ready"
        if self.phase == "stopped":
            return
        stop = stop_from_close(close_code, reason)
        if self._hello_error is not None and not self._hello_error.retryable:
            stop = stop_from_refusal(self._hello_error)
            stop.close_code = close_code
        refused = isinstance(stop, SignInRefusedError | TokenExpiredError)
        if refused and self._settings.token_renewable and not self._token_refused:
            # It was stale, or expired while the machine slept: the next attempt has a fresh one.
            self._token_refused, stop = True, None
        self._forget_connection()
        if stop is not None:
            self._stop(stop)
        else:
            self._set_phase("offline")
            self._plan_next(was_ready, now)
        self._moved, self._drain_at = False, _FOREVER
        wait_s = max(0.0, self.reconnect_at - now)
        if was_ready or stop is not None:
            self._events.append(Disconnected(close_code, reason, wait_s if stop is None else None, stop))
        else:
            why = reason or f"closed with {close_code}"
            self._events.append(Unreachable(why, self._attempts, wait_s))

    def unreachable(self, reason: str, now: float) -> None:
        """Note a connection attempt that failed and is to be repeated."""
        if self.phase != "stopped":
            self._back_off(now)
            self._events.append(Unreachable(reason, self._attempts, self.reconnect_at - now))

    def refused(self, stop: ConnectionStoppedError, now: float) -> None:
        """Note a connection attempt that failed for good."""
        if self.phase != "stopped":
            self._stop(stop)
            self._events.append(Disconnected(1006, str(stop), None, stop))

    def shut(self) -> None:
        """End the client, because its program closes it."""
        if self.phase != "stopped":
            self._forget_connection()
            self._stop(ClientClosedError("the client was closed"))

    def tick(self, now: float) -> None:
        """Do what is due."""
        for command, error in self._pending.expire(now):
            self._finish(command, error)
        if self.phase == "hello" and now >= self._hello_until:
            self._close, self._hello_until = (1001, "no welcome in time"), _FOREVER
        if self.phase == "ready" and now >= self._drain_at:
            # Not 1000: that says "offline", and others would see this agent disconnected for a moment.
            self._close, self._drain_at, self._moved = (1001, "moving"), _FOREVER, True

    def wake_at(self, now: float) -> float | None:
        """Return when ``tick`` or ``take_outgoing`` will have something to do, or None."""
        times = [self._hello_until, self._drain_at]
        due = self._pending.wake_at(now, connected=self.phase == "ready")
        if due is not None:
            times.append(due)
        earliest = min(times)
        return None if earliest == _FOREVER else earliest

    # Commands.

    def submit(self, type: str, fields: Mapping[str, Any], *, deadline: float, key: str | None = None) -> str:
        """
        Give a command.

        Args:
            type: The command's type.
            fields: Its fields, without type, id and key.
            deadline: When to give up, in seconds of the clock.
            key: The idempotency key; a new one where absent. Only for commands that change something.

        Returns:
            The id under which its outcome will come.

        Raises:
            RelevoError: The client has stopped.
        """
        if self.stop is not None:
            raise self.stop
        if type == "directory.subscribe":
            self._wants_directory = True
            self._drop_internal("directory.subscribe")
        elif type == "directory.unsubscribe":
            self._wants_directory = False
            self._drop_internal("directory.subscribe")
            self.directory.cut()
        elif type == "session.watch":
            self._wants_sessions = True
        elif type == "session.unwatch":
            self._wants_sessions = False
            self._drop_internal("session.watch")
        return self._add(type, fields, deadline, key, internal=False)

    def forget(self, command_id: str) -> None:
        """Stop waiting for a command; what was sent may still be applied."""
        self._pending.drop(command_id)

    def reject(self, command_id: str, error: RelevoError) -> None:
        """Settle a command that cannot be sent."""
        command = self._pending.drop(command_id)
        if command is not None:
            self._finish(command, error)

    def acknowledge(self, session_id: str, fence: int) -> None:
        """Acknowledge an assigned session; the latest fence of each counts."""
        self._acks.pop(session_id, None)
        self._acks[session_id] = fence
        if len(self._acks) > _ACKS_MAX:
            del self._acks[next(iter(self._acks))]

    def refresh_token(self, token: str) -> None:
        """Send the router a fresh token, without waiting for the reply."""
        if self.phase == "ready":
            self._drop_internal("token.refresh")
            self._add("token.refresh", {"token": token}, _FOREVER, None, internal=True)

    # Effects.

    def take_outgoing(self, now: float) -> list[dict[str, Any]]:
        """Return the messages to send now, in order."""
        if self.phase == "hello" and self._hello is not None:
            hello, self._hello = self._hello, None
            return [hello]
        if self.phase != "ready":
            return []
        messages: list[dict[str, Any]] = [
            {"type": "session.ack", "session_id": session_id, "fence": fence}
            for session_id, fence in self._acks.items()
        ]
        self._acks.clear()
        for command in self._pending.take_due(now):
            message = command.message()
            position = self.directory.position
            # Set at the last moment: the position may have moved since the command was given.
            if command.type == "directory.subscribe" and position is not None:
                message["resume"] = {"epoch": position[0], "seq": position[1]}
            messages.append(message)
        return messages

    def take_outcomes(self) -> list[tuple[str, Outcome]]:
        """Return the commands that were settled, each with its result or error."""
        outcomes, self._outcomes = self._outcomes, []
        return outcomes

    def take_events(self) -> list[Event]:
        """Return what has happened since the last call, in order."""
        events, self._events = self._events, []
        return events

    def take_close(self) -> tuple[int, str] | None:
        """Return the code and reason to close the connection with, or None."""
        close, self._close = self._close, None
        return close

    def take_token_wanted(self) -> bool:
        """Return whether the router asked for a fresh token since the last call."""
        wanted, self._token_wanted = self._token_wanted, False
        return wanted

    # What arrives.

    def _on_welcome(self, message: Mapping[str, Any], now: float) -> None:
        welcome = decode(Welcome, message)
        reconnected = self.welcome is not None
        self.welcome, self.agent, self._token_refused = welcome, welcome.agent, False
        self._set_phase("ready")
        self._ready_at, self._hello_until = now, _FOREVER
        for session in self.inbox.replace(welcome.inbox):
            # Its session.assigned went to a connection that was lost, or to none, so its sender has no
            # `delivered` yet. The router ignores an acknowledgement that it had before.
            if self._settings.acknowledge and session.transfer is not None:
                self.acknowledge(session.id, session.fence)
        self._gaps = 0
        if self._wants_directory:
            self._subscribe("directory.subscribe", 0.0)
        if self._wants_sessions:
            self._subscribe("session.watch", 0.0)
        self.connected = Connected(welcome, reconnected)
        self._events.append(self.connected)

    def _on_reply(self, message: Mapping[str, Any], now: float) -> None:
        command_id = message.get("id")
        error = None if message.get("error") is None else error_from_wire(message["error"])
        if command_id == _HELLO_ID and self.phase == "hello":
            self._hello_error = error
            return
        command = self._pending.get(command_id) if isinstance(command_id, str) else None
        if command is None:
            # Also the reply to a command whose caller has given up.
            if error is not None:
                logger.info("error for a command that was given up: %s", error)
            return
        if error is not None:
            if not self._pending.refused(command, error, now):
                self._finish(command, error)
            return
        self._pending.drop(command.id)
        result = message.get("result")
        if not isinstance(result, Mapping):
            self._finish(command, InvalidReplyError(f"{command.type} was answered without a result"))
            return
        try:
            # A replayed reply may be long past; the welcome since then is newer.
            if not command.may_be_replayed:
                self._observe_result(result)
        except InvalidDataError as invalid:
            self._finish(command, InvalidReplyError(f"{command.type}: {invalid}"))
        else:
            self._finish(command, result)

    def _observe_result(self, result: Mapping[str, Any]) -> None:
        # So that a program that awaited a command finds its effect in the client, before the push comes.
        if self.agent is None:
            return
        if "session" in result:
            self.inbox.observe(decode(Session, result["session"]), self.agent.id)
        if "agent" in result:
            agent = decode(Agent, result["agent"])
            self.agent = agent if agent.id == self.agent.id else self.agent

    def _on_push(self, kind: str, message: Mapping[str, Any], now: float) -> None:
        known = PUSHES.get(kind)
        if known is None:
            fields = {name: value for name, value in message.items() if name != "type"}
            self._events.append(UnknownPush(kind, fields))
            return
        event = decode(known, message)
        match event:
            case SessionAssigned(session) | SessionPending(session):
                self.inbox.observe(session)
            case SessionRemoved(session_id, fence):
                self.inbox.remove(session_id, fence)
            case SessionChanged(session) if self.agent is not None and self.inbox.get(session.id):
                self.inbox.observe(session, self.agent.id)
            case AgentChanged(agent) | StatusChanged(agent):
                self.agent = agent
            case TokenExpiring():
                self._token_wanted = True
            case ServerDraining(reconnect_in_ms):
                self._drain_at = now + max(0, reconnect_in_ms) / 1000
        if isinstance(event, SessionAssigned) and self._settings.acknowledge:
            self.acknowledge(event.session.id, event.session.fence)
        self._events.append(event)

    def _on_pong(self, message: Mapping[str, Any], now: float) -> None:
        # The reply to a `ping`, which this client does not send.
        pass

    def _on_snapshot(self, message: Mapping[str, Any], now: float) -> None:
        snapshot = self._snapshot_parts.add(decode(Snapshot, message))
        if snapshot is not None and self._wants_directory:
            self._events.append(self.directory.replace(snapshot))

    def _on_patch(self, message: Mapping[str, Any], now: float) -> None:
        if not self._wants_directory:
            return
        was_live = self.directory.live
        changed = self.directory.apply(decode(Patch, message))
        if changed is not None:
            self._gaps = 0
            # Becoming live again is news too, even if nothing has changed meanwhile.
            if changed != DirectoryChanged() or not was_live:
                self._events.append(changed)
        elif not self._waiting_for("directory.subscribe"):
            # A second hole in a row means that resuming does not help: ask for everything, and not at once.
            if self._gaps:
                self.directory.forget_position()
            wait_s = self._settings.retry.delay_s(self._gaps, self._random) if self._gaps else 0.0
            self._gaps += 1
            self._subscribe("directory.subscribe", now + wait_s)

    # Internals.

    def _add(
        self, type: str, fields: Mapping[str, Any], deadline: float, key: str | None, *, internal: bool
    ) -> str:
        self._next_id += 1
        # A key of the program's own may be one that it used before.
        may_be_replayed = key is not None
        if type in MUTATING and key is None:
            key = self._new_key()
        command = PendingCommand(
            str(self._next_id),
            type,
            fields,
            key,
            deadline,
            internal=internal,
            may_be_replayed=may_be_replayed,
        )
        self._pending.add(command)
        return command.id

    def _subscribe(self, type: str, not_before: float) -> None:
        # One that the program gave and that has no reply yet is sent again itself.
        if not self._waiting_for(type):
            command_id = self._add(type, {}, _FOREVER, None, internal=True)
            command = self._pending.get(command_id)
            assert command is not None
            command.not_before = not_before

    def _waiting_for(self, type: str) -> bool:
        return any(command.type == type for command in self._pending)

    def _drop_internal(self, type: str) -> None:
        for command in self._pending:
            if command.internal and command.type == type:
                self._pending.drop(command.id)

    def _finish(self, command: PendingCommand, outcome: Outcome) -> None:
        failed = isinstance(outcome, RelevoError)
        if failed and command.type == "directory.subscribe":
            self._wants_directory = False
            self.directory.cut()
        elif failed and command.type == "session.watch":
            self._wants_sessions = False
        if not command.internal:
            self._outcomes.append((command.id, outcome))
        elif failed:
            logger.warning("%s was refused: %s", command.type, outcome)

    def _forget_connection(self) -> None:
        self._hello, self._hello_until, self._close = None, _FOREVER, None
        self._token_wanted = False
        # The next hello carries a fresh token itself.
        self._drop_internal("token.refresh")
        self._pending.connection_lost()
        self._snapshot_parts.clear()
        self.directory.cut()

    def _set_phase(self, phase: Phase) -> None:
        before, self.phase = self.state, phase
        if self.state != before:
            self._events.append(StateChanged(self.state, self.stop))

    def _plan_next(self, was_ready: bool, now: float) -> None:
        if self._moved:
            # The router spread its clients over the drain already.
            self.reconnect_at, self._attempts = now, 0
        else:
            if was_ready and now - self._ready_at >= self._settings.stable_s:
                self._attempts = 0
            self._back_off(now)
            if self._drain_at != _FOREVER:
                self.reconnect_at = max(now, self._drain_at)

    def _back_off(self, now: float) -> None:
        self.reconnect_at = now + self._settings.reconnect.delay_s(self._attempts, self._random)
        self._attempts += 1

    def _stop(self, error: RelevoError) -> None:
        self.stop = error
        self._set_phase("stopped")
        for command in self._pending:
            self._pending.drop(command.id)
            self._finish(command, error)
