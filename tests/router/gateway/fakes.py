"""What a gateway talks to, as fakes: a socket that keeps what is sent, and the parts around a connection."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar, cast

import msgspec

from relevo.protocol.codec import JSON, Codec
from relevo.router.auth.principal import Principal
from relevo.router.auth.tokens import KeysUnavailableError, UnauthorizedError
from relevo.router.config import Settings
from relevo.router.gateway.connection import Connection, State
from relevo.router.gateway.counts import GatewayCounts
from relevo.router.gateway.effects import Effect, Send
from relevo.router.gateway.endpoint import Services
from relevo.router.gateway.rate_limit import Rates
from relevo.router.gateway.sign_ins import SignIns
from relevo.router.observe.tasks import BackgroundTasks
from relevo.router.store import answers
from relevo.router.store.commands import Caller
from relevo.router.tenant.directory import Replica
from relevo.router.tenant.fanout import TenantHub
from relevo.router.tenant.in_flight import InFlightLimiter, InFlightLimiters
from tests.router.events import agent_record, directory, packed_record
from tests.router.hubs import make_hub

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
    """Return an in-flight limiter of a tenant."""
    return InFlightLimiter(in_flight_max)


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


class FakeSocket:
    """A websocket that keeps what is sent, and is never read."""

    def __init__(self, codec: Codec = JSON, remote: str = "192.0.2.1") -> None:
        self.codec = codec
        self.remote = remote
        self.buffered_bytes = 0
        self.is_silent = False
        self.is_read = True
        self.closed: tuple[int, str] | None = None
        self._is_closed = asyncio.Event()
        self._sent: list[bytes] = []

    def send(self, payload: bytes) -> None:
        self._sent.append(payload)

    def send_frame(self, frame: bytes) -> None:
        self._sent.append(frame)

    def close(self, code: int, reason: str = "") -> None:
        self.closed = (code, reason)
        self._is_closed.set()

    async def wait_closed(self) -> tuple[int, str] | None:
        """Wait for a close, and return its code and reason."""
        async with asyncio.timeout(30):
            await self._is_closed.wait()
        return self.closed

    def abort(self) -> None:
        self.close(1006)

    def pause_reading(self) -> None:
        self.is_read = False

    def resume_reading(self) -> None:
        self.is_read = True

    def sent(self) -> list[Message]:
        """Return the messages sent since the last call."""
        sent, self._sent = self._sent, []
        return [read(message) for message in sent]


class FakeStore:
    """Store commands that answer as a test says, and keep what they are asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.answer: Any = answers.EntryReply(answers.packed({}))
        self.attached: Any = attached()
        self.gate = asyncio.Event()
        self.gate.set()

    async def run(self, tenant: str, name: str, request: dict[str, Any], answer: Any, **options: Any) -> Any:
        self.asked.append((name, request | {"tenant": tenant} | options))
        await self.gate.wait()
        return self._give(self.answer)

    def submit(self, tenant: str, name: str, request: dict[str, Any], **options: Any) -> asyncio.Future[Any]:
        return asyncio.ensure_future(self.run(tenant, name, request, None, **options))

    def decode(self, tenant: str, name: str, reply: Any, answer: Any) -> Any:
        return reply

    async def connect(
        self, tenant: str, claims: Caller, connection_id: str, silent: Sequence[str] = ()
    ) -> Any:
        request = {"tenant": tenant, "claims": claims, "connection_id": connection_id, "silent": list(silent)}
        self.asked.append(("connect", request))
        await self.gate.wait()
        return self._give(self.attached)

    async def refresh_token(self, tenant: str, caller: Caller) -> answers.AgentReply:
        self.asked.append(("token_refresh", {"by": caller}))
        return answers.AgentReply(packed_record(agent_record(caller.id)))

    async def disconnect(self, tenant: str, agent_id: str, connection_id: str, clean: bool) -> None:
        self.asked.append(("disconnect", {"connection_id": connection_id, "clean": clean}))

    def names(self) -> list[str]:
        """Return the names of the commands asked for."""
        return [name for name, _ in self.asked]

    def _give(self, answer: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer


class FakeVerifier:
    """Tokens are the subjects' ids; a token `bad` is rejected."""

    def __init__(self) -> None:
        self.role = "agent"

    async def verify(self, token: str) -> Principal:
        if token == "bad":
            raise UnauthorizedError("the signature is wrong", "signature")
        if token == "later":
            raise KeysUnavailableError("the JWKS could not be read yet")
        return principal(token, self.role)


class FakeRegistry:
    """One tenant, which is always read."""

    def __init__(self) -> None:
        replica = Replica(10)
        replica.load(directory(1, epoch="e"))
        self.tenant_hub = make_hub(replica)
        self.entered: list[str] = []
        self.error: Exception | None = None

    def __len__(self) -> int:
        return 1

    @property
    def hubs(self) -> list[TenantHub]:
        return [self.tenant_hub]

    async def serve(self, tenant: str) -> TenantHub:
        if self.error is not None:
            raise self.error
        return self.tenant_hub

    def hub(self, tenant: str) -> TenantHub | None:
        return self.tenant_hub

    def has_connection(self, tenant: str, connection_id: str) -> bool:
        return connection_id in self.entered

    def enter(self, tenant: str, connection_id: str) -> None:
        self.entered.append(connection_id)

    def leave(self, tenant: str, connection_id: str) -> None:
        self.entered.remove(connection_id)


class FakeRegistration:
    """Registers with the fake store, and nothing more."""

    def __init__(self, store: FakeStore) -> None:
        self.register = store.connect
        self._store = store

    async def disconnect(self, tenant: str, agent_id: str, connection_id: str, *, clean: bool) -> None:
        await self._store.disconnect(tenant, agent_id, connection_id, clean)


class FakeServices:
    """The parts of a node around its endpoints, to be made inside a running loop."""

    def __init__(self, **changed: Any) -> None:
        self.settings = settings(**changed)
        self.store = FakeStore()
        self.verifier = FakeVerifier()
        self.registry = FakeRegistry()
        self.counts = GatewayCounts()
        self.tasks = BackgroundTasks()
        self.services = Services(
            settings=self.settings,
            clock=cast(Any, FakeClock()),
            verifier=cast(Any, self.verifier),
            store_commands=cast(Any, self.store),
            registry=cast(Any, self.registry),
            registration=cast(Any, FakeRegistration(self.store)),
            limiters=InFlightLimiters(),
            rates=Rates(self.settings),
            counts=self.counts,
            sign_ins=SignIns(self.settings.refused_token_rate),
            tasks=self.tasks,
        )

    async def settle(self) -> None:
        """Run the tasks that can run, to their end or next wait."""
        for _ in range(20):
            await asyncio.sleep(0)


class FakeClock:
    """The same time of day for ever."""

    def now_ms(self) -> int:
        return NOW_MS


def attached(**changed: Any) -> answers.Attached:
    """Return what the store answers to `connect`."""
    known: dict[str, Any] = {
        "agent": packed_record(agent_record("ana")),
        "in_progress": [],
        "pending": [],
        "epoch": "e",
        "seq": 5,
        "known": True,
    }
    return answers.Attached(**(known | changed))
