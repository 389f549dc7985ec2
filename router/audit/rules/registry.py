"""Which key is of which kind, and by which rule it is checked: where an audit begins."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from relevo.router.audit.layout import (
    IDENTITY,
    KINDS_OF_OWNERS,
    PAGE,
    PRINT_LENGTH,
    REMOVED_MAX,
    STATES,
    name_of,
)
from relevo.router.audit.rules.agents import available_rule, directory_rule, members_rule
from relevo.router.audit.rules.feed import tenant_rule
from relevo.router.audit.rules.presence import connections_rule, due_rule, node_rule
from relevo.router.audit.rules.sessions import finding_rule, list_rule, session_rule, state_rule
from relevo.router.audit.snapshot import Rule, Snapshot
from relevo.router.audit.violation import Violation

ANSWERS: Final = (b"reply", b"session", b"entry")
"""What a remembered idempotency key may point at, as text in the value behind the fingerprint."""


def keys_rule(name: str, cursor: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check that idempotency keys can be answered again, and are not kept for ever."""
    ttl_ms, (after, found) = read(("PTTL", name), ("HSCAN", name, cursor, "COUNT", PAGE))
    if after != b"0":
        yield partial(keys_rule, name, name_of(after))
    elif ttl_ms == -1:
        yield Violation("S12", "idempotency keys are kept for ever", (name,))
    for field, value in zip(found[::2], found[1::2], strict=True):
        if field and not value[PRINT_LENGTH + 1 :].startswith(ANSWERS):
            text = f"what is remembered of the key {name_of(field)!r} cannot be read"
            yield Violation("shape", text, (name,))


def aside_rule(name: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Report what could not be read when a command needed it."""
    (found,) = read(("HGETALL", name))
    for place, kept in zip(found[::2], found[1::2], strict=True):
        why = name_of(kept).partition("\n")[0]
        yield Violation("shape", f"{name_of(place)} was set aside: {why}", (name,))


def removed_rule(read: Snapshot) -> Iterator[Violation | Rule]:
    """Check that only so many removals are remembered."""
    (count,) = read(("ZCARD", "removed"))
    if count > REMOVED_MAX:
        yield Violation("S12", f"{count} removals are remembered", ("removed",))


def unknown_rule(name: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check a key that no command makes."""
    (exists,) = read(("EXISTS", name))
    if exists:
        yield Violation("shape", f"unknown key {name}", (name,))


# Keys of which a tenant has one.
_ONE: Final[dict[str, Rule]] = {
    "tenant": tenant_rule,
    "agents": partial(directory_rule, "agents", "0"),
    "departments": partial(directory_rule, "departments", "0"),
    "due": partial(due_rule, "0"),
    "removed": removed_rule,
    "aside": partial(aside_rule, "aside"),
}
# Keys of which there is one for each id.
_MANY: Final[dict[str, Callable[[str], Rule]]] = {
    "session": lambda rest: partial(session_rule, rest),
    "members": lambda rest: partial(members_rule, rest, "0"),
    "available": lambda rest: partial(available_rule, rest, "0"),
    "connections": lambda rest: partial(connections_rule, rest, "0"),
    "node": lambda rest: partial(node_rule, rest, "0"),
}

# The lists by which sessions are found.
_FINDING: Final = re.compile(r"(?:had|customer:(?:open|closed)|routed:(?:in_progress|pending|closed)):(.+)")


def rule_of(name: str) -> Rule:
    """Return the rule of a key, by its name after the tenant's prefix."""
    kind, _, rest = name.partition(":")
    if name in _ONE:
        return _ONE[name]
    if kind == "keys" and rest.isdigit():
        return partial(keys_rule, name, "0")
    found_by = _FINDING.fullmatch(name)
    if found_by is not None and IDENTITY.fullmatch(found_by[1]):
        return partial(finding_rule, name, "-inf")
    if not IDENTITY.fullmatch(rest):
        return partial(unknown_rule, name)
    if kind in KINDS_OF_OWNERS:
        return partial(list_rule, kind, rest, "-inf")
    if kind == "state" and rest in STATES:
        return partial(state_rule, rest, "-inf")
    rule = _MANY.get(kind)
    return rule(rest) if rule is not None else partial(unknown_rule, name)
