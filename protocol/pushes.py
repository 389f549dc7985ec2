"""
Every message of the router: replies to one command, and pushes.

PROTOCOL.md, Pushes, says which connection gets which push, and when.
"""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import msgspec

from relevo.protocol.commands import wire_type
from relevo.protocol.errors import Error
from relevo.protocol.objects import Agent, Author, Department, Entry, EntryKind, Role, Rule, Session, Transfer
from relevo.protocol.results import Result

MovedWhy: TypeAlias = Literal[
    "unanswered", "overdue", "overflow", "disconnected", "evacuated", "queue", "declined"
]
RemovedWhy: TypeAlias = Literal[
    "transferred",
    "declined",
    "recalled",
    "moved",
    "closed",
    "unanswered",
    "overdue",
    "overflow",
    "disconnected",
    "evacuated",
    "queue",
]
TransferState: TypeAlias = Literal["delivered", "accepted", "declined", "recalled", "moved"]


class ServerMessage(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="type"):
    """A message of the router. Decoding one ignores unknown fields, as a client does."""


class Inbox(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The sessions of an agent at its welcome, oldest first, at most 1,000 of each kind."""

    in_progress: list[Session] = []
    pending: list[Session] = []


FEATURES = ("settings", "rules")
"""The parts of the protocol that a router has; docs/PROTOCOL.md, The first message, says what each is."""


class Welcome(ServerMessage, frozen=True, gc=False, kw_only=True, tag="welcome"):
    """
    The reply to `hello`.

    ``agent`` is None for a back end. ``server`` is the router's name and version. ``features`` names the
    parts of the protocol that it has (FEATURES).
    """

    id: str
    connection_id: str
    tenant: str
    role: Role
    agent: Agent | None = None
    expires_at: int
    server_at: int
    ping_interval_ms: int
    server: str | None = None
    features: list[str] = []
    inbox: Inbox


class Reply(ServerMessage, frozen=True, gc=False, kw_only=True, tag="reply"):
    """The reply to a command: its result or an error, exactly one of them on the wire."""

    id: str | None = None
    result: Result | msgspec.UnsetType = msgspec.UNSET
    error: Error | msgspec.UnsetType = msgspec.UNSET


class Pong(ServerMessage, frozen=True, gc=False, kw_only=True, tag="pong"):
    """The reply to `ping`."""

    id: str


class SessionAssigned(ServerMessage, frozen=True, gc=False, kw_only=True, tag="session.assigned"):
    """The session is now in progress with the agent of this connection."""

    session: Session
    transfer: Transfer | None = None


class SessionPending(ServerMessage, frozen=True, gc=False, kw_only=True, tag="session.pending"):
    """The session is now in the pending list of the agent of this connection."""

    session: Session
    transfer: Transfer | None = None


class SessionRemoved(ServerMessage, frozen=True, gc=False, kw_only=True, tag="session.removed"):
    """The agent of this connection had the session and has it no more."""

    session_id: str
    fence: int
    why: RemovedWhy
    transfer: Transfer | None = None


class SessionEntry(ServerMessage, frozen=True, gc=False, kw_only=True, tag="session.entry"):
    """The history of a session that the agent owns has a new entry."""

    session_id: str
    entry: Entry


class SessionChanged(ServerMessage, frozen=True, gc=False, kw_only=True, tag="session.changed"):
    """
    A session has changed; for admins and back ends that watch, and for its agent where it was updated.

    ``why`` is the kind of the entry that tells it; left out where none does. ``epoch`` and ``seq`` are
    the position from which to resume.
    """

    session: Session
    why: EntryKind | msgspec.UnsetType = msgspec.UNSET
    epoch: str | msgspec.UnsetType = msgspec.UNSET
    seq: int | msgspec.UnsetType = msgspec.UNSET


class AgentChanged(ServerMessage, frozen=True, gc=False, kw_only=True, tag="agent.changed"):
    """The row of the agent of this connection has changed."""

    agent: Agent


class TransferUpdated(ServerMessage, frozen=True, gc=False, kw_only=True, tag="transfer.updated"):
    """A transfer that the caller made has a new state; ``why`` says why the system moved the session."""

    transfer: Transfer
    state: TransferState
    session: Session
    why: MovedWhy | msgspec.UnsetType = msgspec.UNSET


class DirectorySnapshot(ServerMessage, frozen=True, gc=False, kw_only=True, tag="directory.snapshot"):
    """
    The whole directory at the position ``(epoch, seq)``, or its part number ``part`` of ``parts``.

    ``rule`` is the tenant's, if it has one; it stands in the first part.
    """

    epoch: str
    seq: int
    part: int | msgspec.UnsetType = msgspec.UNSET
    parts: int | msgspec.UnsetType = msgspec.UNSET
    departments: list[Department] = []
    agents: list[Agent] = []
    rule: Rule | msgspec.UnsetType = msgspec.UNSET


class DirectoryPatch(ServerMessage, frozen=True, gc=False, kw_only=True, tag="directory.patch"):
    """
    The rows of the directory that changed after ``since``, up to ``seq``, and the ids of removed ones.

    ``rule`` is the tenant's, where it changed.
    """

    epoch: str
    since: int
    seq: int
    departments: list[Department] = []
    agents: list[Agent] = []
    departments_removed: list[str] = []
    agents_removed: list[str] = []
    rule: Rule | msgspec.UnsetType = msgspec.UNSET


class StatusChanged(ServerMessage, frozen=True, gc=False, kw_only=True, tag="status.changed"):
    """Another, or the system (``by`` is None), changed the status or the role of this connection's agent."""

    agent: Agent
    by: Author | None = None
    reason: str | None = None


class TokenExpiring(ServerMessage, frozen=True, gc=False, kw_only=True, tag="token.expiring"):
    """The token of this connection expires in one minute, at ``expires_at``."""

    expires_at: int


class ServerDraining(ServerMessage, frozen=True, gc=False, kw_only=True, tag="server.draining"):
    """The node stops; reconnect after ``reconnect_in_ms``."""

    reconnect_in_ms: int


Push: TypeAlias = (
    SessionAssigned
    | SessionPending
    | SessionRemoved
    | SessionEntry
    | SessionChanged
    | AgentChanged
    | TransferUpdated
    | DirectorySnapshot
    | DirectoryPatch
    | StatusChanged
    | TokenExpiring
    | ServerDraining
)

PUSHES: dict[str, type[Push]] = {wire_type(push): push for push in get_args(Push)}
