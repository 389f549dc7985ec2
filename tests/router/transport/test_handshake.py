"""Opening handshakes, good and bad, over a real server and a real socket."""

from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from tests.router.transport.websocket_peer import (
    JSON_NAME,
    MSGPACK_NAME,
    Served,
    echo,
    open_peer,
    raw_peer,
    serve_websockets,
    upgrade_request,
)

FAILED = "Failed to open a WebSocket connection: "
NO_SUBPROTOCOL = f"{FAILED}no known subprotocol; offer one of {JSON_NAME}, {MSGPACK_NAME}.\n"


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with serve_websockets(on_message=echo) as served:
        yield served


async def shake_hands(port: int, request: bytes) -> tuple[int, str, str]:
    async with raw_peer(port) as peer:
        peer.send(request)
        response = await peer.read_response()
        if response[0] != 101:
            await peer.expect_end()
        return response


def case_name(value: object) -> str:
    """Name a case by the first thing in it that differs from a good handshake."""
    return next(f"{name}={text}"[:40] for name, text in value.items()) if isinstance(value, dict) else ""


@pytest.mark.parametrize(
    ("changes", "status", "body"),
    [
        ({"start": "GET /other HTTP/1.1"}, 404, "There is no websocket here; connect to /ws.\n"),
        ({"start": "GET /ws/ HTTP/1.1"}, 404, "There is no websocket here; connect to /ws.\n"),
        ({"start": "GET /WS HTTP/1.1"}, 404, "There is no websocket here; connect to /ws.\n"),
        *(
            ({"start": f"{method} /ws HTTP/1.1"}, 405, f"{FAILED}unsupported HTTP method: {method}.\n")
            for method in ("POST", "PUT", "DELETE", "OPTIONS")
        ),
        ({"sec_websocket_key": None}, 400, f"{FAILED}missing Sec-WebSocket-Key header.\n"),
        ({"sec_websocket_key": "c2hvcnQ="}, 400, f"{FAILED}invalid Sec-WebSocket-Key header: c2hvcnQ=.\n"),
        ({"sec_websocket_version": None}, 400, f"{FAILED}missing Sec-WebSocket-Version header.\n"),
        ({"sec_websocket_version": "12"}, 400, f"{FAILED}invalid Sec-WebSocket-Version header: 12.\n"),
        ({"host": None}, 400, f"{FAILED}missing Host header.\n"),
        ({"host": "a\r\nhost: b"}, 400, f"{FAILED}invalid Host header: multiple values.\n"),
        ({"sec_websocket_protocol": None}, 400, NO_SUBPROTOCOL),
        ({"sec_websocket_protocol": "relevo.v2.json"}, 400, NO_SUBPROTOCOL),
        *(
            ({"sec_websocket_protocol": offer}, 400, NO_SUBPROTOCOL)
            for offer in ("chat, RELEVO.V1.JSON", "relevo.v1", "relevo.v1.jsonx")
        ),
        (
            {"sec_websocket_protocol": "a;q=1"},
            400,
            f"{FAILED}invalid Sec-WebSocket-Protocol header: expected comma at 1 in a;q=1.\n",
        ),
        ({"origin": "null"}, 403, f"{FAILED}invalid Origin header: null.\n"),
        ({"origin": "http://evil.example"}, 403, f"{FAILED}invalid Origin header: http://evil.example.\n"),
        ({"origin": ""}, 403, f"{FAILED}empty Origin header.\n"),
        ({"start": f"GET /ws?{'x' * 8192} HTTP/1.1"}, 414, "The path is too long.\n"),
        ({"cookie": "x" * 32768}, 431, "The headers are too large.\n"),
        ({f"x_{number}": "1" for number in range(130)}, 431, "The headers are too large.\n"),
    ],
    ids=case_name,
)
@pytest.mark.adversarial(
    *("handshake: no subprotocol", "handshake: unknown subprotocol", "handshake: POST to /ws"),
    *("handshake: request line over 8 KiB", "handshake: too many headers"),
)
async def test_a_bad_handshake_is_refused_with_its_status_and_reason(
    served: Served, changes: dict[str, str | None], status: int, body: str
) -> None:
    start = changes.pop("start", None) or "GET /ws HTTP/1.1"
    response = await shake_hands(served.port, upgrade_request(served.port, start=start, **changes))
    assert (response[0], response[2]) == (status, body)
    assert served.open_count == 0


async def test_a_handshake_in_http_1_0_is_refused(served: Served) -> None:
    request = upgrade_request(served.port, start="GET /ws HTTP/1.0")
    assert (await shake_hands(served.port, request))[0] == 505


async def test_two_origins_are_refused(served: Served) -> None:
    own = f"http://127.0.0.1:{served.port}"
    request = upgrade_request(served.port, origin=f"{own}\r\norigin: {own}")
    assert (await shake_hands(served.port, request))[0] == 400


@pytest.mark.parametrize(
    "origin",
    [
        "http://127.0.0.1",
        "http://127.0.0.1:{port}.evil.example",
        "http://evil127.0.0.1:{port}",
        "http://sub.127.0.0.1:{port}",
        "http://localhost:{port}",
    ],
)
async def test_an_origin_that_only_looks_like_the_host_is_refused(served: Served, origin: str) -> None:
    request = upgrade_request(served.port, origin=origin.format(port=served.port))
    assert (await shake_hands(served.port, request))[0] == 403


@pytest.mark.parametrize("scheme", ["http", "https", "HTTP"])
async def test_a_page_of_the_servers_own_host_may_connect(served: Served, scheme: str) -> None:
    request = upgrade_request(served.port, origin=f"{scheme}://127.0.0.1:{served.port}")
    assert (await shake_hands(served.port, request))[0] == 101


async def test_a_refused_origin_is_logged_with_what_to_set() -> None:
    async with serve_websockets() as served:
        request = upgrade_request(served.port, origin="https://chat.example")
        with capture_logs() as logged:
            for _ in range(2):
                assert (await shake_hands(served.port, request))[0] == 403

    assert [(line["event"], line["origin"]) for line in logged] == [
        ("origin refused", "https://chat.example")
    ]
    assert "RELEVO_ALLOWED_ORIGINS=https://chat.example" in logged[0]["hint"]


async def test_a_configured_origin_may_connect_and_the_servers_own_host_no_more() -> None:
    async with serve_websockets(allowed_origins=("https://chat.example.com",)) as served:
        listed = upgrade_request(served.port, origin="https://CHAT.example.com:443")
        own = upgrade_request(served.port, origin=f"http://127.0.0.1:{served.port}")
        assert (await shake_hands(served.port, listed))[0] == 101
        assert (await shake_hands(served.port, own))[0] == 403


async def test_the_gate_refuses_with_its_own_status_and_text(served: Served) -> None:
    served.acceptor.refusal = (503, "draining")
    status, head, body = await shake_hands(served.port, upgrade_request(served.port))
    assert (status, body) == (503, "draining\n")
    assert "connection: close" in head


async def test_a_request_that_asks_for_no_websocket_goes_to_the_app(served: Served) -> None:
    async with raw_peer(served.port) as peer:
        peer.send(upgrade_request(served.port, upgrade=None, connection=None))
        assert (await peer.read_response())[0] == 204


@pytest.mark.parametrize(
    ("path", "status"),
    [("/chat/ws", 101), ("/chat/ws?from=browser", 101), ("/ws", 404), ("/chat/chat/ws", 404)],
)
async def test_handshake_with_a_base_path_is_accepted_below_it_only(path: str, status: int) -> None:
    async with serve_websockets(path_prefix="/chat") as served:
        request = upgrade_request(served.port, start=f"GET {path} HTTP/1.1")
        assert (await shake_hands(served.port, request))[0] == status


@pytest.mark.adversarial("handshake: several subprotocols")
@pytest.mark.parametrize(
    ("offers", "taken"),
    [
        (JSON_NAME, JSON_NAME),
        (MSGPACK_NAME, MSGPACK_NAME),
        (f"{MSGPACK_NAME}, {JSON_NAME}", MSGPACK_NAME),
        (f"{JSON_NAME}, {MSGPACK_NAME}", JSON_NAME),
        (f"relevo.v9.xml,{MSGPACK_NAME}\r\nsec-websocket-protocol: {JSON_NAME}", MSGPACK_NAME),
    ],
)
async def test_the_first_offer_that_is_known_is_taken(served: Served, offers: str, taken: str) -> None:
    request = upgrade_request(served.port, sec_websocket_protocol=offers)
    status, head, _ = await shake_hands(served.port, request)
    assert status == 101
    assert f"sec-websocket-protocol: {taken}\r\n" in head
    # RFC 6455 section 1.3 gives this answer to the key that the request holds.
    assert "sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=\r\n" in head
    assert (await served.acceptor.next_endpoint()).socket.codec.subprotocol == taken


async def test_compression_is_not_negotiated(served: Served) -> None:
    request = upgrade_request(served.port, sec_websocket_extensions="permessage-deflate")
    status, head, _ = await shake_hands(served.port, request)
    assert status == 101
    assert "extensions" not in head


async def test_the_endpoint_has_the_address_of_its_client(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        assert endpoint.socket.remote == peer.writer.get_extra_info("sockname")[0]
