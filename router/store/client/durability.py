"""What must have happened to a change before it is acknowledged (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

# How long after its last word a replica may be silent, in milliseconds: it speaks once a second.
_REPLICA_SILENCE_MS = 1000


class DurabilityLevel(Enum):
    """Who must have a change before its caller hears of it."""

    MEMORY = "memory"
    FSYNC = "fsync"
    REPLICA = "replica"


@dataclass(frozen=True, slots=True)
class Durability:
    """
    Say what an acknowledgement promises.

    Attributes:
        level: The server's memory (and whatever it is configured to do besides), its disk, or its replicas.
        replicas: How many replicas, where they are asked.
        timeout_ms: How long they may take.
    """

    level: DurabilityLevel = DurabilityLevel.MEMORY
    replicas: int = 1
    timeout_ms: int = 3000

    @property
    def waits(self) -> bool:
        """Tell whether an acknowledgement takes more than the server's answer."""
        return self.level is not DurabilityLevel.MEMORY

    @property
    def version_min(self) -> tuple[int, int]:
        """The oldest Redis with what is needed: functions and sharded channels, or also WAITAOF."""
        return (7, 2) if self.level is DurabilityLevel.FSYNC else (7, 0)

    def wait(self, limit_ms: int) -> tuple[bytes, ...]:
        """Return the command that waits until what its connection wrote is as durable as this."""
        if self.level is DurabilityLevel.FSYNC:
            return (b"WAITAOF", b"1", b"0", b"%d" % limit_ms)
        return (b"WAIT", b"%d" % self.replicas, b"%d" % limit_ms)

    def missing(self, reply: object) -> str | None:
        """Return what the reply to ``wait`` lacks, in words, or None."""
        if self.level is DurabilityLevel.FSYNC:
            synced = reply[0] if isinstance(reply, list) and reply else 0
            return None if synced == 1 else "it was not on the disk"
        replicas = reply if isinstance(reply, int) else 0
        return None if replicas >= self.replicas else f"{replicas} of {self.replicas} replicas had it"

    def shortcoming(self, info: Mapping[str, str]) -> str | None:
        """Return why a server cannot keep this promise now, by its fields of ``INFO``, or None."""
        if self.level is DurabilityLevel.FSYNC and info.get("aof_enabled") != "1":
            return "it keeps no append-only file, which durability `fsync` needs (appendonly yes)"
        if self.level is DurabilityLevel.REPLICA:
            replicas = sum(name.startswith("slave") and self._follows(text) for name, text in info.items())
            if replicas < self.replicas:
                return f"{replicas} of the {self.replicas} replicas that durability `replica` needs follow it"
        return None

    def _follows(self, replica: str) -> bool:
        state = dict(part.partition("=")[::2] for part in replica.split(","))
        lag_s = state.get("lag", "")
        silence_ms_max = self.timeout_ms + _REPLICA_SILENCE_MS
        return state.get("state") == "online" and lag_s.isdigit() and int(lag_s) * 1000 <= silence_ms_max
