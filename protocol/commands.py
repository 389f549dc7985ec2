"""
Every command that a client may send, and the result of each.

Commands come from outside, so their types hold the bounds: the codec refuses what does not fit.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias, get_args

import msgspec
from msgspec import Meta

from relevo.protocol.bounds import (
    DEPARTMENTS_MAX,
    ClientName,
    CommandId,
    Count,
    Cursor,
    Epoch,
    FieldError,
    Id,
    Key,
    Limit,
    Name,
    NoteText,
    Reason,
    Token,
)
from relevo.protocol.objects import AgentRole, Customer, PlaceKind, SessionState, Status
from relevo.protocol.results import (
    AgentResult,
    DepartmentResult,
    Empty,
    EntryResult,
    HistoryResult,
    ListResult,
    PlaceResult,
    Result,
    SessionResult,
    TokenResult,
    TransferResult,
)

# What a command holds besides plain fields. These forbid unknown fields, as commands do.


class Target(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Point at the agent or the department that is to get a session."""

    kind: PlaceKind
    id: Id


class CustomerProfile(Customer, frozen=True, gc=False, forbid_unknown_fields=True):
    """Name the customer of a new session."""

    id: Id
    name: Name


class Resume(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """Name the position up to which a subscriber knows the directory."""

    epoch: Epoch
    seq: Count


class AgentProfile(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Hold what is written of an agent, as opposed to what is observed."""

    id: Id
    name: Name
    role: AgentRole
    departments: Annotated[list[Id], Meta(max_length=DEPARTMENTS_MAX, description="No id twice.")]
    capacity: Count

    def __post_init__(self) -> None:
        if len(set(self.departments)) < len(self.departments):
            raise FieldError("departments", "Expected each department once")


class DepartmentProfile(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Hold what is written of a department."""

    id: Id
    name: Name


# Commands. `result` is what the reply holds; None where another type of message answers, or none does.


class Mutation(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    """Be a command that changes something, and so may carry an idempotency key."""

    result: ClassVar[type[Result] | None] = Empty
    id: CommandId
    key: Key | None = None


class Query(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    """Be a command that changes nothing in the store's sessions, agents and departments."""

    result: ClassVar[type[Result] | None] = Empty
    id: CommandId


class Hello(Query, frozen=True, gc=False, kw_only=True, tag="hello"):
    """Say who connects; the first message of every connection."""

    result = None
    # A token that is missing is `unauthorized`, as a wrong one is, and that is not for the codec to say.
    token: Token = ""
    client: ClientName | None = None


class Ping(Query, frozen=True, gc=False, kw_only=True, tag="ping"):
    """Ask for a `pong`, for clients that cannot see websocket pings."""

    result = None


class TokenRefresh(Query, frozen=True, gc=False, kw_only=True, tag="token.refresh"):
    """Extend the connection's authorization by a new token of the same `sub` and `tenant`."""

    result = TokenResult
    token: Token = ""


class StatusSet(Mutation, frozen=True, gc=False, kw_only=True, tag="status.set"):
    """Choose one's status; an admin may choose another agent's."""

    result = AgentResult
    status: Status
    agent_id: Id | None = None


class DirectorySubscribe(Query, frozen=True, gc=False, kw_only=True, tag="directory.subscribe"):
    """Ask for the directory and for every change of it, from `resume` on where that is still kept."""

    resume: Resume | None = None


class DirectoryUnsubscribe(Query, frozen=True, gc=False, kw_only=True, tag="directory.unsubscribe"):
    """Ask for no more changes of the directory."""


class SessionOpen(Mutation, frozen=True, gc=False, kw_only=True, tag="session.open"):
    """Open a session and place it; an admin that leaves `target` out has it in progress."""

    result = SessionResult
    session_id: Id
    customer: CustomerProfile
    target: Target | None = None


class SessionTransfer(Mutation, frozen=True, gc=False, kw_only=True, tag="session.transfer"):
    """Give a session to an agent or a department."""

    result = TransferResult
    session_id: Id
    target: Target
    reason: Reason | None = None
    fence: Count | None = None


class SessionAccept(Mutation, frozen=True, gc=False, kw_only=True, tag="session.accept"):
    """Take a pending or queued session into progress."""

    result = SessionResult
    session_id: Id
    fence: Count | None = None


class SessionDecline(Mutation, frozen=True, gc=False, kw_only=True, tag="session.decline"):
    """Give a pending session back."""

    result = SessionResult
    session_id: Id
    reason: Reason | None = None


class SessionRecall(Mutation, frozen=True, gc=False, kw_only=True, tag="session.recall"):
    """Take back a transfer that is still pending or queued."""

    result = SessionResult
    session_id: Id


class SessionNote(Mutation, frozen=True, gc=False, kw_only=True, tag="session.note"):
    """Write an internal entry into a session's history."""

    result = EntryResult
    session_id: Id
    text: NoteText


class SessionClose(Mutation, frozen=True, gc=False, kw_only=True, tag="session.close"):
    """End a session."""

    result = SessionResult
    session_id: Id
    fence: Count | None = None


class SessionGet(Query, frozen=True, gc=False, kw_only=True, tag="session.get"):
    """Read one session."""

    result = SessionResult
    session_id: Id


class SessionHistory(Query, frozen=True, gc=False, kw_only=True, tag="session.history"):
    """Read a session's history, from the entry after `after` on."""

    result = HistoryResult
    session_id: Id
    after: Count | None = None
    limit: Limit | None = None


class SessionList(Query, frozen=True, gc=False, kw_only=True, tag="session.list"):
    """Read a page of sessions, those longest in their present state first."""

    result = ListResult
    state: SessionState | None = None
    agent_id: Id | None = None
    department_id: Id | None = None
    cursor: Cursor | None = None
    limit: Limit | None = None


class SessionPlace(Query, frozen=True, gc=False, kw_only=True, tag="session.place"):
    """Ask where a queued session stands in its department's queue."""

    result = PlaceResult
    session_id: Id


class SessionWatch(Query, frozen=True, gc=False, kw_only=True, tag="session.watch"):
    """Ask for a `session.changed` of every session of the tenant that changes."""


class SessionUnwatch(Query, frozen=True, gc=False, kw_only=True, tag="session.unwatch"):
    """Ask for no more `session.changed`."""


class SessionAck(Query, frozen=True, gc=False, kw_only=True, tag="session.ack"):
    """Acknowledge a `session.assigned`; the one command with no reply."""

    result = None
    id: CommandId | None = None  # type: ignore[assignment]
    session_id: Id
    fence: Count


class AgentPut(Mutation, frozen=True, gc=False, kw_only=True, tag="agent.put"):
    """Create or change an agent."""

    result = AgentResult
    agent: AgentProfile


class AgentRemove(Mutation, frozen=True, gc=False, kw_only=True, tag="agent.remove"):
    """Remove an agent that has no sessions, and close its connections."""

    agent_id: Id


class DepartmentPut(Mutation, frozen=True, gc=False, kw_only=True, tag="department.put"):
    """Create or rename a department."""

    result = DepartmentResult
    department: DepartmentProfile


class DepartmentRemove(Mutation, frozen=True, gc=False, kw_only=True, tag="department.remove"):
    """Remove a department in which no session waits."""

    department_id: Id


Command: TypeAlias = (
    Hello
    | Ping
    | TokenRefresh
    | StatusSet
    | DirectorySubscribe
    | DirectoryUnsubscribe
    | SessionOpen
    | SessionTransfer
    | SessionAccept
    | SessionDecline
    | SessionRecall
    | SessionNote
    | SessionClose
    | SessionGet
    | SessionHistory
    | SessionList
    | SessionPlace
    | SessionWatch
    | SessionUnwatch
    | SessionAck
    | AgentPut
    | AgentRemove
    | DepartmentPut
    | DepartmentRemove
)


def wire_type(message: type[msgspec.Struct] | msgspec.Struct) -> str:
    """Return the `type` that a command or a server message carries on the wire."""
    return str(message.__struct_config__.tag)


COMMANDS: dict[str, type[Command]] = {wire_type(command): command for command in get_args(Command)}
MUTATING: frozenset[str] = frozenset(
    name for name, command in COMMANDS.items() if issubclass(command, Mutation)
)

_WEBSOCKET_ONLY = (
    Hello,
    Ping,
    TokenRefresh,
    DirectorySubscribe,
    DirectoryUnsubscribe,
    SessionWatch,
    SessionUnwatch,
    SessionAck,
)
HTTP_COMMANDS: dict[str, type[Command]] = {
    name: command for name, command in COMMANDS.items() if command not in _WEBSOCKET_ONLY
}
"""The commands that HTTP carries too; each of the others concerns one connection (PROTOCOL.md, HTTP)."""
