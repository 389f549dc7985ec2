"""Namespaces that are joined by a switch, each of which can be cut off from the others in silence."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.chaos.network_namespace import NetworkNamespace, ip
from tests.servers import Host


class Network:
    """
    Namespaces around one switch; the link of each to this machine stays whole.

    Args:
        namespaces: By the names of their hosts.
    """

    def __init__(self, **namespaces: NetworkNamespace) -> None:
        self.hosts: dict[str, Host] = {}
        self._switch = f"{next(iter(namespaces.values())).name}-switch"
        self._namespaces = namespaces

    def create(self) -> None:
        """Make the switch, and join the namespaces."""
        ip("netns", "add", self._switch)
        ip("-n", self._switch, "link", "add", "switch", "type", "bridge")
        ip("-n", self._switch, "link", "set", "switch", "up")
        for number, (name, namespace) in enumerate(self._namespaces.items()):
            # These addresses are seen here only.
            address = f"198.19.0.{number + 1}"
            ip(
                "link",
                "add",
                "others",
                "netns",
                namespace.name,
                "type",
                "veth",
                "peer",
                name,
                "netns",
                self._switch,
            )
            ip("-n", self._switch, "link", "set", name, "master", "switch", "up")
            ip("-n", namespace.name, "address", "add", f"{address}/24", "dev", "others")
            ip("-n", namespace.name, "link", "set", "others", "up")
            self.hosts[name] = Host(address, namespace.address, tuple(namespace.command()))

    def delete(self) -> None:
        """Take the switch away."""
        ip("netns", "delete", self._switch)

    def cut(self, name: str) -> None:
        """Cut a namespace off from the others: what is sent is lost without an error."""
        ip("-n", self._switch, "link", "set", name, "down")

    def mend(self, name: str) -> None:
        """Join a namespace to the others again."""
        ip("-n", self._switch, "link", "set", name, "up")


@contextmanager
def network_of(*names: str) -> Iterator[Network]:
    """Make namespaces of these names and join them, and take everything away at the end."""
    with ExitStack() as stack:
        namespaces = {name: NetworkNamespace() for name in names}
        for namespace in namespaces.values():
            namespace.create()
            stack.callback(namespace.delete)
        network = Network(**namespaces)
        network.create()
        stack.callback(network.delete)
        yield network
