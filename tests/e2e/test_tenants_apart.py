"""Two tenants use the same ids on the same routers, and no frame of one carries a word of the other."""

import json

from tests.e2e.conftest import MakeTenant
from tests.e2e.tenant import Tenant, to_agent, to_department
from tests.raw_client import RawClient
from tests.routers import RouterProcess


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
