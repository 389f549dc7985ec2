"""A tenant for one test, with its agents, admins and back ends on real routers."""

import asyncio
import itertools
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import Message as Headers
from typing import Any

from tests.raw_client import Message, RawClient, connect_agent, make_token, open_socket
from tests.routers import SECRET, RouterProcess

CUSTOMER = {"id": "customer-1", "name": "Cleo Costa"}


@dataclass
class Answer:
    """What the router answered over HTTP."""

    status: int
    headers: Headers
    body: Any


class Tenant:
    """
    A tenant that no other test knows.

    Args:
        routers: Where its clients connect: number 0 unless a test says otherwise.
        formats: The format of each router's clients, in turn.
        tenant_id: Its id; a new one by default.
    """

    def __init__(
        self,
        routers: Sequence[RouterProcess],
        formats: Sequence[str] = ("json",),
        tenant_id: str | None = None,
    ) -> None:
        self.routers = routers
        self.id = tenant_id or f"tenant-{uuid.uuid4().hex[:12]}"
        # Where the back end sends its requests: the number of a router.
        self.back_end_on = 0
        self._formats = formats
        self.clients: list[RawClient] = []
        self._numbers = itertools.count(1)
        self._admin: RawClient | None = None

    def token(self, sub: str, role: str = "agent", **claims: Any) -> str:
        """Return a token of this tenant."""
        return make_token(SECRET, tenant=self.id, sub=sub, role=role, **claims)

    # Clients.

    async def connect_agent(
        self, agent_id: str, *, on: int = 0, role: str = "agent", format: str | None = None, **claims: Any
    ) -> RawClient:
        """
        Connect one device of an agent, which the token's claims put into the directory.

        Args:
            agent_id: The agent.
            on: The number of the router.
            role: ``agent`` or ``admin``; ``service`` for a back end.
            format: The format, if not the one of that router's clients here.
            claims: ``name``, ``departments``, ``capacity``, ``ttl_s``.
        """
        client = await connect_agent(
            self.routers[on % len(self.routers)].address,
            self.token(agent_id, role, **claims),
            format=format or self._formats[on % len(self._formats)],
            name=agent_id,
        )
        self.clients.append(client)
        return client

    async def connect_admin(self, admin_id: str = "adela", *, on: int = 0, **claims: Any) -> RawClient:
        """Connect an admin, Adela by default."""
        return await self.connect_agent(admin_id, on=on, role="admin", **claims)

    async def connect_service(self, *, on: int = 0, **claims: Any) -> RawClient:
        """Connect a back end."""
        return await self.connect_agent("crm", on=on, role="service", **claims)

    async def connect_without_hello(self, *, on: int = 0, format: str = "json", **options: Any) -> RawClient:
        """Open a websocket without saying hello."""
        client = RawClient(await open_socket(self.routers[on].address, format, **options), "stranger")
        self.clients.append(client)
        return client

    # Commands of the back end.

    async def post(
        self,
        command: str,
        *,
        on: int | None = None,
        token: str | None = None,
        key: str | None = None,
        raw: bytes | None = None,
        **fields: Any,
    ) -> Answer:
        """
        Send a command over HTTP, as the back end unless a token says otherwise.

        Args:
            command: The command's type.
            on: The number of the router, if it is not the back end's usual one.
            token: The bearer; none at all if empty.
            key: The ``Idempotency-Key``.
            raw: The body, if it is not the fields as JSON.
            fields: The command's fields.
        """
        headers = {"content-type": "application/json"}
        if token != "":
            headers["authorization"] = f"Bearer {token or self.token('crm', 'service')}"
        if key is not None:
            headers["idempotency-key"] = key
        body = json.dumps(fields).encode() if raw is None else raw
        router = self.routers[self.back_end_on if on is None else on]
        status, answered, content = await asyncio.to_thread(
            router.request, "POST", f"/api/v1/{command}", body, headers
        )
        return Answer(status, answered, json.loads(content))

    async def do(self, command: str, **fields: Any) -> Message:
        """Send a command over HTTP as the back end, and return its result."""
        answer = await self.post(command, **fields)
        assert answer.status == 200, f"{command} {fields} was refused: {answer.body}"
        result: Message = answer.body
        return result

    async def put_department(self, department_id: str, name: str | None = None) -> None:
        """Make a department."""
        await self.do(
            "department.put", department={"id": department_id, "name": name or department_id.title()}
        )

    async def put_agent(
        self, agent_id: str, *, role: str = "agent", departments: Sequence[str] = (), capacity: int = 10
    ) -> None:
        """Make an agent without a connection."""
        profile = {"id": agent_id, "name": agent_id.title(), "role": role}
        await self.do("agent.put", agent={**profile, "departments": list(departments), "capacity": capacity})

    async def open_session(self, session_id: str, *, agent: str = "", department: str = "") -> Message:
        """Open a session with an agent or a department, and return it."""
        target = {"kind": "agent", "id": agent} if agent else {"kind": "department", "id": department}
        answer = await self.do("session.open", session_id=session_id, customer=CUSTOMER, target=target)
        session: Message = answer["session"]
        return session

    async def get_session(self, session_id: str) -> Message:
        """Return a session as it is now."""
        session: Message = (await self.do("session.get", session_id=session_id))["session"]
        return session

    async def history(self, session_id: str) -> list[Message]:
        """Return a session's whole history."""
        answer = await self.do("session.history", session_id=session_id, limit=500)
        assert not answer["more"]
        entries: list[Message] = answer["entries"]
        return entries

    async def list_sessions(self, **filters: Any) -> list[Message]:
        """Return all sessions that a filter finds, page by page."""
        found: list[Message] = []
        cursor = None
        while True:
            page = await self.do("session.list", **filters, **({"cursor": cursor} if cursor else {}))
            found += page["sessions"]
            cursor = page["cursor"]
            if cursor is None:
                return found

    async def read_directory(self) -> tuple[dict[str, Message], dict[str, Message]]:
        """Return the agents and the departments as they are now, as an observer sees them."""
        observer = await self.connect_admin("observer")
        shown = await observer.open_dialog()
        await self.settle(observer)
        await observer.close()
        agents = {agent_id: row for agent_id, row in shown.agents.items() if agent_id != "observer"}
        return agents, {name: row for name, row in shown.departments.items() if name != "settled"}

    # The end.

    async def settle(self, *clients: RawClient) -> None:
        """
        Return when these clients, with a dialog open, were sent everything that happened before.

        The feed keeps one order, so a client that sees a later change got all earlier ones.
        """
        name = f"Settled {next(self._numbers)}"
        await self.put_department("settled", name)
        await asyncio.gather(*(client.sees_department("settled", name=name) for client in clients))

    async def disconnect_all(self) -> None:
        """Drop all connections."""
        for client in self.clients:
            client.drop()
        await asyncio.gather(*(client.socket.wait_closed() for client in self.clients))


def to_agent(agent_id: str) -> Message:
    """Return the target that is an agent."""
    return {"kind": "agent", "id": agent_id}


def to_department(department_id: str) -> Message:
    """Return the target that is a department."""
    return {"kind": "department", "id": department_id}
