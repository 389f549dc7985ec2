"""Check histories: numbers, owners that chain, and a fence that counts the changes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial

from relevo.protocol.objects import Entry, Owner
from relevo.router.audit.layout import DAMAGED, PAGE
from relevo.router.audit.snapshot import Rule, Snapshot
from relevo.router.audit.violation import Violation
from relevo.router.store.records import SessionRecord, decode_session, entries_of, owner_of

STATE_BY_OUTCOME = {"assigned": "in_progress", "pending": "pending", "queued": "queued"}


@dataclass(frozen=True)
class HistoryFold:
    """
    What a history has told so far.

    Attributes:
        records: How many of the log there were.
        placed_at: The record of the last change of owner.
        transfer_at: The record that holds the latest transfer; -1 for none.
        entries: How many there were.
        fence: How many of them changed owner or state.
        hops: Transfers since the session was opened last.
        state: None before the first entry, and where it does not follow.
        owner: None also where it does not follow.
    """

    records: int = 0
    placed_at: int = -1
    transfer_at: int = -1
    entries: int = 0
    fence: int = 0
    hops: int = 0
    state: str | None = None
    owner: Owner | None = None

    def with_entry(self, entry: Entry) -> HistoryFold:
        """Return the fold with one entry more."""
        fold = replace(self, entries=self.entries + 1)
        if entry.kind == "internal":
            return fold
        fold = replace(fold, fence=self.fence + 1, state=None, owner=None)
        if entry.kind == "opened":
            return replace(fold, hops=0)
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
            return replace(fold, hops=self.hops + 1, state=state, owner=owner)
        return fold

    def _moved(self, fold: HistoryFold, entry: Entry) -> HistoryFold:
        """Follow what the system did: away from a lost agent, back to it, or out of a queue."""
        if self.owner is None or self.owner.kind == "agent":
            return fold
        sent = entry.transfer
        if sent is not None and sent.assigned_to is not None and sent.to.id == self.owner.id:
            return replace(fold, state="in_progress", owner=Owner("agent", sent.assigned_to))
        return replace(fold, state="in_progress")

    def with_record(self, record: SessionRecord) -> HistoryFold:
        """Return the fold with the record of which it has the entries."""
        return replace(
            self, records=self.records + 1, placed_at=record.placed_at, transfer_at=record.transfer_at
        )

    def difference_to(self, record: SessionRecord) -> tuple[str, str] | None:
        """Return the invariant that a record's head breaks after its entries, and how; or None."""
        moved = record.kind != "internal"
        placed_at = self.records if moved else self.placed_at
        transfer_at = self.records if record.transfer is not None else self.transfer_at
        if record.kind == "opened":
            transfer_at = -1
        owner = owner_of(record)
        if (record.index, record.entry_count) != (self.records, self.entries):
            text = f"record {self.records} says that it is {record.index}, with {record.entry_count} entries"
            return "S8", f"{text} of {self.entries}"
        if record.fence != self.fence:
            return "S2", f"the fence is {record.fence} after {self.fence} changes"
        if (self.state or record.state) != record.state or (self.owner or owner) != owner:
            return "S8", f"it is {record.state} with {record.owner_id}, which no entry says"
        if record.hops != self.hops:
            return "S8", f"{record.hops} transfers are counted, and {self.hops} are told of"
        if (record.placed_at, record.transfer_at) != (placed_at, transfer_at):
            return "S8", f"record {self.records} names records {record.placed_at} and {record.transfer_at}"
        return None

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
            named = f"{sender.kind} {sender.id}" if sender is not None else "no owner"
            return f"entry {entry.seq} takes it from {named}, but {self.owner.kind} {self.owner.id} had it"
        return None


def history_rule(
    session_id: str, read: Snapshot, fold: HistoryFold = HistoryFold()
) -> Iterator[Violation | Rule]:
    """Check a session's log from where the fold is: each record by all that happened up to it."""
    key = f"session:{session_id}"
    (page,) = read(("LRANGE", key, fold.records, fold.records + PAGE - 1))
    for packed in page:
        try:
            record = decode_session(packed)
        except DAMAGED as error:
            text = f"record {fold.records} of session {session_id} cannot be read: {error}"
            yield Violation("shape", text, (key,))
            return
        odd = None
        for entry in entries_of(record):
            odd = odd or fold.contradiction_of(entry)
            fold = fold.with_entry(entry)
        wrong = ("S8", odd) if odd is not None else fold.difference_to(record)
        if wrong is not None:
            invariant, text = wrong
            yield Violation(invariant, f"in the history of session {session_id} {text}", (key,))
            return
        fold = fold.with_record(record)
    if len(page) == PAGE:
        yield partial(history_rule, session_id, fold=fold)
