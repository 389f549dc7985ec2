"""A conversation is transferred to an agent without a connection, and waits."""

import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from relevo.router.config import Settings
from relevo.router.store.client.client import StoreClient
from relevo.router.store.commands import Caller, CommandLimits, StoreCommands
from tests.e2e.tenant import CUSTOMER, Tenant, to_agent, to_department
from tests.servers import StoreServer

HOUR_MS = 60 * 60 * 1000

CRM = Caller("crm", "service")
ANA = Caller("ana", "agent")


class BackdatedCommands:
    """Store commands that run at a time in the past."""

    def __init__(self, store_commands: StoreCommands, tenant_id: str, now_ms: int) -> None:
        self._store_commands = store_commands
        self._tenant_id = tenant_id
        self.now_ms = now_ms

    async def run(self, command: str, by: Caller, **fields: Any) -> None:
        """Run a command at that time."""
        await self._store_commands.run(
            self._tenant_id, command, {"by": by, "now": self.now_ms, **fields}, msgspec.Raw
        )


@pytest.fixture
async def an_hour_ago(store: StoreServer, tenant: Tenant) -> AsyncIterator[BackdatedCommands]:
    """The tenant's commands as of an hour ago."""
    opened = StoreClient(store.url)
    yield BackdatedCommands(
        StoreCommands(opened, CommandLimits.of(Settings()), "backdated"),
        tenant.id,
        int(time.time() * 1000) - HOUR_MS,
    )
    await opened.close()


async def test_agent_connecting_an_hour_later_finds_the_session_pending(
    tenant: Tenant, an_hour_ago: BackdatedCommands
) -> None:
    for name in ("ana", "bob"):
        profile = {"id": name, "name": name.title(), "role": "agent"}
        agent = {**profile, "departments": [], "capacity": 10}
        await an_hour_ago.run("agent_put", CRM, agent=agent)
    session = {"session_id": "chat-1", "customer": CUSTOMER, "target": to_agent("ana")}
    await an_hour_ago.run("session_open", CRM, **session)
    await an_hour_ago.run("session_accept", ANA, session_id="chat-1")
    await an_hour_ago.run(
        "session_transfer", ANA, session_id="chat-1", target=to_agent("bob"), reason="I am off"
    )

    bob = await tenant.connect_agent("bob")

    assert bob.welcome["inbox"]["in_progress"] == []
    (waiting,) = bob.welcome["inbox"]["pending"]
    assert (waiting["id"], waiting["state"]) == ("chat-1", "pending")
    assert waiting["transfer"]["by"] == {"id": "ana", "name": "Ana", "role": "agent"}
    assert waiting["transfer"]["reason"] == "I am off"
    assert waiting["transfer"]["at"] == an_hour_ago.now_ms
    assert bob.welcome["agent"]["pending"] == 1

    accepted = (await bob.command("session.accept", session_id="chat-1", fence=waiting["fence"]))["session"]
    assert (accepted["state"], accepted["owner"]) == ("in_progress", {"kind": "agent", "id": "bob"})
    history = (await bob.command("session.history", session_id="chat-1"))["entries"]
    assert [entry["kind"] for entry in history] == [
        "opened",
        "accepted",
        "transferred",
        "internal",
        "accepted",
    ]
    assert history[3]["text"] == "I am off"


@pytest.mark.origin("a transfer to an offline agent left the visitor waiting for ever")
async def test_transfer_to_an_absent_agent_is_pending_until_accepted(
    tenant: Tenant,
) -> None:
    await tenant.put_agent("bob")
    ana = await tenant.connect_agent("ana")
    await ana.open_dialog()
    await tenant.open_session("chat-1", agent="ana")

    sent = await ana.command("session.transfer", session_id="chat-1", target=to_agent("bob"))
    assert (sent["transfer"]["outcome"], sent["session"]["state"]) == ("pending", "pending")
    await ana.sees_agent("bob", status="disconnected", available=False, pending=1, load=0)

    bob = await tenant.connect_agent("bob")
    assert [session["id"] for session in bob.welcome["inbox"]["pending"]] == ["chat-1"]
    await bob.command("session.accept", session_id="chat-1")

    assert (await ana.expect_push("transfer.updated"))["state"] == "accepted"
    await ana.sees_agent("bob", status="connected", pending=0, load=1)


@pytest.mark.origin("a transfer to an offline agent left the visitor waiting for ever")
async def test_admin_transfers_what_is_pending_with_an_absent_agent(tenant: Tenant) -> None:
    await tenant.put_department("sales")
    await tenant.put_agent("bob", departments=["sales"])
    ana = await tenant.connect_agent("ana", departments=["sales"])
    adela = await tenant.connect_admin()
    await tenant.open_session("chat-1", agent="bob")

    (waiting,) = (await adela.command("session.list", state="pending", agent_id="bob"))["sessions"]
    await adela.command(
        "session.transfer", session_id=waiting["id"], target=to_department("sales"), fence=waiting["fence"]
    )

    assert (await ana.expect_push("session.assigned"))["transfer"]["from"]["id"] == "bob"
    bob = await tenant.connect_agent("bob")
    assert bob.welcome["inbox"] == {"in_progress": [], "pending": []}
