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
from relevo.router.tenant.recipients import WATCHERS, notices
from tests.router.events import change, session_record, transfer_record

ENTRY = {"seq": 2, "kind": "internal", "at": 1, "text": "please"}


def told(step: Change, here: set[str], watched: bool = False) -> list[tuple[str | None, Any]]:
    return list(notices(step, here.__contains__, watched))


def transferred(**fields: Any) -> Change:
    session = session_record("s1", "bob", fence=2, transfer=transfer_record("s1", "ana", "bob"))
    return change(
        session, assigned="bob", owner="bob", removed=Removed("ana", "transferred"), entries=[ENTRY], **fields
    )


def test_the_new_owner_hears_before_the_old_one_that_it_is_gone() -> None:
    pushes = told(transferred(), {"ana", "bob"})
    assert [(agent, type(push)) for agent, push in pushes] == [
        ("bob", SessionAssigned),
        ("ana", SessionRemoved),
        ("bob", SessionEntry),
    ]


def test_an_assignment_says_who_sent_it_and_why() -> None:
    [(_, push), *_] = told(transferred(), {"bob"})
    assert (push.transfer.by.id, push.transfer.to.id, push.transfer.reason) == ("ana", "bob", "please")


def test_agents_of_other_nodes_cost_nothing_here() -> None:
    assert told(transferred(), set()) == []


def test_watchers_hear_of_every_session_that_changes() -> None:
    assert [(to, type(push)) for to, push in told(transferred(), set(), watched=True)] == [
        (WATCHERS, SessionChanged)
    ]


def test_a_note_reaches_the_owner_and_changes_no_session() -> None:
    step = change(None, owner="ana", entries=[ENTRY])
    assert [(to, type(push)) for to, push in told(step, {"ana"}, watched=True)] == [("ana", SessionEntry)]


def test_the_maker_hears_of_the_latest_transfer() -> None:
    [(to, push)] = told(transferred(updated=Updated("eve", "delivered")), {"eve"})
    assert (to, type(push), push.state, push.transfer.id) == ("eve", TransferUpdated, "delivered", "t1")


def test_a_back_end_that_made_a_transfer_is_told_apart_from_an_agent_of_its_id() -> None:
    step = transferred(updated=Updated(addressee("service", "crm"), "delivered"))
    assert [to for to, _ in told(step, {addressee("agent", "crm"), addressee("service", "crm")})] == [
        addressee("service", "crm")
    ]


def test_a_pending_session_and_one_that_was_closed() -> None:
    waiting = change(session_record("s1", "bob", state="pending"), pending="bob", owner="bob")
    assert [type(push) for _, push in told(waiting, {"bob"})] == [SessionPending]
    closed = change(
        session_record("s1", None, transfer=transfer_record("s1", "ana", "bob")),
        removed=Removed("bob", "closed"),
    )
    [(_, push)] = told(closed, {"bob"})
    assert (push.why, push.transfer) == ("closed", None)
