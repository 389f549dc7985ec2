"""Islands that are joined to one another, of which one can be cut off from the others in silence."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from tests.chaos.island import Island, ip
from tests.servers import Place


class Network:
    """
    Islands around one switch; the link of each to here stays whole, whatever happens among them.

    Args:
        islands: By the names of the places that they are.
    """

    def __init__(self, **islands: Island) -> None:
        self.places: dict[str, Place] = {}
        self._switch = f"{next(iter(islands.values())).name}-switch"
        self._islands = islands

    def rise(self) -> None:
        """Make the switch, and join the islands."""
        ip("netns", "add", self._switch)
        ip("-n", self._switch, "link", "add", "switch", "type", "bridge")
        ip("-n", self._switch, "link", "set", "switch", "up")
        for number, (name, island) in enumerate(self._islands.items()):
            # These addresses are seen here only.
            address = f"198.19.0.{number + 1}"
            ip(
                "link",
                "add",
                "others",
                "netns",
                island.name,
                "type",
                "veth",
                "peer",
                name,
                "netns",
                self._switch,
            )
            ip("-n", self._switch, "link", "set", name, "master", "switch", "up")
            ip("-n", island.name, "address", "add", f"{address}/24", "dev", "others")
            ip("-n", island.name, "link", "set", "others", "up")
            self.places[name] = Place(address, island.there, tuple(island.command()))

    def sink(self) -> None:
        """Take the switch away."""
        ip("netns", "delete", self._switch)

    def cut(self, name: str) -> None:
        """Cut an island off from the others: what is sent is lost without an error."""
        ip("-n", self._switch, "link", "set", name, "down")

    def mend(self, name: str) -> None:
        """Join an island to the others again."""
        ip("-n", self._switch, "link", "set", name, "up")


@contextmanager
def network_of(*names: str) -> Iterator[Network]:
    """Make islands of these names and join them, and take everything away at the end."""
    with ExitStack() as stack:
        islands = {name: Island() for name in names}
        for island in islands.values():
            island.rise()
            stack.callback(island.sink)
        network = Network(**islands)
        network.rise()
        stack.callback(network.sink)
        yield network
