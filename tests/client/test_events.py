from __future__ import annotations

import pytest
from relevo_client.events import EventQueue, EventsLost, ServerDraining


def test_queue_keeps_the_order() -> None:
    queue = EventQueue(3)
    for number in range(3):
        queue.put(ServerDraining(number))

    assert [queue.take() for _ in range(3)] == [ServerDraining(number) for number in range(3)]


def test_oldest_are_dropped_and_a_marker_counts_them() -> None:
    queue = EventQueue(2)
    for number in range(5):
        queue.put(ServerDraining(number))

    assert len(queue) == 3
    assert [queue.take() for _ in range(3)] == [EventsLost(3), ServerDraining(3), ServerDraining(4)]
    with pytest.raises(IndexError):
        queue.take()
