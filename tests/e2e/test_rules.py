"""Rules of transfers, and trying before doing, over websockets and HTTP."""

import json
from collections.abc import Awaitable, Callable
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import MakeTenant
from tests.e2e.tenant import CUSTOMER, Tenant, to_agent, to_department
from tests.raw_client import FORMATS, RawClient
from tests.routers import RouterProcess

VECTORS = json.loads((Path(__file__).parents[2] / "protocol/vectors/rules.json").read_text())
Send = Callable[..., Awaitable[tuple[Any, Any]]]


class Office:
    """
    A tenant whose agents are in every state of the vectors, and sessions that were transferred so often.

    Args:
        tenant: The tenant.
        over: How owners send their commands.
    """

    def __init__(self, tenant: Tenant, over: str) -> None:
        self.tenant = tenant
        self.over = over
        self.clients: dict[str, RawClient] = {}
        self.sessions: dict[str, tuple[str, str]] = {}

    async def furnish(self) -> None:
        for department_id in ("sales", "help"):
            await self.tenant.put_department(department_id)
        self.clients["adela"] = await self.tenant.connect_admin()
        rows = {vector["agent"]["id"]: vector["agent"] for vector in VECTORS if "agent" in vector}
        for name in ("ana", "ben"):
            await self.connect({"id": name, "role": "agent", "departments": ["sales"], "capacity": 1000})
        await self.connect({"id": "zed", "role": "agent", "departments": [], "capacity": 1000})
        for row in rows.values():
            await self.connect(row)

    async def connect(self, row: dict[str, Any]) -> None:
        """Bring an agent into the state that a row shows."""
        client = await self.tenant.connect_agent(
            row["id"], role=row["role"], departments=row["departments"], capacity=row["capacity"]
        )
        self.clients[row["id"]] = client
        for number in range(row.get("load", 0)):
            await self.tenant.open_session(f"load-{row['id']}-{number}", agent=row["id"])
        status = row.get("status", "connected")
        if status != "connected":
            # Nobody chooses to be disconnected.
            sender = self.clients["adela"] if status == "disconnected" else client
            await sender.command("status.set", status=status, agent_id=row["id"])

    async def session(self, department: str | None, hops: int, hops_free: int) -> tuple[str, str]:
        """Return a session of this department that was transferred so often, and its owner."""
        name = f"chat-{department}-{hops}-{hops_free}"
        if name not in self.sessions:
            owner = "ana" if department is not None else "zed"
            await self.tenant.open_session(name, agent=owner)
            for number in range(hops):
                owner = {"ana": "ben", "ben": "ana", "zed": "zed-2", "zed-2": "zed"}[owner]
                if owner == "zed-2" and owner not in self.clients:
                    await self.connect({"id": owner, "role": "agent", "departments": [], "capacity": 1000})
                fields: dict[str, Any] = {"session_id": name, "target": to_agent(owner)}
                if number < hops_free:
                    assert (await self.tenant.post("session.transfer", **fields)).status == 200
                else:
                    await self.clients["adela"].command("session.transfer", **fields)
            self.sessions[name] = (name, owner)
        return self.sessions[name]

    async def send(self, owner: str, command: str, **fields: Any) -> tuple[Any, Any]:
        """Send a command as an agent: the result and the error, one of them None."""
        if self.over == "http":
            answer = await self.tenant.post(command, token=self.tenant.token(owner), **fields)
            return (answer.body, None) if answer.status == 200 else (None, answer.body)
        client = self.clients[owner]
        reply = await client.reply(await client.send(command, **fields))
        return reply.get("result"), reply.get("error")

    async def put_rule(self, department: str | None, rule: dict[str, Any] | None) -> None:
        """Set the rule of a department, or of the tenant."""
        if department is None:
            answer = await self.tenant.post("settings.put", settings={"rule": rule})
        else:
            put = {"id": department, "name": department, "settings": {"rule": rule}}
            answer = await self.tenant.post("department.put", department=put)
        assert answer.status == 200, answer


@pytest.fixture
async def tenant(routers: list[RouterProcess], make_tenant: MakeTenant) -> Tenant:
    return make_tenant(routers, FORMATS)


@pytest.mark.parametrize("over", ["websocket", "http"])
async def test_transfers_are_refused_as_the_vectors_say(tenant: Tenant, over: str) -> None:
    office = Office(tenant, over)
    await office.furnish()
    wrong = []
    for (rule, department), cases in groupby(VECTORS, lambda v: (v["rule"], v["session"]["department"])):
        await office.put_rule(department, rule)
        for case in cases:
            session_id, owner = await office.session(**case["session"])
            fields: dict[str, Any] = {
                "session_id": session_id,
                "target": case["target"],
                "reason": case["reason"],
            }
            # What is refused changes nothing; what is not would.
            is_check = not case["broken"]
            result, error = await office.send(owner, "session.transfer", **fields, check=is_check)
            refused = {"because": error["details"].get("because"), "code": error["code"]} if error else None
            expected = {"because": case["broken"][0], "code": "not_allowed"} if case["broken"] else None
            if refused != expected or is_check != (result is not None):
                wrong.append((case["name"], refused, result))
    assert wrong == []


async def small(tenant: Tenant, over: str = "websocket") -> Office:
    """Return an office of a few agents: ana with `chat`, bob on pause, cid and dora free, all in sales."""
    office = Office(tenant, over)
    await tenant.put_department("sales")
    await tenant.put_department("help")
    office.clients["adela"] = await tenant.connect_admin()
    for name, capacity, status in [
        ("ana", 9, "connected"),
        ("bob", 9, "pause"),
        ("cid", 9, "connected"),
        ("dora", 3, "connected"),
    ]:
        row = {"id": name, "role": "agent", "departments": ["sales"], "capacity": capacity, "status": status}
        await office.connect(row)
    await tenant.open_session("load", agent="cid")
    await tenant.open_session("chat", agent="ana")
    return office


@pytest.mark.parametrize("over", ["websocket", "http"])
async def test_refused_transfer_names_what_works_the_best_first(tenant: Tenant, over: str) -> None:
    office = await small(tenant, over)
    await office.put_rule("sales", {"statuses": ["connected"]})
    _, error = await office.send("ana", "session.transfer", session_id="chat", target=to_agent("bob"))
    assert error["details"] == {
        "because": "status",
        "department": "sales",
        "alternatives": [
            {"kind": "agent", "id": "adela", "name": "adela"},
            {"kind": "agent", "id": "dora", "name": "dora"},
            {"kind": "agent", "id": "cid", "name": "cid"},
        ],
    }
    for party in error["details"]["alternatives"]:
        checked, _ = await office.send(
            "ana", "session.transfer", session_id="chat", target=to_agent(party["id"]), check=True
        )
        assert checked["outcome"] == "assigned"


async def test_refused_transfer_names_departments_where_no_agents_are_allowed(tenant: Tenant) -> None:
    office = await small(tenant)
    await office.put_rule(None, {"agents": "none", "departments": ["sales", "help"]})
    _, error = await office.send("ana", "session.transfer", session_id="chat", target=to_agent("bob"))
    # Help has no agent, and the tenant's rule is no department's.
    assert error["details"] == {
        "because": "agents",
        "alternatives": [{"kind": "department", "id": "sales", "name": "Sales"}],
    }


@pytest.mark.parametrize("over", ["websocket", "http"])
async def test_refused_transfer_changes_nothing_and_http_says_403(tenant: Tenant, over: str) -> None:
    office = await small(tenant, over)
    await office.put_rule("sales", {"departments": [], "reason": "required"})
    before, _ = await office.send("ana", "session.get", session_id="chat")
    for target in (to_department("help"), to_agent("cid")):
        fields: dict[str, Any] = {"session_id": "chat", "target": target}
        _, error = await office.send("ana", "session.transfer", **fields)
        assert error["code"] == "not_allowed"
        answer = await tenant.post("session.transfer", token=tenant.token("ana"), **fields)
        assert answer.status == 403
    assert await office.send("ana", "session.get", session_id="chat") == (before, None)


@pytest.mark.parametrize("by", ["admin", "service"])
async def test_admin_and_back_end_pass_a_rule_and_the_entry_says_so(tenant: Tenant, by: str) -> None:
    office = await small(tenant)
    await office.put_rule("sales", {"statuses": ["connected"], "reason": "required"})
    token = tenant.token("adela", "admin") if by == "admin" else None
    answer = await tenant.post("session.transfer", token=token, session_id="chat", target=to_agent("bob"))
    assert answer.status == 200
    history = await tenant.post("session.history", session_id="chat")
    transferred = history.body["entries"][-1]
    assert (transferred["kind"], transferred["passed"]) == ("transferred", ["status", "reason"])
    assert "passed" not in history.body["entries"][0]


async def test_hops_by_back_ends_are_free_and_shown(tenant: Tenant) -> None:
    office = await small(tenant)
    await office.put_rule("sales", {"hops_max": 1})
    for target in ("cid", "ana"):
        await tenant.post("session.transfer", session_id="chat", target=to_agent(target))
    result, _ = await office.send("ana", "session.transfer", session_id="chat", target=to_agent("cid"))
    assert (result["session"]["hops"], result["session"]["hops_free"]) == (3, 2)
    _, error = await office.send("cid", "session.transfer", session_id="chat", target=to_agent("dora"))
    assert error["details"]["because"] == "hops"
    result, _ = await office.send("cid", "session.transfer", session_id="chat", target=to_department("sales"))
    assert result["session"]["hops"] == 4


@pytest.mark.parametrize("over", ["websocket", "http"])
async def test_check_says_what_would_happen_and_uses_up_no_key(tenant: Tenant, over: str) -> None:
    office = await small(tenant, over)
    transfer: dict[str, Any] = {"session_id": "chat", "target": to_department("sales")}
    for _ in range(2):
        checked = await office.send("ana", "session.transfer", **transfer, check=True, key="key-1")
        result, _ = checked
        assert (result["outcome"], result["assigned_to"]) == ("assigned", "dora")
        assert result["decision"]["chosen"]["id"] == "dora"
    result, _ = await office.send("ana", "session.transfer", **transfer, key="key-1")
    assert result["session"]["owner"] == to_agent("dora")
    _, error = await office.send("ana", "session.transfer", **transfer, check=True)
    assert error["code"] == "forbidden"


async def test_check_of_an_opening_opens_nothing(tenant: Tenant) -> None:
    await small(tenant)
    opening: dict[str, Any] = {"session_id": "new", "customer": CUSTOMER, "key": "key-1"}
    for target, outcome in [
        (to_agent("bob"), ("pending", None, "agent")),
        (to_department("help"), ("queued", None, "department")),
        (to_department("sales"), ("assigned", "dora", "department")),
    ]:
        answer = await tenant.post("session.open", **opening, target=target, check=True)
        assert (answer.status, set(answer.body)) == (200, {"outcome", "assigned_to", "decision"})
        assert (answer.body["outcome"], answer.body["assigned_to"], answer.body["decision"]["by"]) == outcome
    admin = tenant.token("adela", "admin")
    answer = await tenant.post("session.open", token=admin, **opening, check=True)
    assert answer.body == {"outcome": "assigned", "assigned_to": None, "decision": None}
    assert (await tenant.post("session.get", session_id="new")).status == 404
    missing = await tenant.post("session.open", **opening, target=to_agent("zoe"), check=True)
    assert missing.body["code"] == "not_found"
    assert (await tenant.post("session.open", **opening, target=to_agent("bob"))).status == 200
