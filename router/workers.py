"""
Run several router processes on one listening socket, and replace one that ends unexpectedly.

uvicorn's own supervisor does not fit: it runs its own server rather than ours, restarts without a pause what
fails at once, and asks each worker every half second whether it lives.
"""

import errno
import multiprocessing
import os
import signal
import socket
import stat
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from tempfile import TemporaryDirectory
from typing import Final, Protocol

import structlog

from relevo.router.api.siblings import WorkerPlace
from relevo.router.config import Settings, SettingsError
from relevo.router.observe import logging as logging_setup
from relevo.router.settings_sources import SettingsSources
from relevo.router.store.client.errors import StoreEvictsError

BACKLOG: Final = 4096
RESTART_DELAY_MIN_S: Final = 0.1
RESTART_DELAY_MAX_S: Final = 10.0
# A worker that lived this long did work; should it end, the next one is started without delay.
STEADY_S: Final = 30.0
EARLY_ENDS_MAX: Final = 10
"""Ends before `STEADY_S`, in a row and for each of the workers, after which none is started any more."""
UNUSABLE: Final = 3
"""Exit code of a worker that would end so each time, until an operator changes something."""
SYSTEMD_SOCKET: Final = 3
# What a worker may take to stop, beyond its drain.
STOP_MARGIN_S: Final = 15.0


class Run(Protocol):
    """What a worker does, until it gets SIGTERM: a function of a module, as it runs in a new process."""

    def __call__(
        self,
        settings: Settings,
        store_url: str,
        sockets: list[socket.socket],
        admin_socket: socket.socket | None = None,
        place: WorkerPlace | None = None,
        sources: SettingsSources | None = None,
        /,
    ) -> None: ...


class WorkersError(Exception):
    """The workers cannot work; the message says why as far as the parent knows."""


log = structlog.get_logger(__name__)
_spawn = multiprocessing.get_context("spawn")


def listen(host: str, port: int) -> socket.socket:
    """
    Return a socket that listens.

    Args:
        host: A name or an address, IPv4 or IPv6.
        port: The port; 0 takes a free one.

    Raises:
        OSError: The name is unknown, or the address is not to be had.
    """
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def open_listener(settings: Settings) -> socket.socket:
    """
    Return the socket that listens as the settings say, or the one that systemd has opened.

    Args:
        settings: The settings.

    Raises:
        OSError: The address is unknown or not to be had, or another program listens there.
    """
    # sd_listen_fds(3): the sockets begin at descriptor 3, and are for the process that the variable names.
    if os.environ.get("LISTEN_PID") == str(os.getpid()) and os.environ.get("LISTEN_FDS") == "1":
        return socket.socket(fileno=SYSTEMD_SOCKET)
    if settings.unix_socket is not None:
        return _listen_unix(settings.unix_socket)
    return listen(settings.host, settings.port)


def _listen_unix(path: str) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    try:
        try:
            listener.bind(path)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not _is_left_over(path):
                raise
            os.unlink(path)
            listener.bind(path)
        # The folder's permissions decide, as for uvicorn's own unix sockets.
        os.chmod(path, 0o666)
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener


def _is_left_over(path: str) -> bool:
    """Return whether a path is a socket that no process listens on, as after a crash."""
    if not stat.S_ISSOCK(os.stat(path).st_mode):
        return False
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(path) == errno.ECONNREFUSED


@dataclass(slots=True)
class _Worker:
    """
    One of the processes.

    Attributes:
        process: The process; None while it waits to be started again.
        started: When it was started last, on the monotonic clock, in seconds.
        due: When it is to be started, on the same clock.
        delay_s: How long it waits after its next early end.
    """

    process: SpawnProcess | None = None
    started: float = 0.0
    due: float = 0.0
    delay_s: float = RESTART_DELAY_MIN_S


def run_workers(
    run: Run,
    settings: Settings,
    store_url: str,
    listener: socket.socket,
    admin_listeners: Sequence[socket.socket] = (),
    sources: SettingsSources | None = None,
) -> None:
    """
    Run ``settings.workers`` processes until SIGTERM or SIGINT, which each of them gets as SIGTERM.

    SIGHUP goes to each as it is, and a worker that is started after it gets the settings as they are then.

    Args:
        run: What a worker does.
        settings: For each worker.
        store_url: For each worker.
        listener: The listening socket that they share.
        admin_listeners: A listening socket for the admin port of each; empty without these ports.
        sources: Where the settings are read again at SIGHUP; None where they cannot.

    Raises:
        WorkersError: They end as soon as they are started; all have ended.
    """
    with TemporaryDirectory(prefix="relevo-") as folder:
        _Supervisor(run, settings, store_url, listener, admin_listeners, folder, sources).supervise()


class _Supervisor:
    """The parent's side."""

    def __init__(
        self,
        run: Run,
        settings: Settings,
        store_url: str,
        listener: socket.socket,
        admin_listeners: Sequence[socket.socket],
        folder: str,
        sources: SettingsSources | None,
    ) -> None:
        self._run = run
        self._settings = settings
        self._store_url = store_url
        self._listener = listener
        self._admin_listeners = admin_listeners
        self._folder = folder
        self._sources = sources
        self._workers = [_Worker() for _ in range(settings.workers)]
        self._early_ends = 0
        self._failure: str | None = None

    def supervise(self) -> None:
        """Start the workers, and look after them until a signal says otherwise; raises WorkersError."""
        signalled, wake = socket.socketpair()
        wake.setblocking(False)
        signals = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
        # The handlers do nothing; the byte that Python writes for each signal ends the wait below.
        handlers = {number: signal.signal(number, lambda *_: None) for number in signals}
        woken_before = signal.set_wakeup_fd(wake.fileno())
        try:
            while True:
                self._start_due()
                if self._wait_for_end(signalled) or self._failure is not None:
                    break
            self._stop_all(signalled)
            if self._failure is not None:
                raise WorkersError(self._failure)
        finally:
            for worker in self._workers:
                if worker.process is not None:
                    worker.process.kill()
                    worker.process.join()
            signal.set_wakeup_fd(woken_before)
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signalled.close()
            wake.close()

    def _start_due(self) -> None:
        now = time.monotonic()
        for number, worker in enumerate(self._workers):
            if worker.process is None and worker.due <= now:
                admin = self._admin_listeners[number] if self._admin_listeners else None
                place = WorkerPlace(self._folder, number, len(self._workers))
                arguments = (
                    self._run,
                    self._settings,
                    self._store_url,
                    self._listener,
                    admin,
                    place,
                    self._sources,
                )
                worker.process = _spawn.Process(target=work, args=arguments, name=f"worker-{number}")
                worker.started = now
                worker.process.start()

    def _wait_for_end(self, signalled: socket.socket) -> bool:
        """Wait until a worker ends or is due, or a signal comes; return True for the signal."""
        waiting = [worker.due for worker in self._workers if worker.process is None]
        limit_s = max(0.0, min(waiting) - time.monotonic()) if waiting else None
        ready = wait([*self._sentinels(), signalled], limit_s)
        if signalled in ready and self._must_stop(signalled):
            return True
        for worker in self._workers:
            if worker.process is not None and worker.process.sentinel in ready:
                self._ended(worker, worker.process)
        return False

    def _must_stop(self, signalled: socket.socket) -> bool:
        """Take the signals that have come, each a byte; return whether one of them ends the workers."""
        numbers = set(signalled.recv(64))
        if signal.SIGHUP in numbers:
            self._reload()
        return bool(numbers & {signal.SIGTERM, signal.SIGINT})

    def _reload(self) -> None:
        if self._sources is not None:
            try:
                # For the workers that are started from now on.
                self._settings = replace(self._sources.read().settings, workers=len(self._workers))
            except SettingsError as error:
                log.error("settings reload failed", reason=str(error))
                return
        for worker in self._workers:
            if worker.process is not None and worker.process.pid is not None:
                os.kill(worker.process.pid, signal.SIGHUP)

    def _ended(self, worker: _Worker, process: SpawnProcess) -> None:
        process.join()
        now = time.monotonic()
        if now - worker.started >= STEADY_S:
            worker.delay_s = RESTART_DELAY_MIN_S
        # One that works is not stopped because another cannot.
        if any(each.process is not None and now - each.started >= STEADY_S for each in self._workers):
            self._early_ends = 0
        else:
            self._early_ends += 1
        worker.due = now + worker.delay_s
        log.error("worker ended", pid=process.pid, code=process.exitcode, restart_in_s=worker.delay_s)
        worker.delay_s = min(worker.delay_s * 2, RESTART_DELAY_MAX_S)
        if process.exitcode == UNUSABLE:
            self._failure = "a worker cannot work; the log says why"
        elif self._early_ends >= EARLY_ENDS_MAX * len(self._workers):
            count, code = self._early_ends, process.exitcode
            self._failure = (
                f"the workers ended {count} times soon after their start, at last with code {code}"
            )
        worker.process = None
        process.close()

    def _stop_all(self, signalled: socket.socket) -> None:
        """Pass the signal on, and any further one, which a worker takes as: at once."""
        drain_ms = self._settings.drain_delay_ms + self._settings.drain_ms
        deadline = time.monotonic() + drain_ms / 1000 + STOP_MARGIN_S
        self._terminate()
        while sentinels := self._sentinels():
            ready = wait([*sentinels, signalled], max(0.0, deadline - time.monotonic()))
            if not ready:
                log.error("workers killed", count=len(sentinels), reason="they did not stop in time")
                return
            if signalled in ready and self._must_stop(signalled):
                self._terminate()
            for worker in self._workers:
                if worker.process is not None and worker.process.sentinel in ready:
                    worker.process.join()
                    worker.process.close()
                    worker.process = None

    def _terminate(self) -> None:
        for worker in self._workers:
            if worker.process is not None:
                worker.process.terminate()

    def _sentinels(self) -> Sequence[int]:
        return [worker.process.sentinel for worker in self._workers if worker.process is not None]


def work(
    run: Run,
    settings: Settings,
    store_url: str,
    listener: socket.socket,
    admin_listener: socket.socket | None = None,
    place: WorkerPlace | None = None,
    sources: SettingsSources | None = None,
) -> None:
    """
    Be a worker: the main function of a process that stops when its parent ends or sends SIGTERM.

    Args:
        run: What to do, until SIGTERM.
        settings: The settings.
        store_url: Where the store is.
        listener: The listening socket.
        admin_listener: That of the admin port, if there is one.
        place: Where it stands among the workers.
        sources: Where SIGHUP reads the settings again.
    """
    # Out of the terminal's group: Ctrl-C reaches the parent only, which passes it on once.
    os.setpgid(0, 0)
    threading.Thread(target=_follow_parent, daemon=True).start()
    logging_setup.configure(settings.log_level)
    try:
        run(settings, store_url, [listener], admin_listener, place, sources)
    except StoreEvictsError as error:
        log.error("store refused", reason=str(error))
        sys.exit(UNUSABLE)


def _follow_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)
