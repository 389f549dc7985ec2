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
