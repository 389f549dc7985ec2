"""Connections, the nodes that vouch for them, and what is due."""

from functools import partial
from typing import Any

import pytest

from relevo.router.audit.layout import PAGE
from relevo.router.audit.rules.presence import (
    DEADLINE_LATE_MS,
    LATEST,
    OVERDUE_MS,
    connections_rule,
    due_rule,
    node_rule,
)
from relevo.router.audit.snapshot import Read, Snapshot
from tests.router.audit.rules.reading import Found, check

OF_ANA: Read = ("SSCAN", "connections:ana", "0", "COUNT", PAGE)
OF_NODE: Read = ("SSCAN", "node:n1", "0", "COUNT", PAGE)
DUE: Read = ("ZSCAN", "due", "0", "COUNT", PAGE)
WHOLE: dict[Read, Any] = {
    ("HEXISTS", "tenant", "aana"): 1,
    OF_ANA: [b"0", [b"n1 c1"]],
    OF_NODE: [b"0", [b"ana c1"]],
    ("SISMEMBER", "node:n1", "ana c1"): 1,
    ("SISMEMBER", "connections:ana", "n1 c1"): 1,
    ("ZSCORE", "due", "node n1"): b"1000",
}


def test_connection_of_both_sides_and_a_lease_is_sound() -> None:
    assert check(partial(connections_rule, "ana", "0"), WHOLE) == []
    assert check(partial(node_rule, "n1", "0"), WHOLE) == []


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({("HEXISTS", "tenant", "aana"): 0}, ("presence", ("connections:ana", "tenant"))),
        ({OF_ANA: [b"0", [b"c1"]]}, ("shape", ("connections:ana",))),
        ({("SISMEMBER", "node:n1", "ana c1"): 0}, ("presence", ("connections:ana", "node:n1"))),
        ({("ZSCORE", "due", "node n1"): None}, ("presence", ("connections:ana", "due"))),
    ],
    ids=["no agent", "no node in it", "unknown to its node", "no lease"],
)
def test_connection_of_an_agent_that_is_not_sound_is_found(changes: dict[Read, Any], found: Found) -> None:
    assert check(partial(connections_rule, "ana", "0"), WHOLE | changes) == [found]


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({("ZSCORE", "due", "node n1"): None}, ("presence", ("node:n1", "due"))),
        ({OF_NODE: [b"0", [b"ana"]]}, ("shape", ("node:n1",))),
        ({("SISMEMBER", "connections:ana", "n1 c1"): 0}, ("presence", ("node:n1", "connections:ana"))),
    ],
    ids=["no lease", "no agent in it", "unknown to its agent"],
)
def test_connection_of_a_node_that_is_not_sound_is_found(changes: dict[Read, Any], found: Found) -> None:
    assert check(partial(node_rule, "n1", "0"), WHOLE | changes) == [found]


def test_page_that_is_not_the_last_leads_to_the_next() -> None:
    (following,) = connections_rule("ana", "0", Snapshot(WHOLE | {OF_ANA: [b"7", []]}, 0))
    assert check(following, {("SSCAN", "connections:ana", "7", "COUNT", PAGE): [b"0", [b"?"]]}) == [  # type: ignore[arg-type]
        ("presence", ("connections:ana", "tenant"))
    ]


def test_due_entry_of_an_unknown_kind_is_found() -> None:
    assert check(partial(due_rule, "0"), {DUE: [b"0", [b"timeout s1", b"5"]]}) == [("shape", ("due",))]


@pytest.mark.parametrize(("late_ms", "is_found"), [(OVERDUE_MS - 1, False), (OVERDUE_MS + 1, True)])
def test_due_entry_left_undone_beside_a_node_is_found(late_ms: int, is_found: bool) -> None:
    now_ms = 1_000_000
    reads: dict[Read, Any] = {
        DUE: [b"0", [b"sessions ana", b"%d" % (now_ms - late_ms)]],
        ("ZSCORE", "due", "sessions ana"): b"%d" % (now_ms - late_ms),
        ("ZRANGE", "due", -LATEST, -1, "WITHSCORES"): [b"node n1", b"%d" % (now_ms + 1)],
        ("HEXISTS", "tenant", "aana"): 1,
    }
    (one,) = due_rule("0", Snapshot(reads | {("ZRANGE", "due", 0, 0, "WITHSCORES"): [], META: None}, now_ms))
    assert check(one, reads, now_ms) == ([("presence", ("due",))] if is_found else [])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("late_ms", "has_connections", "is_found"),
    [(DEADLINE_LATE_MS, 1, False), (DEADLINE_LATE_MS + 1, 1, True), (DEADLINE_LATE_MS + 1, 0, False)],
)
def test_deadline_that_passed_beside_a_node_is_found(
    late_ms: int, has_connections: int, is_found: bool
) -> None:
    now_ms = 1_000_000
    latest = [b"node n1", b"%d" % (now_ms + 1), b"session s2", b"%d" % (now_ms + 60_000)]
    reads: dict[Read, Any] = {
        DUE: [b"0", [b"session s1", b"%d" % (now_ms - late_ms)]],
        ("ZSCORE", "due", "session s1"): b"%d" % (now_ms - late_ms),
        ("ZRANGE", "due", -LATEST, -1, "WITHSCORES"): latest,
        ("LINDEX", "session:s1", -1): b"a record",
        ("EXISTS", "node:n1"): has_connections,
    }
    (one,) = due_rule("0", Snapshot(reads | {("ZRANGE", "due", 0, 0, "WITHSCORES"): [], META: None}, now_ms))
    assert check(one, reads, now_ms) == ([("S13", ("due",))] if is_found else [])  # type: ignore[arg-type]


META: Read = ("HGET", "tenant", "m")
