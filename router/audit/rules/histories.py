"""Check histories: numbers, owners that chain, and a fence that counts the changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from relevo.protocol.objects import Entry, Owner
from relevo.router.audit.layout import DAMAGED, PAGE, decode_entry, decode_session
from relevo.router.audit.snapshot import Rule, Snapshot
from relevo.router.audit.violation import Violation

STATE_BY_OUTCOME = {"assigned": "in_progress", "pending": "pending", "queued": "queued"}


@dataclass(frozen=True)
class HistoryFold:
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

    def with_entry(self, entry: Entry) -> HistoryFold:
        """Return the fold with one entry more."""
        fold = replace(self, entries=self.entries + 1)
        if entry.kind == "internal":
            return fold
        fold = replace(fold, fence=self.fence + 1, state=None, owner=None)
        if entry.kind == "opened":
            return replace(fold, hops=0, transfer_id=None)
        if entry.kind == "closed":
            return replace(fold, state="closed")
        if entry.kind == "accepted" and entry.by is not None:
            return replace(fold, state="in_progress", owner=Owner("agent", entry.by.id))
        if entry.kind == "moved":
            return self._moved(fold, entry)
        transfer = entry.transfer
        if entry.kind == "transferred" and transfer is not None:
            owner = Owner(transfer.to.kind, transfer.to.id)
            if transfer.assigned_to is not None:
                owner = Owner("agent", transfer.assigned_to)
            state = STATE_BY_OUTCOME[transfer.outcome]
            return replace(fold, hops=self.hops + 1, transfer_id=transfer.id, state=state, owner=owner)
        return fold

    def _moved(self, fold: HistoryFold, entry: Entry) -> HistoryFold:
        """Follow what the system did: out of an agent's hands into its pending list, or out of a queue."""
        if self.owner is None:
            return fold
        if self.owner.kind == "agent":
            return replace(fold, state="pending", owner=self.owner)
        sent = entry.transfer
        if sent is not None and sent.assigned_to is not None and sent.to.id == self.owner.id:
            return replace(fold, state="in_progress", owner=Owner("agent", sent.assigned_to))
        return replace(fold, state="in_progress")

    def contradiction_of(self, entry: Entry) -> str | None:
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


def history_rule(
    session_id: str, read: Snapshot, fold: HistoryFold = HistoryFold()
) -> Iterator[Violation | Rule]:
    """Check a session's history from where the fold is, and at its end the record by the whole of it."""
    key, history = f"session:{session_id}", f"history:{session_id}"
    record, length, page = read(
        ("GET", key),
        ("LLEN", history),
        ("LRANGE", history, fold.entries, fold.entries + PAGE - 1),
    )
    if record is None:
        return  # Its time was over.
    for packed in page:
        try:
            entry = decode_entry(packed)
        except DAMAGED as error:
            text = f"entry {fold.entries + 1} of session {session_id} cannot be read: {error}"
            yield Violation("shape", text, (history,))
            return
        odd = fold.contradiction_of(entry)
        if odd is not None:
            yield Violation("S8", f"in the history of session {session_id} {odd}", (history,))
            return
        fold = fold.with_entry(entry)
    if fold.entries < length:
        yield partial(history_rule, session_id, fold=fold)
        return
    session = decode_session(record)
    wrong = None
    if session.entry_count != length:
        wrong = "S8", f"counts {session.entry_count} entries and has {length}"
    elif session.fence != fold.fence:
        wrong = "S2", f"has fence {session.fence} after {fold.fence} changes"
    elif (fold.state or session.state) != session.state or (fold.owner or session.owner) != session.owner:
        owner = f"{session.owner.kind} {session.owner.id}" if session.owner is not None else "nobody"
        wrong = "S8", f"is {session.state} with {owner}, which its history does not say"
    elif (session.hops, session.transfer.id if session.transfer else None) != (fold.hops, fold.transfer_id):
        wrong = "S8", f"counts {session.hops} transfers, and its history tells of others"
    if wrong is not None:
        invariant, text = wrong
        yield Violation(invariant, f"session {session_id} {text}", (key, history))


def kept_history_rule(session_id: str, read: Snapshot) -> Iterator[Violation | Rule]:
    """Check that a history is some session's."""
    key, history = f"session:{session_id}", f"history:{session_id}"
    exists, length = read(("EXISTS", key), ("LLEN", history))
    if length and not exists:
        text = f"session {session_id} has {length} entries of history, and its record is lost"
        yield Violation("S8", text, (history, key))
