"""The feed on a real store: lost events are noticed and repaired, and nothing is delivered twice."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest
import structlog

from relevo.router.observe.supervisor import Supervisor
from relevo.router.store import answers
from relevo.router.store.client.client import StoreClient
from relevo.router.store.client.errors import StoreDefectError, StoreUnavailableError
from relevo.router.store.commands import Caller, CommandLimits, StoreCommands
from relevo.router.tenant.directory import Replica
from relevo.router.tenant.feed import Feed
from tests.router.hubs import make_hub
from tests.router.tenant.test_fanout import Listener
from tests.servers import StoreServer, running
from tests.stored_records import packed_event, rewrite_meta

LATE_MS = 1000
LIMITS = CommandLimits(
    events_max=100,
    key_ttl_ms=60_000,
    closed_retention_ms=60_000,
    presence_grace_ms=1_000,
    session_grace_ms=2_000,
    lease_ms=60_000,
    connections_per_agent_max=5,
    agents_max=100,
    departments_max=100,
    sessions_max=100,
    history_max=100,
)


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreServer]:
    with running(StoreServer(tmp_path_factory.mktemp("valkey"))) as server:
        yield server


class FollowedTenant:
    """A tenant that is followed, with one open dialog; the test is its channel."""

    def __init__(self, server: StoreServer, store_commands: StoreCommands, tenant: str) -> None:
        self.server = server
        self.store_commands = store_commands
        self.tenant = tenant
        self.reloaded = 0
        self.forgotten = 0
        self.unavailable = 0
        self.hub = make_hub(Replica(100), lambda: self.hub.flush())
        self.dialog = Listener()
        self.supervisor = Supervisor()
        self.due: list[int] = []
        self.feed = Feed(
            store_commands,
            self.supervisor,
            buffer_max=4,
            late_ms=LATE_MS,
            on_due=lambda tenant, in_ms: self.due.append(in_ms),
            on_reloaded=self._on_reloaded,
        )
        self.feed.follow(tenant, self.hub)

    async def _on_reloaded(self, tenant: str, has_forgotten: bool) -> None:
        if self.unavailable:
            self.unavailable -= 1
            raise StoreUnavailableError("for the moment")
        self.reloaded += 1
        self.forgotten += has_forgotten

    async def begin(self) -> None:
        """Subscribe, wait for the directory, and open the dialog."""
        self.feed.subscribed(self.tenant)
        await self.feed.ready(self.tenant)
        self.hub.subscribe(self.dialog, None)

    async def change(self, number: int) -> bytes:
        """Make an event in the store and return what the channel would bring."""
        department = {"id": f"d{number}", "name": f"Department {number}"}
        request: dict[str, Any] = {"by": Caller("crm", "service"), "department": department}
        await self.store_commands.run(self.tenant, "department_put", request, msgspec.Raw)
        return packed_event(self.server, self.tenant)

    async def repaired(self) -> None:
        """Wait until nothing is being read any more."""
        repairs = [task for task in asyncio.all_tasks() if task.get_name() == "feed repair"]
        if repairs:
            await asyncio.wait(repairs)

    async def renew(self, now_s: float) -> None:
        """Renew the lease, and compare what the store says of its position."""
        lease = await self.store_commands.renew(self.tenant)
        self.feed.compare(self.tenant, lease.epoch, lease.seq, now_s)

    def departments(self) -> list[str]:
        """Return the ids of the departments that the dialog shows, as its messages made it."""
        shown: dict[str, None] = {}
        for message in self.dialog.heard:
            if message["type"] == "directory.snapshot":
                shown.clear()
            rows = message["departments"]
            assert isinstance(rows, list)
            shown.update((row["id"], None) for row in rows)
        return sorted(shown)


@pytest.fixture
async def followed(valkey: StoreServer, request: pytest.FixtureRequest) -> AsyncIterator[FollowedTenant]:
    store = StoreClient(valkey.url)
    await store.open()
    tenant = request.node.name
    yield FollowedTenant(valkey, StoreCommands(store, LIMITS, "n1"), tenant)
    await store.close()


async def test_event_reaches_the_subscribers(followed: FollowedTenant) -> None:
    await followed.begin()
    followed.feed.heard(followed.tenant, await followed.change(1))
    assert followed.departments() == ["d1"]
    assert followed.feed.gaps == 0


async def test_event_says_when_a_session_is_due(followed: FollowedTenant) -> None:
    await followed.begin()
    by = Caller("crm", "service")
    profile = {"id": "ana", "name": "Ana", "role": "agent", "departments": [], "capacity": 1}
    settings = {"pending_ms": answers.packed(700)}
    opened = {
        "session_id": "s",
        "customer": {"id": "c", "name": "C"},
        "target": {"kind": "agent", "id": "ana"},
    }
    requests: list[tuple[str, dict[str, Any]]] = [
        ("agent_put", {"agent": profile}),
        ("settings_put", {"settings": settings, "parties": []}),
        ("session_open", opened),
    ]
    for command, request in requests:
        await followed.store_commands.run(followed.tenant, command, {"by": by, **request}, msgspec.Raw)
        followed.feed.heard(followed.tenant, packed_event(followed.server, followed.tenant))
    assert followed.due == [700]


async def test_lost_event_is_read_from_the_stream(followed: FollowedTenant) -> None:
    await followed.begin()
    await followed.change(1)
    followed.feed.heard(followed.tenant, await followed.change(2))
    await followed.repaired()
    assert followed.departments() == ["d1", "d2"]
    assert (followed.feed.gaps, followed.reloaded) == (1, 0)
    assert followed.dialog.chain()[-1][1] == 2


async def test_gap_beyond_the_stream_reloads_the_directory(followed: FollowedTenant) -> None:
    await followed.begin()
    await followed.change(1)
    last = await followed.change(2)
    followed.server.call("HDEL", f"relevo:{{{followed.tenant}}}:tenant", 1)
    followed.feed.heard(followed.tenant, last)
    await followed.repaired()
    assert followed.departments() == ["d1", "d2"]
    assert followed.reloaded == 1
    assert followed.dialog.heard[-1]["type"] == "directory.snapshot"


@pytest.mark.limit("FEED_BUFFER_MAX")
async def test_events_during_a_repair_are_bounded_and_not_lost(
    followed: FollowedTenant,
) -> None:
    payloads = [await followed.change(number) for number in range(1, 8)]
    followed.feed.subscribed(followed.tenant)
    for payload in payloads:
        followed.feed.heard(followed.tenant, payload)
        assert followed.feed.waiting <= 4
    await followed.feed.ready(followed.tenant)
    await followed.repaired()
    followed.hub.subscribe(followed.dialog, None)
    assert followed.departments() == [f"d{number}" for number in range(1, 8)]


async def test_repeated_event_is_sent_once(followed: FollowedTenant) -> None:
    await followed.begin()
    payload = await followed.change(1)
    for _ in range(3):
        followed.feed.heard(followed.tenant, payload)
    assert followed.dialog.chain() == [(None, 0), (0, 1)]


async def test_new_epoch_reloads_the_directory(followed: FollowedTenant) -> None:
    await followed.begin()
    followed.feed.heard(followed.tenant, await followed.change(1))
    before = followed.hub.replica.epoch
    keys = followed.server.call("KEYS", f"relevo:{{{followed.tenant}}}:*")
    followed.server.call("DEL", *keys)
    followed.feed.heard(followed.tenant, await followed.change(2))
    await followed.repaired()
    assert followed.departments() == ["d2"]
    assert followed.hub.replica.epoch != before
    assert followed.reloaded == 1


@pytest.mark.parametrize(("kept", "forgotten"), [(2, 0), (1, 1)])
async def test_restarted_store_shows_whether_it_lost_events(
    followed: FollowedTenant, kept: int, forgotten: int
) -> None:
    await followed.begin()
    for number in (1, 2):
        followed.feed.heard(followed.tenant, await followed.change(number))
    # As after a restart, or on a replica that was promoted: another server, with the latest event or without.
    rewrite_meta(followed.server, followed.tenant, run="another", seq=kept)
    followed.feed.heard(followed.tenant, await followed.change(3))
    await followed.repaired()
    assert (followed.reloaded, followed.forgotten) == (1, forgotten)


async def test_reload_is_reported_until_it_is_taken(followed: FollowedTenant) -> None:
    await followed.begin()
    followed.unavailable = 2
    rewrite_meta(followed.server, followed.tenant, run="another")
    followed.feed.heard(followed.tenant, await followed.change(1))
    await followed.repaired()
    assert followed.reloaded == 1


async def test_silent_loss_is_repaired_at_the_second_renewal(followed: FollowedTenant) -> None:
    await followed.begin()
    await followed.change(1)
    for now_s in (0, LATE_MS / 1000):
        await followed.renew(now_s)
    await followed.repaired()
    assert followed.departments() == ["d1"]


async def test_late_event_between_two_renewals_at_once_is_no_loss(followed: FollowedTenant) -> None:
    await followed.begin()
    payload = await followed.change(1)
    for now_s in (0, 0.001):
        await followed.renew(now_s)
    assert (followed.feed.gaps, followed.feed.is_repairing(followed.tenant)) == (0, False)
    followed.feed.heard(followed.tenant, payload)
    await followed.renew(LATE_MS / 1000)
    assert (followed.feed.gaps, followed.departments()) == (0, ["d1"])


async def test_loss_seen_between_renewals_at_once_is_repaired_later(followed: FollowedTenant) -> None:
    await followed.begin()
    await followed.change(1)
    for now_s in (0, 0.001, LATE_MS / 1000):
        await followed.renew(now_s)
    await followed.repaired()
    assert (followed.feed.gaps, followed.departments()) == (1, ["d1"])


async def test_reconnect_during_a_repair_reads_what_was_lost(
    followed: FollowedTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await followed.begin()
    read = followed.store_commands.events

    async def read_before_the_reconnect(*position: Any) -> Any:
        found = await read(*position)
        monkeypatch.setattr(followed.store_commands, "events", read)
        await followed.change(1)  # Unheard: the channel is down.
        followed.feed.subscribed(followed.tenant)
        return found

    monkeypatch.setattr(followed.store_commands, "events", read_before_the_reconnect)
    await followed.feed.repair(followed.tenant)
    assert (followed.departments(), followed.feed.gaps) == (["d1"], 0)


async def test_repair_that_the_store_answers_with_defects_is_tried_less_often(
    followed: FollowedTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("relevo.router.tenant.feed.RETRY_S", 0.001)
    failures = [StoreDefectError("read_events", "a defect") for _ in range(3)]
    read = followed.store_commands.events

    async def read_or_fail(*position: Any) -> Any:
        if failures:
            raise failures.pop()
        return await read(*position)

    monkeypatch.setattr(followed.store_commands, "events", read_or_fail)
    await followed.begin()
    await followed.change(1)
    with structlog.testing.capture_logs() as logged:
        await followed.feed.repair(followed.tenant)
    assert [(line["event"], line["retry_in_s"]) for line in logged] == [
        ("feed repair failed", delay_s) for delay_s in (0.001, 0.002, 0.004)
    ]
    assert (followed.departments(), followed.supervisor.failing) == (["d1"], set())


async def test_repair_that_fails_is_restarted(
    followed: FollowedTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    failures = [LookupError("a defect")]
    read = followed.store_commands.events

    async def read_or_fail(*position: Any) -> Any:
        if failures:
            raise failures.pop()
        return await read(*position)

    monkeypatch.setattr(followed.store_commands, "events", read_or_fail)
    await followed.begin()
    await followed.change(1)
    await followed.feed.repair(followed.tenant)
    assert (followed.departments(), followed.supervisor.restarts) == (["d1"], {"feed repair": 1})


async def test_renewal_before_the_subscription_is_no_gap(followed: FollowedTenant) -> None:
    await followed.change(1)
    await followed.renew(0)
    assert (followed.feed.gaps, followed.feed.is_repairing(followed.tenant)) == (0, False)


async def test_bytes_that_are_no_event_are_dropped(followed: FollowedTenant) -> None:
    await followed.begin()
    followed.feed.heard(followed.tenant, b"\xc1 not an event")
    followed.feed.heard(followed.tenant, await followed.change(1))
    assert followed.departments() == ["d1"]
    followed.feed.leave(followed.tenant)
    followed.feed.heard(followed.tenant, await followed.change(2))
    assert followed.departments() == ["d1"]
