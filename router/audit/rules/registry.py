"""Which key is of which kind, and who judges it: where an audit begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import msgspec

from relevo.router.audit.layout import IDENTITY, KINDS_OF_OWNERS, PRINT_LENGTH, STATES, name_of
from relevo.router.audit.paging import PAGE
from relevo.router.audit.rules.agents import judge_agent, judge_available, judge_department, judge_members
from relevo.router.audit.rules.feed import judge_events, judge_feed
from relevo.router.audit.rules.histories import judge_kept_history
from relevo.router.audit.rules.presence import judge_connections, judge_due, judge_node
from relevo.router.audit.rules.sessions import judge_list, judge_session, judge_state
from relevo.router.audit.snapshot import Glimpse, Judge
from relevo.router.audit.violation import Violation
from relevo.router.store import records


def judge_rows(key: str, judge_row: Callable[[str, Glimpse], Iterator[Violation | Judge]]) -> Judge:
    """Return who judges every row of the directory's agents or departments."""

    def judge(see: Glimpse, cursor: str = "0") -> Iterator[Violation | Judge]:
        ((after, found),) = see(("HSCAN", key, cursor, "COUNT", PAGE))
        if after != b"0":
            yield partial(judge, cursor=name_of(after))
        for row_id in map(name_of, found[::2]):
            if IDENTITY.fullmatch(row_id):
                yield partial(judge_row, row_id)
            else:
                yield Violation("shape", f"{key} holds {row_id!r}", (key,))

    return judge


def judge_idempotency(name: str, see: Glimpse) -> Iterator[Violation | Judge]:
    """Judge that a first reply can be given again, and is not kept for ever."""
    value, ttl_ms = see(("GET", name), ("PTTL", name))
    if value is None:
        return
    if ttl_ms == -1:
        yield Violation("S12", "the first reply of a command is kept for ever", (name,), ("expiry", name))
    try:
        readable = len(value) > PRINT_LENGTH and records.decode_answer(value[PRINT_LENGTH:])
    except msgspec.DecodeError:
        readable = False
    if not readable:
        yield Violation("shape", "the first reply of a command cannot be read", (name,))


def judge_unknown(name: str, see: Glimpse) -> Iterator[Violation | Judge]:
    """Judge a key that no verb makes."""
    (exists,) = see(("EXISTS", name))
    if exists:
        yield Violation("shape", f"nobody knows what {name} is", (name,))


# Keys of which a tenant has one.
_ONE: Final[dict[str, Judge]] = {
    "meta": judge_feed,
    "events": judge_events,
    "agents": judge_rows("agents", judge_agent),
    "departments": judge_rows("departments", judge_department),
    "due": partial(judge_due, "0"),
}
# Keys of which there is one for each id.
_MANY: Final[dict[str, Callable[[str], Judge]]] = {
    "session": lambda rest: partial(judge_session, rest),
    "history": lambda rest: partial(judge_kept_history, rest),
    "members": lambda rest: partial(judge_members, rest, "0"),
    "available": lambda rest: partial(judge_available, rest, "0"),
    "connections": lambda rest: partial(judge_connections, rest, "0"),
    "node": lambda rest: partial(judge_node, rest, "0"),
}


def judge_of(name: str) -> Judge:
    """Return who judges a key, by its name after the tenant's prefix."""
    kind, _, rest = name.partition(":")
    if name in _ONE:
        return _ONE[name]
    if kind == "key" and rest:
        return partial(judge_idempotency, name)
    if not IDENTITY.fullmatch(rest):
        return partial(judge_unknown, name)
    if kind in KINDS_OF_OWNERS:
        return partial(judge_list, kind, rest, "-inf")
    if kind == "state" and rest in STATES:
        return partial(judge_state, rest, "-inf")
    judge = _MANY.get(kind)
    return judge(rest) if judge is not None else partial(judge_unknown, name)
