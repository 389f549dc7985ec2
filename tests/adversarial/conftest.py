"""Routers for bad input, and a bystander that has to be served all the time."""

from collections.abc import AsyncIterator, Iterator

import pytest

from relevo.router.gateway.rate_limit import BURST_S
from tests.e2e.conftest import MakeTenant, make_tenant, store
from tests.e2e.tenant import Tenant
from tests.raw_client import RawClient
from tests.routers import RouterProcess, running_routers
from tests.servers import StoreServer

__all__ = ["make_tenant", "store"]

ALLOWED_ORIGIN = "https://chat.example"
REQUEST_TIMEOUT_MS = 400
RATE = 50
BURST = BURST_S * RATE
# These tests are about input. A busy machine, or a ping at the wrong moment, is none of their business.
PATIENT = {
    "relevo.router.tenant.registry.TENANT_IDLE_MS": 2000,
    "node_lease_ms": 30_000,
    "store_timeout_ms": 10_000,
    "ping_interval_ms": 3_600_000,
}


@pytest.fixture(scope="session")
def routers(store: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RouterProcess]]:
    """Two routers on the one store, without rate limits."""
    limits = {
        "message_rate": 10**6,
        "agent_message_rate": 0,
        "tenant_message_rate": 0,
    }
    with running_routers(2, store.url, tmp_path_factory.mktemp("routers"), **PATIENT, **limits) as pair:
        yield pair


@pytest.fixture(scope="session")
def strict(store: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RouterProcess]:
    """A router with limits that small tests reach, but for one: its messages may be large."""
    limits: dict[str, int | str] = {
        "allowed_origins": ALLOWED_ORIGIN,
        "relevo.router.transport.http_guard.REQUEST_TIMEOUT_MS": REQUEST_TIMEOUT_MS,
        "relevo.router.transport.http_guard.REQUEST_BYTES_MAX": 10_000_000,
        "relevo.router.transport.websocket.MESSAGE_BYTES_MAX": 1_000_000,
        "message_rate": RATE,
        "agent_message_rate": 2 * RATE,
        "back_end_message_rate": 2 * RATE,
        "tenant_message_rate": 4 * RATE,
        **PATIENT,
    }
    with running_routers(1, store.url, tmp_path_factory.mktemp("strict"), **limits) as (router,):
        yield router


@pytest.fixture
def tenant(routers: list[RouterProcess], make_tenant: MakeTenant) -> Tenant:
    """A tenant on the two shared routers."""
    return make_tenant(routers)


@pytest.fixture(autouse=True)
async def bystander(routers: list[RouterProcess], make_tenant: MakeTenant) -> AsyncIterator[RawClient]:
    """A client with an open dialog, which after every test still gets what changes."""
    tenant = make_tenant(routers)
    client = await tenant.connect_agent("bystander")
    await client.open_dialog()
    yield client
    await still_served(tenant, client)


async def still_served(tenant: Tenant, client: RawClient) -> None:
    """Fail unless a client that has its dialog open gets its pong and its patch."""
    assert (await client.reply(await client.send("ping")))["type"] == "pong"
    await tenant.settle(client)
