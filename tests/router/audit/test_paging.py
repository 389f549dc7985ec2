"""What is long is checked to its end, a page at a time."""

import asyncio
from collections import Counter
from collections.abc import Callable

import pytest

from relevo.router.audit.layout import EVENTS_PAGE, PAGE
from tests.router.audit.fixture import Fixture
from tests.router.store.stored_tenant import HELP

LONG = 3 * PAGE  # Long enough for the server to keep it in no single piece.
# What has no order is planted so often that no page holds all of it.
MANY = 30

FAR_DOWN: dict[tuple[str, ...], tuple[Callable[[Fixture], object], int]] = {
    ("queue:help", "session:lost"): (lambda to: to.call("ZADD", "queue:help", 1e9, "lost"), 1),
    ("state:queued", "session:lost"): (lambda to: to.call("ZADD", "state:queued", 1e9, "lost"), 1),
    ("session:s5",): (lambda to: to.rewrite_session("s5", 99, index=7), 1),
    ("tenant",): (lambda to: to.call("HDEL", "tenant", (to.meta().seq - 2) % to.meta().ring), 1),
    ("members:help", "tenant"): (lambda to: to.call("SADD", "members:help", *lost("agent")), MANY),
    ("available:sales", "tenant"): (
        lambda to: [to.call("ZADD", "available:sales", 1e14, one) for one in lost("agent")],
        MANY,
    ),
    ("node:node", "connections:ana"): (lambda to: to.call("SADD", "node:node", *lost("ana c")), MANY),
    ("connections:ana", "node:node"): (lambda to: to.call("SADD", "connections:ana", *lost("node d")), MANY),
    ("due", "tenant"): (
        lambda to: [to.call("ZADD", "due", 1e15, one) for one in lost("presence agent")],
        MANY,
    ),
    ("tenant", "members:many"): (
        lambda to: [to.rewrite_department(f"department-{number}", agents=9) for number in range(LONG)],
        LONG,
    ),
}


def lost(kind: str) -> list[str]:
    """Return names of things that are not there."""
    return [f"{kind}-lost-{number}" for number in range(MANY)]


@pytest.mark.slow
async def test_whatever_is_wrong_far_down_a_long_list_is_found(fixture: Fixture) -> None:
    # A hash in one piece is read in one piece, however long it is.
    fixture.server.call("CONFIG", "SET", "hash-max-listpack-entries", 64)
    tenant = fixture.tenant
    away, ready = ([f"{kind}-{number}" for number in range(LONG)] for kind in ("away", "ready"))
    await asyncio.gather(*(tenant.connect(name, ["help"], 1, connection_id=name) for name in away))
    await asyncio.gather(*(tenant.status(name, "pause") for name in away))
    await asyncio.gather(*(tenant.connect(name, ["sales"], 1, connection_id=name) for name in ready))
    await asyncio.gather(*(tenant.open(f"queued-{number}", HELP) for number in range(LONG)))
    for number in range(PAGE + 5):
        await tenant.run("session_note", "ana", session_id="s5", text=str(number))
    for number in range(LONG):
        department = {"id": f"department-{number}", "name": str(number)}
        await tenant.run("department_put", "boss", department=department)
        fixture.call("ZADD", "due", 1e15, f"drain {ready[number]}")
        fixture.call("SADD", "connections:ana", f"node more-{number}")
        fixture.call("SADD", "node:node", f"ana more-{number}")
    assert fixture.meta().seq > 3 * EVENTS_PAGE
    assert await fixture.audit() == []

    for plant, _ in FAR_DOWN.values():
        plant(fixture)
    found = Counter(violation.keys for violation in await fixture.audit())
    many = sum(
        count
        for keys, count in found.items()
        if keys[0] == "tenant" and len(keys) > 1 and "members:department-" in keys[1]
    )
    found["tenant", "members:many"] = many
    assert {keys: found[keys] for keys in FAR_DOWN} == {keys: count for keys, (_, count) in FAR_DOWN.items()}
