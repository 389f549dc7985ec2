"""Who has a conversation: one, and never more than they may have."""

import asyncio

import pytest

from tests.e2e.conftest import MakeOffice, StartRouters
from tests.e2e.office import ANYBODY, Office, to_agent, to_department
from tests.raw_client import Message, RawClient


async def replies_of(clients: list[RawClient], commands: list[str]) -> list[Message]:
    """Return the replies to commands, one of each client."""
    return await asyncio.gather(
        *(client.reply(command) for client, command in zip(clients, commands, strict=True))
    )


@pytest.mark.origin("two agents took one chat")
async def test_two_agents_never_take_one_chat(office: Office) -> None:
    await office.put_department("sales")
    members = [
        await office.connect_agent(name, on=on, departments=["sales"])
        for on, name in enumerate(("ana", "bob"))
    ]
    for member in members:
        await member.command("status.set", status="pause")
    for number in range(10):
        await office.open_session(f"chat-{number}", department="sales")

        asked = [await member.send("session.accept", session_id=f"chat-{number}") for member in members]
        replies = await replies_of(members, asked)

        (taken,) = [reply["result"]["session"] for reply in replies if "result" in reply]
        (refused,) = [reply["error"] for reply in replies if "error" in reply]
        assert (refused["code"], refused["details"]["owner"]) == ("conflict", taken["owner"])
    agents, _ = await office.look_around()
    assert sum(row["load"] for row in agents.values()) == 10


@pytest.mark.slow
@pytest.mark.origin("three nodes gave four chats against a limit of three")
async def test_three_nodes_keep_one_limit(start_routers: StartRouters, make_office: MakeOffice) -> None:
    office = make_office(start_routers(3))
    bob = await office.connect_agent("bob", capacity=3)
    await office.put_agent("ana", capacity=50)
    desks = [await office.connect_service(on=on) for on in range(3)]
    for number in range(12):
        await office.open_session(f"chat-{number}", agent="ana")
    for start in range(0, 12, 3):
        asked = [
            await desk.send("session.transfer", session_id=f"chat-{start + on}", target=to_agent("bob"))
            for on, desk in enumerate(desks)
        ]
        await replies_of(desks, asked)

    held = await office.list_sessions(agent_id="bob", state="in_progress")
    waiting = await office.list_sessions(agent_id="bob", state="pending")
    assert (len(held), len(waiting)) == (3, 9)
    assert len(bob.unread("session.assigned")) <= 3
    assert (await bob.refused("session.accept", session_id=waiting[0]["id"]))["code"] == "at_capacity"


@pytest.mark.origin("a job with a stale list overwrote most assignments")
async def test_a_job_with_a_stale_list_overwrites_no_assignment(office: Office) -> None:
    await office.put_department("sales")
    await office.put_agent("night", capacity=100)
    crm = await office.connect_service()
    for number in range(67):
        await crm.command(
            "session.open", session_id=f"chat-{number}", customer=ANYBODY, target=to_department("sales")
        )
    stale = await office.list_sessions(department_id="sales")
    ana = await office.connect_agent("ana", on=1, departments=["sales"], capacity=46)
    assert len(ana.welcome["inbox"]["in_progress"]) == 46

    asked = [
        await crm.send("session.transfer", session_id=one["id"], target=to_agent("night"), fence=one["fence"])
        for one in stale
    ]
    replies = [await crm.reply(command) for command in asked]

    refused = [reply["error"] for reply in replies if "error" in reply]
    assert [(error["code"], error["details"]["owner"]["id"]) for error in refused] == [
        ("conflict", "ana")
    ] * 46
    assert len(await office.list_sessions(agent_id="ana", state="in_progress")) == 46
    assert len(await office.list_sessions(agent_id="night")) == 21


@pytest.mark.origin("any agent could transfer any chat through the API")
async def test_no_agent_transfers_the_chat_of_another_through_the_api(office: Office) -> None:
    await office.put_department("sales")
    await office.connect_agent("ana", departments=["sales"])
    eve = await office.connect_agent("eve", on=1, departments=["sales"])
    before = await office.open_session("chat-1", agent="ana")
    grabs: list[tuple[str, Message]] = [
        ("session.transfer", {"target": to_agent("eve")}),
        ("session.transfer", {"target": to_department("sales"), "fence": before["fence"]}),
        ("session.accept", {}),
        ("session.note", {"text": "mine"}),
        ("session.close", {}),
        ("session.get", {}),
        ("session.history", {}),
    ]
    for command, fields in grabs:
        over_http = await office.post(command, token=office.token("eve"), session_id="chat-1", **fields)
        assert (over_http.status, over_http.body["code"]) == (403, "forbidden"), command
        assert (await eve.refused(command, session_id="chat-1", **fields))["code"] == "forbidden", command
    assert await office.get_session("chat-1") == before
    assert [entry["kind"] for entry in await office.history("chat-1")] == ["opened"]
