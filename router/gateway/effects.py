"""What a `Connection` asks its shell to do, in order. Pure."""

from __future__ import annotations

from enum import Enum
from typing import TypeAlias

import msgspec

from relevo.protocol.commands import (
    Command,
    DirectorySubscribe,
    DirectoryUnsubscribe,
    Hello,
    SessionUnwatch,
    SessionWatch,
    TokenRefresh,
)
from relevo.protocol.errors import CloseCode

Subscription: TypeAlias = DirectorySubscribe | DirectoryUnsubscribe | SessionWatch | SessionUnwatch
"""A command that changes which pushes the client receives."""


class Timer(Enum):
    """What the one timer of a connection is for."""

    HELLO = "hello"
    EXPIRING = "expiring"
    EXPIRED = "expired"
    LEAVE = "leave"


class Send(msgspec.Struct, frozen=True, gc=False):
    """Send an encoded message."""

    message: bytes


class Join(msgspec.Struct, frozen=True, gc=False):
    """Verify the hello's token; call `verified`, register the connection, and call `welcome` or `reject`."""

    hello: Hello


class Execute(msgspec.Struct, frozen=True, gc=False):
    """Run a command in the store, and call `answered`."""

    command: Command


class RefreshToken(msgspec.Struct, frozen=True, gc=False):
    """Verify the command's token, and call `refreshed`."""

    command: TokenRefresh


class Subscribe(msgspec.Struct, frozen=True, gc=False):
    """Change which pushes the client receives."""

    command: Subscription


class ResumeWatch(msgspec.Struct, frozen=True, gc=False):
    """Send the changes of sessions since the command's position and those to come, and call `answered`."""

    command: SessionWatch


class SetTimer(msgspec.Struct, frozen=True, gc=False):
    """Call `timer_fired` after ``delay_ms``; a timer that is set already is replaced."""

    delay_ms: int
    timer: Timer


class StopTimer(msgspec.Struct, frozen=True, gc=False):
    """Cancel the timer, if one is set."""


class PauseReading(msgspec.Struct, frozen=True, gc=False):
    """Read no message from the socket."""


class ResumeReading(msgspec.Struct, frozen=True, gc=False):
    """Read messages again."""


class RestReading(msgspec.Struct, frozen=True, gc=False):
    """Call `rested` after ``delay_ms``."""

    delay_ms: int


class AwaitSlot(msgspec.Struct, frozen=True, gc=False):
    """Call `slot_free` when the tenant's in-flight limiter has room."""


class CountThrottled(msgspec.Struct, frozen=True, gc=False):
    """Count a message over a rate limit."""

    limit: str


class Close(msgspec.Struct, frozen=True, gc=False):
    """Close the websocket."""

    code: CloseCode
    reason: str


class Disconnect(msgspec.Struct, frozen=True, gc=False):
    """Take the connection away from its agent in the store; ``clean`` skips the grace."""

    clean: bool


Effect: TypeAlias = (
    Send
    | Join
    | Execute
    | RefreshToken
    | Subscribe
    | ResumeWatch
    | SetTimer
    | StopTimer
    | PauseReading
    | ResumeReading
    | RestReading
    | AwaitSlot
    | CountThrottled
    | Close
    | Disconnect
)
