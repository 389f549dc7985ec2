"""Many at once: whom to send it to is known at once, and whoever comes back is let in."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.conftest import SHORT
from tests.chaos.sentinels import watched_store
from tests.e2e.conftest import MakeOffice, StartRouters
from tests.e2e.office import Office, to_agent
from tests.raw_client import RawClient
from tests.servers import StoreServer

AGENTS = 500


def readings(store: StoreServer) -> int:
    """Return how often a whole hash of rows was read from a store: twice for a directory."""
    statistics: dict[str, Any] = store.call("INFO", "commandstats")
    return int(statistics.get("cmdstat_hvals", {"calls": 0})["calls"])


@pytest.mark.slow
@pytest.mark.origin("loading the agents took minutes")
async def test_loading_the_agents_is_no_work_for_the_store(
    start_routers: StartRouters, make_office: MakeOffice, own_store: StoreServer
) -> None:
    office = make_office(start_routers(2, own_store.url))
    await asyncio.gather(*(office.put_agent(f"agent-{number}") for number in range(AGENTS)))
    admins = [await office.connect_admin(f"admin-{number}", on=number % 2) for number in range(20)]
    before = readings(own_store)

    for _ in range(3):
        for admin in admins:
            await admin.command("directory.unsubscribe")
            shown = await admin.open_dialog()
            assert sum(agent_id.startswith("agent-") for agent_id in shown.agents) == AGENTS

    # Whoever connects is let in with the directory known; sixty dialogs were opened without reading it.
    assert readings(own_store) == before


@pytest.mark.slow
@pytest.mark.origin("a reconnect storm took the servers down")
async def test_a_reconnect_storm_takes_no_server_down(
    start_routers: StartRouters, make_office: MakeOffice, own_store: StoreServer
) -> None:
    office = make_office(start_routers(2, own_store.url))
    names = [f"agent-{number}" for number in range(300)]

    async def storm() -> list[RawClient]:
        return await asyncio.gather(*(office.connect_agent(name, on=on) for on, name in enumerate(names)))

    for session_id, name in enumerate(names[:50]):
        await office.put_agent(name)
        await office.open_session(f"chat-{session_id}", agent=name)
    first = await storm()
    before = readings(own_store)
    for client in first:
        client.drop()
    second = await storm()

    assert readings(own_store) == before
    for number, client in enumerate(second[:50]):
        inbox = client.welcome["inbox"]
        assert [one["id"] for one in inbox["in_progress"] + inbox["pending"]] == [f"chat-{number}"]
    for router in office.routers:
        assert router.get("/readyz")[0] == 200
    agents, _ = await office.look_around()
    assert {row["status"] for row in agents.values()} == {"connected"}
    # And a router that leaves sends them away at times of their own.
    for client in second:
        assert client.unread("server.draining") == []
    office.routers[0].terminate()
    told = await asyncio.gather(*(client.expect_push("server.draining") for client in second[::2]))
    assert len({message["reconnect_in_ms"] for message in told}) > 20


@pytest.mark.slow
@pytest.mark.origin("after a failover publishes succeeded and nobody received them")
async def test_after_a_failover_whatever_is_published_is_received(
    tmp_path: Path, start_routers: StartRouters, make_office: MakeOffice
) -> None:
    with watched_store(tmp_path) as store:
        office = make_office(start_routers(2, store.url, **SHORT | {"node_lease_ms": 30_000}))
        ana = await office.connect_agent("ana", on=0)
        bob = await office.connect_agent("bob", on=1)
        await bob.open_dialog()
        await office.open_session("chat-1", agent="ana")
        await ana.expect_push("session.assigned")

        lost = store.servers[0]
        lost.kill()
        await asyncio.to_thread(store.wait_for_promotion, lost)
        await transferred(office)

        # Each hears of it, be it from the feed or because its router has asked what it missed.
        await bob.expect_push("session.assigned", session__fence=2)
        await ana.expect_push("session.removed", session_id="chat-1")
        # And from now on whatever the new primary publishes comes by itself, on both routers.
        await bob.command("session.transfer", session_id="chat-1", target=to_agent("ana"))
        await ana.expect_push("session.assigned", session__fence=3)
        await bob.expect_push("session.removed", fence=3)
        await bob.sees_agent("ana", load=1)
        await office.leave()


async def transferred(office: Office) -> None:
    """Send it to Bob, again with the same key as long as the store is not found."""
    while True:
        answer = await office.post(
            "session.transfer", key="once", session_id="chat-1", target=to_agent("bob")
        )
        if answer.status == 200:
            return
        assert answer.body["code"] == "unavailable", answer.body
