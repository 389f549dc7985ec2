"""Many clients on two routers change the same things at the same instant."""

import asyncio
from collections import Counter
from itertools import pairwise
from typing import Any

import pytest

from tests.e2e.tenant import CUSTOMER, Tenant, to_agent, to_department
from tests.raw_client import Message, RawClient

CLIENTS = 50


@pytest.mark.origin("a job with a stale list overwrote most assignments")
async def test_fifty_transfers_at_one_fence_have_one_winner(tenant: Tenant) -> None:
    agents = [f"agent-{number}" for number in range(CLIENTS)]
    clients = await asyncio.gather(
        *(tenant.connect_agent(agent_id, on=number, role="admin") for number, agent_id in enumerate(agents))
    )
    fence = (await tenant.open_session("chat-1", agent=agents[0]))["fence"]
    owners = [agents[0]]

    for _ in range(4):
        # Each client sends it to its neighbour, at the same fence.
        sent = [
            await client.send(
                "session.transfer",
                session_id="chat-1",
                target=to_agent(agents[(number + 1) % CLIENTS]),
                fence=fence,
            )
            for number, client in enumerate(clients)
        ]
        replies = await asyncio.gather(
            *(client.reply(command) for client, command in zip(clients, sent, strict=True))
        )

        (won,) = [reply["result"] for reply in replies if "result" in reply]
        assert won["session"]["fence"] == fence + 1
        owner = won["session"]["owner"]
        refused = [reply["error"] for reply in replies if "error" in reply]
        assert len(refused) == CLIENTS - 1
        for error in refused:
            if error["code"] == "conflict":
                assert error["details"] == {
                    "fence": fence + 1,
                    "state": "in_progress",
                    "owner": owner,
                    "by": won["transfer"]["by"],
                    "at": won["transfer"]["at"],
                }
        # The target may have it already: that is refused too, before or after.
        codes = Counter(error["code"] for error in refused)
        assert set(codes) <= {"conflict", "same_target"}
        assert codes["conflict"] >= CLIENTS - 2
        owners.append(owner["id"])
        fence += 1

    session = await tenant.get_session("chat-1")
    assert (session["owner"]["id"], session["fence"], session["hops"]) == (owners[-1], 5, 4)
    transfers = [entry["transfer"] for entry in await tenant.history("chat-1") if entry["transfer"]]
    assert [(one["from"]["id"], one["to"]["id"]) for one in transfers] == list(pairwise(owners))
    loads = await loads_of(tenant)
    assert loads == {agent_id: (1 if agent_id == owners[-1] else 0, 0) for agent_id in agents}


async def test_fifty_transfers_without_a_fence_make_a_chain_of_owners(
    tenant: Tenant,
) -> None:
    agents = [f"agent-{number}" for number in range(CLIENTS)]
    clients = await asyncio.gather(
        *(tenant.connect_agent(agent_id, on=number, role="admin") for number, agent_id in enumerate(agents))
    )
    await tenant.open_session("chat-1", agent=agents[0])

    await asyncio.gather(
        *(
            client.send("session.transfer", session_id="chat-1", target=to_agent(agents[-1 - number]))
            for number, client in enumerate(clients)
        )
    )
    replies = await asyncio.gather(*(client.reply("2") for client in clients))

    applied = [reply["result"]["transfer"] for reply in replies if "result" in reply]
    assert {reply["error"]["code"] for reply in replies if "error" in reply} <= {"same_target"}
    session = await tenant.get_session("chat-1")
    assert session["fence"] == len(applied) + 1
    transfers = [entry["transfer"] for entry in await tenant.history("chat-1") if entry["transfer"]]
    assert sorted(one["id"] for one in transfers) == sorted(one["id"] for one in applied)
    chain = [transfers[0]["from"]["id"], *(one["to"]["id"] for one in transfers)]
    assert [one["from"]["id"] for one in transfers] == chain[:-1]
    assert session["owner"]["id"] == chain[-1]
    assert sum(load for load, _ in (await loads_of(tenant)).values()) == 1


@pytest.mark.origin("three nodes gave four chats against a limit of three")
@pytest.mark.origin("text limits were compared as strings")
async def test_fifty_transfers_to_a_capacity_of_ten_leave_forty_pending(
    tenant: Tenant,
) -> None:
    bob = await tenant.connect_agent("bob", on=1, capacity=10)
    done = await transfer_fifty(tenant, to_agent("bob"))

    outcomes = Counter(one["transfer"]["outcome"] for one in done)
    assert outcomes == {"assigned": 10, "pending": 40}
    assert await loads_of(tenant) == {"ana": (0, 0), "bob": (10, 40)}
    # The list is in the order in which the store decided; each router's transfers keep their own order.
    waiting = await tenant.list_sessions(agent_id="bob", state="pending")
    assert in_order_of_arrival(waiting, done) == waiting
    for parity in (0, 1):
        numbers = [number for number in map(number_of, waiting) if number % 2 == parity]
        assert numbers == sorted(numbers)
    # And Bob was told of each, once.
    await bob.until(lambda: len(bob.unread("session.pending")) == 40, "forty pending sessions")
    assert [push["session"]["id"] for push in bob.unread("session.pending")] == [one["id"] for one in waiting]
    assert len(bob.unread("session.assigned")) == 10


async def test_fifty_transfers_to_ten_places_leave_forty_queued_in_order(
    tenant: Tenant,
) -> None:
    await tenant.put_department("sales")
    for name, on in (("bob", 0), ("dora", 1)):
        await tenant.connect_agent(name, on=on, capacity=5, departments=["sales"])
    done = await transfer_fifty(tenant, to_department("sales"))

    assert Counter(one["transfer"]["outcome"] for one in done) == {"assigned": 10, "queued": 40}
    assert Counter(one["transfer"]["assigned_to"] for one in done) == {"bob": 5, "dora": 5, None: 40}
    assert await loads_of(tenant) == {"ana": (0, 0), "bob": (5, 0), "dora": (5, 0)}
    queue = await tenant.list_sessions(department_id="sales")
    assert len(queue) == 40
    assert in_order_of_arrival(queue, done) == queue


async def transfer_fifty(tenant: Tenant, target: Message) -> list[Message]:
    """Open fifty sessions with Ana, transfer them by a back end at each router, and return the results."""
    await tenant.put_agent("ana", capacity=CLIENTS)
    back_ends = [await tenant.connect_service(on=on) for on in (0, 1)]

    async def send(type: str, **fields: Any) -> list[Message]:
        sent = [
            await back_ends[number % 2].send(type, session_id=f"chat-{number}", **fields)
            for number in range(CLIENTS)
        ]
        return [(await back_ends[number % 2].reply(command))["result"] for number, command in enumerate(sent)]

    await send("session.open", customer=CUSTOMER, target=to_agent("ana"))
    return await send("session.transfer", target=target)


def number_of(session: Message) -> int:
    """Return the number in a session's id."""
    return int(session["id"].removeprefix("chat-"))


def in_order_of_arrival(sessions: list[Message], done: list[Message]) -> list[Message]:
    """Return sessions in the order of their transfers, whose ids count up."""
    order = {one["session"]["id"]: int(one["transfer"]["id"].split("-")[1]) for one in done}
    return sorted(sessions, key=lambda session: order[session["id"]])


async def loads_of(tenant: Tenant) -> dict[str, tuple[int, int]]:
    """Return load and pending of each agent, as a dialog shows them."""
    agents, _ = await tenant.read_directory()
    return {agent_id: (row["load"], row["pending"]) for agent_id, row in agents.items()}


async def replies_of(clients: list[RawClient], commands: list[str]) -> list[Message]:
    """Return the replies to commands, one of each client."""
    return await asyncio.gather(
        *(client.reply(command) for client, command in zip(clients, commands, strict=True))
    )


@pytest.mark.origin("two agents took one chat")
async def test_two_accepts_of_one_session_have_one_winner(tenant: Tenant) -> None:
    await tenant.put_department("sales")
    members = [
        await tenant.connect_agent(name, on=on, departments=["sales"])
        for on, name in enumerate(("ana", "bob"))
    ]
    for member in members:
        await member.command("status.set", status="pause")
    for number in range(10):
        await tenant.open_session(f"chat-{number}", department="sales")

        asked = [await member.send("session.accept", session_id=f"chat-{number}") for member in members]
        replies = await replies_of(members, asked)

        (taken,) = [reply["result"]["session"] for reply in replies if "result" in reply]
        (refused,) = [reply["error"] for reply in replies if "error" in reply]
        assert (refused["code"], refused["details"]["owner"]) == ("conflict", taken["owner"])
    agents, _ = await tenant.read_directory()
    assert sum(row["load"] for row in agents.values()) == 10
