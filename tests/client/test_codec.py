from __future__ import annotations

import json

import msgpack  # type: ignore[import-untyped]
import pytest
from relevo_client.codec import (
    BATCH_MESSAGES_MAX,
    JSON,
    MESSAGE_BYTES_MAX,
    MSGPACK,
    Codec,
    DecodeError,
    pack,
)

BOTH = pytest.mark.parametrize("codec", [JSON, MSGPACK], ids=["json", "msgpack"])


@BOTH
def test_message_survives_the_way_there_and_back(codec: Codec) -> None:
    message = {"type": "session.note", "id": "1", "text": "¿Qué tal? 👋", "n": 2**53 - 1, "x": None}

    assert codec.decode(codec.encode(message)) == [message]


@BOTH
def test_batch_keeps_its_order(codec: Codec) -> None:
    messages = [{"id": str(number)} for number in range(40)]

    assert codec.decode(codec.join([codec.encode(message) for message in messages])) == messages


@BOTH
@pytest.mark.parametrize(
    "data", [b"", b"\xc1", b"{", b"[" * 200_000, b"\x91" * 200_000, b"\xff\xfe", b"\xd9\x02\xff\xff"]
)
def test_decode_of_malformed_bytes_raises_one_error(codec: Codec, data: bytes) -> None:
    try:
        codec.decode(data)
    except DecodeError:
        return
    # Some of these bytes are a number in MessagePack; none is a map.
    assert not isinstance(codec.decode(data)[0], dict)


@BOTH
@pytest.mark.parametrize("value", [{1, 2}, object(), "\ud800"])
def test_encode_of_an_unsupported_value_raises(codec: Codec, value: object) -> None:
    with pytest.raises((TypeError, ValueError, OverflowError)):
        codec.encode({"value": value})


@BOTH
def test_pack_fills_frames_up_to_the_limits(codec: Codec) -> None:
    messages = [codec.encode({"id": str(number)}) for number in range(BATCH_MESSAGES_MAX + 2)]

    first, second = pack(codec, messages)

    assert len(codec.decode(first)) == BATCH_MESSAGES_MAX
    assert len(codec.decode(second)) == 2


@BOTH
def test_pack_makes_no_frame_above_the_limit(codec: Codec) -> None:
    messages = [codec.encode({"text": "x" * 20_000}) for _ in range(10)]

    frames = pack(codec, messages)

    assert max(map(len, frames)) <= MESSAGE_BYTES_MAX
    assert sum(len(codec.decode(frame)) for frame in frames) == 10


def test_single_message_is_not_wrapped() -> None:
    assert json.loads(pack(JSON, [JSON.encode({"id": "1"})])[0]) == {"id": "1"}
    assert msgpack.unpackb(pack(MSGPACK, [MSGPACK.encode({"id": "1"})])[0]) == {"id": "1"}


def test_pack_of_nothing_makes_no_frame() -> None:
    assert pack(JSON, []) == []
