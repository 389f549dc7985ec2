"""Commands that wait for their reply: sent once per connection, with one key, until their deadline."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from .backoff import Backoff
from .errors import CommandTimeoutError, RateLimitedError, RelevoError

MUTATING = frozenset(
    {
        "status.set",
        "session.open",
        "session.transfer",
        "session.answer",
        "session.update",
        "session.accept",
        "session.decline",
        "session.recall",
        "session.note",
        "session.close",
        "settings.put",
        "agent.put",
        "agent.remove",
        "department.put",
        "department.remove",
    }
)
"""The commands that change something and so carry an idempotency key."""

Outcome: TypeAlias = Mapping[str, Any] | RelevoError


@dataclass(slots=True)
class PendingCommand:
    """
    A command without its final answer.

    Attributes:
        deadline: When to give up, in the caller's clock (seconds); infinite for the client's own.
        not_before: When it may be sent again after a retryable error.
        internal: Whether the client sent it by itself, so that no caller waits for the outcome.
        may_be_replayed: Whether the reply may be an earlier one, given again for its key.
    """

    id: str
    type: str
    fields: Mapping[str, Any]
    key: str | None
    deadline: float
    not_before: float = 0.0
    sent: bool = False
    refusals: int = 0
    internal: bool = False
    may_be_replayed: bool = False
    last_error: RelevoError | None = None

    def message(self) -> dict[str, Any]:
        """Return the map to send; the same each time, so that the router knows it again."""
        message = {"type": self.type, "id": self.id, **self.fields}
        if self.key is not None:
            message["key"] = self.key
        return message


def retry_delay_s(error: RelevoError, refusals: int, backoff: Backoff, random: Callable[[], float]) -> float:
    """
    Return the seconds to wait after a retryable error.

    A rate limit's own wait is kept, and jitter comes on top: all commands refused at one moment carry the
    same wait.
    """
    wait_s = backoff.delay_s(refusals, random)
    if isinstance(error, RateLimitedError) and error.retry_in_ms is not None:
        wait_s += max(0, error.retry_in_ms) / 1000
    return wait_s


class PendingCommands:
    """The commands without an answer, in the order they were given."""

    def __init__(self, backoff: Backoff, random: Callable[[], float]) -> None:
        self._commands: dict[str, PendingCommand] = {}
        self._backoff = backoff
        self._random = random

    def __iter__(self) -> Iterator[PendingCommand]:
        return iter(list(self._commands.values()))

    def __len__(self) -> int:
        return len(self._commands)

    def get(self, command_id: str) -> PendingCommand | None:
        """Return a command by its id, or None."""
        return self._commands.get(command_id)

    def add(self, command: PendingCommand) -> None:
        """Append a command."""
        self._commands[command.id] = command

    def drop(self, command_id: str) -> PendingCommand | None:
        """Take a command out."""
        return self._commands.pop(command_id, None)

    def take_due(self, now: float) -> list[PendingCommand]:
        """Return the commands to send now, and count them as sent."""
        due = [command for command in self if not command.sent and command.not_before <= now]
        for command in due:
            command.sent = True
        return due

    def refused(self, command: PendingCommand, error: RelevoError, now: float) -> bool:
        """
        Note an error.

        Returns:
            Whether the command is retried; a final error removes it.
        """
        if not error.retryable:
            self.drop(command.id)
            return False
        wait_s = retry_delay_s(error, command.refusals, self._backoff, self._random)
        command.last_error = error
        command.refusals += 1
        command.sent = False
        command.not_before = now + wait_s
        return True

    def connection_lost(self) -> None:
        """Send all again on the next connection: which of them arrived is unknown."""
        for command in self:
            command.sent = False
            command.may_be_replayed = command.key is not None

    def expire(self, now: float) -> list[tuple[PendingCommand, CommandTimeoutError]]:
        """Take out the commands whose deadline has come, each with its error."""
        expired = []
        for command in self:
            if command.deadline <= now:
                self.drop(command.id)
                error = CommandTimeoutError(f"{command.type} had no final answer in time", key=command.key)
                error.__cause__ = command.last_error
                expired.append((command, error))
        return expired

    def wake_at(self, now: float, connected: bool) -> float | None:
        """
        Return when something becomes due next; what is due already is not counted.

        Args:
            now: The time.
            connected: Whether commands can be sent; otherwise only deadlines count.
        """
        times = [command.deadline for command in self if command.deadline != float("inf")]
        if connected:
            times += [command.not_before for command in self if not command.sent and command.not_before > now]
        return min(times, default=None)
