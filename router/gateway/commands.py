"""
The one table of commands: allowed roles, store command, result. Websocket and HTTP both go through it.

Roles are checked here as far as a token says them. What the directory says of an agent's role, and whether a
session is the caller's, the store command checks, because only there it cannot change before the write.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import structlog

from relevo.protocol.bounds import LIMIT_DEFAULT
from relevo.protocol.codec import fingerprint
from relevo.protocol.commands import (
    AgentGet,
    AgentList,
    AgentPut,
    AgentRemove,
    Command,
    DepartmentGet,
    DepartmentList,
    DepartmentPut,
    DepartmentRemove,
    Mutation,
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
    SessionUpdate,
    SettingsGet,
    SettingsPut,
    StatusSet,
)
from relevo.protocol.errors import Error, ErrorCode
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
    TransferResult,
)
from relevo.protocol.settings import (
    DepartmentSettings,
    Hours,
    TenantSettings,
    parties_of,
    with_defaults,
)
from relevo.router.auth.principal import Principal
from relevo.router.gateway.costs import CHARGED_ROWS, weight
from relevo.router.gateway.roles import AGENTS, ALL, BACK_ENDS
from relevo.router.observe.incidents import incident
from relevo.router.store import answers
from relevo.router.store.client.errors import StoreDefectError, StoreUnavailableError
from relevo.router.store.commands import Caller, CommandRejectedError, StoreCommands

log = structlog.get_logger(__name__)


LIST_STEP_ROWS = 100
"""Sessions that one store command lists; a longer page takes several."""

_PAGE_CURSOR = re.compile(r"([0-9]{1,20})-[0-9a-f]{0,16}")


class CommandError(Exception):
    """A command was rejected, or its outcome is unknown (`unavailable`, `internal`)."""

    def __init__(self, error: Error) -> None:
        super().__init__(error.message)
        self.error = error


def rejection(code: ErrorCode, message: str | None = None, **details: Any) -> CommandError:
    """Return the exception that answers a command with an error."""
    return CommandError(Error.of(code, message, **details))


@dataclass(frozen=True, slots=True)
class Rule:
    """
    How one command is carried out.

    Attributes:
        roles: The roles that may send it.
        store_command: The Lua script that decides (store/lua/commands).
        shape: What the script answers.
        result: Converts that to the protocol's result.
        request: Returns the script's fields; by default the command's own. Raises CommandError.
    """

    roles: frozenset[str]
    store_command: str
    shape: type[Any]
    result: Callable[[Any], Result]
    request: Callable[[Principal, Any], dict[str, Any]] | None = None


def _status_request(principal: Principal, command: StatusSet) -> dict[str, Any]:
    agent_id = command.agent_id if command.agent_id is not None else principal.sub
    if agent_id == principal.sub and command.status == "disconnected":
        raise rejection(ErrorCode.FORBIDDEN, "only an admin sets `disconnected`, and only for another agent")
    return _fields(command) | {"agent_id": agent_id}


def _open_request(principal: Principal, command: SessionOpen) -> dict[str, Any]:
    if command.target is None and principal.role == "service":
        raise rejection(ErrorCode.FORBIDDEN, "only an admin may leave `target` out")
    return _with_attributes(principal, command)


def _with_attributes(_: Principal, command: SessionOpen | SessionUpdate) -> dict[str, Any]:
    request = _fields(command)
    if command.attributes is not None:
        request["attributes"] = answers.packed(command.attributes) if command.attributes else False
    return request


def _with_reason(_: Principal, command: SessionTransfer | SessionDecline) -> dict[str, Any]:
    request = _fields(command)
    if command.reason == "":
        del request["reason"]
    return request


def _history_request(_: Principal, command: SessionHistory) -> dict[str, Any]:
    return {
        "session_id": command.session_id,
        "after": command.after or 0,
        "limit": command.limit or LIMIT_DEFAULT,
    }


def _list_request(_: Principal, command: SessionList) -> dict[str, Any]:
    request = _fields(command)
    cursor = request.pop("cursor", "0")
    if request.pop("sort", "age") == "-age":
        request["newest"] = True
    if not cursor.isascii() or not cursor.isdigit() or len(cursor) > 16:
        raise rejection(ErrorCode.BAD_MESSAGE, "Expected a cursor of the previous page", path="$.cursor")
    request["after"] = int(cursor)
    request["limit"] = command.limit or LIMIT_DEFAULT
    return request


def _settings_request(_: Principal, command: SettingsPut) -> dict[str, Any]:
    return _settings_fields(command.settings, "$.settings")


def _department_request(_: Principal, command: DepartmentPut) -> dict[str, Any]:
    put = command.department
    request: dict[str, Any] = {"department": {"id": put.id, "name": put.name}}
    if put.settings is not None:
        request |= _settings_fields(put.settings, "$.department.settings")
    return request


def _settings_fields(settings: DepartmentSettings, path: str) -> dict[str, Any]:
    """Return the settings that a command names, as the store takes them; raises CommandError."""
    if isinstance(settings.hours, Hours) and not _is_zone(settings.hours.zone):
        text = "Expected a time zone's name, as in `Europe/Lisbon`"
        raise rejection(ErrorCode.BAD_MESSAGE, text, path=f"{path}.hours.zone")
    given = ((name, getattr(settings, name)) for name in settings.__struct_fields__)
    return {
        "settings": {
            name: answers.packed(value) if value is not None else False
            for name, value in given
            if value is not msgspec.UNSET
        },
        "parties": list(parties_of(settings)),
    }


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):  # No name at all, a folder's, an unknown one.
        return False
    return True


def _page_request(principal: Principal, command: AgentList | DepartmentList) -> dict[str, Any]:
    cursor = _PAGE_CURSOR.fullmatch(command.cursor or "0-")
    if cursor is None or int(cursor[1]) >= 2**64:
        raise rejection(ErrorCode.BAD_MESSAGE, "Expected a cursor of the previous page", path="$.cursor")
    return {
        "list": "agents" if isinstance(command, AgentList) else "departments",
        "cursor": cursor[0],
        "limit": command.limit or LIMIT_DEFAULT,
    }


def _fields(command: Command) -> dict[str, Any]:
    names = _FIELDS[type(command)]
    return {name: value for name in names if (value := getattr(command, name)) is not None}


def _agent(reply: answers.AgentReply) -> AgentResult:
    return AgentResult(answers.agent(reply.agent))


def _department(reply: answers.DepartmentReply) -> DepartmentResult:
    return DepartmentResult(answers.department(reply.department))


def _settings(reply: answers.SettingsReply) -> SettingsResult:
    return SettingsResult(with_defaults(TenantSettings, answers.settings_of(reply.settings)))


def _department_settings(reply: answers.DepartmentSettingsReply) -> DepartmentSettingsResult:
    return DepartmentSettingsResult(
        answers.department(reply.department),
        answers.settings_of(reply.settings),
        with_defaults(DepartmentSettings, answers.settings_of(reply.effective)),
    )


def _agents(reply: answers.RowsReply) -> AgentListResult:
    return AgentListResult(answers.rows(reply.rows, answers.agent), reply.cursor or None)


def _departments(reply: answers.RowsReply) -> DepartmentListResult:
    return DepartmentListResult(answers.rows(reply.rows, answers.department), reply.cursor or None)


def _session(reply: answers.SessionReply) -> SessionResult:
    return SessionResult(answers.session(reply.session))


def _transfer(reply: answers.SessionReply) -> TransferResult:
    session = answers.session(reply.session)
    if session.transfer is None:
        raise StoreDefectError("session_transfer", "its session has no transfer")
    return TransferResult(session, session.transfer)


def _check(reply: answers.CheckReply) -> CheckResult:
    return CheckResult(reply.outcome, reply.assigned_to, answers.decision(reply.decision))


def _explain(reply: answers.ExplainReply) -> ExplainResult:
    return ExplainResult(answers.decision(reply.decision), reply.why_not or msgspec.UNSET)


def _entry(reply: answers.EntryReply) -> EntryResult:
    return EntryResult(answers.entry(reply.entry))


def _history(reply: answers.HistoryReply) -> HistoryResult:
    return HistoryResult(*reply.page)


def _list(reply: answers.ListReply) -> ListResult:
    cursor = None if reply.position is None else str(reply.position)
    return ListResult([answers.session(packed) for packed in reply.sessions], cursor)


def _place(reply: answers.PlaceReply) -> PlaceResult:
    return PlaceResult(reply.place)


def _nothing(_: object) -> Empty:
    return Empty()


_SESSION = (answers.SessionReply, _session)

RULES: Mapping[type[Command], Rule] = {
    StatusSet: Rule(AGENTS, "status_set", answers.AgentReply, _agent, _status_request),
    SessionOpen: Rule(BACK_ENDS, "session_open", *_SESSION, _open_request),
    SessionUpdate: Rule(ALL, "session_update", *_SESSION, _with_attributes),
    SessionTransfer: Rule(ALL, "session_transfer", answers.SessionReply, _transfer, _with_reason),
    SessionAnswer: Rule(AGENTS, "session_answer", *_SESSION),
    SessionAccept: Rule(AGENTS, "session_accept", *_SESSION),
    SessionDecline: Rule(AGENTS, "session_decline", *_SESSION, _with_reason),
    SessionRecall: Rule(ALL, "session_recall", *_SESSION),
    SessionNote: Rule(ALL, "session_note", answers.EntryReply, _entry),
    SessionClose: Rule(ALL, "session_close", *_SESSION),
    SessionGet: Rule(ALL, "session_get", *_SESSION),
    SessionHistory: Rule(ALL, "session_history", answers.HistoryReply, _history, _history_request),
    SessionList: Rule(ALL, "session_list", answers.ListReply, _list, _list_request),
    SessionExplain: Rule(ALL, "session_explain", answers.ExplainReply, _explain),
    SessionPlace: Rule(ALL, "session_place", answers.PlaceReply, _place),
    SessionAck: Rule(AGENTS, "session_ack", msgspec.Raw, _nothing),
    SettingsGet: Rule(BACK_ENDS, "settings_get", answers.SettingsReply, _settings),
    SettingsPut: Rule(BACK_ENDS, "settings_put", answers.SettingsReply, _settings, _settings_request),
    AgentGet: Rule(ALL, "agent_get", answers.AgentReply, _agent),
    AgentList: Rule(ALL, "directory_list", answers.RowsReply, _agents, _page_request),
    AgentPut: Rule(BACK_ENDS, "agent_put", answers.AgentReply, _agent),
    AgentRemove: Rule(BACK_ENDS, "agent_remove", msgspec.Raw, _nothing),
    DepartmentGet: Rule(ALL, "department_get", answers.DepartmentSettingsReply, _department_settings),
    DepartmentList: Rule(ALL, "directory_list", answers.RowsReply, _departments, _page_request),
    DepartmentPut: Rule(
        BACK_ENDS, "department_put", answers.DepartmentReply, _department, _department_request
    ),
    DepartmentRemove: Rule(BACK_ENDS, "department_remove", msgspec.Raw, _nothing),
}
"""Every command that the store decides. The others concern one connection: see gateway.connection."""


_FIELDS: Mapping[type[Command], tuple[str, ...]] = {
    command: tuple(name for name in command.__struct_fields__ if name not in ("id", "key"))
    for command in RULES
}
"""The fields of each command that go to the store unchanged."""


def caller_of(principal: Principal, attached: bool) -> Caller:
    """
    Return the caller of a store command.

    Args:
        principal: What the token says.
        attached: Whether it asks over a connection that said hello. Before that, and over HTTP, the token's
            claims go along, for an agent that is not in the directory yet.
    """
    if attached:
        return Caller(principal.sub, principal.role, principal.name, attached=principal.role != "service")
    return Caller(
        principal.sub,
        principal.role,
        principal.name,
        departments=principal.departments,
        capacity=principal.capacity,
        iat=principal.issued_at,
    )


async def execute(store: StoreCommands, principal: Principal, caller: Caller, command: Command) -> Result:
    """
    Carry a command out.

    Args:
        store: The store's commands.
        principal: The subject of the token.
        caller: The same for the store (see caller_of).
        command: One of RULES.

    Returns:
        The result, as the reply holds it.

    Raises:
        CommandError: It was refused, or its outcome is unknown (`unavailable`).
    """
    replied = begin(store, principal, caller, command)
    await asyncio.wait([replied])
    return finish(store, principal.tenant, command, replied)


def begin(
    store: StoreCommands, principal: Principal, caller: Caller, command: Command
) -> asyncio.Future[Any]:
    """
    Submit a command, without a task; arguments as for `execute`.

    Returns:
        The future of the store's reply, which is for `finish`.

    Raises:
        CommandError: It was refused, or the store cannot be used; it is not applied.
    """
    rule = RULES[type(command)]
    # The directory may know of a later role of an agent than its token.
    if principal.role not in rule.roles and (principal.role == "service" or "admin" not in rule.roles):
        raise rejection(ErrorCode.FORBIDDEN)
    request = rule.request(principal, command) if rule.request is not None else _fields(command)
    request["by"] = caller
    if "agent" not in rule.roles:
        request["for_admins"] = True
    key = getattr(command, "key", None)
    is_check = getattr(command, "check", None) is True
    if key is not None and not is_check:
        request["key"] = key
        request["print"] = fingerprint(command).hex()
    tenant = principal.tenant
    if isinstance(command, SessionList):
        return asyncio.ensure_future(_list_in_steps(store, tenant, request))
    durable, cost = isinstance(command, Mutation) and not is_check, weight(command)
    try:
        return store.submit(tenant, rule.store_command, request, durable=durable, weight=cost)
    except StoreUnavailableError as error:
        raise rejection(ErrorCode.UNAVAILABLE, reason=str(error)) from None


def finish(store: StoreCommands, tenant: str, command: Command, replied: asyncio.Future[Any]) -> Result:
    """
    Return the result of a command whose future is done; raises as `execute` does.

    Args:
        store: The store's commands.
        tenant: Whose command it is.
        command: The command.
        replied: What `begin` returned.
    """
    rule = RULES[type(command)]
    try:
        reply = replied.result()
        if getattr(command, "check", None) is True:
            return _check(store.decode(tenant, rule.store_command, reply, answers.CheckReply))
        if not isinstance(command, SessionList):
            reply = store.decode(tenant, rule.store_command, reply, rule.shape)
        return rule.result(reply)
    except CommandRejectedError as refusal:
        raise CommandError(Error.of(ErrorCode(refusal.code), None, **refusal.details)) from None
    except StoreUnavailableError as error:
        raise rejection(ErrorCode.UNAVAILABLE, reason=str(error)) from None
    except StoreDefectError as error:
        # A script validates before its first write, so what failed has changed nothing; the audit of the
        # store shows anything else.
        raise rejection(ErrorCode.INTERNAL, incident=incident(log, "store command failed", error)) from None


async def _list_in_steps(store: StoreCommands, tenant: str, request: dict[str, Any]) -> answers.ListReply:
    """List sessions by several store commands, between which the store serves other callers."""
    sessions: list[msgspec.Raw] = []
    left = request["limit"]
    while True:
        request["limit"] = min(left, LIST_STEP_ROWS)
        step = 1 + request["limit"] // CHARGED_ROWS
        page = await store.run(tenant, "session_list", request, answers.ListReply, weight=step)
        sessions += page.sessions
        left -= request["limit"]
        if page.position is None or not left:
            return answers.ListReply(sessions, page.position)
        request["after"] = page.position
