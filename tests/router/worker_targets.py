"""What the workers of test_workers do; run as a script, the parent of two of them."""

import os
import signal
import socket
import sys

from relevo.router import workers
from relevo.router.config import Settings
from relevo.router.observe import logging
from relevo.router.store.client.errors import StoreEvictsError
from relevo.router.workers import WorkersError, listen, run_workers

EARLY_ENDS_MAX = 3
"""In place of the workers' own: a start takes long."""

Sockets = list[socket.socket]


def say(line: str) -> None:
    """Write one line in one piece: two workers and their parent share the output."""
    os.write(1, f"{line}\n".encode())


def answer_with_pid(
    settings: Settings, store_url: str, sockets: Sockets, admin: socket.socket | None, *_: object
) -> None:
    """Say that it started, answer every connection with the process id, and say that it stopped."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        admin_port = 0 if admin is None else admin.getsockname()[1] - settings.admin_port
        say(f"started {os.getpid()} {store_url} {settings.workers} {admin_port}")
        while True:
            connection, _ = sockets[0].accept()
            connection.sendall(b"%d" % os.getpid())
            connection.close()
    finally:
        say(f"stopped {os.getpid()}")


def end_at_once(
    settings: Settings, store_url: str, sockets: Sockets, admin: socket.socket | None, *_: object
) -> None:
    """Fail like a worker that can never work."""
    sys.exit(7)


def refuse_the_store(
    settings: Settings, store_url: str, sockets: Sockets, admin: socket.socket | None, *_: object
) -> None:
    """Fail like a worker whose store evicts data."""
    raise StoreEvictsError("store.internal:6379", "allkeys-lru")


def drain_for_ever(
    settings: Settings, store_url: str, sockets: Sockets, admin: socket.socket | None, *_: object
) -> None:
    """Take the first signal as a wish and the second one as an order."""

    def second(*_: object) -> None:
        sys.exit(0)

    def first(*_: object) -> None:
        signal.signal(signal.SIGTERM, second)
        say(f"draining {os.getpid()}")

    signal.signal(signal.SIGTERM, first)
    say(f"started {os.getpid()}")
    while True:
        signal.pause()


def main(target: str, stop_margin_s: str) -> None:
    """Run two workers of the named function."""
    workers.STOP_MARGIN_S = float(stop_margin_s)  # type: ignore[misc]
    workers.EARLY_ENDS_MAX = EARLY_ENDS_MAX  # type: ignore[misc]
    logging.configure("info")
    with listen("127.0.0.1", 0) as listener, listen("127.0.0.1", 0) as one, listen("127.0.0.1", 0) as other:
        admin_port = one.getsockname()[1]
        settings = Settings(workers=2, drain_ms=0, admin_port=admin_port)
        say(f"port {listener.getsockname()[1]} {other.getsockname()[1] - admin_port}")
        try:
            run_workers(globals()[target], settings, "unix:///store", listener, [one, other])
        except WorkersError as error:
            say(f"failed {error}")
    say("parent stopped")


if __name__ == "__main__":
    # By its own name, so that a worker finds the functions: it does not run this as a script.
    from tests.router import worker_targets

    worker_targets.main(*sys.argv[1:])
