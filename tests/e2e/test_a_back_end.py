"""A back end that keeps a websocket open hears what becomes of the transfers it made."""

from tests.e2e.tenant import Tenant, to_agent


async def test_it_hears_that_its_transfer_waited_was_taken_and_is_on_the_screen(tenant: Tenant) -> None:
    bob = await tenant.connect_agent("bob", on=1)
    await tenant.connect_agent("ana")
    crm = await tenant.connect_service()
    await bob.command("status.set", status="pause")
    await tenant.open_session("chat-1", agent="ana")

    await crm.command("session.transfer", session_id="chat-1", target=to_agent("bob"))
    taken = (await bob.command("session.accept", session_id="chat-1", fence=2))["session"]
    updated = await crm.expect_push("transfer.updated", state="accepted")
    assert (updated["session"], updated["transfer"]["by"]["role"]) == (taken, "service")
    await bob.send("session.ack", session_id="chat-1", fence=3)
    await crm.expect_push("transfer.updated", state="delivered")


async def test_transfer_over_http_is_pushed_to_all_its_connections(tenant: Tenant) -> None:
    bob = await tenant.connect_agent("bob")
    crm, other_process = await tenant.connect_service(on=0), await tenant.connect_service(on=1)
    await tenant.open_session("chat-1", agent="bob")
    adela = await tenant.connect_admin()
    await adela.command("status.set", status="pause")
    await tenant.do("session.transfer", session_id="chat-1", target=to_agent("adela"))
    await bob.expect_push("session.removed")
    await adela.command("session.decline", session_id="chat-1")
    for connection in (crm, other_process):
        await connection.expect_push("transfer.updated", state="declined")


async def test_agent_and_back_end_of_one_id_get_their_own_pushes(tenant: Tenant) -> None:
    crm, namesake = await tenant.connect_service(), await tenant.connect_agent("crm")
    bob = await tenant.connect_agent("bob")
    await tenant.open_session("chat-1", agent="crm")
    await tenant.open_session("chat-2", agent="crm")

    await crm.command("session.transfer", session_id="chat-1", target=to_agent("bob"))
    await bob.send("session.ack", session_id="chat-1", fence=2)
    await namesake.command("session.transfer", session_id="chat-2", target=to_agent("bob"))
    await bob.send("session.ack", session_id="chat-2", fence=2)

    assert (await crm.expect_push("transfer.updated"))["session"]["id"] == "chat-1"
    assert (await namesake.expect_push("transfer.updated"))["session"]["id"] == "chat-2"
    # The feed tells both in one order, so that the other's update would have come by now.
    await crm.command("session.transfer", session_id="chat-2", target=to_agent("crm"))
    await namesake.expect_push("session.assigned", session__fence=3)
    assert crm.unread("transfer.updated") == namesake.unread("transfer.updated") == []


async def test_watching_back_end_hears_sessions_and_stands_in_no_directory(tenant: Tenant) -> None:
    crm = await tenant.connect_service()
    await crm.command("session.watch")
    dialog = await crm.open_dialog()
    await tenant.connect_agent("ana", on=1)
    await tenant.open_session("chat-1", agent="ana")
    assert (await crm.expect_push("session.changed", session__id="chat-1"))["why"] == "opened"
    await crm.sees_agent("ana", load=1)
    assert "crm" not in dialog.agents


async def watch_from(tenant: Tenant) -> tuple[str, int]:
    """Return the position of a change that a back end heard of before it left."""
    await tenant.connect_agent("ana")
    await tenant.connect_agent("bob")
    crm = await tenant.connect_service()
    await crm.command("session.watch")
    await tenant.open_session("chat-1", agent="ana")
    heard = await crm.expect_push("session.changed", session__id="chat-1")
    await crm.close()
    return heard["epoch"], heard["seq"]


async def test_watch_that_resumes_gets_the_latest_change_of_each_session(tenant: Tenant) -> None:
    epoch, seq = await watch_from(tenant)
    await tenant.open_session("chat-2", agent="ana")
    await tenant.do("session.transfer", session_id="chat-1", target=to_agent("bob"))
    await tenant.do("session.close", session_id="chat-2")

    crm = await tenant.connect_service()
    assert await crm.command("session.watch", resume={"epoch": epoch, "seq": seq}) == {"resumed": True}
    missed = [await crm.expect_push("session.changed") for _ in range(2)]
    await tenant.do("session.close", session_id="chat-1")
    live = await crm.expect_push("session.changed")

    told = [(push["session"]["id"], push["why"], push["session"]["fence"]) for push in [*missed, live]]
    assert told == [("chat-1", "transferred", 2), ("chat-2", "closed", 2), ("chat-1", "closed", 3)]
    assert [push["seq"] for push in [*missed, live]] == sorted(push["seq"] for push in [*missed, live])


async def test_watching_admin_resumes_from_before_its_welcome(tenant: Tenant) -> None:
    epoch, seq = await watch_from(tenant)
    await tenant.do("session.close", session_id="chat-1")
    admin = await tenant.connect_admin()
    assert await admin.command("session.watch", resume={"epoch": epoch, "seq": seq}) == {"resumed": True}
    assert (await admin.expect_push("session.changed"))["why"] == "closed"


async def test_watch_from_another_epoch_does_not_resume_and_watches(tenant: Tenant) -> None:
    _, seq = await watch_from(tenant)
    crm = await tenant.connect_service()
    assert await crm.command("session.watch", resume={"epoch": "another", "seq": seq}) == {}
    await tenant.do("session.close", session_id="chat-1")
    assert (await crm.expect_push("session.changed"))["why"] == "closed"


async def test_agent_does_not_watch_by_resuming(tenant: Tenant) -> None:
    epoch, seq = await watch_from(tenant)
    ben = await tenant.connect_agent("ben")
    refused = await ben.refused("session.watch", resume={"epoch": epoch, "seq": seq})
    assert refused["code"] == "forbidden"
