"""
What a command is answered with: one shape per object that a command returns.

A reply holds a result under ``result``; over HTTP it is the body of a response with status 200.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from relevo.protocol.objects import Agent, Department, Entry, Session, Transfer


class Empty(msgspec.Struct, frozen=True, gc=False):
    """Say that it was done."""


class AgentResult(msgspec.Struct, frozen=True, gc=False):
    """Answer with the agent as it is now."""

    agent: Agent


class DepartmentResult(msgspec.Struct, frozen=True, gc=False):
    """Answer with the department as it is now."""

    department: Department


class SessionResult(msgspec.Struct, frozen=True, gc=False):
    """Answer with the session as it is now."""

    session: Session


class TransferResult(msgspec.Struct, frozen=True, gc=False):
    """Answer with the session as it is now and the transfer that brought it there."""

    session: Session
    transfer: Transfer


class EntryResult(msgspec.Struct, frozen=True, gc=False):
    """Answer with the history entry that was written."""

    entry: Entry


class HistoryResult(msgspec.Struct, frozen=True, gc=False):
    """Answer with a run of a session's history; ``more`` says whether later entries exist."""

    entries: list[Entry]
    more: bool


class ListResult(msgspec.Struct, frozen=True, gc=False):
    """Answer with a page of sessions; ``cursor`` asks for the next and is None at the end."""

    sessions: list[Session]
    cursor: str | None = None


class PlaceResult(msgspec.Struct, frozen=True, gc=False):
    """Answer with a session's place in its queue, from 1."""

    place: int


class TokenResult(msgspec.Struct, frozen=True, gc=False):
    """Answer with the time up to which the connection is authorized now."""

    expires_at: int


Result: TypeAlias = (
    Empty
    | AgentResult
    | DepartmentResult
    | SessionResult
    | TransferResult
    | EntryResult
    | HistoryResult
    | ListResult
    | PlaceResult
    | TokenResult
)
