"""Which key is of which kind, and and by which rule it is checked: where an audit begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import msgspec

from relevo.router.audit.layout import IDENTITY, KINDS_OF_OWNERS, PAGE, PRINT_LENGTH, STATES, name_of
from relevo.router.audit.rules.agents import agent_rule, available_rule, department_rule, members_rule
from relevo.router.audit.rules.feed import events_rule, feed_rule
from relevo.router.audit.rules.histories import kept_history_rule
from relevo.router.audit.rules.presence import connections_rule, due_rule, node_rule
from relevo.router.audit.rules.sessions import list_rule, session_rule, state_rule
from relevo.router.audit.snapshot import Rule, Snapshot
from relevo.router.audit.violation import Violation
from relevo.router.store import records


def rows_rule(key: str, row_rule: Callable[[str, Snapshot], Iterator[Violation | Rule]]) -> Rule:
    """Return the rule for every row of the directory's agents or departments."""

    def rule(read: Snapshot, cursor: str = "0") -> Iterator[Violation | Rule]:
        ((after, found),) = read(("HSCAN", key, cursor, "COUNT", PAGE))
        if after != b"0":
            yield partial(rule, cursor=name_of(after))
        for row_id in map(name_of, found[::2]):
            if IDENTITY.fullmatch(row_id):
                yield partial(row_rule, row_id)
            else:
                yield Violation("shape", f"{key} holds {row_id!r}", (key,))

    return rule


def idempotency_rule(name: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check that a first reply can be given again, and is not kept for ever."""
    value, ttl_ms = read(("GET", name), ("PTTL", name))
    if value is None:
        return
    if ttl_ms == -1:
        yield Violation("S12", "the first reply of a command is kept for ever", (name,))
    try:
        readable = len(value) > PRINT_LENGTH and records.decode_answer(value[PRINT_LENGTH:])
    except msgspec.DecodeError:
        readable = False
    if not readable:
        yield Violation("shape", "the first reply of a command cannot be read", (name,))


def unknown_rule(name: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check a key that no command makes."""
    (exists,) = read(("EXISTS", name))
    if exists:
        yield Violation("shape", f"nobody knows what {name} is", (name,))


# Keys of which a tenant has one.
_ONE: Final[dict[str, Rule]] = {
    "meta": feed_rule,
    "events": events_rule,
    "agents": rows_rule("agents", agent_rule),
    "departments": rows_rule("departments", department_rule),
    "due": partial(due_rule, "0"),
}
# Keys of which there is one for each id.
_MANY: Final[dict[str, Callable[[str], Rule]]] = {
    "session": lambda rest: partial(session_rule, rest),
    "history": lambda rest: partial(kept_history_rule, rest),
    "members": lambda rest: partial(members_rule, rest, "0"),
    "available": lambda rest: partial(available_rule, rest, "0"),
    "connections": lambda rest: partial(connections_rule, rest, "0"),
    "node": lambda rest: partial(node_rule, rest, "0"),
}


def rule_of(name: str) -> Rule:
    """Return the rule of a key, by its name after the tenant's prefix."""
    kind, _, rest = name.partition(":")
    if name in _ONE:
        return _ONE[name]
    if kind == "key" and rest:
        return partial(idempotency_rule, name)
    if not IDENTITY.fullmatch(rest):
        return partial(unknown_rule, name)
    if kind in KINDS_OF_OWNERS:
        return partial(list_rule, kind, rest, "-inf")
    if kind == "state" and rest in STATES:
        return partial(state_rule, rest, "-inf")
    rule = _MANY.get(kind)
    return rule(rest) if rule is not None else partial(unknown_rule, name)
