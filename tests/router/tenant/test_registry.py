"""Tenants are opened at first use and dropped when idle; feed, subscriptions and leases are fakes."""

import asyncio
from typing import Any, cast

import pytest

from relevo.router.config import Settings
from relevo.router.store.client.errors import StoreUnavailableError
from relevo.router.tenant.fanout import TenantHub
from relevo.router.tenant.registry import DROPPED_AT_ONCE, TenantRegistry


@pytest.fixture(autouse=True)
def short_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have an idle tenant dropped in the next iterations of the loop."""
    monkeypatch.setattr("relevo.router.tenant.registry.TENANT_IDLE_MS", 0)


class FakeParts:
    """Feed, subscriptions and leases in one, which keep what they are asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.followed: dict[str, asyncio.Event] = {}
        self.is_slow = False

    def follow(self, tenant: str, hub: TenantHub) -> None:
        self.asked.append(f"follow {tenant}")
        self.followed[tenant] = asyncio.Event()
        if not self.is_slow:
            self.followed[tenant].set()

    async def ready(self, tenant: str) -> None:
        await self.followed[tenant].wait()

    def is_ready(self, tenant: str) -> bool:
        return tenant in self.followed and self.followed[tenant].is_set()

    def leave(self, tenant: str) -> None:
        self.asked.append(f"leave {tenant}")
        self.followed.pop(tenant, None)

    def add(self, tenant: str) -> None:
        self.asked.append(f"subscribe {tenant}")

    def remove(self, tenant: str) -> None:
        self.asked.append(f"unsubscribe {tenant}")

    def serve(self, tenant: str) -> None:
        self.asked.append(f"lease {tenant}")


class RegistryWithFakes:
    """A registry with its fakes, and an event for a tenant that was dropped."""

    def __init__(self, **changed: Any) -> None:
        self.parts = FakeParts()
        self.dropped: asyncio.Queue[str] = asyncio.Queue()
        parts = cast(Any, self.parts)
        settings = Settings(**changed)
        self.registry = TenantRegistry(settings, parts, parts, parts, self.dropped.put_nowait)


async def test_a_tenant_is_opened_at_first_use_and_once() -> None:
    tenants = RegistryWithFakes()
    hub = await tenants.registry.serve("acme")
    assert await tenants.registry.serve("acme") is hub
    assert tenants.parts.asked == ["follow acme", "subscribe acme", "lease acme"]
    assert (tenants.registry.hub("acme"), len(tenants.registry)) == (hub, 1)
    assert tenants.registry.hub("globex") is None


async def test_a_tenant_whose_directory_is_not_read_in_time_is_not_served() -> None:
    tenants = RegistryWithFakes(store_timeout_ms=10)
    tenants.parts.is_slow = True
    with pytest.raises(TimeoutError):
        await tenants.registry.serve("acme")


async def test_tenants_beyond_the_maximum_are_not_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("relevo.router.tenant.registry.TENANTS_MAX", 1)
    tenants = RegistryWithFakes()
    await tenants.registry.serve("acme")
    with pytest.raises(StoreUnavailableError, match="as many tenants as it may"):
        await tenants.registry.serve("globex")
    await tenants.registry.serve("acme")


async def test_a_tenant_is_dropped_after_its_last_connection() -> None:
    tenants = RegistryWithFakes()
    for connection_id in ("c1", "c2"):
        tenants.registry.enter("acme", connection_id)
    await tenants.registry.serve("acme")
    tenants.registry.leave("acme", "c1")
    await asyncio.sleep(0)
    assert tenants.dropped.empty()
    tenants.registry.leave("acme", "c2")
    async with asyncio.timeout(30):
        assert await tenants.dropped.get() == "acme"
    assert tenants.registry.hub("acme") is None
    assert sorted(tenants.parts.asked[3:]) == ["leave acme", "leave acme", "unsubscribe acme"]


async def test_tenants_that_become_idle_together_are_dropped_in_slices() -> None:
    tenants, names = RegistryWithFakes(), [f"tenant-{number}" for number in range(3 * DROPPED_AT_ONCE)]
    for name in names:
        tenants.registry.enter(name, "c1")
        await tenants.registry.serve(name)
    for name in names:
        tenants.registry.leave(name, "c1")
    dropped = []
    async with asyncio.timeout(30):
        while len(tenants.registry):
            before = len(tenants.registry)
            await asyncio.sleep(0)
            dropped.append(before - len(tenants.registry))
    assert max(dropped) == DROPPED_AT_ONCE
    assert [tenants.dropped.get_nowait() for _ in names] == names


async def test_a_tenant_that_becomes_idle_after_another_is_dropped_too() -> None:
    tenants = RegistryWithFakes()
    async with asyncio.timeout(30):
        for name in ("acme", "globex"):
            tenants.registry.enter(name, "c1")
            await tenants.registry.serve(name)
            tenants.registry.leave(name, "c1")
            assert await tenants.dropped.get() == name


async def test_a_connection_that_enters_an_idle_tenant_keeps_it() -> None:
    tenants = RegistryWithFakes()
    for connection_id, tenant in (("c1", "acme"), ("c2", "globex")):
        tenants.registry.enter(tenant, connection_id)
        await tenants.registry.serve(tenant)
        tenants.registry.leave(tenant, connection_id)
    tenants.registry.enter("acme", "c3")
    async with asyncio.timeout(30):
        assert await tenants.dropped.get() == "globex"
    assert tenants.registry.hub("acme") is not None


async def test_a_connection_is_known_from_its_entry_until_it_leaves() -> None:
    registry = RegistryWithFakes().registry
    seen = [registry.has_connection("acme", "c1")]
    registry.enter("acme", "c1")
    seen += [registry.has_connection("acme", "c1"), registry.has_connection("globex", "c1")]
    registry.leave("acme", "c1")
    seen.append(registry.has_connection("acme", "c1"))
    assert seen == [False, True, False, False]


async def test_a_stopped_registry_follows_no_feed() -> None:
    tenants = RegistryWithFakes()
    await tenants.registry.serve("acme")
    tenants.registry.stop()
    assert tenants.parts.followed == {}
