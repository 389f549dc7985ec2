"""Events as the store packs them, for tests of what takes them in."""

from __future__ import annotations

from typing import Any

import msgspec

from relevo.router.store import answers, records
from relevo.router.store.events import Change, Event


def agent_record(agent_id: str, load: int = 0, status: Any = "connected") -> records.AgentRecord:
    """Return an agent's record."""
    return records.AgentRecord(
        schema=records.SCHEMA,
        id=agent_id,
        name=agent_id.title(),
        role="agent",
        departments=" ",
        capacity=10,
        status=status,
        status_since_at=1,
        load=load,
        pending=0,
        available=status == "connected",
    )


def department_record(department_id: str, queued: int = 0, rule: Any = None) -> records.DepartmentRecord:
    """Return a department's record."""
    extra = records.DepartmentExtra(rule=rule) if rule is not None else None
    name = department_id.title()
    return records.DepartmentRecord(records.SCHEMA, department_id, name, queued=queued, extra=extra)


def session_fields(session_id: str, owner: str | None, fence: int = 1, **fields: Any) -> dict[str, Any]:
    """Return a session as the protocol has it, in progress with its owner unless told otherwise."""
    found: dict[str, Any] = {
        "id": session_id,
        "customer": {"id": "c", "name": "Cleo"},
        "state": "in_progress" if owner is not None else "closed",
        "fence": fence,
        "hops": 0,
        "opened_at": 1,
        "updated_at": 2,
    }
    if owner is not None:
        found["owner"] = {"kind": "agent", "id": owner}
    return found | fields


def transfer_record(by: str, to: str) -> records.TransferRecord:
    """Return a transfer from its sender to an agent."""
    return records.TransferRecord(
        id="t1",
        from_kind="agent",
        from_id=by,
        from_name=by.title(),
        to_kind="agent",
        to_id=to,
        to_name=to.title(),
        by_id=by,
        by_name=by.title(),
        by_role="agent",
        reason="please",
        outcome="assigned",
        assigned_to=None,
        at=2,
    )


def session_record(
    session_id: str, owner: str | None, fence: int = 1, **fields: Any
) -> records.SessionRecord:
    """Return the record of a session, in progress with its owner and just opened unless told otherwise."""
    given: dict[str, Any] = {
        "schema": records.SCHEMA,
        "id": session_id,
        "state": "in_progress" if owner is not None else "closed",
        "owner_id": owner,
        "fence": fence,
        "hops": 0,
        "opened_at": 1,
        "updated_at": 2,
        "customer_id": "c",
        "customer_name": "Cleo",
        "order": 1,
        "holder": owner,
        "department": None,
        "delivered": False,
        "target_kind": "agent",
        "target_id": owner or "ana",
        "sender": None,
        "index": 0,
        "placed_at": 0,
        "transfer_at": -1,
        "entry_count": 1,
        "answered_at": None,
        "extra": None,
        "kind": "opened",
        "at": 2,
    }
    return records.SessionRecord(**given | fields)


def settings_record(**settings: Any) -> bytes:
    """Return the settings of a level, as the tenant's hash holds them."""
    return msgspec.msgpack.encode({name: answers.packed(value) for name, value in settings.items()})


def packed_record(record: msgspec.Struct) -> msgspec.Raw:
    """Return a record as a command answers it."""
    return msgspec.Raw(msgspec.msgpack.encode(record))


def session_view(record: records.SessionRecord) -> msgspec.Raw:
    """Return a session without a transfer as a command answers it."""
    return msgspec.Raw(msgspec.msgpack.encode([record, None]))


def event(seq: int, *, epoch: str = "e1", **fields: Any) -> Event:
    """
    Return an event.

    Args:
        seq: Its number.
        epoch: Its epoch.
        fields: `agents` and `departments` as records, `agents_removed`, `departments_removed`, `changes`,
            `rule`, `replaced`.
    """
    return Event(
        schema=records.SCHEMA,
        epoch=epoch,
        seq=seq,
        at=seq,
        agents=list(fields.get("agents", ())),
        departments=list(fields.get("departments", ())),
        agents_removed=list(fields.get("agents_removed", ())),
        departments_removed=list(fields.get("departments_removed", ())),
        changes=list(fields.get("changes", ())),
        rule=fields.get("rule"),
        replaced=list(fields.get("replaced", ())),
    )


def directory(
    seq: int, *, epoch: str = "e1", agents: Any = (), departments: Any = (), rule: Any = None
) -> answers.Directory:
    """Return a snapshot of the store."""
    rows = map(records.agent_of, agents)
    return answers.Directory(epoch, seq, list(map(records.department_of, departments)), list(rows), rule=rule)


def change(record: records.SessionRecord, what: str = "placed", **fields: Any) -> Change:
    """Return a change of one session."""
    absent = dict.fromkeys(("left", "why", "told", "superseded_sender", "superseded", "transfer"))
    return Change(what=what, record=record, **absent | fields)
