"""
``python -m bench.instructions``: count the user instructions of a transfer by callgrind, in router and store.

Between machines of one kind the processor time of the same transfer differs by a factor; the number of
instructions does not. The kernel's are not in it. Router and store are counted in runs of their own, since
what runs under valgrind is fifty times slower.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from bench.servers import HOST, ServerGroup
from relevo.router.auth.tokens import sign

AGENTS = 64
IN_FLIGHT = {"64 in flight": 64, "alone": 1}
TRANSFERS = {"64 in flight": 640, "alone": 200}
REASON = "Has a question about the invoice of last month"
# What is slow for being counted is not late.
PATIENT: dict[str, int | str] = {
    "store_timeout_ms": 60_000,
    "node_lease_ms": 300_000,
    "ping_timeout_ms": 60_000,
}
TENANT = "counted"


@dataclass(frozen=True, slots=True)
class Program:
    """
    A running program under callgrind.

    Args:
        process_id: Its process.
        output: Where callgrind writes its profiles.
    """

    process_id: int
    output: Path

    def start(self) -> None:
        """Count from here on."""
        self._control("--instr=on")
        self._control("--zero")

    def stop(self) -> int:
        """Return the instructions since ``start``, and count no more."""
        before = set(self._profiles())
        self._control("--dump")
        self._control("--instr=off")
        [profile] = set(self._profiles()) - before
        found = re.search(r"^(?:totals|summary): (\d+)", profile.read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1])

    def _control(self, option: str) -> None:
        subprocess.run(["callgrind_control", option, str(self.process_id)], check=True, capture_output=True)

    def _profiles(self) -> Iterable[Path]:
        return self.output.parent.glob(f"{self.output.name}.*")


class Ring:
    """
    Agents that transfer sessions in a circle: the agent at which one arrives transfers it to the next.

    Args:
        sockets: The agents' connections.
        with_key: Whether transfers carry an idempotency key and a reason.
    """

    def __init__(self, sockets: list[ClientConnection], *, with_key: bool) -> None:
        self._sockets = sockets
        self._extras: dict[str, Any] = {"reason": REASON} if with_key else {}
        self._with_key = with_key
        self._sent = 0
        self._left = 0
        self._in_flight = 0
        self._over = asyncio.Event()
        self._owners = {f"session-{number}": number for number in range(len(sockets))}

    async def transfer(self, in_flight: int, count: int) -> None:
        """Make transfers, so many at a time, until so many are done."""
        self._left, self._in_flight = count - in_flight, in_flight
        self._over.clear()
        for session in list(self._owners)[:in_flight]:
            await self._send(session)
        await self._over.wait()

    async def read(self, number: int) -> None:
        """Take what one agent is pushed."""
        async for data in self._sockets[number]:
            decoded = msgspec.json.decode(data)
            for message in decoded if isinstance(decoded, list) else [decoded]:
                if "error" in message:
                    raise RuntimeError(f"a transfer failed: {message}")
                if message["type"] == "session.assigned" and message["transfer"] is not None:
                    await self._arrived(message["session"]["id"], number)

    async def _arrived(self, session: str, number: int) -> None:
        self._owners[session] = number
        if self._left:
            self._left -= 1
            await self._send(session)
        else:
            self._in_flight -= 1
            if not self._in_flight:
                self._over.set()

    async def _send(self, session: str) -> None:
        owner = self._owners[session]
        self._sent += 1
        command: dict[str, Any] = {
            "type": "session.transfer",
            "id": str(self._sent),
            "session_id": session,
            "target": {"kind": "agent", "id": f"agent-{(owner + 1) % len(self._sockets)}"},
            **self._extras,
        }
        if self._with_key:
            command["key"] = f"key-{self._sent}"
        await self._sockets[owner].send(msgspec.json.encode(command).decode())


async def count(which: str, *, with_key: bool) -> dict[str, float]:
    """
    Count the instructions of one program.

    Args:
        which: `router` or `store`.
        with_key: Whether transfers carry an idempotency key and a reason.

    Returns:
        Thousand instructions of a transfer, by the name of how many are in flight.
    """
    async with AsyncExitStack() as stack:
        output = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="relevo-count-"))) / "callgrind"
        valgrind = ("valgrind", "--tool=callgrind", "--instr-atstart=no", f"--callgrind-out-file={output}")
        group = stack.enter_context(ServerGroup(**{f"{which}_wrapper": valgrind}))
        store = group.store()
        router = group.router(store, **PATIENT)
        program = Program(router.process_id if which == "router" else store.process_ids[0], output)

        async def join(subject: str, role: str) -> ClientConnection:
            url, protocols = f"ws://{HOST}:{router.port}/ws", [Subprotocol("relevo.v1.json")]
            socket = await connect(url, subprotocols=protocols, ping_interval=None, open_timeout=60)
            stack.push_async_callback(socket.close)
            now_ms = time.time_ns() // 1_000_000
            capacity = 1000 if role == "agent" else None
            token = sign(
                group.secret,
                tenant=TENANT,
                sub=subject,
                role=role,
                ttl_s=3600,
                now_ms=now_ms,
                capacity=capacity,
            )
            await _ask(socket, {"type": "hello", "id": "hello", "token": token}, "welcome")
            return socket

        sockets = [await join(f"agent-{number}", "agent") for number in range(AGENTS)]
        back_end = await join("back-end", "service")
        for number in range(AGENTS):
            command = {
                "type": "session.open",
                "id": "open",
                "session_id": f"session-{number}",
                "customer": {"id": "customer", "name": "Customer"},
                "target": {"kind": "agent", "id": f"agent-{number}"},
            }
            await _ask(back_end, command, "reply")
        ring = Ring(sockets, with_key=with_key)
        async with asyncio.TaskGroup() as readers:
            reading = [readers.create_task(ring.read(number)) for number in range(AGENTS)]
            counted: dict[str, float] = {}
            for name, in_flight in IN_FLIGHT.items():
                await ring.transfer(in_flight, 2 * AGENTS)  # Warm.
                await asyncio.to_thread(program.start)
                await ring.transfer(in_flight, TRANSFERS[name])
                counted[name] = await asyncio.to_thread(program.stop) / TRANSFERS[name] / 1000
            for task in reading:
                task.cancel()
        return counted


async def _ask(socket: ClientConnection, command: dict[str, Any], answer: str) -> None:
    await socket.send(msgspec.json.encode(command).decode())
    message = msgspec.json.decode(await socket.recv())
    if message["type"] != answer or "error" in message:
        raise RuntimeError(f"{command} was answered with {message}")


def main() -> int:
    """Count, and print a table."""
    missing = [name for name in ("valgrind", "callgrind_control") if shutil.which(name) is None]
    if missing:
        sys.exit(f"{missing[0]} is not installed (Debian: apt install valgrind)")
    table = Table("thousand instructions of a transfer", *IN_FLIGHT)
    for with_key, how in ((False, ""), (True, ", with key and reason")):
        for which in ("router", "store"):
            counted = asyncio.run(count(which, with_key=with_key))
            table.add_row(which + how, *(f"{counted[name]:.0f}" for name in IN_FLIGHT))
    Console().print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
