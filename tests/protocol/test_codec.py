"""The codec: any bytes become a list of items, or one error; nothing else ever comes out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgpack  # type: ignore[import-untyped]
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relevo.protocol import (
    JSON,
    MSGPACK,
    Codec,
    Command,
    InvalidMessage,
    Ping,
    Pong,
    SessionClose,
    SessionList,
    SessionTransfer,
    Target,
    UndecodableError,
    command_from_fields,
    fingerprint,
)
from relevo.protocol.examples import COMMAND_EXAMPLES

Pack = Callable[[Any], bytes]

PING = {"type": "ping", "id": "1"}
DEPTH = 100_000


def reason(codec: Codec, data: bytes) -> str:
    """Return why `data` is undecodable."""
    with pytest.raises(UndecodableError) as caught:
        codec.decode(data)
    return str(caught.value)


def test_codec_names_its_subprotocol_and_kind_of_frame() -> None:
    assert (JSON.subprotocol, JSON.binary) == ("relevo.v1.json", False)
    assert (MSGPACK.subprotocol, MSGPACK.binary) == ("relevo.v1.msgpack", True)


# Batches


def test_decode_one_message_returns_a_list_of_one(codec: Codec, pack: Pack) -> None:
    assert codec.decode(pack(PING)) == [Ping(id="1")]


def test_decode_batch_keeps_its_order(codec: Codec, pack: Pack) -> None:
    batch = pack([{"type": "ping", "id": str(n)} for n in range(64)])
    assert codec.decode(batch) == [Ping(id=str(n)) for n in range(64)]


def test_decode_empty_batch_returns_an_empty_list(codec: Codec, pack: Pack) -> None:
    assert codec.decode(pack([])) == []


@pytest.mark.limit("BATCH_ITEMS_MAX")
@pytest.mark.parametrize("item", [PING, {"type": "nonsense"}, 1])
def test_decode_batch_of_sixty_five_is_one_invalid_message(item: Any, codec: Codec, pack: Pack) -> None:
    expected = InvalidMessage(None, "$", "Expected an array of at most 64 messages, got 65")
    assert codec.decode(pack([item] * 65)) == [expected]


def test_decode_batch_checks_each_item_alone(codec: Codec, pack: Pack) -> None:
    batch: list[Any] = [PING, {"type": "session.get", "id": "2"}, 3, {"type": "ping", "id": "4"}, [PING]]
    assert codec.decode(pack(batch)) == [
        Ping(id="1"),
        InvalidMessage("2", "$.session_id", "Missing required field"),
        InvalidMessage(None, "$", "Expected `object`"),
        Ping(id="4"),
        InvalidMessage(None, "$", "Expected `object`"),
    ]


def test_encode_batch_joins_encoded_messages(codec: Codec, unpack: Callable[[bytes], Any]) -> None:
    for count in (0, 1, 2, 15, 16, 64):
        encoded = [codec.encode(Pong(id=str(n))) for n in range(count)]
        expected = [{"type": "pong", "id": str(n)} for n in range(count)]
        assert unpack(codec.encode_batch(encoded)) == expected


def test_encode_batch_of_sixty_five_raises(codec: Codec) -> None:
    with pytest.raises(ValueError, match="at most 64 messages, not 65"):
        codec.encode_batch([codec.encode(Pong(id="1"))] * 65)


# What decodes but does not fit


@pytest.mark.parametrize("value", [None, True, 5, 1.5, "ping"])
def test_decode_neither_map_nor_array_is_invalid(value: Any, codec: Codec, pack: Pack) -> None:
    assert codec.decode(pack(value)) == [InvalidMessage(None, "$", "Expected `object`")]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({}, InvalidMessage(None, "$.type", "Missing required field")),
        ({"id": "1"}, InvalidMessage("1", "$.type", "Missing required field")),
        ({"type": 5, "id": "1"}, InvalidMessage("1", "$.type", "Expected `str`")),
        ({"type": None, "id": "1"}, InvalidMessage("1", "$.type", "Expected `str`")),
        ({"type": "reply", "id": "1"}, InvalidMessage("1", "$.type", "Unknown type")),
        ({"type": "x" * 60_000, "id": "1"}, InvalidMessage("1", "$.type", "Unknown type")),
        ({"type": "", "id": "x" * 65}, InvalidMessage(None, "$.type", "Unknown type")),
        ({"type": "", "id": ""}, InvalidMessage(None, "$.type", "Unknown type")),
        ({"type": "", "id": 1}, InvalidMessage(None, "$.type", "Unknown type")),
        ({"type": "ping", "id": None}, InvalidMessage(None, "$.id", "Expected `str`")),
        ({"type": "ping", "id": ["1"]}, InvalidMessage(None, "$.id", "Expected `str`")),
        ({"type": "ping"}, InvalidMessage(None, "$.id", "Missing required field")),
        (
            {"type": "session.get", "id": "1", "session_id": "a{b}"},
            InvalidMessage(
                "1", "$.session_id", "Expected an id: 1 to 128 of A-Z a-z 0-9 _ . @ : + | / = ' -"
            ),
        ),
        (
            {"type": "session.transfer", "id": "1", "session_id": "s", "target": {"kind": "x", "id": "y"}},
            InvalidMessage("1", "$.target.kind", "Expected one of `agent`, `department`"),
        ),
        (
            {"type": "session.list", "id": "1", "state": "x" * 60_000},
            InvalidMessage("1", "$.state", "Expected one of `closed`, `in_progress`, `pending`, `queued`"),
        ),
        (
            {"type": "session.note", "id": "1", "session_id": "s", "text": ""},
            InvalidMessage("1", "$.text", "Expected `str` of length >= 1"),
        ),
    ],
)
def test_invalid_message_has_the_path_and_what_is_expected(
    message: dict[str, Any], expected: InvalidMessage, codec: Codec, pack: Pack
) -> None:
    assert codec.decode(pack(message)) == [expected]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("colour", "$.colour"),
        ("", '$[""]'),
        ("a b", '$["a b"]'),
        ('a"b', '$["a\\"b"]'),
        ("ñ", '$["ñ"]'),
        ("a - at `$.b", '$["a - at `$.b"]'),
        ("x" * 60_000, f'$["{"x" * 77}..."]'),
    ],
)
def test_invalid_message_quotes_and_shortens_a_strange_name(
    name: str, path: str, codec: Codec, pack: Pack
) -> None:
    assert codec.decode(pack(PING | {name: 1})) == [InvalidMessage("1", path, "Unknown field")]


@pytest.mark.adversarial("message: duplicate keys")
def test_decode_field_twice_takes_the_last(codec: Codec) -> None:
    if codec.binary:
        twice = b"\x83\xa4type\xa4ping\xa2id\xa11\xa2id\xa12"
    else:
        twice = b'{"type": "ping", "id": "1", "id": "2"}'
    assert codec.decode(twice) == [Ping(id="2")]


def test_decode_field_twice_with_an_invalid_first_is_invalid(codec: Codec) -> None:
    if codec.binary:
        twice = b"\x83\xa4type\xa4ping\xa2id\x05\xa2id\xa12"
    else:
        twice = b'{"type": "ping", "id": 5, "id": "2"}'
    (item,) = codec.decode(twice)
    assert isinstance(item, InvalidMessage)
    assert item.path == "$.id"


@pytest.mark.adversarial("message: duplicate keys")
def test_decode_type_twice_is_invalid(codec: Codec) -> None:
    if codec.binary:
        twice = b"\x83\xa4type\xa4ping\xa2id\xa11\xa4type\xadsession.watch"
    else:
        twice = b'{"type": "ping", "id": "1", "type": "session.watch"}'
    (item,) = codec.decode(twice)
    assert isinstance(item, InvalidMessage)
    assert item.path == "$.type"


@pytest.mark.limit("INTEGER_MAX")
@pytest.mark.adversarial("message: integers past 2^53")
@pytest.mark.parametrize(
    "number",
    ["1e999", "-1e999", "9" * 5000, str(2**53), str(2**64), "1.0", "1e3", "true"],
)
def test_decode_number_that_is_no_bounded_integer_is_invalid(number: str) -> None:
    command = f'{{"type": "session.close", "id": "1", "session_id": "s", "fence": {number}}}'
    (item,) = JSON.decode(command.encode())
    assert isinstance(item, InvalidMessage)
    assert (item.id, item.path) == ("1", "$.fence")


def test_decode_huge_number_spoils_only_its_own_item() -> None:
    items = JSON.decode(b'[{"type": "ping", "id": "1"}, {"type": "ping", "id": "2", "x": 1e999}]')
    assert items == [Ping(id="1"), InvalidMessage("2", "$.x", "Unknown field")]


@pytest.mark.parametrize("key", [1, None, b"type", 1.5, True], ids=repr)
def test_decode_map_with_a_key_that_is_no_string_is_invalid(key: Any) -> None:
    (item,) = MSGPACK.decode(msgpack.packb({**PING, key: 1}))
    assert isinstance(item, InvalidMessage)
    assert item.path == "$"


@pytest.mark.parametrize(
    "value",
    [b"\xc4\x011", b"\xd4\x051", b"\xd6\xff\0\0\0\0", b"\xc7\x03\xff123"],
    ids=["bytes", "extension", "timestamp", "malformed timestamp"],
)
def test_decode_bytes_and_extensions_are_no_strings(value: bytes) -> None:
    (item,) = MSGPACK.decode(b"\x82\xa4type\xa4ping\xa2id" + value)
    assert isinstance(item, InvalidMessage)
    assert (item.id, item.path) == (None, "$.id")


# What does not decode


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "Input data was truncated"),
        (b"   ", "Input data was truncated"),
        (b"{", "Input data was truncated"),
        (b'{"type": "ping", "id": "1"}}', "JSON is malformed: trailing characters (byte 28)"),
        (b'{"type": "ping", "id": "1"}{"type": "ping", "id": "2"}', "JSON is malformed: trailing"),
        (b'{"type": "ping", "id": NaN}', "JSON is malformed: invalid character (byte 23)"),
        (b'{"type": "ping", "id": Infinity}', "JSON is malformed: invalid character (byte 23)"),
        (b"{'type': 'ping'}", "JSON is malformed: object keys must be strings (byte 1)"),
        (b'[{"type": "ping", "id": "1"},]', "JSON is malformed: trailing comma in array"),
        (b'\xef\xbb\xbf{"type": "ping", "id": "1"}', "JSON is malformed: invalid character (byte 0)"),
        (b'{"type": "ping", "id": "\xff"}', "a string is not UTF-8"),
        (b'{"type": "ping", "id": "\xed\xa0\x80"}', "a string is not UTF-8"),
        (b'{"type": "ping", "id": "a\x00"}', "JSON is malformed: invalid character (byte 25)"),
        ('{"type": "ping", "id": "1"}'.encode("utf-16"), "JSON is malformed: invalid character (byte 0)"),
        (b"\x82\xa4type\xa4ping\xa2id\xa11", "JSON is malformed: invalid character (byte 0)"),
        (b"GET / HTTP/1.1\r\n\r\n", "JSON is malformed: invalid character (byte 0)"),
    ],
)
def test_decode_malformed_json_is_undecodable(data: bytes, expected: str) -> None:
    assert reason(JSON, data).startswith(expected)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "Input data was truncated"),
        (b"\xc1", "MessagePack data is malformed: invalid opcode '\\xc1' (byte 0)"),
        (b"\x82\xa4type\xa4ping", "Input data was truncated"),
        (msgpack.packb(PING) + b"\xc0", "MessagePack data is malformed: trailing characters (byte 16)"),
        (b"\xdd\xff\xff\xff\xff", "Input data was truncated"),
        (b"\xdf\xff\xff\xff\xff", "Input data was truncated"),
        (b"\xc6\xff\xff\xff\xff", "Input data was truncated"),
        (b"\xdd\x0f\xff\xff\xff" * 100, "Input data was truncated"),
        (b"\x82\xa4type\xa4ping\xa2id\xa1\xff", "a string is not UTF-8"),
        (b"\x82\xa4type\xa4ping\xa2id\xa3\xed\xa0\x80", "a string is not UTF-8"),
        (b"\x81\x80\x01", "MessagePack data is malformed: map keys must be hashable"),
    ],
)
def test_decode_malformed_messagepack_is_undecodable(data: bytes, expected: str) -> None:
    assert reason(MSGPACK, data).startswith(expected)


@pytest.mark.adversarial("message: NaN", "message: not a map")
@pytest.mark.parametrize(
    "data",
    [
        *(
            b'{"type": "ping", "id": %s}' % text
            for text in (b"nan", b"+1", b"01", b"1.", b".5", b"0x10", b"1e")
        ),
        *(b"\x00", b"}", b"[", b"]", b"{}{}", b"[]]", b"{]", b"[{]", b"[,]", b"nul", b"'x'", b'"x', b"[1 2]"),
        *(
            b"{type: 1}",
            b'{"type" "ping"}',
            b'{"type":: "ping"}',
            b"// x\n{}",
            b'{"a": "\x01"}',
            b'{"a": "\\x"}',
        ),
    ],
)
def test_decode_what_only_some_decoders_read_as_json_is_undecodable(data: bytes) -> None:
    with pytest.raises(UndecodableError):
        JSON.decode(data)


@pytest.mark.adversarial("message: not a map")
@pytest.mark.parametrize(
    "data",
    [
        *(
            b"\x81",
            b"\xdc",
            b"\xde\xff\xff",
            b"\xd9\x05abc",
            b"\xdb\xff\xff\xff\xffx",
            b"\xa5abc",
            b"\xcb\x00",
        ),
        *(
            b"\xcf",
            b"\xc9\xff\xff\xff\xff\x01",
            b"\x80\x00",
            b"\x81\xa1a",
            b"\x81\xa1\xff\x01",
            b"{}",
            b"\x92\x80",
        ),
    ],
)
def test_decode_messagepack_that_breaks_off_or_goes_on_is_undecodable(data: bytes) -> None:
    with pytest.raises(UndecodableError):
        MSGPACK.decode(data)


@pytest.mark.parametrize(
    ("data", "expected_id", "path"),
    [
        (r'{"type": "ping", "id": "\udc00"}', None, "$.id"),
        (r'{"type": "ping", "id": "\ud800\u0041"}', None, "$.id"),
        (r'{"type": "ping", "id": "1", "client": "\ud800"}', "1", "$.client"),
        (r'{"id": "1", "customer": {"name": "a\ud83d"}}', "1", "$.customer.name"),
        (r'{"id": "1", "\ud800": 5}', "1", '$["?"]'),
        (r'{"id": "1", "x": [5, ["\ud800"]]}', "1", "$.x[...][...]"),
        (r'"\ud800"', None, "$"),
        ("[" * 2 + r'"\ud800"' + "]" * 2, None, "$[...]"),
        ('{"a":' * 20 + r'"\ud800"' + "}" * 20, None, "$" + ".a" * 8),
    ],
)
def test_decode_half_a_surrogate_pair_is_invalid_at_its_path(
    data: str, expected_id: str | None, path: str
) -> None:
    assert JSON.decode(data.encode()) == [InvalidMessage(expected_id, path, "Expected Unicode text")]


def test_decode_half_a_surrogate_pair_spoils_only_its_own_item() -> None:
    ping, spoiled = b'{"type": "ping", "id": "1"}', rb'{"id": "2", "x": "\ud800"}'
    items = JSON.decode(b"[" + b",".join([ping, spoiled, ping]) + b"]")
    assert [item.id for item in items] == ["1", "2", "1"]
    assert [type(item) for item in items] == [Ping, InvalidMessage, Ping]


@pytest.mark.parametrize("data", [rb'{"a": "\ud800"', rb'["\ud800", NaN]', b'{"a": "\xed\xa0\x80"}'])
def test_decode_malformed_json_with_half_a_surrogate_is_undecodable(data: bytes) -> None:
    with pytest.raises(UndecodableError):
        JSON.decode(data)


@pytest.mark.parametrize("broken", [b"\xff", b"NaN", b'"\xff"', b'[1e999, "\xff"]'])
def test_decode_json_malformed_behind_an_invalid_field_is_undecodable(broken: bytes) -> None:
    reason(JSON, b'{"type": "ping", "id": "1", "unknown": ' + broken + b"}")
    reason(JSON, b'[{"type": "nonsense"}, {"type": "ping", "id": "1", "unknown": ' + broken + b"}]")


def test_decode_messagepack_malformed_behind_a_field_is_undecodable() -> None:
    reason(MSGPACK, b"\x82\x01\x02\xa1a\xa1\xff")
    reason(MSGPACK, b"\x92\x81\x01\x02\xa1\xff")


@pytest.mark.parametrize(
    "data",
    [
        b"[" * DEPTH + b"]" * DEPTH,
        b"[" * DEPTH,
        b'{"type":' * DEPTH + b"1" + b"}" * DEPTH,
        b'{"type": "ping", "id": "1", "deep": ' + b"[" * DEPTH + b"]" * DEPTH + b"}",
        b'{"type": "ping", "id": ' + b'{"a":' * DEPTH + b"1" + b"}" * DEPTH + b"}",
        b'[{"type": "ping", "id": "1"}, ' + b"[" * DEPTH + b"]" * DEPTH + b"]",
    ],
    ids=["arrays", "unclosed", "maps", "unknown field", "known field", "batch"],
)
def test_decode_deep_json_is_one_error(data: bytes) -> None:
    assert reason(JSON, data) == "nested too deeply"


@pytest.mark.parametrize(
    "data",
    [
        b"\x91" * DEPTH + b"\xc0",
        b"\x91" * DEPTH,
        b"\x81\xa4type" * DEPTH + b"\xc0",
        b"\x81" * DEPTH,
        b"\x83\xa4type\xa4ping\xa2id\xa11\xa4deep" + b"\x91" * DEPTH + b"\xc0",
        b"\x82\xa4type\xa4ping\xa2id" + b"\x81\xa1a" * DEPTH + b"\xc0",
        b"\x92\x82\xa4type\xa4ping\xa2id\xa11" + b"\x91" * DEPTH + b"\xc0",
    ],
    ids=["arrays", "unclosed", "maps", "maps as keys", "unknown field", "known field", "batch"],
)
def test_decode_deep_messagepack_is_one_error(data: bytes) -> None:
    assert reason(MSGPACK, data) == "nested too deeply"


# Fuzz


def examples_in(codec: Codec) -> list[bytes]:
    encoded = [codec.encode(example) for example in COMMAND_EXAMPLES]
    return [*encoded, codec.encode_batch(encoded)]


@st.composite
def mutated(draw: st.DrawFn, codec: Codec) -> bytes:
    """Return a valid frame with some of its bytes replaced, removed, doubled or put in."""
    data = bytearray(draw(st.sampled_from(examples_in(codec))))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 4))
        cut = bytes(data[start : start + length])
        data[start : start + length] = draw(st.one_of(st.binary(max_size=4), st.just(cut * 2)))
    return bytes(data)


# Characters that mean something somewhere on the way, rather than a table of all of Unicode.
texts = st.text("ab9_.$[]{}`'\"\\ \n\x00é€😀", max_size=80)
plain_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)


@st.composite
def misshapen(draw: st.DrawFn) -> Any:
    """Return a valid message with one field replaced by anything at all, or with one more."""
    message: dict[str, Any] = msgspec.to_builtins(draw(st.sampled_from(COMMAND_EXAMPLES)))
    name = draw(st.sampled_from(sorted(message)) | texts)
    return message | {name: draw(plain_values)}


def assert_sound(codec: Codec, data: bytes) -> None:
    """Assert that only commands, refusals or the one exception come out, and that what came out is true."""
    try:
        items = codec.decode(data)
    except UndecodableError:
        return
    assert len(items) <= 64
    for item in items:
        if isinstance(item, InvalidMessage):
            assert item.path.startswith("$")
            assert len(item.path) <= 250
            assert 0 < len(item.message) <= 100
            assert item.id is None or 1 <= len(item.id) <= 64
        else:
            assert codec.decode(codec.encode(item)) == [item]


@settings(deadline=None)
@given(data=st.binary(max_size=200))
def test_decode_random_bytes_gives_items_or_undecodable(data: bytes) -> None:
    assert_sound(JSON, data)
    assert_sound(MSGPACK, data)


@settings(deadline=None)
@given(data=mutated(JSON))
def test_decode_mutated_json_gives_items_or_undecodable(data: bytes) -> None:
    assert_sound(JSON, data)


@settings(deadline=None)
@given(data=mutated(MSGPACK))
def test_decode_mutated_messagepack_gives_items_or_undecodable(data: bytes) -> None:
    assert_sound(MSGPACK, data)


@settings(deadline=None)
@given(message=misshapen())
def test_decode_misshapen_message_alike_in_both_encodings(message: Any) -> None:
    assert JSON.decode(json.dumps(message).encode()) == MSGPACK.decode(msgpack.packb(message))


# HTTP


def test_command_from_fields_is_the_command_of_its_type() -> None:
    body = b'{"session_id": "s", "target": {"kind": "agent", "id": "bruno"}, "reason": "Billing"}'
    assert command_from_fields("session.transfer", body, "k-1") == SessionTransfer(
        id="http", key="k-1", session_id="s", target=Target("agent", "bruno"), reason="Billing"
    )


@pytest.mark.parametrize("body", [b"", b" \r\n", b"{}"])
def test_command_from_fields_accepts_an_empty_body(body: bytes) -> None:
    assert command_from_fields("session.list", body) == SessionList(id="http")


def test_command_from_fields_takes_the_key_once() -> None:
    body = b'{"session_id": "s", "key": "k"}'
    expected = SessionClose(id="http", session_id="s", key="k")
    assert command_from_fields("session.close", body) == expected
    assert command_from_fields("session.close", b'{"session_id": "s"}', "k") == expected
    refused = command_from_fields("session.close", body, "k")
    assert isinstance(refused, InvalidMessage)
    assert refused.path == "$.key"


@pytest.mark.parametrize(
    ("command_type", "body", "key", "path"),
    [
        ("session.get", b"{}", None, "$.session_id"),
        ("session.get", b'{"session_id": "s", "colour": 1}', None, "$.colour"),
        ("session.get", b'{"session_id": "s", "id": "1"}', None, "$.id"),
        ("session.get", b'{"session_id": "s", "type": "session.get"}', None, "$.type"),
        ("session.get", b'{"session_id": "s"}', "k", "$.key"),
        ("session.close", b'{"session_id": "s"}', "", "$.key"),
        ("session.close", b'{"session_id": "s"}', "x" * 65, "$.key"),
        ("session.close", b'{"session_id": "s"}', "\ud800", "$.key"),
        ("session.open", b'{"session_id": "s", "customer": {"id": "c"}}', None, "$.customer.name"),
        ("session.steal", b"{}", None, "$.type"),
        ("session.get", b"[]", None, "$"),
        ("session.get", b"null", None, "$"),
        ("session.get", b"{", None, "$"),
        ("session.get", b'{"session_id": "\xff"}', None, "$"),
        ("session.get", b'{"\xff": 1}', None, "$"),
        ("session.get", b"[" * DEPTH, None, "$"),
        ("session.get", b'{"session_id": ' + b"[" * DEPTH + b"]" * DEPTH + b"}", None, "$"),
    ],
)
def test_command_from_invalid_fields_has_a_path(
    command_type: str, body: bytes, key: str | None, path: str
) -> None:
    item = command_from_fields(command_type, body, key)
    assert isinstance(item, InvalidMessage)
    assert (item.id, item.path) == (None, path)


@settings(deadline=None)
@given(body=st.binary(max_size=60), key=st.none() | texts, command_type=texts)
def test_command_from_fields_never_raises(body: bytes, key: str | None, command_type: str) -> None:
    assert isinstance(command_from_fields(command_type, body, key), Command | InvalidMessage)
    command_from_fields("session.close", body, key)


# Fingerprints


def transfer(**changes: Any) -> SessionTransfer:
    fields: dict[str, Any] = {"id": "1", "session_id": "s", "target": Target("agent", "bruno")}
    return SessionTransfer(**fields | changes)


def test_fingerprint_is_sixteen_bytes() -> None:
    assert len(fingerprint(transfer())) == 16


def test_fingerprint_is_equal_over_each_encoding_and_http() -> None:
    fields = {"session_id": "s", "target": {"kind": "agent", "id": "bruno"}, "reason": None}
    message = fields | {"type": "session.transfer", "id": "9", "key": "k"}
    backwards = dict(reversed(message.items()))
    commands = [
        *JSON.decode(json.dumps(message).encode()),
        *JSON.decode(json.dumps(backwards).encode()),
        *MSGPACK.decode(msgpack.packb(message)),
        command_from_fields("session.transfer", json.dumps(fields).encode(), "k"),
        transfer(),
    ]
    prints = {fingerprint(command) for command in commands if not isinstance(command, InvalidMessage)}
    assert (len(commands), len(prints)) == (5, 1)


def test_fingerprint_ignores_id_and_key() -> None:
    assert fingerprint(transfer(id="1", key="a")) == fingerprint(transfer(id="2", key="b"))


def test_fingerprint_ignores_an_optional_field_of_another_release() -> None:
    class LaterTransfer(SessionTransfer, frozen=True, tag="session.transfer", kw_only=True):
        note: str | None = None

    later = LaterTransfer(id="1", session_id="s", target=Target("agent", "bruno"))
    assert fingerprint(later) == fingerprint(transfer())
    assert fingerprint(msgspec.structs.replace(later, note="n")) != fingerprint(transfer())


def test_fingerprint_differs_with_every_other_field() -> None:
    others: list[Command] = [
        transfer(session_id="t"),
        transfer(target=Target("department", "bruno")),
        transfer(reason="Billing"),
        transfer(reason=""),
        transfer(fence=1),
        SessionClose(id="1", session_id="s"),
        Ping(id="1"),
    ]
    assert len({fingerprint(command) for command in [transfer(), *others]}) == 8
