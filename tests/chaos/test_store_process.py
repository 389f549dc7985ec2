"""The store is killed, emptied, or loses what it was taught."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from tests.chaos.conftest import PATIENT
from tests.chaos.waiting import insist, still_answered, until_ready
from tests.e2e.conftest import MakeTenant, StartRouters
from tests.e2e.tenant import to_agent
from tests.e2e.test_presence import observe, statuses_shown
from tests.e2e.test_the_shipped_client import ShippedClients
from tests.servers import StoreServer
from tests.stored_records import events_of

# A busy machine takes its time.

# What a tenant keeps when it knows its agents and departments, and nothing of any session.
KINDS_WITHOUT_SESSIONS = {
    *("tenant", "agents", "departments", "members", "available", "connections", "node", "due", "keys")
}


@pytest.mark.slow
@pytest.mark.fault("the store is killed and starts again")
async def test_commands_during_a_store_crash_are_unavailable_then_count_once(
    kept_store: StoreServer, start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    pair = start_routers(2, kept_store.url, **PATIENT)
    tenant = make_tenant(pair)
    ana = await tenant.connect_agent("ana", on=0)
    bob = await tenant.connect_agent("bob", on=1)
    observers = [await observe(tenant, on=on) for on in (0, 1)]
    for number in range(10):
        await tenant.open_session(f"chat-{number}", agent="ana")
    before = await ana.command("session.transfer", session_id="chat-0", target=to_agent("bob"), reason="kept")
    epoch, _ = observers[0].dialog.position

    kept_store.kill()
    wanted = [
        {"session_id": f"chat-{number}", "target": to_agent("bob"), "key": f"key-{number}"}
        for number in range(1, 10)
    ]
    for command in [await ana.send("session.transfer", **fields) for fields in wanted]:
        error = (await ana.reply(command))["error"]
        assert (error["code"], error["retryable"]) == ("unavailable", True)
    for router in pair:
        assert "store" in await until_ready(router, False)
    await still_answered(ana, bob, *observers)

    kept_store.start()
    for fields in wanted:
        first = await insist(ana, "session.transfer", **fields)
        assert await insist(ana, "session.transfer", **fields) == first
        assert (first["session"]["fence"], first["session"]["hops"]) == (2, 1)
    for router in pair:
        await until_ready(router)

    # What was acknowledged before is there, and what was repeated happened once.
    assert (await tenant.get_session("chat-0"))["transfer"]["id"] == before["transfer"]["id"]
    for number in range(10):
        kinds = [entry["kind"] for entry in await tenant.history(f"chat-{number}")]
        assert kinds == ["opened", "transferred", "internal"][: 3 if number == 0 else 2]
        await bob.expect_push("session.assigned", session__id=f"chat-{number}")
    assert bob.unread("session.assigned") == []
    await still_answered(ana, bob, *observers)
    await tenant.settle(*observers)
    for observer in observers:
        # A server that was away may have lost something: its numbers begin again.
        assert observer.dialog.position[0] != epoch
        assert observer.dialog.agents["bob"]["load"] == 10
        assert statuses_shown(observer, "ana") == statuses_shown(observer, "bob") == ["connected"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "restarts",
    [
        pytest.param(True, id="restarted", marks=pytest.mark.fault("the store starts again empty")),
        pytest.param(False, id="flushed", marks=pytest.mark.fault("the store is flushed")),
    ],
)
async def test_empty_store_gets_connections_registered_again(
    own_store: StoreServer, start_routers: StartRouters, make_tenant: MakeTenant, restarts: bool
) -> None:
    tenant = make_tenant(start_routers(2, own_store.url, **PATIENT | {"node_lease_ms": 3000}))
    ana = await tenant.connect_agent("ana", on=0, departments=["sales"])
    bob = await tenant.connect_agent("bob", on=1, departments=["sales"])
    observers = [await observe(tenant, on=on) for on in (0, 1)]
    for name in ("ana", "bob"):
        await tenant.open_session(f"chat-{name}", agent=name)
    await tenant.put_department("support")
    await tenant.open_session("chat-support", department="support")
    await ana.command("session.transfer", session_id="chat-ana", target=to_agent("bob"))
    await bob.expect_push("session.assigned", session__id="chat-ana")
    await observers[0].sees_agent("bob", load=2)
    epoch, _ = observers[0].dialog.position

    if restarts:
        own_store.kill()
        own_store.start()
    else:
        own_store.call("FLUSHALL")

    # The very first thing that an agent asks for is not refused for good: it is there, the store only forgot.
    chosen = await insist(ana, "status.set", status="pause", key="first")
    assert chosen["agent"]["status"] == "pause"
    for name in ("chat-ana", "chat-bob"):
        removed = await bob.expect_push("session.removed", session_id=name)
        assert removed["why"] == "moved"
    for observer in observers:
        await observer.until(lambda seen=observer: seen.dialog.position[0] != epoch, "a new epoch")  # type: ignore[misc]
        assert observer.dialog.snapshots == 2
        await observer.sees_agent("ana", status="pause", load=0, departments=["sales"])
        await observer.sees_agent("bob", status="connected", load=0, departments=["sales"])
        # No agent asks for this one any more.
        assert "support" not in observer.dialog.departments
    for name in ("chat-ana", "chat-bob", "chat-support"):
        assert (await tenant.post("session.get", session_id=name)).body["code"] == "not_found"
    assert await tenant.list_sessions() == []
    found = [key.decode() for key in own_store.call("KEYS", f"relevo:{{{tenant.id}}}:*")]
    assert {key.split("}:")[1].partition(":")[0] for key in found} <= KINDS_WITHOUT_SESSIONS
    # Before anything else was written the epoch was new, and its numbers leave nothing out.
    events = events_of(own_store, tenant.id)
    assert {event.epoch for event in events} == {observers[0].dialog.position[0]}
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    # And life goes on, on both.
    await tenant.open_session("chat-ana", agent="bob")
    assert (await bob.expect_push("session.assigned"))["session"]["fence"] == 1
    await still_answered(ana, bob, *observers)


@pytest.mark.slow
@pytest.mark.fault("the store is flushed")
async def test_hello_after_a_flush_does_not_hide_it_from_older_connections(
    own_store: StoreServer, start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    # The lease's renewal would find it after ten seconds.
    tenant = make_tenant(start_routers(1, own_store.url, **PATIENT))
    browser = await tenant.connect_agent("bob")
    observer = await observe(tenant, on=0)
    await tenant.open_session("chat-1", agent="bob")
    await browser.expect_push("session.assigned")

    own_store.call("FLUSHALL")
    phone = await tenant.connect_agent("bob")

    assert phone.welcome["inbox"] == {"in_progress": [], "pending": []}
    assert (await browser.expect_push("session.removed"))["session_id"] == "chat-1"
    await observer.sees_agent("bob", status="connected", load=0)
    await still_answered(phone, browser)
    assert phone.unread("session.removed") == []
    # Both are registered: either may go without the other being gone.
    for leaves, stays in ((browser, phone), (phone, await tenant.connect_agent("bob"))):
        await leaves.close()
        await tenant.settle(observer)
        await still_answered(stays)
        assert statuses_shown(observer, "bob")[-1:] == ["connected"]


@pytest.mark.slow
@pytest.mark.fault("the store loses its functions")
@pytest.mark.parametrize("what", ["SCRIPT", "FUNCTION"])
async def test_store_without_its_functions_gets_them_loaded_again(
    own_store: StoreServer,
    start_routers: StartRouters,
    make_tenant: MakeTenant,
    stack: AsyncExitStack,
    what: str,
) -> None:
    tenant = make_tenant(start_routers(2, own_store.url, **PATIENT))
    programs = ShippedClients(tenant, stack)
    agents = [await programs.agent(f"agent-{number}", on=number) for number in range(4)]
    texts = [f"{number}" for number in range(200)]
    for number in range(len(agents)):
        await tenant.open_session(f"chat-{number}", agent=f"agent-{number}")

    async def write(number: int) -> None:
        for text in texts:
            await agents[number].sessions.note(f"chat-{number}", text)

    writing = asyncio.gather(*(write(number) for number in range(len(agents))))
    forgotten = 0
    while not writing.done():
        await asyncio.to_thread(own_store.call, what, "FLUSH", "SYNC")
        forgotten += 1
        await asyncio.sleep(0.01)
    await writing

    assert forgotten > 5
    for number in range(len(agents)):
        history = await tenant.history(f"chat-{number}")
        assert [entry["text"] for entry in history if entry["kind"] == "internal"] == texts
    for router in tenant.routers:
        _, page = await asyncio.to_thread(router.get, "/metrics")
        outcomes = [line for line in page.splitlines() if line.startswith("relevo_commands_total{")]
        assert outcomes
        assert all('outcome="done"' in line for line in outcomes), outcomes
