"""
The supervisor of the bundled store: restart the server of one folder while a router uses it, then stop it.

A process of its own (``python -I -S keeper.py FOLDER SOCKET STOP_MS COMMAND...``), so that a router that
ends, in whatever way, neither takes the store away from another nor leaves it behind. Each router holds a
shared lock on one file; the keeper waits for the exclusive lock, which the kernel grants when the last router
is gone. Imports the standard library only, to start within milliseconds.
"""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Final

USERS_LOCK: Final = "users.lock"
KEEPER_LOCK: Final = "keeper.lock"

ANSWER_LIMIT_S: Final = 1.0
RESTART_DELAY_MIN_S: Final = 0.05
RESTART_DELAY_MAX_S: Final = 5.0
# A server that lived this long did work; should it end, the next one is started without delay.
STEADY_S: Final = 10.0


def open_lock(folder: Path, name: str) -> int:
    """Return the descriptor of a lock file of the folder, for `fcntl.flock`."""
    return os.open(folder / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def answers(socket_path: str) -> bool:
    """Say whether a server listens on the socket, and has loaded its data."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_LIMIT_S)
            connection.connect(socket_path)
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith(b"+PONG")
    except OSError:
        return False


def shut_down(socket_path: str, limit_s: float) -> None:
    """Send SHUTDOWN to the server on the socket, and wait for its end; return at once if there is none."""
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(limit_s)
            connection.connect(socket_path)
            connection.sendall(b"SHUTDOWN\r\n")
            while connection.recv(1024):
                pass
    except OSError:
        # No server, as wanted; or it hangs, and then the next one does not start.
        return


class Keeper:
    """
    Run the server while the folder has users; start it again whenever it ends.

    Args:
        folder: The store's folder.
        stop_ms: How long the server may take to stop before it is killed.
        command: The server's command line.
    """

    def __init__(self, folder: Path, stop_ms: int, command: list[str]) -> None:
        self._users = open_lock(folder, USERS_LOCK)
        self._stop_ms = stop_ms
        self._command = command
        self._unused = threading.Event()
        self._server: subprocess.Popen[bytes] | None = None
        # Held while a server is started, so that none is started after the last user went.
        self._starting = threading.Lock()

    def run(self) -> int:
        """Return an exit code: 0 when the last user is gone, 1 if the very first server failed to start."""
        threading.Thread(target=self._stop_when_unused, daemon=True).start()
        delay_s = RESTART_DELAY_MIN_S
        first = True
        while True:
            started = time.monotonic()
            with self._starting:
                if self._unused.is_set():
                    return 0
                server = self._server = subprocess.Popen(self._command, stdin=subprocess.DEVNULL)
            code = server.wait()
            if self._unused.is_set():
                return 0
            steady = time.monotonic() - started >= STEADY_S
            if first and code > 0 and not steady:
                return 1
            first = False
            delay_s = RESTART_DELAY_MIN_S if steady else min(delay_s * 2, RESTART_DELAY_MAX_S)
            print(
                f"the store ended (code {code}); starting it again in {delay_s} s",
                file=sys.stderr,
                flush=True,
            )
            self._unused.wait(delay_s)

    def _stop_when_unused(self) -> None:
        fcntl.flock(self._users, fcntl.LOCK_EX)
        with self._starting:
            self._unused.set()
            server = self._server
        if server is None:
            return
        server.terminate()
        try:
            server.wait(self._stop_ms / 1000)
        except subprocess.TimeoutExpired:
            # Loses nothing: what it answered stands in the append-only file.
            server.kill()


def main(arguments: list[str]) -> int:
    """Become the folder's keeper, in the background; return at once in the process that was started."""
    folder, socket_path, stop_ms, command = Path(arguments[0]), arguments[1], int(arguments[2]), arguments[3:]
    lock = open_lock(folder, KEEPER_LOCK)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    # A server that outlived its keeper has no process to restart or stop it.
    shut_down(socket_path, stop_ms / 1000)
    # The lock goes on in the child. The parent ends, so that the router has no child to wait for, and so that
    # stopping a router's children does not stop the store of others.
    if os.fork():
        return 0
    # Handlers rather than SIG_IGN, which the server would inherit. A service manager that stops everything at
    # once signals the keeper too; it leaves when the routers have.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    return Keeper(folder, stop_ms, command).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
