"""Handshakes and frames, good and bad, over a real server and a real socket."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode
from websockets.typing import Subprotocol

from protocol.codec import JSON, MSGPACK, Codec
from router.framing import build_frame
from tests.router.websocket_peer import (
    JSON_NAME,
    MSGPACK_NAME,
    Served,
    echo,
    masked,
    open_peer,
    raw_peer,
    serve_websockets,
    upgrade_request,
)

CONT, TEXT, BINARY = Opcode.CONT, Opcode.TEXT, Opcode.BINARY
CLOSE, PING, PONG = Opcode.CLOSE, Opcode.PING, Opcode.PONG
FAILED = "Failed to open a WebSocket connection: "
NO_SUBPROTOCOL = f"{FAILED}no known subprotocol; offer one of {JSON_NAME}, {MSGPACK_NAME}.\n"
LIMIT = 64 * 1024


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


# Handshakes -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "status", "body"),
    [
        ({"start": "GET /other HTTP/1.1"}, 404, "There is no websocket here; connect to /ws.\n"),
        ({"start": "GET /ws/ HTTP/1.1"}, 404, "There is no websocket here; connect to /ws.\n"),
        ({"start": "GET /WS HTTP/1.1"}, 404, "There is no websocket here; connect to /ws.\n"),
        ({"start": "POST /ws HTTP/1.1"}, 405, f"{FAILED}unsupported HTTP method: POST.\n"),
        ({"sec_websocket_key": None}, 400, f"{FAILED}missing Sec-WebSocket-Key header.\n"),
        ({"sec_websocket_key": "c2hvcnQ="}, 400, f"{FAILED}invalid Sec-WebSocket-Key header: c2hvcnQ=.\n"),
        ({"sec_websocket_version": None}, 400, f"{FAILED}missing Sec-WebSocket-Version header.\n"),
        ({"sec_websocket_version": "12"}, 400, f"{FAILED}invalid Sec-WebSocket-Version header: 12.\n"),
        ({"host": None}, 400, f"{FAILED}missing Host header.\n"),
        ({"host": "a\r\nhost: b"}, 400, f"{FAILED}invalid Host header: multiple values.\n"),
        ({"sec_websocket_protocol": None}, 400, NO_SUBPROTOCOL),
        ({"sec_websocket_protocol": "relevo.v2.json"}, 400, NO_SUBPROTOCOL),
        ({"sec_websocket_protocol": "chat, RELEVO.V1.JSON"}, 400, NO_SUBPROTOCOL),
        ({"origin": "null"}, 403, f"{FAILED}invalid Origin header: null.\n"),
        ({"origin": "http://evil.example"}, 403, f"{FAILED}invalid Origin header: http://evil.example.\n"),
        ({"origin": ""}, 403, f"{FAILED}empty Origin header.\n"),
        ({"start": f"GET /ws?{'x' * 8192} HTTP/1.1"}, 414, "The path is too long.\n"),
        ({"cookie": "x" * 32768}, 431, "The headers are too large.\n"),
        ({f"x_{number}": "1" for number in range(130)}, 431, "The headers are too large.\n"),
    ],
    ids=case_name,
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


async def test_a_configured_origin_may_connect_and_the_servers_own_host_no_more() -> None:
    async with serve_websockets(allowed_origins=("https://chat.example.com",)) as served:
        listed = upgrade_request(served.port, origin="https://CHAT.example.com:443")
        own = upgrade_request(served.port, origin=f"http://127.0.0.1:{served.port}")
        assert (await shake_hands(served.port, listed))[0] == 101
        assert (await shake_hands(served.port, own))[0] == 403


async def test_the_gate_refuses_with_its_own_status_and_text(served: Served) -> None:
    served.door.refusal = (503, "draining")
    status, head, body = await shake_hands(served.port, upgrade_request(served.port))
    assert (status, body) == (503, "draining\n")
    assert "connection: close" in head


async def test_a_request_that_asks_for_no_websocket_goes_to_the_app(served: Served) -> None:
    async with raw_peer(served.port) as peer:
        peer.send(upgrade_request(served.port, upgrade=None, connection=None))
        assert (await peer.read_response())[0] == 204


@pytest.mark.parametrize("path", ["/ws", "/relevo/ws", "/ws?from=browser"])
async def test_behind_a_prefix_the_path_is_known_with_and_without_it(path: str) -> None:
    async with serve_websockets(root_path="/relevo") as served:
        request = upgrade_request(served.port, start=f"GET {path} HTTP/1.1")
        assert (await shake_hands(served.port, request))[0] == 101


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
    assert (await served.door.next_endpoint()).socket.codec.subprotocol == taken


async def test_compression_is_not_negotiated(served: Served) -> None:
    request = upgrade_request(served.port, sec_websocket_extensions="permessage-deflate")
    status, head, _ = await shake_hands(served.port, request)
    assert status == 101
    assert "extensions" not in head


async def test_the_endpoint_knows_who_connected(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        assert endpoint.socket.remote == peer.writer.get_extra_info("sockname")[0]


# Messages ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("subprotocol", "message"), [(JSON_NAME, '{"a": "añ€😀"}'), (MSGPACK_NAME, b"\x81\xa1a\x01")]
)
async def test_a_library_client_is_answered_in_its_own_format(
    served: Served, subprotocol: str, message: str | bytes
) -> None:
    async with connect(served.url, subprotocols=[Subprotocol(subprotocol)]) as client:
        await client.send(message)
        assert await client.recv() == message


@pytest.mark.parametrize("pieces", [[b"a" * LIMIT], [b"a" * (LIMIT - 1), b"a"], [b"", b"ab", b"", b"c", b""]])
async def test_fragments_are_joined_up_to_the_limit(served: Served, pieces: list[bytes]) -> None:
    async with open_peer(served) as (peer, endpoint):
        for number, piece in enumerate(pieces):
            is_final = number == len(pieces) - 1
            peer.send_frame(CONT if number else TEXT, piece, is_final=is_final)
            if not is_final:
                peer.send_frame(PING, b"p" * 125)
        await endpoint.expect("received", b"".join(pieces))


async def test_a_character_may_be_cut_between_fragments(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        text = "€".encode()
        peer.send_frame(TEXT, text[:1], is_final=False)
        peer.send_frame(CONT, text[1:])
        await endpoint.expect("received", text)


async def test_bytes_that_come_one_by_one_make_the_same_message(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        for byte in masked(TEXT, b"slow"):
            peer.send(bytes([byte]))
            await asyncio.sleep(0)
        await endpoint.expect("received", b"slow")


async def test_an_empty_message_is_passed_on(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        peer.send_frame(TEXT)
        await endpoint.expect("received", b"")


async def test_a_ping_is_answered_with_its_payload(served: Served) -> None:
    async with open_peer(served) as (peer, _):
        peer.send_frame(PING, b"are you there")
        assert await peer.read_frame() == (PONG, b"are you there")


@pytest.mark.parametrize(
    ("subprotocol", "data", "code"),
    [
        pytest.param(JSON_NAME, masked(BINARY, b"{}"), 1003, id="binary in JSON"),
        pytest.param(MSGPACK_NAME, masked(TEXT, b"{}"), 1003, id="text in MessagePack"),
        pytest.param(JSON_NAME, masked(BINARY, b"{", is_final=False), 1003, id="binary fragment in JSON"),
        pytest.param(JSON_NAME, masked(TEXT, b"\xff"), 1007, id="not UTF-8"),
        pytest.param(JSON_NAME, masked(TEXT, "€".encode()[:2]), 1007, id="half a character"),
        pytest.param(JSON_NAME, masked(TEXT, b"\xed\xa0\x80"), 1007, id="a surrogate"),
        pytest.param(
            JSON_NAME,
            masked(TEXT, b"ok", is_final=False) + masked(CONT, b"\xff"),
            1007,
            id="not UTF-8 in a fragment",
        ),
        pytest.param(JSON_NAME, masked(TEXT, b"x" * (LIMIT + 1)), 1009, id="one byte too many"),
        pytest.param(MSGPACK_NAME, masked(BINARY, b"x" * (LIMIT + 200)), 1009, id="far too many"),
        pytest.param(
            JSON_NAME,
            masked(TEXT, b"x" * LIMIT, is_final=False) + masked(CONT, b"x"),
            1009,
            id="too many in fragments",
        ),
        pytest.param(JSON_NAME, b"\x81\xff" + b"\x7f" + b"\xff" * 7 + bytes(4), 1009, id="length 2^63-1"),
        pytest.param(JSON_NAME, b"\x81\xff" + b"\xff" * 8 + bytes(4), 1009, id="length 2^64-1"),
        pytest.param(JSON_NAME, b"\x81\x02{}", 1002, id="unmasked"),
        pytest.param(JSON_NAME, b"\xc1\x80" + bytes(4), 1002, id="reserved bit 1"),
        pytest.param(JSON_NAME, b"\xa1\x80" + bytes(4), 1002, id="reserved bit 2"),
        pytest.param(JSON_NAME, b"\x91\x80" + bytes(4), 1002, id="reserved bit 3"),
        pytest.param(JSON_NAME, b"\x83\x80" + bytes(4), 1002, id="reserved opcode"),
        pytest.param(JSON_NAME, b"\x8b\x80" + bytes(4), 1002, id="reserved control opcode"),
        pytest.param(JSON_NAME, b"\x09\x80" + bytes(4), 1002, id="fragmented ping"),
        pytest.param(JSON_NAME, b"\x89\xfe\x00\x7e" + bytes(4 + 126), 1002, id="oversize ping"),
        pytest.param(JSON_NAME, masked(CONT, b"x"), 1002, id="continuation of nothing"),
        pytest.param(
            JSON_NAME,
            masked(TEXT, b"x", is_final=False) + masked(TEXT, b"y"),
            1002,
            id="a message within a message",
        ),
        pytest.param(JSON_NAME, masked(CLOSE, b"\x03"), 1002, id="close with half a code"),
        pytest.param(JSON_NAME, masked(CLOSE, (999).to_bytes(2)), 1002, id="close code 999"),
        pytest.param(JSON_NAME, masked(CLOSE, (1005).to_bytes(2)), 1002, id="close code 1005"),
        pytest.param(JSON_NAME, masked(CLOSE, (1006).to_bytes(2)), 1002, id="close code 1006"),
        pytest.param(JSON_NAME, masked(CLOSE, (5000).to_bytes(2)), 1002, id="close code 5000"),
        pytest.param(JSON_NAME, masked(CLOSE, (1000).to_bytes(2) + b"\xff"), 1007, id="reason not UTF-8"),
    ],
)
async def test_bytes_that_break_a_rule_are_answered_with_its_close_code(
    served: Served, subprotocol: str, data: bytes, code: int
) -> None:
    async with open_peer(served, subprotocol) as (peer, endpoint):
        peer.send(data)
        await peer.expect_close(code)
        await peer.expect_end()
        peer.abort()
        await endpoint.expect("lost", code, False)


async def test_messages_before_the_bytes_that_break_a_rule_are_delivered(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        peer.send(masked(TEXT, b"1") + masked(TEXT, b"2") + b"\xff\xff" + masked(TEXT, b"3"))
        await peer.expect_close(1002)
        peer.abort()
        await endpoint.expect("received", b"1")
        await endpoint.expect("received", b"2")
        await endpoint.expect("lost", 1002, False)


async def test_messages_after_the_one_that_breaks_a_rule_are_not_delivered(served: Served) -> None:
    async with open_peer(served) as (peer, endpoint):
        peer.send(masked(TEXT, b"1") + masked(BINARY, b"2") + masked(TEXT, b"3"))
        await peer.expect_close(1003)
        peer.abort()
        await endpoint.expect("received", b"1")
        await endpoint.expect("lost", 1003, False)


@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT + 1_000])
async def test_a_message_that_is_too_large_is_told_the_limit(served: Served, size: int) -> None:
    async with open_peer(served) as (peer, _):
        peer.send_frame(TEXT, b"x" * size)
        assert await peer.expect_close(1009) == "a message holds at most 65536 bytes"


async def test_the_close_reaches_a_peer_that_is_still_sending(served: Served) -> None:
    async with open_peer(served) as (peer, _):
        # Closed at once, the socket would be reset by what comes in, and the reset would overtake the close.
        peer.send(b"\x81\xff" + (2**30).to_bytes(8) + bytes(4) + bytes(2_000_000))
        await peer.expect_close(1009)
        await peer.expect_end()


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(masked(PING), id="pings"),
        pytest.param(masked(PONG), id="pongs"),
        pytest.param(masked(TEXT, is_final=False) + masked(CONT, is_final=False) * 100, id="empty fragments"),
    ],
)
async def test_a_flood_of_frames_that_carry_nothing_is_ended(served: Served, flood: bytes) -> None:
    async with open_peer(served) as (peer, endpoint):
        rest = masked(CONT, is_final=False) if len(flood) > 100 else flood
        peer.send(flood + rest * 1_100)
        assert await peer.expect_close(1008) == "too many control frames or empty fragments"
        peer.abort()
        await endpoint.expect("lost", 1008, False)


# What goes out ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 125, 126, 65535, 65536])
@pytest.mark.parametrize(("codec", "opcode"), [(JSON, TEXT), (MSGPACK, BINARY)])
def test_a_frame_is_what_the_library_would_write(codec: Codec, opcode: Opcode, size: int) -> None:
    assert build_frame(codec, bytes(size)) == Frame(opcode, bytes(size)).serialize(mask=False)
