"""Places with networks of their own, of which one can be cut off from the others in silence."""

import os
import random
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from tests.servers import Place

NEEDS = "network namespaces, which need root and the command ip: apt install iproute2"


def can_be_made() -> bool:
    """Return whether this process may make networks."""
    return os.geteuid() == 0 and shutil.which("ip") is not None


class Network:
    """
    Places joined by one switch; the test has a wire of its own to each, which stays whole.

    Args:
        names: Of the places.
    """

    def __init__(self, *names: str) -> None:
        self.places: dict[str, Place] = {}
        self._token = secrets.token_hex(2)
        self._switch = f"relevo-{self._token}"
        # Of the block that is set aside for measurements, so that no network of this machine has it.
        test_net = f"198.18.{random.randrange(256)}"
        self._namespaces = [self._switch]
        try:
            _ip("netns", "add", self._switch)
            self._within(self._switch, "link", "add", "switch", "type", "bridge")
            self._within(self._switch, "link", "set", "switch", "up")
            for number, name in enumerate(names):
                self._join(name, f"198.19.0.{number + 1}", f"{test_net}.{4 * number + 1}")
        except BaseException:
            self.close()
            raise

    def cut(self, name: str) -> None:
        """Cut a place off: nothing passes, and nobody is told."""
        self._within(self._switch, "link", "set", name, "down")

    def heal(self, name: str) -> None:
        """Join a place to the others again."""
        self._within(self._switch, "link", "set", name, "up")

    def close(self) -> None:
        """Take everything away; whatever still runs in a place goes on without a network."""
        for namespace in self._namespaces:
            subprocess.run(["ip", "netns", "delete", namespace], check=False, capture_output=True)

    def _join(self, name: str, address: str, wire_address: str) -> None:
        namespace = f"{self._switch}-{name}"
        _ip("netns", "add", namespace)
        self._namespaces.append(namespace)
        self._within(namespace, "link", "set", "lo", "up")
        _ip("link", "add", "others", "netns", namespace, "type", "veth", "peer", name, "netns", self._switch)
        self._within(self._switch, "link", "set", name, "master", "switch", "up")
        self._within(namespace, "address", "add", f"{address}/24", "dev", "others")
        self._within(namespace, "link", "set", "others", "up")
        here = f"rv{self._token}{len(self.places)}"
        stem, _, last = wire_address.rpartition(".")
        there_address = f"{stem}.{int(last) + 1}"
        _ip("link", "add", here, "type", "veth", "peer", "test", "netns", namespace)
        _ip("address", "add", f"{wire_address}/30", "dev", here)
        _ip("link", "set", here, "up")
        self._within(namespace, "address", "add", f"{there_address}/30", "dev", "test")
        self._within(namespace, "link", "set", "test", "up")
        self.places[name] = Place(address, there_address, ("ip", "netns", "exec", namespace))

    @staticmethod
    def _within(namespace: str, *words: str) -> None:
        _ip("-netns", namespace, *words)


@contextmanager
def network_of(*names: str) -> Iterator[Network]:
    """Make a network, and take it away at the end."""
    network = Network(*names)
    try:
        yield network
    finally:
        network.close()


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], check=False, capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"ip {' '.join(words)}: {done.stderr.strip()}")
