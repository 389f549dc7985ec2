"""Apply a rule to what a test says was read; everything else was not there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec

from relevo.router.audit.snapshot import Read, Rule, Snapshot, UnreadKeysError
from relevo.router.audit.violation import INVARIANTS, Violation

Found: TypeAlias = tuple[str, tuple[str, ...]]
META: Read = ("HGET", "tenant", "m")


def packed(record: msgspec.Struct) -> bytes:
    """Return a record as the store keeps it."""
    return msgspec.msgpack.encode(record)


def check(rule: Rule, reads: Mapping[Read, Any], now_ms: int = 0) -> list[Found]:
    """Return the invariant and the keys of all that a rule finds, without the rules that it leads to."""
    values = dict(reads)
    while True:
        try:
            found = list(rule(Snapshot(values, now_ms)))
        except UnreadKeysError as unread:
            values |= {read: nothing(read) for read in unread.reads}
            continue
        violations = [one for one in found if isinstance(one, Violation)]
        assert {one.invariant for one in violations} <= INVARIANTS.keys()
        return [(one.invariant, one.keys) for one in violations]


def nothing(read: Read) -> Any:
    """Return what a read finds where there is no key."""
    command = str(read[0])
    if command.endswith("SCAN"):
        return [b"0", []]
    if command.endswith(("RANGE", "GETALL")):
        return []
    if command == "PTTL":
        return -2
    return 0 if command in ("EXISTS", "HEXISTS", "SISMEMBER", "SCARD", "ZCARD", "LLEN") else None
