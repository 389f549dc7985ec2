"""Whatever breaks a rule is found where it was planted, and mended if it follows from what is left."""

import pytest

from tests.router.audit import corruptions_of_sessions, corruptions_of_tenants
from tests.router.audit.corruptions import Plant
from tests.router.audit.fixture import Ground

PLANTS = [*corruptions_of_sessions.PLANTS, *corruptions_of_tenants.PLANTS]


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.what)
async def test_what_breaks_a_rule_is_found_and_mended_if_it_is_derived(plant: Plant, ground: Ground) -> None:
    assert await ground.audit() == []
    plant.plant(ground)
    assert {(one.invariant, one.keys) for one in await ground.audit()} == plant.found
    await ground.repair()
    assert {(one.invariant, one.keys) for one in await ground.audit()} == plant.left
