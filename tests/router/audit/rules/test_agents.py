"""Rows of agents and departments by the lists, connections and members that they sum up."""

from functools import partial
from typing import Any

import msgspec
import pytest

from relevo.router.audit.rules.agents import agent_rule
from relevo.router.audit.snapshot import Read
from tests.router.audit.rules.reading import Found, check, packed
from tests.router.events import agent_record, session_record

RECORD: Read = ("HGET", "tenant", "aana")
ANA = msgspec.structs.replace(agent_record("ana", load=1), present=True, owned=" s1 ", assigned=1)
WHOLE: dict[Read, Any] = {
    RECORD: packed(ANA),
    ("SCARD", "connections:ana"): 1,
    ("SISMEMBER", "agents", "ana"): 1,
    ("LINDEX", "session:s1", -1): packed(session_record("s1", "ana")),
}
TENANT = ("tenant",)
BOBS = packed(session_record("s1", "bob"))


def ana(**changes: Any) -> dict[Read, Any]:
    return {RECORD: packed(msgspec.structs.replace(ANA, **changes))}


def test_row_that_sums_up_its_lists_is_sound() -> None:
    assert check(partial(agent_rule, "ana"), WHOLE) == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({RECORD: b"\xc1"}, ("shape", TENANT)),
        (ana(id="bob"), ("shape", TENANT)),
        ({("SISMEMBER", "agents", "ana"): 0}, ("S10", ("tenant", "agents"))),
        (ana(load=2), ("S6", ("tenant", "owned:ana"))),
        (ana(pending=1), ("S6", ("tenant", "pending:ana"))),
        (ana(available=False), ("S6", ("tenant", "owned:ana"))),
        (ana(chosen="pause"), ("S6", TENANT)),
        (ana(assigned=0), ("S6", ("tenant", "owned:ana"))),
        ({("LINDEX", "session:s1", -1): None}, ("S1", ("tenant", "session:s1"))),
        (
            {("LINDEX", "session:s1", -1): BOBS},
            ("S1", ("tenant", "session:s1")),
        ),
        ({("ZSCORE", "due", "presence ana"): b"1"}, ("presence", ("due", "connections:ana"))),
        ({("SCARD", "connections:ana"): 0}, ("presence", ("tenant", "due", "connections:ana"))),
    ],
    ids=[
        *("unreadable", "of another", "in no directory", "load", "pending", "available", "status"),
        *("assigned", "session lost", "session of another", "grace beside a connection", "no grace"),
    ],
)
def test_row_that_does_not_follow_is_found(changes: dict[Read, Any], found: Found) -> None:
    assert check(partial(agent_rule, "ana"), WHOLE | changes) == [found]


def test_department_that_does_not_know_or_offer_its_agent_is_found() -> None:
    reads = WHOLE | ana(departments=" sales ") | {("HEXISTS", "tenant", "dsales"): 1}
    found = [("S6", ("tenant", "members:sales")), ("S6", ("tenant", "available:sales"))]
    assert check(partial(agent_rule, "ana"), reads) == found
