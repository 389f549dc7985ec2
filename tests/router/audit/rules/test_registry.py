"""Each kind of key has its rule, and a key that no command makes is found."""

from functools import partial

import pytest

from relevo.router.audit.layout import PAGE
from relevo.router.audit.rules.registry import aside_rule, keys_rule, rule_of, unknown_rule
from tests.router.audit.rules.reading import check


def test_kind_of_a_key_has_its_rule() -> None:
    kinds = [
        *("tenant", "agents", "departments", "due", "aside", "keys:7", "session:s", "owned:ana"),
        *("queue:sales", "state:closed", "members:sales", "node:n1", "connections:ana"),
        *("customer:open:eva", "customer:closed:a:b", "routed:pending:sales", "had:ana"),
        # An id of the longest.
        *("owned:" + "a" * 128, "customer:closed:" + "c" * 128, "routed:in_progress:" + "d" * 128),
    ]
    rules = [rule_of(name) for name in kinds]
    assert unknown_rule not in [getattr(rule, "func", rule) for rule in rules]


@pytest.mark.parametrize(
    "name",
    ["owned:", "state:lost", "keys:x", "nothing", "customer:lost:c", "routed:queued:d", "session:a{b}"],
)
def test_key_that_no_command_makes_is_found(name: str) -> None:
    assert check(rule_of(name), {("EXISTS", name): 1}) == [("shape", (name,))]


def test_idempotency_keys_without_an_end_are_found() -> None:
    page = ("HSCAN", "keys:7", "0", "COUNT", PAGE)
    rule = partial(keys_rule, "keys:7", "0")
    good = [b"0", [b"k", b"p" * 32 + b" session s 1"]]
    assert check(rule, {("PTTL", "keys:7"): 5, page: good}) == []
    assert check(rule, {("PTTL", "keys:7"): -1, page: good}) == [("S12", ("keys:7",))]
    odd = [b"0", [b"k", b"p" * 32 + b" ?"]]
    assert check(rule, {("PTTL", "keys:7"): 5, page: odd}) == [("shape", ("keys:7",))]


def test_record_that_was_set_aside_is_reported() -> None:
    assert check(partial(aside_rule, "aside"), {("HGETALL", "aside"): [b"session:s", b"why\nwhat"]}) == [
        ("shape", ("aside",))
    ]
