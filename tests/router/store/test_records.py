"""Records as the store packs them, decoded; of this release, of the next one, and of none."""

import msgspec
import pytest

from relevo.router.store import records
from tests.router.events import agent_record, session_record, transfer_record


def fields_of(record: msgspec.Struct) -> list[object]:
    """Return the fields of a record in their order."""
    fields: list[object] = msgspec.msgpack.decode(msgspec.msgpack.encode(record))
    return fields


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
