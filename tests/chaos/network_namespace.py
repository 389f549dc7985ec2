"""Network namespaces, each with a link to this machine that can be cut without a word to either side."""

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

NEEDS = "network namespaces need root and iproute2"
CONNECT_LIMIT_S = 5.0

_CLONE_NEWNET = 0x40000000  # From <sched.h>.


def can_create_networks() -> bool:
    """Return whether this process may make networks."""
    return os.geteuid() == 0 and shutil.which("ip") is not None


def ip(*words: str) -> None:
    """Change a network."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


class NetworkNamespace:
    """
    A network namespace of Linux.

    Attributes:
        host_address: The address of this side, to which clients in the namespace connect.
        address: The namespace's address.
    """

    def __init__(self) -> None:
        # Any of the /30 networks that are set apart for tests by RFC 2544.
        start = (198 << 24 | 18 << 16) + 4 * random.randrange(1 << 15)
        self.host_address, self.address = (socket.inet_ntoa((start + host).to_bytes(4)) for host in (1, 2))
        self.name = f"relevo-{start:x}"
        self._near, self._far = f"rv{start:x}n", f"rv{start:x}f"

    def create(self) -> None:
        """Make the namespace and the link."""
        ip("netns", "add", self.name)
        ip("link", "add", self._near, "type", "veth", "peer", "name", self._far, "netns", self.name)
        ip("address", "add", f"{self.host_address}/30", "dev", self._near)
        ip("link", "set", self._near, "up")
        ip("-n", self.name, "address", "add", f"{self.address}/30", "dev", self._far)
        ip("-n", self.name, "link", "set", "lo", "up")
        self.mend()

    def delete(self) -> None:
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
            made.append(socket.create_connection((self.host_address, port), timeout=CONNECT_LIMIT_S))

        thread = threading.Thread(target=make)
        thread.start()
        thread.join()
        [connected] = made
        connected.setblocking(False)
        return connected


@contextmanager
def network_namespace() -> Iterator[NetworkNamespace]:
    """Make a namespace, and take it away at the end; where that is not allowed, leave the test out."""
    if not can_create_networks():
        pytest.skip(NEEDS)
    namespace = NetworkNamespace()
    namespace.create()
    try:
        yield namespace
    finally:
        namespace.delete()
