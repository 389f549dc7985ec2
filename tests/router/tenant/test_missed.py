"""Which changes a client that resumes its watch is sent."""

from __future__ import annotations

from typing import Any, cast

import pytest

from relevo.router.store.events import Event, Events
from relevo.router.tenant.missed import MISSED_MAX, read_missed
from tests.router.events import change, session_record


class KeptEvents:
    """A tenant whose store holds some events, and a replica that has come to a position."""

    def __init__(self, *events: Event, seq: int, kept_from: int = 1) -> None:
        self.epoch, self.seq = "e", seq
        self._events, self._kept_from = events, kept_from

    async def events(self, tenant: str, epoch: str, after: int, limit: int) -> Events:
        if after + 1 < self._kept_from:
            return Events(epoch, self.seq)
        return Events(epoch, self.seq, [one for one in self._events if one.seq > after][:limit])

    async def missed(self, seq: int, epoch: str = "e") -> list[tuple[str, int | Any]] | None:
        found = await read_missed(cast(Any, self), "acme", cast(Any, self), (epoch, seq))
        return None if found is None else [(push.session.id, push.seq) for push in found]


def event(seq: int, *session_ids: str, what: str = "placed") -> Event:
    changes = [change(session_record(one, "ana"), what=what) for one in session_ids]
    return Event(1, "e", seq, 0, changes=changes)


async def test_missed_is_the_latest_change_of_each_session_in_order() -> None:
    kept = KeptEvents(event(1, "a"), event(2, "b"), event(3, "a"), event(4), seq=4)
    assert await kept.missed(0) == [("b", 2), ("a", 3)]
    assert await kept.missed(4) == []


async def test_note_is_no_change_of_a_session() -> None:
    assert await KeptEvents(event(1, "a", what="written"), seq=1).missed(0) == []


async def test_what_the_replica_has_not_seen_yet_comes_by_the_feed() -> None:
    assert await KeptEvents(event(1, "a"), event(2, "b"), seq=1).missed(0) == [("a", 1)]


async def test_events_that_are_not_kept_or_of_another_epoch_are_not_resumed() -> None:
    assert await KeptEvents(event(3, "a"), seq=3, kept_from=3).missed(0) is None
    assert await KeptEvents(event(1, "a"), seq=1).missed(0, epoch="f") is None


@pytest.mark.limit("MISSED_MAX")
async def test_more_sessions_than_missed_max_are_not_sent() -> None:
    events = [event(number, f"s{number}") for number in range(1, MISSED_MAX + 2)]
    assert await KeptEvents(*events, seq=MISSED_MAX + 1).missed(0) is None
    found = await KeptEvents(*events, seq=MISSED_MAX).missed(0)
    assert found is not None
    assert len(found) == MISSED_MAX
