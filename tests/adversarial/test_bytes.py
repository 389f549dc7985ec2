"""Bytes that are no message at all, and messages that only some decoders would understand."""

import pytest

from tests.e2e.conftest import MakeTenant
from tests.e2e.tenant import Tenant
from tests.raw_client import FORMATS, RawClient
from tests.routers import RouterProcess

DEPTH = 100_000

# Some frames that are undecodable; tests/protocol/test_codec.py has them all.
UNDECODABLE = {
    "json": [b"", b"{", b"[]]", b'{"type": "session.ack", "session_id": "a", "fence": NaN}', b"[" * 60_000],
    "msgpack": [b"", b"\xc1", b"\xdd\xff\xff\xff\xff", b"\x80\x80", b"\x91" * 60_000],
}


async def send_bytes(client: RawClient, data: bytes, format: str) -> None:
    """Send a frame of the format's kind, whatever is in it."""
    await client.socket.send(data, text=format == "json")


@pytest.mark.parametrize("format", FORMATS)
async def test_undecodable_frame_closes_with_4503_before_and_after_hello(tenant: Tenant, format: str) -> None:
    for data in UNDECODABLE[format]:
        for client in (
            await tenant.connect_without_hello(format=format),
            await tenant.connect_agent("ana", format=format),
        ):
            await send_bytes(client, data, format)
            assert await client.expect_close() == 4503, data[:50]
            assert client.unread("reply") == []


@pytest.mark.adversarial("message: depth 100,000")
@pytest.mark.parametrize("format", FORMATS)
async def test_a_hundred_thousand_levels_are_one_close(
    strict: RouterProcess, make_tenant: MakeTenant, format: str
) -> None:
    tenant = make_tenant([strict])
    opening, closing = (b"[", b"]") if format == "json" else (b"\x91", b"")
    nested = b'{"a":' if format == "json" else b"\x81\xa1a"
    for data in (
        opening * DEPTH,
        opening * DEPTH + b"1" + closing * DEPTH,
        nested * DEPTH,
        nested * DEPTH + b"1",
    ):
        client = await tenant.connect_agent("ana", format=format)
        await send_bytes(client, data, format)
        assert await client.expect_close() == 4503
    client = await tenant.connect_agent("ana", format=format)
    assert (await client.reply(await client.send("ping")))["type"] == "pong"


@pytest.mark.adversarial("message: integers past 2^53")
async def test_the_largest_integer_is_one_and_it_stays_as_it_is(tenant: Tenant) -> None:
    largest = 2**53 - 1
    profile = {"id": "bob", "name": "Bob", "role": "agent", "departments": [], "capacity": largest}
    for encoding in FORMATS:
        admin = await tenant.connect_admin(format=encoding)
        assert (await admin.command("agent.put", agent=profile))["agent"]["capacity"] == largest
        error = await admin.refused("session.close", session_id="chat-1", fence=largest)
        assert error["code"] == "not_found"
    await admin.open_dialog()
    await admin.sees_agent("bob", capacity=largest)
