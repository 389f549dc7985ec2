"""Two tenants use the same ids on the same routers, and neither can tell that the other is there."""

import json
from typing import Any

import pytest

from tests.e2e.conftest import MakeTenant
from tests.e2e.tenant import Tenant, to_agent, to_department
from tests.raw_client import RawClient
from tests.routers import RouterProcess

THEIRS = "theirs"


@pytest.fixture
async def ours(routers: list[RouterProcess], make_tenant: MakeTenant) -> Tenant:
    """A tenant in which Ana has a session called `ours`."""
    tenant = make_tenant(routers)
    await tenant.put_department("sales")
    await tenant.put_agent("ana", departments=["sales"])
    await tenant.open_session("ours", agent="ana")
    return tenant


@pytest.fixture
async def theirs(routers: list[RouterProcess], make_tenant: MakeTenant) -> Tenant:
    """Another tenant, with an agent, a department and a session called `theirs`."""
    tenant = make_tenant(routers)
    await tenant.put_department(THEIRS)
    await tenant.put_agent(THEIRS, departments=[THEIRS])
    await tenant.open_session(THEIRS, agent=THEIRS)
    return tenant


async def test_the_same_ids_in_both_tenants_are_different_things(
    routers: list[RouterProcess], make_tenant: MakeTenant
) -> None:
    here, there = make_tenant(routers), make_tenant(routers)
    for tenant in (here, there):
        await tenant.put_department("sales")
        await tenant.put_agent("bob", departments=["sales"])
        await tenant.open_session("chat-1", agent="bob")
        await tenant.open_session("chat-2", department="sales")
    before = await everything(there)
    adela = await here.connect_admin()

    # Everything that can be done, is done here.
    await adela.command("session.accept", session_id="chat-1")
    await adela.command("session.note", session_id="chat-1", text="mine now")
    await adela.command("session.transfer", session_id="chat-1", target=to_agent("bob"), reason="lunch")
    await adela.command("session.recall", session_id="chat-1")
    await adela.command("session.close", session_id="chat-1")
    await adela.command("session.transfer", session_id="chat-2", target=to_agent("bob"))
    await adela.command("session.close", session_id="chat-2")
    await adela.command("status.set", agent_id="bob", status="pause")
    await adela.command("agent.remove", agent_id="bob")
    await adela.command("department.remove", department_id="sales")

    assert await everything(there) == before


async def test_an_idempotency_key_is_a_key_of_its_tenant_only(ours: Tenant, theirs: Tenant) -> None:
    for tenant, name in ((ours, "Sales"), (theirs, "Ventas")):
        answer = await tenant.post("department.put", key="key-1", department={"id": "sales", "name": name})
        assert answer.body["department"]["name"] == name


async def test_a_position_of_another_tenants_directory_is_answered_with_ones_own(
    ours: Tenant, theirs: Tenant
) -> None:
    stranger = await theirs.connect_agent(THEIRS)
    await stranger.open_dialog()
    epoch, seq = stranger.dialog.position
    ana = await ours.connect_agent("ana")

    await ana.command("directory.subscribe", resume={"epoch": epoch, "seq": seq})
    await ana.until(lambda: ana.dialog.agents, "a directory")

    assert set(ana.dialog.agents) == {"ana"}
    assert set(ana.dialog.departments) == {"sales"}


async def test_no_frame_of_one_tenant_carries_a_word_of_the_other(
    routers: list[RouterProcess], make_tenant: MakeTenant
) -> None:
    markers = ("marker-of-one", "marker-of-two")
    tenants = [make_tenant(routers, ("json", "msgpack")) for _ in markers]
    listeners: list[list[RawClient]] = []
    for tenant, marker in zip(tenants, markers, strict=True):
        listeners.append(await busy_day(tenant, marker))

    # Again, with the other tenant's people all listening.
    for tenant, marker in zip(tenants, markers, strict=True):
        await busy_day(tenant, marker, again=True)
    for tenant, clients in zip(tenants, listeners, strict=True):
        await tenant.settle(*clients)

    for clients, own, foreign in zip(listeners, markers, reversed(markers), strict=True):
        for client in clients:
            told = json.dumps([client.welcome, client.received])
            assert own in told
            assert foreign not in told


async def busy_day(tenant: Tenant, marker: str, again: bool = False) -> list[RawClient]:
    """Live through all kinds of messages with a marker in each text; return the clients that listen."""
    number = 2 if again else 1
    await tenant.put_department("sales", f"Sales {marker}")
    ana = await tenant.connect_agent("ana", name=f"Ana {marker}", departments=["sales"], on=0)
    bob = await tenant.connect_agent("bob", name=f"Bob {marker}", departments=["sales"], on=1)
    adela = await tenant.connect_admin(name=f"Adela {marker}")
    for client in (ana, bob, adela):
        await client.open_dialog()
    await adela.command("session.watch")
    session_id = f"chat-{number}"
    customer = {"id": marker, "name": f"Cleo {marker}"}
    await tenant.do("session.open", session_id=session_id, customer=customer, target=to_agent("ana"))
    await ana.command("session.transfer", session_id=session_id, target=to_agent("bob"), reason=marker)
    await bob.expect_push("session.assigned")
    await bob.send("session.ack", session_id=session_id, fence=2)
    await ana.expect_push("transfer.updated")
    await bob.command("session.note", session_id=session_id, text=marker)
    await bob.command("status.set", status="pause")
    await tenant.open_session(f"more-{number}", agent="bob")
    await bob.command("session.transfer", session_id=session_id, target=to_department("sales"))
    await bob.command("status.set", status="connected")
    await adela.expect_push("session.changed")
    return [ana, bob, adela]


async def everything(tenant: Tenant) -> Any:
    """Return all that a tenant holds, as its back end and a dialog see it."""
    sessions = await tenant.list_sessions()
    histories = [await tenant.history(session["id"]) for session in sessions]
    return sessions, histories, await tenant.read_directory()
