"""A furnished tenant for each test."""

import pytest

from tests.router.audit.fixture import Ground
from tests.router.store.shop import Shop
from tests.servers import StoreServer


@pytest.fixture
async def ground(shop: Shop, shared_valkey: StoreServer) -> Ground:
    """A tenant with something of everything."""
    made = Ground(shared_valkey, shop)
    await made.furnish()
    return made
