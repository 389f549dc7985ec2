"""Whatever breaks a rule is found where it was written, and rebuilt if it follows from what is left."""

import pytest

from tests.router.audit import corruptions_of_sessions, corruptions_of_tenants
from tests.router.audit.corruptions import Corruption
from tests.router.audit.fixture import Fixture

CORRUPTIONS = [*corruptions_of_sessions.CORRUPTIONS, *corruptions_of_tenants.CORRUPTIONS]


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.what)
async def test_audit_finds_a_corruption_and_rebuild_leaves_what_is_not_derived(
    corruption: Corruption, fixture: Fixture
) -> None:
    assert await fixture.audit() == []
    corruption.apply(fixture)
    assert {(one.invariant, one.keys) for one in await fixture.audit()} == corruption.found
    await fixture.repair()
    assert {(one.invariant, one.keys) for one in await fixture.audit()} == corruption.left
