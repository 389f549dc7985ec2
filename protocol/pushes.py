"""Everything that the router sends: answers to one command, and pushes that nobody asked for."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

import msgspec

from relevo.protocol.commands import wire_type
from relevo.protocol.errors import Error
from relevo.protocol.objects import Agent, Department, Entry, Role, Session, Transfer
from relevo.protocol.results import Result

RemovedWhy: TypeAlias = Literal["transferred", "declined", "recalled", "moved", "closed"]
TransferState: TypeAlias = Literal["delivered", "accepted", "declined", "recalled", "moved"]


class ServerMessage(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag_field="type"):
    """Be a message of the router. Unknown fields are let through, as the protocol asks of clients."""


class Inbox(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Hold the sessions that an agent has as it connects."""

    in_progress: list[Session] = []
    pending: list[Session] = []


class Welcome(ServerMessage, frozen=True, gc=False, kw_only=True, tag="welcome"):
    """Answer `hello`; ``agent`` is None for a back end."""

    id: str
    connection_id: str
    tenant: str
    role: Role
    agent: Agent | None = None
    expires_at: int
    server_at: int
    ping_interval_ms: int
    inbox: Inbox


class Reply(ServerMessage, frozen=True, gc=False, kw_only=True, tag="reply"):
    """Answer a command with its result or an error, exactly one of which is on the wire."""

    id: str | None = None
    result: Result | msgspec.UnsetType = msgspec.UNSET
    error: Error | msgspec.UnsetType = msgspec.UNSET


class Pong(ServerMessage, frozen=True, gc=False, kw_only=True, tag="pong"):
    """Answer `ping`."""

    id: str


class SessionAssigned(ServerMessage, frozen=True, gc=False, kw_only=True, tag="session.assigned"):
    """Tell every connection of the agent that now has the session in progress."""

    session: Session
    transfer: Transfer | None = None


class SessionPending(ServerMessage, frozen=True, gc=False, kw_only=True, tag="session.pending"):
    """Tell every connection of the agent in whose pending list the session now is."""

    session: Session
    transfer: Transfer | None = None


class SessionRemoved(ServerMessage, frozen=True, gc=False, kw_only=True, tag="session.removed"):
    """Tell every connection of an agent that had the session and has it no more."""

    session_id: str
    fence: int
    why: RemovedWhy
    transfer: Transfer | None = None


class SessionEntry(ServerMessage, frozen=True, gc=False, kw_only=True, tag="session.entry"):
    """Tell the owner's connections of a new line in the session's history."""

    session_id: str
    entry: Entry


class SessionChanged(ServerMessage, frozen=True, gc=False, kw_only=True, tag="session.changed"):
    """Tell the admins who watch that a session has changed."""

    session: Session


class TransferUpdated(ServerMessage, frozen=True, gc=False, kw_only=True, tag="transfer.updated"):
    """Tell who made the transfer what has become of it."""

    transfer: Transfer
    state: TransferState
    session: Session


class DirectorySnapshot(ServerMessage, frozen=True, gc=False, kw_only=True, tag="directory.snapshot"):
    """Give a subscriber the whole directory as of ``seq``."""

    epoch: str
    seq: int
    departments: list[Department] = []
    agents: list[Agent] = []


class DirectoryPatch(ServerMessage, frozen=True, gc=False, kw_only=True, tag="directory.patch"):
    """Give a subscriber that is at ``since`` the whole rows that changed up to ``seq``."""

    epoch: str
    since: int
    seq: int
    departments: list[Department] = []
    agents: list[Agent] = []
    departments_removed: list[str] = []
    agents_removed: list[str] = []


class TokenExpiring(ServerMessage, frozen=True, gc=False, kw_only=True, tag="token.expiring"):
    """Tell a connection, one minute before, that its token expires."""

    expires_at: int


class ServerDraining(ServerMessage, frozen=True, gc=False, kw_only=True, tag="server.draining"):
    """Tell a connection to come back, to another node, after ``reconnect_in_ms``."""

    reconnect_in_ms: int


Push: TypeAlias = (
    SessionAssigned
    | SessionPending
    | SessionRemoved
    | SessionEntry
    | SessionChanged
    | TransferUpdated
    | DirectorySnapshot
    | DirectoryPatch
    | TokenExpiring
    | ServerDraining
)

PUSHES: dict[str, type[Push]] = {wire_type(push): push for push in get_args(Push)}
