"""What the store's commands answer: replies as they come, and the objects that they stand for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from relevo.protocol.objects import Agent, Decision, Department, Entry, Outcome, Rule, Session, WhyNot
from relevo.router.store.records import (
    MISSING,
    DecisionRecord,
    SessionRecord,
    TransferRecord,
    agent_of,
    content_of,
    decision_of,
    decode_agent,
    decode_department,
    decode_session,
    department_of,
    entries_of,
    session_of,
)

T = TypeVar("T")

SESSIONS_DECODED_MAX = 256
"""Sessions that were decoded last."""

_raws = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode


class SessionView(msgspec.Struct, array_like=True, gc=False):
    """A session as commands answer it: its last record, and its transfer where another record holds it."""

    record: SessionRecord
    transfer: TransferRecord | None = None


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
        return content_of(packed)
    if 0x90 <= first <= 0x9F or 0xDC <= first <= 0xDD:
        return [plain(each) for each in _raws(packed)]
    if 0x80 <= first <= 0x8F:
        return msgspec.msgpack.decode(packed, type=ReadError)
    found = msgspec.msgpack.decode(packed)
    return None if found is False else found


def agent(packed: msgspec.Raw) -> Agent:
    """Decode an agent's row."""
    return agent_of(decode_agent(packed))


def department(packed: msgspec.Raw) -> Department:
    """Decode a department's row."""
    return department_of(decode_department(packed))


def decision(record: DecisionRecord | None) -> Decision | None:
    """Return a decision, if there is one."""
    return None if record is None else decision_of(record)


def rows(packed: Sequence[msgspec.Raw], decode: Callable[[msgspec.Raw], T]) -> list[T]:
    """Decode a page of records, each a string that holds it; what cannot be read is left out."""
    found = []
    for each in packed:
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            found.append(decode(msgspec.Raw(content_of(each))))
    return found


def session(view: msgspec.Raw) -> Session:
    """Decode a session as a command answers it."""
    return _session_of_view(bytes(view))


@lru_cache(maxsize=SESSIONS_DECODED_MAX)
def _session_of_view(view: bytes) -> Session:
    # Kept for a while, since many of a node's clients ask for the same sessions.
    decoded = _decode_view(view)
    return session_of(decoded.record, decoded.transfer)


def entry(packed: msgspec.Raw) -> Entry:
    """Decode the entry that a record is."""
    return entries_of(decode_session(packed))[0]


class Answer(msgspec.Struct, gc=False):
    """
    What every command returns: a result, or the code of the rule that rejected it; and bad records.

    Attributes:
        session: The session that a rejection is about, where it says so.
    """

    result: msgspec.Raw = MISSING
    error: str | None = None
    details: dict[str, Any] | list[Any] | None = None
    session: msgspec.Raw = MISSING
    set_aside: list[str] = []


def settings_of(packed: dict[str, msgspec.Raw]) -> dict[str, Any]:
    """Decode settings by name."""
    return {name: msgspec.msgpack.decode(content_of(value)) for name, value in packed.items()}


def settings_in(record: bytes) -> dict[str, Any]:
    """Decode the settings of a level, by name, as the tenant's hash holds them; `rule` as an object."""
    kept = settings_of(msgspec.msgpack.decode(record, type=dict[str, msgspec.Raw]))
    return kept | {"rule": msgspec.convert(kept["rule"], Rule) if "rule" in kept else msgspec.UNSET}


class AgentReply(msgspec.Struct, gc=False):
    """One agent."""

    agent: msgspec.Raw


class DepartmentReply(msgspec.Struct, gc=False):
    """One department."""

    department: msgspec.Raw


class SettingsReply(msgspec.Struct, gc=False):
    """What is set, by name, packed."""

    settings: dict[str, msgspec.Raw]


class DepartmentSettingsReply(msgspec.Struct, gc=False):
    """A department, and what is set by itself, and by itself or its tenant."""

    department: msgspec.Raw
    settings: dict[str, msgspec.Raw]
    effective: dict[str, msgspec.Raw]


class RowsReply(msgspec.Struct, gc=False):
    """A page of records of agents or departments, and where the next one begins; empty at the end."""

    rows: list[msgspec.Raw]
    cursor: str


class SessionReply(msgspec.Struct, gc=False):
    """One session."""

    session: msgspec.Raw


class CheckReply(msgspec.Struct, gc=False):
    """What a command would do, and why."""

    outcome: Outcome
    assigned_to: str | None = None
    decision: DecisionRecord | None = None


class ExplainReply(msgspec.Struct, gc=False):
    """Why the system chose an owner, and not an agent; None where there is nothing to say."""

    decision: DecisionRecord | None = None
    why_not: WhyNot | None = None


class EntryReply(msgspec.Struct, gc=False):
    """One entry of a history, as the record that it is."""

    entry: msgspec.Raw


class HistoryReply(msgspec.Struct, gc=False):
    """
    A run of a history's entries, as the records that hold them and perhaps others around them.

    Attributes:
        records: Of the session's log.
        last: The seq of the last entry of all.
        after: The seq after which entries were asked for.
        limit: How many were asked for.
    """

    records: list[msgspec.Raw]
    last: int
    after: int
    limit: int

    @property
    def page(self) -> tuple[list[Entry], bool]:
        """Return the entries that were asked for and no others, and whether there are entries after these."""
        found = [one for packed in self.records for one in entries_of(decode_session(packed))]
        entries = [one for one in found if one.seq > self.after][: self.limit]
        return entries, bool(entries) and entries[-1].seq < self.last


class PlaceReply(msgspec.Struct, gc=False):
    """A place in a queue, from 1."""

    place: int


class ListReply(msgspec.Struct, gc=False):
    """A page of sessions and the place after it."""

    sessions: list[msgspec.Raw]
    position: int | None = None


class InboxReply(msgspec.Struct, gc=False):
    """Sessions of an agent."""

    in_progress: list[msgspec.Raw]
    pending: list[msgspec.Raw]


class Attached(msgspec.Struct, gc=False):
    """
    What `connect` found: the agent and its inbox at a position of the feed.

    Attributes:
        left: The ids of sessions that were not read yet.
    """

    agent: msgspec.Raw
    known: bool
    epoch: str
    seq: int
    in_progress: list[msgspec.Raw]
    pending: list[msgspec.Raw]
    left: list[str] = []


class Lease(msgspec.Struct, gc=False):
    """
    What `renew` found: whether the lease was still held, where the feed is, in how many milliseconds the next
    thing is due there (at most 0 where there is more to do at once), and the node's connections.
    """

    known: bool
    epoch: str
    seq: int
    due_in_ms: int
    connections: int


class DisconnectReply(msgspec.Struct, gc=False):
    """In how many milliseconds the next thing is due."""

    due_in_ms: int


class MigrateReply(msgspec.Struct, gc=False):
    """Whether a tenant has more to do at once."""

    more: bool


class NodesReply(msgspec.Struct, gc=False):
    """
    What `renew_node` found.

    Attributes:
        now: The server's time, in milliseconds since the Unix epoch.
        schema: The schema in which every node writes.
        nodes: The nodes that are there, or were a while ago: as `read_nodes` takes them.
    """

    now: int
    schema: int
    nodes: list[str]


class NodeRecord(msgspec.Struct, gc=False):
    """
    A node, as it says with its lease on the store.

    Attributes:
        release: The version of its program.
        library: The name of its function library.
        oldest: The oldest schema that it reads.
        newest: The newest.
        renewed_at: When it renewed its lease last, in milliseconds since the Unix epoch.
    """

    id: str
    release: str
    library: str
    oldest: int
    newest: int
    renewed_at: int


def read_nodes(members: Sequence[str]) -> list[NodeRecord]:
    """Return the nodes of a list of members and their scores, as ZRANGE ... WITHSCORES gives it."""
    found = []
    for member, renewed_at in zip(members[::2], members[1::2], strict=True):
        node_id, release, library, oldest, newest = member.split(" ")
        found.append(NodeRecord(node_id, release, library, int(oldest), int(newest), int(float(renewed_at))))
    return found


class DirectoryPage(msgspec.Struct, gc=False):
    """A page of the directory's records, and where the next one begins; empty at the end."""

    epoch: str
    seq: int
    before: str
    cursor: str
    departments: list[msgspec.Raw]
    agents: list[msgspec.Raw]
    rule: Rule | bool = False


class Directory(msgspec.Struct, gc=False):
    """
    The whole directory at a position of the feed, and where the store was when this epoch began.

    Attributes:
        departments: With the rules that are their own.
        rule: The tenant's.
    """

    epoch: str
    seq: int
    departments: list[Department]
    agents: list[Agent]
    before: str = ""
    rule: Rule | None = None

    def forgot(self, epoch: str, seq: int) -> bool:
        """
        Return whether the store went back behind a position that a reader has seen.

        A store that holds nothing at all did not go back: what is opened there is new, and says so.
        """
        before_epoch, _, before_seq = self.before.rpartition(" ")
        return epoch != self.epoch and self.before != "" and (before_epoch != epoch or int(before_seq) < seq)


class EventsReply(msgspec.Struct, gc=False):
    """Events after a position, packed; `events` is None where they are not kept any more."""

    epoch: str
    seq: int
    events: list[msgspec.Raw] | None = None


class ReadError(msgspec.Struct, gc=False):
    """Why one read of a snapshot found nothing: the key is of a type that the read does not fit."""

    err: str


class SnapshotReply(msgspec.Struct, gc=False):
    """What `read_snapshot` found, and the server's time."""

    now: int
    values: list[msgspec.Raw]


class RebuildReply(msgspec.Struct, gc=False):
    """The parts, key and cursor, that a rebuild has still to do."""

    left: list[tuple[str, str]]


_decode_view = msgspec.msgpack.Decoder(SessionView).decode
decode_answer = msgspec.msgpack.Decoder(Answer).decode
