"""
Fair queue: one FIFO for each flow (a tenant), served round robin. Pure.

Noisy-neighbour isolation. In one FIFO for all, the commands of a tenant that sends many would delay those of
every other tenant, and the renewals of the leases. Here a command waits for at most one command of each other
tenant before it. (Deficit round robin with a quantum of one command: after one that counts as several, its
flow is passed over as many times less one, until the batch is full.)
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _Flow(Generic[Item]):
    __slots__ = ("items", "name", "passes")

    def __init__(self, name: str) -> None:
        self.name = name
        self.passes = 0  # How many of its turns are spent.
        self.items: deque[Item] = deque()


class FairQueue(Generic[Item]):
    """
    Queue items by flow: first in first out within a flow, round robin between flows.

    Args:
        size_max: How many items in all. One flow may take half of what is free, so that however many others
            fill theirs, there is room for one more.
        weight: Returns as how many an item counts.
    """

    def __init__(self, size_max: int, weight: Callable[[Item], int] = lambda _: 1) -> None:
        self._size_max = size_max
        self._weight = weight
        self._size = 0
        self._flows: dict[str, _Flow[Item]] = {}
        self._turns: deque[_Flow[Item]] = deque()
        self._first: deque[Item] = deque()

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Item]:
        return chain(self._first, *(flow.items for flow in self._turns))

    def add(self, name: str, item: Item, held: int = 0) -> bool:
        """
        Queue an item at the end of a flow, if the flow has room for it.

        Args:
            name: The flow.
            item: The item.
            held: How many items are held outside of this queue, and count.

        Returns:
            Whether it is queued.
        """
        flow = self._flows.get(name)
        depth = len(flow.items) if flow is not None else 0
        if depth >= self._size_max - self._size - held:
            return False
        if flow is None:
            flow = self._flows[name] = _Flow(name)
            self._turns.append(flow)
        flow.items.append(item)
        self._size += 1
        return True

    def put_back(self, items: Iterable[Item]) -> None:
        """Queue items that were taken before in front of all others, in this order."""
        returned = list(items)
        self._first.extendleft(reversed(returned))
        self._size += len(returned)

    def take(self, flow_max: int) -> Iterator[Item]:
        """
        Take items while the caller asks for more: first what was put back, then one of each flow in turn.

        Args:
            flow_max: How many of one flow, at most, by their weight.
        """
        while self._first:
            self._size -= 1
            yield self._first.popleft()
        turns = self._turns
        for flow in turns:
            flow.passes = 0
        for _ in range(flow_max):
            for _ in range(len(turns)):
                flow = turns[0]
                if flow.passes:
                    flow.passes -= 1
                    turns.rotate(-1)
                    continue
                item = flow.items.popleft()
                self._size -= 1
                flow.passes = self._weight(item) - 1
                if flow.items:
                    turns.rotate(-1)
                else:
                    turns.popleft()
                    del self._flows[flow.name]
                yield item
            if not turns:
                return

    def drop(self, unwanted: Callable[[Item], bool]) -> None:
        """Remove the items for which ``unwanted`` is true."""
        self._first = deque(item for item in self._first if not unwanted(item))
        for flow in self._turns:
            flow.items = deque(item for item in flow.items if not unwanted(item))
        self._turns = deque(flow for flow in self._turns if flow.items)
        self._flows = {flow.name: flow for flow in self._turns}
        self._size = len(self._first) + sum(len(flow.items) for flow in self._turns)

    def clear(self) -> None:
        """Remove all items."""
        self._size = 0
        self._flows.clear()
        self._turns.clear()
        self._first.clear()
