"""A pending session is accepted, declined, recalled, transferred or closed, with one push each."""

import pytest

from tests.e2e.tenant import Tenant, to_agent, to_department
from tests.raw_client import Message, RawClient


class PendingSession:
    """
    A session that Ana transferred to Bob, on a break: it is in his pending list.

    Args:
        tenant: Their tenant.
        ana: The sender, on the first router.
        bob: The agent with whom it is pending, on the second.
        adela: An admin that watches all sessions.
    """

    def __init__(self, tenant: Tenant, ana: RawClient, bob: RawClient, adela: RawClient) -> None:
        self.tenant = tenant
        self.ana = ana
        self.bob = bob
        self.adela = adela

    async def session(self) -> Message:
        """Return the session as it is now."""
        return await self.tenant.get_session("chat-1")

    async def kinds(self) -> list[str]:
        """Return the kinds of its history's entries."""
        return [entry["kind"] for entry in await self.tenant.history("chat-1")]


@pytest.fixture
async def pending(tenant: Tenant) -> PendingSession:
    """Ana, Bob and Adela have received what the transfer pushed to them."""
    await tenant.put_department("sales")
    ana = await tenant.connect_agent("ana", name="Ana", on=0, departments=["sales"])
    bob = await tenant.connect_agent("bob", name="Bob", on=1)
    adela = await tenant.connect_admin(on=1)
    await bob.command("status.set", status="pause")
    await tenant.open_session("chat-1", agent="ana")
    await ana.expect_push("session.assigned")
    await ana.command("session.transfer", session_id="chat-1", target=to_agent("bob"), reason="yours")
    await ana.expect_push("session.removed", why="transferred")
    await bob.expect_push("session.pending")
    await adela.command("session.watch")
    return PendingSession(tenant, ana, bob, adela)


@pytest.mark.origin("the sender of a transfer never heard what became of it")
async def test_accept_notifies_the_sender(pending: PendingSession) -> None:
    accepted = (await pending.bob.command("session.accept", session_id="chat-1", fence=2))["session"]

    assert (accepted["state"], accepted["fence"], accepted["hops"]) == ("in_progress", 3, 1)
    assert accepted["transfer"]["outcome"] == "assigned"
    assert (await pending.bob.expect_push("session.assigned"))["session"] == accepted
    assert (await pending.ana.expect_push("transfer.updated", state="accepted"))["session"] == accepted
    assert (await pending.adela.expect_push("session.changed"))["session"] == accepted
    assert await pending.kinds() == ["opened", "transferred", "internal", "accepted"]


@pytest.mark.origin("the sender of a transfer never heard what became of it")
async def test_decline_returns_the_session_to_its_sender(pending: PendingSession) -> None:
    declined = (await pending.bob.command("session.decline", session_id="chat-1", reason="busy"))["session"]

    assert (declined["state"], declined["owner"]) == ("in_progress", {"kind": "agent", "id": "ana"})
    removed = await pending.bob.expect_push("session.removed")
    assert (removed["session_id"], removed["fence"], removed["why"]) == ("chat-1", 3, "declined")
    assert (await pending.ana.expect_push("session.assigned"))["session"] == declined
    assert (await pending.ana.expect_push("transfer.updated"))["state"] == "declined"
    assert (await pending.ana.expect_push("session.entry", entry__kind="declined"))["entry"]["text"] == "busy"
    assert await pending.kinds() == ["opened", "transferred", "internal", "declined"]


@pytest.mark.adversarial("order: accept after recall")
async def test_recall_returns_a_pending_session(pending: PendingSession) -> None:
    recalled = (await pending.ana.command("session.recall", session_id="chat-1"))["session"]

    assert (recalled["state"], recalled["owner"]) == ("in_progress", {"kind": "agent", "id": "ana"})
    assert (await pending.bob.expect_push("session.removed"))["why"] == "recalled"
    assert (await pending.ana.expect_push("transfer.updated"))["state"] == "recalled"
    # Bob was just about to take it; the fence that his screen shows tells him that it has moved on.
    late = await pending.bob.refused("session.accept", session_id="chat-1", fence=2)
    assert (late["code"], late["details"]["owner"]) == ("conflict", {"kind": "agent", "id": "ana"})
    assert (await pending.bob.refused("session.accept", session_id="chat-1"))["code"] == "conflict"


@pytest.mark.origin("the sender of a transfer never heard what became of it")
async def test_transfer_of_a_pending_session_notifies_the_sender(pending: PendingSession) -> None:
    await pending.tenant.connect_agent("eve")

    sent = await pending.bob.command("session.transfer", session_id="chat-1", target=to_agent("eve"))

    assert sent["transfer"]["from"] == {"kind": "agent", "id": "bob", "name": "Bob"}
    moved = await pending.ana.expect_push("transfer.updated")
    assert (moved["state"], moved["transfer"]["reason"]) == ("moved", "yours")
    assert (await pending.bob.expect_push("session.removed"))["why"] == "transferred"


@pytest.mark.origin("the sender was removed before the target had it")
async def test_session_leaves_its_sender_only_with_a_new_owner(tenant: Tenant) -> None:
    await tenant.put_department("sales")
    people = {name: await tenant.connect_agent(name, on=on) for on, name in enumerate(("ana", "bob"))}
    adela = await tenant.connect_admin()
    await adela.command("session.watch")
    await tenant.open_session("chat-1", agent="ana")
    places = [to_agent("bob"), to_department("sales")] * 5
    has = "ana"
    for place in places:
        # A transfer that fails leaves it with its owner.
        assert (await people[has].refused("session.transfer", session_id="chat-1", target=to_agent("no")))[
            "code"
        ]
        assert people[has].unread("session.removed") == []
        sent = await people[has].command("session.transfer", session_id="chat-1", target=place)
        removed = await people[has].expect_push("session.removed")
        # When it is gone from the one screen it has its new owner already.
        session = await tenant.get_session("chat-1")
        assert (session["owner"], session["fence"]) == (place, removed["fence"])
        assert session == sent["session"]
        if place["kind"] == "agent":
            has = place["id"]
            await people[has].expect_push("session.assigned", session__fence=removed["fence"])
        else:
            await tenant.do("session.transfer", session_id="chat-1", target=to_agent("ana"))
            has = "ana"
            await people[has].expect_push("session.assigned")
    await adela.until(lambda: len(adela.unread("session.changed")) == 16, "every change")
    assert [one["session"]["owner"] for one in adela.unread("session.changed")].count(None) == 0


@pytest.mark.origin("a transfer notice went to every operator")
async def test_transfer_is_pushed_to_sender_and_target_alone(tenant: Tenant) -> None:
    await tenant.put_department("sales")
    clients = {
        name: await tenant.connect_agent(name, on=on % 2, departments=["sales"])
        for on, name in enumerate(("ana", "bob", "cid", "dora", "eve", "fay"))
    }
    clients["adela"] = await tenant.connect_admin()
    for client in clients.values():
        await client.open_dialog()
    await tenant.open_session("chat-1", agent="ana")
    await clients["ana"].command(
        "session.transfer", session_id="chat-1", target=to_agent("bob"), reason="why"
    )
    session = (await clients["bob"].expect_push("session.assigned"))["session"]
    await clients["bob"].send("session.ack", session_id="chat-1", fence=session["fence"])
    await clients["ana"].expect_push("transfer.updated", state="delivered")
    await tenant.settle(*clients.values())

    told = {
        name: {
            message["type"]
            for message in client.received
            if message["type"].startswith(("session.", "transfer."))
        }
        for name, client in clients.items()
    }
    assert {name for name, types in told.items() if types} == {"ana", "bob"}
