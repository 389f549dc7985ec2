"""Messages as a router puts them on the wire, written out by hand."""

from __future__ import annotations

from typing import Any

Map = dict[str, Any]


def agent_row(agent_id: str = "ana", **fields: Any) -> Map:
    row = {
        "id": agent_id,
        "name": agent_id.title(),
        "role": "agent",
        "departments": ["sales"],
        "status": "connected",
        "status_since_at": 1,
        "load": 0,
        "capacity": 10,
        "pending": 0,
        "available": True,
    }
    return row | fields


def department_row(department_id: str = "sales", **fields: Any) -> Map:
    row = {"id": department_id, "name": department_id.title(), "agents": 1, "available": 1, "queued": 0}
    return row | fields


def transfer_map(session_id: str = "c-1", **fields: Any) -> Map:
    transfer = {
        "id": "t-1",
        "session_id": session_id,
        "from": {"kind": "agent", "id": "bo", "name": "Bo"},
        "to": {"kind": "agent", "id": "ana", "name": "Ana"},
        "by": {"id": "bo", "name": "Bo", "role": "agent"},
        "reason": "speaks Spanish",
        "outcome": "assigned",
        "assigned_to": None,
        "at": 5,
    }
    return transfer | fields


def session_map(session_id: str = "c-1", *, fence: Any = 1, owner: str | None = "ana", **fields: Any) -> Map:
    session = {
        "id": session_id,
        "customer": {"id": "u-1", "name": "Eva"},
        "state": "in_progress",
        "owner": None if owner is None else {"kind": "agent", "id": owner},
        "fence": fence,
        "hops": 0,
        "opened_at": 100,
        "updated_at": 100,
        "transfer": None,
    }
    return session | fields


def welcome_map(in_progress: list[Map] | None = None, pending: list[Map] | None = None, **fields: Any) -> Map:
    welcome = {
        "type": "welcome",
        "id": "hello",
        "connection_id": "k-1",
        "tenant": "acme",
        "role": "agent",
        "agent": agent_row(),
        "expires_at": 9,
        "server_at": 1,
        "ping_interval_ms": 20000,
        "inbox": {"in_progress": in_progress or [], "pending": pending or []},
    }
    return welcome | fields


def snapshot_map(seq: int = 1, *, epoch: str = "e1", **fields: Any) -> Map:
    snapshot = {
        "type": "directory.snapshot",
        "epoch": epoch,
        "seq": seq,
        "departments": [department_row()],
        "agents": [agent_row()],
    }
    return snapshot | fields


def patch_map(since: int, seq: int, *, epoch: str = "e1", **fields: Any) -> Map:
    patch = {
        "type": "directory.patch",
        "epoch": epoch,
        "since": since,
        "seq": seq,
        "departments": [],
        "agents": [],
        "departments_removed": [],
        "agents_removed": [],
    }
    return patch | fields


def error_map(code: str, *, retryable: bool = False, **details: Any) -> Map:
    return {"code": code, "message": f"it is {code}", "retryable": retryable, "details": details}
