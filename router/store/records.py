"""
What is kept in the store, field by field, and what its commands answer.

``lua/lib/records.lua`` writes these shapes: a record is a MessagePack array that begins with the number of
its schema and has its fields at fixed places; what stands behind those that it knows is passed over. A new
field is an extra one (see there): it goes into the class ``...Extra`` of its record, with its default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, Literal, TypeVar

import msgspec

from relevo.protocol.objects import (
    Actor,
    Agent,
    AgentRole,
    Author,
    Customer,
    Department,
    Entry,
    EntryKind,
    Outcome,
    Owner,
    Party,
    PlaceKind,
    Role,
    Rule,
    Session,
    SessionState,
    Status,
    Transfer,
)

T = TypeVar("T")

SCHEMA: Final = 1
"""The newest schema that this release reads and writes; it writes the store's (`NodesReply.schema`)."""

READABLE: Final = frozenset({1})
"""The schemas that it reads: its own, and the one before where there is one."""

SESSIONS_DECODED_MAX = 256
"""Sessions that were decoded last."""

MISSING = msgspec.Raw()
"""Stands for a record that is not there; it is false, as nothing else of its kind."""

OWNER_KINDS: Final[dict[str, PlaceKind]] = {
    "in_progress": "agent",
    "pending": "agent",
    "queued": "department",
}
"""What kind of owner a session has in each state."""

_raws = msgspec.msgpack.Decoder(list[msgspec.Raw]).decode
_LENGTH_ENDS_AT = {0xD9: 2, 0xDA: 3, 0xDB: 5}


def addressee(role: str, id: str) -> str:
    """Return how records name a caller (`sender_of` in sessions.lua): a back end is no agent of its id."""
    return f"service {id}" if role == "service" else id


# Extra fields of records: see ``lua/lib/records.lua`` ------------------------------------------------------


class MetaExtra(msgspec.Struct, gc=False):
    """
    Extra fields of a tenant.

    Attributes:
        settings: Names the state of all its settings; empty where nothing was ever set.
        migrating: How many parts of it have still to be rewritten in its schema, as far as is known yet.
        migrated: How many records were looked at for that, so far.
    """

    settings: str = ""
    migrating: int = 0
    migrated: int = 0


class AgentExtra(msgspec.Struct, gc=False):
    """
    Extra fields of an agent.

    Attributes:
        described_at: When it was described last: by `agent.put`, or by the issue of a token whose claims
            counted; in seconds since the Unix epoch.
        status_by: The id and the name of the agent or admin that set its status; None for the system.
        lost: Sessions that were taken from it while it was away.
    """

    described_at: int = 0
    status_reason: str | None = None
    status_until_at: int = 0
    status_by: tuple[str, str] | None = None
    lost: list[str] = []


class DepartmentExtra(msgspec.Struct, gc=False):
    """
    Extra fields of a department.

    Attributes:
        rule: Its own rule.
    """

    rule: Rule | None = None


class SessionExtra(msgspec.Struct, gc=False):
    """
    Extra fields of a session, as it is since a record.

    Attributes:
        since: Its place in its department's queue: that of its coming into the department; 0: its order.
        lost: The agent from which it was taken, while nothing else has happened to it.
        hops_free: How many hops count towards no rule's limit.
    """

    since: int = 0
    lost: str | None = None
    hops_free: int = 0


class EntryExtra(msgspec.Struct, gc=False):
    """
    Extra fields of an entry.

    Attributes:
        passed: What of a rule its author passed over.
        why: Why the system moved the session.
    """

    passed: list[str] = []
    why: str | None = None


class TransferExtra(msgspec.Struct, gc=False):
    """Extra fields of a transfer."""


# Kept records ----------------------------------------------------------------------------------------------


class MetaRecord(msgspec.Struct, array_like=True, gc=False):
    """
    A tenant: where its feed and its order are.

    Attributes:
        order: The last place that was given out.
        run: The server's run in which the epoch began.
        due_at: No earlier is anything due.
        ring: How many events are kept: event ``seq`` stands in the field ``seq % ring``.
        key_generation: The latest hash of idempotency keys.
        before: Epoch and seq at which this epoch began; empty where the store held nothing.
    """

    schema: int
    seq: int
    order: int
    due_at: int
    epoch: str
    run: str
    ring: int
    key_generation: int = 0
    before: str = ""
    extra: MetaExtra | None = None


class AgentRecord(msgspec.Struct, array_like=True, gc=False):
    """
    An agent. The fields up to `extra` are its row, as events tell it.

    Attributes:
        departments: Ids, with a space before and behind each.
        answered_at: When it answered a session last.
        chosen: The status it chose last.
        present: Whether it has a connection, or lost its last one a moment ago.
        assigned: The place in the order of all assignments that its last one had.
        owned: The ids of its sessions in progress, as `departments`; False where they stand in a list.
    """

    schema: int
    id: str
    name: str
    role: AgentRole
    departments: str
    capacity: int
    status: Status
    status_since_at: int
    load: int
    pending: int
    available: bool
    answered_at: int | None = None
    extra: AgentExtra | None = None
    chosen: Status = "connected"
    present: bool = False
    assigned: int = 0
    owned: str | bool = " "


class DepartmentRecord(msgspec.Struct, array_like=True, gc=False):
    """A department."""

    schema: int
    id: str
    name: str
    agents: int = 0
    available: int = 0
    queued: int = 0
    extra: DepartmentExtra | None = None


class TransferRecord(msgspec.Struct, array_like=True, gc=False):
    """A transfer, inside the record of the session that it is of."""

    id: str
    from_kind: PlaceKind | None
    from_id: str | None
    from_name: str | None
    to_kind: PlaceKind
    to_id: str
    to_name: str
    by_id: str
    by_name: str
    by_role: Role
    reason: str | None
    outcome: Outcome
    assigned_to: str | None
    at: int
    extra: TransferExtra | None = None


class SessionRecord(msgspec.Struct, array_like=True, gc=False):
    """
    One record of a session's log: how the session is, up to `entry_count`, and what has happened.

    Attributes:
        order: Its place among all changes of owner.
        holder: The agent that had it in progress before its present owner; of old records perhaps that owner.
        department: The department through which it was routed last.
        delivered: Whether a client of its owner has said that it is there.
        target_kind: To whom it was sent last, with `target_id`.
        sender: The sender of its transfer (see `addressee`).
        index: Where this record stands in the log.
        placed_at: Where the record of the last change of owner stands.
        transfer_at: Where the record that holds the transfer stands; -1 for none.
        entry_count: How many entries the history has, up to this record's last.
        answered_at: When its present owner answered it.
        transfer: The transfer, where this record made or changed it.
    """

    schema: int
    id: str
    state: SessionState
    owner_id: str | None
    fence: int
    hops: int
    opened_at: int
    updated_at: int
    customer_id: str
    customer_name: str
    order: int
    holder: str | None
    department: str | None
    delivered: bool
    target_kind: PlaceKind
    target_id: str
    sender: str | None
    index: int
    placed_at: int
    transfer_at: int
    entry_count: int
    answered_at: int | None
    extra: SessionExtra | None
    kind: EntryKind
    at: int
    text: str | None = None
    by_id: str | None = None
    by_name: str | None = None
    by_role: Role | None = None
    entry_extra: EntryExtra | None = None
    transfer: TransferRecord | None = None


class SessionView(msgspec.Struct, array_like=True, gc=False):
    """A session as commands answer it: its last record, and its transfer where another record holds it."""

    record: SessionRecord
    transfer: TransferRecord | None = None


_meta = msgspec.msgpack.Decoder(MetaRecord)
_agent = msgspec.msgpack.Decoder(AgentRecord)
_department = msgspec.msgpack.Decoder(DepartmentRecord)
_session = msgspec.msgpack.Decoder(SessionRecord)
_decode_view = msgspec.msgpack.Decoder(SessionView).decode


class SchemaError(msgspec.DecodeError):
    """A record is of a schema that this release does not read."""


def _require_schema(schema: int) -> None:
    if schema not in READABLE:
        raise SchemaError(f"it is of schema {schema}, and this release reads {sorted(READABLE)}")


def decode_meta(packed: bytes | msgspec.Raw) -> MetaRecord:
    """Decode a tenant's meta record; raises msgspec.DecodeError where it is none, or of another schema."""
    record = _meta.decode(packed)
    _require_schema(record.schema)
    return record


def decode_agent(packed: bytes | msgspec.Raw) -> AgentRecord:
    """Decode an agent's record, or row; raises as `decode_meta`."""
    record = _agent.decode(packed)
    _require_schema(record.schema)
    return record


def decode_department(packed: bytes | msgspec.Raw) -> DepartmentRecord:
    """Decode a department's record; raises as `decode_meta`."""
    record = _department.decode(packed)
    _require_schema(record.schema)
    return record


def decode_session(packed: bytes | msgspec.Raw) -> SessionRecord:
    """Decode a record of a session's log; raises as `decode_meta`."""
    record = _session.decode(packed)
    _require_schema(record.schema)
    return record


_NO_AGENT_EXTRA: Final = AgentExtra()


def agent_of(record: AgentRecord) -> Agent:
    """Return the row that a record holds."""
    extra = record.extra or _NO_AGENT_EXTRA
    return Agent(
        id=record.id,
        name=record.name,
        role=record.role,
        departments=record.departments.split(),
        status=record.status,
        status_since_at=record.status_since_at,
        load=record.load,
        capacity=record.capacity,
        pending=record.pending,
        available=record.available,
        answered_at=record.answered_at or msgspec.UNSET,
        status_reason=extra.status_reason or msgspec.UNSET,
        status_until_at=extra.status_until_at or msgspec.UNSET,
        status_by=Author(*extra.status_by) if extra.status_by is not None else msgspec.UNSET,
    )


def department_of(record: DepartmentRecord) -> Department:
    """Return the row that a record holds."""
    extra = record.extra
    return Department(
        id=record.id,
        name=record.name,
        agents=record.agents,
        available=record.available,
        queued=record.queued,
        rule=extra.rule if extra is not None and extra.rule is not None else msgspec.UNSET,
    )


def transfer_of(record: TransferRecord, session_id: str) -> Transfer:
    """Return the transfer that a record holds."""
    source = None
    if record.from_kind is not None and record.from_id is not None:
        source = Party(record.from_kind, record.from_id, record.from_name or record.from_id)
    return Transfer(
        id=record.id,
        session_id=session_id,
        from_=source,
        to=Party(record.to_kind, record.to_id, record.to_name),
        by=Actor(record.by_id, record.by_name, record.by_role),
        reason=record.reason,
        outcome=record.outcome,
        assigned_to=record.assigned_to,
        at=record.at,
    )


def owner_of(record: SessionRecord) -> Owner | None:
    """Return a session's owner; None where it is closed."""
    kind = OWNER_KINDS.get(record.state)
    return Owner(kind, record.owner_id) if kind is not None and record.owner_id is not None else None


def session_of(record: SessionRecord, transfer: TransferRecord | None) -> Session:
    """Return the session as it is since a record; ``transfer`` is its transfer where the record has none."""
    latest = record.transfer if record.transfer is not None else transfer
    return Session(
        id=record.id,
        customer=Customer(record.customer_id, record.customer_name),
        state=record.state,
        owner=owner_of(record),
        fence=record.fence,
        hops=record.hops,
        opened_at=record.opened_at,
        updated_at=record.updated_at,
        transfer=transfer_of(latest, record.id) if latest is not None else None,
        department=record.department or msgspec.UNSET,
        answered_at=record.answered_at or msgspec.UNSET,
        hops_free=(record.extra and record.extra.hops_free) or msgspec.UNSET,
    )


def entries_of(record: SessionRecord) -> list[Entry]:
    """Return the entries of the history that a record is: one, or a transfer and its reason."""
    by = None
    if record.by_id is not None and record.by_role is not None:
        by = Actor(record.by_id, record.by_name or record.by_id, record.by_role)
    transfer = None
    if record.transfer is not None and record.kind in ("transferred", "moved"):
        transfer = transfer_of(record.transfer, record.id)
    reason = transfer.reason if transfer is not None and record.kind == "transferred" else None
    seq = record.entry_count if reason is None else record.entry_count - 1
    extra = record.entry_extra
    entry = Entry(
        seq=seq,
        kind=record.kind,
        at=record.at,
        by=by,
        text=record.text,
        transfer=transfer,
        passed=extra.passed if extra is not None and extra.passed else msgspec.UNSET,
        why=extra.why if extra is not None and extra.why else msgspec.UNSET,
    )
    entries = [entry]
    if reason is not None:
        entries.append(Entry(seq=seq + 1, kind="internal", at=record.at, by=by, text=reason))
    return entries


# What stands in answers ------------------------------------------------------------------------------------


def packed(value: Any) -> msgspec.Raw:
    """Return a value as a MessagePack string that holds MessagePack; the store's Lua does not know binary."""
    content = msgspec.msgpack.encode(value)
    return msgspec.Raw(b"\xdb" + len(content).to_bytes(4, "big") + content)


def content_of(packed: msgspec.Raw) -> bytes:
    """
    Return what is inside a MessagePack string; see the `str` family of the MessagePack specification.

    Raises:
        msgspec.DecodeError: It is no string.
    """
    view = memoryview(packed)
    first = view[0]
    if 0xA0 <= first <= 0xBF:
        return bytes(view[1:])
    if first not in _LENGTH_ENDS_AT:
        raise msgspec.DecodeError("it is no string")
    return bytes(view[_LENGTH_ENDS_AT[first] :])


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
    """What a command would do."""

    outcome: Outcome
    assigned_to: str | None = None


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
    What `renew` found: whether the lease was still held, where the feed is, whether more is due, and how many
    connections the node has there.
    """

    known: bool
    epoch: str
    seq: int
    more: bool
    connections: int


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


# Events ----------------------------------------------------------------------------------------------------


class Change(msgspec.Struct, array_like=True, gc=False):
    """
    What happened to one session, and whom it concerns.

    Attributes:
        what: ``placed`` with another owner, ``written`` into its history, ``delivered`` or ``answered``.
        left: The agent that has it no more.
        why: Why it has it no more.
        told: What became of the transfer, for its sender.
        superseded_sender: The sender of the transfer that this one replaces (`addressee`).
        superseded: That transfer.
        transfer: The session's transfer, where its record does not hold it.
        record: The session's record.
    """

    what: str
    left: str | None
    why: str | None
    told: str | None
    superseded_sender: str | None
    superseded: TransferRecord | None
    transfer: TransferRecord | None
    record: SessionRecord


class Notice(msgspec.Struct, array_like=True, gc=False):
    """That another changed an agent's status or role; the system where ``by_id`` is False."""

    agent_id: str
    by_id: str | Literal[False]
    by_name: str | Literal[False]
    reason: str | Literal[False]

    @property
    def by(self) -> Author | None:
        return Author(self.by_id, self.by_name or self.by_id) if self.by_id else None


class Event(msgspec.Struct, array_like=True, gc=False):
    """
    One step of a tenant: the rows of the directory that changed, the sessions, and notices to agents.

    Attributes:
        rule: The tenant's rule where it changed; False where there is none any more.
    """

    schema: int
    epoch: str
    seq: int
    at: int
    agents: list[AgentRecord] = []
    departments: list[DepartmentRecord] = []
    agents_removed: list[str] = []
    departments_removed: list[str] = []
    changes: list[Change] = []
    rule: Rule | bool | None = None
    notices: list[Notice] = []


class EventsReply(msgspec.Struct, gc=False):
    """Events after a position, packed; `events` is None where they are not kept any more."""

    epoch: str
    seq: int
    events: list[msgspec.Raw] | None = None


class Events(msgspec.Struct, gc=False):
    """Events after a position; `events` is None where they are not kept any more."""

    epoch: str
    seq: int
    events: list[Event] | None = None


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


decode_answer = msgspec.msgpack.Decoder(Answer).decode
_event = msgspec.msgpack.Decoder(Event)


def decode_event(packed: bytes | msgspec.Raw) -> Event:
    """Decode an event; raises as `decode_meta`."""
    event = _event.decode(packed)
    _require_schema(event.schema)
    for change in event.changes:
        _require_schema(change.record.schema)
    return event
