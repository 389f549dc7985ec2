"""Replies of the store, decoded."""

import msgspec
import pytest

from relevo.protocol.objects import Owner
from relevo.router.store import answers, records
from tests.router.events import session_record, transfer_record


def packed(*values: object) -> msgspec.Raw:
    """Return an array of values, as the store answers it."""
    return msgspec.Raw(msgspec.msgpack.encode(values))


@pytest.mark.limit("SESSIONS_DECODED_MAX")
def test_session_keeps_only_those_decoded_last() -> None:
    ids = [f"s{number}" for number in range(answers.SESSIONS_DECODED_MAX + 10)]
    for session_id in [*ids, *ids[:10]]:
        assert answers.session(packed(session_record(session_id, "ana"), None)).id == session_id
    assert answers._session_of_view.cache_info().currsize == answers.SESSIONS_DECODED_MAX


def test_session_takes_its_transfer_from_the_record_that_holds_it() -> None:
    record, transfer = session_record("s", "bob", transfer_at=0, index=1), transfer_record("ana", "bob")
    session = answers.session(packed(record, transfer))
    assert session.owner == Owner("agent", "bob")
    assert session.transfer == records.transfer_of(transfer, "s")


def test_a_page_of_a_history_holds_the_entries_that_were_asked_for() -> None:
    notes = [
        session_record("s", "ana", kind="internal", entry_count=seq, text=str(seq)) for seq in range(3, 7)
    ]
    page = answers.HistoryReply(
        [msgspec.Raw(msgspec.msgpack.encode(note)) for note in notes], last=9, after=3, limit=2
    )
    entries, more = page.page
    assert ([entry.text for entry in entries], more) == (["4", "5"], True)
