"""What the gateway counts."""

from relevo.protocol.commands import SessionGet, SessionNote
from relevo.protocol.errors import Error, ErrorCode
from relevo.protocol.results import Empty
from relevo.router.gateway.counts import GatewayCounts


def test_answers_are_counted_by_command_and_outcome() -> None:
    counts = GatewayCounts()
    counts.answered(SessionNote, Empty())
    counts.answered(SessionNote, Error.of(ErrorCode.CONFLICT))
    counts.answered(SessionNote, Error.of(ErrorCode.CONFLICT))
    counts.answered(SessionGet, Empty())
    assert counts.commands == {
        (SessionNote, "done"): 1,
        (SessionNote, "conflict"): 2,
        (SessionGet, "done"): 1,
    }


def test_counts_of_two_nodes_are_apart() -> None:
    one, another = GatewayCounts(), GatewayCounts()
    one.throttled["agent"] += 1
    one.closes["4001"] += 1
    assert (another.throttled, another.closes) == ({}, {})
