"""Several processes on one socket: they serve together, are replaced, and stop together."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from relevo.router.config import Settings
from relevo.router.workers import listen, open_listener
from tests.router.worker_targets import EARLY_ENDS_MAX

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]


class ParentProcess:
    """A process with two workers, read line by line."""

    def __init__(self, target: str, stop_margin_s: float) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.router.worker_targets", target, str(stop_margin_s)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # The second admin port is said by its distance from the first.
        self.port, self.admin_distance = map(int, self.expect("port"))

    def expect(self, word: str) -> list[str]:
        assert self.process.stdout is not None
        first, *rest = self.process.stdout.readline().split()
        assert first == word
        return rest

    def expect_started(self) -> int:
        return int(self.expect("started")[0])

    def expect_log(self, event: str) -> dict[str, object]:
        assert self.process.stderr is not None
        line: dict[str, object] = json.loads(self.process.stderr.readline())
        assert line["event"] == event
        return line

    def ask(self) -> int:
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            return int(connection.recv(64))


class Start(Protocol):
    def __call__(self, target: str, stop_margin_s: float = 10) -> ParentProcess: ...


@pytest.fixture
def start() -> Iterator[Start]:
    parents: list[ParentProcess] = []

    def begin(target: str, stop_margin_s: float = 10) -> ParentProcess:
        parents.append(ParentProcess(target, stop_margin_s))
        return parents[-1]

    yield begin
    for parent in parents:
        with parent.process:
            parent.process.kill()


def test_workers_share_the_socket_and_get_settings_and_store(start: Start) -> None:
    parent = start("answer_with_pid")
    pids, admin_distances = set(), set()
    for _ in range(2):
        pid, store_url, workers, admin_distance = parent.expect("started")
        assert (store_url, workers) == ("unix:///store", "2")
        pids.add(int(pid))
        admin_distances.add(int(admin_distance))
    assert len(pids) == 2
    assert admin_distances == {0, parent.admin_distance}
    assert parent.ask() in pids


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_workers_and_then_the_parent(start: Start, number: signal.Signals) -> None:
    parent = start("answer_with_pid")
    pids = {parent.expect_started(), parent.expect_started()}
    parent.process.send_signal(number)
    assert {int(parent.expect("stopped")[0]), int(parent.expect("stopped")[0])} == pids
    assert parent.expect("parent") == ["stopped"]
    assert parent.process.wait() == 0


def test_ctrl_c_reaches_the_parent_only(start: Start) -> None:
    parent = start("answer_with_pid")
    for _ in range(2):
        assert os.getpgid(parent.expect_started()) != os.getpgid(parent.process.pid)


def test_a_killed_worker_is_replaced_while_the_other_serves(start: Start) -> None:
    parent = start("answer_with_pid")
    killed, other = parent.expect_started(), parent.expect_started()
    os.kill(killed, signal.SIGKILL)
    assert parent.expect_log("worker ended")["code"] == -signal.SIGKILL
    assert parent.expect_started() not in (killed, other)
    assert parent.ask() != killed


def test_a_worker_that_always_fails_is_started_less_and_less_often(start: Start) -> None:
    parent = start("end_at_once")
    delays = sorted(parent.expect_log("worker ended")["restart_in_s"] for _ in range(6))  # type: ignore[type-var]
    assert delays == [0.1, 0.1, 0.2, 0.2, 0.4, 0.4]


def test_workers_that_always_fail_are_given_up(start: Start) -> None:
    parent = start("end_at_once")
    assert " ".join(parent.expect("failed")) == (
        f"the workers ended {2 * EARLY_ENDS_MAX} times soon after their start, at last with code 7"
    )
    assert parent.expect("parent") == ["stopped"]


def test_workers_whose_store_evicts_data_are_given_up_at_once(start: Start) -> None:
    parent = start("refuse_the_store")
    assert "noeviction" in str(parent.expect_log("store refused")["reason"])
    assert parent.expect("failed") == ["a", "worker", "cannot", "work;", "the", "log", "says", "why"]


def test_a_second_signal_is_passed_on_too(start: Start) -> None:
    parent = start("drain_for_ever")
    pids = {parent.expect_started(), parent.expect_started()}
    parent.process.terminate()
    assert {int(parent.expect("draining")[0]), int(parent.expect("draining")[0])} == pids
    parent.process.terminate()
    assert parent.expect("parent") == ["stopped"]


def test_workers_that_do_not_stop_in_time_are_killed(start: Start) -> None:
    parent = start("drain_for_ever", stop_margin_s=0.1)
    pids = [parent.expect_started(), parent.expect_started()]
    parent.process.terminate()
    assert parent.expect_log("workers killed")["count"] == 2
    assert parent.process.wait() == 0
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_workers_end_when_their_parent_is_killed(start: Start) -> None:
    parent = start("answer_with_pid")
    pids = {parent.expect_started(), parent.expect_started()}
    parent.process.kill()
    assert {int(parent.expect("stopped")[0]), int(parent.expect("stopped")[0])} == pids


def test_listening_takes_a_free_port_and_refuses_a_taken_one() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        assert port > 0
        with pytest.raises(OSError, match="Address already in use"):
            listen("127.0.0.1", port)
    with pytest.raises(OSError, match=r"not known|not provided|resolution"):
        listen("no such host", 0)


def test_a_unix_socket_takes_the_place_of_one_that_a_crash_left(tmp_path: Path) -> None:
    settings = Settings(unix_socket=str(tmp_path / "relevo.sock"))
    open_listener(settings).close()
    with open_listener(settings), socket.socket(socket.AF_UNIX) as client:
        assert client.connect_ex(str(settings.unix_socket)) == 0


def test_a_unix_socket_that_is_in_use_or_no_socket_is_left_alone(tmp_path: Path) -> None:
    settings = Settings(unix_socket=str(tmp_path / "relevo.sock"))
    with open_listener(settings):
        with pytest.raises(OSError, match="Address already in use"):
            open_listener(settings)
        with socket.socket(socket.AF_UNIX) as client:
            assert client.connect_ex(str(settings.unix_socket)) == 0
    (tmp_path / "file").write_text("data")
    with pytest.raises(OSError, match="Address already in use"):
        open_listener(Settings(unix_socket=str(tmp_path / "file")))
    assert (tmp_path / "file").read_text() == "data"


INHERITS = """
import os, sys
from relevo.router.config import Settings
from relevo.router.workers import open_listener

# As systemd does: the socket is descriptor 3.
os.dup2(int(sys.argv[2]), 3)
if sys.argv[1] == "own":
    os.environ["LISTEN_PID"] = str(os.getpid())
with open_listener(Settings(port=0)) as listener:
    print(listener.getsockname()[1])
"""


@pytest.mark.parametrize(("whose", "is_taken"), [("own", True), ("parent's", False)])
def test_a_socket_of_systemd_is_taken_by_the_process_it_is_for(whose: str, is_taken: bool) -> None:
    with listen("127.0.0.1", 0) as opened:
        environ = os.environ | {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
        command = [sys.executable, "-c", INHERITS, whose, str(opened.fileno())]
        passed = [opened.fileno()]
        ran = subprocess.run(
            command, env=environ, cwd=ROOT, pass_fds=passed, capture_output=True, text=True, check=True
        )
        assert (int(ran.stdout) == opened.getsockname()[1]) is is_taken
