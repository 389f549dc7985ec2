"""The hub with clients that only keep what they are sent."""

from typing import Any

import msgspec
import pytest

from relevo.protocol.codec import JSON, MSGPACK, Codec
from relevo.protocol.errors import CloseCode
from relevo.protocol.objects import AgentRole, Session
from relevo.router.store.commands import Caller
from relevo.router.tenant.directory import Replica
from relevo.router.tenant.fanout import PATCHES_MAX, REUSED_ROWS_MIN, TenantHub
from tests.router.events import agent_record, change, directory, event, session_fields, session_record
from tests.router.hubs import make_hub


class Listener:
    """A client that keeps what it hears."""

    def __init__(self, codec: Codec = JSON) -> None:
        self.codec = codec
        self.is_slow = False
        self.behind: tuple[str, int] | None = None
        self.heard: list[dict[str, object]] = []
        self.frames: list[bytes] = []
        self.closed: CloseCode | None = None
        self.charged: list[int] = []
        self.synced_to = ("", 0)
        self.connection_id = "c1"
        self.role: AgentRole = "agent"
        self.is_registered = True

    def deliver(self, epoch: str, seq: int, message: bytes) -> None:
        self.heard.append(self._read(message))

    def send_frame(self, frame: bytes) -> None:
        self.frames.append(frame)
        self.heard.append(self._read(frame))

    @property
    def socket(self) -> Any:
        return self

    def charge_directory(self, size_bytes: int) -> None:
        self.charged.append(size_bytes)

    def close(self, code: CloseCode) -> None:
        self.closed = code

    def sync(self, epoch: str, seq: int) -> None:
        self.synced_to = (epoch, seq)

    def take_role(self, role: AgentRole) -> bool:
        before, self.role = self.role, role
        return before != role

    def claims_again(self) -> Caller | None:
        return None

    def _read(self, data: bytes) -> dict[str, object]:
        decode = msgspec.json.decode if self.codec is JSON else msgspec.msgpack.decode
        return decode(data, type=dict[str, object])

    def chain(self) -> list[tuple[object, object]]:
        """Return since and seq of each patch, None and seq of each snapshot."""
        return [(message.get("since"), message["seq"]) for message in self.heard]


class SlowAfterOne(Listener):
    """A client whose link is full after each frame."""

    def send_frame(self, frame: bytes) -> None:
        super().send_frame(frame)
        self.is_slow = True


class ManualWindows:
    """ManualWindows that close when the test says so."""

    def __init__(self) -> None:
        self.opened = 0

    def __call__(self) -> None:
        self.opened += 1


@pytest.fixture
def windows() -> ManualWindows:
    return ManualWindows()


@pytest.fixture
def hub(windows: ManualWindows) -> TenantHub:
    replica = Replica(tombstones_max=10)
    replica.load(directory(1, agents=[agent_record(f"a{number}") for number in range(20)]))
    return make_hub(replica, windows)


def happen(hub: TenantHub, load: int, agent_id: str = "a0") -> None:
    step = event(hub.replica.seq + 1, agents=[agent_record(agent_id, load=load)])
    hub.replica.apply(step)
    hub.deliver(step)


def test_connection_that_gave_way_to_a_newer_one_is_closed(hub: TenantHub) -> None:
    old, other, another = Listener(), Listener(), Listener()
    other.connection_id = "c2"
    for name, client in (("a0", old), ("a0", other), ("a1", another)):
        hub.attach(name, client)
    step = event(hub.replica.seq + 1, replaced=[("a0", "c1")])
    hub.replica.apply(step)
    hub.deliver(step)
    assert [client.closed for client in (old, other, another)] == [CloseCode.REPLACED, None, None]


def test_changes_of_one_window_are_one_patch_for_all(hub: TenantHub, windows: ManualWindows) -> None:
    listeners = [Listener(), Listener(), Listener(MSGPACK)]
    for listener in listeners:
        hub.subscribe(listener, None)
    for load in (1, 2, 3):
        happen(hub, load)
    assert windows.opened == 1
    hub.flush()
    assert [listener.chain() for listener in listeners] == [[(None, 1), (1, 4)]] * 3
    assert listeners[0].heard[-1] == listeners[2].heard[-1]
    assert listeners[0].frames[-1] is listeners[1].frames[-1]


def test_subscriber_inside_a_window_gets_no_hole(hub: TenantHub) -> None:
    early, late = Listener(), Listener()
    hub.subscribe(early, None)
    happen(hub, 1)
    hub.subscribe(late, None)
    happen(hub, 2)
    hub.flush()
    assert early.chain() == [(None, 1), (1, 2), (2, 3)]
    assert late.chain()[-1] == (2, 3)


def test_snapshot_is_of_the_present_position(hub: TenantHub) -> None:
    first, second, third = Listener(), Listener(), Listener()
    hub.subscribe(first, None)
    happen(hub, 1)
    hub.subscribe(second, None)
    hub.subscribe(third, None)
    assert second.chain() == third.chain() == [(None, 2)]
    assert second.frames[0] is third.frames[0]


def test_large_snapshot_is_reused_with_a_patch(hub: TenantHub) -> None:
    ids = [f"a{number}" for number in range(REUSED_ROWS_MIN)]
    hub.replica.load(directory(1, agents=[agent_record(agent_id) for agent_id in ids]))
    first, second, third = Listener(), Listener(), Listener()
    hub.subscribe(first, None)
    happen(hub, 1)
    hub.subscribe(second, None)
    assert second.frames[0] is first.frames[0]
    assert second.chain() == [(None, 1), (1, 2)]
    for agent_id in ids[: REUSED_ROWS_MIN // 3]:
        happen(hub, 2, agent_id)
    hub.subscribe(third, None)
    assert third.chain() == [(None, hub.replica.position)]


def test_resume_gets_a_patch_since_its_position(hub: TenantHub) -> None:
    happen(hub, 1)
    happen(hub, 2, "a1")
    back = Listener()
    hub.subscribe(back, ("e1", 2))
    assert back.chain() == [(2, 3)]
    lost = Listener()
    hub.subscribe(lost, ("e0", 2))
    assert lost.chain() == [(None, 3)]


def test_second_subscribe_goes_on_from_its_position(hub: TenantHub) -> None:
    client, other = Listener(), Listener()
    hub.subscribe(client, None)
    hub.subscribe(other, None)
    happen(hub, 1)
    hub.subscribe(client, ("e1", 1))
    assert client.chain() == other.chain() == [(None, 1), (1, 2)]


def test_a_slow_client_gets_one_patch_when_it_has_caught_up(hub: TenantHub) -> None:
    slow, quick = Listener(), Listener()
    hub.subscribe(slow, None)
    hub.subscribe(quick, None)
    slow.is_slow = True
    for load in (1, 2):
        happen(hub, load)
        hub.flush()
    happen(hub, 3)
    slow.is_slow = False
    hub.drained(slow)
    happen(hub, 4)
    hub.flush()
    assert slow.chain() == [(None, 1), (1, 4), (4, 5)]
    assert quick.chain() == [(None, 1), (1, 2), (2, 3), (3, 4), (4, 5)]


def fill(hub: TenantHub, count: int) -> list[str]:
    """Load a directory of so many agents, and return their ids."""
    ids = [f"a{number}" for number in range(count)]
    hub.replica.load(directory(1, agents=[agent_record(agent_id) for agent_id in ids]))
    return ids


def test_slow_subscriber_gets_one_snapshot_for_all_that_it_asks(hub: TenantHub) -> None:
    client = Listener()
    hub.subscribe(client, None)
    client.is_slow = True
    for load in (1, 2, 3):
        happen(hub, load)
        hub.subscribe(client, None)
    assert client.chain() == [(None, 1)]
    client.is_slow = False
    hub.drained(client)
    assert client.chain() == [(None, 1), (None, 4)]


def test_resume_far_behind_a_large_directory_gets_the_shared_snapshot(hub: TenantHub) -> None:
    for agent_id in fill(hub, REUSED_ROWS_MIN)[: REUSED_ROWS_MIN // 3]:
        happen(hub, 1, agent_id)
    first, second = Listener(), Listener()
    hub.subscribe(first, ("e1", 1))
    hub.subscribe(second, ("e1", 2))
    assert first.chain() == second.chain() == [(None, hub.replica.position)]
    assert first.frames[0] is second.frames[0]


@pytest.mark.limit("PATCHES_MAX")
def test_patches_to_one_position_are_kept_up_to_a_bound(hub: TenantHub) -> None:
    for load in range(PATCHES_MAX + 1):
        happen(hub, load)
    first, again, late = Listener(), Listener(), Listener()
    hub.subscribe(first, ("e1", 1))
    for seq in range(2, PATCHES_MAX + 1):
        hub.subscribe(Listener(), ("e1", seq))
    hub.subscribe(again, ("e1", 1))
    assert again.frames[0] is first.frames[0]
    hub.subscribe(Listener(), ("e1", PATCHES_MAX + 1))
    hub.subscribe(late, ("e1", 1))
    assert late.chain() == first.chain()
    assert late.frames[0] is not first.frames[0]


def test_clients_at_one_old_position_share_one_patch(hub: TenantHub) -> None:
    happen(hub, 1)
    happen(hub, 2)
    first, second, other = Listener(), Listener(), Listener()
    hub.subscribe(first, ("e1", 1))
    hub.subscribe(other, ("e1", 2))
    hub.subscribe(second, ("e1", 1))
    assert first.frames[0] is second.frames[0]
    assert (first.chain(), other.chain()) == ([(1, 3)], [(2, 3)])


def test_client_that_is_slow_after_a_snapshot_gets_the_patch_later(hub: TenantHub) -> None:
    fill(hub, REUSED_ROWS_MIN)
    hub.subscribe(Listener(), None)
    happen(hub, 1)
    client = SlowAfterOne()
    hub.subscribe(client, None)
    assert client.chain() == [(None, 1)]
    client.is_slow = False
    hub.drained(client)
    assert client.chain() == [(None, 1), (1, 2)]


def test_subscription_is_charged_what_it_is_sent(hub: TenantHub) -> None:
    client = Listener()
    hub.subscribe(client, None)
    happen(hub, 1)
    hub.flush()
    hub.subscribe(client, ("e1", 1))
    client.is_slow = True
    hub.subscribe(client, None)
    assert len(client.charged) == 2
    client.is_slow = False
    hub.drained(client)
    snapshot, pushed, patch, again = (len(frame) for frame in client.frames)
    assert client.charged == [snapshot, patch, again]
    assert pushed == patch


def with_agents(hub: TenantHub, count: int) -> None:
    hub.replica.load(directory(1, agents=[agent_record(f"a{number}") for number in range(count)]))


def agents_of(client: Listener) -> list[str]:
    """Return the ids of the agents in the snapshot that the client was sent, in parts or whole."""
    parts = [message for message in client.heard if message["type"] == "directory.snapshot"]
    if len(parts) > 1:
        assert [(one["part"], one["parts"]) for one in parts] == [
            (number, len(parts)) for number in range(1, len(parts) + 1)
        ]
    return [row["id"] for one in parts for row in one["agents"]]  # type: ignore[attr-defined]


@pytest.fixture
def parted(hub: TenantHub, monkeypatch: pytest.MonkeyPatch) -> TenantHub:
    """A hub whose snapshot is larger than may come whole, in parts of some ten rows."""
    monkeypatch.setattr("relevo.router.tenant.fanout.SNAPSHOT_BYTES_MAX", 4096)
    monkeypatch.setattr("relevo.router.tenant.fanout.SNAPSHOT_PART_BYTES", 2048)
    with_agents(hub, 100)
    return hub


@pytest.mark.limit("SNAPSHOT_BYTES_MAX")
@pytest.mark.parametrize("codec", [JSON, MSGPACK])
def test_snapshot_beyond_its_bound_comes_in_parts(parted: TenantHub, codec: Codec) -> None:
    client, other = Listener(codec), Listener(codec)
    parted.subscribe(client, None)
    parted.subscribe(other, None)
    assert agents_of(client) == list(parted.replica.agents)
    assert len(client.frames) > 3
    assert all(one is another for one, another in zip(client.frames, other.frames, strict=True))
    assert client.charged == [sum(map(len, client.frames))]


@pytest.mark.limit("SNAPSHOT_PART_BYTES")
def test_parts_of_a_snapshot_are_about_of_one_size(parted: TenantHub) -> None:
    client = Listener()
    parted.subscribe(client, None)
    assert max(map(len, client.frames)) < 1.1 * 2048


def test_snapshot_within_its_bound_comes_whole(hub: TenantHub) -> None:
    client = Listener()
    hub.subscribe(client, None)
    (snapshot,) = client.heard
    assert not {"part", "parts"} & snapshot.keys()


def test_parts_follow_as_the_socket_takes_them_and_patches_after(parted: TenantHub) -> None:
    client = SlowAfterOne()
    parted.subscribe(client, None)
    for sent in range(1, 50):
        assert len(client.frames) == sent
        if client.heard[-1].get("part") is None:
            break
        happen(parted, sent)
        parted.flush()
        client.is_slow = False
        parted.drained(client)
    assert agents_of(client) == list(parted.replica.agents)
    assert client.chain()[-1] == (1, parted.replica.position)


def test_second_subscription_amid_the_parts_begins_with_the_first(parted: TenantHub) -> None:
    client = SlowAfterOne()
    parted.subscribe(client, None)
    client.is_slow = False
    parted.subscribe(client, None)
    for _ in range(50):
        client.is_slow = False
        parted.drained(client)
    assert client.heard.pop(0)["part"] == 1
    assert agents_of(client) == list(parted.replica.agents)


def test_unsubscribed_client_gets_no_further_part(parted: TenantHub) -> None:
    client = SlowAfterOne()
    parted.subscribe(client, None)
    parted.unsubscribe(client)
    client.is_slow = False
    parted.drained(client)
    parted.flush()
    assert len(client.frames) == 1


def test_subscribers_in_a_new_epoch_get_a_snapshot(hub: TenantHub) -> None:
    listener = Listener()
    hub.subscribe(listener, None)
    hub.replica.load(directory(7, epoch="e2"))
    hub.directory_changed()
    hub.flush()
    assert [message["epoch"] for message in listener.heard] == ["e1", "e2"]


def test_unsubscribed_client_gets_no_patch(hub: TenantHub, windows: ManualWindows) -> None:
    listener = Listener()
    hub.subscribe(listener, None)
    hub.unsubscribe(listener)
    happen(hub, 1)
    hub.flush()
    assert listener.chain() == [(None, 1)]
    assert windows.opened == 0


def test_push_reaches_every_connection_of_its_agent_only(hub: TenantHub) -> None:
    browser, phone, other = Listener(), Listener(MSGPACK), Listener()
    hub.attach("ana", browser)
    hub.attach("ana", phone)
    hub.attach("bob", other)
    step = event(2, changes=[change(session_record("s1", "ana"))])
    hub.replica.apply(step)
    hub.deliver(step)
    assert [message["type"] for message in browser.heard] == ["session.assigned", "session.entry"]
    assert browser.heard == phone.heard
    assert other.heard == []


def test_changed_row_reaches_the_connections_of_its_agent_only(hub: TenantHub) -> None:
    mine, others = [Listener(JSON), Listener(MSGPACK)], Listener()
    for client in mine:
        hub.attach("ana", client)
    hub.attach("bob", others)
    happened = event(hub.replica.seq + 1, agents=[agent_record("ana", load=1)])
    assert hub.replica.apply(happened)
    hub.deliver(happened)
    for client in mine:
        (message,) = client.heard
        assert message["type"] == "agent.changed"
        assert message["agent"] == msgspec.to_builtins(hub.replica.agents["ana"])
    assert others.heard == []


def test_connections_of_a_removed_agent_are_closed(hub: TenantHub) -> None:
    browser, phone, other = Listener(), Listener(), Listener()
    hub.attach("ana", browser)
    hub.attach("ana", phone)
    hub.attach("bob", other)
    step = event(2, agents_removed=["ana"])
    hub.replica.apply(step)
    hub.deliver(step)
    assert (browser.closed, phone.closed, other.closed) == (CloseCode.REMOVED, CloseCode.REMOVED, None)


def test_correction_sends_only_the_difference(hub: TenantHub) -> None:
    browser = Listener()
    hub.attach("ana", browser).sessions.begin("e1", 1, [], [])
    gained = event(2, changes=[change(session_record("s1", "ana"))])
    hub.replica.apply(gained)
    hub.deliver(gained)
    browser.heard.clear()
    hub.correct("ana", "e2", 5, [], [])
    assert [(message["type"], message["why"]) for message in browser.heard] == [("session.removed", "moved")]
    assert browser.synced_to == ("e2", 5)


def test_client_welcomed_after_a_loss_is_not_corrected(hub: TenantHub) -> None:
    browser, phone = Listener(), Listener()
    hub.attach("ana", browser).sessions.begin("e1", 1, [], [])
    gained = event(2, changes=[change(session_record("s1", "ana"))])
    hub.replica.apply(gained)
    hub.deliver(gained)
    browser.heard.clear()
    hub.replica.load(msgspec.structs.replace(directory(5), epoch="e2"))
    hub.attach("ana", phone)
    phone.synced_to = ("e2", 6)
    hub.correct("ana", "e2", 7, [], [])
    assert [message["type"] for message in browser.heard] == ["session.removed"]
    assert phone.heard == []
    assert (browser.synced_to, phone.synced_to) == (("e2", 7), ("e2", 6))


def test_removed_session_is_pushed_to_its_former_owner(hub: TenantHub) -> None:
    old = Listener()
    hub.attach("ana", old)
    step = event(
        2,
        changes=[change(session_record("s1", "bob", 2), left="ana", why="transferred")],
    )
    hub.replica.apply(step)
    hub.deliver(step)
    assert [message["type"] for message in old.heard] == ["session.removed"]


def test_clients_with_a_later_fence_than_the_store_are_closed(hub: TenantHub) -> None:
    browser = Listener()
    hub.attach("ana", browser).sessions.begin("e1", 1, [], [])
    gained = event(2, changes=[change(session_record("s1", "ana", 5))])
    hub.replica.apply(gained)
    hub.deliver(gained)
    rewound = msgspec.convert(session_fields("s1", "ana", 4), Session)
    hub.correct("ana", "e2", 5, [rewound], [])
    assert browser.closed is CloseCode.STORE_LOST
