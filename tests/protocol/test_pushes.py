"""Pushes and replies: what the router sends, in both encodings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from relevo.protocol import (
    PUSHES,
    Customer,
    Empty,
    Error,
    ErrorCode,
    Push,
    Reply,
    Session,
    SessionAssigned,
    TokenResult,
    wire_type,
)
from relevo.protocol.codec import Codec
from relevo.protocol.examples import PUSH_EXAMPLES


def test_pushes_are_those_of_the_contract() -> None:
    assert set(PUSHES) == {
        *("session.assigned", "session.pending", "session.removed", "session.entry", "session.changed"),
        *("transfer.updated", "directory.snapshot", "directory.patch", "token.expiring", "server.draining"),
        "status.changed",
        "agent.changed",
    }


def test_reply_has_a_result_or_an_error_and_never_both(codec: Codec, unpack: Callable[[bytes], Any]) -> None:
    applied = unpack(codec.encode(Reply(id="7", result=TokenResult(1000))))
    assert applied == {"type": "reply", "id": "7", "result": {"expires_at": 1000}}

    refused = unpack(codec.encode(Reply(id=None, error=Error.of(ErrorCode.CONFLICT, "Too late", fence=3))))
    error = {"code": "conflict", "message": "Too late", "retryable": False, "details": {"fence": 3}}
    assert refused == {"type": "reply", "id": None, "error": error}


def test_reply_without_a_result_is_an_empty_map(codec: Codec, unpack: Callable[[bytes], Any]) -> None:
    assert unpack(codec.encode(Reply(id="7", result=Empty())))["result"] == {}


def test_push_field_without_a_value_is_null_on_the_wire(codec: Codec, unpack: Callable[[bytes], Any]) -> None:
    session = Session(
        id="s", customer=Customer("c", "C"), state="closed", fence=3, hops=0, opened_at=1, updated_at=2
    )
    assert unpack(codec.encode(SessionAssigned(session=session))) == {
        "type": "session.assigned",
        "transfer": None,
        "session": {
            "id": "s",
            "customer": {"id": "c", "name": "C"},
            "state": "closed",
            "owner": None,
            "fence": 3,
            "hops": 0,
            "opened_at": 1,
            "updated_at": 2,
            "transfer": None,
        },
    }


@pytest.mark.parametrize("push", PUSH_EXAMPLES, ids=wire_type)
def test_push_has_its_type_and_its_fields(push: Push, codec: Codec, unpack: Callable[[bytes], Any]) -> None:
    wire = unpack(codec.encode(push))
    assert wire.pop("type") == wire_type(push)
    given = {name for name in push.__struct_encode_fields__ if getattr(push, name) is not msgspec.UNSET}
    assert set(wire) == given
