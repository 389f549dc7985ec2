"""
Run real router processes for tests, each through the command that operators use.

Most are forked from a server that has imported the router once: to import it takes most of a start.
"""

import http.client
import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from importlib import import_module
from pathlib import Path
from typing import Any

from tests.servers import LOOPBACK, free_port, wait_until

SECRET = "a secret for tests, of 32 bytes or more"
READY_LIMIT_S = 30.0
STOP_LIMIT_S = 30.0
ROOT = Path(__file__).parent.parent
COMMAND = str(Path(sys.executable).with_name("relevo"))

_FEW_FILES = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({0}, {0})); "

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.routers", "relevo.router.cli", "relevo.router.app"])


def serve_with(constants: Mapping[str, Any]) -> None:
    """Run ``relevo serve`` with other values of constants, by their dotted names."""
    for path, value in constants.items():
        module, _, name = path.rpartition(".")
        assert hasattr(import_module(module), name), f"there is no {path}"
        setattr(import_module(module), name, value)
    sys.argv = [COMMAND, "serve"]
    runpy.run_path(COMMAND, run_name="__main__")


def _serve(environment: dict[str, str], log_file: Path, constants: Mapping[str, Any]) -> None:
    """Run ``relevo serve`` in a process that was forked."""
    with log_file.open("ab") as log:
        os.dup2(log.fileno(), sys.stderr.fileno())
    os.environ.clear()
    os.environ.update(environment)
    serve_with(constants)


class _Fork:
    """A forked process with the interface of ``subprocess.Popen``."""

    def __init__(self, environment: dict[str, str], log_file: Path, constants: Mapping[str, Any]) -> None:
        self._process = _FORKS.Process(target=_serve, args=(environment, log_file, constants))
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired(COMMAND, timeout)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


class RouterProcess:
    """
    One ``relevo serve``, on a free loopback port.

    Attributes:
        variables: What else is in its environment, such as a library to load first.
        host: Where it runs, if that is said before it is launched.
        files_max: How many files it may open, if that is said before it is launched.

    Args:
        store_url: The store that it uses.
        log_file: Where what it says on standard error goes.
        settings: Settings by name, as in ``node_lease_ms=300``, and constants of the router's modules by
            their dotted names. None leaves one out that a test's router has otherwise.
    """

    def __init__(self, store_url: str, log_file: Path, **settings: int | str | None) -> None:
        self.port = free_port()
        self.variables: dict[str, str] = {}
        self.host = LOOPBACK
        self.files_max: int | None = None
        self._store_url = store_url
        self._log_file = log_file
        self._settings = settings
        self._process: subprocess.Popen[bytes] | _Fork | None = None

    @property
    def process_id(self) -> int:
        """Its process's id."""
        assert self._process is not None
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.poll() is None

    @property
    def address(self) -> str:
        """Its host and port."""
        return f"{self.host.reached_at}:{self.port}"

    def launch(self) -> None:
        """Start it, without waiting until it serves."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RELEVO_")}
        settings = {
            "host": "127.0.0.1" if self.host is LOOPBACK else "0.0.0.0",
            "port": self.port,
            "redis_url": self._store_url,
            "jwt_secret": SECRET,
            "drain_ms": 100,
            **{name: value for name, value in self._settings.items() if "." not in name},
        }
        constants = {name: value for name, value in self._settings.items() if "." in name}
        environment |= {
            f"RELEVO_{name.upper()}": str(value) for name, value in settings.items() if value is not None
        }
        self._log_file.touch()
        if self.host is LOOPBACK and not self.variables and self.files_max is None:
            self._process = _Fork(environment, self._log_file, constants)
            return
        # Where it runs and what it loads is settled before an interpreter starts.
        with self._log_file.open("ab") as log:
            bound = "" if self.files_max is None else _FEW_FILES.format(self.files_max)
            script = f"{bound}from tests.routers import serve_with; serve_with({constants!r})"
            command = [*self.host.within, sys.executable, "-c", script]
            self._process = subprocess.Popen(command, env=environment | self.variables, stderr=log, cwd=ROOT)

    def wait_ready(self) -> None:
        """Return when it says that it can serve."""
        wait_until(
            self._can_serve, f"the router to serve; it says:\n{self._log_file.read_text()}", READY_LIMIT_S
        )

    def get(self, path: str) -> tuple[int, str]:
        """Ask for a page; return its HTTP status and text."""
        status, _, body = self.request("GET", path)
        return status, body.decode()

    def closes(self, code: int) -> float:
        """Return how many websockets it has closed with a code."""
        _, page = self.get("/metrics")
        lines = [
            line for line in page.splitlines() if line.startswith(f'relevo_closes_total{{code="{code}"}}')
        ]
        return sum(float(line.split()[1]) for line in lines)

    def metric(self, name: str) -> float:
        """Return the present value of a metric without labels."""
        _, text = self.get("/metrics")
        return next(float(line.split()[1]) for line in text.splitlines() if line.startswith(f"{name} "))

    def request(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> tuple[int, Message, bytes]:
        """Send an HTTP request; return the status, the headers and the body of the answer."""
        connection = http.client.HTTPConnection(self.host.reached_at, self.port, timeout=30)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()

    def reread(self) -> None:
        """Have it read its settings again, as an operator does."""
        self._signal(signal.SIGHUP)

    def terminate(self) -> None:
        """Tell it to drain and to stop, as an operator does."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it as a crash would."""
        self._signal(signal.SIGKILL)
        self.wait_gone()

    def wait_gone(self) -> int:
        """Return its exit code once it has ended."""
        assert self._process is not None
        return self._process.wait(STOP_LIMIT_S)

    def stop(self) -> None:
        """End it if it still runs."""
        if self.is_running:
            # A second signal skips the drain.
            self.terminate()
            self.terminate()
            try:
                self.wait_gone()
            except subprocess.TimeoutExpired:
                self.kill()
                raise

    def _signal(self, number: int) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _can_serve(self) -> bool:
        assert self._process is not None
        if self._process.poll() is not None:
            raise RuntimeError(f"the router ended:\n{self._log_file.read_text()}")
        try:
            return self.get("/readyz")[0] == 200
        except OSError:
            return False


@contextmanager
def running_routers(
    count: int, store_url: str, folder: Path, **settings: Any
) -> Iterator[list[RouterProcess]]:
    """
    Yield that many routers on one store, and stop them at the end.

    Args:
        count: How many.
        store_url: Their store.
        folder: Where their logs go.
        settings: Settings that differ from the defaults.
    """
    routers = [
        RouterProcess(store_url, folder / f"router{number}.log", **settings) for number in range(count)
    ]
    try:
        # Together: each takes a second.
        for router in routers:
            router.launch()
        for router in routers:
            router.wait_ready()
        yield routers
    finally:
        for router in routers:
            router.stop()


@contextmanager
def standing_still(process_id: int) -> Iterator[None]:
    """Stop a process as a debugger does, with all its sockets open, and let it go on at the end."""
    os.kill(process_id, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process_id, signal.SIGCONT)
