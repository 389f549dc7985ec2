"""What the store holds for a tenant has an end, and what is refused there changes nothing."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from relevo.router.store import answers, commands
from relevo.router.store.commands import INBOX_STEP_MAX, Caller
from tests.router.store.stored_tenant import HELP, LIMITS, SALES, Raws, StoredTenant, to_agent
from tests.servers import StoreServer, wait_until

SMALL = replace(LIMITS, agents_max=3, departments_max=4, sessions_max=3, history_max=4, events_max=16)


@pytest.fixture
async def small(tenant: StoredTenant) -> StoredTenant:
    """A tenant that may not have much; it has an admin and two departments."""
    opened = StoredTenant(tenant.commands.store, f"{tenant.id}-small", SMALL)
    await opened.set_up()
    return opened


def keys(server: StoreServer, tenant: StoredTenant, pattern: str) -> int:
    """Return how many keys of the tenant have a name that fits."""
    return len(server.call("KEYS", f"relevo:{{{tenant.id}}}:{pattern}"))


@pytest.mark.limit("agents_max")
async def test_a_tenant_has_only_so_many_agents_however_they_come(
    small: StoredTenant, shared_valkey: StoreServer
) -> None:
    await small.connect_new("ana", "bob")
    profile = {"id": "cleo", "name": "Cleo", "role": "agent", "departments": [], "capacity": 1}
    assert await small.refuse("forbidden", "agent_put", "boss", agent=profile) == {"agents_max": 3}
    where = {"node_id": "node", "connection_id": "c", "lease_ms": 6_000, "connections_max": 2}
    await small.refuse("forbidden", "connect", {"id": "cleo", "role": "agent"}, **where)
    assert keys(shared_valkey, small, "connections:cleo") == 0
    await small.open("s", SALES)
    stranger = {"id": "cleo", "role": "admin"}
    await small.refuse("forbidden", "session_accept", stranger, session_id="s")
    await small.refuse(
        "forbidden", "session_open", stranger, session_id="t", customer={"id": "c", "name": "C"}
    )
    # Those that it has may go on, and make room.
    await small.connect("ana", connection_id="phone")
    await small.run("agent_put", "boss", agent={**profile, "id": "bob"})
    await small.run("agent_remove", "boss", agent_id="bob")
    await small.run("agent_put", "boss", agent=profile)


@pytest.mark.limit("INBOX_STEP_MAX")
async def test_a_long_inbox_is_read_in_steps(tenant: StoredTenant, monkeypatch: pytest.MonkeyPatch) -> None:
    await tenant.connect_new("ana", capacity=INBOX_STEP_MAX)
    given = [f"s{number}" for number in range(2 * INBOX_STEP_MAX + 10)]
    for session_id in given:
        await tenant.open(session_id, to_agent("ana"))
    asked: list[str] = []
    run = tenant.commands.run

    async def listen(
        tenant_id: str, command: str, request: dict[str, Any], *more: Any, **options: Any
    ) -> Any:
        asked.append(command)
        return await run(tenant_id, command, request, *more, **options)

    monkeypatch.setattr(tenant.commands, "run", listen)
    attached = await tenant.commands.connect(tenant.id, Caller("ana", "agent"), "of-ana")
    found = [[answers.session(one).id for one in some] for some in (attached.in_progress, attached.pending)]
    assert found == [given[:INBOX_STEP_MAX], given[INBOX_STEP_MAX:]]
    assert asked == ["connect", "inbox", "inbox"]


async def test_connections_of_a_node_are_read_in_steps(
    tenant: StoredTenant, shared_valkey: StoreServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "CONNECTIONS_STEP", 100)
    given = [f"ana c{number}" for number in range(1000)]
    shared_valkey.call("SADD", f"relevo:{{{tenant.id}}}:node:node", *given)
    sizes: list[int] = []
    read_snapshot = tenant.commands.read_snapshot

    async def listen(*asked: Any) -> answers.SnapshotReply:
        found = await read_snapshot(*asked)
        sizes.append(len(answers.plain(found.values[0])[1]))
        return found

    monkeypatch.setattr(tenant.commands, "read_snapshot", listen)
    connections = await tenant.commands.connections(tenant.id)
    assert {f"{agent_id} {connection_id}" for agent_id, connection_id in connections} >= set(given)
    assert max(sizes) < 250  # The server's scan gives whole buckets.


async def test_a_session_that_left_while_an_inbox_is_read_is_not_in_it(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana")
    await tenant.open("here", to_agent("ana"))
    await tenant.open("closed", to_agent("ana"))
    await tenant.close("closed")
    found = await tenant.run("inbox", "ana", session_ids=["closed", "here", "unknown"])
    views = msgspec.msgpack.decode(found["in_progress"], type=Raws)
    assert [answers.session(view).id for view in views] == ["here"]


@pytest.mark.limit("departments_max")
async def test_a_tenant_has_only_so_many_departments_however_they_come(small: StoredTenant) -> None:
    await small.connect("ana", departments=["sales", "north", "south"])
    put = {"id": "west", "name": "West"}
    assert await small.refuse("forbidden", "department_put", "boss", department=put) == {"departments_max": 4}
    where = {"node_id": "node", "connection_id": "c", "lease_ms": 6_000, "connections_max": 2}
    claims = {"id": "bob", "role": "agent", "departments": ["sales", "west"]}
    await small.refuse("forbidden", "connect", claims, **where)
    await small.connect("ana", departments=["sales", "help", "north", "south"])
    await small.run("department_put", "boss", department={**put, "id": "north"})


@pytest.mark.limit("sessions_max")
async def test_a_tenant_has_only_so_many_open_sessions(small: StoredTenant) -> None:
    await small.connect_new("ana", capacity=1)
    for session_id in ("working", "pending"):
        await small.open(session_id, to_agent("ana"))
    await small.open("queued", SALES)
    customer = {"id": "c", "name": "Cleo"}
    refused = {"session_id": "another", "customer": customer, "target": SALES}
    assert await small.refuse("forbidden", "session_open", "boss", **refused) == {"sessions_max": 3}
    await small.close("pending")
    await small.open("another", SALES)


@pytest.mark.limit("history_max")
async def test_a_session_is_written_on_only_so_long_but_can_be_taken_and_closed(small: StoredTenant) -> None:
    await small.connect_new("ana")
    await small.open("s", SALES)
    await small.transfer("s", HELP)
    await small.transfer("s", SALES, reason="back again")
    assert len(await small.history("s")) == 4
    assert await small.refuse("forbidden", "session_note", "boss", session_id="s", text="n") == {
        "history_max": 4
    }
    await small.refuse("forbidden", "session_transfer", "boss", session_id="s", target=HELP)
    await small.refuse("forbidden", "session_recall", "boss", session_id="s")
    await small.accept("s", "boss")
    await small.close("s")
    assert [entry.kind for entry in await small.history("s")][4:] == ["accepted", "closed"]


@pytest.mark.limit("EVENTS_MAX")
async def test_only_the_latest_events_are_kept(small: StoredTenant, shared_valkey: StoreServer) -> None:
    for number in range(400):
        await small.status("boss", ("pause", "connected")[number % 2])
    fields = shared_valkey.call("HKEYS", f"relevo:{{{small.id}}}:tenant")
    assert len([field for field in fields if field.isdigit()]) == SMALL.events_max
    found = await small.commands.events(small.id, small.epoch, 400 - SMALL.events_max, 100)
    assert found.events is None


@pytest.mark.limit("KEY_TTL_MS")
async def test_a_key_and_its_answer_go_when_their_time_is_over(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    short = StoredTenant(tenant.commands.store, f"{tenant.id}-short", replace(LIMITS, key_ttl_ms=200))
    await short.set_up()
    for number in range(50):
        put = {"id": "north", "name": f"North {number}"}
        await short.run("department_put", "boss", department=put, key=f"key {number}", print="p" * 32)
    wait_until(lambda: keys(shared_valkey, short, "keys:*") == 0, "the keys to go")
    short.now += 400
    renamed = await short.run(
        "department_put", "boss", department={"id": "north", "name": "N"}, key="key 0", print="q" * 32
    )
    assert answers.department(renamed["department"]).name == "N"


@pytest.mark.limit("closed_retention_ms")
async def test_closed_sessions_expire_and_leave_the_list(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    async def close_ten(name: str) -> None:
        for number in range(10):
            await tenant.open(f"{name}-{number}", SALES)
            await tenant.close(f"{name}-{number}")

    await close_ten("early")
    await close_ten("late")
    for number in range(10):
        key = f"relevo:{{{tenant.id}}}:session:early-{number}"
        assert 0 < shared_valkey.call("PTTL", key) <= LIMITS.closed_retention_ms
        # As if that time were over.
        shared_valkey.call("PEXPIRE", key, 0)
    # Each that is closed takes two out of the list.
    for number in range(5):
        await tenant.open(f"last-{number}", SALES)
        await tenant.close(f"last-{number}")
    assert shared_valkey.call("ZCARD", f"relevo:{{{tenant.id}}}:state:closed") == 15


@pytest.mark.slow
async def test_a_welcome_holds_only_so_many_sessions(tenant: StoredTenant) -> None:
    tenant = StoredTenant(tenant.commands.store, f"{tenant.id}-large", replace(LIMITS, sessions_max=2000))
    await tenant.connect_new("ana", capacity=0)
    for number in range(1_001):
        await tenant.run(
            "session_open",
            "desk",
            session_id=f"s{number}",
            customer={"id": "c", "name": "C"},
            target=to_agent("ana"),
        )
    attached = await tenant.commands.connect(tenant.id, Caller("ana", "agent"), "of-ana")
    assert len(attached.pending) == 1_000


async def test_only_so_many_removals_are_remembered(tenant: StoredTenant, shared_valkey: StoreServer) -> None:
    key = f"relevo:{{{tenant.id}}}:removed"
    for number in range(20):
        earlier = [word for one in range(500) for word in (1000 + one, f"agone-{number}-{one}")]
        shared_valkey.call("ZADD", key, *earlier)
    await tenant.connect_new("ana")
    await tenant.run("agent_remove", "boss", agent_id="ana")
    assert shared_valkey.call("ZCARD", key) == 10_000
    await tenant.refuse("forbidden", "session_get", {"id": "ana", "role": "agent"}, session_id="s")


async def test_an_agent_gets_back_only_so_many_sessions(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", capacity=200)
    for number in range(101):
        await tenant.open(f"s{number}", to_agent("ana"))
    await tenant.disconnect("ana")
    tenant.now += 30_000
    while (await tenant.agent("ana")).pending < 101:
        pass  # Each command sweeps as much as one step may.
    await tenant.connect("ana")
    found = await tenant.agent("ana")
    assert (found.load, found.pending) == (100, 1)


async def test_what_an_agent_had_is_forgotten_when_it_is_gone(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    await tenant.connect_new("ana")
    for number in range(40):
        await tenant.open(f"s{number}", to_agent("ana"))
        await tenant.close(f"s{number}")
        shared_valkey.call("DEL", f"relevo:{{{tenant.id}}}:session:s{number}")
    assert shared_valkey.call("ZCARD", f"relevo:{{{tenant.id}}}:had:ana") < 20
    assert await tenant.listed("ana", mine=True) == []


async def test_lists_of_closed_sessions_end_with_the_last_one(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    await tenant.open("s", SALES)
    await tenant.close("s")
    for name in ("customer:closed:c", "routed:closed:sales"):
        assert shared_valkey.call("PTTL", f"relevo:{{{tenant.id}}}:{name}") > 0, name
    assert keys(shared_valkey, tenant, "customer:open:*") == 0


async def test_session_of_an_id_that_was_gone_is_not_that_which_an_agent_had(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    await tenant.connect_new("ana")
    await tenant.open("s", to_agent("ana"))
    await tenant.close("s")
    shared_valkey.call("DEL", f"relevo:{{{tenant.id}}}:session:s")
    await tenant.open("s", SALES)
    await tenant.refuse("forbidden", "session_get", "ana", session_id="s")
    assert await tenant.listed("ana", mine=True) == []
    assert await tenant.listed(customer_id="c") == ["s"]
