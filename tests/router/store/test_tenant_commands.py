"""What the commands do with presence, statuses, the directory, idempotency keys and the feed, by example."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest

from relevo.router.store import records
from tests.router.store.shop import HELP, SALES, Shop, to_agent
from tests.servers import StoreServer

# Presence ---------------------------------------------------------------------------------------------------


async def test_a_token_makes_its_agent_and_the_departments_it_names(shop: Shop) -> None:
    await shop.connect("ana", departments=["sales", "night"], capacity=3)
    ana, night = await shop.agent("ana"), await shop.department("night")
    assert (ana.status, ana.departments, ana.capacity, ana.available) == (
        "connected",
        ["sales", "night"],
        3,
        True,
    )
    assert (night.name, night.agents, night.available) == ("night", 1, 1)


async def test_token_without_claims_makes_a_plain_agent_and_changes_no_known_one(shop: Shop) -> None:
    await shop.connect("ana")
    assert (await shop.agent("ana")).capacity == 10
    await shop.connect("ana", departments=["sales"], capacity=3)
    await shop.connect("ana")
    ana = await shop.agent("ana")
    assert (ana.departments, ana.capacity) == (["sales"], 3)


async def test_registering_a_connection_again_brings_back_no_old_claims(shop: Shop) -> None:
    await shop.connect("ana", departments=["night"], capacity=3)
    await shop.run("department_remove", "boss", department_id="night")
    await shop.news()
    await shop.connect("ana", departments=["night"], capacity=5, again=True)
    assert (await shop.agent("ana")).capacity == 3
    assert await shop.news() == []


@pytest.mark.limit("connections_per_agent_max")
async def test_an_agent_has_only_so_many_connections(shop: Shop) -> None:
    for connection_id in ("c1", "c2", "c2"):
        await shop.connect("ana", connection_id=connection_id)
    where = {"node_id": "node", "connection_id": "c3", "lease_ms": 6_000, "connections_max": 2}
    await shop.refuse("rate_limited", "connect", {"id": "ana", "role": "agent"}, **where)


async def test_agent_that_drops_stays_for_the_grace_then_is_disconnected(shop: Shop) -> None:
    await shop.hire("ana")
    await shop.disconnect("ana")
    shop.now += 9_999
    assert (await shop.agent("ana")).status == "connected"
    shop.now += 1
    ana = await shop.agent("ana")
    assert (ana.status, ana.status_since_at) == ("disconnected", shop.now)


async def test_agent_that_says_goodbye_is_disconnected_at_once(shop: Shop) -> None:
    await shop.hire("ana")
    await shop.disconnect("ana", clean=True)
    assert (await shop.agent("ana")).status == "disconnected"


async def test_agent_back_within_the_grace_was_never_away(shop: Shop) -> None:
    await shop.hire("ana")
    await shop.news()
    await shop.disconnect("ana")
    shop.now += 9_999
    await shop.connect("ana")
    shop.now += 60_000
    assert await shop.news() == []


async def test_a_late_close_of_one_connection_leaves_the_other(shop: Shop) -> None:
    await shop.hire("ana")
    await shop.connect("ana", connection_id="phone")
    await shop.disconnect("ana", clean=True)
    assert (await shop.agent("ana")).status == "connected"


async def test_agent_that_stays_away_finds_its_sessions_pending_in_order(shop: Shop) -> None:
    await shop.hire("ana")
    for session_id in ("s2", "s1"):
        await shop.open(session_id, to_agent("ana"))
    await shop.disconnect("ana")
    shop.now += 30_000
    assert await shop.listed(agent_id="ana", state="pending") == ["s2", "s1"]
    moved = (await shop.history("s1"))[-1]
    assert (moved.kind, moved.by) == ("moved", None)


async def test_the_agents_of_a_node_whose_lease_ran_out_are_gone_since_then(shop: Shop) -> None:
    await shop.connect("ana", node_id="other", lease_ms=6_000)
    shop.now += 6_000 + 9_999
    assert (await shop.agent("ana")).status == "connected"
    shop.now += 1
    assert (await shop.agent("ana")).status == "disconnected"


async def test_first_command_after_a_long_silence_sees_expired_graces_and_leases(shop: Shop) -> None:
    await shop.connect("ana", departments=["sales"], capacity=2, node_id="other", lease_ms=6_000)
    await shop.open("s1", to_agent("ana"))
    shop.now += 3_600_000
    assert (await shop.open("s2", SALES)).state == "queued"
    assert await shop.listed(agent_id="ana", state="pending") == ["s1"]


async def test_a_node_learns_that_its_lease_had_run_out(shop: Shop) -> None:
    async def renew() -> bool:
        request: dict[str, Any] = {"now": shop.now, "node_id": "other", "lease_ms": 6_000}
        return (await shop.commands.run(shop.tenant, "renew", request, records.Lease)).known

    assert not await renew()
    assert await renew()
    shop.now += 6_000
    await shop.agent("boss")
    assert not await renew()


async def test_many_agents_of_a_lost_node_are_missed_a_few_at_a_time(shop: Shop) -> None:
    for number in range(401):
        await shop.connect(f"a{number}", node_id="other", lease_ms=6_000)
    shop.now += 16_000
    left = [len([row for row in await directory(shop) if row.status == "connected"]) for _ in range(30)]
    # A few are found gone while others' connections are still taken apart; each look does a bounded part.
    assert left == sorted(left, reverse=True)
    assert max(before - after for before, after in pairwise([402, *left])) <= 64 + 1
    assert left[-1] == 1


async def test_a_renewal_says_whether_more_is_due(shop: Shop) -> None:
    for number in range(250):
        await shop.connect(f"a{number}", node_id="other", lease_ms=6_000)
    shop.now += 16_000
    steps = 1
    request = {"node_id": "n1", "lease_ms": 60_000, "now": shop.now}
    while (await shop.commands.run(shop.tenant, "renew", request, records.Lease)).more:
        steps += 1
    assert steps > 1
    assert [row.id for row in await directory(shop) if row.status == "connected"] == ["boss"]


async def test_a_long_queue_is_taken_over_in_several_steps(shop: Shop) -> None:
    for number in range(130):
        await shop.open(f"s{number}", SALES)
    await shop.news()
    await shop.hire("ana", departments=["sales"], capacity=300)
    while (await shop.commands.renew(shop.tenant)).more:
        pass
    assert (await shop.department("sales")).queued == 0
    assert [len(event.changes) for event in await shop.news() if event.changes] == [64, 64, 2]
    assert await shop.listed(agent_id="ana", limit=500) == [f"s{number}" for number in range(130)]


async def test_department_remove_with_many_members_takes_bounded_steps(shop: Shop) -> None:
    await shop.hire(*(f"a{number}" for number in range(300)), departments=["sales", "help"])
    await shop.news()
    await shop.run("department_remove", "boss", department_id="sales")
    await shop.refuse("not_found", "session_open", "boss", session_id="s", target=SALES, customer={})
    put = {"id": "sales", "name": "Again"}
    await shop.refuse("unavailable", "department_put", "boss", department=put)
    while (await shop.commands.renew(shop.tenant)).more:
        pass
    assert {tuple(row.departments) for row in await directory(shop)} == {(), ("help",)}
    assert [len(event.agents) for event in await shop.news()] == [64, 64, 64, 64, 44]
    await shop.run("department_put", "boss", department=put)
    assert (await shop.department("sales")).agents == 0


async def test_an_agent_may_have_more_in_progress_than_its_record_holds(shop: Shop) -> None:
    await shop.hire("ana", capacity=400)
    for number in range(260):
        await shop.open(f"s{number}", to_agent("ana"))
    assert (await shop.agent("ana")).load == 260
    ids = [f"s{number}" for number in range(260)]
    assert await shop.listed(agent_id="ana", limit=500) == ids
    await shop.connect("ana")
    for session_id in ids:
        await shop.close(session_id)
    assert (await shop.agent("ana")).load == 0
    await shop.open("last", to_agent("ana"))
    assert await shop.listed(agent_id="ana") == ["last"]


# Status -----------------------------------------------------------------------------------------------------


async def test_a_status_is_kept_while_its_agent_is_away(shop: Shop) -> None:
    await shop.hire("ana")
    await shop.status("ana", "pause")
    await shop.disconnect("ana", clean=True)
    assert (await shop.agent("ana")).status == "disconnected"
    await shop.connect("ana")
    assert (await shop.agent("ana")).status == "pause"


async def test_agent_that_is_sent_away_stays_so_until_it_chooses_again(shop: Shop) -> None:
    await shop.hire("ana")
    assert (await shop.status("ana", "disconnected", by="boss")).status == "disconnected"
    await shop.connect("ana", connection_id="phone")
    assert (await shop.agent("ana")).status == "disconnected"
    assert (await shop.status("ana", "connected")).available


async def test_a_pre_pause_takes_nothing_new_and_is_a_pause_when_all_is_done(shop: Shop) -> None:
    await shop.hire("ana", departments=["sales"])
    await shop.open("s", to_agent("ana"))
    assert (await shop.status("ana", "pre_pause")).status == "pre_pause"
    assert (await shop.open("t", SALES)).state == "queued"
    await shop.close("s", by="ana")
    assert (await shop.agent("ana")).status == "pause"
    assert (await shop.status("ana", "pre_pause")).status == "pause"


# Agents and departments -------------------------------------------------------------------------------------


def profile(agent_id: str, *departments: str) -> dict[str, Any]:
    return {"id": agent_id, "name": "A", "role": "agent", "departments": list(departments), "capacity": 1}


async def test_an_agent_is_put_into_departments_that_exist(shop: Shop) -> None:
    details = await shop.refuse("not_found", "agent_put", "boss", agent=profile("ana", "sales", "night"))
    assert details == {"department_id": "night"}
    await shop.run("agent_put", "boss", agent=profile("ana", "sales"))
    await shop.run("agent_put", "boss", agent=profile("ana", "help"))
    assert ((await shop.department("sales")).agents, (await shop.department("help")).agents) == (0, 1)


async def test_an_available_agent_takes_what_waits_in_a_department_it_joins(shop: Shop) -> None:
    await shop.open("s", HELP)
    await shop.hire("ana", departments=["sales"], capacity=1)
    await shop.run("agent_put", "boss", agent=profile("ana", "sales", "help"))
    assert await shop.listed(agent_id="ana") == ["s"]


async def test_an_agent_with_sessions_is_not_removed(shop: Shop) -> None:
    await shop.hire("ana")
    await shop.status("ana", "pause")
    await shop.open("s", to_agent("ana"))
    await shop.refuse("in_use", "agent_remove", "boss", agent_id="ana")
    await shop.close("s")
    await shop.news()
    await shop.run("agent_remove", "boss", agent_id="ana")
    [event] = await shop.news()
    assert event.agents_removed == ["ana"]
    await shop.refuse(
        "not_found", "session_open", "boss", session_id="t", target=to_agent("ana"), customer={}
    )


async def test_a_removed_agent_that_is_still_connected_may_do_nothing(shop: Shop) -> None:
    await shop.hire("ana")
    await shop.run("agent_remove", "boss", agent_id="ana")
    await shop.refuse("forbidden", "status_set", "ana", agent_id="ana", status="pause")
    await shop.disconnect("ana")
    shop.now += 60_000
    assert [row.id for row in await directory(shop)] == ["boss"]


async def test_agent_lost_with_the_stores_memory_is_not_taken_for_removed(
    shop: Shop, shared_valkey: StoreServer
) -> None:
    await shop.hire("ana")
    await shop.news()
    ana = {"id": "ana", "role": "agent", "attached": True, "epoch": shop.epoch}
    choice = {"agent_id": "ana", "status": "pause", "key": "once", "print": "p" * 32}
    shared_valkey.call("DEL", *shared_valkey.call("KEYS", f"relevo:{{{shop.tenant}}}:*"))
    await shop.refuse("unavailable", "status_set", ana, **choice)
    await shop.connect("ana")
    # That was no answer, so the key has none either.
    await shop.run("status_set", ana, **choice)
    assert (await shop.agent("ana")).status == "pause"


async def test_a_department_with_a_queue_is_not_removed(shop: Shop) -> None:
    await shop.open("s", SALES)
    await shop.refuse("in_use", "department_remove", "boss", department_id="sales")


async def test_a_removed_department_leaves_its_members_without_it(shop: Shop) -> None:
    await shop.hire("ana", departments=["sales", "help"])
    await shop.run("department_remove", "boss", department_id="sales")
    assert (await shop.agent("ana")).departments == ["help"]
    await shop.refuse("not_found", "department_remove", "boss", department_id="sales")


async def directory(shop: Shop) -> list[Any]:
    """Return all agents."""
    return (await shop.directory()).agents


# Idempotency keys -------------------------------------------------------------------------------------------


async def test_command_repeated_with_its_key_is_applied_once_with_one_answer(shop: Shop) -> None:
    await shop.hire("ana", "bob")
    await shop.open("s", to_agent("ana"))
    keyed: dict[str, Any] = {"key": "k", "print": "p" * 32, "fence": 1}
    first = await shop.transfer("s", to_agent("bob"), **keyed)
    await shop.close("s")
    await shop.news()
    assert await shop.transfer("s", to_agent("bob"), **keyed) == first
    assert await shop.news() == []


async def test_a_key_is_not_for_another_body_and_not_another_callers(shop: Shop) -> None:
    put = {"id": "night", "name": "Night"}
    await shop.run("department_put", "boss", department=put, key="k", print="p" * 32)
    other = put | {"name": "Day"}
    await shop.refuse("key_reused", "department_put", "boss", department=other, key="k", print="q" * 32)
    for by in ("desk", {"id": "boss", "role": "service"}):
        await shop.run("department_put", by, department=other, key="k", print="q" * 32)
    assert (await shop.department("night")).name == "Day"


async def test_a_refusal_is_the_first_answer_too(shop: Shop) -> None:
    keyed = {"key": "k", "print": "p" * 32, "target": SALES, "session_id": "s"}
    await shop.refuse("not_found", "session_transfer", "boss", **keyed)
    await shop.open("s", HELP)
    await shop.refuse("not_found", "session_transfer", "boss", **keyed)


@pytest.mark.parametrize("begins_after_ms", [0, 300_000, 599_999])
async def test_a_key_is_kept_ten_minutes_whenever_its_hash_began(shop: Shop, begins_after_ms: int) -> None:
    keyed: dict[str, Any] = {"key": "k", "print": "p" * 32}
    shop.now += 600_000 - shop.now % 600_000 + begins_after_ms
    first = await shop.run("department_put", "boss", department={"id": "n", "name": "N"}, **keyed)
    shop.now += 600_000
    assert await shop.run("department_put", "boss", department={"id": "n", "name": "M"}, **keyed) == first
    shop.now += 600_001
    await shop.run("department_put", "boss", department={"id": "n", "name": "M"}, **keyed)
    assert (await shop.department("n")).name == "M"


async def test_the_hash_of_the_keys_goes_as_a_whole(shop: Shop, shared_valkey: StoreServer) -> None:
    put = {"id": "n", "name": "N"}
    for number in range(4):
        await shop.run("department_put", "boss", department=put, key=f"k{number}", print="p" * 32)
        shop.now += 600_000
    assert len(shared_valkey.call("KEYS", f"relevo:{{{shop.tenant}}}:keys:*")) == 2
    for key in shared_valkey.call("KEYS", f"relevo:{{{shop.tenant}}}:keys:*"):
        assert 0 < shared_valkey.call("PTTL", key) <= 1_200_000


async def test_a_key_remembers_the_session_as_it_was_then(shop: Shop, shared_valkey: StoreServer) -> None:
    await shop.hire("ana", "bob")
    await shop.open("s", to_agent("ana"))
    keyed: dict[str, Any] = {"key": "k", "print": "p" * 32, "reason": "x" * 1000}
    first = await shop.transfer("s", to_agent("bob"), **keyed)
    note: dict[str, Any] = {"key": "n", "print": "p" * 32, "session_id": "s", "text": "y" * 4000}
    entry = await shop.run("session_note", "bob", **note)
    await shop.transfer("s", to_agent("ana"))
    assert await shop.transfer("s", to_agent("bob"), **keyed) == first
    assert (await shop.run("session_note", "bob", **note))["entry"] == entry["entry"]
    for key in shared_valkey.call("KEYS", f"relevo:{{{shop.tenant}}}:keys:*"):
        assert max(map(len, shared_valkey.call("HVALS", key))) < 100


# The feed ---------------------------------------------------------------------------------------------------


async def test_each_change_is_one_event_and_a_refusal_is_none(shop: Shop) -> None:
    seq = shop.seq
    await shop.open("s", SALES)
    await shop.refuse("same_target", "session_transfer", "boss", session_id="s", target=SALES)
    await shop.transfer("s", HELP)
    assert [event.seq for event in await shop.news()] == [seq + 1, seq + 2]


async def test_an_event_brings_the_rows_that_changed_and_no_others(shop: Shop) -> None:
    await shop.hire("ana", "bob", departments=["sales"])
    await shop.news()
    await shop.open("s", to_agent("ana"))
    await shop.status("bob", "connected")
    [event] = await shop.news()
    assert ([row.id for row in event.agents], event.departments) == (["ana"], [])


async def test_what_is_due_is_an_event_before_that_of_the_command(shop: Shop) -> None:
    await shop.hire("ana", departments=["sales"])
    await shop.disconnect("ana")
    await shop.news()
    shop.now += 10_000
    await shop.open("s", SALES)
    gone, opened = await shop.news()
    assert [row.status for row in gone.agents] == ["disconnected"]
    assert [change.record.id for change in opened.changes] == ["s"]


async def test_events_that_are_not_kept_any_more_are_not_pretended(
    shop: Shop, shared_valkey: StoreServer
) -> None:
    for session_id in ("s1", "s2", "s3"):
        await shop.open(session_id, SALES)
    epoch, seq = shop.epoch, shop.seq
    shared_valkey.call("HDEL", f"relevo:{{{shop.tenant}}}:tenant", seq + 1)
    for known, after, kept in (
        (epoch, seq, None),
        (epoch, seq + 1, 2),
        (epoch, seq + 3, 0),
        (epoch, seq + 4, None),
    ):
        found = await shop.commands.events(shop.tenant, known, after, 10)
        assert (None if found.events is None else len(found.events)) == kept


async def test_another_server_begins_another_epoch_before_its_first_event(
    shop: Shop, shared_valkey: StoreServer
) -> None:
    await shop.open("s", SALES)
    await shop.news()
    before = shop.epoch
    tenant = f"relevo:{{{shop.tenant}}}:tenant"
    meta = records.decode_meta(shared_valkey.call("HGET", tenant, "m"))
    meta.run = "another"
    shared_valkey.call("HSET", tenant, "m", msgspec.msgpack.encode(meta))
    await shop.transfer("s", HELP)
    [event] = await shop.news()
    assert (event.epoch, event.seq) == (shop.epoch, 1)
    assert shop.epoch != before


@pytest.mark.parametrize("command", ["session_get", "session_note", "session_transfer", "session_close"])
async def test_another_tenants_session_is_none(shop: Shop, command: str) -> None:
    other = Shop(shop.commands.store, f"{shop.tenant}:")
    await other.open_doors()
    await other.open("s", SALES)
    await shop.refuse("not_found", command, "boss", session_id="s", target=HELP, text="hello")
