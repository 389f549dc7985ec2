"""No bound is without its test."""

import pytest

from tests.limits.inventory import NO_BOUNDS, TESTS, constants, has_test, settings

FOUND = sorted({*settings(), *constants()} - NO_BOUNDS)


@pytest.mark.parametrize("bound", FOUND)
def test_every_bound_has_its_test(bound: str) -> None:
    assert bound in TESTS


@pytest.mark.parametrize("bound", sorted(TESTS))
def test_every_test_is_there(bound: str) -> None:
    assert has_test(TESTS[bound])


def test_bounds_are_looked_for_where_they_are() -> None:
    assert {"message_rate", "outbox_hard_bytes", "key_ttl_ms", "BATCH_ITEMS_MAX", "PIPELINE_MAX"} <= {*FOUND}
    assert {*constants()} >= NO_BOUNDS
    assert not has_test("tests/limits/test_inventory.py::test_that_is_not_there")
