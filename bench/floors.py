"""
The floors of a run: what no router can go below on this machine, now.

Between two machines of one kind, and on one between two hours, the same work takes up to twice the processor
time. Its ratio to a floor of the same run stays.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from bench.load.engine import Step, Target
from bench.load.protocols import StatusChange
from bench.measurement import Measurement
from bench.processes import cpu_s
from bench.servers import HOST, ServerGroup, free_port
from bench.setup import Bench

SOURCE = Path(__file__).with_name("peers") / "baseline.c"


@dataclass(frozen=True, slots=True)
class BaselineProtocol:
    """The protocol of the C program, which sends frames of one kind and reads none."""

    target: Target
    arrival: re.Pattern[bytes] = field(default=re.compile(rb"(?!)"))
    answer: re.Pattern[bytes] | None = None

    def opening(self, index: int, dialog: bool, resume: tuple[str, int] | None) -> list[Step]:
        """Exchange nothing after the handshake."""
        return []

    def changes(self, index: int) -> tuple[bytes, bytes]:
        """Return nothing: the program reads no command."""
        return b"", b""

    def changed(self, payload: bytes) -> list[StatusChange]:
        """Return nothing: the frames hold no change."""
        return []

    def position(self, payload: bytes) -> tuple[str, int] | None:
        """Return None: the program has no position."""
        return None

    def transfer(self) -> bytes:
        """Return nothing: the program reads no command."""
        return b""

    def acknowledgement(self, message: bytes, session: bytes) -> bytes | None:
        """Return nothing: the program reads no command."""
        return None


SCRIPT = "local found for number = 1, 16 do found = redis.call('GET', KEYS[number]) end return found"
SCRIPTS_IN_FLIGHT = 32


def cpu_per_script_us(seconds: float) -> float:
    """
    Return the store's processor time of one EVALSHA of 16 GETs, in microseconds.

    Args:
        seconds: How long to run them, 32 at a time.
    """
    with ServerGroup() as group:
        store = group.store()
        client: Any = redis.Redis(host=HOST, port=store.port)
        keys = [f"key-{number}" for number in range(16)]
        client.mset(dict.fromkeys(keys, "value"))
        sha = client.script_load(SCRIPT)
        run, before_s, until = 0, cpu_s(store.process_ids[0]), time.monotonic() + seconds
        while time.monotonic() < until:
            pipeline = client.pipeline(transaction=False)
            for _ in range(SCRIPTS_IN_FLIGHT):
                pipeline.evalsha(sha, len(keys), *keys)
            run += len(pipeline.execute())
        return (cpu_s(store.process_ids[0]) - before_s) / run * 1e6


def compiler() -> str | None:
    """Return the path of a C compiler, or None where there is none."""
    return shutil.which("cc")


def cpu_per_send_us(
    bench: Bench, connections: int, payload_bytes: int, rate: float, seconds: float
) -> float | None:
    """
    Return the processor time of one send() in a C program that fans out, in microseconds.

    Args:
        bench: Holds the load processes that receive.
        connections: To how many it sends.
        payload_bytes: The size of what it sends.
        rate: How many times a second to all of them.
        seconds: How long.

    Returns:
        The time; None where there is no compiler.
    """
    cc = compiler()
    if cc is None:
        return None
    with ServerGroup() as group:
        program = group.folder / "baseline"
        subprocess.run([cc, "-O2", "-Wall", "-o", str(program), str(SOURCE)], check=True)
        port = free_port()
        server = group.run([str(program), str(port), str(connections), str(payload_bytes), str(rate)], port)
        measurement = Measurement(
            bench.options, bench.workers, bench.progress, BaselineProtocol(Target((port,))), [server], None
        )
        try:
            measurement.connect("dialogs", range(connections), dialog=True)
            with measurement.measured() as used:
                time.sleep(seconds)
        finally:
            bench.workers.drop_connections()
        frame_bytes = payload_bytes + (2 if payload_bytes < 126 else 4)
        return used.router_s / (used.bytes_in / frame_bytes) * 1e6
