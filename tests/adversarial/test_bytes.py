"""Bytes that are no message at all, and messages that only some decoders would understand."""

import pytest

from tests.e2e.conftest import MakeTenant
from tests.e2e.tenant import Tenant
from tests.raw_client import FORMATS, RawClient
from tests.routers import RouterProcess

DEPTH = 100_000

# Frames that close the connection with 4503.
NO_NUMBERS = [b"NaN", b"Infinity", b"-Infinity", b"nan", b"-NaN", b"+1", b"01", b"1.", b".5", b"0x10", b"1e"]
NO_JSON: dict[str, list[bytes]] = {
    "NaN": [b'{"type": "session.ack", "session_id": "a", "fence": %s}' % number for number in NO_NUMBERS],
    "not a map": [
        *(b"", b" ", b"\x00", b"{", b"}", b"[", b"]", b"{}{}", b"{} x", b"[]]", b"{]", b"[{]", b"[,]"),
        *(b"[{},]", b"nul", b"tru", b"hello", b"'x'", b'"x', b"{'type': 'ping'}", b"{type: 1}", b"[1 2]"),
        *(b'{"type": "ping",}', b'{"type" "ping"}', b'{"type":: "ping"}', b"\xef\xbb\xbf{}", b"// x\n{}"),
        *(b'{"a": "\x01"}', b'{"a": "\\x"}', b'{"a": "\\u12"}', b"<x/>", b"--", b"\\"),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
    "depth 100,000": [
        b"[" * 60_000,
        b"[" * 30_000 + b"]" * 30_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"type": "ping", "id": ' + b"[" * 30_000 + b"]" * 30_000 + b"}",
    ],
}
NO_MSGPACK: dict[str, list[bytes]] = {
    "not a map": [
        *(b"", b"\xc1", b"\x81", b"\x91", b"\xdc", b"\xdd\xff\xff\xff\xff", b"\xde\xff\xff"),
        *(
            b"\xdf\xff\xff\xff\xff",
            b"\xd9",
            b"\xd9\x05abc",
            b"\xdb\xff\xff\xff\xffx",
            b"\xc6\xff\xff\xff\xff",
        ),
        *(
            b"\xa5abc",
            b"\xcb\x00",
            b"\xcf",
            b"\xc9\xff\xff\xff\xff\x01",
            b"\x80\x80",
            b"\x80\x00",
            b"\x81\xa1a",
        ),
        *(b"\x81\xa1\xff\x01", b"{}", b"\x92\x80"),
    ],
    "depth 100,000": [b"\x91" * 60_000, b"\x81\xa1a" * 20_000 + b"\x01", b"\x91" * 60_000 + b"\x01"],
}


def flat(cases: dict[str, list[bytes]]) -> list[bytes]:
    return [data for of_kind in cases.values() for data in of_kind]


async def send_bytes(client: RawClient, data: bytes, format: str) -> None:
    """Send a frame of the format's kind, whatever is in it."""
    await client.socket.send(data, text=format == "json")


@pytest.mark.adversarial(*(f"message: {line}" for line in NO_JSON))
async def test_what_is_no_json_closes_with_4503(tenant: Tenant) -> None:
    await closes_with_4503(tenant, flat(NO_JSON), "json")


@pytest.mark.adversarial(*(f"message: {line}" for line in NO_MSGPACK))
async def test_what_is_no_messagepack_closes_with_4503(tenant: Tenant) -> None:
    await closes_with_4503(tenant, flat(NO_MSGPACK), "msgpack")


async def closes_with_4503(tenant: Tenant, frames: list[bytes], format: str) -> None:
    """Send each frame over connections of its own, before and after the hello."""
    for data in frames:
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
    assert (await admin.open_dialog()).agents["bob"]["capacity"] == largest
