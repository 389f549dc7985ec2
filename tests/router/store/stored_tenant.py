"""One tenant on a real store, each command one method, the time set by the test."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

import msgspec
import pytest

from relevo.protocol.objects import Agent, Department, Entry, Session
from relevo.router.store import answers, records
from relevo.router.store.client.client import StoreClient
from relevo.router.store.commands import CommandLimits, CommandRejectedError, StoreCommands, T
from relevo.router.store.events import Event

LIMITS = CommandLimits(
    events_max=1000,
    key_ttl_ms=600_000,
    closed_retention_ms=86_400_000,
    presence_grace_ms=10_000,
    session_grace_ms=30_000,
    lease_ms=6_000,
    connections_per_agent_max=2,
    agents_max=1000,
    departments_max=1000,
    sessions_max=1000,
    history_max=1000,
)
By: TypeAlias = "str | dict[str, Any]"


class TimedCommands(StoreCommands):
    """Commands that go by the test's time."""

    now = 1_790_000_000_000

    async def run(
        self, tenant: str, command: str, request: dict[str, Any], answer: type[T], **options: Any
    ) -> T:
        return await super().run(tenant, command, request | {"now": self.now}, answer, **options)


class StoredTenant:
    """
    A tenant with departments `sales` and `help` and a connected admin `boss`.

    Args:
        store: Open.
        tenant_id: Used by this one only.
        limits: What it may have.
    """

    def __init__(self, store: StoreClient, tenant_id: str, limits: CommandLimits = LIMITS) -> None:
        self.commands = TimedCommands(store, limits, "node")
        self.id = tenant_id
        self.epoch = ""
        self.seq = 0

    @property
    def now(self) -> int:
        """The time, in milliseconds since the Unix epoch."""
        return self.commands.now

    @now.setter
    def now(self, now: int) -> None:
        self.commands.now = now

    async def run(self, command: str, by: By | None = None, **fields: Any) -> dict[str, msgspec.Raw]:
        """Run a command; `by` is an agent's id, `boss`, `desk` (a back end), or a whole caller."""
        if isinstance(by, str):
            role = {"boss": "admin", "desk": "service"}.get(by, "agent")
            by = {"id": by, "role": role} | ({"attached": True} if role != "service" else {})
        request = fields | ({"by": by} if by is not None else {})
        result = await self.commands.run(self.id, command, request, msgspec.Raw, durable=True)
        return msgspec.msgpack.decode(result, type=Result)

    async def refuse(self, code: str, command: str, by: By | None = None, **fields: Any) -> dict[str, Any]:
        """Run a command that must be refused, and return the details."""
        with pytest.raises(CommandRejectedError) as refusal:
            await self.run(command, by, **fields)
        assert refusal.value.code == code
        return refusal.value.details

    async def set_up(self) -> None:
        """Bring the admin and the departments in."""
        await self.connect("boss")
        for department_id in ("sales", "help"):
            await self.run(
                "department_put", "boss", department={"id": department_id, "name": department_id.title()}
            )
        await self.new_events()

    # Presence ----------------------------------------------------------------------------------------------

    async def connect(
        self,
        agent_id: str,
        departments: Iterable[str] | None = None,
        capacity: int | None = None,
        **more: Any,
    ) -> dict[str, msgspec.Raw]:
        """Say hello."""
        claims = {"departments": departments, "capacity": capacity, "again": more.pop("again", None)}
        by = {"id": agent_id, "role": "admin" if agent_id == "boss" else "agent"}
        by |= {name: value for name, value in claims.items() if value is not None}
        where = {
            "node_id": "node",
            "connection_id": f"of-{agent_id}",
            "lease_ms": 10**9,
            "connections_max": 2,
        }
        return await self.run("connect", by, **where | more)

    async def connect_new(self, *agent_ids: str, departments: Iterable[str] = (), capacity: int = 10) -> None:
        """Connect agents that did not exist."""
        for agent_id in agent_ids:
            await self.connect(agent_id, list(departments), capacity)

    async def disconnect(self, agent_id: str, clean: bool = False) -> None:
        """Lose a connection."""
        where = {"node_id": "node", "connection_id": f"of-{agent_id}"}
        await self.run("disconnect", agent_id=agent_id, clean=clean, **where)

    async def status(self, agent_id: str, status: str, by: str | None = None) -> Agent:
        """Choose a status."""
        return answers.agent(
            (await self.run("status_set", by or agent_id, agent_id=agent_id, status=status))["agent"]
        )

    # Sessions ----------------------------------------------------------------------------------------------

    async def change(self, command: str, session_id: str, by: By, **fields: Any) -> Session:
        """Run a command that answers with a session."""
        return answers.session((await self.run(command, by, session_id=session_id, **fields))["session"])

    async def open(self, session_id: str, target: dict[str, str] | None = None, by: By = "boss") -> Session:
        """Open a session."""
        where = {} if target is None else {"target": target}
        return await self.change(
            "session_open", session_id, by, customer={"id": "c", "name": "Cleo"}, **where
        )

    async def transfer(
        self, session_id: str, target: dict[str, str], by: By = "boss", **fields: Any
    ) -> Session:
        """Transfer a session."""
        return await self.change("session_transfer", session_id, by, target=target, **fields)

    async def accept(self, session_id: str, by: By, **fields: Any) -> Session:
        return await self.change("session_accept", session_id, by, **fields)

    async def decline(self, session_id: str, by: By, **fields: Any) -> Session:
        return await self.change("session_decline", session_id, by, **fields)

    async def recall(self, session_id: str, by: By = "boss") -> Session:
        return await self.change("session_recall", session_id, by)

    async def close(self, session_id: str, by: By = "boss", **fields: Any) -> Session:
        return await self.change("session_close", session_id, by, **fields)

    async def listed(self, by: By = "boss", **filters: Any) -> list[str]:
        """Return the ids of a list's first page."""
        result = await self.run("session_list", by, **{"after": 0, "limit": 100} | filters)
        return [answers.session(raw).id for raw in msgspec.msgpack.decode(result["sessions"], type=Raws)]

    async def place(self, session_id: str, by: By) -> int:
        result = await self.run("session_place", by, session_id=session_id)
        return msgspec.msgpack.decode(result["place"], type=int)

    async def history(self, session_id: str) -> list[Entry]:
        """Return all entries."""
        result = await self.run("session_history", "boss", session_id=session_id, after=0, limit=500)
        packed = msgspec.msgpack.decode(result["records"], type=Raws)
        return [entry for raw in packed for entry in records.entries_of(records.decode_session(raw))]

    # Reads --------------------------------------------------------------------------------------------------

    async def directory(self) -> answers.Directory:
        """Return the whole directory."""
        return await self.commands.directory(self.id)

    async def agent(self, agent_id: str) -> Agent:
        """Return an agent's row."""
        return next(row for row in (await self.directory()).agents if row.id == agent_id)

    async def department(self, department_id: str) -> Department:
        """Return a department's row."""
        return next(row for row in (await self.directory()).departments if row.id == department_id)

    async def new_events(self) -> list[Event]:
        """Return the events since the last time."""
        found = await self.commands.events(self.id, self.epoch, self.seq, 1000)
        if found.events is None:
            found = await self.commands.events(self.id, found.epoch, 0, 1000)
        self.epoch, self.seq = found.epoch, found.seq
        assert found.events is not None
        return found.events

    async def notified(self) -> list[tuple[str, str]]:
        """Return the senders notified since the last time, and what became of each transfer."""
        changes = [change for event in await self.new_events() for change in event.changes]
        return [
            (change.superseded_sender or change.record.sender or "", change.told)
            for change in changes
            if change.told is not None
        ]


Result: TypeAlias = dict[str, msgspec.Raw]
Raws: TypeAlias = list[msgspec.Raw]


def to_agent(agent_id: str) -> dict[str, str]:
    return {"kind": "agent", "id": agent_id}


def to_department(department_id: str) -> dict[str, str]:
    return {"kind": "department", "id": department_id}


SALES, HELP = to_department("sales"), to_department("help")
