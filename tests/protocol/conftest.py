"""Both encodings, written by libraries that the router does not use: what a client's encoder sends."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import msgpack  # type: ignore[import-untyped]
import pytest

from relevo.protocol import JSON, MSGPACK, Codec

Pack = Callable[[Any], bytes]


@pytest.fixture(params=[JSON, MSGPACK], ids=["json", "msgpack"])
def codec(request: pytest.FixtureRequest) -> Codec:
    """Run the test once in each encoding."""
    chosen: Codec = request.param
    return chosen


@pytest.fixture
def pack(codec: Codec) -> Pack:
    """Return what encodes plain values for `codec`."""
    return lambda value: bytes(msgpack.packb(value)) if codec.binary else json.dumps(value).encode()


@pytest.fixture
def unpack(codec: Codec) -> Callable[[bytes], Any]:
    """Return what decodes to plain values what `codec` wrote."""
    return lambda data: msgpack.unpackb(data) if codec.binary else json.loads(data)
