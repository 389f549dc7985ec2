"""What a rebuild derives again, and what it leaves alone."""

import json

import msgspec
import pytest

from relevo.router import cli
from relevo.router.store import records
from tests.router.audit.fixture import Fixture
from tests.servers import StoreServer


async def test_a_rebuilt_row_is_published(fixture: Fixture) -> None:
    fixture.rewrite_agent("bob", load=5)
    await fixture.repair()
    assert (await fixture.tenant.agent("bob")).load == 1


async def test_a_rebuild_begins_an_epoch_so_that_every_node_reads_the_directory(fixture: Fixture) -> None:
    epoch = fixture.meta().epoch
    await fixture.repair()
    assert fixture.meta().epoch != epoch


async def test_a_session_that_jumped_its_queue_goes_back_to_its_place(fixture: Fixture) -> None:
    place = fixture.call("ZSCORE", "queue:help", "s3")
    fixture.call("ZADD", "queue:help", 0.5, "s3")
    await fixture.repair()
    assert fixture.call("ZSCORE", "queue:help", "s3") == place


async def test_a_session_that_its_owner_does_not_hold_comes_back_to_its_place(fixture: Fixture) -> None:
    fixture.rewrite_agent("ana", owned=" s6 ", load=1)
    await fixture.repair()
    assert fixture.owned("ana") == ["s5", "s6"]


async def test_a_lost_session_is_not_invented_and_leaves_its_owners_list(fixture: Fixture) -> None:
    fixture.call("DEL", "session:s2")
    await fixture.repair()
    assert not fixture.call("EXISTS", "session:s2")
    assert (await fixture.tenant.agent("cid")).pending == 0


async def test_a_session_is_in_the_list_of_the_owner_that_its_record_names(fixture: Fixture) -> None:
    fixture.rewrite_session("s1", owner_id="ana", holder="ana")
    log = fixture.call("LRANGE", "session:s1", 0, -1)
    await fixture.repair()
    assert fixture.call("LRANGE", "session:s1", 0, -1) == log
    assert ("s1" in fixture.owned("ana"), "s1" in fixture.owned("bob")) == (True, False)


async def test_what_an_agent_had_is_found_again_by_the_logs(fixture: Fixture) -> None:
    before = fixture.call("ZRANGE", "had:ana", 0, -1, "WITHSCORES")
    assert before[::2] == [b"s1", b"s4", b"s6"]
    fixture.call("DEL", "had:ana")
    fixture.call("ZADD", "had:ana", 1, "lost")
    await fixture.repair()
    assert fixture.call("ZRANGE", "had:ana", 0, -1, "WITHSCORES") == before


async def test_a_record_of_another_agent_is_not_written_over_its_own(fixture: Fixture) -> None:
    hers = fixture.call("HGET", "tenant", "aana")
    fixture.rewrite_agent("bob", id="ana", name="Bob")
    await fixture.repair()
    assert fixture.call("HGET", "tenant", "aana") == hers


async def test_an_agent_stuck_online_is_disconnected_after_its_graces(fixture: Fixture) -> None:
    fixture.call("DEL", "connections:ana")
    fixture.call("SREM", "node:node", "ana of-ana")
    await fixture.repair()
    fixture.tenant.now = int(fixture.call("ZSCORE", "due", "sessions ana"))
    row = await fixture.tenant.agent("ana")
    assert (row.status, row.load) == ("disconnected", 0)


async def test_an_agent_that_was_wrongly_unavailable_gets_what_waits(fixture: Fixture) -> None:
    await fixture.tenant.run("renew", node_id="node", lease_ms=10**12)
    fixture.rewrite_agent("cid", chosen="connected")
    await fixture.repair()
    # A rebuild goes by the store's clock, as nothing passes it the time.
    fixture.tenant.now = int(fixture.call("ZSCORE", "due", "drain cid"))
    await fixture.tenant.agent("cid")
    assert (await fixture.tenant.agent("cid")).load == 1
    assert (await fixture.tenant.department("help")).queued == 0
    assert await fixture.audit() == []


async def test_a_rebuild_of_what_is_right_changes_nothing(fixture: Fixture) -> None:
    def kept() -> list[object]:
        keys = ("pending:cid", "queue:help", "state:in_progress", "available:sales")
        lists = [fixture.call("ZRANGE", key, 0, -1, "WITHSCORES") for key in keys]
        return [*lists, fixture.owned("ana"), fixture.owned("bob")]

    before = kept(), await fixture.tenant.agent("ana")
    await fixture.repair()
    assert (kept(), await fixture.tenant.agent("ana")) == before
    assert await fixture.audit() == []


async def test_one_call_rebuilds_a_bounded_part_and_names_the_rest(fixture: Fixture) -> None:
    commands, tenant = fixture.tenant.commands, fixture.tenant.id
    for number in range(250):
        fixture.call("ZADD", "pending:ana", number, f"lost-{number}")
    parts = [("pending:ana", "0"), ("session:s1", "0")]
    first = await commands.rebuild(tenant, parts)
    assert [name for name, _ in first] == ["pending:ana", "session:s1"]
    assert first[0][1] != "0"
    calls = 1
    while parts := await commands.rebuild(tenant, first if calls == 1 else parts):
        calls += 1
    assert calls > 1
    assert fixture.call("ZCARD", "pending:ana") == 0


async def test_a_key_of_another_type_costs_itself_and_the_rest_is_rebuilt(fixture: Fixture) -> None:
    fixture.rewrite_agent("ana", load=5)
    fixture.call("SET", "members:gone", "a string")
    await fixture.repair()
    assert (await fixture.tenant.agent("ana")).load == 2


def test_the_command_prints_what_it_found_and_what_is_left(
    shared_valkey: StoreServer, capsys: pytest.CaptureFixture[str]
) -> None:
    key = "relevo:{rebuilt}:"
    meta = records.MetaRecord(records.SCHEMA, 0, 0, 0, epoch="1", run="", ring=16)
    row = records.DepartmentRecord(records.SCHEMA, "sales", "Sales", queued=4)
    fields = {"m": meta, "dsales": row}
    for name, record in fields.items():
        shared_valkey.call("HSET", f"{key}tenant", name, msgspec.msgpack.encode(record))
    shared_valkey.call("SADD", f"{key}departments", "sales")
    shared_valkey.call("SET", f"{key}stray", "1")
    arguments = ["audit", "--redis-url", shared_valkey.url, "--tenant", "rebuilt", "--repair"]
    assert cli.main(arguments) == 1
    stray = f"shape: unknown key stray ({key}stray)"
    count = f"S6: department sales shows 4 queued and has 0 ({key}tenant {key}queue:sales)"
    rebuilt = "rebuilt 3 keys of rebuilt from its sessions and profiles; what is left:"
    lines = capsys.readouterr().out.splitlines()
    assert set(lines[:2]) == {stray, count}
    assert lines[2:] == [rebuilt, stray, "1 violations: 1 tenants, 3 keys"]
    assert cli.main([*arguments, "--json"]) == 1
    found, done, left, _ = map(json.loads, capsys.readouterr().out.splitlines())
    assert found == left
    assert done == {"tenant": "rebuilt", "rebuilt_keys": 3}


async def test_an_agent_whose_row_is_lost_comes_back_with_what_waits_for_it(fixture: Fixture) -> None:
    fixture.call("HDEL", "tenant", "acid")
    await fixture.tenant.connect("cid")
    assert (await fixture.tenant.agent("cid")).pending == 1
