"""A snapshot gives what was read, and names what was not."""

import pytest

from relevo.router.audit.snapshot import Snapshot, UnreadKeysError, WrongTypeError
from relevo.router.store.answers import ReadError

READ, OTHER = ("HGET", "tenant", "m"), ("SCARD", "agents")


def test_snapshot_returns_what_was_read_in_the_order_asked() -> None:
    assert Snapshot({READ: b"m", OTHER: 2}, 7)(OTHER, READ) == [2, b"m"]


def test_snapshot_without_a_read_names_all_that_are_missing() -> None:
    with pytest.raises(UnreadKeysError) as unread:
        Snapshot({}, 7)(READ, OTHER)
    assert unread.value.reads == (READ, OTHER)


def test_snapshot_of_a_key_of_another_type_names_the_key() -> None:
    with pytest.raises(WrongTypeError) as wrong:
        Snapshot({READ: ReadError("WRONGTYPE")}, 7)(READ)
    assert wrong.value.key == "tenant"
