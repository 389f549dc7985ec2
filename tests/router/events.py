"""Events as the store packs them, for tests of what takes them in."""

from __future__ import annotations

from typing import Any

from relevo.router.store import records


def agent_record(agent_id: str, load: int = 0, status: str = "connected") -> dict[str, Any]:
    """Return an agent's row."""
    return {
        "id": agent_id,
        "name": agent_id.title(),
        "role": "agent",
        "departments": [],
        "status": status,
        "status_since_at": 1,
        "load": load,
        "capacity": 10,
        "pending": 0,
        "available": status == "connected",
    }


def department_record(department_id: str, queued: int = 0) -> dict[str, Any]:
    """Return a department's row."""
    return {"id": department_id, "name": department_id.title(), "agents": 0, "available": 0, "queued": queued}


def session_record(session_id: str, owner: str | None, fence: int = 1, **fields: Any) -> dict[str, Any]:
    """Return a session, in progress with its owner unless told otherwise."""
    record: dict[str, Any] = {
        "id": session_id,
        "customer": {"id": "c", "name": "Cleo"},
        "state": "in_progress" if owner is not None else "closed",
        "fence": fence,
        "hops": 0,
        "opened_at": 1,
        "updated_at": 2,
    }
    if owner is not None:
        record["owner"] = {"kind": "agent", "id": owner}
    return record | fields


def transfer_record(session_id: str, by: str, to: str) -> dict[str, Any]:
    """Return a transfer from its maker to an agent."""
    return {
        "id": "t1",
        "session_id": session_id,
        "from": {"kind": "agent", "id": by, "name": by.title()},
        "to": {"kind": "agent", "id": to, "name": to.title()},
        "by": {"id": by, "name": by.title(), "role": "agent"},
        "reason": "please",
        "outcome": "assigned",
        "at": 2,
    }


def event(seq: int, *, epoch: str = "e1", **fields: Any) -> records.Event:
    """
    Return an event.

    Args:
        seq: Its number.
        epoch: Its epoch.
        fields: `agents` and `departments` as rows, `agents_removed`, `departments_removed`, `changes`.
    """
    return records.Event(
        epoch=epoch,
        seq=seq,
        at=seq,
        agents=[records.packed(row) for row in fields.get("agents", ())],
        departments=[records.packed(row) for row in fields.get("departments", ())],
        agents_removed=list(fields.get("agents_removed", ())),
        departments_removed=list(fields.get("departments_removed", ())),
        changes=list(fields.get("changes", ())),
    )


def directory(seq: int, *, epoch: str = "e1", agents: Any = (), departments: Any = ()) -> records.Directory:
    """Return a snapshot of the store."""
    return records.Directory(
        epoch, seq, [records.packed(row) for row in departments], [records.packed(row) for row in agents]
    )


def change(session: dict[str, Any] | None, session_id: str = "s1", **fields: Any) -> records.Change:
    """Return a change of one session; `entries` are given as records."""
    entries = [records.packed(entry) for entry in fields.pop("entries", ())]
    raw = records.packed(session) if session is not None else records.MISSING
    return records.Change(session_id=session_id, session=raw, entries=entries, **fields)
