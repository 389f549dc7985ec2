"""Commands over HTTP, health and readiness, with a node of fakes."""

from dataclasses import replace
from typing import cast

import pytest

from relevo.protocol.bounds import MESSAGE_BYTES_MAX
from relevo.protocol.commands import SessionGet
from relevo.router.api.rest import admin_application, application
from relevo.router.gateway.costs import CHARGED_BYTES
from relevo.router.gateway.rate_limit import BURST_S
from relevo.router.node import Node
from relevo.router.store import answers
from relevo.router.store.client.errors import StoreUnavailableError
from relevo.router.store.commands import CommandRejectedError
from tests.router.api.fake_node import FakeNode
from tests.router.events import session_record, session_view

GET = {"session_id": "s"}


@pytest.fixture
async def node() -> FakeNode:
    node = FakeNode()
    node.store_commands.answer = answers.SessionReply(session_view(session_record("s", "ana")))
    return node


async def test_command_is_asked_of_the_store_with_the_tokens_claims(node: FakeNode) -> None:
    answer = await node.post("session.get", GET)
    assert (answer.status_code, answer.json()["session"]["id"]) == (200, "s")
    assert answer.headers["cache-control"] == "no-store"
    ((name, request),) = node.store_commands.asked
    assert (name, request["tenant"], request["by"].id, request["by"].attached) == (
        "session_get",
        "acme",
        "ana",
        False,
    )
    assert node.counts.commands == {(SessionGet, "done"): 1}


@pytest.mark.parametrize(
    "headers",
    [(), (("authorization", "Basic x"),), (("authorization", "Bearer a"), ("authorization", "Bearer b"))],
    ids=["none", "basic", "two"],
)
async def test_command_without_one_bearer_token_is_unauthorized(
    node: FakeNode, headers: tuple[tuple[str, str], ...]
) -> None:
    answer = await node.request("POST", "/api/v1/session.get", b"{}", headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthorized")
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_command_with_a_token_that_cannot_be_verified_yet_is_unavailable(node: FakeNode) -> None:
    answer = await node.post("session.get", GET, ("authorization", "Bearer later"))
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")


@pytest.mark.parametrize(
    ("raised", "status", "code"),
    [
        (CommandRejectedError("not_found", {}), 404, "not_found"),
        (CommandRejectedError("conflict", {"fence": 3}), 409, "conflict"),
        (StoreUnavailableError("no answer in time"), 503, "unavailable"),
        (ValueError("a defect"), 503, "internal"),
    ],
)
async def test_command_that_fails_has_the_status_of_its_error(
    node: FakeNode, raised: Exception, status: int, code: str
) -> None:
    node.store_commands.answer = raised
    answer = await node.post("session.get", GET)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert node.counts.commands == {(SessionGet, code): 1}


@pytest.mark.parametrize(
    ("command", "body", "status", "path"),
    [
        ("no.such", {}, 400, "$.type"),
        ("directory.subscribe", {}, 400, "$.type"),
        ("session.ack", {}, 400, "$.type"),
        ("session.get", {}, 400, "$.session_id"),
        ("session.get", [], 400, "$"),
    ],
)
async def test_request_that_is_no_command_says_where(
    node: FakeNode, command: str, body: object, status: int, path: str
) -> None:
    answer = await node.post(command, body)
    assert (answer.status_code, answer.json()["details"]["path"]) == (status, path)
    assert node.store_commands.asked == []


async def test_idempotency_key_is_that_of_the_header(node: FakeNode) -> None:
    note = {"session_id": "s", "text": "hi"}
    node.store_commands.answer = StoreUnavailableError("no answer in time")
    await node.post("session.note", note, ("idempotency-key", "k1"))
    assert node.store_commands.asked[0][1]["key"] == "k1"
    twice = await node.post("session.note", note, ("idempotency-key", "k1"), ("idempotency-key", "k2"))
    assert (twice.status_code, twice.json()["details"]["path"]) == (400, "$.key")


async def test_body_beyond_the_bound_is_too_large(node: FakeNode) -> None:
    bearer = [("authorization", "Bearer ana")]
    answer = await node.request("POST", "/api/v1/session.get", b" " * (MESSAGE_BYTES_MAX + 1), bearer)
    assert (answer.status_code, answer.json()["details"]["path"]) == (413, "$")


async def test_agent_over_its_rate_gets_the_time_to_wait() -> None:
    node = FakeNode(agent_message_rate=1)
    node.store_commands.answer = CommandRejectedError("not_found", {})
    for _ in range(BURST_S):
        assert (await node.post("session.get", GET)).status_code == 404
    answer = await node.post("session.get", GET)
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (
        429,
        "rate_limited",
        "1",
    )
    assert node.counts.throttled == {"agent": 1}


async def test_address_with_many_refused_tokens_gets_the_time_to_wait() -> None:
    node = FakeNode(refused_token_rate=1)
    node.store_commands.answer = CommandRejectedError("not_found", {})
    bad, good = ("authorization", "Bearer bad"), ("authorization", "Bearer ana")
    here, there = ("x-forwarded-for", "192.0.2.1"), ("x-forwarded-for", "192.0.2.2")
    for _ in range(BURST_S):
        assert (await node.post("session.get", GET, bad, here)).status_code == 401
    answer = await node.post("session.get", GET, good, here)
    assert (answer.status_code, answer.json()["details"]["limit"]) == (429, "address")
    assert (await node.post("session.get", GET, good, there)).status_code == 404


async def test_long_answer_is_charged_to_the_rate() -> None:
    node = FakeNode(agent_message_rate=1)
    node.store_commands.answer = CommandRejectedError("forbidden", {"text": "x" * BURST_S * CHARGED_BYTES})
    assert (await node.post("session.get", GET)).status_code == 403
    assert (await node.post("session.get", GET)).status_code == 429


@pytest.mark.parametrize(
    ("unready", "store_fault", "status", "reason"),
    [
        (None, None, 200, None),
        ("draining", None, 503, "draining"),
        (None, "no answer from store.internal:6379 in time", 503, "the store is unavailable"),
    ],
)
async def test_readyz_is_red_for_a_reason(
    node: FakeNode, unready: str | None, store_fault: str | None, status: int, reason: str | None
) -> None:
    node.unready, node.store_fault = unready, store_fault
    answer = await node.request("GET", "/readyz")
    assert (answer.status_code, answer.json()) == (status, {"ready": reason is None, "reason": reason})


async def test_with_an_admin_port_the_public_sees_neither_reasons_nor_metrics(node: FakeNode) -> None:
    node.unready = "the store's feed is not heard"
    apps = {
        "public": application(cast(Node, node), has_admin=True),
        "admin": admin_application(cast(Node, node)),
    }
    answers = {
        (name, path): await node.request_of(app, "GET", path)
        for name, app in apps.items()
        for path in ("/readyz", "/metrics", "/healthz", "/")
    }
    assert {place: answer.status_code for place, answer in answers.items()} == {
        ("public", "/readyz"): 503,
        ("public", "/metrics"): 404,
        ("public", "/healthz"): 200,
        ("public", "/"): 200,
        ("admin", "/readyz"): 503,
        ("admin", "/metrics"): 200,
        ("admin", "/healthz"): 200,
        ("admin", "/"): 404,
    }
    assert answers["public", "/readyz"].json() == {"ready": False}
    assert answers["admin", "/readyz"].json() == {"ready": False, "reason": node.unready}


async def test_with_a_base_path_everything_is_below_it_and_nothing_beside_it(node: FakeNode) -> None:
    node.settings = replace(node.settings, base_path="/desk/chat/")
    for path in ("/healthz", "/readyz", "/metrics", "/", "/console/settings.json", "/js/src/client.js"):
        assert (await node.request("GET", f"/desk/chat{path}")).status_code == 200, path
        assert (await node.request("GET", path)).status_code == 404, path
    assert (await node.request("GET", "/desk/chat/ws")).status_code == 426
    assert (await node.request("POST", "/desk/chat/api/v1/session.list")).status_code == 401
    document = (await node.request("GET", "/desk/chat/api/v1/openapi.json")).json()
    assert document["servers"][0]["url"] == "/desk/chat/api/v1"


async def test_base_path_without_its_slash_leads_to_the_page(node: FakeNode) -> None:
    node.settings = replace(node.settings, base_path="/desk/chat/")
    answer = await node.request("GET", "/desk/chat")
    assert (answer.status_code, answer.headers["location"]) == (308, "chat/")


async def test_healthz_is_green_while_the_store_is_down(node: FakeNode) -> None:
    node.unready = node.store_fault = "down"
    assert (await node.request("GET", "/healthz")).status_code == 200


async def test_websocket_without_an_upgrade_is_426(node: FakeNode) -> None:
    answer = await node.request("GET", "/ws")
    assert (answer.status_code, answer.headers["upgrade"]) == (426, "websocket")


async def test_path_with_a_slash_more_is_not_redirected(node: FakeNode) -> None:
    assert (await node.post("session.get/", GET)).status_code == 404
