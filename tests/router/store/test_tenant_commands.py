"""What the commands do with presence, statuses, the directory, idempotency keys and the feed, by example."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from relevo.router.store import answers, records
from tests.router.store.stored_tenant import HELP, SALES, StoredTenant, to_agent
from tests.servers import StoreServer

# Presence ---------------------------------------------------------------------------------------------------


async def test_a_token_makes_its_agent_and_the_departments_it_names(tenant: StoredTenant) -> None:
    await tenant.connect("ana", departments=["sales", "night"], capacity=3)
    ana, night = await tenant.agent("ana"), await tenant.department("night")
    assert (ana.status, ana.departments, ana.capacity, ana.available) == (
        "connected",
        ["sales", "night"],
        3,
        True,
    )
    assert (night.name, night.agents, night.available) == ("night", 1, 1)


async def test_token_without_claims_makes_a_plain_agent_and_changes_no_known_one(
    tenant: StoredTenant,
) -> None:
    await tenant.connect("ana")
    assert (await tenant.agent("ana")).capacity == 10
    await tenant.connect("ana", departments=["sales"], capacity=3)
    await tenant.connect("ana")
    ana = await tenant.agent("ana")
    assert (ana.departments, ana.capacity) == (["sales"], 3)


async def test_registering_a_connection_again_brings_back_no_old_claims(tenant: StoredTenant) -> None:
    await tenant.connect("ana", departments=["night"], capacity=3)
    await tenant.run("department_remove", "boss", department_id="night")
    await tenant.new_events()
    await tenant.connect("ana", departments=["night"], capacity=5, again=True)
    assert (await tenant.agent("ana")).capacity == 3
    assert await tenant.new_events() == []


async def replaced(tenant: StoredTenant, connection_id: str, **more: Any) -> list[tuple[str, str]]:
    """Return which connections of ana give way to another one."""
    await tenant.new_events()
    await tenant.connect("ana", connection_id=connection_id, **more)
    return [one for event in await tenant.new_events() for one in event.replaced]


@pytest.mark.limit("connections_per_agent_max")
async def test_connection_beyond_the_bound_takes_the_place_of_the_oldest(tenant: StoredTenant) -> None:
    for connection_id in ("19b0-9", "19a0-8", "19a0-8"):
        await tenant.connect("ana", connection_id=connection_id)
    assert await replaced(tenant, "19c0-1") == [("ana", "19a0-8")]
    assert await replaced(tenant, "19b0-9") == []
    assert await replaced(tenant, "2") == [("ana", "19b0-9")]
    # One without a time is of an earlier release.
    assert await replaced(tenant, "19d0-1") == [("ana", "2")]


async def test_connection_that_answers_no_ping_gives_way_first(tenant: StoredTenant) -> None:
    await tenant.connect("ana", connection_id="19a0-1", node_id="other")
    await tenant.connect("ana", connection_id="19b0-1")
    assert await replaced(tenant, "19c0-1", silent=["19a0-1", "19b0-1"]) == [("ana", "19b0-1")]


async def test_connection_that_gave_way_ends_without_a_trace(tenant: StoredTenant) -> None:
    for number in (1, 2, 3):
        await tenant.connect("ana", connection_id=f"19a{number}-1")
    await tenant.run("disconnect", agent_id="ana", node_id="node", connection_id="19a1-1", clean=True)
    assert (await tenant.agent("ana")).status == "connected"
    assert sorted(await tenant.commands.connections(tenant.id)) == [
        ("ana", "19a2-1"),
        ("ana", "19a3-1"),
        ("boss", "of-boss"),
    ]


async def test_agent_that_drops_stays_for_the_grace_then_is_disconnected(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana")
    await tenant.disconnect("ana")
    tenant.now += 9_999
    assert (await tenant.agent("ana")).status == "connected"
    tenant.now += 1
    ana = await tenant.agent("ana")
    assert (ana.status, ana.status_since_at) == ("disconnected", tenant.now)


async def test_agent_that_says_goodbye_is_disconnected_at_once(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana")
    await tenant.disconnect("ana", clean=True)
    assert (await tenant.agent("ana")).status == "disconnected"


async def test_agent_back_within_the_grace_was_never_away(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana")
    await tenant.new_events()
    await tenant.disconnect("ana")
    tenant.now += 9_999
    await tenant.connect("ana")
    tenant.now += 60_000
    assert await tenant.new_events() == []


async def test_a_late_close_of_one_connection_leaves_the_other(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana")
    await tenant.connect("ana", connection_id="phone")
    await tenant.disconnect("ana", clean=True)
    assert (await tenant.agent("ana")).status == "connected"


async def test_agent_that_stays_away_finds_its_sessions_pending_in_order(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana")
    for session_id in ("s2", "s1"):
        await tenant.open(session_id, to_agent("ana"))
    await tenant.disconnect("ana")
    tenant.now += 30_000
    assert await tenant.listed(agent_id="ana", state="pending") == ["s2", "s1"]
    moved = (await tenant.history("s1"))[-1]
    assert (moved.kind, moved.by) == ("moved", None)


async def test_the_agents_of_a_node_whose_lease_ran_out_are_gone_since_then(tenant: StoredTenant) -> None:
    await tenant.connect("ana", node_id="other", lease_ms=6_000)
    tenant.now += 6_000 + 9_999
    assert (await tenant.agent("ana")).status == "connected"
    tenant.now += 1
    assert (await tenant.agent("ana")).status == "disconnected"


async def test_first_command_after_a_long_silence_sees_expired_graces_and_leases(
    tenant: StoredTenant,
) -> None:
    await tenant.connect("ana", departments=["sales"], capacity=2, node_id="other", lease_ms=6_000)
    await tenant.open("s1", to_agent("ana"))
    tenant.now += 3_600_000
    assert (await tenant.open("s2", SALES)).state == "queued"
    assert await tenant.listed(department_id="sales", state="queued") == ["s1", "s2"]


async def test_a_node_learns_that_its_lease_had_run_out(tenant: StoredTenant) -> None:
    async def renew() -> bool:
        request: dict[str, Any] = {"now": tenant.now, "node_id": "other", "lease_ms": 6_000}
        return (await tenant.commands.run(tenant.id, "renew", request, answers.Lease)).known

    assert not await renew()
    assert await renew()
    tenant.now += 6_000
    await tenant.agent("boss")
    assert not await renew()


async def test_many_agents_of_a_lost_node_are_missed_a_few_at_a_time(tenant: StoredTenant) -> None:
    for number in range(401):
        await tenant.connect(f"a{number}", node_id="other", lease_ms=6_000)
    tenant.now += 16_000
    left = [len([row for row in await directory(tenant) if row.status == "connected"]) for _ in range(30)]
    # A few are found gone while others' connections are still taken apart; each look does a bounded part.
    assert left == sorted(left, reverse=True)
    assert max(before - after for before, after in pairwise([402, *left])) <= 64 + 1
    assert left[-1] == 1


async def test_a_renewal_says_whether_more_is_due(tenant: StoredTenant) -> None:
    for number in range(250):
        await tenant.connect(f"a{number}", node_id="other", lease_ms=6_000)
    tenant.now += 16_000
    steps = 1
    request = {"node_id": "n1", "lease_ms": 60_000, "now": tenant.now}
    while (await tenant.commands.run(tenant.id, "renew", request, answers.Lease)).due_in_ms <= 0:
        steps += 1
    assert steps > 1
    assert [row.id for row in await directory(tenant) if row.status == "connected"] == ["boss"]


async def test_a_long_queue_is_taken_over_in_several_steps(tenant: StoredTenant) -> None:
    for number in range(130):
        await tenant.open(f"s{number}", SALES)
    await tenant.new_events()
    await tenant.connect_new("ana", departments=["sales"], capacity=300)
    while (await tenant.commands.renew(tenant.id)).due_in_ms <= 0:
        pass
    assert (await tenant.department("sales")).queued == 0
    assert [len(event.changes) for event in await tenant.new_events() if event.changes] == [64, 64, 2]
    assert await tenant.listed(agent_id="ana", limit=500) == [f"s{number}" for number in range(130)]


async def test_department_remove_with_many_members_takes_bounded_steps(tenant: StoredTenant) -> None:
    await tenant.connect_new(*(f"a{number}" for number in range(300)), departments=["sales", "help"])
    await tenant.new_events()
    await tenant.run("department_remove", "boss", department_id="sales")
    await tenant.refuse("not_found", "session_open", "boss", session_id="s", target=SALES, customer={})
    put = {"id": "sales", "name": "Again"}
    await tenant.refuse("unavailable", "department_put", "boss", department=put)
    while (await tenant.commands.renew(tenant.id)).due_in_ms <= 0:
        pass
    assert {tuple(row.departments) for row in await directory(tenant)} == {(), ("help",)}
    assert [len(event.agents) for event in await tenant.new_events()] == [64, 64, 64, 64, 44]
    await tenant.run("department_put", "boss", department=put)
    assert (await tenant.department("sales")).agents == 0


async def test_an_agent_may_have_more_in_progress_than_its_record_holds(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", capacity=400)
    for number in range(260):
        await tenant.open(f"s{number}", to_agent("ana"))
    assert (await tenant.agent("ana")).load == 260
    ids = [f"s{number}" for number in range(260)]
    assert await tenant.listed(agent_id="ana", limit=500) == ids
    await tenant.connect("ana")
    for session_id in ids:
        await tenant.close(session_id)
    assert (await tenant.agent("ana")).load == 0
    await tenant.open("last", to_agent("ana"))
    assert await tenant.listed(agent_id="ana") == ["last"]


# Status -----------------------------------------------------------------------------------------------------


async def test_a_status_is_kept_while_its_agent_is_away(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana")
    await tenant.status("ana", "pause")
    await tenant.disconnect("ana", clean=True)
    assert (await tenant.agent("ana")).status == "disconnected"
    await tenant.connect("ana")
    assert (await tenant.agent("ana")).status == "pause"


async def test_agent_that_is_sent_away_stays_so_until_it_chooses_again(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana")
    assert (await tenant.status("ana", "disconnected", by="boss")).status == "disconnected"
    await tenant.connect("ana", connection_id="phone")
    assert (await tenant.agent("ana")).status == "disconnected"
    assert (await tenant.status("ana", "connected")).available


async def test_a_pre_pause_takes_nothing_new_and_is_a_pause_when_all_is_done(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", departments=["sales"])
    await tenant.open("s", to_agent("ana"))
    assert (await tenant.status("ana", "pre_pause")).status == "pre_pause"
    assert (await tenant.open("t", SALES)).state == "queued"
    await tenant.close("s", by="ana")
    assert (await tenant.agent("ana")).status == "pause"
    assert (await tenant.status("ana", "pre_pause")).status == "pause"


# Agents and departments -------------------------------------------------------------------------------------


def profile(agent_id: str, *departments: str) -> dict[str, Any]:
    return {"id": agent_id, "name": "A", "role": "agent", "departments": list(departments), "capacity": 1}


async def test_an_agent_is_put_into_departments_that_exist(tenant: StoredTenant) -> None:
    details = await tenant.refuse("not_found", "agent_put", "boss", agent=profile("ana", "sales", "night"))
    assert details == {"department_id": "night"}
    await tenant.run("agent_put", "boss", agent=profile("ana", "sales"))
    await tenant.run("agent_put", "boss", agent=profile("ana", "help"))
    assert ((await tenant.department("sales")).agents, (await tenant.department("help")).agents) == (0, 1)


async def test_an_available_agent_takes_what_waits_in_a_department_it_joins(tenant: StoredTenant) -> None:
    await tenant.open("s", HELP)
    await tenant.connect_new("ana", departments=["sales"], capacity=1)
    await tenant.run("agent_put", "boss", agent=profile("ana", "sales", "help"))
    assert await tenant.listed(agent_id="ana") == ["s"]


async def test_an_agent_with_sessions_is_not_removed(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana")
    await tenant.status("ana", "pause")
    await tenant.open("s", to_agent("ana"))
    await tenant.refuse("in_use", "agent_remove", "boss", agent_id="ana")
    await tenant.close("s")
    await tenant.new_events()
    await tenant.run("agent_remove", "boss", agent_id="ana")
    [event] = await tenant.new_events()
    assert event.agents_removed == ["ana"]
    await tenant.refuse(
        "not_found", "session_open", "boss", session_id="t", target=to_agent("ana"), customer={}
    )


async def test_a_removed_agent_that_is_still_connected_may_do_nothing(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana")
    await tenant.run("agent_remove", "boss", agent_id="ana")
    await tenant.refuse("forbidden", "status_set", "ana", agent_id="ana", status="pause")
    await tenant.disconnect("ana")
    tenant.now += 60_000
    assert [row.id for row in await directory(tenant)] == ["boss"]


async def test_agent_lost_with_the_stores_memory_is_not_taken_for_removed(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    await tenant.connect_new("ana")
    await tenant.new_events()
    ana = {"id": "ana", "role": "agent", "attached": True, "epoch": tenant.epoch}
    choice = {"agent_id": "ana", "status": "pause", "key": "once", "print": "p" * 32}
    shared_valkey.call("DEL", *shared_valkey.call("KEYS", f"relevo:{{{tenant.id}}}:*"))
    await tenant.refuse("unavailable", "status_set", ana, **choice)
    await tenant.connect("ana")
    # That was no answer, so the key has none either.
    await tenant.run("status_set", ana, **choice)
    assert (await tenant.agent("ana")).status == "pause"


async def test_a_department_with_a_queue_is_not_removed(tenant: StoredTenant) -> None:
    await tenant.open("s", SALES)
    await tenant.refuse("in_use", "department_remove", "boss", department_id="sales")


async def test_a_removed_department_leaves_its_members_without_it(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", departments=["sales", "help"])
    await tenant.run("department_remove", "boss", department_id="sales")
    assert (await tenant.agent("ana")).departments == ["help"]
    await tenant.refuse("not_found", "department_remove", "boss", department_id="sales")


async def directory(tenant: StoredTenant) -> list[Any]:
    """Return all agents."""
    return (await tenant.directory()).agents


# Idempotency keys -------------------------------------------------------------------------------------------


async def test_command_repeated_with_its_key_is_applied_once_with_one_answer(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob")
    await tenant.open("s", to_agent("ana"))
    keyed: dict[str, Any] = {"key": "k", "print": "p" * 32, "fence": 1}
    first = await tenant.transfer("s", to_agent("bob"), **keyed)
    await tenant.close("s")
    await tenant.new_events()
    assert await tenant.transfer("s", to_agent("bob"), **keyed) == first
    assert await tenant.new_events() == []


async def test_a_key_is_not_for_another_body_and_not_another_callers(tenant: StoredTenant) -> None:
    put = {"id": "night", "name": "Night"}
    await tenant.run("department_put", "boss", department=put, key="k", print="p" * 32)
    other = put | {"name": "Day"}
    await tenant.refuse("key_reused", "department_put", "boss", department=other, key="k", print="q" * 32)
    for by in ("desk", {"id": "boss", "role": "service"}):
        await tenant.run("department_put", by, department=other, key="k", print="q" * 32)
    assert (await tenant.department("night")).name == "Day"


async def test_a_refusal_is_the_first_answer_too(tenant: StoredTenant) -> None:
    keyed = {"key": "k", "print": "p" * 32, "target": SALES, "session_id": "s"}
    await tenant.refuse("not_found", "session_transfer", "boss", **keyed)
    await tenant.open("s", HELP)
    await tenant.refuse("not_found", "session_transfer", "boss", **keyed)


@pytest.mark.parametrize("begins_after_ms", [0, 300_000, 599_999])
async def test_a_key_is_kept_ten_minutes_whenever_its_hash_began(
    tenant: StoredTenant, begins_after_ms: int
) -> None:
    keyed: dict[str, Any] = {"key": "k", "print": "p" * 32}
    tenant.now += 600_000 - tenant.now % 600_000 + begins_after_ms
    first = await tenant.run("department_put", "boss", department={"id": "n", "name": "N"}, **keyed)
    tenant.now += 600_000
    assert await tenant.run("department_put", "boss", department={"id": "n", "name": "M"}, **keyed) == first
    tenant.now += 600_001
    await tenant.run("department_put", "boss", department={"id": "n", "name": "M"}, **keyed)
    assert (await tenant.department("n")).name == "M"


async def test_the_hash_of_the_keys_goes_as_a_whole(tenant: StoredTenant, shared_valkey: StoreServer) -> None:
    put = {"id": "n", "name": "N"}
    for number in range(4):
        await tenant.run("department_put", "boss", department=put, key=f"k{number}", print="p" * 32)
        tenant.now += 600_000
    assert len(shared_valkey.call("KEYS", f"relevo:{{{tenant.id}}}:keys:*")) == 2
    for key in shared_valkey.call("KEYS", f"relevo:{{{tenant.id}}}:keys:*"):
        assert 0 < shared_valkey.call("PTTL", key) <= 1_200_000


async def test_a_key_remembers_the_session_as_it_was_then(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    await tenant.connect_new("ana", "bob")
    await tenant.open("s", to_agent("ana"))
    keyed: dict[str, Any] = {"key": "k", "print": "p" * 32, "reason": "x" * 1000}
    first = await tenant.transfer("s", to_agent("bob"), **keyed)
    note: dict[str, Any] = {"key": "n", "print": "p" * 32, "session_id": "s", "text": "y" * 4000}
    entry = await tenant.run("session_note", "bob", **note)
    await tenant.transfer("s", to_agent("ana"))
    assert await tenant.transfer("s", to_agent("bob"), **keyed) == first
    assert (await tenant.run("session_note", "bob", **note))["entry"] == entry["entry"]
    for key in shared_valkey.call("KEYS", f"relevo:{{{tenant.id}}}:keys:*"):
        assert max(map(len, shared_valkey.call("HVALS", key))) < 100


# The feed ---------------------------------------------------------------------------------------------------


async def test_each_change_is_one_event_and_a_refusal_is_none(tenant: StoredTenant) -> None:
    seq = tenant.seq
    await tenant.open("s", SALES)
    await tenant.refuse("same_target", "session_transfer", "boss", session_id="s", target=SALES)
    await tenant.transfer("s", HELP)
    assert [event.seq for event in await tenant.new_events()] == [seq + 1, seq + 2]


async def test_an_event_brings_the_rows_that_changed_and_no_others(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob", departments=["sales"])
    await tenant.status("bob", "connected")
    await tenant.new_events()
    await tenant.open("s", to_agent("ana"))
    await tenant.status("bob", "connected")
    [event] = await tenant.new_events()
    assert ([row.id for row in event.agents], event.departments) == (["ana"], [])


async def test_what_is_due_is_an_event_before_that_of_the_command(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", departments=["sales"])
    await tenant.disconnect("ana")
    await tenant.new_events()
    tenant.now += 10_000
    await tenant.open("s", SALES)
    gone, opened = await tenant.new_events()
    assert [row.status for row in gone.agents] == ["disconnected"]
    assert [change.record.id for change in opened.changes] == ["s"]


async def test_events_that_are_not_kept_any_more_are_not_pretended(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    for session_id in ("s1", "s2", "s3"):
        await tenant.open(session_id, SALES)
    epoch, seq = tenant.epoch, tenant.seq
    shared_valkey.call("HDEL", f"relevo:{{{tenant.id}}}:tenant", seq + 1)
    for known, after, kept in (
        (epoch, seq, None),
        (epoch, seq + 1, 2),
        (epoch, seq + 3, 0),
        (epoch, seq + 4, None),
    ):
        found = await tenant.commands.events(tenant.id, known, after, 10)
        assert (None if found.events is None else len(found.events)) == kept


async def test_another_server_begins_another_epoch_before_its_first_event(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    await tenant.open("s", SALES)
    await tenant.new_events()
    before = tenant.epoch
    key = f"relevo:{{{tenant.id}}}:tenant"
    meta = records.decode_meta(shared_valkey.call("HGET", key, "m"))
    meta.run = "another"
    shared_valkey.call("HSET", key, "m", msgspec.msgpack.encode(meta))
    await tenant.transfer("s", HELP)
    [event] = await tenant.new_events()
    assert (event.epoch, event.seq) == (tenant.epoch, 1)
    assert tenant.epoch != before


@pytest.mark.parametrize("command", ["session_get", "session_note", "session_transfer", "session_close"])
async def test_another_tenants_session_is_none(tenant: StoredTenant, command: str) -> None:
    other = StoredTenant(tenant.commands.store, f"{tenant.id}:")
    await other.set_up()
    await other.open("s", SALES)
    await tenant.refuse("not_found", command, "boss", session_id="s", target=HELP, text="hello")
