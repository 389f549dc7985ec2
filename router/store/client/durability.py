"""Durability levels: what a reply to a change promises (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

# How long after its last acknowledgement a replica may be silent, in milliseconds: it sends one a second.
_REPLICA_SILENCE_MS = 1000


class DurabilityLevel(Enum):
    """Where a write must be before its reply is passed on."""

    MEMORY = "memory"
    FSYNC = "fsync"
    REPLICA = "replica"


@dataclass(frozen=True, slots=True)
class Durability:
    """
    What a reply to a change promises.

    Attributes:
        level: The write is in the server's memory, on its disk (WAITAOF), or on its replicas (WAIT).
        replicas: On how many replicas, for level `replica`.
        timeout_ms: How long that may take.
    """

    level: DurabilityLevel = DurabilityLevel.MEMORY
    replicas: int = 1
    timeout_ms: int = 3000

    @property
    def needs_wait(self) -> bool:
        """Whether a reply is held until a WAIT or WAITAOF confirms the write."""
        return self.level is not DurabilityLevel.MEMORY

    @property
    def version_min(self) -> tuple[int, int]:
        """The oldest Redis with functions and sharded pub/sub; for level `fsync` also with WAITAOF."""
        return (7, 2) if self.level is DurabilityLevel.FSYNC else (7, 0)

    def wait_command(self, timeout_ms: int) -> tuple[bytes, ...]:
        """Return the command that waits until what its connection wrote is as durable as this level."""
        if self.level is DurabilityLevel.FSYNC:
            return (b"WAITAOF", b"1", b"0", b"%d" % timeout_ms)
        return (b"WAIT", b"%d" % self.replicas, b"%d" % timeout_ms)

    def shortfall(self, reply: object) -> str | None:
        """Return what the reply to ``wait_command`` lacks, in words, or None."""
        if self.level is DurabilityLevel.FSYNC:
            synced = reply[0] if isinstance(reply, list) and reply else 0
            return None if synced == 1 else "it was not on the disk"
        replicas = reply if isinstance(reply, int) else 0
        return None if replicas >= self.replicas else f"{replicas} of {self.replicas} replicas had it"

    def obstacle(self, info: Mapping[str, str]) -> str | None:
        """Return why a server cannot meet this level now, by its fields of ``INFO``, or None."""
        if self.level is DurabilityLevel.FSYNC and info.get("aof_enabled") != "1":
            return "it keeps no append-only file, which durability `fsync` needs (appendonly yes)"
        if self.level is DurabilityLevel.REPLICA:
            replicas = sum(name.startswith("slave") and self._is_live(text) for name, text in info.items())
            if replicas < self.replicas:
                return f"{replicas} of the {self.replicas} replicas that durability `replica` needs follow it"
        return None

    def _is_live(self, replica: str) -> bool:
        state = dict(part.partition("=")[::2] for part in replica.split(","))
        lag_s = state.get("lag", "")
        silence_ms_max = self.timeout_ms + _REPLICA_SILENCE_MS
        return state.get("state") == "online" and lag_s.isdigit() and int(lag_s) * 1000 <= silence_ms_max
