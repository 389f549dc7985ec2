"""
Which push of an event goes to which client. Pure.

An event says what happened to a session, and which agents it concerns; this converts it to the protocol's
pushes. The records are decoded only if one is connected here: most events concern agents of other nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

from msgspec import UNSET

from relevo.protocol.objects import Session, Transfer
from relevo.protocol.pushes import (
    MovedWhy,
    Push,
    RemovedWhy,
    SessionAssigned,
    SessionChanged,
    SessionEntry,
    SessionPending,
    SessionRemoved,
    TransferState,
    TransferUpdated,
)
from relevo.router.store import records
from relevo.router.store.events import Change

WATCHERS = None
"""Addressee of a push that goes to every client that watches."""


def pushes_of(
    change: Change, is_here: Callable[[str], bool], is_watched: bool
) -> Iterator[tuple[str | None, Push]]:
    """
    Yield the pushes of one change, in the order in which they are to be sent.

    Args:
        change: What happened to one session.
        is_here: Whether an addressee has a connection on this node.
        is_watched: Whether a client watches the tenant's sessions here.

    Yields:
        The addressee (see `records.addressee`, or WATCHERS) and the push.
    """
    record = change.record
    owner = record.owner_id if records.OWNER_KINDS.get(record.state) == "agent" else None
    owner = owner if owner is not None and is_here(owner) else None
    left = change.left if change.left is not None and is_here(change.left) else None
    sender = change.superseded_sender or record.sender
    sender = sender if change.told is not None and sender is not None and is_here(sender) else None
    session: Session | None = None
    if change.what != "written" and (
        is_watched or left or sender or (owner and change.what in ("placed", "updated"))
    ):
        session = records.session_of(record, change.transfer)
    if session is not None and change.what == "placed":
        yield from _placements(change, session, owner, left)
    if owner is not None and change.what in ("placed", "written"):
        for entry in records.entries_of(record):
            yield owner, SessionEntry(session_id=record.id, entry=entry)
    if session is not None:
        if sender is not None:
            transfer = session.transfer
            if change.superseded is not None:
                transfer = records.transfer_of(change.superseded, record.id)
            if transfer is not None:
                state = cast(TransferState, change.told)
                why = _why_moved(change) or UNSET
                yield sender, TransferUpdated(transfer=transfer, state=state, session=session, why=why)
        if owner is not None and change.what == "updated":
            yield owner, SessionChanged(session=session)
        if is_watched:
            kind = record.kind if change.what == "placed" else UNSET
            yield WATCHERS, SessionChanged(session=session, why=kind)


def _why_moved(change: Change) -> MovedWhy | None:
    """Return why the system has moved a session."""
    extra = change.record.entry_extra
    return cast(MovedWhy, extra.why) if change.what == "placed" and extra is not None and extra.why else None


def _placements(
    change: Change, session: Session, owner: str | None, left: str | None
) -> Iterator[tuple[str, Push]]:
    # The new owner first: a conversation is visible to an agent at every moment.
    if owner is not None and session.state == "in_progress":
        yield owner, SessionAssigned(session=session, transfer=session.transfer)
    if owner is not None and session.state == "pending":
        yield owner, SessionPending(session=session, transfer=session.transfer)
    if left is not None:
        transfer: Transfer | None = None if change.why == "closed" else session.transfer
        why = cast(RemovedWhy, _why_moved(change) or change.why)
        yield (
            left,
            SessionRemoved(session_id=session.id, fence=session.fence, why=why, transfer=transfer),
        )
