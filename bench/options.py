"""What a command line asked for."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bench.load.protocols import RelevoProtocol, relevo_target


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """
    The choices of one run.

    Attributes:
        url: A running router to measure; None starts routers and stores here.
        secret: Of that router's tokens.
        clients: How many, where a scenario would choose itself.
        rates: How many things a second, the same.
        seconds: How long one step of a scenario lasts.
        linger_s: How long a step waits for what its last change causes.
        load_processes: How many processes make the load.
        binary: Whether clients speak MessagePack.
        output: The folder of the reports.
        command: What was typed.
    """

    url: str | None = None
    secret: str = ""
    clients: tuple[int, ...] = ()
    rates: tuple[float, ...] = ()
    seconds: float = 3.0
    linger_s: float = 0.3
    load_processes: int = field(default_factory=lambda: min(4, max(2, (os.cpu_count() or 2) // 2)))
    binary: bool = False
    output: Path = Path("bench-results")
    command: str = "python -m bench"

    def remote(self) -> RelevoProtocol:
        """
        Return how to speak to the router at ``url``.

        Raises:
            ValueError: The URL is not one that the load can connect to.
        """
        parts = urlsplit(self.url or "")
        if parts.scheme != "ws" or parts.hostname is None:
            raise ValueError("--url must be a ws:// URL: the load does not speak TLS")
        if not self.secret:
            raise ValueError("--url needs the router's secret in RELEVO_JWT_SECRET, to make tokens with")
        target = relevo_target((parts.port or 80,), parts.hostname, parts.path or "/ws", binary=self.binary)
        return RelevoProtocol(target, self.secret, self.binary)
