"""A store of one primary and its replicas, and the sentinels that promote one of them when it is gone."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers import LOOPBACK, Host, SentinelServer, StoreServer, free_port, valkey_binary, wait_until

PROMOTION_LIMIT_S = 30.0


class SentinelStore:
    """
    Store servers that follow the first of them, and as many sentinels.

    Args:
        folder: Theirs alone.
        hosts: Where each server runs, and a sentinel beside it; the first one's is the primary.
        binary: The program.
        arguments: Of every store server.
    """

    def __init__(
        self,
        folder: Path,
        *,
        hosts: Sequence[Host] = (LOOPBACK, LOOPBACK, LOOPBACK),
        binary: str | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        binary = binary or valkey_binary()
        self.servers: list[StoreServer] = []
        self.sentinels: list[SentinelServer] = []
        for number, host in enumerate(hosts):
            home = folder / f"store{number}"
            home.mkdir()
            following: list[str] = []
            if self.servers:
                primary = self.servers[0]
                following = ["--replicaof", f"{primary.host.address} {primary.port}"]
            self.servers.append(
                StoreServer(
                    home, binary=binary, port=free_port(), arguments=[*arguments, *following], host=host
                )
            )
        for number, host in enumerate(hosts):
            home = folder / f"sentinel{number}"
            home.mkdir()
            self.sentinels.append(
                SentinelServer(
                    home,
                    binary,
                    self.servers[0].port,
                    primary_address=self.servers[0].host.address,
                    down_after_ms=1000,
                    quorum=len(hosts) // 2 + 1,
                    host=host,
                )
            )

    @property
    def url(self) -> str:
        """The store, as a router wants it."""
        addresses = ",".join(f"{sentinel.host.address}:{sentinel.port}" for sentinel in self.sentinels)
        return f"redis+sentinel://{addresses}/main"

    def start(self) -> None:
        """Start all, and return when each sentinel knows of all."""
        primary, *replicas = self.servers
        for server in self.servers:
            server.start()
        for replica in replicas:
            wait_until(lambda one=replica: one.call("INFO")["master_link_status"] == "up", "a replica")
        wait_until(
            lambda: (
                primary.call("INCR", "seen") and primary.call("WAIT", len(replicas), 100) == len(replicas)
            ),
            "the replicas' word",
        )
        for sentinel in self.sentinels:
            sentinel.start()
        for sentinel in self.sentinels:
            wait_until(lambda one=sentinel: self._knows_all(one), "a sentinel to know all")

    def stop(self) -> None:
        """Stop all."""
        for server in (*self.sentinels, *self.servers):
            server.stop()

    def present_primary(self) -> StoreServer:
        """Return the primary that the last of the sentinels names."""
        state = _state(self.sentinels[-1])
        named = (state["ip"], int(state["port"]))
        return next(one for one in self.servers if (one.host.address, one.port) == named)

    def make_whole(self) -> None:
        """Start what was killed, and return when all servers follow the one that is named."""
        for server in self.servers:
            if not server.is_running:
                server.start()
        wait_until(
            lambda: all(is_primary(server) is (server is self.present_primary()) for server in self.servers),
            "one primary alone",
            PROMOTION_LIMIT_S,
        )

    def wait_for_promotion(self, before: StoreServer) -> StoreServer:
        """Return the new primary once a sentinel names one and it takes writes."""
        wait_until(
            lambda: (named := self.present_primary()) is not before and is_primary(named),
            "another primary",
            PROMOTION_LIMIT_S,
        )
        return self.present_primary()

    def _knows_all(self, sentinel: SentinelServer) -> bool:
        state = _state(sentinel)
        others = str(len(self.servers) - 1)
        known = (state["num-slaves"], state["num-other-sentinels"], state["flags"])
        return known == (others, others, "master")


@contextmanager
def watched_store(folder: Path, **options: Any) -> Iterator[SentinelStore]:
    """Run a store with sentinels, and stop it at the end."""
    store = SentinelStore(folder, **options)
    try:
        store.start()
        yield store
    finally:
        store.stop()


def is_primary(server: StoreServer) -> bool:
    """Return whether a server takes itself for the primary."""
    return server.call("ROLE")[0] in (b"master", "master")


def _state(sentinel: SentinelServer) -> dict[str, str]:
    words = [word.decode() for word in sentinel.call("SENTINEL", "MASTER", "main")]
    return dict(zip(words[::2], words[1::2], strict=True))
