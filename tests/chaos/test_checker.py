"""The checker on histories made by hand: what is right passes, and each wrong is named."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from relevo.protocol.objects import Agent, Session
from tests.chaos.check_deadlines import LATE_MS
from tests.chaos.checker import check
from tests.chaos.final_state import FinalState, Screen
from tests.chaos.history import Call, ClientLog, History, Message
from tests.chaos.violation import report
from tests.stateful.stored import StoredState

TENANT = "acme"
REASON = "Ana 1 of acme only"


def actor(actor_id: str) -> Message:
    return {"id": actor_id, "name": actor_id, "role": "agent"}


def session(fence: int, owner: str | None = "ana", state: str = "in_progress") -> Message:
    return {
        "id": "chat-1",
        "customer": {"id": "cleo", "name": "Cleo"},
        "state": state if owner else "closed",
        "owner": {"kind": "agent", "id": owner} if owner else None,
        "fence": fence,
        "hops": 0,
        "opened_at": 1,
        "updated_at": 1,
        "transfer": None,
    }


def transfer(sender: str, to: str) -> Message:
    return {
        "id": "t1",
        "from": {"kind": "agent", "id": sender},
        "to": {"kind": "agent", "id": to},
        "reason": REASON,
        "assigned_to": None,
    }


def entry(seq: int, kind: str, by: str | None = None, **fields: Any) -> Message:
    return {
        "seq": seq,
        "kind": kind,
        "by": actor(by) if by is not None else None,
        "text": None,
        "transfer": None,
        **fields,
    }


OPENED = entry(1, "opened", "crm")
TRANSFERRED = entry(2, "transferred", "ana", transfer=transfer("ana", "bob"))
REASON_READ = entry(3, "internal", "ana", text=REASON)
HANDED_OVER = [OPENED, TRANSFERRED, REASON_READ]
DONE: Message = {"session": session(2, "bob"), "transfer": transfer("ana", "bob")}


def agent_row(load: int = 0) -> dict[str, Any]:
    return {
        "id": "ana",
        "name": "Ana",
        "role": "agent",
        "departments": [],
        "status": "connected",
        "status_since_at": 1,
        "load": load,
        "capacity": 2,
        "pending": 0,
        "available": True,
    }


class HistoryBuilder:
    """A history of one tenant, made line by line, and its end."""

    def __init__(self) -> None:
        self.history = History()
        self.history.markers = {TENANT: "of acme only", "globex": "of globex only"}
        self.ana = ClientLog(TENANT, "ana", "ana", "agent")
        self.bob = ClientLog(TENANT, "bob", "bob", "agent")
        self.history.clients += [self.ana, self.bob]
        self.final = FinalState(TENANT, StoredState())

    def opens(self) -> HistoryBuilder:
        """Have a back end open chat-1."""
        self.call("session.open", key="open", caller="crm", result={"session": session(1)})
        return self

    def hears(self, client: ClientLog, type: str, **content: Any) -> None:
        """Have a client receive a message."""
        self.history.note_client(client, "received", {"type": type, **content})

    def says(self, client: ClientLog, type: str, **content: Any) -> None:
        """Have a client send a message."""
        self.history.note_client(client, "sent", {"type": type, **content})

    def call(
        self,
        type: str = "session.transfer",
        *,
        key: str = "k1",
        result: Message | None = None,
        error: str | None = None,
        caller: str = "ana",
        **fields: Any,
    ) -> None:
        """Have a caller give a command about chat-1, a transfer by Ana unless said otherwise."""
        given = {"session_id": "chat-1", **fields}
        if type == "session.transfer":
            given["reason"] = REASON
        role = "service" if caller == "crm" else "agent"
        now = self.history.now
        self.history.calls.append(
            Call(now, TENANT, caller, caller, role, type, given, key, now, result, error)
        )
        self.history.note("deployment", "answered", {})

    def ends(self, fence: int, owner: str | None, *entries: Message) -> HistoryBuilder:
        """Have chat-1 stand so at the end, by the interface and by the store."""
        self.final.sessions["chat-1"] = session(fence, owner)
        self.final.histories["chat-1"] = list(entries)
        self.final.kept.sessions["chat-1"] = msgspec.convert(session(fence, owner), Session)
        return self

    def broken(self) -> set[tuple[str, str]]:
        """Return invariant and subject of each violation."""
        return {(one.invariant, one.subject) for one in check(self.history, [self.final])}


@pytest.fixture
def made() -> HistoryBuilder:
    """A history in which nothing has happened."""
    return HistoryBuilder()


@pytest.fixture
def opened(made: HistoryBuilder) -> HistoryBuilder:
    """A history in which chat-1 was opened with Ana."""
    return made.opens()


# Deadlines.


@pytest.mark.parametrize(
    ("at", "is_faulty", "found"),
    [
        (4_999, False, {("S13", "chat-1")}),
        (5_000, False, set()),
        (5_250, False, set()),
        (5_001 + LATE_MS, False, {("S13", "chat-1")}),
        (5_001 + LATE_MS, True, set()),
    ],
)
def test_session_is_moved_when_its_deadline_passes(
    opened: HistoryBuilder, at: int, is_faulty: bool, found: set[tuple[str, str]]
) -> None:
    opened.hears(opened.ana, "session.assigned", session={**session(1), "due_at": 5_000})
    if is_faulty:
        opened.history.note_fault("SIGKILL of router 0")
    moved = entry(2, "moved", why="unanswered", at=at)
    assert opened.ends(2, "bob", OPENED, moved).broken() == found


# Commands.


def test_a_transfer_that_is_where_its_reply_says_is_right(opened: HistoryBuilder) -> None:
    opened.call(result=DONE)
    assert opened.ends(2, "bob", *HANDED_OVER).broken() == set()


def test_an_acknowledged_transfer_that_is_not_there_is_lost(opened: HistoryBuilder) -> None:
    opened.call(result=DONE)
    assert opened.ends(1, "ana", OPENED).broken() == {("S4", "chat-1")}


def test_what_a_store_was_made_to_forget_may_be_lost(opened: HistoryBuilder) -> None:
    opened.call(result=DONE)
    opened.history.lost_since(0)
    assert opened.ends(1, "ana", OPENED).broken() == set()


def test_loss_of_what_replicas_acknowledged_is_a_violation(opened: HistoryBuilder) -> None:
    opened.hears(opened.ana, "session.assigned", session=session(2))
    opened.history.lost_since(0, spares_acknowledged=True)
    assert opened.ends(1, "ana", OPENED).broken() == set()
    opened.call(result=DONE)
    opened.history.lost_since(0, spares_acknowledged=True)
    assert opened.ends(1, "ana", OPENED).broken() == {("S4", "chat-1")}


def test_a_refused_transfer_that_is_there_was_applied(opened: HistoryBuilder) -> None:
    opened.call(error="conflict")
    assert ("S5", "chat-1") in opened.ends(2, "bob", *HANDED_OVER).broken()


@pytest.mark.parametrize(("entries", "fence", "owner"), [((OPENED,), 1, "ana"), (HANDED_OVER, 2, "bob")])
def test_a_doubtful_transfer_may_be_there_or_not(
    opened: HistoryBuilder, entries: list[Message], fence: int, owner: str
) -> None:
    opened.call()
    assert opened.ends(fence, owner, *entries).broken() == set()


def test_a_repeated_transfer_may_be_there_once_only(opened: HistoryBuilder) -> None:
    opened.call()
    opened.call(result=DONE)
    again = [entry(4, "transferred", "ana", transfer=transfer("bob", "bob")), {**REASON_READ, "seq": 5}]
    assert ("S3", "chat-1") in opened.ends(3, "bob", *HANDED_OVER, *again).broken()


def test_a_key_has_one_reply(opened: HistoryBuilder) -> None:
    opened.call(result=DONE)
    opened.call(result=DONE)
    assert opened.ends(2, "bob", *HANDED_OVER).broken() == set()
    opened.call(error="conflict")
    assert opened.broken() == {("S3", "chat-1")}


def test_a_change_for_another_fence_must_be_refused(opened: HistoryBuilder) -> None:
    opened.call(result=DONE, fence=1)
    assert opened.ends(2, "bob", *HANDED_OVER).broken() == set()
    opened.history.calls[-1].fields = {**opened.history.calls[-1].fields, "fence": 4}
    assert opened.broken() == {("S2", "chat-1")}


def test_change_that_was_not_asked_for_is_a_violation(opened: HistoryBuilder) -> None:
    accepted = [entry(2, "accepted", "ana"), entry(3, "accepted", "ana")]
    opened.call("session.accept", result={"session": session(2)})
    assert opened.ends(3, "ana", OPENED, *accepted).broken() == {("S3", "chat-1")}


def test_a_defect_is_reported_at_whichever_attempt(made: HistoryBuilder) -> None:
    made.hears(made.ana, "reply", id="1", error={"code": "internal"})
    assert made.broken() == {("replies", "ana")}


# Sessions.


def test_the_fence_counts_the_changes_and_histories_have_no_gap(opened: HistoryBuilder) -> None:
    assert opened.ends(2, "ana", OPENED).broken() == {("S2", "chat-1")}
    assert opened.ends(1, "ana", OPENED, entry(3, "internal")).broken() == {("S8", "chat-1")}


def test_a_reason_is_read_right_after_its_transfer(opened: HistoryBuilder) -> None:
    opened.call(result=DONE)
    assert opened.ends(2, "bob", OPENED, TRANSFERRED).broken() == {("S8", "chat-1")}


def test_at_one_fence_a_session_has_one_owner(opened: HistoryBuilder) -> None:
    opened.hears(opened.ana, "session.changed", session=session(1, "ana"))
    assert opened.ends(1, "ana", OPENED).broken() == set()
    opened.hears(opened.bob, "session.changed", session=session(1, "bob"))
    assert ("S1", "chat-1") in opened.broken()


def test_fence_beyond_the_last_is_a_violation(opened: HistoryBuilder) -> None:
    opened.hears(opened.ana, "session.changed", session=session(5))
    assert opened.ends(1, "ana", OPENED).broken() == {("S2", "chat-1")}


def test_push_after_the_final_read_is_no_violation(opened: HistoryBuilder) -> None:
    opened.ends(1, "ana", OPENED).history.end(TENANT)
    opened.hears(opened.ana, "session.changed", session=session(5))
    assert opened.broken() == set()


def test_a_transfer_starts_where_the_session_was(opened: HistoryBuilder) -> None:
    opened.hears(opened.ana, "session.changed", session=session(1, "ana"))
    opened.call(caller="bob", result=DONE)
    from_bob = entry(2, "transferred", "bob", transfer=transfer("bob", "bob"))
    assert opened.ends(2, "bob", OPENED, from_bob, REASON_READ).broken() == {("S8", "chat-1")}


def test_interface_and_store_show_the_same(opened: HistoryBuilder) -> None:
    opened.ends(1, "ana", OPENED).final.kept.sessions.clear()
    assert opened.broken() == {("S1", "chat-1")}


def test_session_in_progress_of_an_absent_agent_is_a_violation(made: HistoryBuilder) -> None:
    made.final.kept.agents["ana"] = msgspec.convert(agent_row(load=1), Agent)
    made.final.kept.chosen["ana"] = ("connected", False)
    assert made.broken() == {("S7", "ana")}


# What clients are told.


def snapshot(made: HistoryBuilder, client: ClientLog, seq: int, **rows: Any) -> None:
    row = {**agent_row(), **rows}
    made.hears(client, "directory.snapshot", epoch="e1", seq=seq, agents=[row], departments=[])


def patch(made: HistoryBuilder, client: ClientLog, since: int, seq: int, **rows: Any) -> None:
    row = {**agent_row(), **rows}
    made.hears(client, "directory.patch", epoch="e1", since=since, seq=seq, agents=[row], departments=[])


def subscribe(made: HistoryBuilder, client: ClientLog, resume: int | None = None) -> None:
    fields = {} if resume is None else {"resume": {"epoch": "e1", "seq": resume}}
    made.says(client, "directory.subscribe", id="1", **fields)
    made.hears(client, "reply", id="1", result={})


def test_patches_follow_on_each_other_or_a_snapshot_comes(made: HistoryBuilder) -> None:
    subscribe(made, made.ana)
    snapshot(made, made.ana, 1)
    patch(made, made.ana, 1, 3, load=1)
    snapshot(made, made.ana, 7)
    assert made.broken() == set()
    patch(made, made.ana, 8, 9)
    assert made.broken() == {("S9", "ana")}


def test_resume_without_what_was_missed_is_a_violation(made: HistoryBuilder) -> None:
    subscribe(made, made.ana)
    snapshot(made, made.ana, 1)
    subscribe(made, made.ana, resume=1)
    patch(made, made.ana, 1, 4)
    assert made.broken() == set()
    subscribe(made, made.ana, resume=4)
    patch(made, made.ana, 5, 5)
    assert made.broken() == {("S9", "ana")}


def test_resume_from_an_older_position_ends_where_the_answer_does(made: HistoryBuilder) -> None:
    subscribe(made, made.ana)
    snapshot(made, made.ana, 1)
    patch(made, made.ana, 1, 2)
    # It had not taken that in yet when it asked.
    subscribe(made, made.ana, resume=1)
    patch(made, made.ana, 1, 3)
    patch(made, made.ana, 3, 4)
    assert made.broken() == set()


def test_second_subscribe_may_overlap_patches_of_the_first(
    made: HistoryBuilder,
) -> None:
    subscribe(made, made.ana)
    snapshot(made, made.ana, 1)
    subscribe(made, made.ana, resume=1)
    patch(made, made.ana, 1, 2)
    # The answer to a second question, which the client cannot take any more; it asks from where it is.
    subscribe(made, made.ana, resume=1)
    patch(made, made.ana, 1, 3)
    made.says(made.ana, "directory.subscribe", id="again", resume={"epoch": "e1", "seq": 2})
    patch(made, made.ana, 3, 4)
    made.hears(made.ana, "reply", id="again", result={})
    patch(made, made.ana, 2, 4)
    assert made.broken() == set()
    patch(made, made.ana, 3, 5)
    assert made.broken() == {("S9", "ana")}


def test_what_is_on_its_way_to_a_closed_dialog_does_not_count(made: HistoryBuilder) -> None:
    subscribe(made, made.ana)
    snapshot(made, made.ana, 1)
    made.says(made.ana, "directory.unsubscribe", id="2")
    patch(made, made.ana, 1, 2)
    subscribe(made, made.ana, resume=1)
    patch(made, made.ana, 1, 3)
    assert made.broken() == set()


def test_a_position_means_one_directory_to_all(made: HistoryBuilder) -> None:
    for client, load in ((made.ana, 0), (made.bob, 1)):
        subscribe(made, client)
        snapshot(made, client, 1, load=load)
    assert made.broken() == {("S10", "bob")}


@pytest.mark.parametrize(("load", "available"), [(3, True), (2, True), (1, False)])
def test_available_means_connected_with_room(made: HistoryBuilder, load: int, available: bool) -> None:
    subscribe(made, made.ana)
    snapshot(made, made.ana, 1, load=load, available=available)
    assert made.broken() == {("S6", "ana")}


def test_agent_is_routed_its_capacity_and_accepts_more(opened: HistoryBuilder) -> None:
    ana = msgspec.convert({**agent_row(1), "capacity": 0, "available": False}, Agent)
    opened.final.kept.agents["ana"] = ana
    assert ("S6", "ana") in opened.ends(1, "ana", OPENED).broken()
    assert ("S6", "ana") not in opened.ends(2, "ana", OPENED, entry(2, "accepted", "ana")).broken()


def test_nothing_older_is_pushed_and_nothing_taken_that_was_not_shown(opened: HistoryBuilder) -> None:
    opened.ends(1, "ana", OPENED)
    opened.hears(opened.ana, "welcome", inbox={"in_progress": [], "pending": []})
    opened.hears(opened.ana, "session.assigned", session=session(1))
    assert opened.broken() == set()
    opened.hears(opened.ana, "session.assigned", session=session(1))
    opened.hears(opened.bob, "session.removed", session_id="chat-1", fence=1, why="closed")
    found = [one.what for one in check(opened.history, [opened.final])]
    assert found == ["pushed at fence 1 to ana, shown at 1", "removed at 1, shown at None"]


def test_every_screen_shows_the_truth(opened: HistoryBuilder) -> None:
    opened.ends(1, "ana", OPENED).final.kept.agents["ana"] = msgspec.convert(agent_row(1), Agent)
    opened.final.kept.chosen["ana"] = ("connected", True)
    opened.final.kept.sets["connections:ana"] = {"node 1"}
    held = {"chat-1": ("in_progress", 1)}
    opened.final.screens = [Screen("ana", "ana", held, {"ana": agent_row(1)}, {})]
    assert opened.broken() == set()
    opened.final.screens += [Screen("phone", "ana", {}, {"ana": agent_row(0)}, {})]
    assert opened.broken() == {("L2", "chat-1"), ("L2", "phone")}


def test_unsettled_wait_is_a_violation(made: HistoryBuilder) -> None:
    made.final.unsettled = [("ana", "department Settled 1")]
    assert made.broken() == {("L2", "ana")}


def test_no_byte_of_another_tenant_comes_to_anybody(made: HistoryBuilder) -> None:
    made.ana.heard.extend(b"\x81\x10a note of acme only")
    assert made.broken() == set()
    made.ana.heard.extend(b"\x81\x10a note of globex only")
    assert made.broken() == {("S11", "ana")}


def test_a_report_shows_what_surrounds_the_first_violation(opened: HistoryBuilder) -> None:
    opened.hears(opened.ana, "session.assigned", session=session(1))
    opened.history.note_fault("SIGKILL of router 0")
    opened.call(result=DONE)
    found = check(opened.ends(1, "ana", OPENED).history, [opened.final])
    told = report(opened.history, found)
    assert told.startswith("S4: lost, though acknowledged")
    assert "session.assigned" in told
    assert "SIGKILL of router 0" in told
