"""Presence: reconnects, several devices, closes, drops, and routers that crash or drain."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.e2e.conftest import MakeTenant, StartRouters
from tests.e2e.tenant import Tenant, to_agent
from tests.raw_client import Message, NonReadingSocket, RawClient
from tests.routers import RouterProcess, running_routers
from tests.servers import StoreServer

PRESENCE_GRACE_MS = 400
SESSION_GRACE_MS = 1500
LEASE_MS = 1200
# Within this time the router that leaves is asked, too.
DRAIN_MS = 2000
# As a deployment has them, but short: times that a test can wait for.
SHORT = {
    "presence_grace_ms": PRESENCE_GRACE_MS,
    "session_grace_ms": SESSION_GRACE_MS,
    "node_lease_ms": LEASE_MS,
}


@pytest.fixture(scope="module")
def short_routers(
    store: StoreServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[RouterProcess]]:
    """Two routers with short graces and a short lease."""
    with running_routers(2, store.url, tmp_path_factory.mktemp("short"), **SHORT) as pair:
        yield pair


@pytest.fixture
def short(short_routers: list[RouterProcess], make_tenant: MakeTenant) -> Tenant:
    """A tenant on those routers."""
    return make_tenant(short_routers)


@pytest.fixture
def mortal(start_routers: StartRouters) -> list[RouterProcess]:
    """Two routers that a test may end."""
    return start_routers(2, **SHORT, drain_ms=DRAIN_MS)


def now_ms() -> int:
    """Return the time, as the store on this machine tells it."""
    return time.time_ns() // 1_000_000


def statuses_shown(observer: RawClient, agent_id: str) -> list[str]:
    """Return every status in which a dialog ever showed an agent, in order, each change once."""
    shown: list[str] = []
    for message in observer.received:
        for row in message.get("agents", []) if message["type"].startswith("directory.") else []:
            if row["id"] == agent_id and shown[-1:] != [row["status"]]:
                shown.append(row["status"])
    return shown


async def observe(tenant: Tenant, on: int = 1) -> RawClient:
    """Connect an admin with an open dialog."""
    observer = await tenant.connect_admin("observer", on=on)
    await observer.open_dialog()
    return observer


# Within the grace.


async def test_reconnecting_within_the_grace_shows_on_no_dialog(tenant: Tenant) -> None:
    ana = await tenant.connect_agent("ana")
    observers = [await observe(tenant, on=0), await observe(tenant, on=1)]
    since_at = observers[0].dialog.agents["ana"]["status_since_at"]

    for on in (0, 1, 1, 0):
        ana.drop()
        ana = await tenant.connect_agent("ana", on=on)
        assert ana.welcome["agent"]["status"] == "connected"
    await tenant.settle(*observers)

    for observer in observers:
        assert statuses_shown(observer, "ana") == ["connected"]
        assert observer.dialog.agents["ana"]["status_since_at"] == since_at


@pytest.mark.parametrize("goodbye", ["closes", "drops"])
async def test_of_two_devices_one_goes_and_nothing_changes(tenant: Tenant, goodbye: str) -> None:
    browser = await tenant.connect_agent("ana", on=0)
    phone = await tenant.connect_agent("ana", on=1)
    await tenant.open_session("chat-1", agent="ana")
    observer = await observe(tenant)
    rows = observer.dialog.agents["ana"]

    if goodbye == "closes":
        await browser.close()
    else:
        browser.drop()
    await tenant.open_session("chat-2", agent="ana")

    assert (await phone.expect_push("session.assigned", session__id="chat-2"))["session"]["fence"] == 1
    shown = await observer.sees_agent("ana", load=2)
    assert shown == rows | {"load": 2}
    assert statuses_shown(observer, "ana") == ["connected"]


# Gone.


async def test_any_other_close_is_waited_for_like_a_drop(tenant: Tenant) -> None:
    observer = await observe(tenant)
    ana = await tenant.connect_agent("ana")
    await ana.close(1001)
    other = await tenant.connect_agent("other")
    await other.close(1000)

    await observer.sees_agent("other", status="disconnected")

    assert statuses_shown(observer, "ana") == ["connected"]


@pytest.mark.slow
async def test_dropped_agent_is_disconnected_then_its_sessions_are_pending(
    short: Tenant,
) -> None:
    observer = await observe(short)
    bob = await short.connect_agent("bob", on=1)
    await short.open_session("chat-1", agent="bob")
    await short.open_session("chat-2", agent="bob")
    ana = await short.connect_agent("ana")
    await bob.command("session.transfer", session_id="chat-1", target=to_agent("ana"))
    await ana.expect_push("session.assigned")

    dropped_at = now_ms()
    ana.drop()

    row = await observer.sees_agent("ana", status="disconnected")
    assert (row["load"], row["pending"]) == (1, 0)
    assert row["status_since_at"] - dropped_at >= PRESENCE_GRACE_MS
    await observer.sees_agent("ana", load=0, pending=1)
    moved = (await short.history("chat-1"))[-1]
    assert (moved["kind"], moved["by"]) == ("moved", None)
    assert moved["at"] - dropped_at >= SESSION_GRACE_MS
    # The sender learns that it waits now, and Ana has it when she is back.
    assert (await bob.expect_push("transfer.updated"))["state"] == "moved"
    back = await short.connect_agent("ana")
    assert [session["id"] for session in back.welcome["inbox"]["in_progress"]] == ["chat-1"]
    assert back.welcome["inbox"]["pending"] == []
    # Bob never left.
    assert (await short.get_session("chat-2"))["state"] == "in_progress"


@pytest.mark.slow
async def test_agent_back_within_the_session_grace_keeps_its_sessions(short: Tenant) -> None:
    observer = await observe(short)
    ana = await short.connect_agent("ana")
    await short.open_session("chat-1", agent="ana")
    ana.drop()
    await observer.sees_agent("ana", status="disconnected", load=1)

    back = await short.connect_agent("ana", on=1)
    await observer.sees_agent("ana", status="connected", load=1)

    assert [session["id"] for session in back.welcome["inbox"]["in_progress"]] == ["chat-1"]
    # Bob drops later than she did: once his session has moved, hers would have moved.
    bob = await short.connect_agent("bob")
    await short.open_session("chat-2", agent="bob")
    bob.drop()
    await observer.sees_agent("bob", pending=1)
    assert (await short.get_session("chat-1"))["state"] == "in_progress"


@pytest.mark.slow
async def test_tenant_without_a_router_is_swept_by_the_next_command(short: Tenant) -> None:
    ana = await short.connect_agent("ana")
    await short.open_session("chat-1", agent="ana")
    await ana.close()
    # No connection of this tenant is left; the back end asks until the time has come.
    session = await short.get_session("chat-1")
    while session["state"] == "in_progress":
        session = await short.get_session("chat-1")

    assert session["state"] == "pending"
    assert session["updated_at"] - session["opened_at"] >= SESSION_GRACE_MS


# Routers that end.


@pytest.mark.slow
async def test_agents_of_a_killed_router_are_disconnected_after_its_lease(
    mortal: list[RouterProcess], make_tenant: MakeTenant
) -> None:
    tenant = make_tenant(mortal)
    tenant.back_end_on = 1
    observer = await observe(tenant, on=1)
    for name in ("ana", "bob"):
        await tenant.connect_agent(name, on=0)
        await tenant.open_session(f"chat-{name}", agent=name)
    both = await tenant.connect_agent("both", on=0)
    await tenant.connect_agent("both", on=1)
    assert both.welcome["agent"]["status"] == "connected"

    killed_at = now_ms()
    mortal[0].kill()

    # Bob comes back in time, to the router that is left.
    await tenant.connect_agent("bob", on=1)
    row = await observer.sees_agent("ana", status="disconnected")
    assert row["status_since_at"] - killed_at >= PRESENCE_GRACE_MS
    await observer.sees_agent("ana", load=0, pending=1)
    for name in ("bob", "both"):
        assert statuses_shown(observer, name) == ["connected"]


@pytest.mark.slow
async def test_draining_router_sends_its_clients_to_the_other_one(
    mortal: list[RouterProcess], make_tenant: MakeTenant
) -> None:
    tenant = make_tenant(mortal)
    observer = await observe(tenant, on=1)
    names = [f"agent-{number}" for number in range(10)]
    for name in names:
        await tenant.connect_agent(name, on=0)
        await observer.sees_agent(name, status="connected")
    leaving = tenant.clients[-len(names) :]
    # A command that is under way when the signal comes is answered.
    under_way = [await client.send("status.set", status="connected") for client in leaving]
    mortal[0].terminate()

    told: list[Message] = []
    for client, command in zip(leaving, under_way, strict=True):
        assert "result" in await client.reply(command)
        told.append(await client.expect_push("server.draining"))
    assert all(0 <= push["reconnect_in_ms"] <= DRAIN_MS for push in told)
    assert len({push["reconnect_in_ms"] for push in told}) > 1
    status, reason = await asyncio.to_thread(mortal[0].get, "/readyz")
    assert (status, '"draining"' in reason) == (503, True)
    assert await handshake_status(tenant) == 503

    async def move(client: RawClient) -> Any:
        code = await client.expect_close()
        await tenant.connect_agent(client.name, on=1)
        return code

    assert await asyncio.gather(*map(move, leaving)) == [4000] * len(names)
    assert await asyncio.to_thread(mortal[0].wait_gone) == 0
    # Long enough for a grace to end: another agent's does.
    other = await tenant.connect_agent("other", on=1)
    other.drop()
    await observer.sees_agent("other", status="disconnected")
    for name in names:
        assert statuses_shown(observer, name) == ["connected"]


@pytest.mark.slow
async def test_draining_router_drops_a_client_that_answers_no_close(
    start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    (leaving,) = start_routers(1, drain_ms=1, ping_interval_ms=60_000)
    tenant = make_tenant([leaving])
    deaf = await NonReadingSocket.open(f"127.0.0.1:{leaving.port}")
    await deaf.say_hello(tenant.token("ana"))
    observer = await observe(tenant, on=0)
    await observer.sees_agent("ana", status="connected")
    leaving.terminate()
    # It is dropped after its time, and the router has ended as it should.
    assert len(await deaf.hear_until_the_end()) > 1
    assert await asyncio.to_thread(leaving.wait_gone) == 0


@pytest.mark.slow
async def test_draining_router_answers_what_is_in_flight(
    own_store: StoreServer, start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    (leaving,) = start_routers(1, own_store.url, drain_ms=1, store_timeout_ms=10_000)
    tenant = make_tenant([leaving])
    ana, idle = await tenant.connect_agent("ana"), await tenant.connect_agent("idle")
    os.kill(own_store.pid, signal.SIGSTOP)
    try:
        asked = await ana.send("status.set", status="pause")
        # Whatever was sent before is read by then.
        await ana.reply(await ana.send("ping"))
        leaving.terminate()
        await ana.expect_push("server.draining")
        assert await idle.expect_close() == 4000
    finally:
        os.kill(own_store.pid, signal.SIGCONT)
    assert (await ana.reply(asked))["result"]["agent"]["status"] == "pause"
    assert await ana.expect_close() == 4000


@pytest.mark.slow
async def test_draining_router_closes_clients_that_refresh_a_token(
    start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    (leaving,) = start_routers(1, drain_ms=5000)
    tenant = make_tenant([leaving])
    clients = [await tenant.connect_agent(f"agent-{number}") for number in range(4)]
    leaving.terminate()

    async def refresh(client: RawClient) -> int:
        push = await client.expect_push("server.draining")
        # One that is sent away at once may be gone before it can ask.
        if push["reconnect_in_ms"] > 1000:
            assert "result" in await client.reply(
                await client.send("token.refresh", token=tenant.token(client.name))
            )
        return await client.expect_close()

    assert await asyncio.gather(*map(refresh, clients)) == [4000] * 4


async def handshake_status(tenant: Tenant) -> int:
    """Return the HTTP status with which the first router refuses a websocket."""
    with pytest.raises(InvalidStatus) as refused:
        await tenant.connect_without_hello(on=0)
    return refused.value.response.status_code
