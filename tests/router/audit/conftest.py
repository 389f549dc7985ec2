"""A furnished tenant for each test."""

import pytest

from tests.router.audit.fixture import Fixture
from tests.router.store.shop import Shop
from tests.servers import StoreServer


@pytest.fixture
async def fixture(shop: Shop, shared_valkey: StoreServer) -> Fixture:
    """A tenant with something of everything."""
    made = Fixture(shared_valkey, shop)
    await made.furnish()
    return made
