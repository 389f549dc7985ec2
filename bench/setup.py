"""Set up a measurement: start servers, connect agents, open sessions that circles of agents transfer."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from bench.load.protocols import ClientProtocol, RelevoProtocol, agent_id, relevo_target, session_id
from bench.load.workers import Workers
from bench.measurement import Measurement
from bench.options import Options
from bench.progress import Progress
from bench.servers import ServerGroup, Store


@dataclass(frozen=True, slots=True)
class Bench:
    """
    What every scenario receives.

    Attributes:
        options: Of the command.
        workers: The load processes.
        progress: Shows the progress.
    """

    options: Options
    workers: Workers
    progress: Progress

    @contextmanager
    def relevo(
        self,
        *,
        routers: int = 1,
        cluster: bool = False,
        replicas: int = 0,
        store: Sequence[str] = (),
        settings: dict[str, int | str] | None = None,
        **how: Any,
    ) -> Iterator[Measurement]:
        """
        Run routers on a store of their own, or take the remote one.

        Args:
            routers: How many.
            cluster: Whether their store is a Cluster of three shards.
            replicas: How many replicas the store has, if it is none.
            store: Words of the store's command line.
            settings: Settings of the routers.
            how: Fields of protocols.RelevoProtocol.
        """
        binary = bool(how.pop("binary", self.options.binary))
        if self.options.url is not None:
            # A remote store is not cleared between two measurements: each has tenants of its own.
            protocol = replace(self.options.remote(), tenant_prefix=f"bench-{secrets.token_hex(4)}-", **how)
            yield Measurement(self.options, self.workers, self.progress, protocol, (), None)
            self.workers.each("drop_all")
            return
        with ServerGroup() as group:
            opened: Store = group.cluster() if cluster else group.store(store, replicas=replicas)
            servers = [group.router(opened, **(settings or {})) for _ in range(routers)]
            target = relevo_target(tuple(server.port for server in servers), binary=binary)
            protocol = RelevoProtocol(target, group.secret, binary, **how)
            try:
                yield Measurement(self.options, self.workers, self.progress, protocol, servers, opened)
            finally:
                # Before the routers: they would wait for each close to be answered.
                self.workers.drop_connections()


def blocks(count: int, workers: Workers) -> list[range]:
    """Return the agents of each load process; no circle is split."""
    size = count // workers.size
    return [range(number * size, (number + 1) * size) for number in range(workers.size)]


def interleaved(parts: Sequence[Sequence[int]]) -> list[int]:
    """Return an order in which every n-th belongs to the n-th process."""
    return [index for together in zip(*parts, strict=True) for index in together]


def open_circles(measurement: Measurement, agents: int, sessions: int, *, paused: bool = False) -> None:
    """
    Connect agents in circles, and open sessions for them to transfer.

    Args:
        measurement: Where they connect.
        agents: How many; each load process gets whole circles.
        sessions: How many.
        paused: Whether they are paused, so that every transfer goes to a pending list.
    """
    protocol, workers = measurement.protocol, measurement.workers
    circle = circle_size(protocol)
    agents -= agents % (circle * workers.size)
    parts = blocks(agents, workers)
    measurement.active = interleaved(parts)
    workers.each("open", lambda number: {"group": "agents", "indices": parts[number]})
    if paused:
        measurement.prepare_changes("agents", measurement.active)
        measurement.changes(2000, agents / 2000)
    owners: list[dict[int, int]] = [{} for _ in parts]
    for number in range(sessions):
        part = parts[number % workers.size]
        owners[number % workers.size][number] = part[number // workers.size % len(part)]
    if isinstance(protocol, RelevoProtocol):
        _open_sessions(measurement, protocol, owners)

    def next_of(number: int) -> dict[int, str]:
        if isinstance(protocol, RelevoProtocol) and protocol.departments:
            return {index: protocol.department(index) for index in parts[number]}
        return {index: agent_id(index - index % circle + (index + 1) % circle) for index in parts[number]}

    workers.each(
        "prepare_transfers",
        lambda number: {"group": "agents", "next_of": next_of(number), "owners": owners[number]},
    )


def circle_size(protocol: ClientProtocol) -> int:
    """Return how many agents transfer sessions in a circle."""
    return protocol.circle_size if isinstance(protocol, RelevoProtocol) else 4


def _open_sessions(
    measurement: Measurement, protocol: RelevoProtocol, owners: Sequence[dict[int, int]]
) -> None:
    by_tenant: dict[str, list[dict[str, Any]]] = {}
    for part in owners:
        for number, index in part.items():
            by_tenant.setdefault(protocol.tenant(index), []).append(
                {
                    "type": "session.open",
                    "session_id": session_id(number),
                    "customer": {"id": f"c{number}", "name": f"Customer {number}"},
                    "target": {"kind": "agent", "id": agent_id(index)},
                }
            )
    run_commands(measurement, by_tenant)


def run_commands(measurement: Measurement, by_tenant: dict[str, list[dict[str, Any]]]) -> None:
    """Send commands as back ends of several tenants, each from one of the load processes."""
    tenants = sorted(by_tenant)
    for start in range(0, len(tenants), measurement.workers.size):
        together = tenants[start : start + measurement.workers.size]
        # A process without a tenant in the last round sends a hello for the first one, and nothing more.
        parts = [(tenant, by_tenant[tenant]) for tenant in together]
        parts += [(tenants[0], [])] * (measurement.workers.size - len(together))
        measurement.workers.each("run_commands", partial(_part, parts))
        measurement.progress.tick()


def _part(parts: Sequence[tuple[str, list[dict[str, Any]]]], number: int) -> dict[str, Any]:
    tenant, messages = parts[number]
    return {"tenant": tenant, "messages": messages}
