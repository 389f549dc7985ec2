"""Objects: how they come from the store and go to clients."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack  # type: ignore[import-untyped]
import msgspec

from relevo.protocol import Actor, Agent, Party, Session, Transfer
from relevo.protocol.codec import Codec


def test_transfer_names_its_origin_from_on_the_wire(codec: Codec, unpack: Callable[[bytes], Any]) -> None:
    transfer = Transfer(
        id="t",
        session_id="s",
        from_=Party("agent", "ana", "Ana"),
        to=Party("department", "sales", "Sales"),
        by=Actor("ana", "Ana", "agent"),
        outcome="queued",
        at=5,
    )
    assert unpack(codec.encode(transfer)) == {
        "id": "t",
        "session_id": "s",
        "from": {"kind": "agent", "id": "ana", "name": "Ana"},
        "to": {"kind": "department", "id": "sales", "name": "Sales"},
        "by": {"id": "ana", "name": "Ana", "role": "agent"},
        "reason": None,
        "outcome": "queued",
        "assigned_to": None,
        "at": 5,
    }


def test_session_record_may_lack_null_fields_and_have_new_ones() -> None:
    row = {
        "id": "s",
        "customer": {"id": "c", "name": "C", "vip": True},
        "state": "closed",
        "fence": 3,
        "hops": 0,
    }
    row |= {"opened_at": 1, "updated_at": 2, "language": "pt"}
    session = msgspec.msgpack.decode(msgpack.packb(row), type=Session)
    assert (session.owner, session.transfer) == (None, None)


def test_agent_record_without_departments_has_an_empty_list() -> None:
    row = {"id": "a", "name": "A", "role": "agent", "status": "pause", "status_since_at": 1, "load": 0}
    row |= {"capacity": 10, "pending": 0, "available": False}
    assert msgspec.msgpack.decode(msgpack.packb(row), type=Agent).departments == []
