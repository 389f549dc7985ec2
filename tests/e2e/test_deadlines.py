"""A session that is not answered, or pending for too long, goes on: what each side receives."""

from tests.e2e.tenant import Tenant, to_agent, to_department


async def set_up(tenant: Tenant, **settings: object) -> None:
    await tenant.put_department("sales")
    await tenant.do("settings.put", settings=settings)


async def test_unanswered_session_goes_on_and_its_sender_learns_why(tenant: Tenant) -> None:
    await set_up(tenant, answer_ms=400, missed_max=1)
    ana = await tenant.connect_agent("ana", on=0, departments=["sales"])
    bob = await tenant.connect_agent("bob", on=1, departments=["sales"])
    await tenant.open_session("chat-1", agent="ana")
    await ana.command("session.answer", session_id="chat-1")
    await ana.command("session.transfer", session_id="chat-1", target=to_agent("bob"))

    assigned = await bob.expect_push("session.assigned")
    assert assigned["session"]["due_at"] > assigned["session"]["updated_at"]
    assert (await bob.expect_push("session.removed"))["why"] == "unanswered"
    changed = await bob.expect_push("status.changed")
    assert (changed["reason"], changed["agent"]["status"], changed["agent"]["missed"]) == (
        "unanswered",
        "pause",
        1,
    )
    updated = await ana.expect_push("transfer.updated", state="moved")
    assert updated["why"] == "unanswered"
    # The sender answered it before, so it may have it again.
    assert updated["session"]["owner"] == {"kind": "agent", "id": "ana"}
    entry = next(one for one in await tenant.history("chat-1") if one["kind"] == "moved")
    assert entry["why"] == "unanswered"


async def test_answer_over_http_ends_the_deadline(tenant: Tenant) -> None:
    await set_up(tenant, answer_ms=600_000)
    ana = await tenant.connect_agent("ana", departments=["sales"])
    opened = await tenant.open_session("chat-1", department="sales")
    assert opened["due_at"] == opened["updated_at"] + 600_000
    await ana.expect_push("session.assigned")

    answer = await tenant.post("session.answer", token=tenant.token("ana"), session_id="chat-1")

    assert "due_at" not in answer.body["session"]
    assert "due_at" not in await tenant.get_session("chat-1")


async def test_overdue_session_is_given_back(tenant: Tenant) -> None:
    await set_up(tenant, pending_ms=300)
    ana = await tenant.connect_agent("ana", departments=["sales"])
    bob = await tenant.connect_agent("bob")
    await bob.command("status.set", status="pause")
    await tenant.open_session("chat-1", agent="ana")
    await ana.command("session.answer", session_id="chat-1")
    await ana.command("session.transfer", session_id="chat-1", target=to_agent("bob"))

    await bob.expect_push("session.pending")
    assert (await bob.expect_push("session.removed"))["why"] == "overdue"
    assert (await ana.expect_push("transfer.updated"))["why"] == "overdue"
    assert (await tenant.get_session("chat-1"))["owner"]["id"] == "ana"


async def test_member_that_takes_from_the_queue_is_told_to_the_sender(tenant: Tenant) -> None:
    await set_up(tenant)
    ana = await tenant.connect_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    await ana.command("session.transfer", session_id="chat-1", target=to_department("sales"))
    await tenant.connect_agent("bob", departments=["sales"])

    assert (await ana.expect_push("transfer.updated"))["why"] == "queue"


async def test_pending_session_enters_progress_by_itself(tenant: Tenant) -> None:
    await set_up(tenant, pending_take="when_available")
    ana = await tenant.connect_agent("ana")
    await ana.command("status.set", status="pause")
    await tenant.open_session("chat-1", agent="ana")
    await ana.expect_push("session.pending")

    await ana.command("status.set", status="connected")

    assert (await ana.expect_push("session.assigned"))["session"]["id"] == "chat-1"
