"""
Which push of an event goes to which client. Pure.

An event says what happened to a session, and which agents it concerns; this converts it to the protocol's
pushes. The records are decoded only if one is connected here: most events concern agents of other nodes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import cast

from relevo.protocol.objects import Session, Transfer
from relevo.protocol.pushes import (
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

WATCHERS = None
"""Addressee of a push that goes to every admin who watches."""


def pushes_of(
    change: records.Change, is_here: Callable[[str], bool], is_watched: bool
) -> Iterator[tuple[str | None, Push]]:
    """
    Yield the pushes of one change, in the order in which they are to be sent.

    Args:
        change: What happened to one session.
        is_here: Whether an addressee has a connection on this node.
        is_watched: Whether an admin watches the tenant's sessions here.

    Yields:
        The addressee (see `records.addressee`, or WATCHERS) and the push.
    """
    session: Session | None = None
    if change.session is not records.MISSING and (is_watched or _concerns(change, is_here)):
        session = records.session(change.session)
    if session is not None:
        yield from _placements(change, session, is_here)
    if change.owner is not None and change.entries and is_here(change.owner):
        for packed in change.entries:
            yield change.owner, SessionEntry(session_id=change.session_id, entry=records.entry(packed))
    if session is not None:
        updated = change.updated
        if updated is not None and is_here(updated.maker):
            transfer = session.transfer
            if updated.transfer is not records.MISSING:
                transfer = records.transfer(updated.transfer)
            if transfer is not None:
                state = cast(TransferState, updated.state)
                yield updated.maker, TransferUpdated(transfer=transfer, state=state, session=session)
        if is_watched:
            yield WATCHERS, SessionChanged(session=session)


def _concerns(change: records.Change, is_here: Callable[[str], bool]) -> bool:
    removed, updated = change.removed, change.updated
    return (
        (change.assigned is not None and is_here(change.assigned))
        or (change.pending is not None and is_here(change.pending))
        or (removed is not None and is_here(removed.agent_id))
        or (updated is not None and is_here(updated.maker))
    )


def _placements(
    change: records.Change, session: Session, is_here: Callable[[str], bool]
) -> Iterator[tuple[str, Push]]:
    # The new owner first: a conversation is visible to an agent at every moment.
    if change.assigned is not None and is_here(change.assigned):
        yield change.assigned, SessionAssigned(session=session, transfer=session.transfer)
    if change.pending is not None and is_here(change.pending):
        yield change.pending, SessionPending(session=session, transfer=session.transfer)
    removed = change.removed
    if removed is not None and is_here(removed.agent_id):
        transfer: Transfer | None = None if removed.why == "closed" else session.transfer
        why = cast(RemovedWhy, removed.why)
        yield (
            removed.agent_id,
            SessionRemoved(session_id=session.id, fence=session.fence, why=why, transfer=transfer),
        )
