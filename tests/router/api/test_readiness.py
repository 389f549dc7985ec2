"""Readiness: how often the store is checked, and what is said of it."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from relevo.router.api import readiness
from relevo.router.api.readiness import StoreReadiness
from relevo.router.store.client.errors import (
    NotSentError,
    StoreDefectError,
    StoreEvictsError,
    StoreUnavailableError,
    UnsupportedStoreError,
)

ADDRESS = "store.internal:6379"


class FakeStore:
    """A store whose check a test lets end, well or with an error."""

    def __init__(self) -> None:
        self.checks = 0
        self.error: Exception | None = None
        self.answering = asyncio.Event()
        self.answering.set()

    async def check(self) -> None:
        self.checks += 1
        await self.answering.wait()
        if self.error is not None:
            raise self.error


async def test_many_requests_at_once_share_one_check() -> None:
    store = FakeStore()
    store.answering.clear()
    ready = StoreReadiness(store.check)
    requests = [asyncio.create_task(ready.reason()) for _ in range(50)]
    await asyncio.sleep(0)
    requests[0].cancel()
    store.answering.set()

    assert await asyncio.gather(*requests[1:]) == [None] * 49
    assert store.checks == 1


async def test_a_check_answers_until_it_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    store = FakeStore()
    ready = StoreReadiness(store.check)
    monkeypatch.setattr(readiness, "STORE_CHECK_VALID_MS", 3_600_000)
    await ready.reason()
    await ready.reason()
    assert store.checks == 1

    monkeypatch.setattr(readiness, "STORE_CHECK_VALID_MS", 0)
    ready = StoreReadiness(store.check)
    await ready.reason()
    await ready.reason()
    assert store.checks == 3


@pytest.mark.parametrize(
    "error",
    [
        StoreUnavailableError(f"{ADDRESS} was not reached in time"),
        NotSentError(f"{ADDRESS} was not reached in time"),
        UnsupportedStoreError(f"{ADDRESS} is Redis 6"),
        StoreEvictsError(ADDRESS, "allkeys-lru"),
        StoreDefectError("ready", f"{ADDRESS} denies it"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_failure_is_answered_without_the_address_that_the_log_has(error: Exception) -> None:
    store = FakeStore()
    store.error = error

    with capture_logs() as logs:
        reason = await StoreReadiness(store.check).reason()
    assert reason is not None
    assert ADDRESS not in reason
    assert [(line["event"], ADDRESS in line["reason"]) for line in logs] == [("store check failed", True)]


async def test_a_store_that_evicts_is_named_by_its_policy() -> None:
    store = FakeStore()
    store.error = StoreEvictsError(ADDRESS, "volatile-ttl")
    assert await StoreReadiness(store.check).reason() == (
        "the store's maxmemory-policy is volatile-ttl, not noeviction"
    )


async def test_a_failure_is_logged_once_and_so_is_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "STORE_CHECK_VALID_MS", 0)
    store = FakeStore()
    ready = StoreReadiness(store.check)
    with capture_logs() as logs:
        for error in (None, *[StoreUnavailableError("no answer")] * 5, None, None):
            store.error = error
            await ready.reason()
    assert [line["event"] for line in logs] == ["store check failed", "store check passed"]
