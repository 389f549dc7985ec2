"""
What is kept in the store, field by field.

``lua/lib/records.lua`` writes these shapes: a record is a MessagePack array that begins with the number of
its schema and has its fields at fixed places; what stands behind those that it knows is passed over. A new
field is an extra one (see there): it goes into the class ``...Extra`` of its record, with its default.
"""

from __future__ import annotations

from typing import Any, Final, Literal

import msgspec

from relevo.protocol.objects import (
    Actor,
    Agent,
    AgentRole,
    Author,
    Candidate,
    Customer,
    Decision,
    DecisionBy,
    Department,
    Entry,
    EntryKind,
    LeftOut,
    Outcome,
    Owner,
    Party,
    PlaceKind,
    Role,
    Rule,
    Session,
    SessionState,
    Status,
    Tie,
    Transfer,
)

SCHEMA: Final = 1
"""The newest schema that this release reads and writes; it writes the store's (`NodesReply.schema`)."""

READABLE: Final = frozenset({1})
"""The schemas that it reads: its own, and the one before where there is one."""

OWNER_KINDS: Final[dict[str, PlaceKind]] = {
    "in_progress": "agent",
    "pending": "agent",
    "queued": "department",
}
"""What kind of owner a session has in each state."""


MISSING = msgspec.Raw()
"""Stands for a record or a field that is not there; it is false, as nothing else of its kind."""

_LENGTH_ENDS_AT = {0xD9: 2, 0xDA: 3, 0xDB: 5}


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
        served_at: Since when a node has served it, after a time in which none did; 0 if there was none.
    """

    settings: str = ""
    migrating: int = 0
    migrated: int = 0
    served_at: int = 0


class AgentExtra(msgspec.Struct, gc=False):
    """
    Extra fields of an agent.

    Attributes:
        described_at: When it was described last: by `agent.put`, or by the issue of a token whose claims
            counted; in seconds since the Unix epoch.
        status_by: The id and the name of the agent or admin that set its status; None for the system.
        lost: Sessions that were taken from it while it was away.
        missed: How many sessions in a row it did not answer in time.
    """

    described_at: int = 0
    status_reason: str | None = None
    status_until_at: int = 0
    status_by: tuple[str, str] | None = None
    lost: list[str] = []
    missed: int = 0


class DepartmentExtra(msgspec.Struct, gc=False):
    """
    Extra fields of a department.

    Attributes:
        rule: Its own rule.
    """

    rule: Rule | None = None


class SessionExtra(msgspec.Struct, gc=False, omit_defaults=True):
    """
    Extra fields of a session, as it is since a record.

    Attributes:
        since: Its place in its department's queue: that of its coming into the department; 0: its order.
        lost: The agent from which it was taken, while nothing else has happened to it.
        hops_free: How many hops count towards no rule's limit.
        due_at: When the system moves it on; 0: never.
        tried: The agents with which it was placed since its last answer, and when.
        former: Where it has no department, the last one that it had, and its place there.
        attributes: What is kept with it: a MessagePack string that holds a map. Lua would change numbers.
    """

    since: int = 0
    lost: str | None = None
    hops_free: int = 0
    due_at: int = 0
    tried: dict[str, int] = {}
    former: tuple[str, int] | None = None
    attributes: msgspec.Raw = MISSING


class CandidateRecord(msgspec.Struct, array_like=True, gc=False):
    """A candidate of a decision; False where it is not known since when it is idle."""

    id: str
    load: int
    capacity: int
    idle_ms: int | Literal[False]


class DecisionRecord(msgspec.Struct, array_like=True, gc=False):
    """
    Why the system chose an owner (`decision_of` in routing.lua); False for what there is not.

    Attributes:
        members: False where an agent was meant by name: it alone was chosen from.
    """

    by: DecisionBy
    chosen: CandidateRecord | Literal[False]
    next: CandidateRecord | Literal[False]
    tie: Tie | Literal[False]
    place: int | Literal[False]
    members: int | Literal[False]
    available: int
    owner: int
    tried: int
    capacity: int
    status: int
    unavailable: int = 0


class EntryExtra(msgspec.Struct, gc=False):
    """
    Extra fields of an entry.

    Attributes:
        passed: What of a rule its author passed over.
        why: Why the system moved the session.
        decision: Why the system chose its owner.
    """

    passed: list[str] = []
    why: str | None = None
    decision: DecisionRecord | None = None


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
        assigned_at: When that was; None where there was none, or an older release has written the record.
        profile_at: When its name, role, departments or capacity changed last; None likewise.
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
    assigned_at: int | None = None
    profile_at: int | None = None


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


_meta = msgspec.msgpack.Decoder(MetaRecord)
_agent = msgspec.msgpack.Decoder(AgentRecord)
_department = msgspec.msgpack.Decoder(DepartmentRecord)
_session = msgspec.msgpack.Decoder(SessionRecord)


class SchemaError(msgspec.DecodeError):
    """A record is of a schema that this release does not read."""


def require_schema(schema: int) -> None:
    if schema not in READABLE:
        raise SchemaError(f"it is of schema {schema}, and this release reads {sorted(READABLE)}")


def decode_meta(packed: bytes | msgspec.Raw) -> MetaRecord:
    """Decode a tenant's meta record; raises msgspec.DecodeError where it is none, or of another schema."""
    record = _meta.decode(packed)
    require_schema(record.schema)
    return record


def decode_agent(packed: bytes | msgspec.Raw) -> AgentRecord:
    """Decode an agent's record, or row; raises as `decode_meta`."""
    record = _agent.decode(packed)
    require_schema(record.schema)
    return record


def decode_department(packed: bytes | msgspec.Raw) -> DepartmentRecord:
    """Decode a department's record; raises as `decode_meta`."""
    record = _department.decode(packed)
    require_schema(record.schema)
    return record


def decode_session(packed: bytes | msgspec.Raw) -> SessionRecord:
    """Decode a record of a session's log; raises as `decode_meta`."""
    record = _session.decode(packed)
    require_schema(record.schema)
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
        missed=extra.missed or msgspec.UNSET,
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


def attributes_of(record: SessionRecord) -> dict[str, Any] | msgspec.UnsetType:
    """Return what is kept with a session."""
    if record.extra is None or not record.extra.attributes:
        return msgspec.UNSET
    return msgspec.msgpack.decode(content_of(record.extra.attributes), type=dict[str, Any])


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
        attributes=attributes_of(record),
        hops_free=(record.extra and record.extra.hops_free) or msgspec.UNSET,
        due_at=(record.extra and record.extra.due_at) or msgspec.UNSET,
    )


def _candidate_of(record: CandidateRecord | Literal[False]) -> Candidate | None:
    if record is False:
        return None
    idle_ms = None if record.idle_ms is False else record.idle_ms
    return Candidate(id=record.id, load=record.load, capacity=record.capacity, idle_ms=idle_ms)


def decision_of(record: DecisionRecord) -> Decision:
    """Return the decision that a record holds."""
    return Decision(
        by=record.by,
        members=1 if record.members is False else record.members,
        available=record.available,
        left_out=LeftOut(
            owner=record.owner,
            tried=record.tried,
            needs=0,
            capacity=record.capacity,
            status=record.status,
            unavailable=record.unavailable or msgspec.UNSET,
        ),
        chosen=_candidate_of(record.chosen),
        next=_candidate_of(record.next),
        tie=record.tie or None,
        place=record.place or None,
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
        decision=decision_of(extra.decision) if extra is not None and extra.decision else msgspec.UNSET,
    )
    entries = [entry]
    if reason is not None:
        entries.append(Entry(seq=seq + 1, kind="internal", at=record.at, by=by, text=reason))
    return entries
