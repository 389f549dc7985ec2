"""The supervisor of the bundled store: what it restarts, and when it gives up or ends."""

import fcntl
import os
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from relevo.router.bundled_store import keeper
from relevo.router.bundled_store.keeper import USERS_LOCK, Keeper, answers, open_lock, shut_down

FAILS = [sys.executable, "-c", "raise SystemExit(3)"]


@pytest.fixture
def user(tmp_path: Path) -> Iterator[int]:
    """Hold the shared lock of a router on the folder, as a descriptor."""
    lock = open_lock(tmp_path, USERS_LOCK)
    fcntl.flock(lock, fcntl.LOCK_SH)
    yield lock
    os.close(lock)


def test_a_socket_without_a_listener_does_not_answer(tmp_path: Path) -> None:
    path = str(tmp_path / "silent.sock")
    assert not answers(path)
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(path)
        assert not answers(path)
        shut_down(path, 0.1)


def test_a_lock_file_is_private_and_not_inherited(tmp_path: Path) -> None:
    lock = open_lock(tmp_path, USERS_LOCK)

    assert (tmp_path / USERS_LOCK).stat().st_mode & 0o777 == 0o600
    assert not os.get_inheritable(lock)
    os.close(lock)


def test_a_first_server_that_fails_ends_the_keeper(tmp_path: Path, user: int) -> None:
    assert Keeper(tmp_path, 1000, FAILS).run() == 1


def test_a_server_that_ends_is_started_until_the_last_user_leaves(
    tmp_path: Path, user: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeper, "RESTART_DELAY_MIN_S", 0.001)
    monkeypatch.setattr(keeper, "RESTART_DELAY_MAX_S", 0.001)
    starts = tmp_path / "starts"
    os.mkfifo(starts)
    ends = [sys.executable, "-S", "-c", f"open({str(starts)!r}, 'w').write('x')"]
    codes: list[int] = []
    running = threading.Thread(target=lambda: codes.append(Keeper(tmp_path, 1000, ends).run()))

    running.start()
    for _ in range(3):
        with starts.open() as started:
            # Ends when no server writes any more; a second one may have begun by then.
            assert set(started.read()) == {"x"}
    fcntl.flock(user, fcntl.LOCK_UN)
    # A server that waits for a reader is stopped with the others.
    running.join()
    assert codes == [0]
