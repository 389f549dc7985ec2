"""
The results of commands, one type for each object that a command returns.

A reply holds a result under ``result``; over HTTP it is the body of a response with status 200.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec

from relevo.protocol.objects import Agent, Decision, Department, Entry, Outcome, Session, Transfer, WhyNot


class Empty(msgspec.Struct, frozen=True, gc=False):
    """The command is applied; there is nothing to return."""


class WatchResult(msgspec.Struct, frozen=True, gc=False):
    """The client watches; ``resumed``: the changes since the position that it named follow."""

    resumed: bool | msgspec.UnsetType = msgspec.UNSET


class AgentResult(msgspec.Struct, frozen=True, gc=False):
    """The agent after the command."""

    agent: Agent


class DepartmentResult(msgspec.Struct, frozen=True, gc=False):
    """The department after the command."""

    department: Department


# Settings go out as they are kept: those that a newer router wrote, and this one does not know, too.
_TenantValues: TypeAlias = Annotated[
    dict[str, Any], msgspec.Meta(extra_json_schema={"$ref": "#/components/schemas/TenantSettings"})
]
_DepartmentValues: TypeAlias = Annotated[
    dict[str, Any], msgspec.Meta(extra_json_schema={"$ref": "#/components/schemas/DepartmentSettings"})
]


class SettingsResult(msgspec.Struct, frozen=True, gc=False):
    """The tenant's settings, by their defaults where they are not set."""

    settings: _TenantValues


class DepartmentSettingsResult(msgspec.Struct, frozen=True, gc=False):
    """A department, the settings that are its own, and every setting as it holds there."""

    department: Department
    settings: _DepartmentValues
    effective: _DepartmentValues


class AgentListResult(msgspec.Struct, frozen=True, gc=False):
    """A page of agents; ``cursor`` is the argument for the next page, None on the last."""

    agents: list[Agent]
    cursor: str | None = None


class DepartmentListResult(msgspec.Struct, frozen=True, gc=False):
    """A page of departments; ``cursor`` is the argument for the next page, None on the last."""

    departments: list[Department]
    cursor: str | None = None


class SessionResult(msgspec.Struct, frozen=True, gc=False):
    """The session after the command."""

    session: Session


class TransferResult(msgspec.Struct, frozen=True, gc=False):
    """The session after the command, and its transfer."""

    session: Session
    transfer: Transfer


class CheckResult(msgspec.Struct, frozen=True, gc=False):
    """What a command would do: the outcome, to whom a department would assign the session, and why."""

    outcome: Outcome
    assigned_to: str | None = None
    decision: Decision | None = None


class ExplainResult(msgspec.Struct, frozen=True, gc=False):
    """
    Why the system chose an owner, and why it did not choose an agent.

    Attributes:
        decision: None where the system has chosen none.
        why_not: Where an agent is asked for that was not chosen.
    """

    decision: Decision | None
    why_not: WhyNot | msgspec.UnsetType = msgspec.UNSET


class EntryResult(msgspec.Struct, frozen=True, gc=False):
    """The new entry of the history."""

    entry: Entry


class HistoryResult(msgspec.Struct, frozen=True, gc=False):
    """Entries of a session's history in order of ``seq``; ``more`` says whether later ones exist."""

    entries: list[Entry]
    more: bool


class ListResult(msgspec.Struct, frozen=True, gc=False):
    """A page of sessions; ``cursor`` is the argument for the next page, None on the last."""

    sessions: list[Session]
    cursor: str | None = None


class PlaceResult(msgspec.Struct, frozen=True, gc=False):
    """The place of a session in its queue, from 1."""

    place: int


class TokenResult(msgspec.Struct, frozen=True, gc=False):
    """The new end of the connection's authorization, in ms since the epoch."""

    expires_at: int


Result: TypeAlias = (
    Empty
    | AgentResult
    | DepartmentResult
    | SettingsResult
    | DepartmentSettingsResult
    | AgentListResult
    | DepartmentListResult
    | SessionResult
    | TransferResult
    | CheckResult
    | ExplainResult
    | EntryResult
    | HistoryResult
    | ListResult
    | PlaceResult
    | TokenResult
    | WatchResult
)
