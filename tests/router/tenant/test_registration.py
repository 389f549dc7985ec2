"""The store's list of connections is kept equal to the node's."""

from collections.abc import Sequence
from typing import Any, cast

import msgspec
import pytest

from relevo.protocol.errors import CloseCode
from relevo.protocol.objects import Agent
from relevo.router.observe.tasks import BackgroundTasks
from relevo.router.store import answers
from relevo.router.store.client.errors import StoreUnavailableError
from relevo.router.store.commands import Caller
from relevo.router.tenant.directory import GapError, Replica
from relevo.router.tenant.fanout import TenantHub
from relevo.router.tenant.in_flight import InFlightLimiters
from relevo.router.tenant.registration import PendingDisconnects, Registration
from tests.router.events import agent_record, directory, packed_record
from tests.router.hubs import make_hub
from tests.router.tenant.test_fanout import Listener


def test_pending_disconnects_of_a_tenant_are_taken_once() -> None:
    pending = PendingDisconnects(100)
    for connection_id in ("c1", "c2", "c1"):
        pending.add("acme", "ana", connection_id)
    pending.add("globex", "ana", "c3")
    assert len(pending) == 3
    assert pending.take("acme") == [("ana", "c1"), ("ana", "c2")]
    assert (pending.take("acme"), pending.take("unknown")) == ([], [])
    assert len(pending) == 1


def test_pending_disconnects_beyond_the_bound_drop_the_oldest() -> None:
    pending = PendingDisconnects(3)
    pending.add("globex", "bob", "c")
    for number in range(100):
        pending.add("acme", "ana", f"c{number}")
        assert len(pending) <= 3
    assert pending.take("acme") == [("ana", "c98"), ("ana", "c99")]
    assert pending.take("globex") == [("bob", "c")]


def test_pending_disconnects_without_room_keep_none_of_a_new_tenant() -> None:
    pending = PendingDisconnects(1)
    pending.add("globex", "bob", "c")
    pending.add("acme", "ana", "c")
    assert (pending.take("acme"), len(pending)) == ([], 1)


# With fakes of the store, the feed and the leases -----------------------------------------------------------


class FakeStore:
    """Store commands that keep what they are asked, and answer as a test says."""

    consequence_level = 30  # As `logging` has it: a warning.

    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.epochs: list[str] = []
        self.error: Exception | None = None
        self.known = True
        self.counted: list[tuple[str, str]] = []

    async def connect(
        self, tenant: str, claims: Caller, connection_id: str, silent: Sequence[str] = ()
    ) -> answers.Attached:
        self.asked.append(("connect", claims.id, connection_id))
        if self.error is not None:
            raise self.error
        epoch = self.epochs.pop(0) if self.epochs else "e1"
        return answers.Attached(packed_record(agent_record("ana")), self.known, epoch, 1, [], [])

    async def disconnect(self, tenant: str, agent_id: str, connection_id: str, clean: bool) -> None:
        self.asked.append(("disconnect", agent_id, connection_id))
        if self.error is not None:
            raise self.error

    async def connections(self, tenant: str) -> list[tuple[str, str]]:
        self.asked.append(("connections",))
        return self.counted


class RegisteredClient(Listener):
    """A client whose connection is registered."""

    def __init__(self, connection_id: str, agent_id: str = "ana") -> None:
        super().__init__()
        self.connection_id = connection_id
        self.agent_id = agent_id

    def claims_again(self) -> Caller:
        return Caller(self.agent_id, "agent", again=True)


class RegistrationWithFakes:
    """A registration of one tenant with its fakes, which are tenants, feed and leases in one."""

    def __init__(self) -> None:
        self.store = FakeStore()
        self.tasks = BackgroundTasks()
        replica = Replica(10)
        replica.load(directory(1))
        self.tenant_hub = make_hub(replica)
        self.is_held = True
        self.renewals = 0
        self.repairs = 0
        self.open_connections: set[str] = set()
        fake = cast(Any, self)
        self.registration = Registration(
            cast(Any, self.store),
            fake,
            fake,
            fake,
            InFlightLimiters(),
            self.tasks,
            timeout_ms=1000,
            pending_max=10,
        )

    def hub(self, tenant: str) -> TenantHub | None:
        return self.tenant_hub if tenant == "acme" else None

    def has_connection(self, tenant: str, connection_id: str) -> bool:
        return connection_id in self.open_connections

    async def repair(self, tenant: str) -> None:
        self.repairs += 1

    def is_repairing(self, tenant: str) -> bool:
        return False

    def compare(self, tenant: str, epoch: str, seq: int, now_s: float) -> None:
        pass

    def holds(self, tenant: str) -> bool:
        return self.is_held

    def renewed(self, tenant: str) -> None:
        self.renewals += 1

    def attach(self, *connection_ids: str) -> list[RegisteredClient]:
        clients = [RegisteredClient(connection_id) for connection_id in connection_ids]
        for client in clients:
            self.tenant_hub.attach(client.agent_id, client)
            self.open_connections.add(client.connection_id)
        return clients

    async def renew(self, connections: int, *, known: bool = True) -> None:
        """Renew the lease once, and run what comes of it."""
        lease = answers.Lease(known=known, epoch="e1", seq=1, due_in_ms=60_000, connections=connections)
        self.registration.lease_renewed("acme", lease)
        await self.tasks.finish(30)


CLAIMS = Caller("ana", "agent")


@pytest.fixture
async def parts() -> RegistrationWithFakes:
    return RegistrationWithFakes()


async def test_register_renews_the_lease(parts: RegistrationWithFakes) -> None:
    attached = await parts.registration.register("acme", CLAIMS, "c1")
    assert (attached.epoch, parts.store.asked, parts.renewals) == ("e1", [("connect", "ana", "c1")], 1)


async def test_register_in_another_epoch_waits_for_the_feed_and_repeats(parts: RegistrationWithFakes) -> None:
    parts.store.epochs = ["e2", "e1"]
    await parts.registration.register("acme", CLAIMS, "c1")
    assert (len(parts.store.asked), parts.repairs) == (2, 1)


async def test_register_in_ever_new_epochs_is_unavailable(parts: RegistrationWithFakes) -> None:
    parts.store.epochs = ["e2", "e3"]
    with pytest.raises(StoreUnavailableError, match="one epoch after the other"):
        await parts.registration.register("acme", CLAIMS, "c1")


async def test_register_without_an_answer_is_disconnected_at_the_next_renewal(
    parts: RegistrationWithFakes,
) -> None:
    parts.store.error = StoreUnavailableError("no answer in time")
    with pytest.raises(StoreUnavailableError):
        await parts.registration.register("acme", CLAIMS, "c1")
    parts.store.error = None
    await parts.renew(0)
    assert parts.store.asked[-1] == ("disconnect", "ana", "c1")


async def test_register_with_a_lost_lease_closes_the_tenants_clients(parts: RegistrationWithFakes) -> None:
    (client,) = parts.attach("c0")
    parts.store.known = False
    await parts.registration.register("acme", CLAIMS, "c1")
    assert client.closed is CloseCode.STORE_LOST


async def test_disconnect_without_the_store_is_deferred_to_the_next_renewal(
    parts: RegistrationWithFakes,
) -> None:
    parts.store.error = StoreUnavailableError("no answer in time")
    await parts.registration.disconnect("acme", "ana", "c1", clean=True)
    parts.store.error = None
    await parts.renew(0)
    await parts.renew(0)
    assert parts.store.asked == [("disconnect", "ana", "c1")] * 2


async def test_disconnects_of_a_dropped_tenant_are_not_sent(parts: RegistrationWithFakes) -> None:
    parts.store.error = StoreUnavailableError("no answer in time")
    await parts.registration.disconnect("acme", "ana", "c1", clean=True)
    parts.store.error = None
    parts.registration.drop("acme")
    await parts.renew(0)
    assert len(parts.store.asked) == 1


async def test_renewal_of_an_unknown_lease_closes_the_tenants_clients(parts: RegistrationWithFakes) -> None:
    clients = parts.attach("c1", "c2")
    await parts.renew(2, known=False)
    assert [client.closed for client in clients] == [CloseCode.STORE_LOST] * 2


async def test_renewals_that_count_others_twice_are_reconciled(parts: RegistrationWithFakes) -> None:
    parts.attach("c1", "c2")
    parts.store.counted = [("ana", "c1"), ("bob", "stray")]
    await parts.renew(3)
    assert parts.store.asked == []
    await parts.renew(3)
    assert parts.store.asked == [
        ("connections",),
        ("disconnect", "bob", "stray"),
        ("connect", "ana", "c2"),
    ]


async def test_renewal_with_the_right_count_between_two_wrong_reconciles_nothing(
    parts: RegistrationWithFakes,
) -> None:
    parts.attach("c1")
    for counted in (3, 1, 3):
        await parts.renew(counted)
    assert parts.store.asked == []


async def test_reload_registers_the_clients_again(parts: RegistrationWithFakes) -> None:
    parts.attach("c1", "c2")
    await parts.registration.reloaded("acme", False)
    assert sorted(parts.store.asked) == [("connect", "ana", "c1"), ("connect", "ana", "c2")]


async def test_reload_that_finds_another_role_tells_it_and_ends_the_watch(
    parts: RegistrationWithFakes,
) -> None:
    admin, agent = parts.attach("c1", "c2")
    admin.role = "admin"
    parts.tenant_hub.watchers[admin] = None
    await parts.registration.reloaded("acme", False)
    assert (admin.role, list(parts.tenant_hub.watchers)) == ("agent", [])
    told = [[one for one in each.heard if one["type"] == "status.changed"] for each in (admin, agent)]
    assert [len(one) for one in told] == [1, 0]
    assert msgspec.convert(told[0][0]["agent"], Agent).role == "agent"


async def test_reload_in_another_epoch_is_a_gap(parts: RegistrationWithFakes) -> None:
    parts.attach("c1")
    parts.store.epochs = ["e2"]
    with pytest.raises(GapError):
        await parts.registration.reloaded("acme", False)


async def test_reload_of_a_store_that_forgot_events_closes_the_clients(parts: RegistrationWithFakes) -> None:
    (client,) = parts.attach("c1")
    await parts.registration.reloaded("acme", True)
    assert (client.closed, parts.store.asked) == (CloseCode.STORE_LOST, [])
