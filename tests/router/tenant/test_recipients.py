from typing import Any

import msgspec

from relevo.protocol.pushes import (
    SessionAssigned,
    SessionChanged,
    SessionEntry,
    SessionPending,
    SessionRemoved,
    TransferUpdated,
)
from relevo.router.store.events import Change
from relevo.router.store.records import addressee
from relevo.router.tenant.recipients import WATCHERS, pushes_of
from tests.router.events import change, session_record, transfer_record


def told(step: Change, here: set[str], watched: bool = False) -> list[tuple[str | None, Any]]:
    return list(pushes_of(step, here.__contains__, watched))


def transferred(told: str | None = None, what: str = "placed", sender: str = "ana") -> Change:
    record = session_record(
        "s1",
        "bob",
        fence=2,
        kind="transferred",
        entry_count=3,
        sender=sender,
        transfer=transfer_record("ana", "bob"),
    )
    return change(record, what=what, left="ana", why="transferred", told=told)


def test_new_owner_gets_its_push_before_the_former() -> None:
    pushes = told(transferred(), {"ana", "bob"})
    assert [(agent, type(push)) for agent, push in pushes] == [
        ("bob", SessionAssigned),
        ("ana", SessionRemoved),
        ("bob", SessionEntry),
        ("bob", SessionEntry),
    ]


def test_assignment_carries_sender_and_reason() -> None:
    [(_, push), *_] = told(transferred(), {"bob"})
    assert (push.transfer.by.id, push.transfer.to.id, push.transfer.reason) == ("ana", "bob", "please")


def test_reason_is_an_entry_behind_its_transfer() -> None:
    *_, first, second = told(transferred(), {"bob"})
    assert [(one.entry.seq, one.entry.kind, one.entry.text) for _, one in (first, second)] == [
        (2, "transferred", None),
        (3, "internal", "please"),
    ]


def test_change_of_other_nodes_agents_has_no_push() -> None:
    assert told(transferred(), set()) == []


def test_watchers_get_every_changed_session() -> None:
    assert [(to, type(push)) for to, push in told(transferred(), set(), watched=True)] == [
        (WATCHERS, SessionChanged)
    ]


def test_update_reaches_the_owner_and_watchers() -> None:
    step = change(session_record("s1", "ana"), what="updated")
    found = [(to, type(push)) for to, push in told(step, {"ana"}, watched=True)]
    assert found == [("ana", SessionChanged), (WATCHERS, SessionChanged)]


def test_note_reaches_the_owner_only() -> None:
    step = change(session_record("s1", "ana", kind="internal", text="please"), what="written")
    assert [(to, type(push)) for to, push in told(step, {"ana"}, watched=True)] == [("ana", SessionEntry)]


def test_sender_gets_its_latest_transfer() -> None:
    [(to, push)] = told(transferred("delivered", "delivered", "eve"), {"eve"})
    assert (to, type(push), push.state, push.transfer.id) == ("eve", TransferUpdated, "delivered", "t1")


def test_delivery_has_no_entry_push() -> None:
    assert told(transferred("delivered", "delivered"), {"bob"}) == []


def test_sender_of_a_superseded_transfer_gets_its_own() -> None:
    superseded = msgspec.structs.replace(transfer_record("eve", "ana"), id="t0")
    step = msgspec.structs.replace(transferred("moved"), superseded_sender="eve", superseded=superseded)
    [(to, push)] = told(step, {"eve"})
    assert (to, push.state, push.transfer.id) == ("eve", "moved", "t0")


def test_back_end_and_agent_of_one_id_are_two_recipients() -> None:
    step = transferred("delivered", sender=addressee("service", "crm"))
    assert [to for to, _ in told(step, {addressee("agent", "crm"), addressee("service", "crm")})] == [
        addressee("service", "crm")
    ]


def test_pending_and_closed_sessions_have_their_pushes() -> None:
    waiting = change(session_record("s1", "bob", state="pending"))
    assert [type(push) for _, push in told(waiting, {"bob"})] == [SessionPending, SessionEntry]
    closed = change(
        session_record("s1", None, kind="closed", transfer_at=0),
        left="bob",
        why="closed",
        transfer=transfer_record("ana", "bob"),
    )
    [(_, push)] = told(closed, {"bob"})
    assert (push.why, push.transfer) == ("closed", None)
