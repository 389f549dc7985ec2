"""When a node renews its leases, and what it concludes from an answer."""

import asyncio
import selectors
from collections import Counter, defaultdict
from collections.abc import Callable, Coroutine, Sequence
from itertools import pairwise
from typing import Any

import pytest

from relevo.router.observe.supervisor import Supervisor
from relevo.router.store.answers import Lease
from relevo.router.store.commands import StoreCommands
from relevo.router.tenant.lease import GROUPS, WAKE_STEP_S, Leases
from tests.router.store.fakes import FakeStoreClient

RENEW_S, LEASE_S = 2.0, 6.0
TENANTS = [f"tenant-{number}" for number in range(1000)]
AT_ONCE_MAX = 4 * len(TENANTS) // GROUPS
"""Chance parts the tenants: a group has a few more than another."""


class ForgetfulStore(StoreCommands):
    """A store that never knew of a lease."""

    def __init__(self) -> None:
        # Nothing else of the real one is needed.
        self.store = FakeStoreClient()

    async def renew(self, tenant: str) -> Lease:
        return Lease(known=False, epoch="e1", seq=1, due_in_ms=60_000, connections=0)


class SilentStore(ForgetfulStore):
    """A store that never answers."""

    async def renew(self, tenant: str) -> Lease:
        await asyncio.Event().wait()
        raise AssertionError("the event is never set")


async def first_lease(held_before: bool) -> Lease:
    """Return what is concluded from the first renewal."""
    told: asyncio.Future[Lease] = asyncio.get_running_loop().create_future()
    leases = Leases(
        ForgetfulStore(),
        lease_ms=60_000,
        renew_ms=1,
        on_lease=lambda tenant, lease: None if told.done() else told.set_result(lease),
        on_expired=lambda tenant: pytest.fail("the lease is a minute long"),
    )
    if held_before:
        leases.renewed("acme")
    supervisor = Supervisor()
    leases.start(supervisor)
    leases.serve("acme")
    try:
        return await told
    finally:
        await supervisor.stop()


async def test_held_lease_unknown_to_the_store_has_expired() -> None:
    assert not (await first_lease(held_before=True)).known


async def test_first_lease_of_a_tenant_cannot_have_expired() -> None:
    assert (await first_lease(held_before=False)).known


async def test_lease_expires_on_time_before_a_late_renewal() -> None:
    ran_out: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    leases = Leases(
        SilentStore(),
        lease_ms=20,
        renew_ms=60_000,
        on_lease=lambda tenant, lease: pytest.fail("the store never answers"),
        on_expired=ran_out.set_result,
    )
    leases.renewed("acme")
    supervisor = Supervisor()
    leases.start(supervisor)
    leases.serve("acme")
    try:
        async with asyncio.timeout(30):
            assert await ran_out == "acme"
        assert not leases.holds("acme")
    finally:
        await supervisor.stop()


# On a loop of its own time ----------------------------------------------------------------------------------


class VirtualTime(selectors.SelectSelector):
    """The time of a loop that waits for nothing but time, and does not take it."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now_s += timeout or 0
        return super().select(0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """A loop on which a wait is over at once."""

    def __init__(self) -> None:
        self.clock = VirtualTime()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now_s


class LeaseRun:
    """
    A node's leases, from the moment at which it starts and opens its tenants.

    Args:
        silent: The tenants whose renewals the store does not answer.

    Attributes:
        asked: When each lease was to be renewed.
        expired: The leases that ran out, with when they had been to be renewed before that was noticed.
    """

    def __init__(self, silent: Sequence[str] = ()) -> None:
        self.asked: defaultdict[str, list[float]] = defaultdict(list)
        self.expired: dict[str, list[float]] = {}
        self.loop = asyncio.get_running_loop()
        life = self

        class Store(ForgetfulStore):
            async def renew(self, tenant: str) -> Lease:
                life.asked[tenant].append(life.loop.time())
                if tenant in silent:
                    await asyncio.Event().wait()
                return await super().renew(tenant)

        self.leases = Leases(
            Store(),
            lease_ms=int(LEASE_S * 1000),
            renew_ms=int(RENEW_S * 1000),
            on_lease=lambda tenant, lease: None,
            on_expired=lambda tenant: self.expired.update({tenant: list(self.asked[tenant])}),
        )
        self.supervisor = Supervisor()
        self.leases.start(self.supervisor)
        for tenant in TENANTS:
            self.leases.serve(tenant)

    def stand_still(self, seconds: float) -> None:
        """Have time pass without that the node gets to do anything."""
        assert isinstance(self.loop, VirtualTimeLoop)
        self.loop.clock.now_s += seconds

    def at_once(self, since_s: float = 0.0) -> int:
        """Return how many leases were renewed in the fullest moment."""
        moments = Counter(at for times in self.asked.values() for at in times if at > since_s)
        return max(moments.values())


def live(course: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a test in no time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(course())


def test_leases_are_renewed_in_time_and_spread() -> None:
    async def course() -> None:
        life = LeaseRun()
        await asyncio.sleep(5 * RENEW_S)
        for tenant in TENANTS:
            times = [0.0, *life.asked[tenant]]
            assert len(times) >= 5
            assert max(later - earlier for earlier, later in pairwise(times)) <= RENEW_S + 1e-6
        assert life.at_once() <= AT_ONCE_MAX
        assert not life.expired
        await life.supervisor.stop()

    live(course)


def test_renewals_after_a_standstill_catch_up_and_stay_spread() -> None:
    async def course() -> None:
        life = LeaseRun()
        await asyncio.sleep(2.51 * RENEW_S)
        life.stand_still(1.4 * RENEW_S)
        stood_until = life.loop.time()
        await asyncio.sleep(0.1 * RENEW_S)
        for tenant in TENANTS:
            assert stood_until in life.asked[tenant]
        await asyncio.sleep(3 * RENEW_S)
        assert life.at_once(since_s=stood_until + 0.1) <= AT_ONCE_MAX
        assert not life.expired
        await life.supervisor.stop()

    live(course)


def test_lease_expired_in_a_standstill_is_reported_before_renewal() -> None:
    async def course() -> None:
        life = LeaseRun()
        await asyncio.sleep(2.01 * RENEW_S)
        asked = {tenant: list(times) for tenant, times in life.asked.items()}
        life.stand_still(LEASE_S)
        stood_until = life.loop.time()
        await asyncio.sleep(RENEW_S)
        assert life.expired == asked
        # Not once for each renewal that was missed.
        assert all(times.count(stood_until) <= 2 for times in life.asked.values())
        await life.supervisor.stop()

    live(course)


def test_unanswered_renewal_delays_no_other_tenant() -> None:
    async def course() -> None:
        silent = TENANTS[0]
        life = LeaseRun([silent])
        life.leases.renewed(silent)
        await asyncio.sleep(5 * RENEW_S)
        assert life.expired.keys() == {silent}
        for tenant in TENANTS:
            assert len(life.asked[tenant]) >= 4
        await life.supervisor.stop()

    live(course)


def test_group_without_tenants_does_not_wake_the_loop() -> None:
    async def course() -> None:
        life = LeaseRun()
        await asyncio.sleep(2 * RENEW_S)
        for tenant in TENANTS:
            life.leases.leave(tenant)
        await asyncio.sleep(2 * RENEW_S)
        waiting = {task.get_name() for task in asyncio.all_tasks() - {asyncio.current_task()}}
        assert waiting == {"lease expiry"}
        served_at = life.loop.time()
        life.leases.serve(TENANTS[0])
        await asyncio.sleep(RENEW_S)
        assert any(at >= served_at for at in life.asked[TENANTS[0]])
        await life.supervisor.stop()

    live(course)


def test_lease_is_renewed_when_something_is_due_before_its_next_renewal() -> None:
    async def course() -> None:
        life, tenant = LeaseRun(), TENANTS[0]
        await asyncio.sleep(2.01 * RENEW_S)  # At the turn of no group.
        asked, at = life.asked[tenant], life.loop.time()
        asked.clear()
        life.leases.expect(tenant, 700)
        life.leases.expect(tenant, 300)
        life.leases.expect(tenant, 290)
        life.leases.expect(tenant, int(RENEW_S * 1000))
        await asyncio.sleep(0.5)
        woken = [time - at for time in asked if time - at < 0.5]
        # Its turn may come, too, within that time.
        assert any(0.29 <= after_s <= 0.29 + WAKE_STEP_S + 1e-6 for after_s in woken)
        assert len(woken) <= 2
        await life.supervisor.stop()

    live(course)


def test_lease_is_renewed_again_and_again_while_more_is_due() -> None:
    class BusyStore(ForgetfulStore):
        steps = 50

        async def renew(self, tenant: str) -> Lease:
            self.steps -= 1
            due_in_ms = 60_000 if self.steps == 0 else -self.steps
            return Lease(known=True, epoch="e1", seq=1, due_in_ms=due_in_ms, connections=0)

    async def course() -> None:
        told: list[Lease] = []
        store, supervisor = BusyStore(), Supervisor()
        leases = Leases(store, 6_000, 2_000, lambda tenant, lease: told.append(lease), lambda tenant: None)
        leases.start(supervisor)
        leases.serve("acme")
        leases.renewed("acme")
        await asyncio.sleep(0.001)
        assert store.steps == 0
        assert len(told) == 50
        await supervisor.stop()

    live(course)


def test_left_tenant_is_not_renewed_when_something_is_due() -> None:
    async def course() -> None:
        life, tenant = LeaseRun(), TENANTS[0]
        await asyncio.sleep(2.01 * RENEW_S)  # At the turn of no group.
        life.leases.expect(tenant, 100)
        life.leases.leave(tenant)
        life.leases.expect(tenant, 100)
        asked = len(life.asked[tenant])
        await asyncio.sleep(RENEW_S)
        assert len(life.asked[tenant]) == asked
        await life.supervisor.stop()

    live(course)


def test_left_tenant_is_not_renewed() -> None:
    async def course() -> None:
        life = LeaseRun()
        await asyncio.sleep(2.01 * RENEW_S)  # At the turn of no group.
        left, other = TENANTS[:2]
        asked = len(life.asked[left])
        assert life.leases.holds(left)
        life.leases.leave(left)
        assert not life.leases.holds(left)
        # Between two groups: one that is due at this very instant may be asked for before or after.
        await asyncio.sleep((2 + 0.5 / GROUPS) * RENEW_S)
        assert len(life.asked[left]) == asked
        assert len(life.asked[other]) > asked
        await life.supervisor.stop()

    live(course)


@pytest.mark.parametrize("task", ["_keep_renewing", "_keep_watch"])
def test_leases_task_that_fails_is_restarted(task: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run, failures = getattr(Leases, task), [LookupError("a defect")]

    async def fail_once(*arguments: Any) -> None:
        if failures:
            raise failures.pop()
        await run(*arguments)

    monkeypatch.setattr(Leases, task, fail_once)

    async def course() -> None:
        life = LeaseRun()
        silent = TENANTS[0]
        await asyncio.sleep(5 * RENEW_S)
        assert all(len(life.asked[tenant]) >= 3 for tenant in TENANTS)
        assert sum(life.supervisor.restarts.values()) == 1
        life.leases.leave(silent)
        life.leases.renewed(silent)
        await asyncio.sleep(2 * LEASE_S)
        assert life.expired.keys() == {silent}
        await life.supervisor.stop()

    live(course)


async def test_due_at_once_twice_in_a_turn_of_the_loop_is_renewed() -> None:
    # On uvloop, whose handles of what is due at once have no time.
    renewed = asyncio.Event()
    leases = Leases(
        ForgetfulStore(),
        lease_ms=60_000,
        renew_ms=30_000,
        on_lease=lambda tenant, lease: renewed.set(),
        on_expired=lambda tenant: pytest.fail("the lease is a minute long"),
    )
    supervisor = Supervisor()
    leases.start(supervisor)
    leases.serve("acme")
    for due_in_ms in (0, 0, 100):
        leases.expect("acme", due_in_ms)
    async with asyncio.timeout(30):
        await renewed.wait()
    leases.expect("acme", 100)
    leases.leave("acme")
    await supervisor.stop()
