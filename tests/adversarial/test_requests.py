"""Requests that are HTTP, but not as a client should write them: and one answer each."""

import asyncio
import json

import pytest

from tests.e2e.tenant import Tenant
from tests.router.transport.websocket_peer import raw_peer, upgrade_request
from tests.routers import RouterProcess

LIST = "/api/v1/session.list"
DEPARTMENT = b'{"department": {"id": "sales", "name": "Sales"}}'


def post(path: str, token: str, *headers: str, body: bytes = b"{}") -> bytes:
    """Return a request with a bearer and some more headers."""
    lines = [f"POST {path} HTTP/1.1", "host: relevo", f"authorization: Bearer {token}", *headers]
    return "\r\n".join([*lines, f"content-length: {len(body)}", "", ""]).encode("latin-1") + body


async def statuses(router: RouterProcess, request: bytes, count: int = 1) -> list[int]:
    """Send bytes, and return the statuses of so many answers."""
    async with raw_peer(router.port) as peer:
        peer.send(request)
        return [(await peer.read_response())[0] for _ in range(count)]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/v1/%ff", 400),
        ("/api/v1/%00", 400),
        ("/api/v1/session.list/", 404),
        ("/api/v1//session.list", 404),
        ("//api/v1/session.list", 404),
        ("/api/v1/../v1/session.list", 404),
        ("/api/v1/..%2fv1%2fsession.list", 404),
        ("/api/v1/SESSION.LIST", 400),
        ("/api/v1/session.list%20", 400),
        ("/api/v1/hello", 400),
        ("/api/v1/session.ack", 400),
        (LIST, 200),
        (f"{LIST}?x=%ff", 200),
        (f"http://other{LIST}", 200),
    ],
)
async def test_path_is_answered_without_a_redirect(
    routers: list[RouterProcess], tenant: Tenant, path: str, status: int
) -> None:
    assert await statuses(routers[0], post(path, tenant.token("crm", "service"))) == [status]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (["authorization: Bearer x"], 401),
        (["authorization: "], 401),
        (["idempotency-key: a", "idempotency-key: b"], 400),
        (["idempotency-key: a", "idempotency-key: a"], 400),
        (["idempotency-key: "], 400),
        (["idempotency-key: " + "x" * 65], 400),
        (["idempotency-key: \xe4"], 200),
        (["content-encoding: gzip"], 200),
        (["content-type: text/plain"], 200),
        (["connection: upgrade", "upgrade: h2c"], 200),
        (["expect: something-else"], 200),
    ],
)
async def test_what_stands_twice_in_the_head_is_refused(
    routers: list[RouterProcess], tenant: Tenant, headers: list[str], status: int
) -> None:
    token = tenant.token("crm", "service")
    request = post("/api/v1/department.put", token, *headers, body=DEPARTMENT)
    assert await statuses(routers[0], request) == [status]
    ana = await tenant.connect_agent("ana")
    shown = await ana.open_dialog()
    await ana.sees_agent("ana")
    assert ("sales" in shown.departments) == (status == 200)


UPGRADE = ("connection: upgrade, http2-settings", "upgrade: h2c", "http2-settings: AAMAAABkAAQAoAAAAAIAAAAA")


async def test_http_2_upgrade_is_answered_in_http_1_with_its_body_read(
    routers: list[RouterProcess], tenant: Tenant
) -> None:
    token = tenant.token("crm", "service")
    path = "/api/v1/department.put"
    whole = post(path, token, *UPGRADE, body=DEPARTMENT)
    head, _, _ = whole.partition(b"\r\n\r\n")
    chunked = head.replace(b"content-length: %d" % len(DEPARTMENT), b"transfer-encoding: chunked")
    chunks = b"\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(DEPARTMENT), DEPARTMENT)
    # In one piece, with the next request at its heels; in chunks; without a body.
    assert await statuses(routers[0], whole + whole + post("/api/v1/x", token), 3) == [200, 200, 400]
    assert await statuses(routers[0], chunked + chunks + whole, 2) == [200, 200]
    assert await statuses(routers[0], post(LIST, token, *UPGRADE, body=b"") + whole, 2) == [200, 200]
    unknown = head.replace(b"content-length: %d" % len(DEPARTMENT), b"transfer-encoding: gzip")
    assert await statuses(routers[0], unknown + chunks) == [400]
    # And in two pieces.
    async with raw_peer(routers[0].port) as peer:
        peer.send(whole[:-10])
        await asyncio.sleep(0.01)
        peer.send(whole[-10:])
        status, _, body = await peer.read_response()
        assert (status, json.loads(body)["department"]["name"]) == (200, "Sales")
        peer.send(whole)
        assert (await peer.read_response())[0] == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "TRACE", "OPTIONS"])
async def test_a_command_is_posted(routers: list[RouterProcess], tenant: Tenant, method: str) -> None:
    request = post(LIST, tenant.token("crm", "service")).replace(b"POST", method.encode(), 1)
    assert await statuses(routers[0], request) == [405]


async def test_requests_that_do_not_wait_are_answered_in_their_order(
    routers: list[RouterProcess], tenant: Tenant
) -> None:
    token = tenant.token("crm", "service")
    request = post(LIST, token) + post("/api/v1/nothing", token) + post(LIST, "no token") + post(LIST, token)
    assert await statuses(routers[0], request, 4) == [200, 400, 401, 200]


async def test_a_websocket_does_not_begin_amid_another_answer(
    routers: list[RouterProcess], tenant: Tenant
) -> None:
    async with raw_peer(routers[0].port) as peer:
        peer.send(post(LIST, tenant.token("crm", "service")) + upgrade_request(routers[0].port))
        assert b"101 Switching" not in await peer.reader.read()


@pytest.mark.parametrize("asked_before", [(), UPGRADE])
async def test_a_websocket_may_begin_after_an_answer(
    routers: list[RouterProcess], tenant: Tenant, asked_before: tuple[str, ...]
) -> None:
    async with raw_peer(routers[0].port) as peer:
        peer.send(post(LIST, tenant.token("crm", "service"), *asked_before))
        status, _, body = await peer.read_response()
        assert (status, json.loads(body)) == (200, {"sessions": [], "cursor": None})
        peer.send(upgrade_request(routers[0].port))
        assert (await peer.read_response())[0] == 101
