"""One example of every message and error: Ana transfers a session to the department Sales, Bruno gets it."""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from relevo.protocol.commands import (
    AgentGet,
    AgentList,
    AgentProfile,
    AgentPut,
    AgentRemove,
    Command,
    CustomerProfile,
    DepartmentGet,
    DepartmentList,
    DepartmentProfile,
    DepartmentPut,
    DepartmentRemove,
    DirectorySubscribe,
    DirectoryUnsubscribe,
    Hello,
    Ping,
    Resume,
    SessionAccept,
    SessionAck,
    SessionAnswer,
    SessionClose,
    SessionDecline,
    SessionExplain,
    SessionGet,
    SessionHistory,
    SessionList,
    SessionNote,
    SessionOpen,
    SessionPlace,
    SessionRecall,
    SessionTransfer,
    SessionUnwatch,
    SessionUpdate,
    SessionWatch,
    SettingsGet,
    SettingsPut,
    StatusSet,
    TokenRefresh,
)
from relevo.protocol.errors import Error, ErrorCode
from relevo.protocol.objects import (
    Actor,
    Agent,
    Author,
    Candidate,
    Customer,
    Decision,
    Department,
    Entry,
    LeftOut,
    Owner,
    Party,
    Session,
    Transfer,
)
from relevo.protocol.pushes import (
    FEATURES,
    AgentChanged,
    DirectoryPatch,
    DirectorySnapshot,
    Inbox,
    Pong,
    Push,
    ServerDraining,
    SessionAssigned,
    SessionChanged,
    SessionEntry,
    SessionPending,
    SessionRemoved,
    StatusChanged,
    TokenExpiring,
    TransferUpdated,
    Welcome,
)
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
from relevo.protocol.settings import (
    DepartmentSettings,
    Hours,
    Overflow,
    RuleProfile,
    Target,
    TenantSettings,
    Week,
    with_defaults,
)

_AT = 1_760_000_000_000
_EPOCH = "01jb2x7q"
_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbmEifQ.c2lnbmF0dXJl"
_REASON = "Wants the yearly plan"

_ana = Actor("ana", "Ana Souza", "agent")
_bruno = Agent(
    id="bruno",
    name="Bruno Lima",
    role="agent",
    departments=["sales"],
    status="connected",
    status_since_at=_AT - 60_000,
    load=1,
    capacity=10,
    pending=0,
    available=True,
    answered_at=_AT - 90_000,
    status_reason="back",
    missed=1,
    status_until_at=_AT + 900_000,
    status_by=Author("bruno", "Bruno Lima"),
)
_sales = Department(id="sales", name="Sales", agents=4, available=2, queued=0)
_rule = RuleProfile(departments=["sales", "support"], agents="members", reason="required")
_ruled = replace(_sales, rule=_rule)
_settings = {"answer_ms": 45_000, "rule": msgspec.to_builtins(_rule)}
_transfer = Transfer(
    id="t-41",
    session_id="s-1042",
    from_=Party("agent", "ana", "Ana Souza"),
    to=Party("department", "sales", "Sales"),
    by=_ana,
    reason=_REASON,
    outcome="assigned",
    assigned_to="bruno",
    at=_AT,
)
_attributes: dict[str, str | int | float | bool] = {
    "channel": "web",
    "language": "es",
    "vip": True,
    "orders": 12,
}
_decision = Decision(
    by="department",
    members=4,
    available=2,
    left_out=LeftOut(owner=0, tried=0, needs=0, capacity=1, status=1),
    chosen=Candidate(id="bruno", load=1, capacity=10, idle_ms=90_000),
    next=Candidate(id="dora", load=2, capacity=10),
    tie="load",
)
_session = Session(
    id="s-1042",
    customer=Customer("c-7", "Carla Gómez"),
    state="in_progress",
    owner=Owner("agent", "bruno"),
    fence=2,
    hops=1,
    opened_at=_AT - 300_000,
    updated_at=_AT,
    transfer=_transfer,
    department="sales",
    answered_at=_AT + 4_000,
    attributes=_attributes,
)
_entry = Entry(seq=3, kind="internal", at=_AT, by=_ana, text=_REASON)

COMMAND_EXAMPLES: tuple[Command, ...] = (
    Hello(id="1", token=_TOKEN, client="relevo-js/1.0"),
    Ping(id="2"),
    TokenRefresh(id="3", token=_TOKEN),
    StatusSet(id="4", key="k-4", status="pre_pause", reason="lunch", until_at=_AT + 1_800_000),
    DirectorySubscribe(id="5", resume=Resume(_EPOCH, 880)),
    DirectoryUnsubscribe(id="6"),
    SessionOpen(
        id="7",
        key="k-7",
        session_id="s-1042",
        customer=CustomerProfile("c-7", "Carla Gómez"),
        target=Target("department", "support"),
        reopen=False,
    ),
    SessionTransfer(
        id="8", key="k-8", session_id="s-1042", target=Target("department", "sales"), reason=_REASON, fence=1
    ),
    SessionAnswer(id="25", key="k-25", session_id="s-1042", fence=2),
    SessionAccept(id="9", key="k-9", session_id="s-1042", fence=2),
    SessionDecline(id="10", key="k-10", session_id="s-1042", reason="Not my product"),
    SessionRecall(id="11", key="k-11", session_id="s-1042"),
    SessionNote(id="12", key="k-12", session_id="s-1042", text="Asked for an invoice"),
    SessionClose(id="13", key="k-13", session_id="s-1042", fence=2),
    SessionGet(id="14", session_id="s-1042"),
    SessionHistory(id="15", session_id="s-1042", after=2, limit=50),
    SessionList(id="16", state="queued", department_id="sales", limit=50),
    SessionPlace(id="24", session_id="s-1042"),
    SessionExplain(id="32", session_id="s-1042", agent_id="carla"),
    SessionUpdate(id="31", key="k-31", session_id="s-1042", attributes=_attributes),
    SessionWatch(id="17", resume=Resume(_EPOCH, 880)),
    SessionUnwatch(id="18"),
    SessionAck(session_id="s-1042", fence=2),
    AgentPut(
        id="20",
        key="k-20",
        agent=AgentProfile(id="bruno", name="Bruno Lima", role="agent", departments=["sales"], capacity=10),
    ),
    AgentRemove(id="21", key="k-21", agent_id="bruno"),
    DepartmentPut(
        id="22",
        key="k-22",
        department=DepartmentProfile(
            id="sales", name="Sales", settings=DepartmentSettings(answer_ms=45_000, rule=_rule)
        ),
    ),
    DepartmentRemove(id="23", key="k-23", department_id="sales"),
    SettingsGet(id="25"),
    SettingsPut(
        id="26",
        key="k-26",
        settings=TenantSettings(
            pending_ms=600_000,
            alarm_ms=None,
            overflow=Overflow(on=["closed"], to=Target("department", "support")),
            hours=Hours(
                zone="Europe/Lisbon",
                week=Week(mon=[("09:00", "12:30"), ("13:30", "18:00")]),
                days={"2026-12-25": []},
            ),
        ),
    ),
    AgentGet(id="27", agent_id="bruno"),
    AgentList(id="28", limit=100),
    DepartmentGet(id="29", department_id="sales"),
    DepartmentList(id="30", cursor="0-9c1185a5c5e9fc54", limit=100),
)

RESULT_EXAMPLES: tuple[Result, ...] = (
    Empty(),
    AgentResult(_bruno),
    DepartmentResult(_ruled),
    SettingsResult(with_defaults(TenantSettings, {"pending_ms": 600_000})),
    DepartmentSettingsResult(_ruled, _settings, with_defaults(DepartmentSettings, _settings)),
    AgentListResult([_bruno], cursor=None),
    DepartmentListResult([_ruled], cursor="0-9c1185a5c5e9fc54"),
    SessionResult(_session),
    TransferResult(_session, _transfer),
    CheckResult("assigned", assigned_to="bruno", decision=_decision),
    ExplainResult(_decision, why_not="status"),
    EntryResult(_entry),
    HistoryResult([_entry], more=False),
    ListResult([_session], cursor=None),
    PlaceResult(3),
    TokenResult(_AT + 3_600_000),
    WatchResult(True),
)

ERROR_EXAMPLES: tuple[Error, ...] = (
    Error.of(ErrorCode.BAD_MESSAGE, "Expected one of `agent`, `department`", path="$.target.kind"),
    Error.of(ErrorCode.UNAUTHORIZED, "the token is expired"),
    Error.of(ErrorCode.FORBIDDEN),
    Error.of(ErrorCode.NOT_FOUND, session_id="s-1042"),
    Error.of(
        ErrorCode.CONFLICT,
        fence=2,
        state="in_progress",
        owner={"kind": "agent", "id": "bruno"},
        by={"id": "ana", "name": "Ana Souza", "role": "agent"},
        at=_AT,
    ),
    Error.of(ErrorCode.CLOSED),
    Error.of(ErrorCode.SAME_TARGET),
    Error.of(ErrorCode.AT_CAPACITY, load=10, capacity=10),
    Error.of(ErrorCode.IN_USE, in_progress=1, pending=3),
    Error.of(ErrorCode.EXISTS, session=msgspec.to_builtins(_session)),
    Error.of(
        ErrorCode.NOT_ALLOWED,
        because="status",
        department="sales",
        alternatives=[{"kind": "agent", "id": "bruno", "name": "Bruno Lima"}],
    ),
    Error.of(ErrorCode.NO_ORIGIN, owner={"kind": "agent", "id": "bruno"}),
    Error.of(ErrorCode.KEY_REUSED),
    Error.of(ErrorCode.RATE_LIMITED, limit="agent", retry_in_ms=250),
    Error.of(ErrorCode.UNAVAILABLE, reason="the store did not answer in time"),
    Error.of(ErrorCode.INTERNAL, incident="5f0c1d9a7b32"),
)

WELCOME_EXAMPLE = Welcome(
    id="1",
    connection_id="n1-88",
    tenant="acme",
    role="agent",
    agent=_bruno,
    expires_at=_AT + 3_600_000,
    server_at=_AT,
    ping_interval_ms=20_000,
    server="relevo/0.1.0",
    features=list(FEATURES),
    inbox=Inbox(in_progress=[_session], pending=[]),
)

PONG_EXAMPLE = Pong(id="2")

PUSH_EXAMPLES: tuple[Push, ...] = (
    SessionAssigned(session=_session, transfer=_transfer),
    SessionPending(session=_session, transfer=_transfer),
    SessionRemoved(session_id="s-1042", fence=2, why="transferred", transfer=_transfer),
    SessionEntry(session_id="s-1042", entry=_entry),
    SessionChanged(session=_session, why="transferred", epoch=_EPOCH, seq=881),
    AgentChanged(agent=_bruno),
    TransferUpdated(transfer=_transfer, state="delivered", session=_session),
    StatusChanged(agent=_bruno, by=Author("ana", "Ana Souza"), reason="training"),
    DirectorySnapshot(epoch=_EPOCH, seq=881, departments=[_ruled], agents=[_bruno], rule=_rule),
    DirectoryPatch(epoch=_EPOCH, since=880, seq=881, departments=[_ruled], agents=[_bruno], rule=_rule),
    TokenExpiring(expires_at=_AT + 60_000),
    ServerDraining(reconnect_in_ms=2_400),
)
