"""Every close code of the contract, produced by a real client at a real router."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import TypeAlias

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, Opcode

from tests.e2e import contract
from tests.e2e.conftest import MakeTenant, StartRouters
from tests.e2e.tenant import Tenant
from tests.raw_client import FORMATS, NonReadingSocket, RawClient
from tests.routers import RouterProcess, running_routers, standing_still
from tests.servers import StoreServer

Provoke: TypeAlias = Callable[[Tenant, str], Awaitable[int]]

PROVOKE: dict[int, Provoke] = {}
"""How to get each close code: a tenant, and the format; returns the code."""

# RFC 6455 section 7.4.1; PROTOCOL.md, Frames and batches, says when.
STANDARD = (1003, 1007, 1009)
# They take a router or a store that stops: see below, and test_presence.py.
APART = (4000, 4003)
# A rate is passed by thousands of messages.
SLOW = (4505,)
# The router for these is impatient; tests of the others may stand still for as long as they like.
TIMED = (4002, 4504)


def provokes(code: int) -> Callable[[Provoke], Provoke]:
    """Register the way to a close code."""

    def register(provoke: Provoke) -> Provoke:
        PROVOKE[code] = provoke
        return provoke

    return register


@pytest.fixture(scope="module")
def limited(store: StoreServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RouterProcess]]:
    """A router that allows little, and one that waits for no client."""
    little = {
        "connections_per_agent_max": 1,
        "outbox_hard_bytes": 65_536,
        # A client that reads again learns the code, however late it is on a busy machine.
        "relevo.router.transport.websocket.LINGER_MS": 60_000,
        "message_rate": 10**6,
        "back_end_message_rate": 0,
        "tenant_message_rate": 0,
    }
    hasty = {
        "relevo.router.gateway.connection.HELLO_TIMEOUT_MS": 500,
        "ping_interval_ms": 100,
        # Longer than the hello's: a client that is late with both hears of the hello.
        "ping_timeout_ms": 800,
    }
    with (
        running_routers(1, store.url, tmp_path_factory.mktemp("strict"), **little) as strict,
        running_routers(1, store.url, tmp_path_factory.mktemp("impatient"), **hasty) as impatient,
    ):
        yield strict + impatient


@pytest.mark.limit("HELLO_TIMEOUT_MS")
@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    "code",
    [
        pytest.param(code, marks=[pytest.mark.slow] * (code in SLOW))
        for code in (*contract.close_codes(), *STANDARD)
        if code not in APART
    ],
)
async def test_each_close_code_reaches_a_client(
    limited: list[RouterProcess], make_tenant: MakeTenant, code: int, format: str
) -> None:
    strict, impatient = limited
    tenant = make_tenant([impatient if code in TIMED else strict])
    assert await PROVOKE[code](tenant, format) == code


@provokes(1003)
async def a_frame_of_the_other_kind(tenant: Tenant, format: str) -> int:
    ana = await tenant.connect_agent("ana", format=format)
    await ana.socket.send("{}" if format == "msgpack" else b"{}")
    return await ana.expect_close()


@provokes(1007)
async def text_that_is_not_utf8(tenant: Tenant, format: str) -> int:
    # Text is what the JSON subprotocol has; on the other one a text frame is refused for its kind.
    ana = await tenant.connect_agent("ana", format="json")
    await ana.socket.send(b'{"type": "ping", "id": "\xff"}', text=True)
    return await ana.expect_close()


@provokes(1009)
async def a_message_over_64_kibibytes(tenant: Tenant, format: str) -> int:
    ana = await tenant.connect_agent("ana", format=format)
    await ana.send("ping", id="1" * 65_536)
    return await ana.expect_close()


@provokes(4001)
async def a_client_that_stops_reading(tenant: Tenant, format: str) -> int:
    crm = await tenant.connect_service()
    # Little room to receive, and no reader: the library stops reading when one message waits.
    receiver = socket.socket()
    receiver.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    receiver.connect(("127.0.0.1", tenant.routers[0].port))
    stalled = await tenant.connect_without_hello(format=format, sock=receiver, max_queue=1)
    assert (await stalled.say_hello(tenant.token("stalled")))["type"] == "welcome"

    await tenant.open_session("s", agent="stalled")
    # More than the network takes and than the router's patience; a client that reads goes on as before.
    for _ in range(12):
        for command in [await crm.send("session.note", session_id="s", text="€" * 4000) for _ in range(50)]:
            assert "result" in await crm.reply(command)
    return await stalled.expect_close()


@provokes(4002)
async def a_client_that_answers_no_pings(tenant: Tenant, _: str) -> int:
    deaf = await NonReadingSocket.open(tenant.routers[0].address)
    await deaf.say_hello(tenant.token("ana"))
    *frames, last = await deaf.hear_until_the_end()
    assert Opcode.PING in [frame.opcode for frame in frames]
    return Close.parse(last.data).code


@provokes(4500)
async def a_token_without_a_signature(tenant: Tenant, format: str) -> int:
    stranger = await tenant.connect_without_hello(format=format)
    error = await stranger.refused("hello", token=tenant.token("ana")[:-2] + "AA")
    assert error["code"] == "unauthorized"
    return await stranger.expect_close()


@provokes(4501)
async def a_token_that_runs_out(tenant: Tenant, format: str) -> int:
    ana = await tenant.connect_agent("ana", format=format, ttl_s=1)
    expiring = await ana.expect_push("token.expiring")
    assert expiring["expires_at"] == ana.welcome["expires_at"]
    return await ana.expect_close()


@provokes(4502)
async def an_agent_that_is_removed(tenant: Tenant, format: str) -> int:
    ana = await tenant.connect_agent("ana", format=format)
    await tenant.do("agent.remove", agent_id="ana")
    return await ana.expect_close()


@provokes(4503)
async def what_is_neither_json_nor_messagepack(tenant: Tenant, format: str) -> int:
    ana = await tenant.connect_agent("ana", format=format)
    await ana.socket.send(b"\xc1" if format == "msgpack" else "{")
    return await ana.expect_close()


@provokes(4504)
async def a_connection_that_says_nothing(tenant: Tenant, format: str) -> int:
    return await (await tenant.connect_without_hello(format=format)).expect_close()


@provokes(4505)
async def an_agent_that_floods(tenant: Tenant, format: str) -> int:
    ana = await tenant.connect_agent("ana", format=format)
    flood = [{"type": "ping", "id": "p"}] * 64
    with suppress(ConnectionClosed):
        while True:
            await ana.send_as_is(flood)
    return await ana.expect_close()


@provokes(4506)
async def one_connection_more_than_an_agent_may_have(tenant: Tenant, format: str) -> int:
    first = await tenant.connect_agent("ana", format=format)
    second = await tenant.connect_agent("ana", format=format)
    code = await first.expect_close()
    assert (await second.command("agent.get", agent_id="ana"))["agent"]["status"] == "connected"
    return code


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
async def test_store_lost_past_the_lease_closes_with_4003(
    own_store: StoreServer, start_routers: StartRouters, make_tenant: MakeTenant, format: str
) -> None:
    # No close is dropped for an answer that is late, as on a busy machine.
    patient = {"relevo.router.transport.websocket.CLOSE_WAIT_MS": 60_000}
    (router,) = start_routers(1, own_store.url, node_lease_ms=1500, store_timeout_ms=500, **patient)
    tenant = make_tenant([router])
    ana = await tenant.connect_agent("ana", format=format)
    stranger = await tenant.connect_without_hello(format=format)

    with standing_still(own_store.pid):
        assert await ana.expect_close() == 4003
        # A client that connects now has to retry.
        error = await stranger.refused("hello", token=tenant.token("bob"))
        assert (error["code"], error["retryable"]) == ("unavailable", True)
        assert await stranger.expect_close() == 4003
        assert (await asyncio.to_thread(router.get, "/readyz"))[0] == 503

    assert (await until_welcome(tenant, format)).welcome["agent"]["status"] == "connected"


async def until_welcome(tenant: Tenant, format: str) -> RawClient:
    """Say hello again and again, as a client does that was told to come back."""
    while True:
        stranger = await tenant.connect_without_hello(format=format)
        reply = await stranger.say_hello(tenant.token("ana"))
        if reply["type"] == "welcome":
            stranger.welcome = reply
            return stranger
        assert reply["error"]["code"] == "unavailable"
