"""What processes have used, as the operating system counts it (Linux: /proc)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Usage:
    """
    What some processes have used since they started.

    Attributes:
        cpu_s: Processor time, in user and kernel mode.
        memory_bytes: Memory that is theirs: what they share counts in parts.
    """

    cpu_s: float = 0.0
    memory_bytes: int = 0


def cpu_s(process_id: int) -> float:
    """Return the processor time of one process with all its threads, in seconds, exact to microseconds."""
    total_ns = 0
    for task in (PROC / str(process_id) / "task").iterdir():
        total_ns += int((task / "schedstat").read_text().split()[0])
    return total_ns / 1e9


def memory_bytes(process_id: int) -> int:
    """Return the proportional set size of one process."""
    return _mapped_bytes(process_id)["Pss"]


def private_bytes(process_id: int) -> int:
    """Return the memory that one process has to itself, so that it changes with none that shares some."""
    mapped = _mapped_bytes(process_id)
    return mapped["Private_Clean"] + mapped["Private_Dirty"]


def _mapped_bytes(process_id: int) -> dict[str, int]:
    lines = (PROC / str(process_id) / "smaps_rollup").read_text().splitlines()
    words = [line.split() for line in lines[1:]]
    return {name.rstrip(":"): int(kib) * 1024 for name, kib, *_ in words}


def usage(process_ids: Sequence[int], *, memory: bool = False) -> Usage:
    """
    Return what processes have used together.

    Args:
        process_ids: Which.
        memory: Whether to ask for memory, too, which makes the kernel walk their pages.
    """
    return Usage(
        sum(cpu_s(one) for one in process_ids),
        sum(memory_bytes(one) for one in process_ids) if memory else 0,
    )
