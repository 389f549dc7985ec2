"""Links between routers and their store: cut, silent, half open, thrown out, and with a reply lost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.chaos.conftest import PATIENT
from tests.chaos.proxied_routers import ProxiedRouters, proxied_routers
from tests.chaos.proxy import Direction
from tests.chaos.waiting import insist, still_answered, until_metric, until_ready
from tests.e2e.conftest import MakeTenant, StartRouters
from tests.e2e.tenant import CUSTOMER, Tenant, to_agent
from tests.e2e.test_presence import observe, statuses_shown
from tests.raw_client import Message, RawClient
from tests.routers import standing_still
from tests.servers import StoreServer
from tests.stored_records import forget_events

# A busy machine takes its time.

# Between the end of a lease and what others then see there is time to close a socket, on a busy machine, too.
CUT_OFF = {
    "node_lease_ms": 2000,
    "presence_grace_ms": 1200,
    "session_grace_ms": 1500,
    "store_timeout_ms": 800,
}


@pytest.fixture
async def patient(tmp_path: Path) -> AsyncIterator[ProxiedRouters]:
    """Routers that believe in each other for longer than a test takes."""
    async with proxied_routers(tmp_path, **PATIENT) as found:
        yield found


# Cut off from the store.


async def cut_off(tenant: Tenant, cut: Callable[[], None], mend: Callable[[], None]) -> None:
    """Take the store from router 0 in silence, give it back, and hold what comes of it against what must."""
    cut_router, whole_router = tenant.routers
    tenant.back_end_on = 1
    observer = await observe(tenant, on=1)
    ana = await tenant.connect_agent("ana", on=0)
    await ana.open_dialog()
    await tenant.connect_agent("bob", on=1)
    await tenant.open_session("chat-1", agent="ana")
    await ana.expect_push("session.assigned")
    ends: list[str] = []

    async def see_close() -> int:
        code = await ana.expect_close()
        ends.append("closed")
        return code

    async def see_gone() -> None:
        await observer.sees_agent("ana", status="disconnected")
        ends.append("gone")

    cut()
    error = await ana.refused("session.note", session_id="chat-1", text="twice?", key="once")
    assert (error["code"], error["retryable"]) == ("unavailable", True)
    assert "store" in await until_ready(cut_router, False)
    code, _ = await asyncio.gather(see_close(), see_gone())
    assert code == 4003
    # Her screen was taken from her before it was wrong.
    assert ends == ["closed", "gone"]
    stranger = await tenant.connect_without_hello(on=0)
    assert (await stranger.refused("hello", token=tenant.token("ana")))["code"] == "unavailable"
    assert await stranger.expect_close() == 4003
    # Agents on the other router work on, and may have what she had.
    await observer.sees_agent("ana", load=0, pending=1)
    assert await until_ready(whole_router)
    assert statuses_shown(observer, "bob") == ["connected"]

    mend()
    await until_ready(cut_router)
    ana = await tenant.connect_agent("ana", on=0)
    assert [session["id"] for session in ana.welcome["inbox"]["in_progress"]] == ["chat-1"]
    await observer.sees_agent("ana", status="connected", load=1)
    await insist(ana, "session.note", session_id="chat-1", text="twice?", key="once")
    assert [entry["text"] for entry in await tenant.history("chat-1") if entry["text"]] == ["twice?"]
    await ana.open_dialog()
    await tenant.settle(ana, observer)
    assert ana.dialog.rows == observer.dialog.rows


@pytest.mark.slow
@pytest.mark.fault("a router is cut off from the store in silence")
async def test_silent_store_closes_clients_before_their_rows_are_stale(
    tmp_path: Path, make_tenant: MakeTenant
) -> None:
    async with proxied_routers(tmp_path, **CUT_OFF) as found:
        tenant = make_tenant(found.routers)
        link = found.proxy.link()
        await cut_off(tenant, link.stall, link.heal)
        await tenant.disconnect_all()


# A reply is lost.


@pytest.mark.slow
@pytest.mark.fault("a reply of the store is lost")
async def test_retry_after_a_lost_reply_gets_the_first_reply(
    patient: ProxiedRouters, make_tenant: MakeTenant
) -> None:
    tenant = make_tenant(patient.routers)
    adela = await tenant.connect_admin(on=0)
    for name in ("ana", "bob"):
        await tenant.connect_agent(name, on=1)
    bob_only = {"kind": "agent", "id": "bob"}
    commands: list[tuple[str, Message]] = [
        ("session.open", {"customer": CUSTOMER, "target": to_agent("ana")}),
        ("session.note", {"text": "said once"}),
        ("session.transfer", {"target": bob_only, "reason": "sent once"}),
        ("status.set", {"agent_id": "bob", "status": "pause"}),
        ("session.transfer", {"target": to_agent("ana")}),
        ("session.transfer", {"target": bob_only}),
        ("session.recall", {}),
        ("session.close", {}),
    ]

    for number, (wire_type, fields) in enumerate(commands):
        if wire_type.startswith("session."):
            fields["session_id"] = "chat-1"
        command: Message = {**fields, "key": f"key-{number}-once"}
        patient.proxy.link("relevo-commands").drop_replies(to=command["key"].encode())
        error = await adela.refused(wire_type, **command)
        assert (error["code"], error["retryable"]) == ("unavailable", True), wire_type
        first = await insist(adela, wire_type, **command)
        again = await tenant.post(wire_type, on=1, token=tenant.token("adela", "admin"), **command)
        assert (again.status, again.body) == (200, first), wire_type

    history = await tenant.history("chat-1")
    assert [entry["kind"] for entry in history] == [
        *("opened", "internal", "transferred", "internal"),
        *("transferred", "transferred", "recalled", "closed"),
    ]
    assert [entry["text"] for entry in history if entry["text"]] == ["said once", "sent once"]
    assert await asyncio.to_thread(patient.routers[0].metric, "relevo_store_cuts_total") >= len(commands)


@pytest.mark.slow
@pytest.mark.fault("the store is flushed")
async def test_hello_during_a_flush_gets_nothing_of_before(tmp_path: Path, make_tenant: MakeTenant) -> None:
    async with proxied_routers(tmp_path, node_lease_ms=30_000, store_timeout_ms=8000) as found:
        router = found.routers[0]
        tenant = make_tenant(found.routers)
        tenant.back_end_on = 1
        witness = await tenant.connect_agent("witness", on=0)
        await witness.open_dialog()
        await tenant.put_agent("ana")
        await tenant.settle(witness)
        asked = await asyncio.to_thread(router.metric, "relevo_store_commands_total")
        heard = await asyncio.to_thread(router.metric, "relevo_feed_events_total")

        # Her hello is on its way to the store when she is sent a session, and the store forgets that.
        found.proxy.link("relevo-commands").stall(Direction.REQUESTS)
        coming = asyncio.create_task(tenant.connect_agent("ana", on=0))
        await until_metric(router, "relevo_store_commands_total", asked + 1)
        await tenant.open_session("chat-1", agent="ana")
        await until_metric(router, "relevo_feed_events_total", heard + 1)
        found.store.call("FLUSHALL")
        found.proxy.link("relevo-commands").heal()

        ana = await coming
        assert ana.welcome["inbox"] == {"in_progress": [], "pending": []}
        await ana.open_dialog()
        await tenant.settle(ana, witness)
        assert ana.unread("session.pending") == []
        assert ana.dialog.rows == witness.dialog.rows
        await tenant.disconnect_all()


# The feed.


async def gather_news(tenant: Tenant, count: int) -> tuple[RawClient, list[Message]]:
    """Give Ana, on router 0, a session; return her, and notes for others to write in it."""
    ana = await tenant.connect_agent("ana", on=0)
    await tenant.open_session("chat-1", agent="ana")
    await ana.expect_push("session.assigned")
    await ana.expect_push("session.entry")
    await ana.open_dialog()
    return ana, [{"session_id": "chat-1", "text": f"{number} " + "x" * 3000} for number in range(count)]


async def missed_and_told(tenant: Tenant, ana: RawClient, notes: list[Message]) -> None:
    """Fail unless Ana receives each note once, in order, and her dialog goes on without a new beginning."""
    for note in notes:
        entry = (await ana.expect_push("session.entry"))["entry"]
        assert entry["text"] == note["text"]
    await tenant.settle(ana)
    assert ana.unread("session.entry") == []
    assert ana.dialog.snapshots == 1
    assert await asyncio.to_thread(tenant.routers[0].metric, "relevo_feed_reloads_total") == 0


async def write(tenant: Tenant, notes: list[Message]) -> None:
    """Write notes down, one after the other, over a websocket on router 1."""
    crm = await tenant.connect_service(on=1)
    for command in [await crm.send("session.note", **note) for note in notes]:
        assert "result" in await crm.reply(command)


@pytest.mark.slow
@pytest.mark.fault("the feed is cut")
async def test_cut_feed_is_repaired_from_the_stream(
    own_store: StoreServer, start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    tenant = make_tenant(start_routers(2, own_store.url, **PATIENT))
    tenant.back_end_on = 1
    ana, notes = await gather_news(tenant, 20)

    with standing_still(tenant.routers[0].process_id):
        own_store.call("CLIENT", "KILL", "TYPE", "pubsub")
        await write(tenant, notes)

    await missed_and_told(tenant, ana, notes)


@pytest.mark.slow
@pytest.mark.fault("the feed is cut")
async def test_trimmed_stream_is_repaired_by_a_snapshot_and_a_difference(
    own_store: StoreServer, start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    tenant = make_tenant(start_routers(2, own_store.url, **PATIENT))
    tenant.back_end_on = 1
    ana, _ = await gather_news(tenant, 0)

    with standing_still(tenant.routers[0].process_id):
        own_store.call("CLIENT", "KILL", "TYPE", "pubsub")
        await tenant.do("session.close", session_id="chat-1")
        await tenant.open_session("chat-2", agent="ana")
        await tenant.connect_agent("bob", on=1)
        forget_events(own_store, tenant.id)

    assert (await ana.expect_push("session.removed"))["session_id"] == "chat-1"
    assert (await ana.expect_push("session.assigned"))["session"]["id"] == "chat-2"
    await ana.sees_agent("bob", status="connected")
    await tenant.settle(ana)
    assert ana.dialog.snapshots == 2
    assert ana.dialog.agents["ana"]["load"] == 1
    await still_answered(ana)


@pytest.mark.slow
@pytest.mark.fault("the feed falls silent")
async def test_silent_feed_turns_the_router_unready_until_it_is_repaired(
    patient: ProxiedRouters, make_tenant: MakeTenant
) -> None:
    tenant = make_tenant(patient.routers)
    tenant.back_end_on = 1
    ana, notes = await gather_news(tenant, 20)
    reads = await asyncio.to_thread(patient.routers[0].metric, "relevo_feed_events_total")

    # Half open: the connection is there, and nothing comes.
    patient.proxy.link("relevo-feed").stall()
    await write(tenant, notes)
    assert "feed" in await until_ready(patient.routers[0], False)
    # Only its ears are gone: what it is asked for it does.
    await ana.command("session.get", session_id="chat-1")
    assert ana.unread("session.entry") == []
    assert await asyncio.to_thread(patient.routers[0].metric, "relevo_feed_events_total") == reads

    patient.proxy.link("relevo-feed").heal()
    await until_ready(patient.routers[0])
    await missed_and_told(tenant, ana, notes)


@pytest.mark.slow
@pytest.mark.fault("the feed is thrown out by the store")
async def test_feed_over_the_output_buffer_limit_is_subscribed_again(
    own_store: StoreServer, start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    own_store.call("CONFIG", "SET", "client-output-buffer-limit", "pubsub 65536 0 0")
    tenant = make_tenant(start_routers(2, own_store.url, **PATIENT))
    tenant.back_end_on = 1
    # More than a unix socket holds, too.
    ana, notes = await gather_news(tenant, 300)

    with standing_still(tenant.routers[0].process_id):
        await write(tenant, notes)
        disconnected = own_store.call("INFO", "stats")["client_output_buffer_limit_disconnections"]
    assert disconnected >= 1

    await missed_and_told(tenant, ana, notes)
