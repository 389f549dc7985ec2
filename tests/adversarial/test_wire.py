"""Broken frames and bad handshakes at a real router: each ends its own connection, and no other."""

import asyncio
import json

import pytest

from tests.adversarial.conftest import ALLOWED_ORIGIN
from tests.adversarial.peers import member, say, stranger
from tests.e2e.tenant import Tenant
from tests.router.transport.bad_frames import BROKEN, TEXT, fragments
from tests.router.transport.websocket_peer import JSON_NAME, Peer, masked, raw_peer, upgrade_request
from tests.routers import RouterProcess

POST = b"POST /api/v1/session.list HTTP/1.1\r\nhost: a\r\ncontent-length: 999\r\n"
PING_MESSAGE = b'{"type": "ping", "id": "%s"}'
# One of each kind; tests/router/transport has them all.
FRAMES = [pytest.param(*cases[0], id=kind) for kind, cases in BROKEN.items()]
EMPTY_MESSAGES = [(masked(TEXT) * 2000, 4503), (fragments(2, 0) * 1000, 4503)]


@pytest.mark.limit("MESSAGE_BYTES_MAX")
@pytest.mark.adversarial("frame: empty-message flood")
@pytest.mark.parametrize(("data", "code"), [*FRAMES, *EMPTY_MESSAGES])
async def test_broken_frame_closes_its_connection_alone(
    routers: list[RouterProcess], tenant: Tenant, data: bytes, code: int
) -> None:
    async with (
        stranger(routers[0]) as new,
        member(routers[0], tenant.token("ana")) as known,
        member(routers[0], tenant.token("ana")) as other_device,
    ):
        for peer in (new, known):
            peer.send(data)
            await peer.expect_close(code)
            if code < 4000:
                await peer.expect_end()  # Of a peer that broke a rule no answer is awaited.
        say(other_device, {"type": "ping", "id": "7"})
        assert json.loads((await other_device.read_frame())[1]) == {"type": "pong", "id": "7"}


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"host": "chat.example", "origin": "https://chat.example"}, 101),
        ({"host": "chat.example", "origin": "https://chat.example.evil.example"}, 403),
        ({"sec_websocket_protocol": None}, 400),
        ({"sec_websocket_protocol": f"x, {JSON_NAME}"}, 101),
        ({"start": "POST /ws HTTP/1.1"}, 405),
        ({"start": f"GET /ws?{'x' * 8192} HTTP/1.1"}, 414),
        ({"cookie": "x" * 32_768}, 431),
        ({"start": "\x16\x03\x01\x02"}, 400),
        ({"upgrade": None, "connection": None}, 426),
    ],
)
async def test_handshake_is_answered_with_its_status(
    routers: list[RouterProcess], changes: dict[str, str | None], status: int
) -> None:
    start = changes.get("start") or "GET /ws HTTP/1.1"
    headers = {name: value for name, value in changes.items() if name != "start"}
    assert await ask(routers[0], upgrade_request(routers[0].port, start=start, **headers)) == status


async def test_allowed_origins_count_and_the_host_does_not(strict: RouterProcess) -> None:
    own = upgrade_request(strict.port, host="chat.example", origin="https://evil.example")
    assert await ask(strict, own) == 403
    assert await ask(strict, upgrade_request(strict.port, origin=ALLOWED_ORIGIN)) == 101


@pytest.mark.slow
@pytest.mark.adversarial("handshake: a byte a second")
@pytest.mark.parametrize(
    ("authorization", "status"),
    # Without a token a body is not waited for.
    [(b"authorization: bearer %s\r\n", 408), (b"", 401)],
    ids=["a body", "a body that is not read"],
)
async def test_body_that_comes_byte_by_byte_is_given_up(
    strict: RouterProcess, tenant: Tenant, authorization: bytes, status: int
) -> None:
    async with raw_peer(strict.port) as peer:
        peer.send(POST + authorization.replace(b"%s", tenant.token("crm", "service").encode()) + b"\r\n")
        dripping = asyncio.create_task(drip(peer, b" " * 999))
        assert (await peer.read_response())[0] == status
        await peer.expect_end()
        dripping.cancel()


async def test_a_hundred_peers_that_break_off_leave_nothing_behind(
    routers: list[RouterProcess], tenant: Tenant
) -> None:
    async def break_off(number: int) -> None:
        async with member(routers[0], tenant.token(f"agent-{number % 7}")) as peer:
            peer.send(masked(TEXT, PING_MESSAGE % b"1", is_final=number % 3 == 0)[: number % 40])
            if number % 2:
                peer.abort()

    await asyncio.gather(*(break_off(number) for number in range(100)))
    agents, _ = await tenant.read_directory()
    assert set(agents) == {f"agent-{number}" for number in range(7)}


async def ask(router: RouterProcess, request: bytes) -> int:
    """Send a request, and return the status of its answer."""
    async with raw_peer(router.port) as peer:
        peer.send(request)
        return (await peer.read_response())[0]


async def drip(peer: Peer, data: bytes) -> None:
    """Send a byte now and then."""
    for byte in data:
        peer.send(bytes([byte]))
        await asyncio.sleep(0.02)
