"""The people of the demo at work: each is a client like any other, over its own connection."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

import structlog
from relevo_client import (
    AtCapacityError,
    Backoff,
    Client,
    ConflictError,
    Connected,
    Customer,
    ForbiddenError,
    NotFoundError,
    RelevoError,
    SameTargetError,
    Session,
    SessionClosedError,
    Status,
    Target,
)

from relevo.clients.terminal.demo.decisions import (
    Accept,
    Action,
    ChooseStatus,
    Close,
    Decline,
    Floor,
    Leave,
    Note,
    OpenDialog,
    Recall,
    View,
    choose_first_target,
    choose_rescue,
    choose_target,
    decide,
    gave_up,
    wanted_count,
)
from relevo.clients.terminal.demo.flaky_link import Network
from relevo.clients.terminal.demo.people import (
    ADMIN_REASONS,
    CUSTOMERS,
    DEPARTMENTS,
    PEOPLE,
    SIMULATED_ADMIN,
    SIMULATED_AGENTS,
    TENANT,
    Person,
)
from relevo.router.auth.tokens import sign

log = structlog.get_logger(__name__)

BACK_END: Final = "back-office"
TOKEN_TTL_S: Final = 3600
RECONNECT: Final = Backoff(initial_s=0.5, cap_s=4.0)
# Fewer open conversations than this are a demo that has just begun.
BEGINNING: Final = 20
OPENED_AT_ONCE: Final = 2
FORGET_SENT_S: Final = 120.0

# What others did first, or what is no longer as it was on the screen: people live with that.
REFUSALS: Final = (
    AtCapacityError,
    ConflictError,
    ForbiddenError,
    NotFoundError,
    SameTargetError,
    SessionClosedError,
)


@dataclass(frozen=True, slots=True)
class Stage:
    """
    What everybody in the demo shares.

    Attributes:
        host: The router's address, as a client on this machine reaches it.
        port: The router's port.
        secret: The secret of tokens.
        pace: How many times faster than human everything goes.
        seed: Where chance starts.
    """

    host: str
    port: int
    secret: str
    pace: float
    seed: int

    def url(self, port: int | None = None) -> str:
        """Return the address of the router's websocket, or of what stands before it on a loopback port."""
        return websocket_url(self.host, self.port) if port is None else websocket_url("127.0.0.1", port)

    def chance(self, name: str) -> Random:
        """Return somebody's own source of chance."""
        return Random(f"{self.seed}:{name}")

    async def wait(self, random: Random, least_s: float, most_s: float) -> None:
        """Let some human time pass."""
        await asyncio.sleep(random.uniform(least_s, most_s) / self.pace)

    def tokens_of(self, person: Person) -> Callable[[], str]:
        """Return a source of fresh tokens; they say who it is, should an admin have removed the agent."""
        return lambda: sign(
            self.secret,
            tenant=TENANT,
            sub=person.id,
            role=person.role,
            ttl_s=TOKEN_TTL_S,
            now_ms=time.time_ns() // 1_000_000,
            name=person.name,
            departments=person.departments,
            capacity=person.capacity,
        )

    def back_end_tokens(self) -> Callable[[], str]:
        """Return a source of fresh tokens for the back end."""
        return lambda: sign(
            self.secret,
            tenant=TENANT,
            sub=BACK_END,
            role="service",
            ttl_s=TOKEN_TTL_S,
            now_ms=time.time_ns() // 1_000_000,
        )

    def client(self, token: Callable[[], str], port: int | None = None) -> Client:
        """Return a client of the router, not yet connected."""
        # No proxy: the router is on this machine, whatever the environment says about the way out of it.
        return Client(self.url(port), token, proxy=None, reconnect=RECONNECT)


def websocket_url(host: str, port: int) -> str:
    """Return the address of a router's websocket."""
    return f"ws://{f'[{host}]' if ':' in host else host}:{port}/ws"


async def prepare(stage: Stage) -> None:
    """Create the departments and everybody in them."""
    async with stage.client(stage.back_end_tokens()) as client:
        for department_id, name in DEPARTMENTS.items():
            await client.put_department(department_id, name)
        for person in PEOPLE:
            await client.put_agent(
                person.id,
                person.name,
                role=person.role,
                departments=person.departments,
                capacity=person.capacity,
            )


async def play(stage: Stage) -> None:
    """Let everybody work until cancelled."""
    async with asyncio.TaskGroup() as everybody:
        for person in SIMULATED_AGENTS:
            everybody.create_task(AgentPlayer(stage, person).play(), name=person.id)
        everybody.create_task(BackEndPlayer(stage).play(), name=BACK_END)
        everybody.create_task(AdminPlayer(stage).play(), name=SIMULATED_ADMIN.id)


class AgentPlayer:
    """
    An agent who comes, works and goes.

    Args:
        stage: What everybody shares.
        person: Who it is.
    """

    def __init__(self, stage: Stage, person: Person) -> None:
        self._stage = stage
        self._person = person
        self._random = stage.chance(person.id)
        self._status: Status = "connected"
        self._sent: dict[str, float] = {}
        self._network = Network(stage.host, stage.port) if person.on_phone else None

    async def play(self) -> None:
        """Work one shift after another."""
        port = None if self._network is None else await self._network.open()
        try:
            await self._wait(0.0, 2.0)
            while True:
                client = self._stage.client(self._stage.tokens_of(self._person), port)
                try:
                    async with client:
                        await self._work(client)
                except RelevoError as error:
                    log.warning("shift cut short", agent=self._person.id, reason=str(error))
                await self._wait(20.0, 60.0)
        finally:
            if self._network is not None:
                await self._network.close()

    async def _work(self, client: Client) -> None:
        self._sent.clear()
        await self._choose_status(client, "connected")
        while True:
            await self._wait(4.0, 11.0)
            now_s = time.time()
            action = decide(self._person, self._view(client, now_s), now_s, self._stage.pace, self._random)
            if isinstance(action, Leave):
                if action.says_goodbye or self._network is None:
                    return
                await self._lose_network(client, self._network)
                continue
            try:
                await self._perform(client, action)
            except REFUSALS as refusal:
                log.debug("refused", agent=self._person.id, action=type(action).__name__, reason=str(refusal))

    def _view(self, client: Client, now_s: float) -> View:
        kept = {session_id: at_s for session_id, at_s in self._sent.items() if now_s - at_s < FORGET_SENT_S}
        self._sent = kept
        inbox = client.inbox
        return View(self._status, list(inbox.in_progress.values()), list(inbox.pending.values()), kept)

    async def _perform(self, client: Client, action: Action) -> None:
        match action:
            case ChooseStatus(status):
                await self._choose_status(client, status)
            case Accept(session_id):
                await client.accept(session_id)
            case Decline(session_id, reason):
                await client.decline(session_id, reason)
            case Recall(session_id):
                del self._sent[session_id]
                await client.recall(session_id)
            case Note(session_id, text):
                await client.note(session_id, text)
            case Close(session_id):
                await client.close_session(session_id)
            case OpenDialog(session_id):
                await self._transfer(client, session_id)

    async def _choose_status(self, client: Client, status: Status) -> None:
        self._status = (await client.set_status(status)).status

    async def _transfer(self, client: Client, session_id: str) -> None:
        directory = await client.subscribe_directory()
        await self._wait(1.5, 4.0)
        chosen = choose_target(
            self._person, directory.agents.values(), directory.departments.values(), self._random
        )
        session = client.inbox.in_progress.get(session_id)
        await client.unsubscribe_directory()
        if chosen is not None and session is not None:
            target, reason = chosen
            result = await client.transfer(session_id, target, reason, fence=session.fence)
            if result.transfer.outcome != "assigned":
                self._sent[session_id] = time.time()

    async def _lose_network(self, client: Client, network: Network) -> None:
        network.cut()
        # A lift, or a journey through a tunnel: the one nobody notices, the other everybody.
        await self._wait(*self._random.choice([(2.0, 7.0), (20.0, 60.0)]))
        network.mend()
        async for event in client:
            if isinstance(event, Connected) and event.reconnected:
                return

    async def _wait(self, least_s: float, most_s: float) -> None:
        await self._stage.wait(self._random, least_s, most_s)


class BackEndPlayer:
    """
    The chat's back end: opens conversations as customers come, and closes those whose customers have gone.

    Args:
        stage: What everybody shares.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._random = stage.chance(BACK_END)
        self._customers: list[str] = []

    async def play(self) -> None:
        """Open and close, so that the number of conversations stays within its bounds."""
        await self._stage.wait(self._random, 2.5, 2.5)
        while True:
            try:
                async with self._stage.client(self._stage.back_end_tokens()) as client:
                    while True:
                        await self._look_after(client)
                        await self._stage.wait(self._random, 2.0, 4.0)
            except RelevoError as error:
                log.warning("back end cut short", reason=str(error))
            await self._stage.wait(self._random, 2.0, 4.0)

    async def _look_after(self, client: Client) -> None:
        floor = await look_around(client)
        now_s = time.time()
        for session in gave_up(floor, now_s, self._stage.pace):
            try:
                await client.close_session(session.id, fence=session.fence)
            except REFUSALS as refusal:
                log.debug("refused", agent=BACK_END, action="Close", reason=str(refusal))
        missing = wanted_count(now_s, self._stage.pace) - floor.count
        for _ in range(missing if floor.count < BEGINNING else min(missing, OPENED_AT_ONCE)):
            target = choose_first_target(floor, self._random)
            await self._open(client, target)

    async def _open(self, client: Client, target: Target) -> None:
        if not self._customers:
            self._customers = self._random.sample(CUSTOMERS, len(CUSTOMERS))
        name = self._customers.pop()
        customer = Customer(f"customer-{CUSTOMERS.index(name) + 1}", name)
        try:
            await client.open_session(f"chat-{secrets.token_hex(6)}", customer, target)
        except REFUSALS as refusal:
            log.debug("refused", agent=BACK_END, action="Open", reason=str(refusal))


class AdminPlayer:
    """
    The admin who sends on what waits too long.

    Args:
        stage: What everybody shares.
    """

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._random = stage.chance(SIMULATED_ADMIN.id)

    async def play(self) -> None:
        """Look after the waiting lists."""
        while True:
            try:
                async with self._stage.client(self._stage.tokens_of(SIMULATED_ADMIN)) as client:
                    await client.set_status("connected")
                    await client.subscribe_directory()
                    while True:
                        await self._stage.wait(self._random, 4.0, 8.0)
                        await self._look_after(client)
            except RelevoError as error:
                log.warning("admin cut short", reason=str(error))
            await self._stage.wait(self._random, 5.0, 10.0)

    async def _look_after(self, client: Client) -> None:
        floor = await look_around(client)
        rescue = choose_rescue(
            floor,
            client.directory.agents,
            client.directory.departments,
            time.time(),
            self._stage.pace,
            self._random,
        )
        if rescue is not None:
            await self._send_on(client, *rescue)
        inbox = client.inbox
        for session in (*inbox.in_progress.values(), *inbox.pending.values()):
            # Somebody who looks at the demo sent it here.
            await self._send_on(client, session, Target.department(self._random.choice(list(DEPARTMENTS))))

    async def _send_on(self, client: Client, session: Session, target: Target) -> None:
        try:
            await client.transfer(session.id, target, self._random.choice(ADMIN_REASONS), fence=session.fence)
        except REFUSALS as refusal:
            log.debug("refused", agent=SIMULATED_ADMIN.id, action="Transfer", reason=str(refusal))


async def look_around(client: Client) -> Floor:
    """Return what is open in the tenant, as an admin or a back end sees it."""
    return Floor(
        in_progress=[session async for session in client.sessions(state="in_progress")],
        pending=[session async for session in client.sessions(state="pending")],
        queued=[session async for session in client.sessions(state="queued")],
    )
