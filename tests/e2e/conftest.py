"""Routers and stores, started once and shared, because each test has a tenant of its own."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from relevo.router import cli
from tests.e2e import contract
from tests.e2e.tenant import Tenant
from tests.routers import RouterProcess, running_routers
from tests.servers import ClusterServers, StoreServer, redis_binary, running

MakeTenant = Callable[..., Tenant]
StartRouters = Callable[..., list[RouterProcess]]

# A test's tenant goes soon after the test, so that hundreds of them do not renew their leases for ever.
SHARED = {"relevo.router.tenant.registry.TENANT_IDLE_MS": 2000}


def expect_clean(store_url: str) -> None:
    """Hold all that a store keeps against every rule; what is broken is printed."""
    assert cli.main(["audit", "--redis-url", store_url]) == 0


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    """A Valkey that every test of the session may use, and whose data keeps every rule at the end."""
    with running(StoreServer(tmp_path_factory.mktemp("valkey"))) as server:
        yield server
        expect_clean(server.url)


@pytest.fixture(scope="session")
def routers(store: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RouterProcess]]:
    """Two routers on the one store."""
    with running_routers(2, store.url, tmp_path_factory.mktemp("routers"), **SHARED) as pair:
        yield pair


@pytest.fixture(scope="session")
def cluster_routers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RouterProcess]]:
    """Two routers on a Valkey Cluster of three shards."""
    cluster = ClusterServers(tmp_path_factory.mktemp("cluster")).start()
    try:
        with running_routers(2, cluster.url, tmp_path_factory.mktemp("routers"), **SHARED) as pair:
            yield pair
        expect_clean(cluster.url)
    finally:
        cluster.stop()


@pytest.fixture(scope="session")
def redis_routers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RouterProcess]]:
    """Two routers on the system's redis-server."""
    binary = redis_binary()
    if binary is None:
        pytest.skip("this machine has no redis-server")
    with running(StoreServer(tmp_path_factory.mktemp("redis"), binary=binary)) as server:
        with running_routers(2, server.url, tmp_path_factory.mktemp("routers"), **SHARED) as pair:
            yield pair
        expect_clean(server.url)


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[StoreServer]:
    """A store that a test may stop."""
    (tmp_path / "store").mkdir()
    with running(StoreServer(tmp_path / "store")) as server:
        yield server


@pytest.fixture
def start_routers(store: StoreServer, tmp_path: Path) -> Iterator[StartRouters]:
    """
    Start routers for one test, which may end them. Ask for this before `make_tenant`.

    Clients have to leave before their router stops, or it waits for them.
    """
    with ExitStack() as running_ones:

        def start(count: int, store_url: str | None = None, **settings: int | str) -> list[RouterProcess]:
            return running_ones.enter_context(
                running_routers(count, store_url or store.url, tmp_path, **settings)
            )

        yield start


@pytest.fixture
async def make_tenant() -> AsyncIterator[MakeTenant]:
    """
    Make tenants on any routers; their clients are dropped at the end.

    Whatever they were sent by then is held against the protocol's document.
    """
    tenants: list[Tenant] = []

    def make(
        routers: Sequence[RouterProcess], formats: Sequence[str] = ("json",), tenant_id: str | None = None
    ) -> Tenant:
        tenants.append(Tenant(routers, formats, tenant_id))
        return tenants[-1]

    yield make
    for tenant in tenants:
        await tenant.disconnect_all()
    for tenant in tenants:
        for client in tenant.clients:
            for message in client.received:
                contract.check(message)


@pytest.fixture
def tenant(routers: list[RouterProcess], make_tenant: MakeTenant) -> Tenant:
    """A tenant on the two shared routers."""
    return make_tenant(routers)
