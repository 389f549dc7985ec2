"""What the gateway counts for the metrics."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from relevo.protocol.commands import Command
from relevo.protocol.errors import Error
from relevo.protocol.results import Result


@dataclass(slots=True)
class GatewayCounts:
    """
    Totals since the start of this process.

    Attributes:
        accepted: Websockets opened.
        hellos: Connections welcomed.
        commands: Commands answered over websockets and HTTP, by type and outcome: an error code, or ``done``.
        throttled: Messages over a rate limit, by the limit.
        refused: Handshakes refused, by the reason that they were answered with.
        closes: Connections ended, by the router's close code; ``client`` where the client closed first.
    """

    accepted: int = 0
    hellos: int = 0
    commands: Counter[tuple[type[Command], str]] = field(default_factory=Counter)
    throttled: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    closes: Counter[str] = field(default_factory=Counter)

    def answered(self, command: type[Command], answer: Result | Error) -> None:
        """Count a command by its answer."""
        self.commands[command, answer.code.value if isinstance(answer, Error) else "done"] += 1
