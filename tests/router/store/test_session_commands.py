"""What each command does with a session, by example; tests/model tries them in every order."""

from typing import Any

import pytest

from relevo.protocol.objects import Owner, Session
from relevo.router.store import answers
from tests.router.store.stored_tenant import HELP, SALES, StoredTenant, to_agent, to_department
from tests.servers import StoreServer


def place(session: Session) -> tuple[str, str | None]:
    """Return a session's state and its owner's id."""
    return session.state, session.owner.id if session.owner is not None else None


def profile(agent_id: str, departments: list[str]) -> dict[str, Any]:
    """Return what `agent_put` takes."""
    return {"id": agent_id, "name": agent_id, "role": "agent", "departments": departments, "capacity": 10}


async def lose(tenant: StoredTenant, agent_id: str) -> None:
    """Let an agent stay away for longer than the grace of its sessions."""
    await tenant.disconnect(agent_id)
    tenant.now += 30_000
    await tenant.run("renew", node_id="node", lease_ms=10**9)


# Where a session goes ---------------------------------------------------------------------------------------


async def test_an_available_agent_has_the_session_in_progress_at_once(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana")
    session = await tenant.open("s", to_agent("ana"))
    assert place(session) == ("in_progress", "ana")
    assert (session.fence, session.hops, session.transfer) == (1, 0, None)
    assert (await tenant.agent("ana")).load == 1


@pytest.mark.parametrize("status", ["pause", "pre_pause", "disconnected"])
async def test_session_to_an_agent_that_is_unavailable_is_pending(tenant: StoredTenant, status: str) -> None:
    await tenant.connect_new("ana")
    await tenant.open("first", to_agent("ana"))
    await tenant.status("ana", status, by="boss")
    assert place(await tenant.open("s", to_agent("ana"))) == ("pending", "ana")
    assert (await tenant.agent("ana")).pending == 1


async def test_an_agent_at_capacity_finds_the_session_in_its_pending_list(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", capacity=1)
    await tenant.open("s1", to_agent("ana"))
    assert place(await tenant.open("s2", to_agent("ana"))) == ("pending", "ana")


async def test_department_assigns_to_the_member_least_busy_for_its_capacity(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", departments=["sales"], capacity=2)
    await tenant.connect_new("bob", departments=["sales"], capacity=4)
    owners = [place(await tenant.open(f"s{n}", SALES))[1] for n in range(6)]
    # Shares of their capacity before each: 0:0, 1/2:0, 1/2:1/4, 1/2:2/4 (ana waits longer), 1:2/4, 1:3/4.
    assert owners == ["ana", "bob", "bob", "ana", "bob", "bob"]


async def test_of_equally_busy_members_the_one_idle_longest_is_next(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob", "cat", departments=["sales"])
    for session_id in ("s1", "s2", "s3"):
        await tenant.open(session_id, SALES)
        await tenant.close(session_id)
    assert place(await tenant.open("s4", SALES)) == ("in_progress", "ana")


async def test_a_department_never_gives_a_session_back_to_its_present_owner(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", departments=["sales"])
    await tenant.open("s", to_agent("ana"))
    assert place(await tenant.transfer("s", SALES, by="ana")) == ("queued", "sales")


async def test_an_agent_gets_what_leaves_the_queue_of_a_department_of_its_own_id(
    tenant: StoredTenant,
) -> None:
    await tenant.connect_new("sales", departments=["help"])
    await tenant.open("s", SALES)
    assert place(await tenant.transfer("s", HELP)) == ("in_progress", "sales")


async def test_member_that_becomes_available_gets_the_queue_oldest_first(tenant: StoredTenant) -> None:
    for session_id, target in (("s1", HELP), ("s2", SALES), ("s3", HELP)):
        assert (await tenant.open(session_id, target)).state == "queued"
    await tenant.connect_new("ana", departments=["sales", "help"], capacity=2)
    assert await tenant.listed(agent_id="ana") == ["s1", "s2"]
    assert (await tenant.department("help")).queued == 1
    assert [entry.kind for entry in await tenant.history("s1")] == ["opened", "moved"]


@pytest.mark.origin("a freed slot went to a newer chat than the one that waited longest")
async def test_freed_slot_goes_to_the_session_that_waited_longest(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", departments=["sales"], capacity=1)
    for session_id in ("s1", "s2", "s3"):
        await tenant.open(session_id, SALES)
    await tenant.close("s1", by="ana")
    assert await tenant.listed(agent_id="ana") == ["s2"]


async def test_what_an_agent_gives_away_does_not_come_straight_back(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", departments=["sales"], capacity=1)
    await tenant.open("s1", to_agent("ana"))
    assert place(await tenant.transfer("s1", SALES, by="ana")) == ("queued", "sales")
    assert (await tenant.agent("ana")).available


async def test_transfer_to_a_queue_names_the_agent_that_took_it(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana")
    await tenant.open("s", to_agent("ana"))
    await tenant.transfer("s", SALES, by="ana")
    await tenant.connect_new("bob", departments=["sales"])
    [session] = [await tenant.change("session_get", "s", "boss")]
    assert session.transfer is not None
    assert (session.transfer.outcome, session.transfer.assigned_to) == ("assigned", "bob")
    assert await tenant.notified() == [("ana", "moved")]


# Transfer ---------------------------------------------------------------------------------------------------


async def test_transfer_names_its_sender_source_target_and_reason(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob")
    await tenant.open("s", to_agent("ana"))
    session = await tenant.transfer("s", to_agent("bob"), by="ana", reason="holidays")
    transfer = session.transfer
    assert transfer is not None
    assert (transfer.from_ and transfer.from_.id, transfer.to.id, transfer.by.id) == ("ana", "bob", "ana")
    assert (transfer.reason, transfer.outcome, session.fence, session.hops) == ("holidays", "assigned", 2, 1)
    _, transferred, reason = await tenant.history("s")
    assert (transferred.kind, transferred.transfer) == ("transferred", transfer)
    assert (reason.kind, reason.text, reason.seq) == ("internal", "holidays", 3)


async def test_a_transfer_tells_the_new_owner_and_the_old_one(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob")
    await tenant.open("s", to_agent("ana"))
    await tenant.new_events()
    await tenant.transfer("s", to_agent("bob"), by="ana")
    [event] = await tenant.new_events()
    [change] = event.changes
    assert (change.what, change.record.owner_id) == ("placed", "bob")
    assert (change.left, change.why) == ("ana", "transferred")
    assert sorted(row.id for row in event.agents) == ["ana", "bob"]


async def test_waiting_transfer_that_is_passed_on_notifies_its_sender(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob", "cat")
    await tenant.status("bob", "pause")
    await tenant.open("s", to_agent("ana"))
    await tenant.transfer("s", to_agent("bob"), by="ana")
    await tenant.transfer("s", to_agent("cat"), by="bob")
    assert await tenant.notified() == [("ana", "moved")]


async def test_stale_fence_conflict_names_the_owner_and_since_when(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob")
    await tenant.open("s", to_agent("ana"))
    await tenant.transfer("s", to_agent("bob"), by="ana", fence=1)
    details = await tenant.refuse(
        "conflict", "session_transfer", "boss", session_id="s", target=to_agent("boss"), fence=1
    )
    assert details == {
        "fence": 2,
        "state": "in_progress",
        "owner": {"kind": "agent", "id": "bob"},
        "by": {"id": "ana", "name": "ana", "role": "agent"},
        "at": tenant.now,
    }


@pytest.mark.adversarial("order: transfer to oneself")
@pytest.mark.origin("a transfer was logged before it succeeded")
async def test_a_transfer_is_refused_by_the_first_rule_it_breaks(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob")
    nowhere, back = to_agent("unknown"), to_agent("ana")

    async def refused(code: str, by: str, target: dict[str, str], **fields: int) -> None:
        await tenant.refuse(code, "session_transfer", by, session_id="s", target=target, **fields)

    await refused("not_found", "bob", nowhere, fence=7)
    await tenant.open("s", to_agent("ana"))
    await refused("conflict", "bob", nowhere, fence=7)
    await refused("forbidden", "bob", nowhere, fence=1)
    await refused("not_found", "ana", nowhere, fence=1)
    await refused("same_target", "ana", back, fence=1)
    assert [entry.kind for entry in await tenant.history("s")] == ["opened"]
    await tenant.close("s")
    await refused("closed", "bob", nowhere, fence=7)


# Accept -----------------------------------------------------------------------------------------------------


async def pending_on_bob(tenant: StoredTenant, session_id: str = "s") -> None:
    """Let ana send a session to bob, paused."""
    await tenant.connect_new("ana", "bob")
    await tenant.status("bob", "pause")
    await tenant.open(session_id, to_agent("ana"))
    await tenant.transfer(session_id, to_agent("bob"), by="ana")
    await tenant.new_events()


async def test_target_accepts_the_session_though_it_pauses(tenant: StoredTenant) -> None:
    await pending_on_bob(tenant)
    session = await tenant.accept("s", "bob")
    assert place(session) == ("in_progress", "bob")
    assert session.transfer is not None
    assert (session.transfer.outcome, session.transfer.assigned_to) == ("assigned", None)
    assert await tenant.notified() == [("ana", "accepted")]


async def test_accept_beyond_capacity_is_refused(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", departments=["sales"], capacity=1)
    await tenant.open("s1", SALES)
    await tenant.open("s2", SALES)
    await tenant.refuse("at_capacity", "session_accept", "ana", session_id="s2")


async def test_an_admin_without_room_by_its_token_takes_nothing(tenant: StoredTenant) -> None:
    await tenant.open("s", SALES)
    newcomer = {"id": "new", "role": "admin", "capacity": 0}
    await tenant.refuse("at_capacity", "session_accept", newcomer, session_id="s")
    await tenant.refuse(
        "at_capacity", "session_open", newcomer, session_id="t", customer={"id": "c", "name": "C"}
    )


async def test_admin_that_takes_a_session_over_http_enters_the_directory(tenant: StoredTenant) -> None:
    await tenant.open("s", SALES)
    session = await tenant.accept(
        "s", {"id": "new", "role": "admin", "name": "Nils", "departments": ["night"]}
    )
    assert place(session) == ("in_progress", "new")
    agent = await tenant.agent("new")
    assert (agent.name, agent.status, agent.load, agent.departments) == ("Nils", "disconnected", 1, ["night"])


async def test_accept_that_comes_too_late_names_the_faster_agent(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob", departments=["sales"])
    for agent_id in ("ana", "bob"):
        await tenant.status(agent_id, "pause")
    await tenant.open("s", SALES)
    await tenant.accept("s", "bob")
    details = await tenant.refuse("conflict", "session_accept", "ana", session_id="s")
    assert details["owner"] == {"kind": "agent", "id": "bob"}


async def test_accept_by_an_agent_that_was_no_target_is_forbidden(tenant: StoredTenant) -> None:
    await pending_on_bob(tenant)
    await tenant.connect_new("eve", departments=["help"])
    await tenant.refuse("forbidden", "session_accept", "eve", session_id="s")


async def test_admin_that_takes_it_for_itself_is_named(tenant: StoredTenant) -> None:
    await pending_on_bob(tenant)
    session = await tenant.accept("s", "boss")
    assert session.transfer is not None
    assert session.transfer.assigned_to == "boss"


async def test_target_that_accepts_after_a_decline_by_an_admin_is_the_target(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob", departments=["sales"])
    await tenant.status("ana", "pause")
    await tenant.status("bob", "pause")
    pending = {"after_grace": answers.packed("pending")}
    await tenant.run("settings_put", "boss", settings=pending, parties=[])
    await tenant.open("s", SALES)
    await tenant.transfer("s", to_agent("bob"))
    await tenant.accept("s", "boss")
    await tenant.disconnect("boss", clean=True)
    tenant.now += 30_000
    await tenant.decline("s", {"id": "boss", "role": "admin"})
    session = await tenant.accept("s", "bob")
    assert session.transfer is not None
    assert (session.transfer.to.id, session.transfer.assigned_to) == ("bob", None)


# Decline and recall -----------------------------------------------------------------------------------------


async def test_declined_session_goes_back_to_its_previous_owner(tenant: StoredTenant) -> None:
    await pending_on_bob(tenant)
    assert place(await tenant.decline("s", "bob", reason="lunch")) == ("in_progress", "ana")
    assert (await tenant.history("s"))[-1].text == "lunch"
    assert await tenant.notified() == [("ana", "declined")]


async def test_declined_session_waits_for_its_previous_owner_if_unavailable(tenant: StoredTenant) -> None:
    await pending_on_bob(tenant)
    await tenant.status("ana", "pause")
    assert place(await tenant.decline("s", "bob")) == ("pending", "ana")


async def test_declined_session_of_a_queue_goes_back_to_it_not_to_the_decliner(
    tenant: StoredTenant,
) -> None:
    await tenant.connect_new("bob", departments=["sales"], capacity=1)
    await tenant.open("busy", to_agent("bob"))
    await tenant.open("s", SALES)
    await tenant.transfer("s", to_agent("bob"))
    await tenant.close("busy")
    assert place(await tenant.decline("s", "bob")) == ("queued", "sales")


async def test_a_session_that_came_from_nowhere_cannot_be_declined(tenant: StoredTenant) -> None:
    await tenant.connect_new("bob")
    await tenant.status("bob", "pause")
    await tenant.open("s", to_agent("bob"))
    details = await tenant.refuse("no_origin", "session_decline", "bob", session_id="s")
    assert details == {"owner": to_agent("bob")}


async def test_declined_session_goes_to_whom_the_department_had_it_from(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bea")
    await tenant.open("s", to_agent("ana"))
    await tenant.run("agent_put", "boss", agent=profile("bea", ["sales"]))
    await tenant.transfer("s", SALES, by="ana")
    await lose(tenant, "bea")
    await tenant.connect("bea")
    assert place(await tenant.decline("s", by="bea")) == ("in_progress", "ana")


async def test_recalled_session_of_a_lost_owner_goes_to_its_sender(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bea")
    await tenant.open("s", to_agent("ana"))
    await tenant.run("agent_put", "boss", agent=profile("bea", ["sales"]))
    await tenant.transfer("s", SALES, by="ana")
    await lose(tenant, "bea")
    assert place(await tenant.recall("s", by="ana")) == ("in_progress", "ana")


async def test_session_given_back_twice_goes_to_its_department(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob", departments=["sales"])
    await tenant.connect_new("cid", departments=["sales"], capacity=0)
    await tenant.open("s", to_agent("ana"))
    await tenant.status("bob", "pause")
    await tenant.transfer("s", to_agent("bob"), by="ana")
    await tenant.status("ana", "pause")
    assert place(await tenant.decline("s", by="bob")) == ("pending", "ana")
    assert place(await tenant.decline("s", by="ana")) == ("queued", "sales")


async def test_declined_session_without_a_department_waits_for_an_absent_holder(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob")
    await tenant.open("s", to_agent("ana"))
    await tenant.status("bob", "pause")
    await tenant.transfer("s", to_agent("bob"), by="ana")
    await tenant.disconnect("ana", clean=True)
    assert place(await tenant.decline("s", by="bob")) == ("pending", "ana")


@pytest.mark.adversarial("order: decline what is not yours")
async def test_only_its_owner_declines(tenant: StoredTenant) -> None:
    await pending_on_bob(tenant)
    await tenant.refuse("forbidden", "session_decline", "ana", session_id="s")
    await tenant.refuse("conflict", "session_decline", "boss", session_id="s")


async def test_sender_of_a_transfer_recalls_it_while_it_waits(tenant: StoredTenant) -> None:
    await pending_on_bob(tenant)
    await tenant.refuse("forbidden", "session_recall", "bob", session_id="s")
    assert place(await tenant.recall("s", by="ana")) == ("in_progress", "ana")
    await tenant.refuse("conflict", "session_recall", "ana", session_id="s")


async def test_queued_session_without_a_previous_owner_is_not_recalled(tenant: StoredTenant) -> None:
    await tenant.open("s", SALES)
    await tenant.refuse("no_origin", "session_recall", "boss", session_id="s")


async def test_place_is_for_sender_members_admins_and_back_ends(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob")
    await tenant.connect_new("sam", departments=["sales"])
    await tenant.status("sam", "pause")
    for session_id in ("first", "second", "third"):
        await tenant.open(session_id, to_agent("ana"))
        await tenant.transfer(session_id, SALES, by="ana")
    assert [await tenant.place("third", by) for by in ("ana", "sam", "boss", "desk")] == [3, 3, 3, 3]
    await tenant.refuse("forbidden", "session_place", "bob", session_id="third")
    await tenant.recall("first", by="ana")
    assert await tenant.place("third", "ana") == 2
    await tenant.accept("second", "sam")
    assert await tenant.place("third", "ana") == 1
    await tenant.refuse("conflict", "session_place", "ana", session_id="second")
    await tenant.refuse("conflict", "session_place", "sam", session_id="second")
    await tenant.refuse("forbidden", "session_place", "bob", session_id="second")
    await tenant.close("third")
    await tenant.refuse("closed", "session_place", "ana", session_id="third")


# Open, note, close ------------------------------------------------------------------------------------------


async def test_an_open_session_cannot_be_opened(tenant: StoredTenant) -> None:
    await tenant.open("s", SALES)
    await tenant.refuse(
        "exists", "session_open", "boss", session_id="s", customer={"id": "c", "name": "C"}, target=HELP
    )


async def test_an_admin_that_leaves_the_target_out_has_the_session(tenant: StoredTenant) -> None:
    assert place(await tenant.open("s")) == ("in_progress", "boss")


async def test_a_closed_session_is_kept_for_a_while_and_frees_its_owner(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    await tenant.connect_new("ana")
    await tenant.open("s", to_agent("ana"))
    session = await tenant.close("s", by="ana")
    assert place(session) == ("closed", None)
    assert (await tenant.agent("ana")).load == 0
    assert 0 < shared_valkey.call("PTTL", f"relevo:{{{tenant.id}}}:session:s") <= 86_400_000


async def test_a_closed_session_opened_again_goes_on_where_it_was(
    tenant: StoredTenant, shared_valkey: StoreServer
) -> None:
    await tenant.open("s", SALES)
    await tenant.close("s")
    session = await tenant.open("s", SALES)
    assert (session.state, session.fence, session.hops, session.transfer) == ("queued", 3, 0, None)
    assert [entry.kind for entry in await tenant.history("s")] == ["opened", "closed", "opened"]
    assert shared_valkey.call("PTTL", f"relevo:{{{tenant.id}}}:session:s") == -1


async def test_close_of_a_waiting_session_notifies_its_sender(tenant: StoredTenant) -> None:
    await pending_on_bob(tenant)
    await tenant.close("s")
    assert await tenant.notified() == [("ana", "moved")]


async def test_a_note_is_for_the_owner_and_moves_nothing(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob")
    await tenant.open("s", to_agent("ana"))
    await tenant.refuse("forbidden", "session_note", "bob", session_id="s", text="no")
    entry = answers.entry(
        (await tenant.run("session_note", "ana", session_id="s", text="likes tea"))["entry"]
    )
    assert (entry.seq, entry.kind, entry.text, entry.by and entry.by.id) == (
        2,
        "internal",
        "likes tea",
        "ana",
    )
    assert (await tenant.change("session_get", "s", "ana")).fence == 1


async def test_first_ack_of_a_session_notifies_its_sender(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob")
    await tenant.open("s", to_agent("ana"))
    await tenant.transfer("s", to_agent("bob"), by="ana")
    await tenant.new_events()
    for by, fence in (("bob", 1), ("ana", 2), ("bob", 2), ("bob", 2)):
        await tenant.run("session_ack", by, session_id="s", fence=fence)
    assert await tenant.notified() == [("ana", "delivered")]


# Reading ----------------------------------------------------------------------------------------------------


async def test_an_agent_lists_its_own_sessions_and_its_departments_queues(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", departments=["sales"], capacity=1)
    for session_id, target in (("q", SALES), ("other", HELP), ("mine", to_agent("ana")), ("q2", SALES)):
        await tenant.open(session_id, target)
    assert await tenant.listed("ana") == ["q", "mine", "q2"]
    assert await tenant.listed("ana", state="queued") == ["q2"]
    assert await tenant.listed("boss") == ["q", "other", "mine", "q2"]
    await tenant.refuse("forbidden", "session_list", "ana", department_id="help", after=0, limit=9)
    await tenant.refuse("forbidden", "session_list", "ana", agent_id="boss", after=0, limit=9)


async def test_a_list_goes_on_where_the_page_before_ended(tenant: StoredTenant) -> None:
    for number in range(3):
        await tenant.open(f"s{number}", SALES)
    request = {"now": tenant.now, "by": {"id": "boss", "role": "admin"}, "limit": 2}
    first = await tenant.commands.run(tenant.id, "session_list", request | {"after": 0}, answers.ListReply)
    rest = await tenant.commands.run(
        tenant.id, "session_list", request | {"after": first.position}, answers.ListReply
    )
    assert [answers.session(raw).id for raw in [*first.sessions, *rest.sessions]] == ["s0", "s1", "s2"]
    assert rest.position is None


async def test_a_history_says_whether_there_is_more(tenant: StoredTenant) -> None:
    await tenant.open("s", SALES)
    for text in ("one", "two"):
        await tenant.run("session_note", "boss", session_id="s", text=text)
    request = {"now": tenant.now, "by": {"id": "boss", "role": "admin"}, "session_id": "s", "after": 1}
    for limit, texts, more in ((1, ["one"], True), (2, ["one", "two"], False)):
        page = await tenant.commands.run(
            tenant.id, "session_history", request | {"limit": limit}, answers.HistoryReply
        )
        entries, has_more = page.page
        assert ([entry.text for entry in entries], has_more) == (texts, more)


async def test_an_owner_is_an_agent_of_that_id_and_no_back_end_or_department(tenant: StoredTenant) -> None:
    await tenant.connect_new("desk")
    session = await tenant.open("s", to_agent("desk"), by="desk")
    assert session.owner == Owner("agent", "desk")
    assert place(await tenant.transfer("s", to_department("help"), by="desk")) == ("queued", "help")
    await tenant.refuse("forbidden", "session_get", {"id": "help", "role": "agent"}, session_id="s")


async def test_a_history_of_long_notes_comes_in_pages_of_bounded_size(tenant: StoredTenant) -> None:
    await tenant.open("s", SALES)
    for number in range(45):
        await tenant.run("session_note", "boss", session_id="s", text=f"{number:04}" + "\U0001d538" * 3996)
    request = {"now": tenant.now, "by": {"id": "boss", "role": "admin"}, "session_id": "s", "limit": 500}
    pages: list[list[int]] = []
    after, has_more = 0, True
    while has_more:
        page = await tenant.commands.run(
            tenant.id, "session_history", request | {"after": after}, answers.HistoryReply
        )
        assert sum(len(raw) for raw in page.records) <= 256 * 1024 + 5 * len(page.records)
        entries, has_more = page.page
        pages.append([entry.seq for entry in entries])
        after = entries[-1].seq
    assert len(pages) > 2
    assert [seq for page_seqs in pages for seq in page_seqs] == list(range(1, 47))


async def test_session_back_in_its_queue_is_assigned_by_its_transfer(
    tenant: StoredTenant,
) -> None:
    pending = {"after_grace": answers.packed("pending")}
    await tenant.run("settings_put", "boss", settings=pending, parties=[])
    await tenant.connect_new("ana")
    await tenant.open("s", to_agent("ana"))
    await tenant.transfer("s", HELP, by="ana")
    await tenant.accept("s", by="boss")
    await tenant.disconnect("ana", clean=True)
    # What it was sent to last is then its lost owner's own list.
    await tenant.disconnect("boss")
    tenant.now += 60_000
    assert (await tenant.decline("s", by="boss")).state == "queued"
    await tenant.connect_new("bob", departments=["help"])
    session = answers.session((await tenant.run("session_get", "desk", session_id="s"))["session"])
    assert session.transfer is not None
    assert (session.owner and session.owner.id, session.transfer.assigned_to) == ("bob", "bob")


# Given back after it left its department --------------------------------------------------------------------


async def offer_outside(tenant: StoredTenant, bea_status: str = "connected") -> None:
    """Let Carl of sales have a session and leave, and the admin offer it to Bea, who is in no department."""
    await tenant.connect_new("carl", departments=["sales"])
    await tenant.connect_new("bea")
    await tenant.status("bea", bea_status)
    assert place(await tenant.open("s", SALES)) == ("in_progress", "carl")
    await tenant.disconnect("carl", clean=True)
    offered = await tenant.transfer("s", to_agent("bea"))
    assert not offered.department


@pytest.mark.parametrize("bea_status", ["connected", "pause"])
@pytest.mark.parametrize("command", ["session_decline", "session_recall"])
async def test_session_offered_outside_its_department_returns_to_it(
    tenant: StoredTenant, command: str, bea_status: str
) -> None:
    await offer_outside(tenant, bea_status)
    await tenant.connect_new("dora", departments=["sales"])
    by = "bea" if command == "session_decline" else "boss"
    returned = await tenant.change(command, "s", by)
    assert place(returned) == ("in_progress", "dora")
    assert returned.department == "sales"


async def test_session_that_returns_to_its_department_takes_the_place_of_its_age(
    tenant: StoredTenant,
) -> None:
    await offer_outside(tenant)
    await tenant.open("younger", SALES)
    assert place(await tenant.decline("s", "bea")) == ("queued", "sales")
    assert await tenant.place("s", "boss") == 1


async def test_session_offered_outside_returns_to_its_agent_if_that_is_back(tenant: StoredTenant) -> None:
    await offer_outside(tenant)
    await tenant.connect("carl")
    assert place(await tenant.decline("s", "bea")) == ("in_progress", "carl")


async def test_session_does_not_return_to_a_department_that_is_gone(tenant: StoredTenant) -> None:
    await offer_outside(tenant)
    await tenant.run("department_remove", "boss", department_id="sales")
    assert place(await tenant.decline("s", "bea")) == ("pending", "carl")


async def test_session_sent_into_another_department_forgets_the_former_one(tenant: StoredTenant) -> None:
    await offer_outside(tenant)
    await tenant.connect_new("hal", departments=["help"])
    await tenant.transfer("s", HELP)
    await tenant.disconnect("bea", clean=True)
    assert place(await tenant.decline("s", "hal")) == ("queued", "help")
