"""The commands over HTTP, as a back end sends them, and the pages for operators."""

import asyncio
import json
from typing import Any

import pytest

from relevo.protocol.openapi import render_json
from tests.e2e import contract
from tests.e2e.conftest import MakeTenant, StartRouters
from tests.e2e.tenant import CUSTOMER, Tenant, to_agent, to_department
from tests.routers import RouterProcess, standing_still
from tests.servers import StoreServer, wait_until

# What concerns one connection has no meaning over HTTP.
WEBSOCKET_ONLY = {
    "hello",
    "ping",
    "token.refresh",
    "directory.subscribe",
    "directory.unsubscribe",
    "session.watch",
    "session.unwatch",
    "session.ack",
}

# One request of each command, in an order in which each can be carried out; `as` is the sender.
A_DAY: list[dict[str, Any]] = [
    {"command": "department.put", "department": {"id": "sales", "name": "Sales"}},
    {
        "command": "agent.put",
        "agent": {"id": "bob", "name": "Bob", "role": "agent", "departments": ["sales"], "capacity": 1},
    },
    {"command": "session.open", "session_id": "chat-1", "customer": CUSTOMER, "target": to_agent("ana")},
    {"command": "session.answer", "as": "ana", "session_id": "chat-1"},
    {"command": "status.set", "as": "ana", "status": "pause"},
    {"command": "session.get", "session_id": "chat-1"},
    {"command": "session.answer", "as": "ana", "session_id": "chat-1"},
    {"command": "session.update", "session_id": "chat-1", "attributes": {"orders": 12, "rate": 1.0}},
    {"command": "session.note", "as": "ana", "session_id": "chat-1", "text": "a good customer"},
    {"command": "session.transfer", "as": "ana", "session_id": "chat-1", "target": to_agent("bob")},
    {"command": "session.decline", "as": "bob", "session_id": "chat-1", "reason": "at the dentist"},
    {"command": "session.accept", "as": "ana", "session_id": "chat-1"},
    {"command": "session.transfer", "as": "ana", "session_id": "chat-1", "target": to_department("sales")},
    {"command": "session.place", "as": "ana", "session_id": "chat-1"},
    {"command": "session.explain", "session_id": "chat-1", "agent_id": "bob"},
    {"command": "session.recall", "as": "ana", "session_id": "chat-1"},
    {"command": "session.history", "session_id": "chat-1"},
    {"command": "session.list", "agent_id": "ana"},
    {"command": "session.close", "session_id": "chat-1"},
    {"command": "settings.put", "settings": {"missed_max": 3}},
    {"command": "settings.get"},
    {"command": "agent.get", "as": "ana", "agent_id": "bob"},
    {"command": "agent.list", "as": "ana"},
    {"command": "department.get", "as": "ana", "department_id": "sales"},
    {"command": "department.list", "as": "ana"},
    {"command": "agent.remove", "agent_id": "bob"},
    {"command": "department.remove", "department_id": "sales"},
]


async def test_every_command_works_over_http_and_answers_as_the_reply_would(tenant: Tenant) -> None:
    await tenant.connect_agent("ana")
    for step in A_DAY:
        command, caller = step["command"], step.get("as")
        token = tenant.token(caller) if caller else None
        fields = {name: value for name, value in step.items() if name not in ("command", "as")}

        answer = await tenant.post(command, token=token, **fields)

        assert (answer.status, answer.headers["content-type"]) == (200, "application/json"), answer.body
        reply = {"type": "reply", "id": "1", "result": answer.body}
        assert any(contract.fits(name, reply) for name in contract.replies_to(command))
    assert [entry["kind"] for entry in await tenant.history("chat-1")] == [
        "opened",
        "internal",
        "transferred",
        "declined",
        "accepted",
        "transferred",
        "recalled",
        "closed",
    ]


def test_the_day_leaves_no_command_out() -> None:
    assert {step["command"] for step in A_DAY} == set(contract.commands()) - WEBSOCKET_ONLY


# Keys.


async def test_the_same_key_over_http_and_websocket_applies_once(tenant: Tenant) -> None:
    ana = await tenant.connect_agent("ana", on=0)
    await tenant.put_agent("bob")
    await tenant.open_session("chat-1", agent="ana")
    body: dict[str, Any] = {"session_id": "chat-1", "target": to_agent("bob"), "reason": "please"}

    first = await ana.command("session.transfer", **body, key="key-1")
    # A retry over another way, through another router, in another order of fields.
    again = await tenant.post(
        "session.transfer", on=1, token=tenant.token("ana"), key="key-1", **dict(reversed(body.items()))
    )
    third = await ana.command("session.transfer", **body, key="key-1")

    assert (again.status, again.body) == (200, first)
    assert third == first
    assert (await tenant.get_session("chat-1"))["hops"] == 1


# Pages for operators.


async def test_a_healthy_router_says_so(routers: list[RouterProcess], tenant: Tenant) -> None:
    await tenant.connect_agent("ana")
    for router in routers:
        assert (await asyncio.to_thread(router.get, "/healthz"))[0] == 200
        status, text = await asyncio.to_thread(router.get, "/readyz")
        assert (status, json.loads(text)) == (200, {"ready": True, "reason": None})
    for name in ("relevo_connections", "relevo_hellos_total", "process_resident_memory_bytes"):
        assert await asyncio.to_thread(routers[0].metric, name) > 0


@pytest.mark.slow
async def test_without_a_store_the_router_lives_but_is_not_ready(
    own_store: StoreServer, start_routers: StartRouters, make_tenant: MakeTenant
) -> None:
    (router,) = start_routers(1, own_store.url, store_timeout_ms=500)
    tenant = make_tenant([router])

    with standing_still(own_store.pid):
        assert (await asyncio.to_thread(router.get, "/healthz"))[0] == 200
        # A check may still answer that began before.
        await asyncio.to_thread(wait_until, lambda: router.get("/readyz")[0] == 503, "readiness to be lost")
        status, text = await asyncio.to_thread(router.get, "/readyz")
        assert (status, json.loads(text)["ready"]) == (503, False)
        answer = await tenant.post("session.get", session_id="chat-1")
        assert (answer.status, answer.body["code"], answer.body["retryable"]) == (503, "unavailable", True)

    while (await tenant.post("session.get", session_id="chat-1")).status == 503:
        pass
    await asyncio.to_thread(router.wait_ready)


@pytest.mark.slow
@pytest.mark.origin("the transfer list showed only the newest ten")
async def test_session_list_pages_hold_all_in_order(tenant: Tenant) -> None:
    await tenant.put_agent("bob")
    ana = await tenant.connect_agent("ana", capacity=40)
    sent = [f"chat-{number}" for number in range(25)]
    for session_id in sent:
        await tenant.open_session(session_id, agent="ana")
        await ana.command("session.transfer", session_id=session_id, target=to_agent("bob"))

    pages: list[list[str]] = []
    cursor = None
    while cursor is not None or not pages:
        page = await tenant.do(
            "session.list", agent_id="bob", limit=10, **({"cursor": cursor} if cursor else {})
        )
        pages.append([one["id"] for one in page["sessions"]])
        cursor = page["cursor"]
    assert pages == [sent[:10], sent[10:20], sent[20:]]
    bob = await tenant.connect_agent("bob", on=1)
    assert [one["id"] for one in bob.welcome["inbox"]["pending"]] == sent
    # And so is whom one may send it to.
    for number in range(40):
        await tenant.put_agent(f"agent-{number}")
    shown = await bob.open_dialog()
    await bob.until(lambda: len(shown.agents) == 42, "every agent in the dialog")


async def test_openapi_json_is_served_without_a_token(routers: list[RouterProcess]) -> None:
    status, body = await asyncio.to_thread(routers[0].get, "/api/v1/openapi.json")

    assert (status, json.loads(body)) == (200, json.loads(render_json()))
