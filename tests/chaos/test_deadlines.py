"""Deadlines that pass while no router lives, and ten thousand that pass at once."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from relevo.router.config import Settings
from relevo.router.store import answers
from relevo.router.store.client.client import StoreClient
from relevo.router.store.commands import Caller, CommandLimits
from tests.chaos.conftest import SHORT
from tests.e2e.conftest import MakeTenant, StartRouters, expect_clean
from tests.e2e.tenant import CUSTOMER, to_agent
from tests.router.store.stored_tenant import TimedCommands
from tests.servers import StoreServer

SESSIONS, AGENTS, AT_ONCE = 10_000, 20, 200
BACK_END = Caller("crm", "service")


@pytest.fixture
async def commands(own_store: StoreServer) -> AsyncIterator[TimedCommands]:
    """Commands of a back end beside the routers, at a time of its choice."""
    store = StoreClient(own_store.url)
    await store.open()
    yield TimedCommands(store, CommandLimits.of(Settings(jwt_secret="x" * 32)), "beside")
    await store.close()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.fault("all routers are killed, and started again later")
async def test_what_was_due_while_no_router_lived_happens_once(
    own_store: StoreServer, start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    pair = start_routers(2, own_store.url, **SHORT)
    tenant = make_tenant(pair)
    await tenant.put_department("sales")
    await tenant.do("settings.put", settings={"answer_ms": 4_000, "missed_max": 0})
    for name, on in (("ana", 0), ("bob", 1)):
        await tenant.connect_agent(name, on=on, departments=["sales"], capacity=100)
    for number in range(30):
        await tenant.open_session(f"chat-{number}", agent="ana")
    # The next deadline of each comes after the test.
    await tenant.do("settings.put", settings={"answer_ms": 600_000})
    for router in pair:
        router.kill()
    await asyncio.sleep(10)
    for router in pair:
        router.launch()
    for router in pair:
        router.wait_ready()

    bob = await tenant.connect_agent("bob", on=1, departments=["sales"], capacity=100)
    await tenant.connect_agent("ana", on=0, departments=["sales"], capacity=100)
    await bob.open_dialog()
    await bob.sees_agent("ana", load=0)
    for number in range(30):
        entries = await tenant.history(f"chat-{number}")
        assert [(entry["kind"], entry.get("why")) for entry in entries] == [
            ("opened", None),
            ("moved", "unanswered"),
        ]
    # Nobody was away: the routers were.
    assert {row["status"] for row in bob.dialog.agents.values()} == {"connected"}
    await asyncio.to_thread(expect_clean, own_store.url)


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.fault("ten thousand deadlines pass at once")
async def test_ten_thousand_deadlines_at_once_delay_no_lease(
    own_store: StoreServer, commands: TimedCommands, start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    routers = start_routers(1, own_store.url, **SHORT)
    tenant, other = make_tenant(routers), make_tenant(routers)
    await tenant.put_department("sales")
    bystander = await other.connect_agent("eve")
    staff = [
        await tenant.connect_agent(f"agent-{number:02}", departments=["sales"], capacity=SESSIONS)
        for number in range(AGENTS)
    ]
    await tenant.do("settings.put", settings={"answer_ms": 60_000, "missed_max": 0})
    # As if all were opened in one moment, so that they are due ten seconds from now.
    commands.now = time.time_ns() // 1_000_000 - 50_000

    async def open_session(number: int) -> None:
        target = to_agent(f"agent-{number % (AGENTS // 2):02}")
        request = {"by": BACK_END, "session_id": f"chat-{number}", "customer": CUSTOMER, "target": target}
        await commands.run(tenant.id, "session_open", request, answers.SessionReply)

    for first in range(0, SESSIONS, AT_ONCE):
        await asyncio.gather(*(open_session(number) for number in range(first, first + AT_ONCE)))

    observer = await tenant.connect_admin("observer")
    await observer.open_dialog()
    for number in range(AGENTS // 2):
        await observer.sees_agent(f"agent-{number:02}", missed=SESSIONS // AGENTS * 2)
    # No lease has run out: every connection is the one that it was.
    for client in (bystander, *staff, observer):
        await client.command("status.set", status="connected")
    moved = await asyncio.gather(*(tenant.history(f"chat-{number}") for number in range(0, SESSIONS, 100)))
    assert {tuple(entry["kind"] for entry in entries) for entries in moved} == {("opened", "moved")}
