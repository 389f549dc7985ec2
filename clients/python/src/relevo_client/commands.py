"""The commands as methods, the same over a websocket and over HTTP."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict, TypeVar, Unpack

from .decode import InvalidDataError, decode
from .errors import InvalidReplyError
from .objects import (
    Agent,
    AgentPage,
    AgentRole,
    Customer,
    Department,
    DepartmentPage,
    DepartmentSettings,
    Entry,
    HistoryPage,
    Session,
    SessionPage,
    SessionState,
    Status,
    Target,
    TransferResult,
)

T = TypeVar("T")


class ReadOptions(TypedDict, total=False):
    """
    What every command takes: ``timeout_s``, when to give up instead of at the client's own default.
    """

    timeout_s: float


class ChangeOptions(ReadOptions, total=False):
    """
    What a command that changes something takes too: ``key``, an idempotency key of the caller's own.

    Where absent, each call has a new one. Give one to make a change once over several calls, for instance
    after a restart in the middle of one.
    """

    key: str


@dataclass(frozen=True, slots=True)
class _AgentResult:
    agent: Agent


@dataclass(frozen=True, slots=True)
class _DepartmentResult:
    department: Department


@dataclass(frozen=True, slots=True)
class _SettingsResult:
    settings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _SessionResult:
    session: Session


@dataclass(frozen=True, slots=True)
class _PlaceResult:
    place: int


@dataclass(frozen=True, slots=True)
class _EntryResult:
    entry: Entry


class Commands(ABC):
    """
    The commands that need no connection of their own.

    Each method raises the router's error as its class (see ``relevo_client.errors``), or
    ``CommandTimeoutError`` when there was no final answer in time. An argument that is None is not sent.
    """

    @abstractmethod
    async def command(
        self,
        type: str,
        fields: Mapping[str, Any],
        *,
        key: str | None = None,
        timeout_s: float | None = None,
    ) -> Mapping[str, Any]:
        """
        Send a command by its type, and return its result as it came.

        Args:
            type: Such as ``session.transfer``.
            fields: The command's fields, without type, id and key; maps, lists and plain values.
            key: The idempotency key of a command that changes something; a new one where absent.
            timeout_s: When to give up, in seconds.

        Raises:
            RelevoError: The router's error, or the client's own where there is no reply.
        """

    async def set_status(
        self, status: Status, *, agent_id: str | None = None, **options: Unpack[ChangeOptions]
    ) -> Agent:
        """Choose a status: one's own, or as an admin that of ``agent_id``."""
        fields = _present(status=status, agent_id=agent_id)
        return (await self._result(_AgentResult, "status.set", fields, **options)).agent

    async def open_session(
        self,
        session_id: str,
        customer: Customer,
        target: Target | None = None,
        **options: Unpack[ChangeOptions],
    ) -> Session:
        """Open a session and place it; without a target, as an admin, it is in progress with oneself."""
        fields = _present(
            session_id=session_id,
            customer=customer.to_wire(),
            target=None if target is None else target.to_wire(),
        )
        return (await self._result(_SessionResult, "session.open", fields, **options)).session

    async def transfer(
        self,
        session_id: str,
        target: Target,
        reason: str | None = None,
        *,
        fence: int | None = None,
        **options: Unpack[ChangeOptions],
    ) -> TransferResult:
        """
        Hand a session over to an agent or a department.

        Args:
            session_id: The session.
            target: Where it is to go.
            reason: Why, up to 1,000 characters; the next agent reads it in the chat.
            fence: The session's fence as last seen; the transfer is refused if it is another by now.

        Returns:
            The session afterwards, and the transfer: ``transfer.outcome`` says whether it was assigned, went
            into a pending list or into a queue.

        Raises:
            ConflictError: The session has changed meanwhile; the error names its owner.
        """
        fields = _present(session_id=session_id, target=target.to_wire(), reason=reason, fence=fence)
        return await self._result(TransferResult, "session.transfer", fields, **options)

    async def answer(
        self, session_id: str, *, fence: int | None = None, **options: Unpack[ChangeOptions]
    ) -> Session:
        """Say that a person has opened a session in progress: until then it may be recalled and declined."""
        fields = _present(session_id=session_id, fence=fence)
        return (await self._result(_SessionResult, "session.answer", fields, **options)).session

    async def accept(
        self, session_id: str, *, fence: int | None = None, **options: Unpack[ChangeOptions]
    ) -> Session:
        """Take a session from the own pending list, or from the queue of an own department."""
        fields = _present(session_id=session_id, fence=fence)
        return (await self._result(_SessionResult, "session.accept", fields, **options)).session

    async def decline(
        self, session_id: str, reason: str | None = None, **options: Unpack[ChangeOptions]
    ) -> Session:
        """Give a session of the own pending list back."""
        fields = _present(session_id=session_id, reason=reason)
        return (await self._result(_SessionResult, "session.decline", fields, **options)).session

    async def recall(self, session_id: str, **options: Unpack[ChangeOptions]) -> Session:
        """Take back a transfer that was made, while it is pending or queued."""
        fields = _present(session_id=session_id)
        return (await self._result(_SessionResult, "session.recall", fields, **options)).session

    async def note(self, session_id: str, text: str, **options: Unpack[ChangeOptions]) -> Entry:
        """Add an internal entry to a session's history."""
        fields = _present(session_id=session_id, text=text)
        return (await self._result(_EntryResult, "session.note", fields, **options)).entry

    async def close_session(
        self, session_id: str, *, fence: int | None = None, **options: Unpack[ChangeOptions]
    ) -> Session:
        """Close a session."""
        fields = _present(session_id=session_id, fence=fence)
        return (await self._result(_SessionResult, "session.close", fields, **options)).session

    async def get_session(self, session_id: str, **options: Unpack[ReadOptions]) -> Session:
        """Return a session as it is now."""
        fields = _present(session_id=session_id)
        return (await self._result(_SessionResult, "session.get", fields, **options)).session

    async def place_in_queue(self, session_id: str, **options: Unpack[ReadOptions]) -> int:
        """Return where a queued session stands in its department's queue, from 1."""
        fields = _present(session_id=session_id)
        return (await self._result(_PlaceResult, "session.place", fields, **options)).place

    async def history(
        self,
        session_id: str,
        *,
        after: int | None = None,
        limit: int | None = None,
        **options: Unpack[ReadOptions],
    ) -> HistoryPage:
        """Return up to ``limit`` (1 to 500) entries of a history, those that follow the ``seq`` ``after``."""
        fields = _present(session_id=session_id, after=after, limit=limit)
        return await self._result(HistoryPage, "session.history", fields, **options)

    async def history_entries(
        self, session_id: str, *, after: int | None = None, **options: Unpack[ReadOptions]
    ) -> AsyncIterator[Entry]:
        """Iterate over a session's whole history, page by page."""
        more = True
        while more:
            page = await self.history(session_id, after=after, **options)
            for entry in page.entries:
                yield entry
                after = entry.seq
            # An empty page that promises more would be asked for again without end.
            more = page.more and bool(page.entries)

    async def list_sessions(
        self,
        *,
        state: SessionState | None = None,
        agent_id: str | None = None,
        department_id: str | None = None,
        cursor: str | None = None,
        limit: int | None = None,
        **options: Unpack[ReadOptions],
    ) -> SessionPage:
        """
        Return a page of sessions, those longest in their present state first.

        Args:
            state: Only those in this state.
            agent_id: Only those in progress with, or pending on, this agent.
            department_id: Only those queued in this department.
            cursor: Of the page before.
            limit: How many at most.
        """
        fields = _present(
            state=state, agent_id=agent_id, department_id=department_id, cursor=cursor, limit=limit
        )
        return await self._result(SessionPage, "session.list", fields, **options)

    async def sessions(
        self,
        *,
        state: SessionState | None = None,
        agent_id: str | None = None,
        department_id: str | None = None,
        **options: Unpack[ReadOptions],
    ) -> AsyncIterator[Session]:
        """Iterate over all sessions that ``list_sessions`` gives, page by page."""
        cursor: str | None = None
        while True:
            page = await self.list_sessions(
                state=state, agent_id=agent_id, department_id=department_id, cursor=cursor, **options
            )
            for session in page.sessions:
                yield session
            cursor = page.cursor
            if cursor is None:
                return

    async def put_agent(
        self,
        agent_id: str,
        name: str,
        *,
        role: AgentRole = "agent",
        departments: Iterable[str] = (),
        capacity: int = 10,
        **options: Unpack[ChangeOptions],
    ) -> Agent:
        """Create an agent, or replace its name, role, departments and capacity."""
        profile = {
            "id": agent_id,
            "name": name,
            "role": role,
            "departments": list(departments),
            "capacity": capacity,
        }
        return (await self._result(_AgentResult, "agent.put", {"agent": profile}, **options)).agent

    async def remove_agent(self, agent_id: str, **options: Unpack[ChangeOptions]) -> None:
        """Remove an agent that has no sessions; its connections are closed."""
        await self.command("agent.remove", {"agent_id": agent_id}, **options)

    async def get_agent(self, agent_id: str, **options: Unpack[ReadOptions]) -> Agent:
        """Return an agent's row as it is now."""
        return (await self._result(_AgentResult, "agent.get", {"agent_id": agent_id}, **options)).agent

    async def list_agents(
        self, *, cursor: str | None = None, limit: int | None = None, **options: Unpack[ReadOptions]
    ) -> AgentPage:
        """Return a page of agents; ``cursor`` is of the page before."""
        return await self._result(AgentPage, "agent.list", _present(cursor=cursor, limit=limit), **options)

    async def put_department(
        self,
        department_id: str,
        name: str,
        *,
        settings: Mapping[str, Any] | None = None,
        **options: Unpack[ChangeOptions],
    ) -> Department:
        """Create a department, or rename it, and change its settings as `put_settings` does."""
        department = _present(id=department_id, name=name, settings=settings)
        fields = {"department": department}
        return (await self._result(_DepartmentResult, "department.put", fields, **options)).department

    async def get_department(self, department_id: str, **options: Unpack[ReadOptions]) -> DepartmentSettings:
        """Return a department, its own settings, and those that hold in it."""
        fields = {"department_id": department_id}
        return await self._result(DepartmentSettings, "department.get", fields, **options)

    async def list_departments(
        self, *, cursor: str | None = None, limit: int | None = None, **options: Unpack[ReadOptions]
    ) -> DepartmentPage:
        """Return a page of departments; ``cursor`` is of the page before."""
        fields = _present(cursor=cursor, limit=limit)
        return await self._result(DepartmentPage, "department.list", fields, **options)

    async def get_settings(self, **options: Unpack[ReadOptions]) -> Mapping[str, Any]:
        """Return the tenant's settings, by their names on the wire."""
        return (await self._result(_SettingsResult, "settings.get", {}, **options)).settings

    async def put_settings(
        self, settings: Mapping[str, Any], **options: Unpack[ChangeOptions]
    ) -> Mapping[str, Any]:
        """Change the settings that are named, and return all; None puts one back to its default."""
        fields = {"settings": settings}
        return (await self._result(_SettingsResult, "settings.put", fields, **options)).settings

    async def remove_department(self, department_id: str, **options: Unpack[ChangeOptions]) -> None:
        """Remove a department that has no sessions."""
        await self.command("department.remove", {"department_id": department_id}, **options)

    async def _result(
        self, kind: type[T], type: str, fields: Mapping[str, Any], **options: Unpack[ChangeOptions]
    ) -> T:
        return decode_result(kind, type, await self.command(type, fields, **options))


def decode_result(kind: type[T], type: str, result: Mapping[str, Any]) -> T:
    """
    Build a command's typed result.

    Raises:
        InvalidReplyError: The router answered something else.
    """
    try:
        return decode(kind, result)
    except InvalidDataError as error:
        raise InvalidReplyError(f"{type}: {error}") from error


def _present(**fields: Any) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}
