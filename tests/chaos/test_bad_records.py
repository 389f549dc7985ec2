"""Routers go on with a tenant in whose data something is that they cannot read."""

import pytest

from relevo.router.store.keys import prefix
from tests.e2e.conftest import MakeOffice, StartRouters
from tests.e2e.office import to_agent
from tests.kept import rewrite_meta
from tests.servers import StoreServer


async def test_an_unknown_due_thing_costs_no_command_and_no_hello(
    own_store: StoreServer, start_routers: StartRouters, make_office: MakeOffice
) -> None:
    office = make_office(start_routers(2, own_store.url))
    due = f"{prefix(office.tenant)}due"
    ana = await office.connect_agent("ana")
    own_store.call("ZADD", due, 1, "timeout s1")
    # The next command looks.
    rewrite_meta(own_store, office.tenant, due_at=0)
    await ana.command("status.set", status="pause")
    await office.connect_agent("bob", on=1)
    assert b"timeout s1" not in own_store.call("ZRANGE", due, 0, -1)


@pytest.mark.slow
async def test_a_lost_session_of_an_agent_that_drops_costs_itself(
    own_store: StoreServer, start_routers: StartRouters, make_office: MakeOffice
) -> None:
    graces = {"presence_grace_ms": 100, "session_grace_ms": 200, "node_lease_ms": 1000}
    office = make_office(start_routers(2, own_store.url, **graces))
    ana = await office.connect_agent("ana")
    bob = await office.connect_agent("bob", on=1)
    await bob.open_dialog()
    for session_id in ("chat-1", "chat-2"):
        await office.open_session(session_id, agent="ana")
    own_store.call("DEL", f"{prefix(office.tenant)}session:chat-1")
    await ana.close()
    await bob.sees_agent("ana", status="disconnected", load=0, pending=1)
    moved = await office.do("session.transfer", session_id="chat-2", target=to_agent("bob"))
    assert moved["session"]["owner"] == {"kind": "agent", "id": "bob"}
