"""When the system moves a session on that nobody answers or takes, and with whom it is tried."""

from typing import Any

import pytest

from relevo.protocol.objects import Agent, Session
from relevo.protocol.settings import SETTINGS
from relevo.router.store import answers, records
from tests.router.store.stored_tenant import SALES, StoredTenant, to_agent
from tests.router.store.test_settings_commands import packed, put

ANSWER_MS = 10_000


@pytest.fixture
async def tenant(tenant: StoredTenant) -> StoredTenant:
    """Sessions are to be answered within ten seconds."""
    await put(tenant, answer_ms=ANSWER_MS, missed_max=0)
    return tenant


async def session(tenant: StoredTenant, session_id: str = "s") -> Session:
    return await tenant.change("session_get", session_id, "boss")


async def place(tenant: StoredTenant, session_id: str = "s") -> tuple[str, str | None]:
    """Return a session's state and its owner's id."""
    found = await session(tenant, session_id)
    return found.state, found.owner.id if found.owner is not None else None


async def wait(tenant: StoredTenant, ms: int = ANSWER_MS) -> None:
    """Let time pass for a node that serves the tenant."""
    tenant.now += ms
    await tenant.run("renew", node_id="node", lease_ms=10**9)


async def moves(tenant: StoredTenant, session_id: str = "s") -> list[Any]:
    """Return why the system moved a session, each time."""
    return [entry.why for entry in await tenant.history(session_id) if entry.kind == "moved"]


async def answer(tenant: StoredTenant, agent_id: str, session_id: str = "s") -> Session:
    return await tenant.change("session_answer", session_id, agent_id)


async def agent(tenant: StoredTenant, agent_id: str) -> Agent:
    return await tenant.agent(agent_id)


# Answers ----------------------------------------------------------------------------------------------------


async def test_session_not_answered_goes_to_the_next_member(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob", departments=["sales"])
    opened = await tenant.open("s", SALES)
    assert opened.due_at == tenant.now + ANSWER_MS
    await wait(tenant, ANSWER_MS - 1)
    assert await place(tenant) == ("in_progress", "ana")
    await wait(tenant, 1)
    assert await place(tenant) == ("in_progress", "bob")
    assert await moves(tenant) == ["unanswered"]
    assert (await session(tenant)).due_at == tenant.now + ANSWER_MS


async def test_answer_ends_the_deadline(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob", departments=["sales"])
    await tenant.open("s", SALES)
    await wait(tenant, ANSWER_MS - 1)
    assert not (await answer(tenant, "ana")).due_at
    await wait(tenant, 10 * ANSWER_MS)
    assert await place(tenant) == ("in_progress", "ana")


@pytest.mark.parametrize("by_command", [False, True])
async def test_deadline_comes_before_an_answer_of_the_same_moment(
    tenant: StoredTenant, by_command: bool
) -> None:
    await tenant.connect_new("ana", "bob", departments=["sales"])
    await tenant.open("s", SALES)
    if by_command:
        tenant.now += ANSWER_MS
    else:
        await wait(tenant)
    await tenant.refuse("forbidden", "session_answer", "ana", session_id="s")
    assert await place(tenant) == ("in_progress", "bob")


async def test_note_of_an_admin_is_no_answer(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob", departments=["sales"])
    await tenant.open("s", SALES)
    await wait(tenant, 4_000)
    await tenant.run("session_note", "boss", session_id="s", text="soon?")
    await wait(tenant, 6_000)
    assert await place(tenant) == ("in_progress", "bob")


@pytest.mark.parametrize("command", ["session_note", "session_transfer", "session_close"])
async def test_what_its_owner_does_is_an_answer(tenant: StoredTenant, command: str) -> None:
    await tenant.connect_new("ana", "bob", departments=["sales"])
    await tenant.open("s", SALES)
    fields: dict[str, dict[str, Any]] = {
        "session_note": {"text": "hm"},
        "session_transfer": {"target": to_agent("bob")},
    }
    await tenant.run(command, "ana", session_id="s", **fields.get(command, {}))
    due = {"session_transfer": tenant.now + ANSWER_MS}
    assert ((await session(tenant)).due_at or None) == due.get(command)


async def test_transfer_to_an_agent_that_does_not_answer_goes_on(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob", "cat", departments=["sales"])
    await tenant.open("s", SALES)
    await answer(tenant, "ana")
    await tenant.transfer("s", to_agent("bob"), by="ana")
    await tenant.notified()
    await wait(tenant)
    # With the sender it was not tried: of both the one idle for longer.
    assert await place(tenant) == ("in_progress", "cat")
    assert await tenant.notified() == [("ana", "moved")]


async def test_all_members_are_tried_once_then_it_waits_first(tenant: StoredTenant) -> None:
    names = [f"agent-{number:02}" for number in range(20)]
    await tenant.connect_new(*names, departments=["sales"])
    await tenant.open("s", SALES)
    visited = []
    for _ in names:
        visited.append((await place(tenant))[1])
        await wait(tenant)
    assert visited == names, visited
    assert await place(tenant) == ("queued", "sales")
    await tenant.open("later", SALES)
    # Each member is available, and none gets it: they have had it.
    assert (await place(tenant, "later"))[0] == "in_progress"
    assert await tenant.place("s", "boss") == 1
    await wait(tenant, 100 * ANSWER_MS)
    assert len([why for why in await moves(tenant) if why == "unanswered"]) == 20


async def test_member_with_the_lowest_load_is_tried_first(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob", "cat", departments=["sales"])
    await tenant.open("s", to_agent("ana"))
    for session_id in ("s1", "s2"):
        await tenant.open(session_id, to_agent("bob"))
        await answer(tenant, "bob", session_id)
    await wait(tenant)
    assert await place(tenant) == ("in_progress", "cat")
    await wait(tenant)
    assert await place(tenant) == ("in_progress", "bob")


async def test_queue_keeps_the_place_of_its_age(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", departments=["sales"], capacity=1)
    await tenant.open("s", SALES)
    await tenant.open("younger", SALES)
    await wait(tenant)
    # Its slot is free, but not for what it was tried with.
    assert await place(tenant, "younger") == ("in_progress", "ana")
    await tenant.open("youngest", SALES)
    assert await tenant.place("s", "boss") == 1


async def test_agent_that_answered_another_gets_what_it_was_tried_with(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", departments=["sales"])
    await tenant.open("s", SALES)
    await wait(tenant)
    assert await place(tenant) == ("queued", "sales")
    await tenant.open("other", SALES)
    assert await place(tenant) == ("queued", "sales")
    tenant.now += 1
    await answer(tenant, "ana", "other")
    assert await place(tenant) == ("in_progress", "ana")


async def test_agent_whose_status_changed_gets_what_it_was_tried_with(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", departments=["sales"])
    await tenant.open("s", SALES)
    await wait(tenant)
    await tenant.status("ana", "pause")
    assert await place(tenant) == ("queued", "sales")
    await tenant.status("ana", "connected")
    assert await place(tenant) == ("in_progress", "ana")


async def test_person_may_send_it_to_an_agent_that_was_tried(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", departments=["sales"])
    await tenant.open("s", SALES)
    await wait(tenant)
    await tenant.transfer("s", to_agent("ana"))
    assert await place(tenant) == ("in_progress", "ana")


async def test_person_may_accept_what_it_was_tried_with(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", departments=["sales"])
    await tenant.open("s", SALES)
    await wait(tenant)
    assert not (await tenant.accept("s", "ana")).due_at


async def test_without_a_department_it_goes_back_to_its_sender(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob")
    await tenant.open("s", to_agent("ana"))
    await answer(tenant, "ana")
    await tenant.transfer("s", to_agent("bob"), by="ana")
    await wait(tenant)
    assert await place(tenant) == ("in_progress", "ana")
    assert await moves(tenant) == ["unanswered"]


async def test_with_nowhere_to_go_it_stays_without_a_deadline(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana")
    await tenant.open("s", to_agent("ana"))
    await wait(tenant)
    assert await place(tenant) == ("in_progress", "ana")
    assert not (await session(tenant)).due_at
    assert (await agent(tenant, "ana")).missed == 1


async def test_deadline_passes_once_however_late(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob", "cat", departments=["sales"])
    await tenant.open("s", SALES)
    await wait(tenant, 5 * ANSWER_MS)
    await wait(tenant, 0)
    assert await place(tenant) == ("in_progress", "bob")
    assert (await session(tenant)).due_at == tenant.now + ANSWER_MS


async def test_settings_of_the_department_hold(tenant: StoredTenant) -> None:
    department = {"id": "sales", "name": "Sales"}
    settings = packed({"answer_ms": 500})
    await tenant.run("department_put", "boss", department=department, settings=settings, parties=[])
    await tenant.connect_new("ana", departments=["sales"])
    assert (await tenant.open("s", SALES)).due_at == tenant.now + 500


async def test_session_remembers_no_more_than_100_agents(tenant: StoredTenant) -> None:
    await tenant.connect_new(*(f"agent-{number:03}" for number in range(103)), departments=["sales"])
    await tenant.open("s", SALES)
    for _ in range(102):
        await wait(tenant)
    [last] = [change.record for event in (await tenant.new_events())[-1:] for change in event.changes]
    assert isinstance(last.extra, records.SessionExtra)
    assert len(last.extra.tried) == 100
    assert "agent-000" not in last.extra.tried


# Missed -----------------------------------------------------------------------------------------------------


async def test_so_many_missed_in_a_row_put_an_agent_on_pause(tenant: StoredTenant) -> None:
    await put(tenant, missed_max=None)
    await tenant.connect_new("ana", departments=["sales"])
    await tenant.new_events()
    for number in range(SETTINGS["missed_max"].default):
        assert (await agent(tenant, "ana")).status == "connected"
        await tenant.open(f"s{number}", SALES)
        await wait(tenant)
    row = await agent(tenant, "ana")
    assert (row.status, row.status_reason, row.missed) == ("pause", "unanswered", 2)
    assert not row.status_by
    [told] = [notice for event in await tenant.new_events() for notice in event.notices]
    assert (told.agent_id, told.by, told.reason) == ("ana", None, "unanswered")


async def test_answer_puts_missed_back_to_zero(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", departments=["sales"])
    await tenant.open("s", SALES)
    await wait(tenant)
    assert (await agent(tenant, "ana")).missed == 1
    await tenant.open("other", SALES)
    await answer(tenant, "ana", "other")
    assert not (await agent(tenant, "ana")).missed


async def test_agent_on_pause_keeps_the_reason_that_it_gave(tenant: StoredTenant) -> None:
    await put(tenant, missed_max=1)
    await tenant.connect_new("ana", departments=["sales"])
    await tenant.open("s", SALES)
    await tenant.run("status_set", "ana", agent_id="ana", status="pause", reason="lunch")
    await wait(tenant)
    row = await agent(tenant, "ana")
    assert (row.status, row.status_reason, row.missed) == ("pause", "lunch", 1)


# Pending ----------------------------------------------------------------------------------------------------


async def pend(tenant: StoredTenant) -> None:
    """Let Ana, of sales, send a session to Bob, also of sales and on pause; Cat of sales is busy."""
    await put(tenant, answer_ms=None, pending_ms=5_000)
    await tenant.connect_new("ana", "bob", departments=["sales"])
    await tenant.status("bob", "pause")
    await tenant.open("s", SALES)
    await answer(tenant, "ana")
    await tenant.transfer("s", to_agent("bob"), by="ana")


async def test_session_pending_for_too_long_is_given_back(tenant: StoredTenant) -> None:
    await pend(tenant)
    assert (await session(tenant)).due_at == tenant.now + 5_000
    await tenant.notified()
    await wait(tenant, 5_000)
    assert await place(tenant) == ("in_progress", "ana")
    assert await moves(tenant) == ["overdue"]
    assert await tenant.notified() == [("ana", "moved")]
    assert not (await agent(tenant, "bob")).missed


async def test_session_pending_for_too_long_is_routed_in_its_department(tenant: StoredTenant) -> None:
    await pend(tenant)
    await put(tenant, pending_then="department")
    await tenant.connect_new("cat", departments=["sales"])
    await tenant.open("busy", to_agent("ana"))
    await wait(tenant, 5_000)
    assert await place(tenant) == ("in_progress", "cat")
    assert await moves(tenant) == ["overdue"]


async def test_transfer_to_a_department_says_which_agent_has_it(tenant: StoredTenant) -> None:
    await tenant.connect_new("boa")
    await tenant.connect_new("ana", "bob", departments=["sales"])
    await tenant.open("s", to_agent("boa"))
    await tenant.transfer("s", SALES, by="boa")
    seen = []
    for _ in range(3):
        transfer = (await session(tenant)).transfer
        assert transfer is not None
        seen.append((transfer.outcome, transfer.assigned_to))
        await wait(tenant)
    assert seen == [("assigned", "ana"), ("assigned", "bob"), ("queued", None)]


async def test_session_taken_from_the_pending_list_has_no_deadline(tenant: StoredTenant) -> None:
    await pend(tenant)
    assert not (await tenant.accept("s", "bob")).due_at
    await wait(tenant, 50_000)
    assert await place(tenant) == ("in_progress", "bob")


async def test_pending_sessions_enter_progress_when_their_agent_is_available(tenant: StoredTenant) -> None:
    await put(tenant, answer_ms=None, pending_take="when_available")
    await tenant.connect_new("ana", departments=["sales"], capacity=1)
    await tenant.open("busy", to_agent("ana"))
    await tenant.open("first", to_agent("ana"))
    await tenant.open("second", SALES)
    await tenant.open("third", to_agent("ana"))
    order = []
    for session_id in ("busy", "first", "second"):
        await tenant.close(session_id, by="ana")
        order += await tenant.listed(agent_id="ana", state="in_progress")
    assert order == ["first", "second", "third"]
    assert await moves(tenant, "third") == ["queue"]


async def test_transfer_that_enters_progress_by_itself_is_assigned(tenant: StoredTenant) -> None:
    await put(tenant, answer_ms=None, pending_take="when_available")
    await tenant.connect_new("ana", "bob")
    await tenant.status("bob", "pause")
    await tenant.open("s", to_agent("ana"))
    await tenant.transfer("s", to_agent("bob"), by="ana")
    await tenant.status("bob", "connected")
    taken = await session(tenant)
    assert taken.state == "in_progress"
    assert taken.transfer is not None
    assert (taken.transfer.outcome, taken.transfer.assigned_to) == ("assigned", None)
    assert await tenant.notified() == [("ana", "moved")]


async def test_pending_sessions_wait_to_be_taken_by_hand(tenant: StoredTenant) -> None:
    await put(tenant, answer_ms=None, pending_take="by_hand")
    await tenant.connect_new("ana", capacity=1)
    await tenant.open("busy", to_agent("ana"))
    await tenant.open("s", to_agent("ana"))
    await tenant.close("busy", by="ana")
    assert await place(tenant) == ("pending", "ana")


# A tenant that no node serves ------------------------------------------------------------------------------


async def leave_alone(tenant: StoredTenant, ms: int) -> None:
    """Let the leases of all nodes run out, and time pass without one."""
    await tenant.run("renew", node_id="node", lease_ms=10)
    tenant.now += 10 + ms


async def test_grace_that_ran_while_no_node_served_begins_again(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob", departments=["sales"])
    await tenant.open("s", to_agent("ana"))
    await answer(tenant, "ana")
    await tenant.disconnect("ana")
    tenant.now += 9_000
    await leave_alone(tenant, 60_000)
    await tenant.connect("bob", node_id="another", lease_ms=10**9)
    assert await place(tenant) == ("in_progress", "ana")
    assert (await agent(tenant, "ana")).status == "connected"
    tenant.now += 29_999
    await tenant.run("renew", node_id="another", lease_ms=10**9)
    assert await place(tenant) == ("in_progress", "ana")
    assert (await agent(tenant, "ana")).status == "disconnected"
    tenant.now += 1
    await tenant.run("renew", node_id="another", lease_ms=10**9)
    assert await place(tenant) == ("in_progress", "bob")


async def test_command_without_a_node_ends_no_grace(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob", departments=["sales"])
    await tenant.open("s", to_agent("ana"))
    await tenant.disconnect("ana")
    await leave_alone(tenant, 100_000)
    await tenant.run("session_note", "desk", session_id="s", text="hello?")
    tenant.now += 100_000
    await tenant.run("session_note", "desk", session_id="s", text="hello?")
    found = await session(tenant)
    assert found.owner is not None
    assert (await agent(tenant, "ana")).status == "connected"


async def test_another_nodes_lease_keeps_graces_going(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob", departments=["sales"])
    await tenant.open("s", to_agent("ana"))
    await answer(tenant, "ana")
    await tenant.disconnect("ana")
    tenant.now += 20_000
    await tenant.run("renew", node_id="another", lease_ms=10**9)
    tenant.now += 10_000
    await tenant.run("renew", node_id="third", lease_ms=10**9)
    assert await place(tenant) == ("in_progress", "bob")


async def test_deadlines_that_passed_without_a_node_are_met_once(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", "bob", "cat", departments=["sales"])
    for number in range(6):
        await tenant.open(f"s{number}", to_agent("ana"))
    await leave_alone(tenant, 10 * ANSWER_MS)
    for node_id in ("n1", "n2", "n1"):
        await tenant.run("renew", node_id=node_id, lease_ms=10**9)
    assert [await moves(tenant, f"s{number}") for number in range(6)] == [["unanswered"]] * 6


# When a node has to wake up ---------------------------------------------------------------------------------


async def test_renewal_says_when_the_next_thing_is_due(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana", departments=["sales"])
    await tenant.open("s", SALES)
    tenant.now += 1_000
    assert (await tenant.commands.renew(tenant.id)).due_in_ms <= ANSWER_MS - 1_000
    await tenant.run("renew", node_id="node", lease_ms=10**9)
    lease = await tenant.run("renew", node_id="other", lease_ms=10**9)
    assert answers.plain(lease["due_in_ms"]) == ANSWER_MS - 1_000


async def test_disconnect_says_when_the_grace_ends(tenant: StoredTenant) -> None:
    await tenant.connect_new("ana")
    assert await tenant.commands.disconnect(tenant.id, "ana", "of-ana", clean=False) == 10_000


async def test_all_sessions_due_in_one_moment_take_bounded_steps(tenant: StoredTenant) -> None:
    await tenant.connect_new(
        *(f"agent-{number}" for number in range(20)), departments=["sales"], capacity=100
    )
    for number in range(200):
        await tenant.open(f"s{number}", SALES)
    await tenant.new_events()
    tenant.now += ANSWER_MS
    while (await tenant.commands.renew(tenant.id)).due_in_ms <= 0:
        pass
    moved = [len(event.changes) for event in await tenant.new_events() if event.changes]
    assert sum(moved) == 200
    assert max(moved) <= 64
