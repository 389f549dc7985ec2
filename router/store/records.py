"""
What the commands answer and the feed carries.

A record is packed once, in the store: the string that is kept there is also the one in the reply and in the
event. So the records below stand inside their envelope as MessagePack strings that hold MessagePack, and are
decoded only where somebody here wants them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from relevo.protocol.objects import Agent, Department, Entry, Session, Transfer

T = TypeVar("T")

SESSIONS_DECODED_MAX = 256
"""Sessions that were decoded last."""

MISSING = msgspec.Raw()
"""Stands for a record that is not there; it is false, as nothing else of its kind."""

_agent = msgspec.msgpack.Decoder(Agent)
_department = msgspec.msgpack.Decoder(Department)
_session = msgspec.msgpack.Decoder(Session)
_transfer = msgspec.msgpack.Decoder(Transfer)
_entry = msgspec.msgpack.Decoder(Entry)
_raws = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


_LENGTH_ENDS_AT = {0xD9: 2, 0xDA: 3, 0xDB: 5}


def _content(packed: msgspec.Raw) -> memoryview:
    """Return what is inside a MessagePack string; see the `str` family of the MessagePack specification."""
    view = memoryview(packed)
    first = view[0]
    if first <= 0xBF:
        return view[1:]
    return view[_LENGTH_ENDS_AT[first] :]


def addressee(role: str, id: str) -> str:
    """Return how changes name a caller (`maker_of` in library.lua): a back end is no agent of the same id."""
    return f"service {id}" if role == "service" else id


def packed(value: Any) -> msgspec.Raw:
    """Return a value as a MessagePack string that holds MessagePack; the store's Lua does not know binary."""
    content = msgspec.msgpack.encode(value)
    return msgspec.Raw(b"\xdb" + len(content).to_bytes(4, "big") + content)


def plain(packed: msgspec.Raw) -> Any:
    """
    Return what a plain command of the store answered: bytes, a number, a list of these, or None.

    Strings of the store need not be text, so they stay bytes.
    """
    first = memoryview(packed)[0]
    if 0xA0 <= first <= 0xBF or 0xD9 <= first <= 0xDB:
        return bytes(_content(packed))
    if 0x90 <= first <= 0x9F or 0xDC <= first <= 0xDD:
        return [plain(each) for each in _raws(packed)]
    if 0x80 <= first <= 0x8F:
        return msgspec.msgpack.decode(packed, type=ReadError)
    found = msgspec.msgpack.decode(packed)
    return None if found is False else found


def agent(packed: msgspec.Raw) -> Agent:
    """Decode an agent's row."""
    return _agent.decode(_content(packed))


def department(packed: msgspec.Raw) -> Department:
    """Decode a department's row."""
    return _department.decode(_content(packed))


def session(packed: msgspec.Raw) -> Session:
    """Decode a session."""
    return _decode_session(bytes(_content(packed)))


@lru_cache(maxsize=SESSIONS_DECODED_MAX)
def _decode_session(content: bytes) -> Session:
    # Kept for a while, since a node gets the record that it caused twice: in the reply and in the event.
    return _session.decode(content)


def transfer(packed: msgspec.Raw) -> Transfer:
    """Decode a transfer."""
    return _transfer.decode(_content(packed))


def entry(packed: msgspec.Raw) -> Entry:
    """Decode an entry of a history."""
    return _entry.decode(_content(packed))


class Answer(msgspec.Struct, gc=False):
    """What every command returns: a result, or the code of the rule that refused it."""

    result: msgspec.Raw = MISSING
    error: str | None = None
    details: dict[str, Any] | list[Any] | None = None


class AgentReply(msgspec.Struct, gc=False):
    """One agent."""

    agent: msgspec.Raw


class DepartmentReply(msgspec.Struct, gc=False):
    """One department."""

    department: msgspec.Raw


class SessionReply(msgspec.Struct, gc=False):
    """One session."""

    session: msgspec.Raw


class EntryReply(msgspec.Struct, gc=False):
    """One entry of a history."""

    entry: msgspec.Raw


class HistoryReply(msgspec.Struct, gc=False):
    """A run of entries."""

    entries: list[msgspec.Raw]
    more: bool


class PlaceReply(msgspec.Struct, gc=False):
    """A place in a queue, from 1."""

    place: int


class ListReply(msgspec.Struct, gc=False):
    """A page of sessions and the place after it."""

    sessions: list[msgspec.Raw]
    position: int | None = None


class Attached(msgspec.Struct, gc=False):
    """What `connect` found: the agent and its inbox at a position of the feed."""

    agent: msgspec.Raw
    known: bool
    epoch: str
    seq: int
    in_progress: list[msgspec.Raw]
    pending: list[msgspec.Raw]


class Lease(msgspec.Struct, gc=False):
    """
    What `renew` found: whether the lease was still held, where the feed is, whether more is due, and how many
    connections the node has there.
    """

    known: bool
    epoch: str
    seq: int
    more: bool
    connections: int


class Directory(msgspec.Struct, gc=False):
    """The whole directory at a position of the feed, and where the store was when this epoch began."""

    epoch: str
    seq: int
    departments: list[msgspec.Raw]
    agents: list[msgspec.Raw]
    before: str = ""

    def forgot(self, epoch: str, seq: int) -> bool:
        """
        Return whether the store went back behind a position that somebody has heard of.

        A store that holds nothing at all did not go back: what is opened there is new, and says so.
        """
        before_epoch, _, before_seq = self.before.rpartition(" ")
        return epoch != self.epoch and self.before != "" and (before_epoch != epoch or int(before_seq) < seq)


class Removed(msgspec.Struct, gc=False):
    """An agent that has a session no more."""

    agent_id: str
    why: str


class Updated(msgspec.Struct, gc=False):
    """
    Who is to hear what became of a transfer: the session's latest, unless one is given.

    Attributes:
        maker: Who made it: an agent's id, or ``service ID`` for a back end.
        state: What became of it.
        transfer: The transfer, where it is not the latest any more.
    """

    maker: str
    state: str
    transfer: msgspec.Raw = MISSING


class Change(msgspec.Struct, gc=False):
    """What happened to one session, and whom it concerns; `session` is missing when only its history grew."""

    session_id: str
    entries: list[msgspec.Raw] = []
    session: msgspec.Raw = MISSING
    owner: str | None = None
    assigned: str | None = None
    pending: str | None = None
    removed: Removed | None = None
    updated: Updated | None = None


class Event(msgspec.Struct, gc=False):
    """One step of a tenant: the rows of the directory that changed, and the sessions."""

    epoch: str
    seq: int
    at: int
    agents: list[msgspec.Raw] = []
    departments: list[msgspec.Raw] = []
    agents_removed: list[str] = []
    departments_removed: list[str] = []
    changes: list[Change] = []


class Events(msgspec.Struct, gc=False):
    """Events after a position; `events` is None where they are not kept any more."""

    epoch: str
    seq: int
    events: list[Event] | None = None


class ReadError(msgspec.Struct, gc=False):
    """Why one read of a read_snapshot found nothing: the key is of a type that the read does not fit."""

    err: str


class SnapshotReply(msgspec.Struct, gc=False):
    """What `read_snapshot` found, and the server's time."""

    now: int
    values: list[msgspec.Raw]


class RebuildReply(msgspec.Struct, gc=False):
    """The parts, key and cursor, that a rebuild has still to do."""

    left: list[tuple[str, str]]


decode_answer = msgspec.msgpack.Decoder(Answer).decode
decode_event = msgspec.msgpack.Decoder(Event).decode
