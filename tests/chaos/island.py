"""A network of one's own, with one link to here that can be cut so that neither side hears of it."""

import ctypes
import os
import random
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.servers import StoreServer, free_port, running

NEEDS = "a network of one's own takes root, and iproute2"
CONNECT_LIMIT_S = 5.0

_CLONE_NEWNET = 0x40000000  # From <sched.h>.


def can_rise() -> bool:
    """Return whether this process may make networks."""
    return os.geteuid() == 0 and shutil.which("ip") is not None


def ip(*words: str) -> None:
    """Change a network."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Island:
    """
    A network namespace of Linux.

    Attributes:
        here: The address of this side, to which the island connects.
        there: The island's address.
    """

    def __init__(self) -> None:
        # Any of the /30 networks that are set apart for tests by RFC 2544.
        start = (198 << 24 | 18 << 16) + 4 * random.randrange(1 << 15)
        self.here, self.there = (socket.inet_ntoa((start + host).to_bytes(4)) for host in (1, 2))
        self.name = f"relevo-{start:x}"
        self._near, self._far = f"rv{start:x}n", f"rv{start:x}f"

    def rise(self) -> None:
        """Make the namespace and the link."""
        ip("netns", "add", self.name)
        ip("link", "add", self._near, "type", "veth", "peer", "name", self._far, "netns", self.name)
        ip("address", "add", f"{self.here}/30", "dev", self._near)
        ip("link", "set", self._near, "up")
        ip("-n", self.name, "address", "add", f"{self.there}/30", "dev", self._far)
        ip("-n", self.name, "link", "set", "lo", "up")
        self.mend()

    def sink(self) -> None:
        """Take it away, and the link with it."""
        ip("netns", "delete", self.name)

    def cut(self) -> None:
        """Let nothing through: what is sent is lost without an error."""
        ip("-n", self.name, "link", "set", self._far, "down")

    def mend(self) -> None:
        """Let everything through."""
        ip("-n", self.name, "link", "set", self._far, "up")

    def command(self, *words: str) -> list[str]:
        """Return the command that runs a program there."""
        return ["ip", "netns", "exec", self.name, *words]

    def connect(self, port: int) -> socket.socket:
        """Connect from there to a port of this side, as a client there does."""
        made: list[socket.socket] = []

        def make() -> None:
            # A socket belongs to the network that its thread is in; this thread ends with it.
            with Path(f"/run/netns/{self.name}").open() as namespace:
                if ctypes.CDLL(None, use_errno=True).setns(namespace.fileno(), _CLONE_NEWNET) != 0:
                    raise OSError(ctypes.get_errno(), "setns")
            made.append(socket.create_connection((self.here, port), timeout=CONNECT_LIMIT_S))

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        [connected] = made
        connected.setblocking(False)
        return connected


class IslandStore(StoreServer):
    """A store on an island, at `far_url`; processes of this machine reach it by its unix socket, too."""

    def __init__(self, folder: Path, island: Island) -> None:
        self._island = island
        port = free_port()
        self.far_url = f"redis://{island.there}:{port}"
        super().__init__(
            folder, arguments=["--port", str(port), "--bind", island.there, "--protected-mode", "no"]
        )

    def _command(self) -> list[str]:
        return self._island.command(*super()._command())


@contextmanager
def risen() -> Iterator[Island]:
    """Make an island, and take it away at the end; where that is not allowed, leave the test out."""
    if not can_rise():
        pytest.skip(NEEDS)
    island = Island()
    island.rise()
    try:
        yield island
    finally:
        island.sink()


@contextmanager
def store_on(island: Island, folder: Path) -> Iterator[IslandStore]:
    """Run a store there."""
    folder.mkdir()
    store = IslandStore(folder, island)
    with running(store):
        yield store
