"""A furnished tenant for each test."""

import pytest

from tests.router.audit.fixture import Fixture
from tests.router.store.stored_tenant import StoredTenant
from tests.servers import StoreServer


@pytest.fixture
async def fixture(tenant: StoredTenant, shared_valkey: StoreServer) -> Fixture:
    """A tenant with something of everything."""
    made = Fixture(shared_valkey, tenant)
    await made.furnish()
    return made
