"""Bad handshakes: each is answered with its HTTP status, and the other clients are served as before."""

import asyncio

import pytest

from tests.adversarial.conftest import ALLOWED_ORIGIN
from tests.e2e.tenant import Tenant
from tests.router.transport.websocket_peer import JSON_NAME, MSGPACK_NAME, Peer, raw_peer, upgrade_request
from tests.routers import RouterProcess

HOST = "chat.example"

# The Origin that a page sends, and the answer where every page of the router's own host may connect.
ORIGINS: dict[str, list[tuple[str | None, int]]] = {
    "Origin absent": [(None, 101)],
    "Origin null": [("null", 403), ("NULL", 403), ("", 403)],
    "Origin with a look-alike suffix": [
        ("https://chat.example.evil.example", 403),
        ("https://evilchat.example", 403),
        ("https://chat.example@evil.example", 403),
        ("https://evil.example/chat.example", 403),
        ("https://evil.example#chat.example", 403),
        ("https://evil.example?https://chat.example", 403),
        ("https://chat.example:443.evil.example", 403),
        ("https://chat.exampl", 403),
        ("https://chatxexample", 403),
        ("https://chat.example/", 403),
        ("https://chat.example https://evil.example", 403),
        ("https://chat.example, https://evil.example", 403),
        ("https://chat.example:8443", 403),
        ("https://chat.example.", 403),
        ("chat.example", 403),
        ("https:chat.example", 403),
        ("//chat.example", 403),
        ("file://", 403),
        ("https://\N{CYRILLIC SMALL LETTER ES}hat.example".encode().decode("latin-1"), 403),
    ],
    "Origin of a sub-domain": [
        ("https://a.chat.example", 403),
        ("https://www.chat.example", 403),
        ("https://.chat.example", 403),
        ("https://example", 403),
    ],
    "Origin in upper case": [("HTTPS://CHAT.EXAMPLE", 101), ("https://Chat.Example", 101)],
}
SUBPROTOCOLS: dict[str, list[tuple[str | None, int]]] = {
    "no subprotocol": [(None, 400), ("", 400), (",", 400), (" ", 400)],
    "unknown subprotocol": [
        ("relevo.v2.json", 400),
        ("RELEVO.V1.JSON", 400),
        ("relevo.v1.json;q=1", 400),
        ("relevo.v1", 400),
        ("relevo.v1.jsonx", 400),
        ('"relevo.v1.json"', 400),
        ("graphql-ws", 400),
        ("relevo.v1.json\x00", 400),
    ],
}
POST = b"POST /api/v1/session.list HTTP/1.1\r\nhost: a\r\ncontent-length: 999\r\n"
GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),  # TLS
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"*1\r\n$4\r\nPING\r\n",  # Redis
    b"\x81\x85\x00\x00\x00\x00hello",  # A frame before any handshake
    b"GET\r\n\r\n",
    b"GET /ws HTTP/1.1 \r\n\r\n",
    b"GET /ws HTTP/3.0\r\n\r\n",
    b"GET /ws HTTP/1.1\n\n",
    b"GET /\x00 HTTP/1.1\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nno colon\r\n\r\n",
    b"GET /ws HTTP/1.1\r\n: empty name\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nhost: a\r\n folded: b\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nhost : a\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nhost: \x00\r\n\r\n",
    b"GET /ws HTTP/1.1\r\nhost: a\rb\r\n\r\n",
    b"POST /api/v1/session.list HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /api/v1/session.list HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n{}",
    b"POST /api/v1/session.list HTTP/1.1\r\ncontent-length: 99999999999999999999\r\n\r\n",
    b"POST /api/v1/session.list HTTP/1.1\r\ncontent-length: -1\r\n\r\n",
    b"POST /api/v1/session.list HTTP/1.1\r\ncontent-length: 0x10\r\n\r\n",
    b"\xff" * 100,
    bytes(100),
]


def flat(cases: dict[str, list[tuple[str | None, int]]]) -> list[tuple[str | None, int]]:
    return [case for of_kind in cases.values() for case in of_kind]


async def ask(router: RouterProcess, request: bytes) -> int:
    """Send a request; return the status, after the end if it is a refusal of a websocket."""
    async with raw_peer(router.port) as peer:
        peer.send(request)
        status, _, _ = await peer.read_response()
        return status


@pytest.mark.adversarial(*(f"handshake: {kind}" for kind in ORIGINS))
@pytest.mark.parametrize("origin", flat(ORIGINS), ids=lambda case: str(case[0]))
async def test_only_a_page_of_the_same_host_or_on_the_list_may_connect(
    routers: list[RouterProcess], strict: RouterProcess, origin: tuple[str | None, int]
) -> None:
    name, expected = origin
    own_host = upgrade_request(routers[0].port, host=HOST, origin=name)
    assert await ask(routers[0], own_host) == expected

    # Where there is a list, it is the list that counts, and not the host.
    listed = upgrade_request(strict.port, host="evil.example", origin=name)
    assert await ask(strict, listed) == expected
    assert await ask(strict, upgrade_request(strict.port, host=HOST, origin="https://evil.example")) == 403
    assert await ask(strict, upgrade_request(strict.port, origin=ALLOWED_ORIGIN)) == 101


async def test_two_origins_are_one_too_many(routers: list[RouterProcess]) -> None:
    request = upgrade_request(routers[0].port, host=HOST, origin=f"https://{HOST}\r\norigin: https://{HOST}")
    assert await ask(routers[0], request) == 400


@pytest.mark.adversarial(*(f"handshake: {kind}" for kind in SUBPROTOCOLS))
@pytest.mark.parametrize("offer", flat(SUBPROTOCOLS), ids=lambda case: repr(case[0]))
async def test_without_a_known_subprotocol_there_is_no_websocket(
    routers: list[RouterProcess], offer: tuple[str | None, int]
) -> None:
    request = upgrade_request(routers[0].port, sec_websocket_protocol=offer[0])
    assert await ask(routers[0], request) == offer[1]


@pytest.mark.adversarial("handshake: several subprotocols")
@pytest.mark.parametrize(
    ("offers", "taken"),
    [
        (f"{MSGPACK_NAME}, {JSON_NAME}", MSGPACK_NAME),
        (f"{JSON_NAME}, {MSGPACK_NAME}", JSON_NAME),
        (f"relevo.v9.json, {MSGPACK_NAME}, {MSGPACK_NAME}", MSGPACK_NAME),
        (f"x\r\nsec-websocket-protocol: {JSON_NAME}", JSON_NAME),
    ],
)
async def test_the_first_known_subprotocol_is_taken(
    routers: list[RouterProcess], offers: str, taken: str
) -> None:
    async with raw_peer(routers[0].port) as peer:
        peer.send(upgrade_request(routers[0].port, sec_websocket_protocol=offers))
        status, head, _ = await peer.read_response()
    assert (status, f"sec-websocket-protocol: {taken}\r\n" in head) == (101, True)


@pytest.mark.adversarial("handshake: request line over 8 KiB")
@pytest.mark.parametrize("end", [" HTTP/1.1", ""], ids=["whole", "without an end"])
@pytest.mark.parametrize("size", [8 * 1024, 100_000])
async def test_a_request_line_over_eight_kib_is_414(
    routers: list[RouterProcess], size: int, end: str
) -> None:
    request = upgrade_request(routers[0].port, start=f"GET /ws?{'x' * size}{end}")
    assert await ask(routers[0], request if end else request.partition(b"\r\n")[0]) == 414


@pytest.mark.adversarial("handshake: too many headers")
@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({f"x_{number}": "1" for number in range(130)}, id="130 headers"),
        pytest.param({f"x_{number}": "1" for number in range(10_000)}, id="10,000 headers"),
        pytest.param({"cookie": "x" * 32_768}, id="one of 32 KiB"),
        pytest.param({"x" * 40_000: "1"}, id="a name of 40 KB"),
    ],
)
async def test_too_many_headers_are_431(routers: list[RouterProcess], headers: dict[str, str | None]) -> None:
    assert await ask(routers[0], upgrade_request(routers[0].port, start="GET /ws HTTP/1.1", **headers)) == 431


@pytest.mark.slow
@pytest.mark.adversarial("handshake: a byte a second")
@pytest.mark.parametrize(
    ("start", "rest", "expected"),
    [
        pytest.param(b"", b"GET /ws HTTP/1.1\r\nhost: a\r\n" + b"x: y\r\n" * 100, 408, id="a handshake"),
        pytest.param(b"", b"\r\n" * 500, 408, id="empty lines"),
        pytest.param(POST + b"authorization: bearer %s\r\n\r\n", b" " * 999, 408, id="a body"),
        # Without a token a body is not waited for.
        pytest.param(POST + b"\r\n", b" " * 999, 401, id="a body that is not read"),
    ],
)
async def test_a_request_that_comes_byte_by_byte_is_given_up(
    strict: RouterProcess, tenant: Tenant, start: bytes, rest: bytes, expected: int
) -> None:
    async with raw_peer(strict.port) as peer:
        peer.send(start.replace(b"%s", tenant.token("crm", "service").encode()))
        dripping = asyncio.create_task(drip(peer, rest))
        status, _, _ = await peer.read_response()
        await peer.expect_end()
        dripping.cancel()
    assert status == expected


@pytest.mark.slow
@pytest.mark.adversarial("handshake: opened and silent")
async def test_a_hundred_connections_that_say_nothing_are_closed(strict: RouterProcess) -> None:
    async def say_nothing() -> None:
        async with raw_peer(strict.port) as peer:
            await peer.expect_end()

    await asyncio.gather(*(say_nothing() for _ in range(100)))


@pytest.mark.adversarial("handshake: POST to /ws")
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "HEAD", "OPTIONS"])
async def test_only_get_opens_a_websocket(routers: list[RouterProcess], method: str) -> None:
    port = routers[0].port
    assert await ask(routers[0], upgrade_request(port, start=f"{method} /ws HTTP/1.1")) == 405


async def test_without_an_upgrade_there_is_no_websocket(routers: list[RouterProcess]) -> None:
    port = routers[0].port
    assert await ask(routers[0], upgrade_request(port, upgrade=None, connection=None)) == 426
    start = "POST /ws HTTP/1.1"
    assert await ask(routers[0], upgrade_request(port, start=start, upgrade=None, connection=None)) == 405


@pytest.mark.adversarial("handshake: plain HTTP garbage")
@pytest.mark.parametrize("garbage", GARBAGE, ids=lambda garbage: repr(garbage[:30]))
async def test_what_is_no_http_is_400(routers: list[RouterProcess], garbage: bytes) -> None:
    async with raw_peer(routers[0].port) as peer:
        peer.send(garbage)
        status, _, _ = await peer.read_response()
        await peer.expect_end()
    assert status == 400


async def drip(peer: Peer, data: bytes) -> None:
    """Send a byte now and then."""
    for byte in data:
        peer.send(bytes([byte]))
        await asyncio.sleep(0.02)
