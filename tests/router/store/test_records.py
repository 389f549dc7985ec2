"""Records as the store packs them, decoded; of this release, of the next one, and of none."""

import msgspec
import pytest

from relevo.protocol.objects import Owner
from relevo.router.store import records
from tests.router.events import agent_record, session_record, transfer_record


def packed(*values: object) -> msgspec.Raw:
    """Return an array of values, as the store answers it."""
    return msgspec.Raw(msgspec.msgpack.encode(values))


def fields_of(record: msgspec.Struct) -> list[object]:
    """Return the fields of a record in their order."""
    fields: list[object] = msgspec.msgpack.decode(msgspec.msgpack.encode(record))
    return fields


@pytest.mark.limit("SESSIONS_DECODED_MAX")
def test_session_keeps_only_those_decoded_last() -> None:
    ids = [f"s{number}" for number in range(records.SESSIONS_DECODED_MAX + 10)]
    for session_id in [*ids, *ids[:10]]:
        assert records.session(packed(session_record(session_id, "ana"), None)).id == session_id
    assert records._session_of_view.cache_info().currsize == records.SESSIONS_DECODED_MAX


def test_a_record_with_more_fields_is_read_without_them() -> None:
    agent = agent_record("ana")
    later = msgspec.msgpack.encode([*fields_of(agent), "a field of the next release"])
    assert records.decode_agent(later) == agent


def test_a_record_without_its_last_fields_gets_their_defaults() -> None:
    earlier = msgspec.msgpack.encode(fields_of(agent_record("ana"))[:11])
    assert records.decode_agent(earlier).owned == " "


def test_what_is_no_record_is_a_decode_error() -> None:
    with pytest.raises(msgspec.DecodeError):
        records.decode_agent(msgspec.msgpack.encode({"id": "ana"}))


def test_session_takes_its_transfer_from_the_record_that_holds_it() -> None:
    record, transfer = session_record("s", "bob", transfer_at=0, index=1), transfer_record("ana", "bob")
    session = records.session(packed(record, transfer))
    assert session.owner == Owner("agent", "bob")
    assert session.transfer == records.transfer_of(transfer, "s")


def test_a_transfer_with_a_reason_is_two_entries() -> None:
    record = session_record(
        "s", "bob", kind="transferred", entry_count=3, transfer=transfer_record("ana", "bob")
    )
    assert [(entry.seq, entry.kind, entry.text) for entry in records.entries_of(record)] == [
        (2, "transferred", None),
        (3, "internal", "please"),
    ]


def test_an_acceptance_brings_no_transfer_into_the_history() -> None:
    record = session_record("s", "bob", kind="accepted", transfer=transfer_record("ana", "bob"))
    assert [entry.transfer for entry in records.entries_of(record)] == [None]


def test_a_page_of_a_history_holds_the_entries_that_were_asked_for() -> None:
    notes = [
        session_record("s", "ana", kind="internal", entry_count=seq, text=str(seq)) for seq in range(3, 7)
    ]
    page = records.HistoryReply([packed(*fields_of(note)) for note in notes], last=9, after=3, limit=2)
    entries, more = page.page
    assert ([entry.text for entry in entries], more) == (["4", "5"], True)
