"""The model of `relevo watch`: a tenant's sessions and transfers, from events (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Literal, TypeAlias

from relevo_client import Agent, Department, Owner, Session, Transfer

TRANSFERS_MAX: Final = 100

Progress: TypeAlias = Literal["assigned", "pending", "queued", "closed", "moved on"]


@dataclass(frozen=True, slots=True)
class Connection:
    """
    Whether the view is live.

    Attributes:
        is_live: Whether changes arrive as they happen.
        lost_at: Since when they do not, in milliseconds since the Unix epoch; 0 while they do.
        problem: Why they do not, in words.
    """

    is_live: bool
    lost_at: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class TransferLine:
    """A transfer, with the state and the owner of its session since."""

    transfer: Transfer
    customer: str
    state: str
    owner: Owner | None

    def when_moved_on(self) -> TransferLine:
        """Return the line after another transfer of the session, which ends its wait."""
        return replace(self, state="moved_on") if self.state in ("pending", "queued") else self


@dataclass(slots=True)
class TenantView:
    """
    A tenant as the latest events have it.

    Attributes:
        id: Its id.
        agents: Its agents, in the order of a transfer dialog.
        departments: Its departments, likewise.
        connection: Whether the view is live.
    """

    id: str
    agents: list[Agent] = field(default_factory=list)
    departments: list[Department] = field(default_factory=list)
    connection: Connection = Connection(False)
    _sessions: dict[str, Session] = field(default_factory=dict)
    _transfers: dict[str, TransferLine] = field(default_factory=dict)
    _listed: set[str] | None = None

    def observe(self, session: Session) -> None:
        """Apply a session, unless a newer version of it is known."""
        if self._listed is not None:
            self._listed.add(session.id)
        known = self._sessions.get(session.id)
        # The id of a closed session may be used again: when it was opened goes before the fence.
        if known is not None and _version(known) > _version(session):
            return
        if session.state == "closed":
            self._sessions.pop(session.id, None)
        else:
            self._sessions[session.id] = session
        if session.transfer is not None:
            self._note_transfer(session, session.transfer)

    def begin_listing(self) -> None:
        """Begin a listing: every open session is going to be observed."""
        self._listed = set()

    def end_listing(self) -> None:
        """End the listing: sessions that were not in it were closed without an event, and are removed."""
        if self._listed is not None:
            self._sessions = {one: self._sessions[one] for one in self._sessions if one in self._listed}
            self._listed = None

    @property
    def count(self) -> int:
        """Return how many sessions are open."""
        return len(self._sessions)

    def waiting(self) -> list[Session]:
        """Return the sessions in pending lists and queues, those that wait longest first."""
        found = [one for one in self._sessions.values() if one.state in ("pending", "queued")]
        return sorted(found, key=lambda one: (one.updated_at, one.id))

    def transfers(self) -> list[TransferLine]:
        """Return the latest transfers, the newest first."""
        return sorted(
            self._transfers.values(), key=lambda line: (line.transfer.at, line.transfer.id), reverse=True
        )

    def name_of(self, owner: Owner | None) -> str:
        """Return the name of an agent or a department, or its id where there is none."""
        if owner is None:
            return ""
        rows: Iterable[Agent | Department] = self.agents if owner.kind == "agent" else self.departments
        return next((row.name for row in rows if row.id == owner.id), owner.id)

    def _note_transfer(self, session: Session, transfer: Transfer) -> None:
        line = TransferLine(transfer, session.customer.name, session.state, session.owner)
        for other in list(self._transfers.values()):
            if other.transfer.session_id == session.id and other.transfer.id != transfer.id:
                self._transfers[other.transfer.id] = other.when_moved_on()
        self._transfers[transfer.id] = line
        if len(self._transfers) > TRANSFERS_MAX:
            oldest = min(self._transfers.values(), key=lambda one: one.transfer.at)
            del self._transfers[oldest.transfer.id]


def outcome_of(line: TransferLine, names: Mapping[str, str]) -> tuple[Progress, str]:
    """
    Return the outcome of a transfer: its state now, and the session's owner, in words.

    Args:
        line: The transfer.
        names: The names of agents, by id.
    """
    transfer, owner = line.transfer, line.owner
    if line.state == "moved_on":
        return "moved on", "moved on"
    if line.state == "closed":
        return "closed", "closed"
    if line.state == "in_progress" and owner is not None:
        if transfer.to.kind == "agent" and transfer.to.id == owner.id:
            return "assigned", "assigned"
        is_back = transfer.from_ is not None and transfer.from_.id == owner.id
        return "assigned", f"{'back with' if is_back else 'to'} {names.get(owner.id, owner.id)}"
    if line.state == "pending" and owner is not None:
        if transfer.to.id == owner.id and transfer.to.kind == "agent":
            return "pending", "pending"
        return "pending", f"pending with {names.get(owner.id, owner.id)}"
    return "queued", "queued"


def _version(session: Session) -> tuple[int, int]:
    return session.opened_at, session.fence
