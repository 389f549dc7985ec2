"""What a transfer leaves behind, and who hears of it."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest

from tests.e2e.office import Office, to_agent, to_department
from tests.raw_client import Message, RawClient


@pytest.mark.origin("a transfer to an offline agent left the visitor waiting for ever")
async def test_a_transfer_to_an_offline_agent_does_not_leave_the_visitor_waiting_for_ever(
    office: Office,
) -> None:
    await office.put_department("sales")
    await office.put_agent("bob")
    ana = await office.connect_agent("ana")
    adela = await office.connect_admin(on=1)
    await adela.command("session.watch")
    await office.open_session("chat-1", agent="ana")

    async def send_to_bob() -> None:
        """Ana is told that it waits, and the admin sees that it does."""
        sent = await ana.command("session.transfer", session_id="chat-1", target=to_agent("bob"))
        assert sent["transfer"]["outcome"] == "pending"
        await adela.expect_push(
            "session.changed", session__state="pending", session__fence=sent["session"]["fence"]
        )

    # Whoever sent it takes it back.
    await send_to_bob()
    assert (await ana.command("session.recall", session_id="chat-1"))["session"]["state"] == "in_progress"
    # An admin sends it on, to whoever comes first.
    await send_to_bob()
    await adela.command("session.transfer", session_id="chat-1", target=to_department("sales"))
    zoe = await office.connect_agent("zoe", on=1, departments=["sales"])
    assert [one["id"] for one in zoe.welcome["inbox"]["in_progress"]] == ["chat-1"]
    # Or it is there when he comes.
    await zoe.command("session.transfer", session_id="chat-1", target=to_agent("bob"))
    bob = await office.connect_agent("bob")
    assert [one["id"] for one in bob.welcome["inbox"]["pending"]] == ["chat-1"]
    assert (await bob.command("session.accept", session_id="chat-1"))["session"]["owner"]["id"] == "bob"


@pytest.mark.origin("a transfer was logged before it succeeded")
async def test_no_transfer_is_logged_that_did_not_succeed(office: Office) -> None:
    clients = [await office.connect_admin(name, on=on) for on, name in enumerate(("adela", "alba"))]
    await office.put_agent("ana")
    opened = await office.open_session("chat-1", agent="ana")
    adela = clients[0]
    for target in (to_agent("nobody"), to_department("nowhere"), to_agent("ana")):
        await adela.refused("session.transfer", session_id="chat-1", target=target, reason="why")
    await adela.refused(
        "session.transfer", session_id="chat-1", target=to_agent("alba"), fence=7, reason="why"
    )
    assert [entry["kind"] for entry in await office.history("chat-1")] == ["opened"]

    # Of two at one instant one is logged: the one that succeeded.
    asked = [
        await client.send("session.transfer", session_id="chat-1", target=to_agent(to), fence=opened["fence"])
        for client, to in zip(clients, ("alba", "adela"), strict=True)
    ]
    replies = await asyncio.gather(*(one.reply(each) for one, each in zip(clients, asked, strict=True)))
    (done,) = [reply["result"]["transfer"] for reply in replies if "result" in reply]
    logged = [entry["transfer"] for entry in await office.history("chat-1") if entry["kind"] == "transferred"]
    assert logged == [done]


@pytest.mark.origin("who made a transfer never heard what became of it")
async def test_who_made_a_transfer_hears_what_became_of_it(office: Office) -> None:
    await office.put_department("sales")
    ana = await office.connect_agent("ana")
    bob = await office.connect_agent("bob", on=1)
    await office.open_session("chat-1", agent="ana")

    async def becomes(state: str, target: Message, what: Awaitable[Any]) -> None:
        sent = await ana.command("session.transfer", session_id="chat-1", target=target)
        await what
        told = await ana.expect_push("transfer.updated", state=state)
        assert told["transfer"]["id"] == sent["transfer"]["id"]

    await becomes("delivered", to_agent("bob"), shown(bob))
    await bob.command("session.transfer", session_id="chat-1", target=to_agent("ana"))
    await bob.command("status.set", status="pause")
    await becomes("declined", to_agent("bob"), bob_does(bob, "session.decline"))
    await becomes("accepted", to_agent("bob"), bob_does(bob, "session.accept"))
    await bob.command("session.transfer", session_id="chat-1", target=to_agent("ana"))
    await becomes("moved", to_department("sales"), office.connect_agent("zoe", on=1, departments=["sales"]))


async def shown(bob: RawClient) -> None:
    """Bob's screen shows it, and says so."""
    session = (await bob.expect_push("session.assigned"))["session"]
    await bob.send("session.ack", session_id=session["id"], fence=session["fence"])


async def bob_does(bob: RawClient, command: str) -> None:
    """Bob finds it in his pending list, and takes it or not."""
    await bob.expect_push("session.pending")
    await bob.command(command, session_id="chat-1")


@pytest.mark.origin("the sender was removed before the target had it")
async def test_the_sender_keeps_it_until_the_target_has_it(office: Office) -> None:
    await office.put_department("sales")
    people = {name: await office.connect_agent(name, on=on) for on, name in enumerate(("ana", "bob"))}
    adela = await office.connect_admin()
    await adela.command("session.watch")
    await office.open_session("chat-1", agent="ana")
    places = [to_agent("bob"), to_department("sales")] * 5
    has = "ana"
    for place in places:
        # A transfer that fails takes it from nobody.
        assert (await people[has].refused("session.transfer", session_id="chat-1", target=to_agent("no")))[
            "code"
        ]
        assert people[has].unread("session.removed") == []
        sent = await people[has].command("session.transfer", session_id="chat-1", target=place)
        removed = await people[has].expect_push("session.removed")
        # When it is gone from the one screen it is somebody's already, and can be taken up at once.
        session = await office.get_session("chat-1")
        assert (session["owner"], session["fence"]) == (place, removed["fence"])
        assert session == sent["session"]
        if place["kind"] == "agent":
            has = place["id"]
            await people[has].expect_push("session.assigned", session__fence=removed["fence"])
        else:
            await office.do("session.transfer", session_id="chat-1", target=to_agent("ana"))
            has = "ana"
            await people[has].expect_push("session.assigned")
    await adela.until(lambda: len(adela.unread("session.changed")) == 16, "every change")
    assert [one["session"]["owner"] for one in adela.unread("session.changed")].count(None) == 0


@pytest.mark.origin("counts were not updated on a transfer")
async def test_counts_follow_every_transfer_on_every_dialog(office: Office) -> None:
    await office.put_department("sales")
    ana = await office.connect_agent("ana", capacity=2)
    bob = await office.connect_agent("bob", on=1, capacity=1)
    for client in (ana, bob):
        await client.open_dialog()
    for session_id in ("chat-1", "chat-2"):
        await office.open_session(session_id, agent="ana")

    async def shows(ana_has: tuple[int, int], bob_has: tuple[int, int], queued: int) -> None:
        for client in (ana, bob):
            await client.sees_agent("ana", load=ana_has[0], pending=ana_has[1], available=ana_has[0] < 2)
            await client.sees_agent("bob", load=bob_has[0], pending=bob_has[1], available=bob_has[0] < 1)
            await client.sees_department("sales", queued=queued)

    await shows((2, 0), (0, 0), 0)
    await ana.command("session.transfer", session_id="chat-1", target=to_agent("bob"))
    await shows((1, 0), (1, 0), 0)
    await ana.command("session.transfer", session_id="chat-2", target=to_agent("bob"))
    await shows((0, 0), (1, 1), 0)
    await bob.command("session.transfer", session_id="chat-2", target=to_department("sales"))
    await shows((0, 0), (1, 0), 1)
    await bob.command("session.close", session_id="chat-1")
    await shows((0, 0), (0, 0), 1)


@pytest.mark.origin("a transfer notice went to every operator")
async def test_a_transfer_notice_goes_to_those_whom_it_concerns_alone(office: Office) -> None:
    await office.put_department("sales")
    everybody = {
        name: await office.connect_agent(name, on=on % 2, departments=["sales"])
        for on, name in enumerate(("ana", "bob", "cid", "dora", "eve", "fay"))
    }
    everybody["adela"] = await office.connect_admin()
    for client in everybody.values():
        await client.open_dialog()
    await office.open_session("chat-1", agent="ana")
    await everybody["ana"].command(
        "session.transfer", session_id="chat-1", target=to_agent("bob"), reason="why"
    )
    session = (await everybody["bob"].expect_push("session.assigned"))["session"]
    await everybody["bob"].send("session.ack", session_id="chat-1", fence=session["fence"])
    await everybody["ana"].expect_push("transfer.updated", state="delivered")
    await office.settle(*everybody.values())

    told = {
        name: {
            message["type"]
            for message in client.received
            if message["type"].startswith(("session.", "transfer."))
        }
        for name, client in everybody.items()
    }
    assert {name for name, types in told.items() if types} == {"ana", "bob"}
