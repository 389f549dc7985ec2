"""The audit comes to an end whatever it finds, and says what it could not check."""

from collections.abc import Iterator

import msgspec
import pytest

from relevo.router.audit import Audit, Violation
from relevo.router.audit import runner as machinery
from relevo.router.audit.snapshot import Rule, Snapshot
from relevo.router.store import records
from relevo.router.store.answers import ReadError
from tests.router.audit.fixture import Fixture

GARBAGE = [
    b"",
    b"x",
    b"\xc1",
    b"\xff" * 50,
    *map(
        msgspec.msgpack.encode, (None, 7, "text", [], [1], {}, {"id": 7}, {"id": "\ud7ff", "state": "closed"})
    ),
]


def restless(see: Snapshot, step: int = 0) -> Iterator[Violation | Rule]:
    """Ask for something else each time, as if the data changed with each look."""
    (value,) = see(("GET", f"key-{step}"))
    while True:
        step += 1
        see(("GET", f"key-{step}"))
        yield Violation("S1", f"never told {value}", ())


def test_a_rule_that_comes_to_no_end_is_given_up_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machinery, "rule_of", lambda name: restless)
    audit = Audit(["any"])
    rounds = 0
    while reads := audit.reads():
        audit.take([None] * len(reads), 0)
        rounds += 1
    assert (rounds, audit.unsettled, list(audit.violations)) == (machinery.ROUNDS_MAX - 1, 1, [])


def test_what_several_rules_want_to_know_is_read_once() -> None:
    audit = Audit(["state:queued", "state:pending"])
    assert audit.reads().count(("HGET", "tenant", "m")) == 1


def test_a_key_of_another_type_is_said_to_be_one() -> None:
    audit = Audit(["state:queued"])
    audit.take([ReadError("WRONGTYPE")] * len(audit.reads()), 0)
    (found,) = audit.violations
    assert (found.invariant, found.keys) == ("shape", ("tenant",))


@pytest.mark.slow
async def test_no_garbage_in_any_key_ends_an_audit(fixture: Fixture) -> None:
    names = [
        name.decode().partition("}:")[2] for name in fixture.server.call("KEYS", f"*{{{fixture.tenant.id}}}*")
    ]
    assert len(names) > 20
    for name in names:
        kept = fixture.call("DUMP", name)
        for plant in (("SET", b"x"), ("ZADD", 7, b"x"), ("HSET", b"x", b"x")):
            fixture.call("DEL", name)
            fixture.call(plant[0], name, *plant[1:])
            found = await fixture.audit()
            # What an agent had may be gone, so that such a list may name it.
            assert found != [] or (name.startswith("had:") and plant[0] == "ZADD"), (name, plant)
        fixture.call("RESTORE", name, 0, kept, "REPLACE")


@pytest.mark.slow
@pytest.mark.parametrize("garbage", GARBAGE)
async def test_no_garbage_in_any_record_ends_an_audit(fixture: Fixture, garbage: bytes) -> None:
    last = str(fixture.meta().seq)
    for name in ("abob", "dsales", "m", last):
        kept = fixture.call("HGET", "tenant", name)
        fixture.call("HSET", "tenant", name, garbage)
        assert await fixture.audit() != [], name
        fixture.call("HSET", "tenant", name, kept)
    for key in ("session:s1", "session:s6"):
        kept = fixture.call("LINDEX", key, -1)
        fixture.call("LSET", key, -1, garbage)
        assert await fixture.audit() != [], key
        fixture.call("LSET", key, -1, kept)
    event = [records.SCHEMA, fixture.meta().epoch, int(last), 1, [garbage], [], [], [], [["placed"]]]
    fixture.call("HSET", "tenant", last, msgspec.msgpack.encode(event))
    fixture.call("RPUSH", "session:s5", garbage)
    for name, member in (("due", garbage), ("queue:help", garbage), ("available:sales", garbage)):
        fixture.call("ZADD", name, 7, member)
    for name in ("members:sales", "connections:ana", "node:node"):
        fixture.call("SADD", name, garbage)
    keys = {key for violation in await fixture.audit() for key in violation.keys}
    assert keys >= {
        "session:s5",
        "tenant",
        "due",
        "queue:help",
        "available:sales",
        "members:sales",
        "node:node",
    }
