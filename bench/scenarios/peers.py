"""Peers: one job on Relevo and on other libraries, with the same work of the clients."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from bench.floors import cpu_per_send_us
from bench.load.engine import Target
from bench.load.peer_protocols import (
    CentrifugoProtocol,
    PlainProtocol,
    SocketIoProtocol,
    centrifugo_target,
    socketio_target,
)
from bench.load.protocols import ClientProtocol
from bench.measurement import Measurement, Phase
from bench.results import Outcome, Plot, Table
from bench.servers import ServerGroup, free_port
from bench.setup import Bench, open_circles

FOLDER = Path(__file__).parent.parent / "peers"
DIALOGS = 1000
CHANGERS = 200
FIRST_CHANGER, FIRST_DIALOG = 1000, 10_000
CHANGES = (20.0, 200.0)
AGENTS, SESSIONS, TRANSFERS = 100, 500, 500.0
INSTALL_LIMIT_S = 900.0
CENTRIFUGO_MODULE = "github.com/centrifugal/centrifugo/v6@v6.9.1"
CENTRIFUGO = FOLDER / "centrifugo" / "bin" / "centrifugo"


@dataclass(frozen=True, slots=True)
class Peer:
    """
    One library or framework.

    Attributes:
        name: As the tables show it.
        command: Starts a node on a port, with the store on another one.
        protocol: What the load speaks to nodes on these ports.
        missing: Returns what is missing to run it, or None.
    """

    name: str
    command: Callable[[int, int], list[str]]
    protocol: Callable[[tuple[int, ...]], ClientProtocol]
    missing: Callable[[], str | None] = lambda: None


def run(bench: Bench) -> Outcome:
    """Measure every peer that can run here, and Relevo, in one run."""
    outcome = Outcome("peers", bench.options.command)
    bench.progress.begin("peers", (len(PEERS) + 2) * 3 + 1)
    dialogs = (bench.options.clients or (DIALOGS,))[0]
    changes = Table(
        f"Status changes on two nodes with {dialogs} dialogs",
        [
            *("built with", "changes /s", "frames/change", "p50 ms", "p99 ms", "p99.9 ms", "nodes us/change"),
            *("nodes us/delivery", "store us/change", "load us/delivery", "bytes/delivery", "nodes MiB"),
        ],
    )
    transfers = Table(
        "Transfers between agents on two nodes",
        [
            *("built with", "offered /s", "done /s", "p50 ms", "p99 ms", "p99.9 ms", "nodes us", "store us"),
            *("load us", "bytes", "nodes MiB", "failed"),
        ],
    )
    plot = Plot(f"Processor time of one change to {dialogs} dialogs", "changes a second", "us", log_x=True)
    frame_bytes = 300
    for binary, name in ((False, "Relevo, JSON"), (True, "Relevo, MessagePack")):
        with bench.relevo(routers=2, binary=binary) as measurement:
            phase = _job(bench, measurement, name, dialogs, changes, transfers, plot)
            if not binary and phase.tally.frames:
                frame_bytes = round(phase.used.bytes_in / phase.tally.frames)
    for peer in PEERS:
        missing = peer.missing()
        if missing is not None:
            outcome.notes.append(f"{peer.name}: left out, {missing}.")
            continue
        with _running_peer(bench, peer) as measurement:
            _job(bench, measurement, peer.name, dialogs, changes, transfers, plot)
    bench.progress.step("send() in C")
    floor = cpu_per_send_us(bench, dialogs, frame_bytes - 4, CHANGES[0], bench.options.seconds)
    if floor is not None:
        name = "send() in C, one node"
        sent = (floor * dialogs, floor, None, None, frame_bytes, None)
        changes.add(name, CHANGES[0], 1, None, None, None, *sent)
        plot.add(name, CHANGES[0], floor * dialogs)
    outcome.tables += [changes, transfers]
    outcome.plots.append(plot)
    outcome.notes += [
        "Nodes is the processor time of both nodes together. Clients do the same work everywhere, with "
        "messages of about one size, in the format that the peer's documentation advises.",
        "The peers write a status or an owner with one HSET, and broadcast it; they check nothing, keep no "
        "history, queues, loads or order between nodes, and send a frame for each change. With Centrifugo, "
        "clients publish to each other's channels, and Redis keeps the last 100 publications of each. Relevo "
        "decides a transfer in one script, and joins changes of a window.",
    ]
    return outcome


@contextmanager
def _running_peer(bench: Bench, peer: Peer) -> Iterator[Measurement]:
    with ServerGroup() as group:
        store = group.store()
        servers = []
        for _ in range(2):
            port = free_port()
            servers.append(group.run(peer.command(port, store.port), port))
        protocol = peer.protocol(tuple(server.port for server in servers))
        try:
            yield Measurement(bench.options, bench.workers, bench.progress, protocol, servers, store)
        finally:
            bench.workers.drop_connections()


def _job(
    bench: Bench,
    measurement: Measurement,
    name: str,
    dialogs: int,
    changes: Table,
    transfers: Table,
    plot: Plot,
) -> Phase:
    """Run the job on one measurement; return the phase of single changes."""
    options = measurement.options
    open_circles(measurement, AGENTS, SESSIONS)
    changers = list(range(FIRST_CHANGER, FIRST_CHANGER + CHANGERS))
    measurement.connect("changers", changers)
    measurement.connect("dialogs", range(FIRST_DIALOG, FIRST_DIALOG + dialogs), dialog=True)
    measurement.prepare_changes("changers", changers)
    measurement.changes(CHANGES[-1], 0.5)
    measurement.transfers(TRANSFERS, 0.5)
    phases = []
    for rate in CHANGES:
        bench.progress.step(f"{name}, {rate:.0f} changes a second")
        phase = measurement.changes(rate, options.seconds)
        phases.append(phase)
        count = rate * phase.seconds
        frames = phase.tally.frames
        plot.add(name, rate, phase.us_per(phase.used.router_s, count))
        changes.add(
            name,
            rate,
            frames / dialogs / count,
            *(phase.ms(percent) for percent in (50, 99, 99.9)),
            phase.us_per(phase.used.router_s, count),
            phase.us_per(phase.used.router_s, frames),
            phase.us_per(phase.used.store_s, count),
            phase.us_per(phase.used.load_s, frames),
            round(phase.used.bytes_in / frames) if frames else None,
            phase.memory_mib,
        )
    bench.progress.step(f"{name}, transfers")
    # The dialogs go, so that what a transfer itself costs is seen: its rows would go to all of them.
    bench.workers.each("drop", lambda _: {"group": "dialogs"})
    phase = measurement.transfers(TRANSFERS, options.seconds)
    transfers.add(
        name,
        TRANSFERS,
        phase.tally.done / phase.seconds,
        *(phase.ms(percent) for percent in (50, 99, 99.9)),
        phase.us_per(phase.used.router_s),
        phase.us_per(phase.used.store_s),
        phase.us_per(phase.used.load_s),
        round((phase.used.bytes_in + phase.used.bytes_out) / max(1, phase.tally.done)),
        phase.memory_mib,
        phase.tally.failures,
    )
    return phases[0]


# What is needed to run them.


def _missing_node(folder: Path) -> str | None:
    """Install what a peer on Node needs, once."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return "Node is not installed"
    if not (folder / "node_modules").exists():
        return _install([npm, "--prefix", str(folder), "ci", "--silent"])
    return None


def _missing_uwebsockets() -> str | None:
    """Install it, and see whether it has a binary for this machine and this Node."""
    folder = FOLDER / "uwebsockets"
    missing = _missing_node(folder)
    if missing is not None:
        return missing
    name = "'uws_' + process.platform + '_' + process.arch + '_' + process.versions.modules + '.node'"
    load = f"require('@trufflesuite/uws-js-unofficial/binaries/' + {name})"
    found = subprocess.run(["node", "-e", load], cwd=folder, capture_output=True, check=False)
    return None if found.returncode == 0 else "it has no binary for this machine and this version of Node"


def _missing_centrifugo() -> str | None:
    """Build it from its published Go module, once: that takes some minutes."""
    if CENTRIFUGO.exists():
        return None
    go = shutil.which("go")
    if go is None:
        return "Go is not installed"
    return _install([go, "install", CENTRIFUGO_MODULE], {"GOBIN": str(CENTRIFUGO.parent)})


def _install(command: Sequence[str], environment: Mapping[str, str] | None = None) -> str | None:
    try:
        subprocess.run(
            command,
            check=True,
            capture_output=True,
            timeout=INSTALL_LIMIT_S,
            env={**os.environ, **(environment or {})},
        )
    except (OSError, subprocess.SubprocessError) as error:
        return f"it could not be installed ({error})"
    return None


def _missing_python() -> str | None:
    return None if find_spec("socketio") else "pip install 'relevo[bench]'"


PEERS = (
    Peer(
        "websockets, broadcast() and Redis pub/sub",
        lambda port, store: [sys.executable, "-m", "bench.peers.websockets_server", str(port), str(store)],
        lambda ports: PlainProtocol(Target(ports)),
    ),
    Peer(
        "Socket.IO on Node, Redis adapter",
        lambda port, store: ["node", str(FOLDER / "socketio" / "server.mjs"), str(port), str(store)],
        lambda ports: SocketIoProtocol(socketio_target(ports)),
        lambda: _missing_node(FOLDER / "socketio"),
    ),
    Peer(
        "uWebSockets.js, publish() and Redis pub/sub",
        lambda port, store: ["node", str(FOLDER / "uwebsockets" / "server.mjs"), str(port), str(store)],
        lambda ports: PlainProtocol(Target(ports)),
        _missing_uwebsockets,
    ),
    Peer(
        "Centrifugo, Redis engine",
        lambda port, store: [
            *("env", f"CENTRIFUGO_ENGINE_REDIS_ADDRESS=redis://127.0.0.1:{store}", str(CENTRIFUGO)),
            *("--config", str(FOLDER / "centrifugo" / "config.json")),
            *("--http_server.address", "127.0.0.1", "--http_server.port", str(port)),
        ],
        lambda ports: CentrifugoProtocol(centrifugo_target(ports)),
        _missing_centrifugo,
    ),
    Peer(
        "python-socketio, Redis manager",
        lambda port, store: [sys.executable, "-m", "bench.peers.socketio_server", str(port), str(store)],
        lambda ports: SocketIoProtocol(socketio_target(ports)),
        _missing_python,
    ),
)
