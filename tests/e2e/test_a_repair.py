"""What an audit repairs in the store reaches every dialog without a reconnect."""

import asyncio

import pytest

from relevo.router import cli
from tests.e2e.tenant import Tenant
from tests.servers import StoreServer
from tests.stored_records import rewrite_agent


@pytest.mark.slow
async def test_repaired_list_shows_on_every_dialog(tenant: Tenant, store: StoreServer) -> None:
    ana = await tenant.connect_agent("ana")
    bob = await tenant.connect_agent("bob", on=1)
    await tenant.open_session("chat-1", agent="ana")
    await ana.expect_push("session.assigned")
    for client in (ana, bob):
        await client.open_dialog()
    # Something takes it out of her record, and with the next thing that happens to her the dialogs say so.
    rewrite_agent(store, tenant.id, "ana", owned=" ", load=0)
    await ana.command("status.set", status="pause")
    for client in (ana, bob):
        await client.sees_agent("ana", load=0)

    command = ["audit", "--redis-url", store.url, "--tenant", tenant.id]
    assert await asyncio.to_thread(cli.main, command) == 1
    assert await asyncio.to_thread(cli.main, [*command, "--repair"]) == 0

    for client in (ana, bob):
        await client.sees_agent("ana", load=1)
    # Her own screen had it all the time.
    assert ana.unread("session.removed") == ana.unread("session.assigned") == []
