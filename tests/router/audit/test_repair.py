"""What a repair does, and what it leaves alone."""

import json
from collections.abc import Callable

import msgspec
import pytest

from relevo.router import cli
from relevo.router.audit.violation import Mend
from relevo.router.store import records
from relevo.router.store.client.errors import StoreDefectError
from tests.router.audit.fixture import Ground
from tests.servers import StoreServer


def _turned_over(record: bytes) -> bytes:
    first, *others = msgspec.msgpack.decode(record).items()
    return msgspec.msgpack.encode(dict([first, *reversed(others)]))


def _with_more(record: bytes) -> bytes:
    return msgspec.msgpack.encode(msgspec.msgpack.decode(record) | {"colour": "red"})


async def test_a_mended_row_is_told_to_everybody(ground: Ground) -> None:
    ground.rewrite("agents", "bob", load=5)
    await ground.shop.news()
    await ground.repair()
    told = [records.agent(row) for event in await ground.shop.news() for row in event.agents]
    assert [(row.id, row.load) for row in told if row.id == "bob"] == [("bob", 1)]


async def test_a_session_that_jumped_its_queue_goes_back_to_its_place(ground: Ground) -> None:
    place = ground.call("ZSCORE", "queue:help", "s3")
    ground.call("ZADD", "queue:help", 0.5, "s3")
    await ground.repair()
    assert ground.call("ZSCORE", "queue:help", "s3") == place


async def test_a_session_that_no_list_holds_is_shown_to_its_owner_at_the_end_of_the_list(
    ground: Ground,
) -> None:
    ground.call("ZREM", "owned:ana", "s5")
    ground.call("ZREM", "state:in_progress", "s5")
    await ground.shop.news()
    await ground.repair()
    assert ground.call("ZRANGE", "owned:ana", 0, -1) == [b"s6", b"s5"]
    changes = [change for event in await ground.shop.news() for change in event.changes]
    assert [change.assigned for change in changes if change.session_id == "s5"] == ["ana"]


async def test_a_lost_session_is_not_invented_and_holds_nobody_up(ground: Ground) -> None:
    ground.call("DEL", "session:s2")
    await ground.repair()
    assert not ground.call("EXISTS", "session:s2")
    assert (await ground.shop.agent("cid")).pending == 0


async def test_a_session_whose_owner_is_in_doubt_is_left_with_all_its_traces(ground: Ground) -> None:
    ground.rewrite("session:s1", owner={"kind": "agent", "id": "ana"}, holder="ana")
    before = [ground.call("GET", "session:s1"), ground.call("ZRANGE", "owned:bob", 0, -1)]
    await ground.repair()
    assert [ground.call("GET", "session:s1"), ground.call("ZRANGE", "owned:bob", 0, -1)] == before


async def test_a_record_of_somebody_else_is_not_written_over_theirs(ground: Ground) -> None:
    hers = ground.call("HGET", "agents", "ana")
    ground.rewrite("agents", "bob", id="ana", name="Bob")
    await ground.repair()
    assert ground.call("HGET", "agents", "ana") == hers


async def test_an_agent_stuck_online_is_sent_away_after_its_graces(ground: Ground) -> None:
    ground.call("DEL", "connections:ana")
    ground.call("SREM", "node:node", "ana of-ana")
    await ground.repair()
    ground.shop.now = int(ground.call("ZSCORE", "due", "sessions ana"))
    row = await ground.shop.agent("ana")
    assert (row.status, row.load, row.pending) == ("disconnected", 0, 2)


async def test_who_was_wrongly_out_of_reach_gets_what_waits(ground: Ground) -> None:
    await ground.shop.run("renew", node_id="node", lease_ms=10**12)
    ground.rewrite("agents", "cid", chosen="connected")
    await ground.repair()
    # A repair goes by the store's clock, as nobody passes it the time.
    ground.shop.now = int(ground.call("ZSCORE", "due", "drain cid"))
    await ground.shop.agent("cid")
    assert (await ground.shop.agent("cid")).load == 1
    assert (await ground.shop.department("help")).queued == 0
    assert await ground.audit() == []


async def test_a_repair_of_what_is_right_changes_nothing_that_counts(ground: Ground) -> None:
    def kept() -> list[object]:
        keys = ("owned:ana", "owned:bob", "pending:cid", "queue:help", "state:in_progress", "available:sales")
        return [ground.call("ZRANGE", key, 0, -1, "WITHSCORES") for key in keys]

    before = kept(), await ground.shop.agent("ana")
    mends: list[Mend] = [("order", "owned:ana"), ("due", "presence ana"), ("expiry", "key:agent ana k")]
    mends += [("entry", "owned:ana", "s5"), ("session", "s5"), ("session", "s4")]
    mends += [("connection", "ana", "node of-ana"), ("connections", "ana"), ("lease", "node")]
    mends += [("member", "sales", "ana"), ("gone", "agent", "ana"), ("agent", "ana"), ("department", "sales")]
    assert await ground.shop.verbs.mend(ground.shop.tenant, mends) == [True] * len(mends)
    assert (kept(), await ground.shop.agent("ana")) == before
    assert await ground.audit() == []


async def test_what_cannot_be_mended_is_said_and_the_rest_is_mended(ground: Ground) -> None:
    ground.rewrite("agents", "ana", load=5)
    ground.call("SET", "members:gone", "a string")
    mends: list[Mend] = [("member", "gone", "eve"), ("agent", "ana")]
    outcomes = await ground.shop.verbs.mend(ground.shop.tenant, mends)
    assert "WRONGTYPE" in str(outcomes[0])
    assert outcomes[1] is True
    assert (await ground.shop.agent("ana")).load == 2


def test_the_command_says_what_it_did_and_what_is_left(
    shared_valkey: StoreServer, capsys: pytest.CaptureFixture[str]
) -> None:
    key = "relevo:{mended}:"
    row = {"id": "sales", "name": "Sales", "agents": 0, "available": 0, "queued": 4}
    shared_valkey.call("HSET", f"{key}meta", "epoch", "1", "seq", "0", "run", "")
    shared_valkey.call("HSET", f"{key}departments", "sales", msgspec.msgpack.encode(row))
    shared_valkey.call("SET", f"{key}stray", "1")
    arguments = ["audit", "--redis-url", shared_valkey.url, "--tenant", "mended", "--repair"]
    assert cli.main(arguments) == 1
    stray = f"shape: nobody knows what stray is ({key}stray)"
    left = "    left as it is: it follows from nothing else that is kept"
    count = f"S6: department sales shows 4 queued and has 0 ({key}departments {key}queue:sales)"
    mended = "    made the department's row anew, and told it"
    lines = capsys.readouterr().out.splitlines()
    assert {tuple(lines[:2]), tuple(lines[2:4])} == {(stray, left), (count, mended)}
    assert lines[4:] == [stray, "1 violations: 1 tenants, 4 keys"]
    assert cli.main([*arguments, "--json"]) == 1
    again = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (again["text"], again["repair"]) == ("nobody knows what stray is", left.strip())


@pytest.mark.parametrize("other", [_turned_over, _with_more], ids=["other order", "one field more"])
async def test_a_record_of_another_form_is_neither_read_nor_written_over(
    ground: Ground, other: Callable[[bytes], bytes]
) -> None:
    session, agent = other(ground.call("GET", "session:s1")), other(ground.call("HGET", "agents", "cid"))
    ground.call("SET", "session:s1", session)
    ground.call("HSET", "agents", "cid", agent)
    for verb, fields in (
        ("session_close", {"session_id": "s1"}),
        ("status_set", {"agent_id": "cid", "status": "pause"}),
    ):
        with pytest.raises(StoreDefectError, match="of another form"):
            await ground.shop.run(verb, "boss", **fields)
    outcomes = await ground.shop.verbs.mend(ground.shop.tenant, [("session", "s1"), ("agent", "cid")])
    assert all("of another form" in str(outcome) for outcome in outcomes)
    assert (ground.call("GET", "session:s1"), ground.call("HGET", "agents", "cid")) == (session, agent)


async def test_an_agent_whose_row_is_lost_comes_back_with_what_waits_for_it(ground: Ground) -> None:
    ground.call("HDEL", "agents", "cid")
    await ground.shop.connect("cid")
    assert (await ground.shop.agent("cid")).pending == 1
