"""Presence where others got it wrong: ghosts, second devices, and what one agent's event does to the rest."""

import pytest

from tests.e2e.conftest import MakeTenant, StartRouters
from tests.e2e.tenant import Tenant, to_agent
from tests.raw_client import RawClient, open_socket
from tests.servers import StoreServer


@pytest.mark.slow
@pytest.mark.origin("a fast refresh left ghost connections, stuck online")
async def test_fast_reloads_leave_no_ghost_connection(tenant: Tenant, store: StoreServer) -> None:
    observer = await tenant.connect_admin("observer")
    await observer.open_dialog()
    for number in range(20):
        # Each page goes before the next one has come, some before they were welcomed.
        if number % 3:
            (await tenant.connect_agent("ana", on=number % 2)).drop()
        else:
            hasty = RawClient(await open_socket(tenant.routers[number % 2].address), "hasty")
            tenant.clients.append(hasty)
            await hasty.send("hello", token=tenant.token("ana"))
            hasty.drop()
    last = await tenant.connect_agent("ana", on=1)
    # The routers notice one closed socket after another; the pings give them time.
    connections = f"relevo:{{{tenant.id}}}:connections:ana"
    while store.call("SCARD", connections) > 1:
        await observer.reply(await observer.send("ping"))
    await last.close()

    await observer.sees_agent("ana", status="disconnected")
    assert store.call("SCARD", connections) == 0


@pytest.mark.origin("a second device undid the status that was chosen on the first")
async def test_second_device_keeps_the_status_chosen_on_the_first(tenant: Tenant) -> None:
    observer = await tenant.connect_admin("observer")
    await observer.open_dialog()
    browser = await tenant.connect_agent("ana", on=0)
    for status in ("pause", "connected"):
        await browser.command("status.set", status=status)
        await observer.sees_agent("ana", status=status)
        phone = await tenant.connect_agent("ana", on=1)
        assert phone.welcome["agent"]["status"] == status
        await phone.close()
        await tenant.settle(observer)
        assert observer.dialog.agents["ana"]["status"] == status


@pytest.mark.origin("one agent's event set all the others offline")
async def test_events_of_one_agent_leave_the_others_connected(tenant: Tenant) -> None:
    observer = await tenant.connect_admin("observer")
    others = [await tenant.connect_agent(f"agent-{number}", on=number % 2) for number in range(8)]
    ana = await tenant.connect_agent("ana", departments=["sales"])
    await observer.open_dialog()
    await observer.sees_agent("ana", status="connected")
    seen = len(observer.dialog.patches)

    phone = await tenant.connect_agent("ana", on=1)
    await ana.command("status.set", status="pause")
    await phone.close()
    await ana.close()
    await observer.sees_agent("ana", status="disconnected")
    await tenant.do("agent.remove", agent_id="ana")
    await observer.until(lambda: "ana" not in observer.dialog.agents, "ana to be removed")
    await tenant.settle(observer)

    told = {row["id"] for patch in observer.dialog.patches[seen:] for row in patch["agents"]}
    assert told == {"ana"}
    for number, other in enumerate(others):
        assert observer.dialog.agents[f"agent-{number}"]["status"] == "connected"
        assert (await other.reply(await other.send("ping")))["type"] == "pong"


@pytest.mark.slow
@pytest.mark.origin("a server start set agents unavailable")
async def test_starting_router_leaves_agents_available(
    start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    tenant = make_tenant(start_routers(1))
    observer = await tenant.connect_admin("observer")
    await tenant.connect_agent("ana")
    bob = await tenant.connect_agent("bob")
    await bob.command("status.set", status="pause")
    await observer.open_dialog()
    await tenant.open_session("chat-1", agent="ana")
    await observer.sees_agent("ana", load=1)
    seen = len(observer.dialog.patches)

    (started,) = start_routers(1)
    # It serves the tenant from now on, too.
    late = make_tenant([started], tenant_id=tenant.id)
    zoe = await late.connect_agent("zoe")
    shown = await zoe.open_dialog()
    await tenant.settle(observer, zoe)

    assert {row["id"] for patch in observer.dialog.patches[seen:] for row in patch["agents"]} == {"zoe"}
    for dialog in (observer.dialog, shown):
        assert (dialog.agents["ana"]["status"], dialog.agents["ana"]["available"]) == ("connected", True)
        assert dialog.agents["bob"]["status"] == "pause"
    sent = await tenant.do("session.transfer", session_id="chat-1", target=to_agent("zoe"))
    assert sent["transfer"]["outcome"] == "assigned"
