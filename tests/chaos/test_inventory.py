"""No fault is without its test."""

import pytest

from tests.chaos.inventory import FAULTS, proofs_by_fault


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_its_test(fault: str) -> None:
    assert proofs_by_fault()[fault]
