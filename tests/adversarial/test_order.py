"""Commands at the wrong moment: each refused with the reason that is true then, and nothing is done twice."""

import asyncio
from typing import Any

import pytest

from relevo.protocol.commands import MUTATING
from tests.e2e.tenant import CUSTOMER, Tenant, to_agent, to_department
from tests.raw_client import Message, RawClient

ROUNDS = 20


async def has_moved_on(error: Message, tenant: Tenant, session_id: str, by: str) -> None:
    """Fail unless an error names the session's owner, and since when."""
    session = await tenant.get_session(session_id)
    assert (error["code"], error["retryable"]) == ("conflict", False)
    assert error["details"]["by"]["id"] == by
    told = {name: error["details"][name] for name in ("fence", "state", "owner", "at")}
    assert told == {
        "fence": session["fence"],
        "state": session["state"],
        "owner": session["owner"],
        "at": session["updated_at"],
    }


async def unchanged_by(
    client: RawClient, tenant: Tenant, session_id: str, type: str, **fields: Any
) -> Message:
    """Return the error of a command, which has changed neither the session nor its history."""
    before = (await tenant.get_session(session_id), await tenant.history(session_id))
    error = await client.refused(type, session_id=session_id, **fields)
    assert (await tenant.get_session(session_id), await tenant.history(session_id)) == before
    return error


@pytest.mark.adversarial("order: accept twice")
async def test_accept_repeated_by_its_owner_is_a_conflict(tenant: Tenant) -> None:
    await tenant.put_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    phone = await tenant.connect_agent("ana", on=0)
    browser = await tenant.connect_agent("ana", on=1, format="msgpack")
    await phone.command("session.accept", session_id="chat-1")
    for client in (phone, browser):
        for fields in ({}, {"fence": 1}, {"fence": 2}):
            error = await unchanged_by(client, tenant, "chat-1", "session.accept", **fields)
            await has_moved_on(error, tenant, "chat-1", by="ana")
    await phone.open_dialog()
    await phone.sees_agent("ana", load=1)


async def sent_to_bob(tenant: Tenant) -> tuple[RawClient, RawClient]:
    """Have Ana send a session to Bob, paused; return both."""
    ana = await tenant.connect_agent("ana", on=0)
    bob = await tenant.connect_agent("bob", on=1)
    await bob.command("status.set", status="pause")
    await tenant.open_session("chat-1", agent="ana")
    await ana.command("session.transfer", session_id="chat-1", target=to_agent("bob"))
    return ana, bob


@pytest.mark.slow
@pytest.mark.adversarial("order: accept after recall")
async def test_of_accept_recall_and_decline_at_once_one_happens(tenant: Tenant) -> None:
    ana, bob = await sent_to_bob(tenant)
    phone = await tenant.connect_agent("bob", on=0)
    for number in range(ROUNDS):
        before = await tenant.get_session("chat-1")
        asked = [(ana, "session.recall"), (bob, "session.accept"), (phone, "session.decline")]
        turned = asked[number % 3 :] + asked[: number % 3]
        sent = [(client, await client.send(command, session_id="chat-1")) for client, command in turned]
        replies = [await client.reply(command) for client, command in sent]
        (done,) = [reply["result"]["session"] for reply in replies if "result" in reply]
        assert {reply["error"]["code"] for reply in replies if "error" in reply} <= {"conflict", "forbidden"}
        assert await tenant.get_session("chat-1") == done
        assert done["fence"] == before["fence"] + 1
        again = bob if done["owner"]["id"] == "bob" else ana
        if again is bob:
            await bob.command("session.transfer", session_id="chat-1", target=to_agent("ana"))
        await ana.command("session.transfer", session_id="chat-1", target=to_agent("bob"))


@pytest.mark.adversarial("order: transfer to a removed agent")
async def test_transfer_to_a_removed_agent_is_not_found(tenant: Tenant) -> None:
    await tenant.put_department("sales")
    await tenant.put_agent("bob")
    ana = await tenant.connect_agent("ana")
    adela = await tenant.connect_admin(on=1)
    await tenant.open_session("chat-1", agent="ana")
    await adela.command("agent.remove", agent_id="bob")
    await adela.command("department.remove", department_id="sales")
    for client in (ana, adela):
        error = await unchanged_by(client, tenant, "chat-1", "session.transfer", target=to_agent("bob"))
        assert (error["code"], error["details"]) == ("not_found", {"agent_id": "bob"})
        target = to_department("sales")
        error = await unchanged_by(client, tenant, "chat-1", "session.transfer", target=target)
        assert (error["code"], error["details"]) == ("not_found", {"department_id": "sales"})
    for target in (to_agent("bob"), to_department("sales")):
        error = await adela.refused("session.open", session_id="chat-2", customer=CUSTOMER, target=target)
        assert error["code"] == "not_found"


@pytest.mark.adversarial("order: transfer to a removed agent")
async def test_removed_agent_is_closed_with_4502_and_stays_removed(tenant: Tenant) -> None:
    ana = await tenant.connect_agent("ana", on=0)
    adela = await tenant.connect_admin(on=1)
    removing = await adela.send("agent.remove", agent_id="ana")
    sent = [await ana.send("status.set", status="pause"), await ana.send("session.list")]
    assert "result" in await adela.reply(removing)
    assert await ana.expect_close() == 4502
    for command in sent:
        for reply in (reply for reply in ana.unread("reply") if reply["id"] == command):
            assert "result" in reply or reply["error"]["code"] in ("forbidden", "not_found")
    dialog = await adela.open_dialog()
    await tenant.settle(adela)
    assert "ana" not in dialog.agents


@pytest.mark.adversarial("order: transfer of a closed session")
@pytest.mark.parametrize("role", ["agent", "admin"])
async def test_a_closed_session_stays_closed(tenant: Tenant, role: str) -> None:
    await tenant.put_agent("bob")
    ana = await tenant.connect_agent("ana", role=role)
    await tenant.open_session("chat-1", agent="ana")
    await ana.command("session.close", session_id="chat-1")
    orders: list[tuple[str, Message]] = [
        ("session.transfer", {"target": to_agent("bob")}),
        ("session.transfer", {"target": to_agent("bob"), "fence": 1}),
        ("session.transfer", {"target": to_agent("bob"), "fence": 2}),
        *((f"session.{name}", {}) for name in ("accept", "decline", "recall", "close")),
        ("session.note", {"text": "x"}),
    ]
    for command, fields in orders:
        error = await unchanged_by(ana, tenant, "chat-1", command, **fields)
        assert (error["code"], error["retryable"]) == ("closed", False), command


# Keys -------------------------------------------------------------------------------------------------------

# Two bodies for each command that takes a key. Neither need succeed: a refusal is remembered, too.
BODIES: dict[str, tuple[Message, Message]] = {
    "status.set": ({"status": "pause"}, {"status": "connected"}),
    "session.open": (
        {"session_id": "new", "customer": CUSTOMER},
        {"session_id": "new", "customer": {**CUSTOMER, "name": "Another"}},
    ),
    "session.transfer": (
        {"session_id": "chat-1", "target": to_agent("bob")},
        {"session_id": "chat-1", "target": to_agent("bob"), "reason": "x"},
    ),
    "session.answer": ({"session_id": "chat-2"}, {"session_id": "chat-1"}),
    "session.update": (
        {"session_id": "chat-1", "attributes": {"vip": True}},
        {"session_id": "chat-1", "attributes": {"vip": False}},
    ),
    "session.accept": ({"session_id": "chat-2"}, {"session_id": "chat-1"}),
    "session.decline": ({"session_id": "chat-2"}, {"session_id": "chat-2", "reason": "x"}),
    "session.recall": ({"session_id": "chat-2"}, {"session_id": "chat-1"}),
    "session.note": ({"session_id": "chat-1", "text": "x"}, {"session_id": "chat-1", "text": "y"}),
    "session.close": ({"session_id": "chat-2"}, {"session_id": "chat-2", "fence": 1}),
    "agent.put": (
        {"agent": {"id": "new", "name": "New", "role": "agent", "departments": [], "capacity": 1}},
        {"agent": {"id": "new", "name": "New", "role": "agent", "departments": [], "capacity": 2}},
    ),
    "agent.remove": ({"agent_id": "carl"}, {"agent_id": "bob"}),
    "department.put": ({"department": {"id": "d", "name": "D"}}, {"department": {"id": "d", "name": "E"}}),
    "department.remove": ({"department_id": "sales"}, {"department_id": "support"}),
    "settings.put": ({"settings": {"missed_max": 1}}, {"settings": {"missed_max": 2}}),
}


@pytest.mark.adversarial("order: same key with another body")
@pytest.mark.parametrize("type", sorted(MUTATING))
async def test_a_key_stands_for_one_body_on_every_node(tenant: Tenant, type: str) -> None:
    for department in ("sales", "support"):
        await tenant.put_department(department)
    for agent in ("bob", "carl"):
        await tenant.put_agent(agent)
    here = await tenant.connect_admin("ana", on=0)
    there = await tenant.connect_admin("ana", on=1, format="msgpack")
    for session_id in ("chat-1", "chat-2"):
        await tenant.open_session(session_id, agent="ana")
    first, other = BODIES[type]

    answer = await here.reply(await here.send(type, key="k", **first))
    after = (await tenant.list_sessions(), [await tenant.history(one) for one in ("chat-1", "chat-2")])
    for client in (here, there):
        error = await client.refused(type, key="k", **other)
        assert (error["code"], error["retryable"]) == ("key_reused", False)
        repeated = await client.reply(await client.send(type, key="k", **first))
        assert {**repeated, "id": answer["id"]} == answer
    token = tenant.token("ana", "admin")
    over_http = await tenant.post(type, token=token, key="k", **other)
    assert (over_http.status, over_http.body["code"]) == (409, "key_reused")
    assert (
        await tenant.list_sessions(),
        [await tenant.history(one) for one in ("chat-1", "chat-2")],
    ) == after


async def test_a_key_of_one_command_is_not_the_key_of_another(tenant: Tenant) -> None:
    ana = await tenant.connect_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    await ana.command("session.note", session_id="chat-1", text="x", key="k")
    assert (await ana.refused("session.close", session_id="chat-1", key="k"))["code"] == "key_reused"
    assert (await tenant.get_session("chat-1"))["state"] == "in_progress"


# At the same instant ----------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.adversarial("order: two admins and the owner at once")
async def test_of_two_admins_and_the_owner_one_moves_the_session(tenant: Tenant) -> None:
    people = {
        "ana": await tenant.connect_agent("ana", on=0, role="admin"),
        "adela": await tenant.connect_admin("adela", on=1),
        "beate": await tenant.connect_admin("beate", on=0, format="msgpack"),
    }
    for agent in ("bob", "carl"):
        await tenant.put_agent(agent)
    session = await tenant.open_session("chat-1", agent="ana")
    targets = {"ana": to_agent("bob"), "adela": to_agent("carl"), "beate": to_agent("bob")}
    for number in range(ROUNDS):
        fence = session["fence"]
        asked = {
            name: client.send("session.transfer", session_id="chat-1", target=targets[name], fence=fence)
            for name, client in people.items()
        }
        sent = dict(zip(asked, await asyncio.gather(*asked.values()), strict=True))
        replies = {name: await people[name].reply(command) for name, command in sent.items()}
        ((winner, won),) = [(name, reply["result"]) for name, reply in replies.items() if "result" in reply]
        session = won["session"]
        assert (session["fence"], session["hops"], won["transfer"]["by"]["id"]) == (
            fence + 1,
            2 * number + 1,
            winner,
        )
        for name, reply in replies.items():
            if name != winner:
                assert reply["error"]["code"] == "conflict"
                assert reply["error"]["details"] == {
                    "fence": session["fence"],
                    "state": session["state"],
                    "owner": session["owner"],
                    "by": won["transfer"]["by"],
                    "at": session["updated_at"],
                }
        back = await people["adela"].command("session.transfer", session_id="chat-1", target=to_agent("ana"))
        session = back["session"]
    entries = await tenant.history("chat-1")
    assert [entry["kind"] for entry in entries] == ["opened"] + ["transferred"] * (2 * ROUNDS)
    assert [entry["seq"] for entry in entries] == list(range(1, 2 * ROUNDS + 2))
