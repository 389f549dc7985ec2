"""
The sessions of one agent as its clients on this node show them. Pure.

Needed only after events were lost for good, with the store's data: the clients then receive the difference
between what they show and what the store has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from relevo.protocol.objects import Session
from relevo.protocol.pushes import Push, SessionAssigned, SessionPending, SessionRemoved


class AgentSessionView:
    """Follow the sessions of one agent: id -> (fence, whether in progress)."""

    __slots__ = ("_early", "_held", "is_known")

    def __init__(self) -> None:
        # Whether it began with a welcome. A later one is ahead of what the earlier connections have heard.
        self.is_known = False
        # Pushes that were sent before the first welcome, each with its event.
        self._early: list[tuple[str, int, Push]] | None = None
        # Made on first use: most connected agents are idle.
        self._held: dict[str, tuple[int, bool]] | None = None

    def __len__(self) -> int:
        return len(self._held) if self._held else 0

    def note(self, push: Push, epoch: str, seq: int) -> None:
        """Take note of a push to the agent, and of the event that it comes of."""
        if self.is_known:
            self._take(push)
        elif isinstance(push, SessionAssigned | SessionPending | SessionRemoved):
            if self._early is None:
                self._early = []
            self._early.append((epoch, seq, push))

    def begin(self, epoch: str, seq: int, in_progress: Sequence[Session], pending: Sequence[Session]) -> None:
        """Take over what the first welcome said, which knows of all events up to this one."""
        early = self._early or ()
        self._load(in_progress, pending)
        for told_epoch, told_seq, push in early:
            if told_epoch == epoch and told_seq > seq:
                self._take(push)

    def _take(self, push: Push) -> None:
        # A tuple, because a union is created at each call.
        if isinstance(push, (SessionAssigned, SessionPending)):
            if self._held is None:
                self._held = {}
            self._held[push.session.id] = (push.session.fence, isinstance(push, SessionAssigned))
        elif isinstance(push, SessionRemoved) and self._held:
            self._held.pop(push.session_id, None)

    def _load(self, in_progress: Sequence[Session], pending: Sequence[Session]) -> None:
        self.is_known, self._early = True, None
        self._held = {session.id: (session.fence, True) for session in in_progress}
        self._held.update((session.id, (session.fence, False)) for session in pending)
        if not self._held:
            self._held = None

    def is_ahead(self, in_progress: Sequence[Session], pending: Sequence[Session]) -> bool:
        """
        Return whether the clients would not believe the store.

        They know a later fence, or the same one with another state: a fence grows with each change of state,
        so that state was told by a server that has lost it, or tells one that will be lost.
        """
        held = self._held or {}
        now = [(session, True) for session in in_progress] + [(session, False) for session in pending]
        return any(
            held[session.id][0] > session.fence or held[session.id] == (session.fence, not is_in_progress)
            for session, is_in_progress in now
            if session.id in held
        )

    def correct(self, in_progress: Sequence[Session], pending: Sequence[Session]) -> Iterator[Push]:
        """
        Yield the pushes that bring the clients from what they believe to what is true, and take it over.

        Args:
            in_progress: The agent's sessions in progress, as the store has them.
            pending: Its pending list, as the store has it.
        """
        held = self._held or {}
        self._load(in_progress, pending)
        now = self._held or {}
        for session_id, (fence, _) in held.items():
            if session_id not in now:
                # Where it is now is not known here, but it took one change at least to leave.
                yield SessionRemoved(session_id=session_id, fence=fence + 1, why="moved")
        for session in in_progress:
            if held.get(session.id) != (session.fence, True):
                yield SessionAssigned(session=session, transfer=session.transfer)
        for session in pending:
            if held.get(session.id) != (session.fence, False):
                yield SessionPending(session=session, transfer=session.transfer)
