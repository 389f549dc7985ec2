from typing import Any

from relevo.protocol.pushes import (
    SessionAssigned,
    SessionChanged,
    SessionEntry,
    SessionPending,
    SessionRemoved,
    TransferUpdated,
)
from relevo.router.store.records import Change, Removed, Updated, addressee
from relevo.router.tenant.recipients import WATCHERS, pushes_of
from tests.router.events import change, session_record, transfer_record

ENTRY = {"seq": 2, "kind": "internal", "at": 1, "text": "please"}


def told(step: Change, here: set[str], watched: bool = False) -> list[tuple[str | None, Any]]:
    return list(pushes_of(step, here.__contains__, watched))


def transferred(**fields: Any) -> Change:
    session = session_record("s1", "bob", fence=2, transfer=transfer_record("s1", "ana", "bob"))
    return change(
        session, assigned="bob", owner="bob", removed=Removed("ana", "transferred"), entries=[ENTRY], **fields
    )


def test_new_owner_gets_its_push_before_the_former() -> None:
    pushes = told(transferred(), {"ana", "bob"})
    assert [(agent, type(push)) for agent, push in pushes] == [
        ("bob", SessionAssigned),
        ("ana", SessionRemoved),
        ("bob", SessionEntry),
    ]


def test_assignment_carries_sender_and_reason() -> None:
    [(_, push), *_] = told(transferred(), {"bob"})
    assert (push.transfer.by.id, push.transfer.to.id, push.transfer.reason) == ("ana", "bob", "please")


def test_change_of_other_nodes_agents_has_no_push() -> None:
    assert told(transferred(), set()) == []


def test_watchers_get_every_changed_session() -> None:
    assert [(to, type(push)) for to, push in told(transferred(), set(), watched=True)] == [
        (WATCHERS, SessionChanged)
    ]


def test_note_reaches_the_owner_only() -> None:
    step = change(None, owner="ana", entries=[ENTRY])
    assert [(to, type(push)) for to, push in told(step, {"ana"}, watched=True)] == [("ana", SessionEntry)]


def test_sender_gets_its_latest_transfer() -> None:
    [(to, push)] = told(transferred(updated=Updated("eve", "delivered")), {"eve"})
    assert (to, type(push), push.state, push.transfer.id) == ("eve", TransferUpdated, "delivered", "t1")


def test_back_end_and_agent_of_one_id_are_two_recipients() -> None:
    step = transferred(updated=Updated(addressee("service", "crm"), "delivered"))
    assert [to for to, _ in told(step, {addressee("agent", "crm"), addressee("service", "crm")})] == [
        addressee("service", "crm")
    ]


def test_pending_and_closed_sessions_have_their_pushes() -> None:
    waiting = change(session_record("s1", "bob", state="pending"), pending="bob", owner="bob")
    assert [type(push) for _, push in told(waiting, {"bob"})] == [SessionPending]
    closed = change(
        session_record("s1", None, transfer=transfer_record("s1", "ana", "bob")),
        removed=Removed("bob", "closed"),
    )
    [(_, push)] = told(closed, {"bob"})
    assert (push.why, push.transfer) == ("closed", None)
