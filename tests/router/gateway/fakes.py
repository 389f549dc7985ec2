"""What a gateway talks to, as fakes: a socket that keeps what is sent, and the parts around a connection."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from relevo.protocol.codec import JSON, Codec
from relevo.router.auth.principal import Principal
from relevo.router.config import Settings
from relevo.router.gateway.connection import Connection, State
from relevo.router.gateway.effects import Effect, Send
from relevo.router.gateway.rate_limit import Rates
from relevo.router.tenant.in_flight import InFlightLimiter

Message = dict[str, Any]
T = TypeVar("T", bound=Effect)

NOW_MS = 1_700_000_000_000
EXPIRES_AT = NOW_MS + 600_000
SETTINGS = Settings()


def principal(sub: str = "ana", role: str = "agent", **fields: Any) -> Principal:
    """Return the subject of a token, of the tenant acme unless told otherwise."""
    known = {"tenant": "acme", "name": None, "departments": None, "capacity": None, "expires_at": EXPIRES_AT}
    return Principal(sub=sub, role=role, **(known | fields))  # type: ignore[arg-type]


def settings(**changed: Any) -> Settings:
    """Return the default settings with some changed."""
    return Settings(**changed)


def limiter(in_flight_max: int = 1000) -> InFlightLimiter:
    """Return an in-flight limiter of a tenant; no test starts so many that an iteration has to be made."""
    return InFlightLimiter(in_flight_max, 1000, lambda callback: None)


def read(message: bytes) -> Message:
    """Return an encoded JSON message."""
    return msgspec.json.decode(message, type=dict[str, Any])


class Machine:
    """
    A connection without a shell: what it asks for is kept, by order.

    Args:
        changed: Settings other than the defaults.
    """

    def __init__(self, codec: Codec = JSON, **changed: Any) -> None:
        self.settings = settings(**changed)
        self.limiter = limiter()
        self.connection = Connection("c1", codec, self.settings, Rates(self.settings).connection())
        self.now_s = 1.0

    @property
    def state(self) -> State:
        return self.connection.state

    def effects(self) -> list[Effect]:
        """Return what the connection has asked for since the last call."""
        effects = list(self.connection.effects)
        self.connection.effects.clear()
        return effects

    def of(self, kind: type[T]) -> list[T]:
        """Return the effects of one kind since the last call."""
        return [effect for effect in self.effects() if isinstance(effect, kind)]

    def sent(self) -> list[Message]:
        """Return the messages sent since the last call."""
        return [read(effect.message) for effect in self.of(Send)]

    def receive(self, *messages: Message) -> None:
        """Receive messages, several as a batch."""
        self.connection.received(
            msgspec.json.encode(messages[0] if len(messages) == 1 else messages), self.now_s
        )

    def verify(self, role: str = "agent") -> None:
        """Go from the hello to JOINING."""
        self.receive({"type": "hello", "id": "h", "token": "t"})
        assert self.connection.verified(principal(role=role), self.limiter, ())

    def open(self, role: str = "agent", **content: Any) -> None:
        """Go from the hello to OPEN, and drop what was asked for on the way."""
        self.verify(role)
        assert self.connection.welcome(NOW_MS, **content)
        self.effects()
