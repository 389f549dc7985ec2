"""What waits in a department's queue goes to its members as they become available: first in, first out."""

import random

import pytest

from tests.e2e.tenant import CUSTOMER, Tenant, to_agent, to_department
from tests.raw_client import Message, RawClient

SEEDS = [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))]
TWENTY = 20


async def queue_twenty(tenant: Tenant) -> list[str]:
    """Let twenty sessions wait in sales, and return their ids, the first first."""
    await tenant.put_department("sales")
    crm = await tenant.connect_service()
    ids = [f"chat-{number:02}" for number in range(TWENTY)]
    for session_id in ids:
        opened = await crm.command(
            "session.open", session_id=session_id, customer=CUSTOMER, target=to_department("sales")
        )
        assert opened["session"]["state"] == "queued"
        assert opened["session"]["owner"] == {"kind": "department", "id": "sales"}
    return ids


async def queued(tenant: Tenant) -> list[str]:
    """Return what waits in sales, the first first."""
    return [session["id"] for session in await tenant.list_sessions(department_id="sales")]


async def gets(member: RawClient, session_id: str) -> Message:
    """Return the session that a member is given next, which must be this one."""
    session: Message = (await member.expect_push("session.assigned"))["session"]
    assert session["id"] == session_id
    assert session["owner"] == {"kind": "agent", "id": member.name}
    return session


async def test_member_that_becomes_available_gets_the_oldest_at_once(tenant: Tenant) -> None:
    ids = await queue_twenty(tenant)
    waiting = iter(ids)
    ana = await tenant.connect_agent("ana", departments=["sales"], capacity=1)
    holds = next(waiting)
    assert [session["id"] for session in ana.welcome["inbox"]["in_progress"]] == [holds]

    # She closes her conversation.
    await ana.command("session.close", session_id=holds)
    holds = (await gets(ana, next(waiting)))["id"]

    # She transfers it away.
    await tenant.put_agent("zoe")
    await ana.command("session.transfer", session_id=holds, target=to_agent("zoe"))
    holds = (await gets(ana, next(waiting)))["id"]

    # An admin takes it from her.
    adela = await tenant.connect_admin()
    await adela.command("session.transfer", session_id=holds, target=to_agent("adela"))
    holds = (await gets(ana, next(waiting)))["id"]

    # Her capacity grows by one.
    await tenant.put_agent("ana", departments=["sales"], capacity=2)
    await gets(ana, next(waiting))

    # A pause, with one conversation ended in it, and the end of the pause.
    await ana.command("status.set", status="pause")
    await ana.command("session.close", session_id=holds)
    assert len(await queued(tenant)) == TWENTY - 5
    await ana.command("status.set", status="connected")
    await gets(ana, next(waiting))

    # A colleague becomes a member.
    bob = await tenant.connect_agent("bob", on=1, capacity=1)
    await tenant.put_agent("bob", departments=["sales"], capacity=1)
    await gets(bob, next(waiting))

    # The others still wait, in their order.
    assert await queued(tenant) == list(waiting)


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
async def test_queue_is_served_in_order_while_members_come_and_go(tenant: Tenant, seed: int) -> None:
    chance = random.Random(seed)
    ids = await queue_twenty(tenant)
    capacities = {"ana": 1, "bob": 2, "dora": 3}
    observer = await tenant.connect_admin("observer")
    await observer.open_dialog()
    present: dict[str, RawClient] = {}

    while await queued(tenant):
        name = chance.choice(list(capacities))
        member = present.get(name)
        if member is None:
            present[name] = await tenant.connect_agent(
                name, on=chance.randrange(2), departments=["sales"], capacity=capacities[name]
            )
        elif chance.random() < 0.3:
            del present[name]
            await member.close()
            await observer.sees_agent(name, status="disconnected")
        elif chance.random() < 0.3:
            await member.command("status.set", status=chance.choice(["pause", "pre_pause", "connected"]))
        else:
            for session in (await member.command("session.list", state="in_progress"))["sessions"][:1]:
                await member.command("session.close", session_id=session["id"])
        for agent_id in observer.dialog.agents.keys() & capacities.keys():
            in_progress = await tenant.list_sessions(agent_id=agent_id, state="in_progress")
            assert len(in_progress) <= capacities[agent_id]

    # Each was given away once, and the n-th before the one after it.
    moments = []
    for session_id in ids:
        kinds = [(entry["kind"], entry["at"]) for entry in await tenant.history(session_id)]
        assert [kind for kind, _ in kinds][:2] == ["opened", "moved"]
        moments.append(kinds[1][1])
    assert moments == sorted(moments)
