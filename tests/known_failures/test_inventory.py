"""No defect that was seen elsewhere is without its test."""

import pytest

from tests.known_failures.inventory import DEFECTS, kept_away_by


@pytest.mark.parametrize("defect", DEFECTS)
def test_every_defect_seen_elsewhere_has_its_test(defect: str) -> None:
    assert kept_away_by()[defect] != []
