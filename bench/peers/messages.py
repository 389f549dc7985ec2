"""The messages of the peers written in Python: rows and sessions of the size that Relevo sends."""

from __future__ import annotations

from typing import Any


def row(agent: str, status: str, at: int) -> dict[str, Any]:
    """Return an agent's row as the dialogs show it."""
    return {
        "id": agent,
        "name": agent,
        "role": "agent",
        "departments": [],
        "status": status,
        "status_since_at": at,
        "load": 5,
        "capacity": 10,
        "pending": 0,
        "available": status == "connected",
    }


def sent(session: str, maker: str, to: str, at: int) -> dict[str, Any]:
    """Return the message that the receiver of a session gets."""
    return {
        "session": {
            "id": session,
            "customer": {"id": "c1", "name": "Customer"},
            "state": "in_progress",
            "owner": to,
            "updated_at": at,
        },
        "transfer": {
            "session_id": session,
            "from": maker,
            "to": to,
            "by": maker,
            "outcome": "assigned",
            "at": at,
        },
    }
