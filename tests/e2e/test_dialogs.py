"""An open transfer dialog stays true: snapshots, patches, and what happens after a cut."""

import asyncio
from typing import Any

import pytest

from tests.e2e.tenant import Tenant, to_agent, to_department
from tests.raw_client import Dialog, RawClient
from tests.servers import StoreServer

AGENTS = 60


@pytest.fixture
async def sales(tenant: Tenant) -> Tenant:
    """A tenant with Ana and Bob in sales, and Eve in no department."""
    await tenant.put_department("sales")
    await tenant.connect_agent("ana", departments=["sales"])
    await tenant.connect_agent("bob", departments=["sales"])
    return tenant


async def resume(client: RawClient, dialog: Dialog) -> None:
    """Open a dialog from where another connection of the same screen left it."""
    client.dialog = dialog
    epoch, seq = dialog.position
    await client.command("directory.subscribe", resume={"epoch": epoch, "seq": seq})


async def test_a_transfer_that_changes_two_loads_is_one_patch_of_two_rows(sales: Tenant) -> None:
    await sales.open_session("chat-1", agent="ana")
    eve = await sales.connect_agent("eve", on=1)
    shown = await eve.open_dialog()
    await eve.sees_agent("ana", load=1)
    await sales.settle(eve)
    shown.patches.clear()

    await sales.do("session.transfer", session_id="chat-1", target=to_agent("bob"))
    await eve.sees_agent("bob", load=1)

    (patch,) = shown.patches
    assert {row["id"]: row["load"] for row in patch["agents"]} == {"ana": 0, "bob": 1}
    assert patch["departments"] == []


async def test_what_is_removed_disappears_from_the_dialog(sales: Tenant) -> None:
    eve = await sales.connect_agent("eve", on=1)
    await sales.put_agent("zoe", departments=["sales"])
    shown = await eve.open_dialog()
    await eve.sees_agent("zoe", status="disconnected")
    await eve.sees_department("sales", agents=3)

    await sales.do("agent.remove", agent_id="zoe")
    await eve.until(lambda: "zoe" not in shown.agents, "Zoe to go")
    await eve.sees_department("sales", agents=2)
    await sales.do("department.remove", department_id="sales")
    await eve.until(lambda: "sales" not in shown.departments, "sales to go")

    await eve.sees_agent("ana", departments=[])
    assert shown.patches[-1]["departments_removed"] == ["sales"]
    assert shown.snapshots == 1


async def test_changes_of_one_moment_come_as_few_patches_and_the_latest_wins(sales: Tenant) -> None:
    adela = await sales.connect_admin()
    eve = await sales.connect_agent("eve", on=1)
    shown = await eve.open_dialog()

    commands = [
        {"type": "status.set", "id": f"b{number}", "agent_id": "ana", "status": status}
        for number, status in enumerate(["pause", "connected"] * 20 + ["pre_pause"])
    ]
    await adela.send_as_is(commands)
    for command in commands:
        assert "result" in await adela.reply(str(command["id"]))
    await sales.settle(eve)

    # With no session in progress a pre-pause is a pause at once.
    assert shown.agents["ana"]["status"] == "pause"
    with_ana = [patch for patch in shown.patches if any(row["id"] == "ana" for row in patch["agents"])]
    assert 1 <= len(with_ana) < 20


async def test_a_dialog_that_resumes_after_a_cut_gets_only_what_it_missed(sales: Tenant) -> None:
    eve = await sales.connect_agent("eve", on=1)
    shown = await eve.open_dialog()
    stays = await sales.connect_agent("stays", on=1)
    await stays.open_dialog()
    await sales.settle(eve)
    eve.drop()

    await sales.do("agent.put", agent=profile("ana", capacity=3))
    await sales.put_department("new")
    await sales.settle(stays)
    shown.patches.clear()
    back = await sales.connect_agent("eve", on=1)
    await resume(back, shown)
    await sales.settle(back, stays)

    assert shown.rows == stays.dialog.rows
    assert shown.snapshots == 1
    missed = shown.patches[0]
    assert [row["id"] for row in missed["agents"]] == ["ana"]
    assert {row["id"] for row in missed["departments"]} == {"new", "settled"}


def profile(agent_id: str, capacity: int, departments: tuple[str, ...] = ("sales",)) -> dict[str, Any]:
    """Return what `agent.put` takes."""
    return {
        "id": agent_id,
        "name": agent_id.title(),
        "role": "agent",
        "departments": list(departments),
        "capacity": capacity,
    }


@pytest.mark.origin("counts were not updated on a transfer")
async def test_loads_follow_every_transfer_on_every_dialog(tenant: Tenant) -> None:
    await tenant.put_department("sales")
    ana = await tenant.connect_agent("ana", capacity=2)
    bob = await tenant.connect_agent("bob", on=1, capacity=1)
    for client in (ana, bob):
        await client.open_dialog()
    for session_id in ("chat-1", "chat-2"):
        await tenant.open_session(session_id, agent="ana")

    async def shows(ana_has: tuple[int, int], bob_has: tuple[int, int], queued: int) -> None:
        for client in (ana, bob):
            await client.sees_agent("ana", load=ana_has[0], pending=ana_has[1], available=ana_has[0] < 2)
            await client.sees_agent("bob", load=bob_has[0], pending=bob_has[1], available=bob_has[0] < 1)
            await client.sees_department("sales", queued=queued)

    await shows((2, 0), (0, 0), 0)
    await ana.command("session.transfer", session_id="chat-1", target=to_agent("bob"))
    await shows((1, 0), (1, 0), 0)
    await ana.command("session.transfer", session_id="chat-2", target=to_agent("bob"))
    await shows((0, 0), (1, 1), 0)
    await bob.command("session.transfer", session_id="chat-2", target=to_department("sales"))
    await shows((0, 0), (1, 0), 1)
    await bob.command("session.close", session_id="chat-1")
    await shows((0, 0), (0, 0), 1)


@pytest.mark.origin("loading the agents took minutes")
async def test_dialogs_are_served_without_reading_the_directory(tenant: Tenant, store: StoreServer) -> None:
    await asyncio.gather(*(tenant.put_agent(f"agent-{number}") for number in range(AGENTS)))
    admins = [await tenant.connect_admin(f"admin-{number}", on=number) for number in range(4)]
    before = directory_reads(store)

    for admin in admins:
        await admin.open_dialog()
        for number in range(AGENTS):
            await admin.sees_agent(f"agent-{number}")
        await admin.command("directory.unsubscribe")

    assert directory_reads(store) == before


def directory_reads(store: StoreServer) -> int:
    """Return how often a whole hash of rows was read from a store: twice for a directory."""
    statistics: dict[str, Any] = store.call("INFO", "commandstats")
    return int(statistics.get("cmdstat_hvals", {"calls": 0})["calls"])
