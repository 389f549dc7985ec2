"""The players of the demo: each is a client like any other, over its own connection."""

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
    Customer,
    ForbiddenError,
    NotAllowedError,
    NotFoundError,
    RelevoError,
    SameTargetError,
    Session,
    SessionClosedError,
    StateChanged,
    Target,
)

from relevo.clients.terminal.demo.decisions import (
    Accept,
    Action,
    AgentView,
    Answer,
    ChooseStatus,
    Close,
    Decline,
    Leave,
    Note,
    OpenDialog,
    OpenSessions,
    Recall,
    abandoned,
    choose_first_target,
    choose_overdue,
    choose_target,
    decide,
    target_count,
)
from relevo.clients.terminal.demo.flaky_link import FlakyLink
from relevo.clients.terminal.demo.people import (
    ADMIN_REASONS,
    ANSWER_MS,
    CUSTOMERS,
    DEPARTMENTS,
    PEOPLE,
    RULES,
    SIMULATED_ADMIN,
    SIMULATED_AGENTS,
    STATUS_REASONS,
    TENANT,
    Person,
)

log = structlog.get_logger(__name__)

BACK_END: Final = "back-office"
TOKEN_TTL_S: Final = 3600
RECONNECT: Final = Backoff(initial_s=0.5, cap_s=4.0)
# Fewer open conversations than this are a demo that has just begun.
BEGINNING: Final = 20
OPENED_AT_ONCE: Final = 2
FORGET_SENT_S: Final = 120.0

# Refused because another client was faster: the player goes on.
REFUSALS: Final = (
    AtCapacityError,
    ConflictError,
    ForbiddenError,
    NotAllowedError,
    NotFoundError,
    SameTargetError,
    SessionClosedError,
)


@dataclass(frozen=True, slots=True)
class Demo:
    """
    The router of the demo, and what all players share.

    Attributes:
        host: The router's address, as a client on this machine reaches it.
        port: The router's port.
        sign: Returns a token of its claims: tenant, sub, role, ttl_s, now_ms and so on.
        pace: How many times faster than human everything goes.
        seed: Of the random numbers.
    """

    host: str
    port: int
    sign: Callable[..., str]
    pace: float
    seed: int

    def url(self, port: int | None = None) -> str:
        """Return the URL of the router's websocket, or of a proxy before it on a loopback port."""
        return websocket_url(self.host, self.port) if port is None else websocket_url("127.0.0.1", port)

    def chance(self, name: str) -> Random:
        """Return a player's own random numbers."""
        return Random(f"{self.seed}:{name}")

    async def wait(self, random: Random, least_s: float, most_s: float) -> None:
        """Sleep for a random human time, divided by the pace."""
        await asyncio.sleep(random.uniform(least_s, most_s) / self.pace)

    def tokens_of(self, person: Person) -> Callable[[], str]:
        """Return a source of fresh tokens; their claims create the agent again if an admin removed it."""
        return lambda: self.sign(
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
        return lambda: self.sign(
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


async def create_people(demo: Demo) -> None:
    """Create the departments, their rules and deadlines, and the people."""
    async with demo.client(demo.back_end_tokens()) as client:
        reasons = [
            {"id": reason, "name": reason, "status": status}
            for status, texts in STATUS_REASONS.items()
            for reason in texts
        ]
        await client.settings.put({"reasons": reasons})
        for department_id, name in DEPARTMENTS.items():
            answer_ms = round(ANSWER_MS.get(department_id, 0) / demo.pace)
            settings = {"answer_ms": answer_ms or None, "rule": RULES.get(department_id)}
            await client.departments.put(department_id, name, settings=settings)
        for person in PEOPLE:
            await client.agents.put(
                person.id,
                person.name,
                role=person.role,
                departments=person.departments,
                capacity=person.capacity,
            )


async def play(demo: Demo) -> None:
    """Run all players until cancelled."""
    async with asyncio.TaskGroup() as players:
        for person in SIMULATED_AGENTS:
            players.create_task(AgentPlayer(demo, person).play(), name=person.id)
        players.create_task(BackEndPlayer(demo).play(), name=BACK_END)
        players.create_task(AdminPlayer(demo).play(), name=SIMULATED_ADMIN.id)


class AgentPlayer:
    """
    An agent that works in shifts.

    Args:
        demo: The router to connect to.
        person: The agent.
    """

    def __init__(self, demo: Demo, person: Person) -> None:
        self._demo = demo
        self._person = person
        self._random = demo.chance(person.id)
        self._sent: dict[str, float] = {}
        self._link = FlakyLink(demo.host, demo.port) if person.on_phone else None

    async def play(self) -> None:
        """Work one shift after another."""
        port = None if self._link is None else await self._link.open()
        try:
            await self._wait(0.0, 2.0)
            while True:
                client = self._demo.client(self._demo.tokens_of(self._person), port)
                try:
                    async with client:
                        await self._work(client)
                except RelevoError as error:
                    log.warning("shift cut short", agent=self._person.id, reason=str(error))
                await self._wait(20.0, 60.0)
        finally:
            if self._link is not None:
                await self._link.close()

    async def _work(self, client: Client) -> None:
        self._sent.clear()
        await client.agents.set_status("connected")
        while True:
            await self._wait(4.0, 11.0)
            now_s = time.time()
            action = decide(self._person, self._view(client, now_s), now_s, self._demo.pace, self._random)
            if isinstance(action, Leave):
                if action.closes or self._link is None:
                    return
                await self._lose_link(client, self._link)
                continue
            try:
                await self._perform(client, action)
            except REFUSALS as refusal:
                log.debug(
                    "action refused", agent=self._person.id, action=type(action).__name__, reason=str(refusal)
                )

    def _view(self, client: Client, now_s: float) -> AgentView:
        kept = {session_id: at_s for session_id, at_s in self._sent.items() if now_s - at_s < FORGET_SENT_S}
        self._sent = kept
        inbox = client.inbox
        status = "disconnected" if client.agent is None else client.agent.status
        return AgentView(status, list(inbox.in_progress.values()), list(inbox.pending.values()), kept)

    async def _perform(self, client: Client, action: Action) -> None:
        match action:
            case ChooseStatus(status, reason):
                await client.agents.set_status(status, reason=reason)
            case Answer(session_id):
                await client.sessions.answer(session_id)
            case Accept(session_id):
                await client.sessions.accept(session_id)
            case Decline(session_id, reason):
                await client.sessions.decline(session_id, reason)
            case Recall(session_id):
                del self._sent[session_id]
                await client.sessions.recall(session_id)
            case Note(session_id, text):
                await client.sessions.note(session_id, text)
            case Close(session_id):
                await client.sessions.close(session_id)
            case OpenDialog(session_id):
                await self._transfer(client, session_id)

    async def _transfer(self, client: Client, session_id: str) -> None:
        directory = await client.directory.subscribe()
        await self._wait(1.5, 4.0)
        chosen = choose_target(
            self._person, directory.agents.values(), directory.departments.values(), self._random
        )
        session = client.inbox.in_progress.get(session_id)
        await client.directory.unsubscribe()
        if chosen is not None and session is not None:
            target, reason = chosen
            result = await client.sessions.transfer(session_id, target, reason, fence=session.fence)
            if result.transfer.outcome != "assigned":
                self._sent[session_id] = time.time()

    async def _lose_link(self, client: Client, link: FlakyLink) -> None:
        events = client.events()
        link.cut()
        # Shorter than the presence grace, which nothing shows, or longer.
        await self._wait(*self._random.choice([(2.0, 7.0), (20.0, 60.0)]))
        link.restore()
        async for event in events:
            if isinstance(event, StateChanged) and event.state == "connected":
                return

    async def _wait(self, least_s: float, most_s: float) -> None:
        await self._demo.wait(self._random, least_s, most_s)


class BackEndPlayer:
    """
    The chat's back end: opens conversations as customers arrive, and closes those they have left.

    Args:
        demo: The router to connect to.
    """

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self._random = demo.chance(BACK_END)
        self._customers: list[str] = []

    async def play(self) -> None:
        """Keep the number of open conversations at its target."""
        await self._demo.wait(self._random, 2.5, 2.5)
        while True:
            try:
                async with self._demo.client(self._demo.back_end_tokens()) as client:
                    while True:
                        await self._step(client)
                        await self._demo.wait(self._random, 2.0, 4.0)
            except RelevoError as error:
                log.warning("back end cut short", reason=str(error))
            await self._demo.wait(self._random, 2.0, 4.0)

    async def _step(self, client: Client) -> None:
        open_sessions = await read_open_sessions(client)
        now_s = time.time()
        for session in abandoned(open_sessions, now_s, self._demo.pace):
            try:
                await client.sessions.close(session.id, fence=session.fence)
            except REFUSALS as refusal:
                log.debug("action refused", agent=BACK_END, action="Close", reason=str(refusal))
        missing = target_count(now_s, self._demo.pace) - open_sessions.count
        for _ in range(missing if open_sessions.count < BEGINNING else min(missing, OPENED_AT_ONCE)):
            target = choose_first_target(open_sessions, self._random)
            await self._open(client, target)

    async def _open(self, client: Client, target: Target) -> None:
        if not self._customers:
            self._customers = self._random.sample(CUSTOMERS, len(CUSTOMERS))
        name = self._customers.pop()
        customer = Customer(f"customer-{CUSTOMERS.index(name) + 1}", name)
        try:
            await client.sessions.open(f"chat-{secrets.token_hex(6)}", customer, target)
        except REFUSALS as refusal:
            log.debug("action refused", agent=BACK_END, action="Open", reason=str(refusal))


class AdminPlayer:
    """
    The admin that transfers what waits too long.

    Args:
        demo: The router to connect to.
    """

    def __init__(self, demo: Demo) -> None:
        self._demo = demo
        self._random = demo.chance(SIMULATED_ADMIN.id)

    async def play(self) -> None:
        """Look through the pending lists and queues again and again."""
        while True:
            try:
                async with self._demo.client(self._demo.tokens_of(SIMULATED_ADMIN)) as client:
                    await client.agents.set_status("connected")
                    await client.directory.subscribe()
                    while True:
                        await self._demo.wait(self._random, 4.0, 8.0)
                        await self._step(client)
            except RelevoError as error:
                log.warning("admin cut short", reason=str(error))
            await self._demo.wait(self._random, 5.0, 10.0)

    async def _step(self, client: Client) -> None:
        open_sessions = await read_open_sessions(client)
        overdue = choose_overdue(
            open_sessions,
            client.directory.agents,
            client.directory.departments,
            time.time(),
            self._demo.pace,
            self._random,
        )
        if overdue is not None:
            await self._redirect(client, *overdue)
        inbox = client.inbox
        for session in (*inbox.in_progress.values(), *inbox.pending.values()):
            # A visitor of the demo sent it here.
            await self._redirect(client, session, Target.department(self._random.choice(list(DEPARTMENTS))))

    async def _redirect(self, client: Client, session: Session, target: Target) -> None:
        try:
            await client.sessions.transfer(
                session.id, target, self._random.choice(ADMIN_REASONS), fence=session.fence
            )
        except REFUSALS as refusal:
            log.debug("action refused", agent=SIMULATED_ADMIN.id, action="Transfer", reason=str(refusal))


async def read_open_sessions(client: Client) -> OpenSessions:
    """List the open sessions of the tenant, as an admin or a back end."""
    return OpenSessions(
        in_progress=[session async for session in client.sessions.list(state="in_progress")],
        pending=[session async for session in client.sessions.list(state="pending")],
        queued=[session async for session in client.sessions.list(state="queued")],
    )
