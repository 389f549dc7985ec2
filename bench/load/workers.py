"""The load processes as the scenarios see them: start them, ask all of them at once, stop them."""

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


class LoadFailed(Exception):
    """A load process could not do its part; the text is its own."""


class Crew:
    """
    Run a number of load processes: ``with Crew(2) as crew``.

    Args:
        size: How many.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._processes: list[SpawnProcess] = []
        self._controls: list[Connection] = []

    def __enter__(self) -> Crew:
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
        Have every process do something, at the same time, and return their results in order.

        Args:
            method: A public method of worker.Load.
            arguments: Its keyword arguments, by the process's number; none if not given.

        Raises:
            LoadFailed: One of them could not; the others have finished.
        """
        self.begin(method, arguments)
        return self.finish()

    def begin(self, method: str, arguments: Callable[[int], dict[str, Any]] | None = None) -> None:
        """Have every process begin something; ``finish`` returns what ``each`` would."""
        for number, control in enumerate(self._controls):
            control.send((method, arguments(number) if arguments is not None else {}))

    def finish(self) -> list[Any]:
        """Wait for what was begun."""
        answers = []
        for number, control in enumerate(self._controls):
            try:
                answers.append(control.recv())
            except EOFError:
                answers.append((False, f"load process {number} has ended"))
        for worked, result in answers:
            if not worked:
                raise LoadFailed(str(result).strip())
        return [result for _, result in answers]

    def is_done(self) -> bool:
        """Return whether every process has finished what was begun."""
        return all(control.poll() for control in self._controls)

    def traffic(self) -> Traffic:
        """Return what all have used together."""
        total = Traffic()
        for one in self.each("traffic"):
            total.cpu_s += one.cpu_s
            total.bytes_in += one.bytes_in
            total.bytes_out += one.bytes_out
            total.lost += one.lost
        return total

    def abandon(self) -> None:
        """Drop all connections, also where a process is no more."""
        with suppress(LoadFailed, OSError):
            self.each("leave")
