"""Judge histories: numbers, owners that chain, and a fence that counts the changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from relevo.protocol.objects import Entry, Owner
from relevo.router.audit.layout import DAMAGED, decode_entry, decode_session
from relevo.router.audit.paging import PAGE
from relevo.router.audit.snapshot import Glimpse, Judge
from relevo.router.audit.violation import Violation

STATE_BY_OUTCOME = {"assigned": "in_progress", "pending": "pending", "queued": "queued"}


@dataclass(frozen=True)
class Tale:
    """
    What a history has told so far.

    Attributes:
        entries: How many there were.
        fence: How many of them changed owner or state.
        hops: Transfers since the session was opened last.
        transfer_id: The latest of these.
        state: None before the first entry, and where it does not follow.
        owner: None also where it does not follow.
    """

    entries: int = 0
    fence: int = 0
    hops: int = 0
    transfer_id: str | None = None
    state: str | None = None
    owner: Owner | None = None

    def followed_by(self, entry: Entry) -> Tale:
        """Return the tale with one entry more."""
        tale = replace(self, entries=self.entries + 1)
        if entry.kind == "internal":
            return tale
        tale = replace(tale, fence=self.fence + 1, state=None, owner=None)
        if entry.kind == "opened":
            return replace(tale, hops=0, transfer_id=None)
        if entry.kind == "closed":
            return replace(tale, state="closed")
        if entry.kind == "accepted" and entry.by is not None:
            return replace(tale, state="in_progress", owner=Owner("agent", entry.by.id))
        if entry.kind == "moved":
            return self._moved(tale, entry)
        transfer = entry.transfer
        if entry.kind == "transferred" and transfer is not None:
            owner = Owner(transfer.to.kind, transfer.to.id)
            if transfer.assigned_to is not None:
                owner = Owner("agent", transfer.assigned_to)
            state = STATE_BY_OUTCOME[transfer.outcome]
            return replace(tale, hops=self.hops + 1, transfer_id=transfer.id, state=state, owner=owner)
        return tale

    def _moved(self, tale: Tale, entry: Entry) -> Tale:
        """Follow what the system did: out of an agent's hands into its pending list, or out of a queue."""
        if self.owner is None:
            return tale
        if self.owner.kind == "agent":
            return replace(tale, state="pending", owner=self.owner)
        sent = entry.transfer
        if sent is not None and sent.assigned_to is not None and sent.to.id == self.owner.id:
            return replace(tale, state="in_progress", owner=Owner("agent", sent.assigned_to))
        return replace(tale, state="in_progress")

    def gainsaid_by(self, entry: Entry) -> str | None:
        """Return in what an entry does not follow, or None."""
        if entry.seq != self.entries + 1:
            return f"entry {self.entries + 1} has the number {entry.seq}"
        if entry.kind == "internal":
            return None
        begins = self.fence == 0 or self.state == "closed"
        if begins != (entry.kind == "opened"):
            return f"entry {entry.seq} is {entry.kind} after {self.state or 'nothing'}"
        if entry.kind == "accepted" and self.state == "in_progress":
            return f"entry {entry.seq} accepts what is in progress"
        if entry.kind != "transferred":
            return None
        if entry.transfer is None:
            return f"entry {entry.seq} is a transfer without one"
        sender = entry.transfer.from_
        taken_from = Owner(sender.kind, sender.id) if sender is not None else None
        if self.owner is not None and taken_from != self.owner:
            named = f"{sender.kind} {sender.id}" if sender is not None else "nobody"
            return f"entry {entry.seq} takes it from {named}, but {self.owner.kind} {self.owner.id} had it"
        return None


def judge_history(session_id: str, see: Glimpse, tale: Tale = Tale()) -> Iterator[Violation | Judge]:
    """Judge a session's history from where the tale is, and at its end the record by the whole of it."""
    key, history = f"session:{session_id}", f"history:{session_id}"
    record, length, page = see(
        ("GET", key),
        ("LLEN", history),
        ("LRANGE", history, tale.entries, tale.entries + PAGE - 1),
    )
    if record is None:
        return  # Its time was over.
    for packed in page:
        try:
            entry = decode_entry(packed)
        except DAMAGED as error:
            text = f"entry {tale.entries + 1} of session {session_id} cannot be read: {error}"
            yield Violation("shape", text, (history,))
            return
        odd = tale.gainsaid_by(entry)
        if odd is not None:
            yield Violation("S8", f"in the history of session {session_id} {odd}", (history,))
            return
        tale = tale.followed_by(entry)
    if tale.entries < length:
        yield partial(judge_history, session_id, tale=tale)
        return
    session = decode_session(record)
    wrong = None
    if session.entry_count != length:
        wrong = "S8", f"counts {session.entry_count} entries and has {length}"
    elif session.fence != tale.fence:
        wrong = "S2", f"has fence {session.fence} after {tale.fence} changes"
    elif (tale.state or session.state) != session.state or (tale.owner or session.owner) != session.owner:
        owner = f"{session.owner.kind} {session.owner.id}" if session.owner is not None else "nobody"
        wrong = "S8", f"is {session.state} with {owner}, which its history does not say"
    elif (session.hops, session.transfer.id if session.transfer else None) != (tale.hops, tale.transfer_id):
        wrong = "S8", f"counts {session.hops} transfers, and its history tells of others"
    if wrong is not None:
        invariant, text = wrong
        yield Violation(invariant, f"session {session_id} {text}", (key, history), in_doubt=session_id)


def judge_kept_history(session_id: str, see: Glimpse) -> Iterator[Violation | Judge]:
    """Judge that a history is some session's."""
    key, history = f"session:{session_id}", f"history:{session_id}"
    exists, length = see(("EXISTS", key), ("LLEN", history))
    if length and not exists:
        text = f"session {session_id} has {length} entries of history, and its record is lost"
        yield Violation("S8", text, (history, key))
