"""What each command does with a session, by example; tests/model tries them in every order."""

import pytest

from relevo.protocol.objects import Owner, Session
from relevo.router.store import records
from tests.router.store.shop import HELP, SALES, Shop, to_agent, to_department
from tests.servers import StoreServer


def place(session: Session) -> tuple[str, str | None]:
    """Return a session's state and its owner's id."""
    return session.state, session.owner.id if session.owner is not None else None


# Where a session goes ---------------------------------------------------------------------------------------


async def test_an_available_agent_has_the_session_in_progress_at_once(shop: Shop) -> None:
    await shop.hire("ana")
    session = await shop.open("s", to_agent("ana"))
    assert place(session) == ("in_progress", "ana")
    assert (session.fence, session.hops, session.transfer) == (1, 0, None)
    assert (await shop.agent("ana")).load == 1


@pytest.mark.parametrize("status", ["pause", "pre_pause", "disconnected"])
async def test_session_to_an_agent_that_is_unavailable_is_pending(shop: Shop, status: str) -> None:
    await shop.hire("ana")
    await shop.open("first", to_agent("ana"))
    await shop.status("ana", status, by="boss")
    assert place(await shop.open("s", to_agent("ana"))) == ("pending", "ana")
    assert (await shop.agent("ana")).pending == 1


async def test_an_agent_at_capacity_finds_the_session_in_its_pending_list(shop: Shop) -> None:
    await shop.hire("ana", capacity=1)
    await shop.open("s1", to_agent("ana"))
    assert place(await shop.open("s2", to_agent("ana"))) == ("pending", "ana")


async def test_department_assigns_to_the_member_least_busy_for_its_capacity(shop: Shop) -> None:
    await shop.hire("ana", departments=["sales"], capacity=2)
    await shop.hire("bob", departments=["sales"], capacity=4)
    owners = [place(await shop.open(f"s{n}", SALES))[1] for n in range(6)]
    # Shares of their capacity before each: 0:0, 1/2:0, 1/2:1/4, 1/2:2/4 (ana waits longer), 1:2/4, 1:3/4.
    assert owners == ["ana", "bob", "bob", "ana", "bob", "bob"]


async def test_of_equally_busy_members_the_one_idle_longest_is_next(shop: Shop) -> None:
    await shop.hire("ana", "bob", "cat", departments=["sales"])
    for session_id in ("s1", "s2", "s3"):
        await shop.open(session_id, SALES)
        await shop.close(session_id)
    assert place(await shop.open("s4", SALES)) == ("in_progress", "ana")


async def test_a_department_never_gives_a_session_back_to_its_present_owner(shop: Shop) -> None:
    await shop.hire("ana", departments=["sales"])
    await shop.open("s", to_agent("ana"))
    assert place(await shop.transfer("s", SALES, by="ana")) == ("queued", "sales")


async def test_an_agent_gets_what_leaves_the_queue_of_a_department_of_its_own_id(shop: Shop) -> None:
    await shop.hire("sales", departments=["help"])
    await shop.open("s", SALES)
    assert place(await shop.transfer("s", HELP)) == ("in_progress", "sales")


async def test_member_that_becomes_available_gets_the_queue_oldest_first(shop: Shop) -> None:
    for session_id, target in (("s1", HELP), ("s2", SALES), ("s3", HELP)):
        assert (await shop.open(session_id, target)).state == "queued"
    await shop.hire("ana", departments=["sales", "help"], capacity=2)
    assert await shop.listed(agent_id="ana") == ["s1", "s2"]
    assert (await shop.department("help")).queued == 1
    assert [entry.kind for entry in await shop.history("s1")] == ["opened", "moved"]


async def test_freed_slot_goes_to_the_session_that_waited_longest(shop: Shop) -> None:
    await shop.hire("ana", departments=["sales"], capacity=1)
    for session_id in ("s1", "s2", "s3"):
        await shop.open(session_id, SALES)
    await shop.close("s1", by="ana")
    assert await shop.listed(agent_id="ana") == ["s2"]


async def test_what_an_agent_gives_away_does_not_come_straight_back(shop: Shop) -> None:
    await shop.hire("ana", departments=["sales"], capacity=1)
    await shop.open("s1", to_agent("ana"))
    assert place(await shop.transfer("s1", SALES, by="ana")) == ("queued", "sales")
    assert (await shop.agent("ana")).available


async def test_transfer_to_a_queue_names_the_agent_that_took_it(shop: Shop) -> None:
    await shop.hire("ana")
    await shop.open("s", to_agent("ana"))
    await shop.transfer("s", SALES, by="ana")
    await shop.hire("bob", departments=["sales"])
    [session] = [await shop.change("session_get", "s", "boss")]
    assert session.transfer is not None
    assert (session.transfer.outcome, session.transfer.assigned_to) == ("assigned", "bob")
    assert await shop.told() == [("ana", "moved")]


# Transfer ---------------------------------------------------------------------------------------------------


async def test_transfer_names_its_sender_source_target_and_reason(shop: Shop) -> None:
    await shop.hire("ana", "bob")
    await shop.open("s", to_agent("ana"))
    session = await shop.transfer("s", to_agent("bob"), by="ana", reason="holidays")
    transfer = session.transfer
    assert transfer is not None
    assert (transfer.from_ and transfer.from_.id, transfer.to.id, transfer.by.id) == ("ana", "bob", "ana")
    assert (transfer.reason, transfer.outcome, session.fence, session.hops) == ("holidays", "assigned", 2, 1)
    _, transferred, reason = await shop.history("s")
    assert (transferred.kind, transferred.transfer) == ("transferred", transfer)
    assert (reason.kind, reason.text, reason.seq) == ("internal", "holidays", 3)


async def test_a_transfer_tells_the_new_owner_and_the_old_one(shop: Shop) -> None:
    await shop.hire("ana", "bob")
    await shop.open("s", to_agent("ana"))
    await shop.news()
    await shop.transfer("s", to_agent("bob"), by="ana")
    [event] = await shop.news()
    [change] = event.changes
    assert (change.what, change.record.owner_id) == ("placed", "bob")
    assert (change.left, change.why) == ("ana", "transferred")
    assert sorted(row.id for row in event.agents) == ["ana", "bob"]


async def test_waiting_transfer_that_is_passed_on_notifies_its_sender(shop: Shop) -> None:
    await shop.hire("ana", "bob", "cat")
    await shop.status("bob", "pause")
    await shop.open("s", to_agent("ana"))
    await shop.transfer("s", to_agent("bob"), by="ana")
    await shop.transfer("s", to_agent("cat"), by="bob")
    assert await shop.told() == [("ana", "moved")]


async def test_stale_fence_conflict_names_the_owner_and_since_when(shop: Shop) -> None:
    await shop.hire("ana", "bob")
    await shop.open("s", to_agent("ana"))
    await shop.transfer("s", to_agent("bob"), by="ana", fence=1)
    details = await shop.refuse(
        "conflict", "session_transfer", "boss", session_id="s", target=to_agent("boss"), fence=1
    )
    assert details == {
        "fence": 2,
        "state": "in_progress",
        "owner": {"kind": "agent", "id": "bob"},
        "by": {"id": "ana", "name": "ana", "role": "agent"},
        "at": shop.now,
    }


async def test_a_transfer_is_refused_by_the_first_rule_it_breaks(shop: Shop) -> None:
    await shop.hire("ana", "bob")
    nowhere, back = to_agent("unknown"), to_agent("ana")

    async def refused(code: str, by: str, target: dict[str, str], **fields: int) -> None:
        await shop.refuse(code, "session_transfer", by, session_id="s", target=target, **fields)

    await refused("not_found", "bob", nowhere, fence=7)
    await shop.open("s", to_agent("ana"))
    await refused("conflict", "bob", nowhere, fence=7)
    await refused("forbidden", "bob", nowhere, fence=1)
    await refused("not_found", "ana", nowhere, fence=1)
    await refused("same_target", "ana", back, fence=1)
    await shop.close("s")
    await refused("closed", "bob", nowhere, fence=7)


# Accept -----------------------------------------------------------------------------------------------------


async def pending_on_bob(shop: Shop, session_id: str = "s") -> None:
    """Let ana send a session to bob, paused."""
    await shop.hire("ana", "bob")
    await shop.status("bob", "pause")
    await shop.open(session_id, to_agent("ana"))
    await shop.transfer(session_id, to_agent("bob"), by="ana")
    await shop.news()


async def test_target_accepts_the_session_though_it_pauses(shop: Shop) -> None:
    await pending_on_bob(shop)
    session = await shop.accept("s", "bob")
    assert place(session) == ("in_progress", "bob")
    assert session.transfer is not None
    assert (session.transfer.outcome, session.transfer.assigned_to) == ("assigned", None)
    assert await shop.told() == [("ana", "accepted")]


async def test_accept_beyond_capacity_is_refused(shop: Shop) -> None:
    await shop.hire("ana", departments=["sales"], capacity=1)
    await shop.open("s1", SALES)
    await shop.open("s2", SALES)
    await shop.refuse("at_capacity", "session_accept", "ana", session_id="s2")


async def test_an_admin_without_room_by_its_token_takes_nothing(shop: Shop) -> None:
    await shop.open("s", SALES)
    newcomer = {"id": "new", "role": "admin", "capacity": 0}
    await shop.refuse("at_capacity", "session_accept", newcomer, session_id="s")
    await shop.refuse(
        "at_capacity", "session_open", newcomer, session_id="t", customer={"id": "c", "name": "C"}
    )


async def test_admin_that_takes_a_session_over_http_enters_the_directory(shop: Shop) -> None:
    await shop.open("s", SALES)
    session = await shop.accept("s", {"id": "new", "role": "admin", "name": "Nils", "departments": ["night"]})
    assert place(session) == ("in_progress", "new")
    agent = await shop.agent("new")
    assert (agent.name, agent.status, agent.load, agent.departments) == ("Nils", "disconnected", 1, ["night"])


async def test_accept_that_comes_too_late_names_the_faster_agent(shop: Shop) -> None:
    await shop.hire("ana", "bob", departments=["sales"])
    for agent_id in ("ana", "bob"):
        await shop.status(agent_id, "pause")
    await shop.open("s", SALES)
    await shop.accept("s", "bob")
    details = await shop.refuse("conflict", "session_accept", "ana", session_id="s")
    assert details["owner"] == {"kind": "agent", "id": "bob"}


async def test_accept_by_an_agent_that_was_no_target_is_forbidden(shop: Shop) -> None:
    await pending_on_bob(shop)
    await shop.hire("eve", departments=["help"])
    await shop.refuse("forbidden", "session_accept", "eve", session_id="s")


async def test_admin_that_takes_it_for_itself_is_named(shop: Shop) -> None:
    await pending_on_bob(shop)
    session = await shop.accept("s", "boss")
    assert session.transfer is not None
    assert session.transfer.assigned_to == "boss"


async def test_target_that_accepts_after_a_decline_by_an_admin_is_the_target(shop: Shop) -> None:
    await shop.hire("ana", "bob", departments=["sales"])
    await shop.status("ana", "pause")
    await shop.status("bob", "pause")
    await shop.open("s", SALES)
    await shop.transfer("s", to_agent("bob"))
    await shop.accept("s", "boss")
    await shop.disconnect("boss", clean=True)
    shop.now += 30_000
    await shop.decline("s", {"id": "boss", "role": "admin"})
    session = await shop.accept("s", "bob")
    assert session.transfer is not None
    assert (session.transfer.to.id, session.transfer.assigned_to) == ("bob", None)


# Decline and recall -----------------------------------------------------------------------------------------


async def test_declined_session_goes_back_to_its_previous_owner(shop: Shop) -> None:
    await pending_on_bob(shop)
    assert place(await shop.decline("s", "bob", reason="lunch")) == ("in_progress", "ana")
    assert (await shop.history("s"))[-1].text == "lunch"
    assert await shop.told() == [("ana", "declined")]


async def test_declined_session_waits_for_its_previous_owner_if_unavailable(shop: Shop) -> None:
    await pending_on_bob(shop)
    await shop.status("ana", "pause")
    assert place(await shop.decline("s", "bob")) == ("pending", "ana")


async def test_declined_session_of_a_queue_goes_back_to_it_not_to_the_decliner(
    shop: Shop,
) -> None:
    await shop.hire("bob", departments=["sales"], capacity=1)
    await shop.open("busy", to_agent("bob"))
    await shop.open("s", SALES)
    await shop.transfer("s", to_agent("bob"))
    await shop.close("busy")
    assert place(await shop.decline("s", "bob")) == ("queued", "sales")


async def test_a_session_that_came_from_nowhere_cannot_be_declined(shop: Shop) -> None:
    await shop.hire("bob")
    await shop.status("bob", "pause")
    await shop.open("s", to_agent("bob"))
    await shop.refuse("conflict", "session_decline", "bob", session_id="s")


async def test_only_its_owner_declines(shop: Shop) -> None:
    await pending_on_bob(shop)
    await shop.refuse("forbidden", "session_decline", "ana", session_id="s")
    await shop.refuse("conflict", "session_decline", "boss", session_id="s")


async def test_sender_of_a_transfer_recalls_it_while_it_waits(shop: Shop) -> None:
    await pending_on_bob(shop)
    await shop.refuse("forbidden", "session_recall", "bob", session_id="s")
    assert place(await shop.recall("s", by="ana")) == ("in_progress", "ana")
    await shop.refuse("conflict", "session_recall", "ana", session_id="s")


async def test_queued_session_without_a_previous_owner_is_not_recalled(shop: Shop) -> None:
    await shop.open("s", SALES)
    await shop.refuse("conflict", "session_recall", "boss", session_id="s")


async def test_place_is_for_sender_members_admins_and_back_ends(shop: Shop) -> None:
    await shop.hire("ana", "bob")
    await shop.hire("sam", departments=["sales"])
    await shop.status("sam", "pause")
    for session_id in ("first", "second", "third"):
        await shop.open(session_id, to_agent("ana"))
        await shop.transfer(session_id, SALES, by="ana")
    assert [await shop.place("third", by) for by in ("ana", "sam", "boss", "desk")] == [3, 3, 3, 3]
    await shop.refuse("forbidden", "session_place", "bob", session_id="third")
    await shop.recall("first", by="ana")
    assert await shop.place("third", "ana") == 2
    await shop.accept("second", "sam")
    assert await shop.place("third", "ana") == 1
    await shop.refuse("conflict", "session_place", "ana", session_id="second")
    await shop.refuse("conflict", "session_place", "sam", session_id="second")
    await shop.refuse("forbidden", "session_place", "bob", session_id="second")
    await shop.close("third")
    await shop.refuse("closed", "session_place", "ana", session_id="third")


# Open, note, close ------------------------------------------------------------------------------------------


async def test_an_open_session_cannot_be_opened(shop: Shop) -> None:
    await shop.open("s", SALES)
    await shop.refuse(
        "exists", "session_open", "boss", session_id="s", customer={"id": "c", "name": "C"}, target=HELP
    )


async def test_an_admin_that_leaves_the_target_out_has_the_session(shop: Shop) -> None:
    assert place(await shop.open("s")) == ("in_progress", "boss")


async def test_a_closed_session_is_kept_for_a_while_and_frees_its_owner(
    shop: Shop, shared_valkey: StoreServer
) -> None:
    await shop.hire("ana")
    await shop.open("s", to_agent("ana"))
    session = await shop.close("s", by="ana")
    assert place(session) == ("closed", None)
    assert (await shop.agent("ana")).load == 0
    assert 0 < shared_valkey.call("PTTL", f"relevo:{{{shop.tenant}}}:session:s") <= 86_400_000


async def test_a_closed_session_opened_again_goes_on_where_it_was(
    shop: Shop, shared_valkey: StoreServer
) -> None:
    await shop.open("s", SALES)
    await shop.close("s")
    session = await shop.open("s", SALES)
    assert (session.state, session.fence, session.hops, session.transfer) == ("queued", 3, 0, None)
    assert [entry.kind for entry in await shop.history("s")] == ["opened", "closed", "opened"]
    assert shared_valkey.call("PTTL", f"relevo:{{{shop.tenant}}}:session:s") == -1


async def test_close_of_a_waiting_session_notifies_its_sender(shop: Shop) -> None:
    await pending_on_bob(shop)
    await shop.close("s")
    assert await shop.told() == [("ana", "moved")]


async def test_a_note_is_for_the_owner_and_moves_nothing(shop: Shop) -> None:
    await shop.hire("ana", "bob")
    await shop.open("s", to_agent("ana"))
    await shop.refuse("forbidden", "session_note", "bob", session_id="s", text="no")
    entry = records.entry((await shop.run("session_note", "ana", session_id="s", text="likes tea"))["entry"])
    assert (entry.seq, entry.kind, entry.text, entry.by and entry.by.id) == (
        2,
        "internal",
        "likes tea",
        "ana",
    )
    assert (await shop.change("session_get", "s", "ana")).fence == 1


async def test_first_ack_of_a_session_notifies_its_sender(shop: Shop) -> None:
    await shop.hire("ana", "bob")
    await shop.open("s", to_agent("ana"))
    await shop.transfer("s", to_agent("bob"), by="ana")
    await shop.news()
    for by, fence in (("bob", 1), ("ana", 2), ("bob", 2), ("bob", 2)):
        await shop.run("session_ack", by, session_id="s", fence=fence)
    assert await shop.told() == [("ana", "delivered")]


# Reading ----------------------------------------------------------------------------------------------------


async def test_an_agent_lists_its_own_sessions_and_its_departments_queues(shop: Shop) -> None:
    await shop.hire("ana", departments=["sales"], capacity=1)
    for session_id, target in (("q", SALES), ("other", HELP), ("mine", to_agent("ana")), ("q2", SALES)):
        await shop.open(session_id, target)
    assert await shop.listed("ana") == ["q", "mine", "q2"]
    assert await shop.listed("ana", state="queued") == ["q2"]
    assert await shop.listed("boss") == ["q", "other", "mine", "q2"]
    await shop.refuse("forbidden", "session_list", "ana", department_id="help", after=0, limit=9)
    await shop.refuse("forbidden", "session_list", "ana", agent_id="boss", after=0, limit=9)


async def test_a_list_goes_on_where_the_page_before_ended(shop: Shop) -> None:
    for number in range(3):
        await shop.open(f"s{number}", SALES)
    request = {"now": shop.now, "by": {"id": "boss", "role": "admin"}, "limit": 2}
    first = await shop.commands.run(shop.tenant, "session_list", request | {"after": 0}, records.ListReply)
    rest = await shop.commands.run(
        shop.tenant, "session_list", request | {"after": first.position}, records.ListReply
    )
    assert [records.session(raw).id for raw in [*first.sessions, *rest.sessions]] == ["s0", "s1", "s2"]
    assert rest.position is None


async def test_a_history_says_whether_there_is_more(shop: Shop) -> None:
    await shop.open("s", SALES)
    for text in ("one", "two"):
        await shop.run("session_note", "boss", session_id="s", text=text)
    request = {"now": shop.now, "by": {"id": "boss", "role": "admin"}, "session_id": "s", "after": 1}
    for limit, texts, more in ((1, ["one"], True), (2, ["one", "two"], False)):
        page = await shop.commands.run(
            shop.tenant, "session_history", request | {"limit": limit}, records.HistoryReply
        )
        entries, has_more = page.page
        assert ([entry.text for entry in entries], has_more) == (texts, more)


async def test_an_owner_is_an_agent_of_that_id_and_no_back_end_or_department(shop: Shop) -> None:
    await shop.hire("desk")
    session = await shop.open("s", to_agent("desk"), by="desk")
    assert session.owner == Owner("agent", "desk")
    assert place(await shop.transfer("s", to_department("help"), by="desk")) == ("queued", "help")
    await shop.refuse("forbidden", "session_get", {"id": "help", "role": "agent"}, session_id="s")


async def test_a_history_of_long_notes_comes_in_pages_of_bounded_size(shop: Shop) -> None:
    await shop.open("s", SALES)
    for number in range(45):
        await shop.run("session_note", "boss", session_id="s", text=f"{number:04}" + "\U0001d538" * 3996)
    request = {"now": shop.now, "by": {"id": "boss", "role": "admin"}, "session_id": "s", "limit": 500}
    pages: list[list[int]] = []
    after, has_more = 0, True
    while has_more:
        page = await shop.commands.run(
            shop.tenant, "session_history", request | {"after": after}, records.HistoryReply
        )
        assert sum(len(raw) for raw in page.records) <= 256 * 1024 + 5 * len(page.records)
        entries, has_more = page.page
        pages.append([entry.seq for entry in entries])
        after = entries[-1].seq
    assert len(pages) > 2
    assert [seq for page_seqs in pages for seq in page_seqs] == list(range(1, 47))
