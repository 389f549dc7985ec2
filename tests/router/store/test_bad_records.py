"""A record that cannot be read costs that record: it is reported, kept aside, and its tenant goes on."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from relevo.router.store import records
from relevo.router.store.client.errors import StoreDefectError
from relevo.router.store.events import Event
from tests.router.store.stored_tenant import HELP, SALES, StoredTenant, to_agent
from tests.servers import StoreServer
from tests.stored_records import key_of, packed_event, rewrite_meta


def with_one_more(packed: bytes) -> bytes:
    """Return a record as a release with one more field writes it."""
    return msgspec.msgpack.encode([*msgspec.msgpack.decode(packed), "of the next release"])


EXTRA = {"colour": "red", "size": 7, "seen": ["ana", "bob"]}
"""Extra fields that this release does not know."""


def with_extra(packed: bytes, record: type[msgspec.Struct], name: str = "extra") -> bytes:
    """Return a record as a release with further extra fields writes it."""
    fields = msgspec.msgpack.decode(packed)
    fields[record.__struct_fields__.index(name)] = EXTRA
    return msgspec.msgpack.encode(fields)


def extra_of(packed: bytes, record: type[msgspec.Struct]) -> object:
    """Return the extra fields that a record holds."""
    return msgspec.msgpack.decode(packed)[record.__struct_fields__.index("extra")]


def aside(server: StoreServer, tenant: StoredTenant) -> dict[str, bytes]:
    """Return what was kept aside, by its place."""
    found = server.call("HGETALL", f"relevo:{{{tenant.id}}}:aside")
    return {name.decode(): kept for name, kept in found.items()}


async def test_a_due_thing_of_an_unknown_kind_is_set_aside(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    shared_valkey.call("ZADD", f"relevo:{{{tenant.id}}}:due", 1, "timeout s1")
    await tenant.connect_new("ana")
    tenant.now += 10**9
    with capture_logs() as logs:
        await tenant.commands.renew(tenant.id)
    assert [line["event"] for line in logs if line["log_level"] == "error"] == ["record set aside"]
    assert tenant.commands.bad_records == 1
    assert list(aside(shared_valkey, tenant)) == ["due timeout s1"]
    assert b"timeout s1" not in shared_valkey.call("ZRANGE", f"relevo:{{{tenant.id}}}:due", 0, -1)
    await tenant.connect("bob")


async def test_an_agent_whose_sessions_log_is_lost_can_drop(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    await tenant.connect_new("ana")
    for session_id in ("s1", "s2"):
        await tenant.open(session_id, to_agent("ana"))
    shared_valkey.call("DEL", f"relevo:{{{tenant.id}}}:session:s1")
    await tenant.disconnect("ana")
    tenant.now += 60_000
    row = await tenant.agent("ana")
    assert (row.status, row.load, row.pending) == ("disconnected", 0, 1)


async def test_a_queue_with_a_lost_session_goes_on_with_the_next(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    for session_id in ("s1", "s2"):
        await tenant.open(session_id, SALES)
    shared_valkey.call("DEL", f"relevo:{{{tenant.id}}}:session:s1")
    await tenant.connect_new("ana", departments=["sales"], capacity=1)
    assert await tenant.listed(agent_id="ana") == ["s2"]
    assert (await tenant.department("sales")).queued == 0


async def test_records_with_one_more_field_are_read_and_written(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    await tenant.connect_new("ana", "bob")
    await tenant.open("s", to_agent("ana"))
    key, session = key_of(tenant.id), f"relevo:{{{tenant.id}}}:session:s"
    for name in ("m", "aana", "abob", "dsales"):
        shared_valkey.call("HSET", key, name, with_one_more(shared_valkey.call("HGET", key, name)))
    shared_valkey.call("LSET", session, -1, with_one_more(shared_valkey.call("LINDEX", session, -1)))
    moved = await tenant.transfer("s", to_agent("bob"), by="ana", reason="holidays")
    assert (moved.fence, moved.owner and moved.owner.id) == (2, "bob")
    shared_valkey.call("LSET", session, -1, with_one_more(shared_valkey.call("LINDEX", session, -1)))
    await tenant.run("session_note", "bob", session_id="s", text="hello")
    kinds = [entry.kind for entry in await tenant.history("s")]
    assert kinds == ["opened", "transferred", "internal", "internal"]
    assert (await tenant.transfer("s", SALES, by="bob")).transfer is not None
    assert aside(shared_valkey, tenant) == {}


async def test_extra_fields_of_a_newer_release_outlive_a_rewrite(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    await tenant.connect_new("ana", "bob")
    await tenant.open("s", to_agent("ana"))
    key, session = key_of(tenant.id), f"relevo:{{{tenant.id}}}:session:s"
    rows: dict[str, type[msgspec.Struct]]
    rows = {"m": records.MetaRecord, "aana": records.AgentRecord, "dsales": records.DepartmentRecord}
    for name, record in rows.items():
        shared_valkey.call("HSET", key, name, with_extra(shared_valkey.call("HGET", key, name), record))
    opened = shared_valkey.call("LINDEX", session, -1)
    shared_valkey.call("LSET", session, -1, with_extra(opened, records.SessionRecord))
    await tenant.transfer("s", SALES, by="ana")
    await tenant.run("session_accept", "boss", session_id="s")
    await tenant.run("department_put", "boss", department={"id": "sales", "name": "Sold"})
    for name, record in rows.items():
        assert extra_of(shared_valkey.call("HGET", key, name), record) == EXTRA
    session_record = shared_valkey.call("LINDEX", session, -1)
    assert extra_of(session_record, records.SessionRecord) == EXTRA | {"since": 2}
    event = msgspec.msgpack.decode(packed_event(shared_valkey, tenant.id))
    [row] = (row for row in event[Event.__struct_fields__.index("departments")] if row[1] == "sales")
    assert extra_of(msgspec.msgpack.encode(row), records.DepartmentRecord) == EXTRA
    assert aside(shared_valkey, tenant) == {}


async def test_an_accepted_transfer_keeps_extra_fields_of_a_newer_release(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    await tenant.connect_new("ana", "bob")
    await tenant.open("s", to_agent("ana"))
    await tenant.transfer("s", SALES, by="ana")
    session = f"relevo:{{{tenant.id}}}:session:s"
    fields = msgspec.msgpack.decode(shared_valkey.call("LINDEX", session, -1))
    transfer = msgspec.msgpack.encode(fields[-1])
    fields[-1] = msgspec.msgpack.decode(with_extra(transfer, records.TransferRecord))
    shared_valkey.call("LSET", session, -1, msgspec.msgpack.encode(fields))
    await tenant.run("session_accept", "boss", session_id="s")
    accepted = msgspec.msgpack.decode(shared_valkey.call("LINDEX", session, -1))
    assert extra_of(msgspec.msgpack.encode(accepted[-1]), records.TransferRecord) == EXTRA


@pytest.mark.parametrize(
    "record",
    [b"\xc1", b"", b"text", msgspec.msgpack.encode({"id": "s"}), msgspec.msgpack.encode([99, "s"])],
    ids=["no MessagePack", "nothing", "a text", "a map", "another schema"],
)
async def test_a_session_that_cannot_be_read_is_a_defect_for_itself_alone(
    tenant: StoredTenant, shared_valkey: StoreServer, record: bytes
) -> None:
    await tenant.connect_new("ana")
    for session_id in ("s", "t"):
        await tenant.open(session_id, to_agent("ana"))
    shared_valkey.call("LSET", f"relevo:{{{tenant.id}}}:session:s", -1, record)
    asked: dict[str, dict[str, Any]] = {"session_get": {}, "session_transfer": {"target": HELP}}
    for command, fields in asked.items():
        with pytest.raises(StoreDefectError, match="session s"):
            await tenant.run(command, "boss", session_id="s", **fields)
    assert await tenant.listed() == ["t"]
    assert list(aside(shared_valkey, tenant)) == ["session s"]
    await tenant.disconnect("ana", clean=True)
    tenant.now += 60_000
    assert (await tenant.agent("ana")).pending == 1


async def test_an_agent_that_cannot_be_read_is_left_out_of_the_directory(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    await tenant.connect_new("ana", "bob", departments=["sales"])
    shared_valkey.call("HSET", key_of(tenant.id), "aana", b"\xc1")
    assert sorted(row.id for row in (await tenant.directory()).agents) == ["bob", "boss"]
    session = await tenant.open("s", SALES)
    assert session.owner is not None
    assert session.owner.id == "bob"


async def test_only_so_many_bad_records_are_kept_aside_and_so_much_of_each(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    for number in range(150):
        shared_valkey.call("RPUSH", f"relevo:{{{tenant.id}}}:session:s{number}", b"\xc1" + b"x" * 10_000)
        with pytest.raises(StoreDefectError):
            await tenant.run("session_get", "boss", session_id=f"s{number}")
    kept = aside(shared_valkey, tenant)
    assert len(kept) == 100
    assert max(map(len, kept.values())) < 4200


async def test_a_lost_meta_record_begins_an_epoch_and_gives_no_place_twice(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    await tenant.connect_new("ana")
    for session_id in ("s1", "s2"):
        await tenant.open(session_id, to_agent("ana"))
    epoch = (await tenant.directory()).epoch
    shared_valkey.call("HSET", key_of(tenant.id), "m", b"\xc1")
    await tenant.open("s3", to_agent("ana"))
    assert (await tenant.directory()).epoch != epoch
    assert await tenant.listed(agent_id="ana") == ["s1", "s2", "s3"]


async def test_a_tenant_of_a_newer_schema_is_refused_with_a_sentence(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    rewritten = records.decode_meta(shared_valkey.call("HGET", key_of(tenant.id), "m"))
    rewritten.schema = 99
    packed = msgspec.msgpack.encode(rewritten)
    shared_valkey.call("HSET", key_of(tenant.id), "m", packed)
    details = await tenant.refuse("unavailable", "session_get", "boss", session_id="s")
    assert details == {"reason": "the data of this tenant is of schema 99, and this router reads 1"}
    assert shared_valkey.call("HGET", key_of(tenant.id), "m") == packed


async def test_an_event_that_cannot_be_read_makes_its_reader_read_the_directory(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    before: dict[str, Any] = {"epoch": tenant.epoch, "after": tenant.seq}
    await tenant.connect_new("ana")
    shared_valkey.call("HSET", key_of(tenant.id), before["after"] + 1, b"\xc1")
    assert (await tenant.commands.events(tenant.id, before["epoch"], before["after"], 10)).events is None


async def test_the_number_of_kept_events_holds_for_an_epoch(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    rewrite_meta(shared_valkey, tenant.id, ring=4)
    before = tenant.seq
    for session_id in ("s1", "s2", "s3"):
        await tenant.open(session_id, SALES)
    found = await tenant.commands.events(tenant.id, tenant.epoch, before, 10)
    assert [event.seq for event in found.events or ()] == [before + 1, before + 2, before + 3]
