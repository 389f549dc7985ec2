"""What the agent has: sessions in progress with it, its pending list, and what this client does not know."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from .objects import InboxContent, Session

_TOMBSTONES_MAX = 4096


class _Departure(NamedTuple):
    opened_at: int | None  # None: it left before this client knew it
    fence: int

    def outdates(self, session: Session) -> bool:
        if self.opened_at is None or self.opened_at == session.opened_at:
            return session.fence <= self.fence
        return session.opened_at < self.opened_at


class Inbox:
    """
    The agent's sessions by id, in the order they came.

    What is older never replaces what is newer, in whatever order pushes and replies arrive: a session's
    version is when it was opened, and its fence. (The id of a closed session may be opened again.)
    """

    def __init__(self) -> None:
        self._sessions: dict[str, Session] = {}
        # The versions at which sessions left. Beyond the bound the oldest are forgotten: a late push that
        # finds none is put right by the next welcome.
        self._left: OrderedDict[str, _Departure] = OrderedDict()

    @property
    def in_progress(self) -> Mapping[str, Session]:
        """Sessions in progress with the agent, by id; a copy, so that a loop over it may await."""
        return self._of(lambda state: state == "in_progress")

    @property
    def pending(self) -> Mapping[str, Session]:
        """Sessions in the agent's pending list, by id; a copy."""
        return self._of(lambda state: state == "pending")

    @property
    def other(self) -> Mapping[str, Session]:
        """The agent's sessions in a state that this client does not know, by id; a copy."""
        return self._of(lambda state: state not in ("in_progress", "pending"))

    def get(self, session_id: str) -> Session | None:
        """Return a session that the agent has, or None."""
        return self._sessions.get(session_id)

    def replace(self, content: InboxContent) -> list[Session]:
        """
        Take the inbox of a welcome, whatever was known before.

        It is read from the store itself. Where its fences are behind, the store has lost its latest changes
        (a replica was promoted), and what this client remembers of them is not true any more.

        Returns:
            The sessions in progress that are new here, or have changed.
        """
        held = self._sessions
        self._sessions = {session.id: session for session in (*content.in_progress, *content.pending)}
        self._left.clear()
        return [session for session in content.in_progress if held.get(session.id) != session]

    def observe(self, session: Session, agent_id: str | None = None) -> None:
        """
        Take note of a session's state.

        Args:
            session: As a push or a reply has it.
            agent_id: Whose inbox this is, or None if the session is known to be this agent's.
        """
        known = self.get(session.id)
        if known is not None and known.version > session.version:
            return
        left = self._left.get(session.id)
        if left is not None and left.outdates(session):
            return
        owner = session.owner
        mine = owner is not None and owner.kind == "agent" and agent_id in (None, owner.id)
        if not mine:
            if known is not None:
                self._drop(session.id, _Departure(session.opened_at, session.fence))
            return
        if known is not None and known.state != session.state:
            del self._sessions[session.id]
        self._sessions[session.id] = session
        self._left.pop(session.id, None)

    def remove(self, session_id: str, fence: int) -> None:
        """Take a session out that left the agent at ``fence``."""
        known = self.get(session_id)
        if known is not None and known.fence > fence:
            return
        left = self._left.get(session_id)
        if known is not None:
            left = _Departure(known.opened_at, fence)
        elif left is None or left.fence < fence:
            left = _Departure(left.opened_at if left else None, fence)
        self._drop(session_id, left)

    def _drop(self, session_id: str, departure: _Departure) -> None:
        self._sessions.pop(session_id, None)
        self._left[session_id] = departure
        self._left.move_to_end(session_id)
        if len(self._left) > _TOMBSTONES_MAX:
            self._left.popitem(last=False)

    def _of(self, state_fits: Callable[[str], bool]) -> dict[str, Session]:
        return {session.id: session for session in self._sessions.values() if state_fits(session.state)}
