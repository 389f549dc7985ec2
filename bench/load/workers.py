"""The load processes as the scenarios use them: start them, call all of them at once, stop them."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from types import TracebackType
from typing import Any

from bench.load.worker import Traffic, work

STOP_LIMIT_S = 5.0


class WorkerError(Exception):
    """A load process failed; the text is its traceback."""


class Workers:
    """
    Run a number of load processes: ``with Workers(2) as workers``.

    Args:
        size: How many.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._processes: list[SpawnProcess] = []
        self._controls: list[Connection] = []

    def __enter__(self) -> Workers:
        context = multiprocessing.get_context("spawn")
        for number in range(self.size):
            here, there = context.Pipe()
            process = context.Process(target=work, args=(number, there), name=f"load-{number}", daemon=True)
            process.start()
            there.close()
            self._processes.append(process)
            self._controls.append(here)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for control in self._controls:
            control.close()
        for process in self._processes:
            process.join(STOP_LIMIT_S if kind is None else 0.1)
            if process.is_alive():
                process.kill()
                process.join()

    def each(self, method: str, arguments: Callable[[int], dict[str, Any]] | None = None) -> list[Any]:
        """
        Call a method in every process at the same time, and return the results in order.

        Args:
            method: A public method of worker.Worker.
            arguments: Its keyword arguments, by the process's number; none if not given.

        Raises:
            WorkerError: One of them failed; the others have finished.
        """
        self.begin(method, arguments)
        return self.finish()

    def begin(self, method: str, arguments: Callable[[int], dict[str, Any]] | None = None) -> None:
        """Start a call in every process; ``finish`` waits for the results."""
        for number, control in enumerate(self._controls):
            control.send((method, arguments(number) if arguments is not None else {}))

    def finish(self) -> list[Any]:
        """Wait for the calls that ``begin`` started, and return their results in order."""
        answers = []
        for number, control in enumerate(self._controls):
            try:
                answers.append(control.recv())
            except EOFError:
                answers.append((False, f"load process {number} has ended"))
        for worked, result in answers:
            if not worked:
                raise WorkerError(str(result).strip())
        return [result for _, result in answers]

    def is_done(self) -> bool:
        """Return whether every process has finished its call."""
        return all(control.poll() for control in self._controls)

    def traffic(self) -> Traffic:
        """Return the traffic of all processes together."""
        total = Traffic()
        for one in self.each("traffic"):
            total.cpu_s += one.cpu_s
            total.bytes_in += one.bytes_in
            total.bytes_out += one.bytes_out
            total.lost += one.lost
        return total

    def drop_connections(self) -> None:
        """Drop all connections, also where a process has ended."""
        with suppress(WorkerError, OSError):
            self.each("drop_all")
