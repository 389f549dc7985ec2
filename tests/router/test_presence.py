"""What a node concludes from an answer about its lease; the store's own part is tested with the verbs."""

import asyncio

import pytest

from router.presence import Presence
from router.store.records import Lease
from router.store.verbs import Verbs


class ForgetfulStore(Verbs):
    """A store that never knew of a lease."""

    def __init__(self) -> None:
        # Nothing of the real one is needed.
        pass

    async def renew(self, tenant: str) -> Lease:
        return Lease(known=False, epoch="e1", seq=1, more=False, connections=0)


class SilentStore(ForgetfulStore):
    """A store that never answers."""

    async def renew(self, tenant: str) -> Lease:
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")


async def first_lease(held_before: bool) -> Lease:
    """Return what is concluded from the first renewal."""
    told: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
    presence = Presence(
        ForgetfulStore(),
        lease_ms=60_000,
        renew_ms=1,
        served=lambda: ["acme"],
        on_lease=lambda tenant, lease: None if told.done() else told.set_result(lease),
        on_expired=lambda tenant: pytest.fail("the lease is a minute long"),
    )
    if held_before:
        presence.held("acme")
    presence.start()
    try:
        return await told
    finally:
        await presence.stop()


async def test_a_lease_that_was_held_and_is_not_known_has_run_out() -> None:
    assert not (await first_lease(held_before=True)).known


async def test_a_tenant_that_is_just_being_opened_has_no_lease_to_lose() -> None:
    assert (await first_lease(held_before=False)).known


async def test_a_lease_runs_out_on_time_where_the_next_renewal_is_still_far() -> None:
    ran_out: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    presence = Presence(
        SilentStore(),
        lease_ms=20,
        renew_ms=60_000,
        served=lambda: ["acme"],
        on_lease=lambda tenant, lease: pytest.fail("nobody answers"),
        on_expired=ran_out.set_result,
    )
    presence.held("acme")
    presence.start()
    try:
        async with asyncio.timeout(5):
            assert await ran_out == "acme"
        assert not presence.holds("acme")
    finally:
        await presence.stop()
