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
    {"command": "status.set", "as": "ana", "status": "pause"},
    {"command": "session.get", "session_id": "chat-1"},
    {"command": "session.note", "as": "ana", "session_id": "chat-1", "text": "a good customer"},
    {"command": "session.transfer", "as": "ana", "session_id": "chat-1", "target": to_agent("bob")},
    {"command": "session.decline", "as": "bob", "session_id": "chat-1", "reason": "at the dentist"},
    {"command": "session.accept", "as": "ana", "session_id": "chat-1"},
    {"command": "session.transfer", "as": "ana", "session_id": "chat-1", "target": to_department("sales")},
    {"command": "session.place", "as": "ana", "session_id": "chat-1"},
    {"command": "session.recall", "as": "ana", "session_id": "chat-1"},
    {"command": "session.history", "session_id": "chat-1"},
    {"command": "session.list", "agent_id": "ana"},
    {"command": "session.close", "session_id": "chat-1"},
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


@pytest.mark.parametrize("command", sorted(WEBSOCKET_ONLY))
async def test_what_concerns_a_connection_is_refused_over_http(tenant: Tenant, command: str) -> None:
    answer = await tenant.post(command)
    assert (answer.status, answer.body["code"]) == (400, "bad_message")


async def test_what_the_back_end_does_reaches_the_agents_websocket(tenant: Tenant) -> None:
    ana = await tenant.connect_agent("ana", on=1)
    await tenant.open_session("chat-1", agent="ana")
    assigned = await ana.expect_push("session.assigned")
    assert (assigned["session"]["id"], assigned["transfer"]) == ("chat-1", None)


# Statuses.


async def test_invalid_body_over_http_is_400_with_its_path(tenant: Tenant) -> None:
    for raw, path in [
        (b'{"session_id": 7}', "$.session_id"),
        (b"{}", "$.session_id"),
        (b'{"session_id": "s", "colour": "red"}', "$.colour"),
        (b"[1, 2]", "$"),
        (b"not json", "$"),
        (b'{"session_id": "s", "id": "1"}', "$.id"),
    ]:
        answer = await tenant.post("session.get", raw=raw)
        assert (answer.status, answer.body["code"]) == (400, "bad_message")
        assert answer.body["details"]["path"] == path


async def test_unknown_names_over_http_are_404(tenant: Tenant) -> None:
    answer = await tenant.post("session.get", session_id="nowhere")
    assert (answer.status, answer.body["code"]) == (404, "not_found")


async def test_an_unknown_command_is_a_bad_message_at_its_type(tenant: Tenant) -> None:
    answer = await tenant.post("session.dance")
    assert (answer.status, answer.body["code"]) == (400, "bad_message")
    assert answer.body["details"] == {"path": "$.type"}


async def test_conflicts_over_http_are_409(tenant: Tenant) -> None:
    await tenant.put_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    customer, ana = {"customer": CUSTOMER}, {"target": to_agent("ana")}
    chat: dict[str, Any] = {"session_id": "chat-1"}
    steps: list[tuple[str, dict[str, Any], str]] = [
        ("session.close", chat | {"fence": 9}, "conflict"),
        ("session.transfer", chat | ana, "same_target"),
        ("session.open", chat | customer | ana, "exists"),
        ("agent.remove", {"agent_id": "ana"}, "in_use"),
        ("session.close", chat, "none"),
        ("session.close", chat, "closed"),
    ]
    for command, fields, code in steps:
        answer = await tenant.post(command, **fields)
        expected = (200, "none") if code == "none" else (409, code)
        assert (answer.status, answer.body.get("code", "none")) == expected


async def test_a_body_over_64_kibibytes_is_413(tenant: Tenant) -> None:
    answer = await tenant.post("session.note", session_id="chat-1", text="x" * 70_000)
    assert answer.status == 413


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


async def test_a_refusal_is_repeated_for_the_same_key(tenant: Tenant) -> None:
    await tenant.put_agent("ana")
    first = await tenant.post("session.get", session_id="chat-1")
    assert first.status == 404
    refused = await tenant.post("session.close", key="key-1", session_id="chat-1")
    await tenant.open_session("chat-1", agent="ana")

    again = await tenant.post("session.close", key="key-1", session_id="chat-1")

    assert (refused.status, again.body) == (404, refused.body)
    assert (await tenant.get_session("chat-1"))["state"] == "pending"


async def test_the_same_key_with_another_body_is_409(tenant: Tenant) -> None:
    department = {"id": "sales", "name": "Sales"}
    await tenant.post("department.put", key="key-1", department=department)
    answer = await tenant.post("department.put", key="key-1", department=department | {"name": "Ventas"})
    assert (answer.status, answer.body["code"]) == (409, "key_reused")


async def test_the_same_key_of_another_caller_is_another_key(tenant: Tenant) -> None:
    for caller in ("ana", "bob"):
        client = await tenant.connect_agent(caller)
        done = await client.command("status.set", status="pause", key="key-1")
        assert done["agent"]["id"] == caller


async def test_a_key_in_the_header_and_in_the_body_is_400(tenant: Tenant) -> None:
    department = {"id": "sales", "name": "Sales"}
    answer = await tenant.post(
        "department.put", key="key-1", raw=json.dumps({"department": department, "key": "key-2"}).encode()
    )
    assert (answer.status, answer.body["details"]["path"]) == (400, "$.key")


@pytest.mark.parametrize("key", ["", "k" * 65])
async def test_a_key_that_is_too_short_or_too_long_is_400(tenant: Tenant, key: str) -> None:
    answer = await tenant.post("department.put", key=key, department={"id": "sales", "name": "Sales"})
    assert (answer.status, answer.body["details"]["path"]) == (400, "$.key")


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
