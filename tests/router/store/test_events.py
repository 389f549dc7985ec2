"""Events as the store packs them, decoded; of this release, of the next one, and of none."""

import msgspec
import pytest

from relevo.protocol.objects import Author
from relevo.router.store import records
from relevo.router.store.events import Change, Notice, decode_event
from tests.router.events import agent_record, event, session_record


def change_of(record: records.SessionRecord) -> Change:
    """Return that a session was placed."""
    return Change("placed", "ana", "transferred", None, None, None, None, record)


def test_an_event_is_decoded_as_it_was_packed() -> None:
    packed = event(7, agents=[agent_record("bob")], changes=[change_of(session_record("s", "bob"))])
    assert decode_event(msgspec.msgpack.encode(packed)) == packed


def test_an_event_with_more_fields_is_read_without_them() -> None:
    packed = event(7, agents=[agent_record("bob")])
    later = [*msgspec.msgpack.decode(msgspec.msgpack.encode(packed)), "a field of the next release"]
    assert decode_event(msgspec.msgpack.encode(later)) == packed


@pytest.mark.parametrize("inside", [False, True])
def test_an_event_of_another_schema_is_a_schema_error(inside: bool) -> None:
    foreign = event(7, changes=[change_of(session_record("s", "bob"))])
    (foreign.changes[0].record if inside else foreign).schema = records.SCHEMA + 1
    with pytest.raises(records.SchemaError):
        decode_event(msgspec.msgpack.encode(foreign))


@pytest.mark.parametrize(
    ("notice", "by"),
    [
        (Notice("bob", "eva", "Eva", "lunch"), Author("eva", "Eva")),
        (Notice("bob", "eva", False, False), Author("eva", "eva")),
        (Notice("bob", False, False, False), None),
    ],
)
def test_a_notice_names_its_author_or_the_system(notice: Notice, by: Author | None) -> None:
    assert notice.by == by
