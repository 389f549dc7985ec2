"""Bytes that are no message at all, and messages that only some decoders would understand."""

import json
from collections.abc import Callable
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest

from relevo.protocol.codec import JSON, MSGPACK, Codec, UndecodableError
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


async def test_half_a_surrogate_pair_is_a_bad_message_and_the_connection_stays(tenant: Tenant) -> None:
    ana = await tenant.connect_agent("ana")
    await send_bytes(
        ana, rb'{"type": "session.note", "id": "n", "session_id": "s", "text": "\ud800"}', "json"
    )
    assert (await ana.reply("n"))["error"]["details"] == {"path": "$.text"}
    assert (await ana.reply(await ana.send("ping")))["type"] == "pong"


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


@pytest.mark.adversarial("message: depth 100,000")
@pytest.mark.parametrize(("codec", "pieces"), [(JSON, (b"[", b'{"a":')), (MSGPACK, (b"\x91", b"\x81\xa1a"))])
def test_the_codec_calls_any_depth_undecodable(codec: Codec, pieces: tuple[bytes, bytes]) -> None:
    for piece in pieces:
        for depth in (DEPTH, 10 * DEPTH):
            with pytest.raises(UndecodableError):
                codec.decode(piece * depth)


@pytest.mark.adversarial("message: depth 100,000", "message: NaN", "message: not a map")
@pytest.mark.parametrize(
    "body",
    [
        *(
            b"[" * 60_000,
            b'{"a":' * 10_000,
            b'{"session_id": NaN}',
            b'{"fence": Infinity}',
            b'{"fence": -NaN}',
        ),
        *(b"null", b"[]", b"7", b'"x"', b"{", b"\xff"),
    ],
    ids=lambda body: repr(body[:20]),
)
async def test_a_body_that_is_no_map_is_400(tenant: Tenant, body: bytes) -> None:
    answer = await tenant.post("session.close", raw=body)
    assert (answer.status, answer.body["code"], answer.body["details"]) == (400, "bad_message", {"path": "$"})


NUMBERS = [
    *(2**53, 2**63 - 1, 2**63, 2**64 - 1, 2**64, 10**30, 10**400, -1, -(2**53), -(2**63), -(2**64)),
    *("1.5", "1e-1", "1e400", "-1e400", "9007199254740992.0", "1e16", "9007199254740991.5", "-0.5"),
]


@pytest.mark.adversarial("message: integers past 2^53")
async def test_numbers_that_are_no_integers_in_bounds_are_refused_one_by_one(tenant: Tenant) -> None:
    ana = await tenant.connect_agent("ana")
    texts = [str(number).encode() for number in NUMBERS]
    for text in texts:
        await ana.socket.send(
            b'{"type": "session.close", "id": "1", "session_id": "a", "fence": %s}' % text, text=True
        )
    await ana.until(lambda: len(ana.unread("reply")) == len(texts), "the refusals")
    for text, reply in zip(texts, ana.unread("reply"), strict=True):
        assert (reply["id"], reply["error"]["code"]) == ("1", "bad_message"), text
        assert reply["error"]["details"]["path"] in ("$.fence", "$"), text


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


# Keys that stand twice --------------------------------------------------------------------------------------


def pairs(*fields: tuple[str, Any]) -> bytes:
    """Return a map in JSON whose keys may stand twice."""
    return (
        b"{"
        + b", ".join(f"{json.dumps(name)}: {json.dumps(value)}".encode() for name, value in fields)
        + b"}"
    )


def packed_pairs(*fields: tuple[str, Any]) -> bytes:
    """Return the same in MessagePack."""
    return bytes([0x80 | len(fields)]) + b"".join(msgpack.packb(part) for field in fields for part in field)


NOTE = [("type", "session.note"), ("id", "n"), ("session_id", "chat-1"), ("text", "one")]
WRITERS = [("json", pairs), ("msgpack", packed_pairs)]


@pytest.mark.adversarial("message: duplicate keys")
@pytest.mark.parametrize(("format", "write"), WRITERS)
async def test_of_a_key_that_stands_twice_the_last_counts_if_both_fit(
    tenant: Tenant, format: str, write: Callable[..., bytes]
) -> None:
    await tenant.put_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    await tenant.open_session("chat-2", agent="ana")
    ana = await tenant.connect_agent("ana", format=format)

    await send_bytes(ana, write(*NOTE, ("text", "two"), ("session_id", "chat-2")), format)
    assert (await ana.reply("n"))["result"]["entry"]["text"] == "two"
    assert [entry["text"] for entry in await tenant.history("chat-1")] == [None]
    assert [entry["text"] for entry in await tenant.history("chat-2")] == [None, "two"]
    await send_bytes(ana, write(*NOTE, ("id", "m")), format)
    assert "result" in await ana.reply("m")
    for wrong in (7, None):
        await send_bytes(ana, write(("text", wrong), *NOTE), format)
        assert (await ana.reply("n"))["error"]["details"] == {"path": "$.text"}


@pytest.mark.adversarial("message: duplicate keys")
@pytest.mark.parametrize(("format", "write"), WRITERS)
async def test_a_message_of_two_types_is_none(
    tenant: Tenant, format: str, write: Callable[..., bytes]
) -> None:
    await tenant.put_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    ana = await tenant.connect_agent("ana", format=format)
    close = ("type", "session.close")
    for fields in ((close, *NOTE), (*NOTE, close), (("id", "n"), close, ("session_id", "chat-1"), NOTE[0])):
        await send_bytes(ana, write(*fields), format)
        assert (await ana.reply("n"))["error"]["details"] == {"path": "$.type"}
    assert (await tenant.get_session("chat-1"))["state"] == "pending"
    assert len(await tenant.history("chat-1")) == 1
    stranger = await tenant.connect_without_hello(format=format)
    hello = (("id", "1"), ("token", tenant.token("ana")), ("type", "hello"))
    await send_bytes(stranger, write(("type", "ping"), *hello), format)
    assert await stranger.expect_close() == 4503


@pytest.mark.adversarial("message: duplicate keys")
async def test_a_body_may_not_smuggle_a_type_or_an_id(tenant: Tenant) -> None:
    await tenant.put_agent("ana")
    await tenant.open_session("chat-1", agent="ana")
    for field, value in (("type", "session.close"), ("id", "x")):
        raw = json.dumps({field: value, "session_id": "chat-1"}).encode()
        answer = await tenant.post("session.get", raw=raw)
        assert (answer.status, answer.body["details"]) == (400, {"path": f"$.{field}"})
    raw = b'{"session_id": "chat-1", "session_id": "chat-2"}'
    assert (await tenant.post("session.get", raw=raw)).status == 404
