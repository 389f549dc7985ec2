"""Describe the machine, so that figures of another one are not compared with these."""

from __future__ import annotations

import os
import platform
import resource
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from relevo.router.bundled_store.server import find_server

LIBRARIES = ("uvicorn", "uvloop", "websockets", "msgspec", "redis", "hiredis")


def describe() -> dict[str, str]:
    """Return what the figures depend on, as name and value."""
    load = ", ".join(f"{one:.2f}" for one in os.getloadavg())
    return {
        "processor": f"{_cpu_model()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.1f} GiB",
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load average at the start": load,
        "open files": " soft, ".join(str(one) for one in resource.getrlimit(resource.RLIMIT_NOFILE))
        + " hard",
        "Python": sys.version.split()[0],
        "libraries": ", ".join(f"{name} {version(name)}" for name in LIBRARIES),
        "store": _first_line(find_server(), "--version"),
        "revision": _first_line("git", "describe", "--always", "--dirty"),
    }


def file_limit() -> int:
    """Return how many files one process may have open."""
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def raise_file_limit() -> None:
    """Allow this process, and those it starts, as many open files as the system lets it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1_048_576
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    except (ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _first_line(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return done.stdout.strip().splitlines()[0]
