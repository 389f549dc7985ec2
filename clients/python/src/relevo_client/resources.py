"""
The commands as methods of what they are about, the same over a websocket and over HTTP.

Made from `async_resources.py` by `clients/python/make_sync.py`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from .objects import (
    Agent,
    AgentPage,
    AgentRole,
    Customer,
    Department,
    DepartmentPage,
    DepartmentSettings,
    Entry,
    Explanation,
    HistoryPage,
    Session,
    SessionPage,
    SessionState,
    Status,
    Target,
    TransferPreview,
    TransferResult,
)
from .results import (
    AgentResult,
    DepartmentResult,
    EntryResult,
    PlaceResult,
    SessionResult,
    SettingsResult,
    decode_result,
    listed_states,
    present,
)


class Commands(ABC):
    """
    The commands, by what they are about.

    Each method raises the router's error as its class (see ``relevo_client.errors``), or
    ``CommandTimeoutError`` when there was no final answer in time. An argument that is None is not sent.

    Every method takes ``timeout``, in seconds: when to give up, instead of at the client's own default. One
    that changes something takes ``key``, an idempotency key of the caller's own; where absent, each call has
    a new one. Give one to make a change once over several calls, for instance after a restart in the middle.
    """

    def __init__(self) -> None:
        self.sessions = Sessions(self)
        self.agents = Agents(self)
        self.departments = Departments(self)
        self.settings = Settings(self)

    @abstractmethod
    def command(
        self,
        type: str,
        fields: Mapping[str, Any],
        *,
        key: str | None = None,
        timeout: float | None = None,
    ) -> Mapping[str, Any]:
        """
        Send a command by its type, and return its result as it came.

        Args:
            type: Such as ``session.transfer``.
            fields: The command's fields, without type, id and key; maps, lists and plain values.
            key: The idempotency key of a command that changes something; a new one where absent.
            timeout: When to give up, in seconds.

        Raises:
            RelevoError: The router's error, or the client's own where there is no reply.
        """


class Sessions:
    """Conversations: open, transfer, answer, close, read, list."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    def open(
        self,
        session_id: str,
        customer: Customer,
        target: Target | None = None,
        *,
        attributes: Mapping[str, str | float | bool] | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> Session:
        """
        Open a session and place it; without a target, as an admin, it is in progress with oneself.

        Args:
            session_id: Its id, of the caller's choice.
            customer: Whose it is.
            target: Where it is to go.
            attributes: What is to be kept with it, at most 4 KiB as JSON.
            key: An idempotency key of the caller's own.
            timeout: When to give up, in seconds.
        """
        fields = present(
            session_id=session_id,
            customer=customer.to_wire(),
            target=None if target is None else target.to_wire(),
            attributes=attributes,
        )
        return self._session("session.open", fields, key, timeout)

    def update(
        self,
        session_id: str,
        *,
        attributes: Mapping[str, str | float | bool] | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> Session:
        """Replace what is kept with a session: ``attributes`` as a whole, if they are given."""
        fields = present(session_id=session_id, attributes=attributes)
        return self._session("session.update", fields, key, timeout)

    def transfer(
        self,
        session_id: str,
        target: Target,
        reason: str | None = None,
        *,
        fence: int | None = None,
        force: bool = False,
        key: str | None = None,
        timeout: float | None = None,
    ) -> TransferResult:
        """
        Hand a session over to an agent or a department.

        Args:
            session_id: The session.
            target: Where it is to go.
            reason: Why, up to 1,000 characters; the next agent reads it in the chat.
            fence: The session's fence as last seen; the transfer is refused if it is another by now.
            force: In progress with a connected agent, whatever its status and capacity; for admins and back
                ends.
            key: An idempotency key of the caller's own.
            timeout: When to give up, in seconds.

        Returns:
            The session afterwards, and the transfer: ``transfer.outcome`` says whether it was assigned, went
            into a pending list or into a queue.

        Raises:
            ConflictError: The session has changed meanwhile; the error names its owner.
            NotAllowedError: A rule forbids it; the error has alternatives.
        """
        fields = present(
            session_id=session_id,
            target=target.to_wire(),
            reason=reason,
            fence=fence,
            force=force or None,
        )
        result = self._commands.command("session.transfer", fields, key=key, timeout=timeout)
        return decode_result(TransferResult, "session.transfer", result)

    def check_transfer(
        self,
        session_id: str,
        target: Target,
        reason: str | None = None,
        *,
        fence: int | None = None,
        timeout: float | None = None,
    ) -> TransferPreview:
        """Say what ``transfer`` would do now, and change nothing; raises what it would raise."""
        fields = present(
            session_id=session_id, target=target.to_wire(), reason=reason, fence=fence, check=True
        )
        result = self._commands.command("session.transfer", fields, timeout=timeout)
        return decode_result(TransferPreview, "session.transfer", result)

    def accept(
        self,
        session_id: str,
        *,
        fence: int | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> Session:
        """Take a session from the own pending list, or from the queue of an own department."""
        fields = present(session_id=session_id, fence=fence)
        return self._session("session.accept", fields, key, timeout)

    def answer(
        self,
        session_id: str,
        *,
        fence: int | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> Session:
        """Say that a person has opened a session in progress: it is answered, and stays."""
        fields = present(session_id=session_id, fence=fence)
        return self._session("session.answer", fields, key, timeout)

    def decline(
        self,
        session_id: str,
        reason: str | None = None,
        *,
        key: str | None = None,
        timeout: float | None = None,
    ) -> Session:
        """Give a session back that is pending with oneself, or not answered yet."""
        fields = present(session_id=session_id, reason=reason)
        return self._session("session.decline", fields, key, timeout)

    def recall(
        self, session_id: str, *, key: str | None = None, timeout: float | None = None
    ) -> Session:
        """Take back a transfer that was made, while it is not taken up."""
        return self._session("session.recall", {"session_id": session_id}, key, timeout)

    def note(
        self, session_id: str, text: str, *, key: str | None = None, timeout: float | None = None
    ) -> Entry:
        """Add an internal entry to a session's history."""
        fields = {"session_id": session_id, "text": text}
        result = self._commands.command("session.note", fields, key=key, timeout=timeout)
        return decode_result(EntryResult, "session.note", result).entry

    def close(
        self,
        session_id: str,
        *,
        fence: int | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> Session:
        """Close a session."""
        fields = present(session_id=session_id, fence=fence)
        return self._session("session.close", fields, key, timeout)

    def get(self, session_id: str, *, timeout: float | None = None) -> Session:
        """Return a session as it is now."""
        return self._session("session.get", {"session_id": session_id}, None, timeout)

    def explain(
        self,
        session_id: str,
        *,
        seq: int | None = None,
        agent_id: str | None = None,
        timeout: float | None = None,
    ) -> Explanation:
        """
        Say why the router chose an owner of a session: its owner, an admin or a back end.

        Args:
            session_id: The session.
            seq: The entry of the history in which the choice stands; the last one if None.
            agent_id: An agent that was not chosen, to be told why not.
            timeout: When to give up, in seconds.
        """
        fields = present(session_id=session_id, seq=seq, agent_id=agent_id)
        result = self._commands.command("session.explain", fields, timeout=timeout)
        return decode_result(Explanation, "session.explain", result)

    def place(self, session_id: str, *, timeout: float | None = None) -> int:
        """Return where a queued session stands in its department's queue, from 1."""
        result = self._commands.command("session.place", {"session_id": session_id}, timeout=timeout)
        return decode_result(PlaceResult, "session.place", result).place

    def history(
        self, session_id: str, *, after: int | None = None, timeout: float | None = None
    ) -> Iterator[Entry]:
        """Iterate over a session's history, from the first entry or from the one after ``seq`` ``after``."""
        more = True
        while more:
            page = self.history_page(session_id, after=after, timeout=timeout)
            for entry in page.entries:
                yield entry
                after = entry.seq
            # An empty page that promises more would be asked for again without end.
            more = page.more and bool(page.entries)

    def history_page(
        self,
        session_id: str,
        *,
        after: int | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> HistoryPage:
        """Return up to ``limit`` (1 to 500) entries of a history, those that follow the ``seq`` ``after``."""
        fields = present(session_id=session_id, after=after, limit=limit)
        result = self._commands.command("session.history", fields, timeout=timeout)
        return decode_result(HistoryPage, "session.history", result)

    def list(
        self,
        *,
        state: SessionState | Literal["open", "any"] = "open",
        agent_id: str | None = None,
        department_id: str | None = None,
        customer_id: str | None = None,
        mine: bool | None = None,
        closed_from_at: int | None = None,
        closed_to_at: int | None = None,
        sort: Literal["age", "-age"] | None = None,
        timeout: float | None = None,
    ) -> Iterator[Session]:
        """
        Iterate over sessions, each once, those longest in their present state first.

        Args:
            state: Only those in this state. ``open``, the default: all but closed ones, queued first, then
                pending, then in progress. ``any``: closed ones too, which the router keeps for days.
            agent_id: Only those in progress with, or pending on, this agent.
            department_id: Only those of this department.
            customer_id: Only those of this customer.
            mine: Only those that the caller had in progress before.
            closed_from_at: Only those closed at this time or later, in ms; not with ``open`` ones.
            closed_to_at: Only those closed at this time or before.
            sort: ``-age``: the newest first.
            timeout: When to give up on a page, in seconds.
        """
        seen = set()
        for listed in listed_states(state, agent_id):
            cursor: str | None = None
            while True:
                page = self.list_page(
                    state=listed,
                    agent_id=agent_id,
                    department_id=department_id,
                    customer_id=customer_id,
                    mine=mine,
                    closed_from_at=closed_from_at,
                    closed_to_at=closed_to_at,
                    sort=sort,
                    cursor=cursor,
                    timeout=timeout,
                )
                for session in page.sessions:
                    # One that changes its state meanwhile may be on a page of each.
                    if session.id not in seen:
                        seen.add(session.id)
                        yield session
                cursor = page.cursor
                if cursor is None:
                    break

    def list_page(
        self,
        *,
        state: SessionState | None = None,
        agent_id: str | None = None,
        department_id: str | None = None,
        customer_id: str | None = None,
        mine: bool | None = None,
        closed_from_at: int | None = None,
        closed_to_at: int | None = None,
        sort: Literal["age", "-age"] | None = None,
        cursor: str | None = None,
        limit: int | None = None,
        timeout: float | None = None,
    ) -> SessionPage:
        """
        Return one page of sessions, as the router lists them.

        Args:
            state: Only those in this state; where absent all, closed ones too.
            agent_id: Only those in progress with, or pending on, this agent.
            department_id: Only those of this department: without any other argument those queued there.
            customer_id: Only those of this customer.
            mine: Only those that the caller had in progress before.
            closed_from_at: Only those closed at this time or later, in ms; not with ``open`` ones.
            closed_to_at: Only those closed at this time or before.
            sort: ``-age``: the newest first.
            cursor: Of the page before.
            limit: How many at most.
            timeout: When to give up, in seconds.
        """
        fields = present(
            state=state,
            agent_id=agent_id,
            department_id=department_id,
            customer_id=customer_id,
            mine=mine,
            closed_from_at=closed_from_at,
            closed_to_at=closed_to_at,
            sort=sort,
            cursor=cursor,
            limit=limit,
        )
        result = self._commands.command("session.list", fields, timeout=timeout)
        return decode_result(SessionPage, "session.list", result)

    def _session(
        self, type: str, fields: Mapping[str, Any], key: str | None, timeout: float | None
    ) -> Session:
        result = self._commands.command(type, fields, key=key, timeout=timeout)
        return decode_result(SessionResult, type, result).session


class Agents:
    """Agents: their status, and their rows in the directory."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    def set_status(
        self,
        status: Status,
        *,
        agent_id: str | None = None,
        reason: str | None = None,
        until_at: int | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> Agent:
        """
        Choose a status.

        Args:
            status: The status.
            agent_id: Whose, as an admin; one's own where absent.
            reason: Why, up to 64 characters; one of the tenant's ``reasons`` where it has any.
            until_at: Until when, in ms since the Unix epoch; nothing happens by itself then.
            key: An idempotency key of the caller's own.
            timeout: When to give up, in seconds.
        """
        fields = present(status=status, agent_id=agent_id, reason=reason, until_at=until_at)
        return self._agent("status.set", fields, key, timeout)

    def put(
        self,
        agent_id: str,
        name: str,
        *,
        role: AgentRole = "agent",
        departments: Iterable[str] = (),
        capacity: int = 10,
        key: str | None = None,
        timeout: float | None = None,
    ) -> Agent:
        """Create an agent, or replace its name, role, departments and capacity."""
        agent = {
            "id": agent_id,
            "name": name,
            "role": role,
            "departments": [*departments],
            "capacity": capacity,
        }
        return self._agent("agent.put", {"agent": agent}, key, timeout)

    def get(self, agent_id: str, *, timeout: float | None = None) -> Agent:
        """Return an agent's row as it is now."""
        return self._agent("agent.get", {"agent_id": agent_id}, None, timeout)

    def list(self, *, timeout: float | None = None) -> Iterator[Agent]:
        """Iterate over all agents, page by page."""
        cursor: str | None = None
        while True:
            page = self.list_page(cursor=cursor, timeout=timeout)
            for agent in page.agents:
                yield agent
            cursor = page.cursor
            if cursor is None:
                return

    def list_page(
        self, *, cursor: str | None = None, limit: int | None = None, timeout: float | None = None
    ) -> AgentPage:
        """Return one page of agents; ``cursor`` is that of the page before."""
        fields = present(cursor=cursor, limit=limit)
        result = self._commands.command("agent.list", fields, timeout=timeout)
        return decode_result(AgentPage, "agent.list", result)

    def remove(
        self,
        agent_id: str,
        *,
        key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Remove an agent that has no sessions; its connections are closed."""
        fields = {"agent_id": agent_id}
        self._commands.command("agent.remove", fields, key=key, timeout=timeout)

    def _agent(
        self, type: str, fields: Mapping[str, Any], key: str | None, timeout: float | None
    ) -> Agent:
        result = self._commands.command(type, fields, key=key, timeout=timeout)
        return decode_result(AgentResult, type, result).agent


class Departments:
    """Departments: their rows in the directory, and their settings."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    def put(
        self,
        department_id: str,
        name: str,
        *,
        settings: Mapping[str, Any] | None = None,
        key: str | None = None,
        timeout: float | None = None,
    ) -> Department:
        """
        Create a department, or rename it.

        Args:
            department_id: The department.
            name: Its name.
            settings: Its own settings to change, by name; None puts one back.
            key: An idempotency key of the caller's own.
            timeout: When to give up, in seconds.
        """
        department = present(id=department_id, name=name, settings=settings)
        fields = {"department": department}
        result = self._commands.command("department.put", fields, key=key, timeout=timeout)
        return decode_result(DepartmentResult, "department.put", result).department

    def get(self, department_id: str, *, timeout: float | None = None) -> DepartmentSettings:
        """Return a department's row, its own settings, and those in effect."""
        fields = {"department_id": department_id}
        result = self._commands.command("department.get", fields, timeout=timeout)
        return decode_result(DepartmentSettings, "department.get", result)

    def list(self, *, timeout: float | None = None) -> Iterator[Department]:
        """Iterate over all departments, page by page."""
        cursor: str | None = None
        while True:
            page = self.list_page(cursor=cursor, timeout=timeout)
            for department in page.departments:
                yield department
            cursor = page.cursor
            if cursor is None:
                return

    def list_page(
        self, *, cursor: str | None = None, limit: int | None = None, timeout: float | None = None
    ) -> DepartmentPage:
        """Return one page of departments; ``cursor`` is that of the page before."""
        fields = present(cursor=cursor, limit=limit)
        result = self._commands.command("department.list", fields, timeout=timeout)
        return decode_result(DepartmentPage, "department.list", result)

    def remove(
        self, department_id: str, *, key: str | None = None, timeout: float | None = None
    ) -> None:
        """Remove a department that has no sessions."""
        fields = {"department_id": department_id}
        self._commands.command("department.remove", fields, key=key, timeout=timeout)


class Settings:
    """The tenant's settings, by name."""

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    def get(self, *, timeout: float | None = None) -> Mapping[str, Any]:
        """Return the settings that the tenant has set."""
        result = self._commands.command("settings.get", {}, timeout=timeout)
        return decode_result(SettingsResult, "settings.get", result).settings

    def put(
        self, settings: Mapping[str, Any], *, key: str | None = None, timeout: float | None = None
    ) -> Mapping[str, Any]:
        """Change the settings that ``settings`` names; None puts one back to its default."""
        fields = {"settings": settings}
        result = self._commands.command("settings.put", fields, key=key, timeout=timeout)
        return decode_result(SettingsResult, "settings.put", result).settings
