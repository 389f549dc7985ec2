"""
The state machine of one client's connection, from hello to end. Pure.

What happens comes in as method calls, with the time as an argument; what is to be done about it is appended
to `effects`, in order. The shell that calls the methods and carries the effects out is endpoint.py. The store
keeps the order of what one client asks; pushes caused by others come from the tenant's hub.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

import msgspec

from relevo.protocol.codec import Codec, InvalidMessage, UndecodableError
from relevo.protocol.commands import (
    Command,
    DirectorySubscribe,
    DirectoryUnsubscribe,
    Hello,
    Ping,
    SessionAck,
    SessionUnwatch,
    SessionWatch,
    TokenRefresh,
)
from relevo.protocol.errors import CloseCode, Error, ErrorCode
from relevo.protocol.objects import Agent, AgentRole
from relevo.protocol.pushes import FEATURES, Inbox, Pong, Reply, ServerDraining, TokenExpiring, Welcome
from relevo.protocol.results import Empty, Result, TokenResult
from relevo.router import __version__
from relevo.router.auth.principal import Principal
from relevo.router.config import Settings
from relevo.router.gateway.costs import CHARGED_BYTES, charge, weight
from relevo.router.gateway.effects import (
    Close,
    CountThrottled,
    Disconnect,
    Effect,
    Execute,
    Join,
    RefreshToken,
    ResumeWatch,
    Send,
    SetTimer,
    StopTimer,
    Subscribe,
    Subscription,
    Timer,
)
from relevo.router.gateway.rate_limit import Allowance, Bucket, Throttled
from relevo.router.gateway.read_control import Limiter, Pause, ReadControl
from relevo.router.gateway.roles import ALL, BACK_ENDS

SERVER = f"relevo/{__version__}"
"""The router's name and version, in each welcome."""

HELLO_TIMEOUT_MS = 10_000
"""How long a connection may take to say hello (PROTOCOL.md, The first message)."""

TOKEN_EXPIRING_MS = 60_000
"""How long before its end a token is announced to expire (PROTOCOL.md, The end of a token)."""

IN_FLIGHT_MAX = 256
"""Unanswered commands of one connection."""


class State(Enum):
    """Where a connection is between its websocket's handshake and end."""

    NEW = "new"
    """The hello is awaited."""
    VERIFYING = "verifying"
    """The hello's token is being verified."""
    JOINING = "joining"
    """Pushes are kept for after the welcome, and the store registers the connection."""
    OPEN = "open"
    """Commands are taken."""
    DRAINING = "draining"
    """`server.draining` was sent; commands are taken until the time to leave."""
    LEAVING = "leaving"
    """Nothing more is read; the close follows the last answer, which the store's time-out bounds."""
    REJECTED = "rejected"
    """A close was sent before the welcome."""
    CLOSING = "closing"
    """A close was sent after the welcome; the store still counts the connection."""
    CLOSED = "closed"
    """The websocket is gone."""


class Event(Enum):
    """What moves a connection from one state to another."""

    HELLO = "hello"
    VERIFIED = "verified"
    WELCOMED = "welcomed"
    DRAIN = "drain"
    LEAVE = "leave"
    CLOSE = "close"
    LOST = "lost"


# Plain names, because a member that is looked up in its Enum takes several times as long.
NEW, VERIFYING, JOINING, OPEN, DRAINING, LEAVING, REJECTED, CLOSING, CLOSED = State
HELLO, VERIFIED, WELCOMED, DRAIN, LEAVE, CLOSE, LOST = Event

TRANSITIONS: Mapping[State, Mapping[Event, State]] = {
    NEW: {HELLO: VERIFYING, CLOSE: REJECTED, LOST: CLOSED},
    VERIFYING: {VERIFIED: JOINING, CLOSE: REJECTED, LOST: CLOSED},
    JOINING: {WELCOMED: OPEN, CLOSE: REJECTED, LOST: CLOSED},
    OPEN: {DRAIN: DRAINING, CLOSE: CLOSING, LOST: CLOSED},
    DRAINING: {LEAVE: LEAVING, CLOSE: CLOSING, LOST: CLOSED},
    LEAVING: {CLOSE: CLOSING, LOST: CLOSED},
    REJECTED: {LOST: CLOSED},
    CLOSING: {LOST: CLOSED},
    CLOSED: {},
}
"""An event that a state does not list has come too late, as an answer after the end, and changes nothing."""

# Tuples, because a set of members of an Enum is several times as slow.
BEFORE_WELCOME = (NEW, VERIFYING, JOINING)
SERVED = (OPEN, DRAINING, LEAVING)
ENDED = (REJECTED, CLOSING, CLOSED)


class Connection:
    """
    One client.

    Args:
        connection_id: Its name in the store, unique on this node.
        codec: The format that it speaks.
        settings: The times and bounds.
        allowance: Its rate limit.

    Attributes:
        effects: What the shell is to do next; it takes them out.
        state: Where the connection is.
        principal: The subject of its token, once that is verified.
        synced_to: The event (epoch, seq) up to which the client has everything.
    """

    __slots__ = (
        "_codec",
        "_has_subscribed",
        "_hello_id",
        "_kept",
        "_reading",
        "_settings",
        "connection_id",
        "effects",
        "principal",
        "state",
        "synced_to",
    )

    def __init__(self, connection_id: str, codec: Codec, settings: Settings, allowance: Allowance) -> None:
        self.connection_id = connection_id
        self.effects: list[Effect] = []
        self.state = NEW
        self.principal: Principal | None = None
        self.synced_to = ("", 0)
        self._codec = codec
        self._settings = settings
        self._reading = ReadControl(self.effects, allowance, IN_FLIGHT_MAX)
        self._hello_id = ""
        self._has_subscribed = False
        self._kept: list[tuple[str, int, bytes]] = []  # Pushes while JOINING.
        self.effects.append(SetTimer(HELLO_TIMEOUT_MS, Timer.HELLO))

    @property
    def is_registered(self) -> bool:
        """Whether the store counts it: back ends have no presence."""
        return (self.state in SERVED or self.state is CLOSING) and self._subject.role != "service"

    def has_ended(self) -> bool:
        """Return whether a close was sent, or the websocket is gone."""
        return self.state in ENDED

    # Messages ---------------------------------------------------------------------------------------------

    def received(self, data: bytes, now_s: float) -> None:
        """
        Take one websocket message, which may be a batch.

        Args:
            data: Its payload.
            now_s: The time, as for `Allowance.take`.
        """
        try:
            items = self._codec.decode(data)
        except UndecodableError as error:
            self._close(CloseCode.UNDECODABLE, str(error))
            return
        reading = self._reading
        allowance = reading.allowance
        for item in items:
            if self.state in ENDED:
                return  # What a batch holds behind the cause of a close is not looked at.
            if (throttled := allowance.take(now_s)) is not None:
                self._throttle(item, throttled)
            elif self.state is NEW:
                self._take_first(item)
            elif reading.admits(item):
                self._take(item)
        if allowance.rest_s:
            reading.rest()

    def slot_free(self) -> None:
        """Take what is held: the tenant's limiter has room."""
        self._reading.take_held(self._take)

    def rested(self) -> None:
        """Read again after a rest."""
        self._reading.rested()

    def _take_first(self, item: Command | InvalidMessage) -> None:
        if isinstance(item, InvalidMessage):
            self._reject_message(item)
            self._close(CloseCode.UNDECODABLE, "the first message is not a valid hello")
        elif not isinstance(item, Hello):
            self._close(CloseCode.UNDECODABLE, "the first message is not hello")
        else:
            self._move(HELLO)
            self._hello_id = item.id
            self._reading.hold()
            self.effects.append(StopTimer())
            self.effects.append(Join(item))

    def _take(self, item: Command | InvalidMessage) -> None:
        _TAKE.get(type(item), Connection._execute)(self, item)

    def _execute(self, command: Command) -> None:
        self._reading.begin(weight(command))
        self.effects.append(Execute(command))

    def _refresh(self, command: TokenRefresh) -> None:
        self._reading.begin(1)
        self.effects.append(RefreshToken(command))

    def _pong(self, ping: Ping) -> None:
        self.effects.append(Send(self._codec.encode(Pong(id=ping.id))))

    def _reject_hello(self, hello: Hello) -> None:
        self._reject_message(InvalidMessage(hello.id, "$.type", "Expected no second hello on one connection"))

    def _subscribe(self, command: Subscription) -> None:
        """Change which pushes this client receives; neither store nor other clients have a part in it."""
        allowed = BACK_ENDS if isinstance(command, SessionWatch | SessionUnwatch) else ALL
        if self._subject.role not in allowed:
            self._reply(command.id, Error.of(ErrorCode.FORBIDDEN))
        elif isinstance(command, SessionWatch) and command.resume is not None:
            self._reading.begin(weight(command))
            self.effects.append(ResumeWatch(command))
        else:
            self._reply(command.id, Empty())
            self.effects.append(Subscribe(command))

    def _throttle(self, item: Command | InvalidMessage, throttled: Throttled) -> None:
        self.effects.append(CountThrottled(throttled.limit))
        if self._reading.allowance.is_abused:
            self._close(CloseCode.RATE_LIMITED)
        elif not isinstance(item, SessionAck):
            error = Error.of(ErrorCode.RATE_LIMITED, None, **throttled._asdict())
            self.effects.append(Send(self._codec.encode(Reply(id=item.id, error=error))))

    def _reject_message(self, item: InvalidMessage) -> None:
        error = Error.of(ErrorCode.BAD_MESSAGE, item.message, path=item.path)
        self.effects.append(Send(self._codec.encode(Reply(id=item.id, error=error))))

    # The hello's answer -----------------------------------------------------------------------------------

    def verified(self, principal: Principal, limiter: Limiter, buckets: tuple[Bucket, ...]) -> bool:
        """
        Take the subject of the hello's token, and keep pushes from now on.

        Args:
            principal: The subject.
            limiter: The tenant's commands in flight.
            buckets: The rate limits that the subject shares with its other connections.

        Returns:
            Whether to go on; False after the end.
        """
        if not self._move(VERIFIED):
            return False
        self.principal = principal
        self._reading.limit(limiter)
        self._reading.allowance.share(buckets)
        return True

    def welcome(
        self,
        now_ms: int,
        *,
        agent: Agent | None = None,
        inbox: Inbox | None = None,
        synced_to: tuple[str, int] | None = None,
        leave_in_ms: int | None = None,
    ) -> bool:
        """
        Welcome the client, send the pushes that were kept, and take what it has sent meanwhile.

        Args:
            now_ms: The time, in milliseconds since the Unix epoch.
            agent: Its row of the directory; None for a back end.
            inbox: Its sessions; None for a back end.
            synced_to: The event (epoch, seq) up to which agent and inbox hold; None for a back end.
            leave_in_ms: When it is to leave, if the node drains.

        Returns:
            Whether it was; False after the end.
        """
        if not self._move(WELCOMED):
            return False
        principal = self._subject
        if synced_to is not None:
            self.synced_to = synced_to
        welcome = Welcome(
            id=self._hello_id,
            connection_id=self.connection_id,
            tenant=principal.tenant,
            role=principal.role,
            agent=agent,
            expires_at=principal.expires_at,
            server_at=now_ms,
            ping_interval_ms=self._settings.ping_interval_ms,
            server=SERVER,
            features=list(FEATURES),
            inbox=inbox if inbox is not None else Inbox(),
        )
        self.effects.append(Send(self._codec.encode(welcome)))
        kept, self._kept = self._kept, []
        for epoch, seq, message in kept:
            # Of an epoch that ended while this client was being registered, nothing holds any more.
            if (synced_to is None or epoch == synced_to[0]) and self.takes_push(epoch, seq, message):
                self.effects.append(Send(message))
        self._expect_expiry(principal, now_ms)
        if leave_in_ms is not None:
            self.drain(leave_in_ms)
        self._reading.open(self._take)
        return True

    def reject(self, error: Error, code: CloseCode) -> None:
        """Answer the hello with an error, and close."""
        if self.state in (VERIFYING, JOINING):
            self.effects.append(Send(self._codec.encode(Reply(id=self._hello_id, error=error))))
            self._close(code)

    # Answers ----------------------------------------------------------------------------------------------

    def answered(self, command: Command, answer: Result | Error) -> None:
        """Take the answer to a command; it is the last one if the client is to leave."""
        if not isinstance(command, SessionAck):
            self._reply(command.id, answer)
        self._finish(weight(command))

    def refreshed(self, command: TokenRefresh, answer: Principal | Error, now_ms: int) -> None:
        """Take the subject of a new token, or why there is none."""
        if isinstance(answer, Principal):
            self.principal = answer
            self._expect_expiry(answer, now_ms)
            self._reply(command.id, TokenResult(answer.expires_at))
        else:
            self._reply(command.id, answer)
        self._finish(1)

    def _reply(self, command_id: str | None, answer: Result | Error) -> None:
        if self.state in SERVED:
            reply = (
                Reply(id=command_id, error=answer)
                if isinstance(answer, Error)
                else Reply(id=command_id, result=answer)
            )
            message = self._codec.encode(reply)
            tokens = charge(answer, len(message))
            if tokens:
                self._reading.allowance.charge(tokens)
            self.effects.append(Send(message))

    def _finish(self, weight: int) -> None:
        self._reading.finish(weight)
        if self.state is LEAVING and not self._reading.in_flight:
            self._close(CloseCode.DRAINING)

    # Pushes -----------------------------------------------------------------------------------------------

    def takes_push(self, epoch: str, seq: int, message: bytes) -> bool:
        """
        Return whether to send what an event caused: not where the client has the event's outcome already.

        Before the welcome it is kept, for after it. It is an answer instead of an effect, as there are more
        of these than of all other messages.

        Args:
            epoch: The epoch of the event.
            seq: Its number.
            message: The encoded push.
        """
        if self.state is JOINING:
            self._kept.append((epoch, seq, message))
            return False
        return self.state in SERVED and (epoch != self.synced_to[0] or seq > self.synced_to[1])

    def charge_directory(self, size_bytes: int) -> None:
        """
        Charge what the client was sent because it subscribed to the directory.

        The first of a connection is free, so that the many that reconnect at once may. The tenant pays for
        none: the directory's size is not the sender's choice, and a snapshot is encoded once for all.

        Args:
            size_bytes: The size of the snapshot or patch.
        """
        if self._has_subscribed:
            self._reading.allowance.charge_sender(size_bytes // CHARGED_BYTES)
        self._has_subscribed = True

    def take_role(self, role: AgentRole) -> bool:
        """Take over the role that its agent has in the directory; return whether it is another one."""
        principal = self._subject
        if principal.role == role:
            return False
        self.principal = msgspec.structs.replace(principal, role=role)
        return True

    def sync(self, epoch: str, seq: int) -> None:
        """Take note that the client has everything up to an event."""
        self.synced_to = (epoch, seq)

    # Time -------------------------------------------------------------------------------------------------

    def timer_fired(self, timer: Timer, now_ms: int) -> None:
        """
        Go on after the time of the last `SetTimer`.

        Args:
            timer: What it was set for.
            now_ms: The time, in milliseconds since the Unix epoch.
        """
        match timer:
            case Timer.HELLO:
                self._close(CloseCode.NO_HELLO)
            case Timer.EXPIRING:
                expires_at = self._subject.expires_at
                self.effects.append(Send(self._codec.encode(TokenExpiring(expires_at=expires_at))))
                self.effects.append(SetTimer(max(expires_at - now_ms, 0), Timer.EXPIRED))
            case Timer.EXPIRED:
                self._close(CloseCode.TOKEN_EXPIRED)
            case Timer.LEAVE:
                if self._reading.in_flight and self._move(LEAVE):
                    self._reading.pause(Pause.LEAVING.value)
                else:
                    self._close(CloseCode.DRAINING)

    def _expect_expiry(self, principal: Principal, now_ms: int) -> None:
        # While draining, the one timer is to leave, and a new token does not stop it.
        if self.state is OPEN:
            warn_at_ms = principal.expires_at - TOKEN_EXPIRING_MS
            self.effects.append(SetTimer(max(warn_at_ms - now_ms, 0), Timer.EXPIRING))

    # Ends -------------------------------------------------------------------------------------------------

    def drain(self, leave_in_ms: int) -> None:
        """Announce the end of this node's service, and close the connection after that time."""
        if self._move(DRAIN):
            self.effects.append(Send(self._codec.encode(ServerDraining(reconnect_in_ms=leave_in_ms))))
        if self.state is DRAINING or self.state in BEFORE_WELCOME:
            self.effects.append(SetTimer(leave_in_ms, Timer.LEAVE))

    def close(self, code: CloseCode) -> None:
        """Close the connection for one of the protocol's reasons."""
        self._close(code)

    def lost(self, code: int, by_peer: bool) -> None:
        """
        Take note that the websocket is gone.

        Args:
            code: The close code of the side that closed first (see `transport.interface.Endpoint.lost`).
            by_peer: Whether that was the client.
        """
        is_registered = self.is_registered
        self._move(LOST)
        self.effects.append(StopTimer())
        self._reading.end()
        if is_registered:
            self.effects.append(Disconnect(clean=by_peer and code == 1000))

    def _close(self, code: CloseCode, reason: str | None = None) -> None:
        if self._move(CLOSE):
            self.effects.append(StopTimer())
            self._reading.end()
            self.effects.append(Close(code, code.meaning if reason is None else reason))

    def _move(self, event: Event) -> bool:
        """Change the state as the table says, and return whether it says anything."""
        state = TRANSITIONS[self.state].get(event)
        if state is None:
            return False
        self.state = state
        return True

    @property
    def _subject(self) -> Principal:
        assert self.principal is not None  # In every state after VERIFYING.
        return self.principal


_TAKE: Mapping[type, Callable[[Connection, Any], None]] = {
    InvalidMessage: Connection._reject_message,
    Ping: Connection._pong,
    Hello: Connection._reject_hello,
    DirectorySubscribe: Connection._subscribe,
    DirectoryUnsubscribe: Connection._subscribe,
    SessionWatch: Connection._subscribe,
    SessionUnwatch: Connection._subscribe,
    TokenRefresh: Connection._refresh,
}
"""What concerns one connection only; the store decides the other commands (`commands.RULES`)."""
