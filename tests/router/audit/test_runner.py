"""The audit comes to an end whatever it finds, and says what it could not rule."""

from collections.abc import Iterator

import msgspec
import pytest

from relevo.router.audit import Audit, Violation
from relevo.router.audit import runner as machinery
from relevo.router.audit.rules.registry import rule_of
from relevo.router.audit.snapshot import Rule, Snapshot
from relevo.router.store.records import ReadError
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


def test_a_judge_that_comes_to_no_end_is_given_up_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machinery, "rule_of", lambda name: restless)
    audit = Audit(["any"])
    rounds = 0
    while reads := audit.reads():
        audit.take([None] * len(reads), 0)
        rounds += 1
    assert (rounds, audit.unsettled, list(audit.violations)) == (machinery.ROUNDS_MAX - 1, 1, [])


def test_what_several_rules_want_to_know_is_read_once() -> None:
    audit = Audit(["state:queued", "state:pending"])
    assert audit.reads().count(("HGET", "meta", "order")) == 1


def test_a_key_of_another_type_is_said_to_be_one() -> None:
    audit = Audit(["state:queued"])
    audit.take([ReadError("WRONGTYPE")] * len(audit.reads()), 0)
    (found,) = audit.violations
    assert (found.invariant, found.keys) == ("shape", ("meta",))


def test_a_judge_is_known_for_each_kind_of_key_and_for_none_else() -> None:
    assert rule_of("owned:ana") is not None
    (found,) = rule_of("owned:")(Snapshot({("EXISTS", "owned:"): 1}, 0))
    assert isinstance(found, Violation)
    assert found.text == "nobody knows what owned: is"


@pytest.mark.slow
async def test_no_garbage_in_any_key_ends_an_audit(fixture: Fixture) -> None:
    names = [
        name.decode().partition("}:")[2]
        for name in fixture.server.call("KEYS", f"*{{{fixture.shop.tenant}}}*")
    ]
    assert len(names) > 25
    for name in names:
        kept = fixture.call("DUMP", name)
        for plant in (("SET", b"x"), ("ZADD", 7, b"x"), ("HSET", b"x", b"x")):
            fixture.call("DEL", name)
            fixture.call(plant[0], name, *plant[1:])
            assert await fixture.audit() != [], (name, plant)
        fixture.call("RESTORE", name, 0, kept, "REPLACE")


@pytest.mark.slow
@pytest.mark.parametrize("garbage", GARBAGE)
async def test_no_garbage_in_any_record_ends_an_audit(fixture: Fixture, garbage: bytes) -> None:
    for key, field in (
        ("agents", "bob"),
        ("departments", "sales"),
        ("meta", "order"),
        ("meta", "seq"),
        ("meta", "epoch"),
    ):
        kept = fixture.call("HGET", key, field)
        fixture.call("HSET", key, field, garbage)
        assert await fixture.audit() != [], key
        fixture.call("HSET", key, field, kept)
    for key in ("session:s1", "key:agent ana k"):
        kept = fixture.call("GET", key)
        fixture.call("SET", key, garbage, "KEEPTTL")
        assert await fixture.audit() != [], key
        fixture.call("SET", key, kept, "KEEPTTL")
    fixture.call("RPUSH", "history:s1", garbage)
    last = int(fixture.call("HGET", "meta", "seq"))
    fixture.call("XADD", "events", f"{last + 1}-0", "event", garbage)
    fixture.call("HSET", "meta", "seq", last + 1)
    for name, member in (("due", garbage), ("queue:help", garbage), ("available:sales", garbage)):
        fixture.call("ZADD", name, 7, member)
    for name in ("members:sales", "connections:ana", "node:node"):
        fixture.call("SADD", name, garbage)
    keys = {key for violation in await fixture.audit() for key in violation.keys}
    assert keys >= {
        "history:s1",
        "events",
        "due",
        "queue:help",
        "available:sales",
        "members:sales",
        "node:node",
    }
    event = {
        "epoch": "e",
        "seq": 1,
        "at": 1,
        "agents": [garbage],
        "departments": [],
        "changes": [{"session_id": "s"}],
    }
    event |= {"agents_removed": [], "departments_removed": []}
    fixture.call("XADD", "events", f"{last + 2}-0", "event", msgspec.msgpack.encode(event))
    assert await fixture.audit() != []
