from __future__ import annotations

from typing import Any

import pytest
from relevo_client.core import CoreSettings
from relevo_client.decode import InvalidDataError
from relevo_client.events import (
    AgentChanged,
    Connected,
    DirectoryChanged,
    SessionAssigned,
    SessionChanged,
    SessionEntry,
    SessionPending,
    SessionRemoved,
    StatusChanged,
    TokenExpiring,
    TransferUpdated,
    UnknownPush,
)
from relevo_client.objects import Person

from .driver import Driver
from .wire import agent_row, patch_map, session_map, snapshot_map, transfer_map

ENTRY = {"seq": 2, "kind": "internal", "at": 5, "by": None, "text": "x", "transfer": None}


def test_push_becomes_its_event() -> None:
    driver = Driver()
    driver.connect()
    driver.events()
    session, transfer = session_map(), transfer_map()
    driver.receive(
        {"type": "session.assigned", "session": session, "transfer": transfer},
        {"type": "session.pending", "session": session_map("c-2", state="pending"), "transfer": None},
        {
            "type": "session.removed",
            "session_id": "c-1",
            "fence": 2,
            "why": "transferred",
            "transfer": transfer,
        },
        {"type": "session.entry", "session_id": "c-1", "entry": ENTRY},
        {"type": "session.changed", "session": session},
        {"type": "transfer.updated", "transfer": transfer, "state": "delivered", "session": session},
        {"type": "token.expiring", "expires_at": 60},
    )

    assert [type(event) for event in driver.events()] == [
        SessionAssigned,
        SessionPending,
        SessionRemoved,
        SessionEntry,
        SessionChanged,
        TransferUpdated,
        TokenExpiring,
    ]
    assert driver.core.take_token_wanted()
    assert not driver.core.take_token_wanted()


def test_unknown_push_is_passed_through() -> None:
    driver = Driver()
    driver.connect()
    driver.events()
    driver.receive({"type": "session.sung", "session": 5}, {"type": "pong", "id": "1"})

    assert driver.events() == [UnknownPush("session.sung", {"session": 5})]


def test_unknown_fields_are_kept_in_extra() -> None:
    driver = Driver()
    driver.connect(weather="fine", agent=agent_row(mood="good"))
    driver.receive(
        {"type": "session.changed", "session": session_map(type="chat"), "why": "sung", "verse": 2}
    )
    connected, changed = driver.events()

    assert isinstance(connected, Connected)
    assert connected.welcome.extra == {"weather": "fine"}
    assert driver.core.agent is not None
    assert driver.core.agent.extra == {"mood": "good"}
    assert isinstance(changed, SessionChanged)
    assert (changed.why, changed.extra, changed.session.extra) == ("sung", {"verse": 2}, {"type": "chat"})


def test_unknown_values_are_passed_through() -> None:
    driver = Driver()
    driver.connect()
    driver.events()
    driver.receive(
        {"type": "session.removed", "session_id": "c-1", "fence": 2, "why": "abducted"},
        {"type": "session.entry", "session_id": "c-1", "entry": ENTRY | {"kind": "sung", "why": "bored"}},
        {
            "type": "transfer.updated",
            "transfer": transfer_map(outcome="thrown"),
            "state": "caught",
            "session": session_map(state="parked"),
            "why": "windy",
        },
    )
    removed, added, updated = driver.events()

    assert isinstance(removed, SessionRemoved)
    assert isinstance(added, SessionEntry)
    assert isinstance(updated, TransferUpdated)
    assert (removed.why, added.entry.kind, added.entry.why) == ("abducted", "sung", "bored")
    assert (updated.transfer.outcome, updated.state, updated.why) == ("thrown", "caught", "windy")
    assert str(updated.session.state) == "parked"


def test_session_in_an_unknown_state_is_kept_apart() -> None:
    driver = Driver()
    driver.connect(in_progress=[session_map("c-1")])
    driver.receive(
        {"type": "session.assigned", "session": session_map("c-1", fence=2, state="parked"), "transfer": None}
    )
    inbox = driver.core.inbox

    assert (list(inbox.in_progress), list(inbox.pending), list(inbox.other)) == ([], [], ["c-1"])


def test_agent_changed_replaces_the_own_row() -> None:
    driver = Driver()
    driver.connect()
    driver.events()
    driver.receive({"type": "agent.changed", "agent": agent_row(load=3)})

    (event,) = driver.events()
    assert isinstance(event, AgentChanged)
    assert driver.core.agent == event.agent
    assert event.agent.load == 3


def test_status_changed_replaces_the_own_row_and_names_its_author() -> None:
    driver = Driver()
    driver.connect()
    driver.events()
    by = {"id": "root", "name": "Root"}
    driver.receive(
        {
            "type": "status.changed",
            "agent": agent_row(status="pause", status_by=by, status_reason="training"),
            "by": by,
            "reason": "training",
        }
    )

    (event,) = driver.events()
    assert isinstance(event, StatusChanged)
    assert (event.by, event.reason) == (Person("root", "Root"), "training")
    assert driver.core.agent is not None
    assert (driver.core.agent.status, driver.core.agent.status_by) == ("pause", Person("root", "Root"))


@pytest.mark.parametrize(("agent_id", "load"), [("ana", 4), ("bo", 0)])
def test_reply_with_the_own_row_replaces_it(agent_id: str, load: int) -> None:
    driver = Driver()
    driver.connect()
    command = driver.core.submit("status.set", {"status": "pause"}, deadline=driver.now + 1)
    (message,) = driver.sent()
    driver.reply(message, {"agent": agent_row(agent_id, load=4)})

    assert driver.outcome(command) == {"agent": agent_row(agent_id, load=4)}
    assert driver.core.agent is not None
    assert (driver.core.agent.id, driver.core.agent.load) == ("ana", load)


def snapshot_parts(count: int, **fields: Any) -> list[dict[str, Any]]:
    return [
        snapshot_map(9, agents=[agent_row(f"a-{part}")], departments=[], part=part, parts=count, **fields)
        for part in range(1, count + 1)
    ]


def test_snapshot_in_parts_is_applied_when_all_are_there() -> None:
    driver = Driver()
    driver.connect()
    driver.subscribe()
    driver.receive(snapshot_map(3))
    driver.events()
    one, two, three = snapshot_parts(3)
    driver.receive(one, two)
    assert driver.events() == []
    assert (driver.core.directory.seq, list(driver.core.directory.agents)) == (3, ["ana"])
    driver.receive(three)

    (event,) = driver.events()
    assert isinstance(event, DirectoryChanged)
    assert event.snapshot
    assert (driver.core.directory.seq, list(driver.core.directory.agents)) == (9, ["a-1", "a-2", "a-3"])


def test_parts_of_a_lost_connection_are_forgotten() -> None:
    driver = Driver()
    driver.connect()
    driver.subscribe()
    driver.receive(snapshot_parts(3)[0])
    driver.close()
    driver.connect()
    driver.events()
    driver.receive(*snapshot_parts(2, epoch="e2"))

    assert list(driver.core.directory.agents) == ["a-1", "a-2"]
    assert driver.core.directory.epoch == "e2"


@pytest.mark.parametrize("change", [{"part": 3}, {"seq": 10}, {"epoch": "e2"}, {"parts": 4}])
def test_part_that_does_not_continue_the_others_raises(change: dict[str, Any]) -> None:
    driver = Driver()
    driver.connect()
    driver.subscribe()
    one, two, _ = snapshot_parts(3)
    driver.receive(one)

    with pytest.raises(InvalidDataError, match="part 2 of 3"):
        driver.receive(two | change)


@pytest.mark.parametrize(
    "message",
    [
        7,
        {},
        {"type": 5},
        {"type": "session.assigned"},
        {"type": "directory.patch"},
        {"type": "server.draining"},
    ],
)
def test_malformed_message_raises(message: Any) -> None:
    driver = Driver()
    driver.connect()
    driver.core.submit("directory.subscribe", {}, deadline=driver.now + 1)

    with pytest.raises(InvalidDataError):
        driver.receive(message)


def test_pushes_update_the_inbox() -> None:
    driver = Driver()
    driver.connect()
    driver.receive({"type": "session.pending", "session": session_map(fence=2, state="pending")})
    assert list(driver.core.inbox.pending) == ["c-1"]
    driver.receive({"type": "session.assigned", "session": session_map(fence=3)})
    assert list(driver.core.inbox.in_progress) == ["c-1"]
    driver.receive({"type": "session.removed", "session_id": "c-1", "fence": 4, "why": "closed"})
    assert driver.core.inbox.get("c-1") is None


def test_changed_session_is_taken_into_the_inbox_only_where_it_is_there() -> None:
    driver = Driver()
    driver.connect(in_progress=[session_map(fence=2)])
    for session_id in ("c-1", "c-2"):
        changed = session_map(session_id, fence=2, attributes={"vip": True})
        driver.receive({"type": "session.changed", "session": changed})
    assert [(one.id, one.attributes) for one in driver.core.inbox.in_progress.values()] == [
        ("c-1", {"vip": True})
    ]


def test_reply_keeps_the_inbox_before_its_push_comes() -> None:
    driver = Driver()
    driver.connect(pending=[session_map(fence=2, state="pending")])
    driver.core.submit("session.accept", {"session_id": "c-1"}, deadline=driver.now + 1)
    driver.reply(driver.sent()[0], {"session": session_map(fence=3)})
    assert list(driver.core.inbox.in_progress) == ["c-1"]

    driver.core.submit("session.transfer", {}, deadline=driver.now + 1)
    driver.reply(driver.sent()[0], {"session": session_map(fence=4, owner="bo"), "transfer": transfer_map()})
    assert driver.core.inbox.get("c-1") is None


def test_old_reply_does_not_bring_back_what_has_left_since() -> None:
    driver = Driver()
    driver.connect(pending=[session_map(fence=2, state="pending")])
    driver.core.submit("session.accept", {"session_id": "c-1"}, deadline=driver.now + 60)
    accepted = driver.sent()[0]
    # It was applied, the reply was lost, and the session was moved meanwhile.
    driver.close()
    assert accepted in driver.connect()
    driver.reply(accepted, {"session": session_map(fence=3)})
    assert driver.core.inbox.get("c-1") is None

    driver.core.submit("session.accept", {"session_id": "c-1"}, deadline=driver.now + 1, key=accepted["key"])
    driver.reply(driver.sent()[0], {"session": session_map(fence=3)})
    assert driver.core.inbox.get("c-1") is None


def test_assigned_session_is_acknowledged_once() -> None:
    driver = Driver()
    driver.connect()
    driver.receive({"type": "session.assigned", "session": session_map(fence=3), "transfer": transfer_map()})

    assert driver.sent() == [{"type": "session.ack", "session_id": "c-1", "fence": 3}]
    assert driver.sent() == []


def test_core_without_acknowledge_sends_no_ack() -> None:
    driver = Driver(CoreSettings(acknowledge=False))
    assert driver.connect(in_progress=[session_map("held", transfer=transfer_map("held"))]) == []
    driver.receive({"type": "session.assigned", "session": session_map(fence=3), "transfer": None})
    assert driver.sent() == []

    driver.core.acknowledge("c-1", 3)
    assert driver.sent() == [{"type": "session.ack", "session_id": "c-1", "fence": 3}]


def test_session_assigned_while_offline_is_acknowledged() -> None:
    driver = Driver()
    known = session_map("known", transfer=transfer_map("known"))
    driver.connect(in_progress=[known])
    driver.close()
    new = session_map("new", fence=5, transfer=transfer_map("new"))

    assert driver.connect(in_progress=[known, new]) == [
        {"type": "session.ack", "session_id": "new", "fence": 5}
    ]


def test_acknowledgements_beyond_the_bound_drop_the_oldest() -> None:
    driver = Driver()
    for number in range(2000):
        driver.core.acknowledge(f"c-{number}", 1)
    assert [message["session_id"] for message in driver.connect()] == [f"c-{n}" for n in range(976, 2000)]


def test_directory_is_live_after_its_snapshot() -> None:
    driver = Driver()
    driver.connect()
    driver.events()
    command = driver.subscribe()
    assert "resume" not in command
    driver.reply(command, {})
    assert not driver.live()
    driver.receive(snapshot_map(4), patch_map(4, 5, agents=[agent_row("ana", load=1)]))

    assert driver.live()
    assert driver.core.directory.position == ("e1", 5)
    first, second = driver.events()
    assert isinstance(first, DirectoryChanged)
    assert first.snapshot
    assert isinstance(second, DirectoryChanged)
    assert second.agents[0].load == 1


def test_directory_resumes_after_a_reconnection() -> None:
    driver = Driver()
    driver.connect()
    driver.reply(driver.subscribe(), {})
    driver.receive(snapshot_map(4))
    driver.close()
    assert not driver.live()

    (command,) = driver.connect()
    assert command["resume"] == {"epoch": "e1", "seq": 4}
    driver.events()
    driver.receive(patch_map(4, 4))

    assert driver.live()
    assert driver.events() == [DirectoryChanged()], "nothing has changed, but it is live again"
    driver.receive(patch_map(4, 4))
    assert driver.events() == []


def test_subscription_without_a_reply_is_repeated_once_after_reconnecting() -> None:
    driver = Driver()
    driver.connect()
    command = driver.subscribe()
    driver.receive(snapshot_map(4))
    driver.close()

    (again,) = driver.connect()
    assert again == command | {"resume": {"epoch": "e1", "seq": 4}}


def test_hole_in_the_chain_is_filled_by_resuming_once() -> None:
    driver = Driver()
    driver.connect()
    driver.reply(driver.subscribe(), {})
    driver.receive(snapshot_map(4), patch_map(6, 7), patch_map(7, 8))
    assert not driver.live()

    (command,) = driver.sent()
    assert command["resume"] == {"epoch": "e1", "seq": 4}
    driver.reply(command, {})
    driver.receive(patch_map(4, 8))
    assert driver.core.directory.position == ("e1", 8)


def test_second_gap_subscribes_without_resume_after_a_wait() -> None:
    driver = Driver()
    driver.connect()
    driver.reply(driver.subscribe(), {})
    driver.receive(snapshot_map(4), patch_map(6, 7))
    driver.reply(driver.sent()[0], {})
    driver.receive(patch_map(6, 8))

    assert driver.sent() == []
    driver.wait(1.0)
    (command,) = driver.sent()
    assert "resume" not in command
    driver.reply(command, {})
    driver.receive(snapshot_map(8))
    assert driver.live()


def test_unsubscribed_directory_rests_over_a_reconnection() -> None:
    driver = Driver()
    driver.connect()
    driver.reply(driver.subscribe(), {})
    driver.receive(snapshot_map(4))
    driver.core.submit("directory.unsubscribe", {}, deadline=driver.now + 30)
    driver.reply(driver.sent()[0], {})
    driver.receive(patch_map(4, 5))
    assert driver.core.directory.position == ("e1", 4)
    assert not driver.live()
    driver.close()

    assert driver.connect() == []


def test_refused_subscription_is_not_made_again() -> None:
    driver = Driver()
    driver.connect()
    driver.refuse(driver.subscribe(), "forbidden")
    driver.close()

    assert driver.connect() == []


def test_watch_continues_after_a_reconnection() -> None:
    driver = Driver()
    driver.connect()
    driver.core.submit("session.watch", {}, deadline=driver.now + 30)
    driver.reply(driver.sent()[0], {})
    driver.close()
    (command,) = driver.connect()
    assert command["type"] == "session.watch"
    driver.reply(command, {})

    driver.core.submit("session.unwatch", {}, deadline=driver.now + 30)
    driver.reply(driver.sent()[0], {})
    driver.close()
    assert driver.connect() == []
