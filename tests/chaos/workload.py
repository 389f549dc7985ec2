"""
Random workloads from a seed: actors open, transfer, accept, decline, connect and disconnect.

Each text is unique, so that the histories show which
commands were carried out, and how often.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from relevo_client import RelevoError

from tests.chaos.actors import Actor, HttpBackEnd
from tests.chaos.history import Call, ClientLog, History

log = logging.getLogger(__name__)

DEPARTMENTS = ("sales", "billing")
# Fewer places than there are sessions, so that lists and queues fill.
CAPACITIES = {"ana": 3, "bob": 2, "cleo": 4, "dora": 1}
ADMINS = ("adela", "adam")
# In one department sessions do not wait for anybody.
IMPATIENT = {
    "answer_ms": 300,
    "missed_max": 0,
    "pending_ms": 500,
    "pending_then": "department",
    "pending_take": "when_available",
}
OPEN_MAX = 18
REPEATED_MAX = 20
IN_FLIGHT_MAX = 3


class Workload:
    """
    The actors of one tenant.

    Args:
        history: Where everything is taken down.
        tenant: Its name.
        ports: The routers' ports.
        seed: Of everything that happens by chance.
        pause_s: How long an actor waits between two commands, at most.
    """

    def __init__(
        self, history: History, tenant: str, ports: Sequence[int], seed: int, *, pause_s: float = 0.08
    ) -> None:
        self.tenant = tenant
        self.marker = f"of {tenant} only"
        self.actors: dict[str, Actor] = {}
        self.opened: list[str] = []
        self._history = history
        self._ports = ports
        self._seed = seed
        self._pause_s = pause_s
        self._tasks: list[asyncio.Task[None]] = []
        self._is_at_work = False
        history.markers[tenant] = self.marker
        for number, name in enumerate(CAPACITIES):
            departments = [DEPARTMENTS[number % 2], *([DEPARTMENTS[1]] if number == 0 else [])]
            self.add(name, "agent", departments=departments, capacity=CAPACITIES[name])
        # A second device of the same agent.
        self.add("bob-phone", "agent", agent_id="bob", departments=["billing"], capacity=CAPACITIES["bob"])
        for name in ADMINS:
            self.add(name, "admin", departments=[], capacity=5)
        self.add("crm", "service")
        self.add("shop", "service", kind=HttpBackEnd)

    def add(
        self,
        name: str,
        role: str,
        *,
        agent_id: str | None = None,
        kind: type[Actor] = Actor,
        **claims: Any,
    ) -> Actor:
        """Add an actor to the workload."""
        agent_id = agent_id or name
        log = ClientLog(self.tenant, name, agent_id, role)
        self._history.clients.append(log)
        seed = f"{self._seed} {self.tenant} {name}"
        actor = kind(
            self._history, log, self._ports, seed, name=f"{agent_id.title()} {self.marker}", **claims
        )
        self.actors[name] = actor
        return actor

    async def connect_all(self) -> None:
        """Make the departments, and connect all actors."""
        crm = self.actors["crm"]
        await crm.connect()
        for department_id in DEPARTMENTS:
            await self.name_department(crm, department_id, department_id.title())
        department = {"id": "billing", "name": f"Billing {self.marker}", "settings": IMPATIENT}
        await crm.call("department.put", department=department)
        await asyncio.gather(*(one.connect() for one in self.actors.values() if one is not crm))

    async def name_department(self, actor: Actor, department_id: str, name: str) -> Call:
        """Make or name a department."""
        department = {"id": department_id, "name": f"{name} {self.marker}"}
        return await actor.call("department.put", department=department)

    def begin_work(self) -> None:
        """Start the worker of each actor; they run until `end_work`."""
        self._is_at_work = True
        self._tasks = [asyncio.create_task(Worker(self, one).work()) for one in self.actors.values()]

    async def end_work(self) -> None:
        """Return when nothing is in flight."""
        self._is_at_work = False
        await asyncio.gather(*self._tasks)
        self._tasks = []

    async def close(self) -> None:
        """Stop all work, and close the clients."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(one.close() for one in self.actors.values()))

    @property
    def is_busy(self) -> bool:
        """Whether actors work."""
        return self._is_at_work

    def is_at_work(self, actor: Actor) -> bool:
        """Return whether an actor goes on."""
        return self._is_at_work and not actor.has_left

    def pause_s(self, chance: random.Random) -> float:
        """Return how long an actor waits before the next command."""
        return chance.uniform(0, self._pause_s)


class Worker:
    """Send the commands of one actor, chosen at random."""

    def __init__(self, workload: Workload, actor: Actor) -> None:
        self._workload = workload
        self._person = actor
        self._chance = actor.chance
        self._texts = 0
        self._sent_on: list[str] = []
        self._done: list[Call] = []
        self._in_flight: set[asyncio.Task[None]] = set()
        acts: dict[str, list[tuple[int, Callable[[], Awaitable[object]]]]] = {
            "agent": [
                (8, self._transfer_own),
                (4, self._accept),
                (2, self._decline),
                (2, self._recall),
                (3, self._note_own),
                (3, self._close_own),
                (2, self._choose_status),
                (1, self._meddle),
                (1, self._repeat),
                (1, self._look),
                (1, actor.reopen_dialog),
                (1, self._reconnect),
            ],
            "service": [(8, self._open), (4, self._transfer_any), (1, self._close_any), (1, self._repeat)],
        }
        acts["service"] += [(1, self._rename), (1, self._note_any), (1, self._hire_and_dismiss)]
        acts["admin"] = [*acts["agent"], (3, self._transfer_any), (1, self._open_own), (1, self._set_other)]
        self._weights, self._acts = zip(*acts[actor.log.role], strict=True)

    async def work(self) -> None:
        """Do one thing after the other, sometimes the next before the answer to the last."""
        try:
            while self._workload.is_at_work(self._person):
                await asyncio.sleep(self._workload.pause_s(self._chance))
                act = self._chance.choices(self._acts, self._weights)[0]
                if self._chance.random() < 0.3 and len(self._in_flight) < IN_FLIGHT_MAX:
                    task = asyncio.create_task(self._do(act))
                    self._in_flight.add(task)
                    task.add_done_callback(self._in_flight.discard)
                else:
                    await self._do(act)
            await asyncio.gather(*self._in_flight)
        finally:
            for task in self._in_flight:
                task.cancel()

    async def _do(self, act: Callable[[], Awaitable[object]]) -> None:
        try:
            await self._person.ensure_connected()
            await act()
        except RelevoError as error:
            # No router let it in, or opened its dialog, in time: the next act tries again.
            log.info("%s: %r", self._person.log.full_name, error)

    async def _call(self, type: str, **fields: Any) -> Call:
        call = await self._person.call(type, **fields)
        if call.key is not None:
            self._done.append(call)
            del self._done[:-REPEATED_MAX]
        return call

    def _text(self) -> str:
        self._texts += 1
        return f"{self._person.log.name} {self._texts} {self._workload.marker}"

    def _target(self) -> dict[str, str]:
        if self._chance.random() < 0.3:
            return {"kind": "department", "id": self._chance.choice(DEPARTMENTS)}
        return {"kind": "agent", "id": self._chance.choice([*CAPACITIES, *ADMINS])}

    def _own(self, state: str) -> Any:
        inbox = self._person.client.inbox
        sessions = list((inbox.in_progress if state == "in_progress" else inbox.pending).values())
        return self._chance.choice(sessions) if sessions else None

    def _any(self) -> str:
        return self._chance.choice(self._workload.opened or ["nothing"])

    # What agents do.

    async def _transfer_own(self) -> None:
        session = self._own("in_progress") or self._own("pending")
        if session is not None:
            fence = self._chance.choice([{}, {"fence": session.fence}, {"fence": max(1, session.fence - 1)}])
            await self._transfer(session.id, **fence)

    async def _transfer(self, session_id: str, **fence: int) -> None:
        call = await self._call(
            "session.transfer", session_id=session_id, target=self._target(), reason=self._text(), **fence
        )
        if call.is_acknowledged:
            self._sent_on.append(session_id)
            del self._sent_on[:-5]

    async def _accept(self) -> None:
        session = self._own("pending")
        if session is not None:
            await self._call("session.accept", session_id=session.id)
        elif self._chance.random() < 0.5:
            await self._call("session.accept", session_id=self._any())

    async def _decline(self) -> None:
        session = self._own("pending")
        if session is not None:
            await self._call("session.decline", session_id=session.id, reason=self._text())

    async def _recall(self) -> None:
        if self._sent_on:
            await self._call("session.recall", session_id=self._chance.choice(self._sent_on))

    async def _note_own(self) -> None:
        session = self._own("in_progress")
        if session is not None:
            await self._call("session.note", session_id=session.id, text=self._text())

    async def _close_own(self) -> None:
        session = self._own("in_progress")
        if session is not None:
            await self._close(session.id)

    async def _close(self, session_id: str) -> None:
        call = await self._call("session.close", session_id=session_id)
        if call.is_acknowledged and session_id in self._workload.opened:
            self._workload.opened.remove(session_id)

    async def _choose_status(self) -> None:
        await self._call("status.set", status=self._chance.choice(["connected"] * 4 + ["pause", "pre_pause"]))

    async def _meddle(self) -> None:
        await self._transfer(self._any(), fence=self._chance.randrange(1, 6))

    async def _repeat(self) -> None:
        if self._done:
            call = self._chance.choice(self._done)
            await self._person.call(call.type, key=call.key, **call.fields)

    async def _look(self) -> None:
        await self._call("session.list", limit=100)

    async def _reconnect(self) -> None:
        if self._chance.random() < 0.3:
            await self._person.reconnect()
        else:
            for proxy in self._person.proxies:
                proxy.link().cut()

    # What back ends and admins do.

    async def _open(self) -> None:
        workload = self._workload
        if len(workload.opened) >= OPEN_MAX:
            await self._close_any()
            return
        session_id = f"{self._person.log.name}-chat-{self._texts}"
        customer = {"id": f"customer-{self._texts}", "name": f"Customer {self._text()}"}
        workload.opened.append(session_id)
        await self._call("session.open", session_id=session_id, customer=customer, target=self._target())

    async def _open_own(self) -> None:
        session_id = f"{self._person.log.name}-own-{self._texts}"
        self._workload.opened.append(session_id)
        customer = {"id": "walk-in", "name": f"Customer {self._text()}"}
        await self._call("session.open", session_id=session_id, customer=customer)

    async def _transfer_any(self) -> None:
        await self._transfer(self._any())

    async def _note_any(self) -> None:
        await self._call("session.note", session_id=self._any(), text=self._text())

    async def _close_any(self) -> None:
        await self._close(self._any())

    async def _rename(self) -> None:
        self._texts += 1
        await self._workload.name_department(
            self._person, self._chance.choice(DEPARTMENTS), f"Department {self._texts}"
        )

    async def _hire_and_dismiss(self) -> None:
        self._texts += 1
        profile = {
            "id": f"{self._person.log.name}-temp-{self._texts}",
            "name": f"Temp {self._workload.marker}",
            "role": "agent",
            "departments": [self._chance.choice(DEPARTMENTS)],
            "capacity": 1,
        }
        await self._call("agent.put", agent=profile)
        await self._call("agent.remove", agent_id=profile["id"])

    async def _set_other(self) -> None:
        agent_id = self._chance.choice([*CAPACITIES])
        status = self._chance.choice(["connected", "connected", "pause", "disconnected"])
        await self._call("status.set", agent_id=agent_id, status=status)
