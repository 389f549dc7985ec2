"""
What waits to be sent to a server, each tenant in its turn. Pure.

In one line for all, a tenant that asks for much would make the others wait, and let the leases run out that
are to be renewed behind it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _Lane(Generic[Item]):
    __slots__ = ("items", "name")

    def __init__(self, name: bytes) -> None:
        self.name = name
        self.items: deque[Item] = deque()


class FairQueue(Generic[Item]):
    """
    Hold items in lanes: within a lane the first comes first, and the lanes take turns.

    Args:
        size_max: How many items. A lane may take half of what is free, so that however many others fill
            theirs, there is room for one more.
    """

    def __init__(self, size_max: int) -> None:
        self._size_max = size_max
        self._size = 0
        self._lanes: dict[bytes, _Lane[Item]] = {}
        self._turns: deque[_Lane[Item]] = deque()
        self._first: deque[Item] = deque()

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Item]:
        return chain(self._first, *(lane.items for lane in self._turns))

    def has_room(self, name: bytes, elsewhere: int) -> bool:
        """
        Return whether a lane may take another item.

        Args:
            name: The lane.
            elsewhere: How many items are held outside of this queue, and are to count.
        """
        lane = self._lanes.get(name)
        return (len(lane.items) if lane is not None else 0) < self._size_max - self._size - elsewhere

    def add(self, name: bytes, item: Item) -> None:
        """Add an item at the end of a lane."""
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = _Lane(name)
            self._turns.append(lane)
        lane.items.append(item)
        self._size += 1

    def put_back(self, items: Iterable[Item]) -> None:
        """Have items that were taken before come first, in this order."""
        returned = list(items)
        self._first.extendleft(reversed(returned))
        self._size += len(returned)

    def take(self, share_max: int) -> Iterator[Item]:
        """
        Take items out while the caller asks for more: what was put back, and then of each lane in its turn.

        Args:
            share_max: How many of one lane, at most.
        """
        while self._first:
            self._size -= 1
            yield self._first.popleft()
        for _ in range(share_max):
            if not self._turns:
                return
            for _ in range(len(self._turns)):
                yield self._take_turn()

    def _take_turn(self) -> Item:
        self._size -= 1
        lane = self._turns[0]
        item = lane.items.popleft()
        if lane.items:
            self._turns.rotate(-1)
        else:
            self._turns.popleft()
            del self._lanes[lane.name]
        return item

    def drop(self, unwanted: Callable[[Item], bool]) -> None:
        """Forget the items that are not wanted any more."""
        self._first = deque(item for item in self._first if not unwanted(item))
        for lane in self._turns:
            lane.items = deque(item for item in lane.items if not unwanted(item))
        self._turns = deque(lane for lane in self._turns if lane.items)
        self._lanes = {lane.name: lane for lane in self._turns}
        self._size = len(self._first) + sum(len(lane.items) for lane in self._turns)

    def clear(self) -> None:
        """Forget all items."""
        self._size = 0
        self._lanes.clear()
        self._turns.clear()
        self._first.clear()
