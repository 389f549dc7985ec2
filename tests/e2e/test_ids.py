"""Ids as identity providers give them stand for agents, departments, sessions, customers and tenants."""

import asyncio
import uuid
from typing import Any

import pytest

from relevo.router import cli
from tests.e2e.conftest import MakeTenant
from tests.e2e.tenant import Tenant, to_agent, to_department
from tests.raw_client import FORMATS
from tests.routers import RouterProcess
from tests.servers import StoreServer

ANA = "auth0|5f7c8ec7c33c6c004bbafe82"
BOB = "https://idp.example/users/o'neil=x"
SALES = "https://acme.example/teams/sales|eu"
CHAT = "crm/chats/7|'a'=" + "x" * 112
CLEO = {"id": "mailto:cleo+1@acme.example/=|'", "name": "Cleo Costa"}


@pytest.fixture(params=FORMATS)
async def tenant(
    request: pytest.FixtureRequest, routers: list[RouterProcess], make_tenant: MakeTenant
) -> Tenant:
    """A tenant with such an id, in which Ana has a session and Bob is in the one department."""
    tenant_id = f"https://idp.example/o'neil|{uuid.uuid4().hex}="
    tenant = make_tenant(routers, (request.param,), tenant_id)
    await tenant.put_department(SALES, "Sales")
    await tenant.put_agent(ANA)
    await tenant.put_agent(BOB, departments=[SALES])
    return tenant


async def open_chat(tenant: Tenant) -> None:
    await tenant.do("session.open", session_id=CHAT, customer=CLEO, target=to_agent(ANA))


async def test_transfer_between_ids_of_providers_arrives(tenant: Tenant) -> None:
    ana, bob = await tenant.connect_agent(ANA), await tenant.connect_agent(BOB, on=1)
    await open_chat(tenant)
    await ana.expect_push("session.assigned")

    await ana.command("session.transfer", session_id=CHAT, target=to_department(SALES), reason="an invoice")

    pushed = await bob.expect_push("session.assigned")
    assert (pushed["session"]["id"], pushed["session"]["customer"]) == (CHAT, CLEO)
    transfer = pushed["transfer"]
    assert (transfer["from"]["id"], transfer["to"]["id"], transfer["assigned_to"]) == (ANA, SALES, BOB)


async def test_welcome_and_directory_hold_ids_of_providers(tenant: Tenant) -> None:
    await open_chat(tenant)
    ana = await tenant.connect_agent(ANA, departments=[SALES])

    (welcome,) = (message for message in ana.received if message["type"] == "welcome")
    assert (welcome["tenant"], welcome["agent"]["id"]) == (tenant.id, ANA)
    assert [session["id"] for session in welcome["inbox"]["pending"]] == [CHAT]
    dialog = await ana.open_dialog()
    await ana.sees_agent(ANA, status="connected")
    assert set(dialog.agents) == {ANA, BOB}
    assert set(dialog.departments) == {SALES}


async def test_history_and_list_find_ids_of_providers(tenant: Tenant) -> None:
    await open_chat(tenant)
    ana = await tenant.connect_agent(ANA)
    await ana.command("session.accept", session_id=CHAT)
    await ana.command("session.transfer", session_id=CHAT, target=to_agent(BOB))

    listed = await ana.command("session.list", agent_id=ANA)
    found = await tenant.list_sessions(agent_id=BOB)
    history = await tenant.history(CHAT)

    assert listed["sessions"] == []
    assert [session["id"] for session in found] == [CHAT]
    assert [entry["by"]["id"] for entry in history] == ["crm", ANA, ANA]
    assert history[-1]["transfer"]["to"]["id"] == BOB


async def test_name_from_a_long_id_is_cut_to_what_a_name_may_have(tenant: Tenant) -> None:
    newcomer, team, crm = "n" * 128, "t" * 128, "c" * 128
    client = await tenant.connect_agent(newcomer, departments=[team])
    await client.open_dialog()
    token = tenant.token(crm, "service")
    opening: dict[str, Any] = {"session_id": CHAT, "customer": CLEO, "target": to_agent(newcomer)}
    assert (await tenant.post("session.open", token=token, **opening)).status == 200

    assert client.welcome["agent"]["name"] == "n" * 120
    await client.sees_department(team, name="t" * 120)
    assert [entry["by"]["name"] for entry in await tenant.history(CHAT)] == ["c" * 120]


async def test_what_is_due_comes_for_ids_of_providers(tenant: Tenant) -> None:
    ana = await tenant.connect_agent(ANA)
    await open_chat(tenant)
    await ana.close()
    bob = await tenant.connect_agent(BOB)
    await tenant.do("session.transfer", session_id=CHAT, target=to_department(SALES))
    await bob.expect_push("session.assigned")
    await bob.command("session.close", session_id=CHAT)

    # Its members leave a removed department as a thing that is due.
    await tenant.do("department.remove", department_id=SALES)

    dialog = await bob.open_dialog()
    await bob.sees_agent(BOB, departments=[])
    assert set(dialog.departments) == set()


async def test_same_key_of_callers_with_such_ids_is_two_keys(tenant: Tenant) -> None:
    for caller, name in ((f"{ANA}/a", "Sales"), (ANA, "Ventas")):
        token = tenant.token(caller, "service")
        department = {"id": SALES, "name": name}
        answer = await tenant.post("department.put", token=token, key="a|b/c", department=department)
        assert answer.body["department"]["name"] == name


async def test_audit_finds_nothing_wrong_with_ids_of_providers(tenant: Tenant, store: StoreServer) -> None:
    ana = await tenant.connect_agent(ANA)
    await open_chat(tenant)
    await ana.command("session.transfer", session_id=CHAT, target=to_department(SALES))

    command = ["audit", "--redis-url", store.url, "--tenant", tenant.id]
    assert await asyncio.to_thread(cli.main, command) == 0
    assert await asyncio.to_thread(cli.main, [*command, "--repair"]) == 0
