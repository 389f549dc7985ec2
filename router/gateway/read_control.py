"""
When a connection is read: at its rate, and while not too much of it, or of its tenant, is in hand. Pure.

What is not read waits in the network, and in the end at the client.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from relevo.router.gateway.rate_limit import Allowance

Item: TypeAlias = Any
"""A message as it was decoded."""

JOINING, FULL, CROWDED, RESTING, LEAVING = 1, 2, 4, 8, 16
"""Why a connection is not read."""

REST_MS_MIN = 1
"""A rest that would be shorter is added to the next one."""


class Reader(Protocol):
    """What the intake knows of a websocket."""

    def pause_reading(self) -> None:
        """Read no message until `resume_reading`."""

    def resume_reading(self) -> None:
        """Read messages again."""


class Crowd:
    """
    The commands of one tenant that are in hand; who comes when there are too many waits for a turn.

    Without it, many connections that send much at once would make one turn of the loop as long as all of that
    takes, for everybody.

    Args:
        in_hand_max: How many.
        turn_max: How many of them enter in one turn of the loop.
        call_soon: Calls back in the next turn of the loop.
    """

    __slots__ = ("__weakref__", "_call_soon", "_entered", "_in_hand", "_in_hand_max", "_turn_max", "_waiting")

    def __init__(
        self, in_hand_max: int, turn_max: int, call_soon: Callable[[Callable[[], None]], object]
    ) -> None:
        self._in_hand = 0
        self._in_hand_max = in_hand_max
        self._turn_max = turn_max
        self._entered = 0
        self._call_soon = call_soon
        self._waiting: deque[Callable[[], None]] = deque()

    @property
    def has_room(self) -> bool:
        """Return whether another command may enter now."""
        return self._in_hand < self._in_hand_max and self._entered < self._turn_max

    @property
    def is_empty(self) -> bool:
        """Return whether nothing is in hand, and nobody waits."""
        return not self._in_hand and not self._waiting

    @property
    def is_awaited(self) -> bool:
        """Return whether somebody waits for a turn."""
        return bool(self._waiting)

    def enter(self) -> None:
        """Take a command in hand."""
        if not self._entered:
            self._call_soon(self._begin_turn)
        self._entered += 1
        self._in_hand += 1

    def leave(self) -> None:
        """Let a command go, and give those who wait their turns, as far as there is room."""
        self._in_hand -= 1
        self._give_turns()

    def _begin_turn(self) -> None:
        self._entered = 0
        self._give_turns()

    def _give_turns(self) -> None:
        while self._waiting and self.has_room:
            self._waiting.popleft()()

    def wait(self, turn: Callable[[], None]) -> None:
        """Wait for a turn, in which to enter with a command and, if there are more, to wait again."""
        self._waiting.append(turn)


class Intake:
    """
    Pause and resume the reading of one connection, and keep what has arrived before its turn.

    Args:
        reader: Its websocket.
        allowance: What it may send.
        in_flight_max: How many of its commands may be in hand.
    """

    __slots__ = ("_crowd", "_held", "_in_flight_max", "_pauses", "_reader", "_take", "allowance", "in_flight")

    def __init__(self, reader: Reader, allowance: Allowance, in_flight_max: int) -> None:
        self.allowance = allowance
        self.in_flight = 0
        self._in_flight_max = in_flight_max
        self._pauses = 0
        self._reader = reader
        self._crowd: Crowd | None = None
        self._held: deque[Item] | None = None
        self._take: Callable[[Item], None] | None = None

    def hold(self, why: int) -> None:
        """Keep what arrives from now on, at most the rest of a batch, until `go_on`."""
        if self._held is None:
            self._held = deque()
        self.pause(why)

    def join(self, crowd: Crowd, take: Callable[[Item], None]) -> None:
        """
        Count the commands among those of a tenant.

        Args:
            crowd: Theirs.
            take: Called with what was held, in its turn.
        """
        self._crowd, self._take = crowd, take

    def end(self) -> None:
        """Give no turn to what is held still: the connection is gone."""
        self._take = self._held = None

    def admits(self, item: Item) -> bool:
        """Return whether to take an item now; otherwise it is held."""
        if self._held is None and self._crowd is not None and not self._crowd.has_room:
            self.hold(CROWDED)
            self._crowd.wait(self.go_on)
        if self._held is None:
            return True
        self._held.append(item)
        return False

    def go_on(self) -> None:
        """Give what is held its turn."""
        held, crowd, take = self._held, self._crowd, self._take
        if held is None or crowd is None or take is None:
            return
        while held and crowd.has_room:
            take(held.popleft())
            if crowd.is_awaited:
                break  # Others have their turns.
        if held:
            self.pause(CROWDED)
            crowd.wait(self.go_on)
        else:
            self._held = None
            self.resume(CROWDED)

    def begun(self) -> None:
        """Take note that a command is in hand."""
        assert self._crowd is not None
        self._crowd.enter()
        self.in_flight += 1
        if self.in_flight >= self._in_flight_max:
            self.pause(FULL)

    def finished(self) -> None:
        """Take note that a command was answered."""
        assert self._crowd is not None
        self.in_flight -= 1
        if self._pauses and self.in_flight <= self._in_flight_max // 2:
            self.resume(FULL)
        self._crowd.leave()

    def rest(self, call_later: Callable[[int, Callable[[], None]], object]) -> None:
        """
        Read nothing for as long as the allowance says after it refused something.

        Args:
            call_later: Calls back after milliseconds.
        """
        rest_ms = int(self.allowance.rest_s * 1000 + 1e-6)
        if rest_ms >= REST_MS_MIN and not self._pauses & RESTING:
            self.allowance.rest_s = 0.0
            self.pause(RESTING)
            call_later(rest_ms, lambda: self.resume(RESTING))

    def pause(self, why: int) -> None:
        """Read nothing for this reason, until it is no more."""
        self._pauses |= why
        self._reader.pause_reading()

    def resume(self, why: int) -> None:
        """Read again, if nothing else speaks against it."""
        if self._pauses & why:
            self._pauses ^= why
            if not self._pauses:
                self._reader.resume_reading()
