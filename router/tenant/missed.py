"""What a client that watches sessions has missed, by the tenant's kept events."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from relevo.protocol.pushes import SessionChanged
from relevo.router.store.commands import StoreCommands
from relevo.router.store.events import Event
from relevo.router.tenant.directory import Replica
from relevo.router.tenant.recipients import WATCHERS, pushes_of

MISSED_MAX = 500
"""Sessions whose changes are sent to a client that resumes; one that missed more lists them."""

EVENTS_STEP = 500
"""Events that are read by one command."""


async def read_missed(
    commands: StoreCommands, tenant: str, replica: Replica, position: tuple[str, int]
) -> list[SessionChanged] | None:
    """
    Return the latest change of each session after a position, up to where the replica is on return.

    Args:
        commands: Read the events.
        tenant: Whose sessions.
        replica: Of the tenant, kept by the feed.
        position: Epoch and seq up to which the client knows the changes.

    Returns:
        The changes in order; None where the events are not kept any more, are of another epoch, or concern
        more than MISSED_MAX sessions.

    Raises:
        StoreUnavailableError: The store does not answer.
        StoreDefectError: The command failed.
    """
    epoch, seq = position
    events: list[Event] = []
    while epoch == replica.epoch:
        if seq >= replica.seq:
            return _latest(event for event in events if event.seq <= replica.seq)
        found = await commands.events(tenant, epoch, seq, EVENTS_STEP)
        if not found.events:
            return None
        events += [event for event in found.events if event.changes]
        seq = found.events[-1].seq
    return None


def _latest(events: Iterable[Event]) -> list[SessionChanged] | None:
    latest: dict[str, SessionChanged] = {}
    for event in events:
        for change in event.changes:
            for addressee, push in pushes_of(change, _is_here, True):
                if addressee is WATCHERS and isinstance(push, SessionChanged):
                    latest.pop(push.session.id, None)
                    latest[push.session.id] = msgspec.structs.replace(push, epoch=event.epoch, seq=event.seq)
        if len(latest) > MISSED_MAX:
            return None
    return list(latest.values())


def _is_here(_: str) -> bool:
    return False
