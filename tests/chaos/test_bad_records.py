"""Routers go on with a tenant in whose data something is that they cannot read."""

import pytest

from relevo.router.store.keys import prefix
from tests.e2e.conftest import MakeTenant, StartRouters
from tests.e2e.tenant import to_agent
from tests.servers import StoreServer
from tests.stored_records import rewrite_meta


@pytest.mark.slow
async def test_an_unknown_due_thing_costs_no_command_and_no_hello(
    own_store: StoreServer, start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    tenant = make_tenant(start_routers(2, own_store.url))
    due = f"{prefix(tenant.id)}due"
    ana = await tenant.connect_agent("ana")
    own_store.call("ZADD", due, 1, "timeout s1")
    # The next command looks.
    rewrite_meta(own_store, tenant.id, due_at=0)
    await ana.command("status.set", status="pause")
    await tenant.connect_agent("bob", on=1)
    assert b"timeout s1" not in own_store.call("ZRANGE", due, 0, -1)


@pytest.mark.slow
async def test_a_lost_session_of_an_agent_that_drops_costs_itself(
    own_store: StoreServer, start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    graces = {"presence_grace_ms": 100, "session_grace_ms": 200, "node_lease_ms": 1000}
    tenant = make_tenant(start_routers(2, own_store.url, **graces))
    ana = await tenant.connect_agent("ana")
    bob = await tenant.connect_agent("bob", on=1)
    await bob.open_dialog()
    for session_id in ("chat-1", "chat-2"):
        await tenant.open_session(session_id, agent="ana")
    own_store.call("DEL", f"{prefix(tenant.id)}session:chat-1")
    await ana.close()
    await bob.sees_agent("ana", status="disconnected", load=0, pending=1)
    moved = await tenant.do("session.transfer", session_id="chat-2", target=to_agent("bob"))
    assert moved["session"]["owner"] == {"kind": "agent", "id": "bob"}
