"""What counts is what was said last: by a token, by `agent.put`, or by a removal."""

import time
from typing import Any

import pytest

from tests.e2e.tenant import Tenant, to_agent
from tests.raw_client import RawClient

UNTIL_AT = 4_000_000_000_000


def profile(agent_id: str, departments: list[str], role: str = "agent") -> dict[str, Any]:
    """Return what `agent.put` takes."""
    return {"id": agent_id, "name": agent_id, "role": role, "departments": departments, "capacity": 10}


def ago(seconds: int) -> int:
    """Return when a token of earlier was issued."""
    return int(time.time()) - seconds


async def test_removed_agent_stays_removed_for_an_older_token(tenant: Tenant) -> None:
    morning: dict[str, Any] = {"iat": ago(3600)}
    await tenant.connect_agent("ana", **morning)
    await tenant.do("agent.remove", agent_id="ana")

    client = await tenant.connect_without_hello()
    answer = await client.say_hello(tenant.token("ana", **morning))
    over_http = await tenant.post("session.list", token=tenant.token("ana", **morning))

    assert answer["error"]["code"] == "forbidden"
    assert await client.expect_close() == 4502
    assert (over_http.status, over_http.body["code"]) == (403, "forbidden")
    assert (await tenant.connect_agent("ana", iat=ago(-2))).welcome["agent"]["id"] == "ana"


async def test_removed_admin_removes_nobody_over_http(tenant: Tenant) -> None:
    await tenant.put_agent("bob")
    boss = tenant.token("boss", "admin", iat=ago(60))
    await tenant.put_agent("boss", role="admin")
    await tenant.do("agent.remove", agent_id="boss")

    answer = await tenant.post("agent.remove", token=boss, agent_id="bob")

    assert (answer.status, answer.body["code"]) == (403, "forbidden")
    assert "bob" in (await tenant.read_directory())[0]


async def test_agent_put_brings_a_removed_agent_back(tenant: Tenant) -> None:
    morning: dict[str, Any] = {"iat": ago(3600)}
    await tenant.connect_agent("ana", **morning)
    await tenant.do("agent.remove", agent_id="ana")
    await tenant.put_agent("ana")
    assert (await tenant.connect_agent("ana", **morning)).welcome["agent"]["name"] == "Ana"


async def test_removed_department_stays_removed_for_an_older_token(tenant: Tenant) -> None:
    await tenant.connect_agent("ana", departments=["sales", "help"], iat=ago(60))
    await tenant.do("department.remove", department_id="help")

    bob = await tenant.connect_agent("bob", departments=["sales", "help"], iat=ago(60))

    assert bob.welcome["agent"]["departments"] == ["sales"]
    assert set((await tenant.read_directory())[1]) == {"sales"}
    later = await tenant.connect_agent("cid", departments=["help"], iat=ago(-2))
    assert later.welcome["agent"]["departments"] == ["help"]


@pytest.mark.parametrize("issued", [{"iat": ago(60)}, {}], ids=["an older token", "a token without iat"])
async def test_older_token_undoes_no_agent_put(tenant: Tenant, issued: dict[str, Any]) -> None:
    await tenant.put_department("sales")
    await tenant.do("agent.put", agent=profile("ana", ["sales"]))
    ana = await tenant.connect_agent("ana", departments=["help"], capacity=1, **issued)
    assert (ana.welcome["agent"]["departments"], ana.welcome["agent"]["capacity"]) == (["sales"], 10)
    later = await tenant.connect_agent("ana", departments=["help"], iat=ago(-2), on=1)
    assert later.welcome["agent"]["departments"] == ["help"]


async def test_older_token_undoes_no_newer_one(tenant: Tenant) -> None:
    await tenant.connect_agent("ana", departments=["sales"], iat=ago(10))
    laptop = await tenant.connect_agent("ana", departments=["help"], iat=ago(60))
    assert laptop.welcome["agent"]["departments"] == ["sales"]


async def test_refresh_applies_the_claims_of_the_token(tenant: Tenant) -> None:
    ana = await tenant.connect_agent("ana", departments=["sales"], iat=ago(60))
    dialog = await tenant.connect_admin()
    await dialog.open_dialog()

    await ana.command("token.refresh", token=tenant.token("ana", departments=["help"], iat=ago(0)))

    assert (await dialog.sees_agent("ana", departments=["help"]))["role"] == "agent"
    error = await ana.refused("token.refresh", token=tenant.token("bob", iat=ago(0)))
    assert error["code"] == "unauthorized"


async def see_the_loss(tenant: Tenant, boss: RawClient) -> None:
    """See that what was an admin does as an agent does."""
    assert (await boss.expect_push("status.changed"))["agent"]["role"] == "agent"
    await tenant.open_session("chat-1", agent="ana")
    attempts: list[tuple[str, dict[str, Any]]] = [
        ("session.transfer", {"session_id": "chat-1", "target": to_agent("boss")}),
        ("agent.remove", {"agent_id": "ana"}),
        ("session.watch", {}),
        ("status.set", {"agent_id": "ana", "status": "pause"}),
    ]
    for command, fields in attempts:
        assert (command, (await boss.refused(command, **fields))["code"]) == (command, "forbidden")
    assert boss.unread("session.changed") == []


async def test_admin_made_an_agent_loses_its_rights_at_once(tenant: Tenant) -> None:
    await tenant.put_agent("ana")
    boss = await tenant.connect_admin("boss", iat=ago(60))
    await boss.command("session.watch")
    await tenant.do("agent.put", agent=profile("boss", [], "agent"))

    await see_the_loss(tenant, boss)
    old = await tenant.post("agent.remove", token=tenant.token("boss", "admin", iat=ago(60)), agent_id="ana")
    assert (old.status, old.body["code"]) == (403, "forbidden")


async def test_admin_that_refreshes_as_an_agent_loses_its_rights(tenant: Tenant) -> None:
    await tenant.put_agent("ana")
    boss = await tenant.connect_admin("boss", iat=ago(60))
    await boss.command("session.watch")
    await boss.command("token.refresh", token=tenant.token("boss", "agent", iat=ago(0)))
    await see_the_loss(tenant, boss)


async def test_agent_made_an_admin_need_not_connect_again(tenant: Tenant) -> None:
    ana = await tenant.connect_agent("ana", iat=ago(60))
    await tenant.put_agent("bob")
    await tenant.do("agent.put", agent=profile("ana", [], "admin"))

    changed = await ana.expect_push("status.changed")
    await ana.command("session.watch")
    await ana.command("agent.remove", agent_id="bob")

    assert (changed["agent"]["role"], changed["by"]) == ("admin", {"id": "crm", "name": "crm"})


async def test_status_carries_its_reason_and_its_author(tenant: Tenant) -> None:
    ana = await tenant.connect_agent("ana", name="Ana")
    admin = await tenant.connect_admin(name="Adela")
    own = (await ana.command("status.set", status="pause", reason="lunch", until_at=UNTIL_AT))["agent"]
    by = {"id": "adela", "name": "Adela"}
    await admin.command("status.set", agent_id="ana", status="pause", reason="training")

    changed = await ana.expect_push("status.changed")

    assert (own["status_reason"], own["status_until_at"]) == ("lunch", UNTIL_AT)
    assert own["status_by"] == {"id": "ana", "name": "Ana"}
    assert (changed["agent"]["status_reason"], changed["by"], changed["reason"]) == (
        "training",
        by,
        "training",
    )
    assert "status_until_at" not in changed["agent"]


async def test_pre_pause_that_ends_tells_its_agent(tenant: Tenant) -> None:
    ana = await tenant.connect_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    await ana.command("status.set", status="pre_pause", reason="home")
    await tenant.do("session.close", session_id="chat-1")
    changed = await ana.expect_push("status.changed")
    assert (changed["agent"]["status"], changed["by"], changed["reason"]) == ("pause", None, "home")
