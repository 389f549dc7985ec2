"""Two tenants use the same ids on the same routers, and neither can tell that the other is there."""

import json
from typing import Any

import pytest

from tests.e2e.conftest import MakeOffice
from tests.e2e.office import Office, to_agent, to_department
from tests.raw_client import RawClient
from tests.routers import RouterProcess

THEIRS = "theirs"


@pytest.fixture
async def ours(routers: list[RouterProcess], make_office: MakeOffice) -> Office:
    """An office in which Ana has a session called `ours`."""
    office = make_office(routers)
    await office.put_department("sales")
    await office.put_agent("ana", departments=["sales"])
    await office.open_session("ours", agent="ana")
    return office


@pytest.fixture
async def theirs(routers: list[RouterProcess], make_office: MakeOffice) -> Office:
    """Another office, with an agent, a department and a session called `theirs`."""
    office = make_office(routers)
    await office.put_department(THEIRS)
    await office.put_agent(THEIRS, departments=[THEIRS])
    await office.open_session(THEIRS, agent=THEIRS)
    return office


async def test_the_same_ids_in_both_tenants_are_different_things(
    routers: list[RouterProcess], make_office: MakeOffice
) -> None:
    here, there = make_office(routers), make_office(routers)
    for office in (here, there):
        await office.put_department("sales")
        await office.put_agent("bob", departments=["sales"])
        await office.open_session("chat-1", agent="bob")
        await office.open_session("chat-2", department="sales")
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


async def test_an_idempotency_key_is_a_key_of_its_tenant_only(ours: Office, theirs: Office) -> None:
    for office, name in ((ours, "Sales"), (theirs, "Ventas")):
        answer = await office.post("department.put", key="key-1", department={"id": "sales", "name": name})
        assert answer.body["department"]["name"] == name


async def test_a_position_of_another_tenants_directory_is_answered_with_ones_own(
    ours: Office, theirs: Office
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
    routers: list[RouterProcess], make_office: MakeOffice
) -> None:
    markers = ("marker-of-one", "marker-of-two")
    offices = [make_office(routers, ("json", "msgpack")) for _ in markers]
    listeners: list[list[RawClient]] = []
    for office, marker in zip(offices, markers, strict=True):
        listeners.append(await busy_day(office, marker))

    # Again, with the other tenant's people all listening.
    for office, marker in zip(offices, markers, strict=True):
        await busy_day(office, marker, again=True)
    for office, clients in zip(offices, listeners, strict=True):
        await office.settle(*clients)

    for clients, own, foreign in zip(listeners, markers, reversed(markers), strict=True):
        for client in clients:
            told = json.dumps([client.welcome, client.received])
            assert own in told
            assert foreign not in told


async def busy_day(office: Office, marker: str, again: bool = False) -> list[RawClient]:
    """Live through all kinds of messages with a marker in each text; return the clients that listen."""
    number = 2 if again else 1
    await office.put_department("sales", f"Sales {marker}")
    ana = await office.connect_agent("ana", name=f"Ana {marker}", departments=["sales"], on=0)
    bob = await office.connect_agent("bob", name=f"Bob {marker}", departments=["sales"], on=1)
    adela = await office.connect_admin(name=f"Adela {marker}")
    for client in (ana, bob, adela):
        await client.open_dialog()
    await adela.command("session.watch")
    session_id = f"chat-{number}"
    customer = {"id": marker, "name": f"Cleo {marker}"}
    await office.do("session.open", session_id=session_id, customer=customer, target=to_agent("ana"))
    await ana.command("session.transfer", session_id=session_id, target=to_agent("bob"), reason=marker)
    await bob.expect_push("session.assigned")
    await bob.send("session.ack", session_id=session_id, fence=2)
    await ana.expect_push("transfer.updated")
    await bob.command("session.note", session_id=session_id, text=marker)
    await bob.command("status.set", status="pause")
    await office.open_session(f"more-{number}", agent="bob")
    await bob.command("session.transfer", session_id=session_id, target=to_department("sales"))
    await bob.command("status.set", status="connected")
    await adela.expect_push("session.changed")
    return [ana, bob, adela]


async def everything(office: Office) -> Any:
    """Return all that a tenant holds, as its back end and a dialog see it."""
    sessions = await office.list_sessions()
    histories = [await office.history(session["id"]) for session in sessions]
    return sessions, histories, await office.look_around()
