"""Start the routers and stores of a scenario on free loopback ports, and stop all of them at its end."""

from __future__ import annotations

import http.client
import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import redis

from relevo.router.bundled_store.server import find_server

START_LIMIT_S = 30.0
STOP_LIMIT_S = 10.0
SLOTS = 16384
HOST = "127.0.0.1"

# As the bundled store runs, so that what it costs to keep the data is in the figures.
DURABILITY = ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "")

# The rate limits of one client would stop a load generator first.
ROUTER_SETTINGS: dict[str, int | str] = {
    "drain_ms": 0,
    "connections_per_agent_max": 1000,
    **{f"{whose}message_rate": 1_000_000 for whose in ("", "agent_", "back_end_", "tenant_")},
    "log_level": "warning",
}
ROUTER_PROGRAM = "from relevo.router.cli import main; raise SystemExit(main())"


class ServerError(Exception):
    """A server did not start; the text is the end of its log."""


def free_port() -> int:
    """Return a loopback port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Server:
    """
    One process that listens on a loopback port.

    Attributes:
        process_id: Its id.
        port: Its port.
    """

    process_id: int
    port: int


@contextmanager
def running(
    command: Sequence[str],
    port: int,
    folder: Path,
    is_ready: Callable[[int], bool],
    environment: dict[str, str] | None = None,
) -> Iterator[Server]:
    """
    Run a server, from when it is ready to the end of the block.

    Args:
        command: Its command line.
        port: On which it will listen.
        folder: Where what it says is kept.
        is_ready: Whether it serves on the port.
        environment: Its environment; by default this process's own.

    Raises:
        ServerError: It ended, or was not ready in time.
    """
    log = folder / f"{port}.log"
    with log.open("wb") as output:
        # In a session of its own: Ctrl-C is for the bench, which stops its servers in order.
        process = subprocess.Popen(
            command, stdout=output, stderr=output, env=environment, start_new_session=True
        )
    try:
        deadline = time.monotonic() + START_LIMIT_S
        while not is_ready(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise ServerError(f"{command[0]}: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)
        try:
            yield Server(process.pid, port)
        except BaseException as error:
            # What the server said is gone with its folder.
            error.add_note(f"{port}: {log.read_text(errors='replace')[-1000:]}")
            raise
        if process.poll() is not None:
            raise ServerError(f"{command[0]} ended: {log.read_text(errors='replace')[-2000:]}")
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        # A router takes a second signal as: at once.
        process.send_signal(signal.SIGTERM)
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def listens(port: int) -> bool:
    """Return whether a process accepts connections on a loopback port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _router_serves(port: int) -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


class Store:
    """
    One store, or the shards of a Cluster.

    Args:
        servers: Their processes.
        url: As the router wants it.
    """

    def __init__(self, servers: Sequence[Server], url: str) -> None:
        self.servers = list(servers)
        self.url = url
        self._clients: list[Any] = [
            redis.Redis(host=HOST, port=server.port, protocol=2) for server in servers
        ]

    @property
    def process_ids(self) -> list[int]:
        """Return the ids of its processes."""
        return [server.process_id for server in self.servers]

    @property
    def port(self) -> int:
        """Return the port of the first."""
        return self.servers[0].port

    def scripts(self) -> tuple[int, float]:
        """Return the number of Lua commands run since the start, and the seconds in them."""
        stats = [client.info("commandstats").get("cmdstat_fcall", {}) for client in self._clients]
        calls = sum(int(one.get("calls", 0)) for one in stats)
        return calls, sum(int(one.get("usec", 0)) for one in stats) / 1e6

    def calls(self, *commands: str) -> int:
        """Return how often these commands ran since the start."""
        stats = [client.info("commandstats") for client in self._clients]
        found = (one.get(f"cmdstat_{command}", {}) for one in stats for command in commands)
        return sum(int(entry.get("calls", 0)) for entry in found)

    def memory_bytes(self) -> int:
        """Return the memory that the data take."""
        return sum(int(client.info("memory")["used_memory"]) for client in self._clients)

    def call(self, number: int, *words: str | int) -> Any:
        """Run a command on one of the shards."""
        return self._clients[number].execute_command(*words)


class ServerGroup:
    """
    A folder and the servers in it; ``with ServerGroup() as group``, and all of them stop at the end.

    Args:
        store_wrapper: Words to run each store under, such as those of valgrind.
        router_wrapper: The same for each router.
    """

    def __init__(self, store_wrapper: Sequence[str] = (), router_wrapper: Sequence[str] = ()) -> None:
        self._stack = ExitStack()
        self._store_wrapper = store_wrapper
        self._router_wrapper = router_wrapper
        self.secret = secrets.token_hex(32)

    def __enter__(self) -> ServerGroup:
        self.folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="relevo-bench-")))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def store(self, arguments: Sequence[str] = (), *, replicas: int = 0) -> Store:
        """Start a store, and return when its replicas follow it; what they use is not counted as its own."""
        server = self._store_server(arguments)
        store = Store([server], f"redis://{HOST}:{server.port}")
        for _ in range(replicas):
            self._store_server([*arguments, "--replicaof", f"{HOST} {server.port}"])
        deadline = time.monotonic() + START_LIMIT_S
        # The first write sets the count of what the replicas have to acknowledge going.
        while store.call(0, "DEL", "none") or store.call(0, "WAIT", replicas, 1000) < replicas:
            if time.monotonic() > deadline:
                raise ServerError("the replicas do not follow")
        return store

    def cluster(self, shards: int = 3) -> Store:
        """Start a Cluster without replicas."""
        buses = [free_port() for _ in range(shards)]
        servers = [
            self._store_server(
                (
                    *("--cluster-enabled", "yes", "--cluster-port", str(bus)),
                    *("--cluster-announce-ip", HOST, "--cluster-config-file", "nodes.conf"),
                )
            )
            for bus in buses
        ]
        store = Store(servers, "redis+cluster://" + ",".join(f"{HOST}:{server.port}" for server in servers))
        share = SLOTS // shards + 1
        for number in range(shards):
            last = min((number + 1) * share, SLOTS) - 1
            store.call(number, "CLUSTER", "ADDSLOTSRANGE", number * share, last)
            store.call(number, "CLUSTER", "SET-CONFIG-EPOCH", number + 1)
        for number in range(1, shards):
            store.call(0, "CLUSTER", "MEET", HOST, servers[number].port, buses[number])
        deadline = time.monotonic() + START_LIMIT_S
        while not all(self._is_whole(store, number, shards) for number in range(shards)):
            if time.monotonic() > deadline:
                raise ServerError("the cluster did not form")
            time.sleep(0.02)
        return store

    def router(self, store: Store, **settings: int | str) -> Server:
        """
        Start a router on a store.

        Args:
            store: Its store.
            settings: Settings that differ from ROUTER_SETTINGS.
        """
        environment = {name: value for name, value in os.environ.items() if not name.startswith("RELEVO_")}
        port = free_port()
        all_settings = ROUTER_SETTINGS | settings
        all_settings |= {"port": port, "redis_url": store.url, "jwt_secret": self.secret}
        environment |= {f"RELEVO_{name.upper()}": str(value) for name, value in all_settings.items()}
        command = [*self._router_wrapper, sys.executable, "-c", ROUTER_PROGRAM, "serve"]
        return self.run(command, port, _router_serves, environment)

    def run(
        self,
        command: Sequence[str],
        port: int,
        is_ready: Callable[[int], bool] = listens,
        environment: dict[str, str] | None = None,
    ) -> Server:
        """Start any other server; see ``running``."""
        return self._stack.enter_context(running(command, port, self.folder, is_ready, environment))

    def _store_server(self, arguments: Sequence[str]) -> Server:
        port = free_port()
        home = self.folder / f"store-{port}"
        home.mkdir()
        options = ("--port", str(port), "--bind", HOST, "--dir", str(home), *DURABILITY)
        command = [*self._store_wrapper, find_server(), *options]
        return self.run([*command, *arguments], port)

    @staticmethod
    def _is_whole(store: Store, number: int, shards: int) -> bool:
        info = store.call(number, "CLUSTER", "INFO")
        text = info.decode() if isinstance(info, bytes) else str(info)
        return "cluster_state:ok" in text and f"cluster_known_nodes:{shards}" in text
