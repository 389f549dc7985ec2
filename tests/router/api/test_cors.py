"""What pages of other hosts may do over HTTP."""

import pytest

from tests.router.api.fake_node import FakeNode

PAGE = "https://app.example.com"


@pytest.fixture
async def node() -> FakeNode:
    return FakeNode(allowed_origins=("https://App.example.com:443",))


def preflight(
    origin: str, headers: str = "authorization,content-type,idempotency-key"
) -> list[tuple[str, str]]:
    return [
        ("origin", origin),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", headers),
    ]


async def test_preflight_of_an_allowed_page_is_granted_without_cookies(node: FakeNode) -> None:
    answer = await node.request("OPTIONS", "/api/v1/session.get", headers=preflight(PAGE))
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "POST" in answer.headers["access-control-allow-methods"]
    allowed = answer.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ("authorization", "content-type", "idempotency-key"))
    assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.parametrize("origin", ["https://evil.example.com", "http://app.example.com", "null"])
async def test_preflight_of_another_page_is_refused(node: FakeNode, origin: str) -> None:
    answer = await node.request("OPTIONS", "/api/v1/session.get", headers=preflight(origin))
    assert answer.status_code == 400
    assert "access-control-allow-origin" not in answer.headers


async def test_preflight_with_another_header_is_refused(node: FakeNode) -> None:
    answer = await node.request("OPTIONS", "/api/v1/session.get", headers=preflight(PAGE, "cookie-jar"))
    assert answer.status_code == 400


@pytest.mark.parametrize("path", ["/api/v1/openapi.json", "/dialog/index.js"])
async def test_allowed_page_reads_documents_and_loads_the_dialog(node: FakeNode, path: str) -> None:
    answer = await node.request("GET", path, headers=[("origin", PAGE)])
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "Origin" in answer.headers["vary"]


async def test_allowed_page_reads_an_error_and_when_to_come_again(node: FakeNode) -> None:
    answer = await node.request("POST", "/api/v1/session.get", b"{}", [("origin", PAGE)])
    assert answer.status_code == 401
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert "retry-after" in answer.headers["access-control-expose-headers"]


async def test_no_page_of_another_host_is_allowed_without_a_list() -> None:
    answer = await FakeNode().request("OPTIONS", "/api/v1/session.get", headers=preflight(PAGE))
    assert answer.status_code == 405
    assert "access-control-allow-origin" not in answer.headers
