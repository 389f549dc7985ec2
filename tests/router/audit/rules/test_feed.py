"""Events: numbered without gaps, and what was told last is what is so."""

from typing import Any

import pytest

from relevo.router.audit.layout import PAGE
from relevo.router.audit.rules.feed import Told, events_rule, meta_rule, tenant_rule
from relevo.router.audit.snapshot import Read, Rule, Snapshot
from relevo.router.audit.violation import Violation
from relevo.router.store import records
from tests.router.audit.rules.reading import META, check, packed
from tests.router.events import agent_record, event

FIRST: Read = ("HGET", "tenant", "1")


ANA: Read = ("HGET", "tenant", "aana")


def whole(load: int = 2) -> dict[Read, Any]:
    """Return a feed of one event, which told that Ana has a load of 2, and Ana's record."""
    meta = records.MetaRecord(records.SCHEMA, 1, order=0, due_at=0, epoch="e1", run="", ring=8)
    told = event(1, agents=[agent_record("ana", load=2)])
    return {META: packed(meta), FIRST: packed(told), ANA: packed(agent_record("ana", load=load))}


def rows_rules(reads: dict[Read, Any]) -> list[Rule]:
    """Return the rules to which the events lead: one for each row that they told."""
    return [one for one in events_rule(Snapshot(reads, 0)) if not isinstance(one, Violation)]


@pytest.mark.parametrize(("record", "invariant"), [(None, "S9"), (b"\xc1", "shape")])
def test_meta_record_that_is_missing_or_unreadable_is_found(record: bytes | None, invariant: str) -> None:
    assert check(meta_rule, {META: record}) == [(invariant, ("tenant",))]


def test_field_of_the_tenant_that_no_command_writes_is_found() -> None:
    page = [b"0", [b"zana", b"", b"m", b"", b"7", b""]]
    assert check(tenant_rule, {("HSCAN", "tenant", "0", "COUNT", PAGE): page}) == [("shape", ("tenant",))]


@pytest.mark.parametrize(
    ("first", "invariant"),
    [(None, "S9"), (packed(event(2)), "S9"), (packed(event(1, epoch="e0")), "S9"), (b"\xc1", "shape")],
    ids=["not kept", "another number", "another epoch", "unreadable"],
)
def test_event_that_is_not_in_its_place_is_found(first: bytes | None, invariant: str) -> None:
    assert check(events_rule, whole() | {FIRST: first}) == [(invariant, ("tenant",))]


def test_row_that_is_as_it_was_told_last_is_sound() -> None:
    reads = whole()
    (rule,) = rows_rules(reads)
    assert check(rule, reads) == []


@pytest.mark.parametrize("kept", [packed(agent_record("ana", load=3)), None], ids=["another load", "missing"])
def test_row_that_is_not_as_it_was_told_last_is_found(kept: bytes | None) -> None:
    reads = whole() | {ANA: kept}
    (rule,) = rows_rules(reads)
    assert check(rule, reads) == [("S10", ("tenant", "tenant"))]


def test_told_rows_are_the_latest_of_all_events() -> None:
    later = event(2, agents=[agent_record("bob")], agents_removed=["ana"])
    told = Told("e1").then([event(1, agents=[agent_record("ana")]), later])
    assert (told.seq, told.agents) == (2, {"ana": None, "bob": records.agent_of(agent_record("bob"))})
