"""
Every command that a client sends.

Commands come from outside, so their types carry the bounds, and a field that does not fit is a `bad_message`.
``result`` is the type of the reply's result. PROTOCOL.md, Commands, has them for client authors.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, TypeAlias, get_args

import msgspec
from msgspec import Meta

from relevo.protocol.bounds import (
    DEPARTMENTS_MAX,
    Attributes,
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
    StatusText,
    Token,
    require_attributes,
    require_visible,
)
from relevo.protocol.objects import AgentRole, Customer, SessionSort, SessionState, Status
from relevo.protocol.results import (
    AgentListResult,
    AgentResult,
    CheckResult,
    DepartmentListResult,
    DepartmentResult,
    DepartmentSettingsResult,
    Empty,
    EntryResult,
    ExplainResult,
    HistoryResult,
    ListResult,
    PlaceResult,
    Result,
    SessionResult,
    SettingsResult,
    TokenResult,
    TransferResult,
    WatchResult,
)
from relevo.protocol.settings import DepartmentSettings, Target, TenantSettings

# Objects within commands. They forbid unknown fields, as commands do.


class CustomerProfile(Customer, frozen=True, gc=False, forbid_unknown_fields=True):
    """The customer of a new session."""

    id: Id
    name: Name

    def __post_init__(self) -> None:
        require_visible("name", self.name)


class Resume(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """A subscriber's position in the tenant's events (PROTOCOL.md, The directory)."""

    epoch: Epoch
    seq: Count


class AgentProfile(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """The fields of an agent that a back end or an admin writes; the directory's row has more."""

    id: Id
    name: Name
    role: AgentRole
    departments: Annotated[list[Id], Meta(max_length=DEPARTMENTS_MAX, description="No id twice.")]
    capacity: Count

    def __post_init__(self) -> None:
        require_visible("name", self.name)
        if len(set(self.departments)) < len(self.departments):
            raise FieldError("departments", "Expected each department once")


class DepartmentProfile(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """The fields of a department that a back end or an admin writes."""

    id: Id
    name: Name
    settings: DepartmentSettings | None = None

    def __post_init__(self) -> None:
        require_visible("name", self.name)


# Commands. `result` is the type of the reply's result, None where the reply is of another type or missing.


class Mutation(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    """A command that changes stored data: it takes an idempotency key (PROTOCOL.md, Idempotency keys)."""

    result: ClassVar[type[Result] | None] = Empty
    checked: ClassVar[type[Result] | None] = None
    """The result of a command that takes `check`, where it is only checked."""
    id: CommandId
    key: Key | None = None


class Query(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    """A command that changes no session, agent or department: it takes no key."""

    result: ClassVar[type[Result] | None] = Empty
    id: CommandId


class Hello(Query, frozen=True, gc=False, kw_only=True, tag="hello"):
    """Authenticate the connection; the first message of a client."""

    result = None
    # A token that is missing is `unauthorized`, as a wrong one is, and that is not for the codec to say.
    token: Token = ""
    client: ClientName | None = None


class Ping(Query, frozen=True, gc=False, kw_only=True, tag="ping"):
    """Request a `pong`: the heartbeat of a client that cannot see websocket pings."""

    result = None


class TokenRefresh(Query, frozen=True, gc=False, kw_only=True, tag="token.refresh"):
    """Replace the connection's token by a newer one of the same `sub`, `tenant` and `role`."""

    result = TokenResult
    token: Token = ""


class StatusSet(Mutation, frozen=True, gc=False, kw_only=True, tag="status.set"):
    """Set the caller's status; an admin may set another agent's. Nothing happens by itself at `until_at`."""

    result = AgentResult
    status: Status
    agent_id: Id | None = None
    reason: StatusText | None = None
    until_at: Count | None = None


class DirectorySubscribe(Query, frozen=True, gc=False, kw_only=True, tag="directory.subscribe"):
    """Subscribe to the directory: its snapshot, or a patch from `resume` on, then every change."""

    resume: Resume | None = None


class DirectoryUnsubscribe(Query, frozen=True, gc=False, kw_only=True, tag="directory.unsubscribe"):
    """End the subscription to the directory."""


class SessionOpen(Mutation, frozen=True, gc=False, kw_only=True, tag="session.open"):
    """
    Open a session and place it; an admin that leaves `target` out has it in progress.

    With `check` it only says what would happen, and uses up no key.
    """

    result = SessionResult
    checked = CheckResult
    session_id: Id
    customer: CustomerProfile
    target: Target | None = None
    attributes: Attributes | None = None
    reopen: bool | None = None
    check: bool | None = None

    def __post_init__(self) -> None:
        require_attributes("attributes", self.attributes)


class SessionUpdate(Mutation, frozen=True, gc=False, kw_only=True, tag="session.update"):
    """Replace what is kept with a session: `attributes` as a whole, if they are given."""

    result = SessionResult
    session_id: Id
    attributes: Attributes | None = None

    def __post_init__(self) -> None:
        require_attributes("attributes", self.attributes)


class SessionTransfer(Mutation, frozen=True, gc=False, kw_only=True, tag="session.transfer"):
    """
    Give a session to an agent or a department.

    With `check` it only says what would happen, and uses up no key. With `force`, of admins and
    back ends, it is in progress with an agent that is connected, whatever its status and capacity.
    """

    result = TransferResult
    checked = CheckResult
    session_id: Id
    target: Target
    reason: Reason | None = None
    fence: Count | None = None
    check: bool | None = None
    force: bool | None = None


class SessionAnswer(Mutation, frozen=True, gc=False, kw_only=True, tag="session.answer"):
    """Say that a person has opened a session in progress; the first time is its answer."""

    result = SessionResult
    session_id: Id
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
    """
    Read a page of sessions, those longest in their present state first.

    With `mine` those that the caller had in progress before. `sort` `-age` turns the order round.
    """

    result = ListResult
    state: SessionState | None = None
    agent_id: Id | None = None
    department_id: Id | None = None
    customer_id: Id | None = None
    mine: bool | None = None
    closed_from_at: Count | None = None
    closed_to_at: Count | None = None
    sort: SessionSort | None = None
    cursor: Cursor | None = None
    limit: Limit | None = None


class SessionPlace(Query, frozen=True, gc=False, kw_only=True, tag="session.place"):
    """Read the place of a queued session in its department's queue."""

    result = PlaceResult
    session_id: Id


class SessionExplain(Query, frozen=True, gc=False, kw_only=True, tag="session.explain"):
    """
    Ask why the system chose an owner of a session: the last one, or that of the entry `seq`.

    With `agent_id` also why it did not choose that agent.
    """

    result = ExplainResult
    session_id: Id
    seq: Count | None = None
    agent_id: Id | None = None


class SessionWatch(Query, frozen=True, gc=False, kw_only=True, tag="session.watch"):
    """Subscribe to `session.changed` for every session of the tenant, from `resume` on if it is given."""

    result = WatchResult
    resume: Resume | None = None


class SessionUnwatch(Query, frozen=True, gc=False, kw_only=True, tag="session.unwatch"):
    """End the subscription to `session.changed`."""


class SessionAck(Query, frozen=True, gc=False, kw_only=True, tag="session.ack"):
    """Acknowledge a `session.assigned`; the one command with no reply."""

    result = None
    id: CommandId | None = None  # type: ignore[assignment]
    session_id: Id
    fence: Count


class SettingsGet(Query, frozen=True, gc=False, kw_only=True, tag="settings.get"):
    """Read the tenant's settings."""

    result = SettingsResult


class SettingsPut(Mutation, frozen=True, gc=False, kw_only=True, tag="settings.put"):
    """Change the tenant's settings: those that `settings` names; null puts one back to its default."""

    result = SettingsResult
    settings: TenantSettings


class AgentPut(Mutation, frozen=True, gc=False, kw_only=True, tag="agent.put"):
    """Create or change an agent."""

    result = AgentResult
    agent: AgentProfile


class AgentRemove(Mutation, frozen=True, gc=False, kw_only=True, tag="agent.remove"):
    """Remove an agent that has no sessions, and close its connections."""

    agent_id: Id


class AgentGet(Query, frozen=True, gc=False, kw_only=True, tag="agent.get"):
    """Read one agent."""

    result = AgentResult
    agent_id: Id


class AgentList(Query, frozen=True, gc=False, kw_only=True, tag="agent.list"):
    """Read a page of agents."""

    result = AgentListResult
    cursor: Cursor | None = None
    limit: Limit | None = None


class DepartmentPut(Mutation, frozen=True, gc=False, kw_only=True, tag="department.put"):
    """Create or rename a department, and change the settings that `settings` names."""

    result = DepartmentResult
    department: DepartmentProfile


class DepartmentRemove(Mutation, frozen=True, gc=False, kw_only=True, tag="department.remove"):
    """Remove a department in which no session waits."""

    department_id: Id


class DepartmentGet(Query, frozen=True, gc=False, kw_only=True, tag="department.get"):
    """Read one department, its own settings, and those that hold in it."""

    result = DepartmentSettingsResult
    department_id: Id


class DepartmentList(Query, frozen=True, gc=False, kw_only=True, tag="department.list"):
    """Read a page of departments."""

    result = DepartmentListResult
    cursor: Cursor | None = None
    limit: Limit | None = None


Command: TypeAlias = (
    Hello
    | Ping
    | TokenRefresh
    | StatusSet
    | DirectorySubscribe
    | DirectoryUnsubscribe
    | SessionOpen
    | SessionUpdate
    | SessionTransfer
    | SessionAnswer
    | SessionAccept
    | SessionDecline
    | SessionRecall
    | SessionNote
    | SessionClose
    | SessionGet
    | SessionHistory
    | SessionList
    | SessionExplain
    | SessionPlace
    | SessionWatch
    | SessionUnwatch
    | SessionAck
    | SettingsGet
    | SettingsPut
    | AgentPut
    | AgentGet
    | AgentList
    | AgentRemove
    | DepartmentPut
    | DepartmentGet
    | DepartmentList
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
