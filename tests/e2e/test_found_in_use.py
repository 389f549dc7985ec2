"""What people found in use, as small inputs: over a websocket and over HTTP where both apply."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import pytest

from tests.e2e.tenant import CUSTOMER, Tenant, to_agent, to_department
from tests.raw_client import Message, RawClient
from tests.servers import StoreServer

Send: TypeAlias = Callable[..., Awaitable[Message]]


@pytest.fixture(params=["websocket", "http"])
def send(request: pytest.FixtureRequest, tenant: Tenant) -> Send:
    """Send a command as a client's agent or admin; returns the result, or the error."""

    async def over_websocket(client: RawClient, command: str, **fields: Any) -> Message:
        reply = await client.reply(await client.send(command, **fields))
        found: Message = reply["result"] if "result" in reply else reply["error"]
        return found

    async def over_http(client: RawClient, command: str, **fields: Any) -> Message:
        token = tenant.token(client.name, client.welcome["role"])
        body: Message = (await tenant.post(command, token=token, **fields)).body
        found: Message = body.get("error", body)
        return found

    return over_websocket if request.param == "websocket" else over_http


async def test_session_of_a_lost_department_member_comes_back_to_its_sender(
    tenant: Tenant, send: Send
) -> None:
    await tenant.put_department("billing")
    ana = await tenant.connect_agent("ana")
    bea = await tenant.connect_agent("bea", on=1, departments=["billing"])
    for command, client in (("session.recall", ana), ("session.decline", bea)):
        await tenant.open_session(command, agent="ana")
        await ana.command("session.transfer", session_id=command, target=to_department("billing"))
        await bea.expect_push("session.assigned", session__id=command)
        session = (await send(client, command, session_id=command))["session"]
        assert (session["state"], session["owner"]) == ("in_progress", to_agent("ana"))


async def test_token_that_begins_two_seconds_ahead_is_taken(tenant: Tenant) -> None:
    ahead = int(time.time()) + 2
    claims: dict[str, Any] = {"nbf": ahead, "iat": ahead, "name": "n" * 130}
    assert (await tenant.connect_agent("ana", **claims)).welcome["agent"]["name"] == "n" * 120
    over_http = await tenant.post("agent.list", token=tenant.token("bob", **claims | {"name": ""}))
    assert over_http.status == 200


async def test_name_without_a_visible_character_is_refused_with_its_path(tenant: Tenant, send: Send) -> None:
    admin = await tenant.connect_admin()
    profile = {"id": "eva", "name": "   ", "role": "agent", "departments": [], "capacity": 1}
    error = await send(admin, "agent.put", agent=profile)
    assert (error["code"], error["details"]) == ("bad_message", {"path": "$.agent.name"})


async def test_reason_with_half_an_emoji_is_refused_and_the_client_stays(tenant: Tenant, send: Send) -> None:
    # Only JSON can hold half of a surrogate pair.
    ana = await tenant.connect_agent("ana", format="json")
    await tenant.open_session("chat-1", agent="ana")
    target = to_department("sales")
    await tenant.put_department("sales")
    fields = {"session_id": "chat-1", "target": target, "reason": "busy \ud83d"}
    error = await send(ana, "session.transfer", **fields)
    assert (error["code"], error["details"]) == ("bad_message", {"path": "$.reason"})
    assert (await ana.command("session.get", session_id="chat-1"))["session"]["fence"] == 1


async def test_customer_pending_on_an_agent_is_not_overtaken_by_newer_ones(
    tenant: Tenant, send: Send
) -> None:
    await tenant.put_department("sales")
    await tenant.do("settings.put", settings={"pending_take": "when_available"})
    ana = await tenant.connect_agent("ana", departments=["sales"], capacity=1)
    await tenant.open_session("first", agent="ana")
    await tenant.open_session("pending", agent="ana")
    for number in range(10):
        await tenant.open_session(f"queued-{number}", department="sales")
    taken = ["first"]
    for _ in range(11):
        await send(ana, "session.close", session_id=taken[-1])
        push = await ana.expect_push("session.assigned", session__fence=2)
        taken.append(push["session"]["id"])
    assert taken == ["first", "pending", *[f"queued-{number}" for number in range(10)]]


async def test_customer_pending_on_a_full_agent_is_accepted_by_hand(tenant: Tenant, send: Send) -> None:
    ana = await tenant.connect_agent("ana", capacity=1)
    for session_id in ("first", "pending"):
        await tenant.open_session(session_id, agent="ana")
    session = (await send(ana, "session.accept", session_id="pending"))["session"]
    assert (session["state"], session["owner"]) == ("in_progress", to_agent("ana"))


async def test_session_of_an_id_that_was_gone_is_newer_by_when_it_was_opened(
    tenant: Tenant, store: StoreServer, send: Send
) -> None:
    admin = await tenant.connect_admin()
    await admin.command("session.watch")
    await tenant.connect_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    await admin.expect_push("session.changed", session__fence=1)
    await tenant.do("session.close", session_id="chat-1")
    closed = (await admin.expect_push("session.changed", session__state="closed"))["session"]
    # As after the retention.
    store.call("DEL", f"relevo:{{{tenant.id}}}:session:chat-1")
    await send(admin, "session.open", session_id="chat-1", customer=CUSTOMER, target=to_agent("ana"))
    again = (await admin.expect_push("session.changed", session__fence=1))["session"]
    assert (again["opened_at"], again["fence"]) > (closed["opened_at"], closed["fence"])


async def test_hello_beyond_twenty_connections_on_other_nodes_is_welcomed(tenant: Tenant) -> None:
    phones = [await tenant.connect_agent("ana", on=0) for _ in range(20)]
    last = await tenant.connect_agent("ana", on=1)
    assert await phones[0].expect_close() == 4506
    await tenant.open_session("chat-1", agent="ana")
    for client in (*phones[1:], last):
        await client.expect_push("session.assigned")
