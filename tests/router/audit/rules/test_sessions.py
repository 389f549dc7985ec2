"""Sessions by their lists, and the lists by the sessions."""

from functools import partial
from typing import Any

import pytest

from relevo.router.audit.layout import HAD_MAX, PAGE
from relevo.router.audit.rules.sessions import finding_rule, list_rule, session_rule, state_rule
from relevo.router.audit.snapshot import Read
from tests.router.audit.rules.reading import Found, check, packed
from tests.router.events import agent_record, session_record

RECORD: Read = ("LINDEX", "session:s1", -1)
PENDING: Read = ("ZRANGE", "pending:ana", "-inf", "+inf", "BYSCORE", "LIMIT", 0, PAGE, "WITHSCORES")
STATE: Read = ("ZRANGE", "state:pending", "-inf", "+inf", "BYSCORE", "LIMIT", 0, PAGE, "WITHSCORES")
OPEN, CLOSED = "customer:open:c", "customer:closed:c"


def page_of(name: str) -> Read:
    return ("ZRANGE", name, "-inf", "+inf", "BYSCORE", "LIMIT", 0, PAGE, "WITHSCORES")


OPEN_LIST = page_of(OPEN)
WHOLE: dict[Read, Any] = {
    RECORD: packed(session_record("s1", "ana", state="pending")),
    ("PTTL", "session:s1"): -1,
    ("ZSCORE", "state:pending", "s1"): b"1",
    ("ZSCORE", "pending:ana", "s1"): b"1",
    ("HGET", "tenant", "aana"): packed(agent_record("ana")),
    ("HEXISTS", "tenant", "aana"): 1,
    PENDING: [b"s1", b"1"],
    STATE: [b"s1", b"1"],
    ("ZSCORE", "customer:open:c", "s1"): b"1",
    ("PTTL", OPEN): -1,
    OPEN_LIST: [b"s1", b"1"],
}


def record(**changes: Any) -> dict[Read, Any]:
    fields: dict[str, Any] = {"state": "pending"} | changes
    return {RECORD: packed(session_record(fields.pop("id", "s1"), fields.pop("owner", "ana"), **fields))}


def test_session_in_the_lists_of_its_owner_and_state_is_sound() -> None:
    assert check(partial(session_rule, "s1"), WHOLE) == []
    assert check(partial(list_rule, "pending", "ana", "-inf"), WHOLE) == []
    assert check(partial(state_rule, "pending", "-inf"), WHOLE) == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({RECORD: b"\xc1"}, ("shape", ("session:s1",))),
        (record(id="s2"), ("shape", ("session:s1",))),
        (record(owner=None), ("S1", ("session:s1",))),
        (record(sender="a bob"), ("S1", ("session:s1",))),
        ({("HGET", "tenant", "aana"): None}, ("S1", ("session:s1", "tenant"))),
        ({("ZSCORE", "pending:ana", "s1"): None}, ("S1", ("session:s1", "pending:ana"))),
        ({("ZSCORE", "pending:ana", "s1"): b"2"}, ("S7", ("pending:ana", "session:s1"))),
        ({("ZSCORE", "state:pending", "s1"): None}, ("S1", ("session:s1", "state:pending"))),
        ({("ZSCORE", "state:queued", "s1"): b"1"}, ("S1", ("session:s1", "state:queued"))),
        ({("PTTL", "session:s1"): 5}, ("S12", ("session:s1",))),
        ({("ZSCORE", OPEN, "s1"): None}, ("S1", (OPEN, "session:s1"))),
    ],
    ids=[
        *("unreadable", "of another id", "no owner", "a sender without a transfer", "owner missing"),
        *("not in its list", "elsewhere in its list", "not in its state", "in two states", "about to expire"),
        "not found by its customer",
    ],
)
def test_session_that_does_not_follow_is_found(changes: dict[Read, Any], found: Found) -> None:
    assert check(partial(session_rule, "s1"), WHOLE | changes) == [found]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({RECORD: None}, ("S1", ("pending:ana", "session:s1"))),
        (record(owner="bob"), ("S1", ("pending:ana", "session:s1"))),
        ({("HEXISTS", "tenant", "aana"): 0}, ("S1", ("pending:ana", "tenant"))),
        ({PENDING: [b"s1", b"1", b"s1", b"1"]}, ("S7", ("pending:ana",))),
    ],
    ids=["record lost", "owner another", "owner missing", "two at one position"],
)
def test_list_that_holds_what_is_not_its_owners_is_found(changes: dict[Read, Any], found: Found) -> None:
    assert check(partial(list_rule, "pending", "ana", "-inf"), WHOLE | changes) == [found]


def test_state_that_holds_a_session_of_another_is_found() -> None:
    found = ("S1", ("state:pending", "session:s1"))
    for changes in ({RECORD: None}, record(state="in_progress")):
        assert check(partial(state_rule, "pending", "-inf"), WHOLE | changes) == [found]


def test_session_in_the_list_of_its_customer_is_sound() -> None:
    assert check(partial(finding_rule, OPEN, "-inf"), WHOLE) == []


@pytest.mark.parametrize(
    ("name", "changes", "found"),
    [
        (CLOSED, {page_of(CLOSED): [b"s1", b"5"], ("PTTL", CLOSED): 9}, ("S1", (CLOSED, "session:s1"))),
        (CLOSED, {("PTTL", CLOSED): -1}, ("S12", (CLOSED,))),
        (OPEN, {("PTTL", OPEN): 9}, ("S12", (OPEN,))),
        ("had:ana", {("PTTL", "had:ana"): -1, ("ZCARD", "had:ana"): HAD_MAX + 1}, ("S12", ("had:ana",))),
    ],
    ids=["of another", "closed without end", "open with an end", "too many"],
)
def test_list_by_which_sessions_are_found_is_checked(
    name: str, changes: dict[Read, Any], found: Found
) -> None:
    reads = WHOLE | {("LINDEX", "session:s1", 0): WHOLE[RECORD]} | changes
    assert check(partial(finding_rule, name, "-inf"), reads) == [found]


def test_entry_of_an_earlier_session_of_that_id_is_sound() -> None:
    born = packed(session_record("s1", "ana", state="pending", order=6))
    reads = {page_of(CLOSED): [b"s1", b"5"], ("PTTL", CLOSED): 9, ("LINDEX", "session:s1", 0): born}
    assert check(partial(finding_rule, CLOSED, "-inf"), WHOLE | reads) == []
