"""Put agents and sessions into a stage: circles of agents who pass sessions on to one another."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from bench.load.protocols import Dialect, Relevo, agent_id, relevo_target, session_id
from bench.load.workers import Crew
from bench.measurement import Stage
from bench.options import Options
from bench.progress import Progress
from bench.servers import Place, Store


@dataclass(frozen=True, slots=True)
class Bench:
    """
    What every scenario is given.

    Attributes:
        options: Of the command.
        crew: The load processes.
        progress: Shows how far it is.
    """

    options: Options
    crew: Crew
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
    ) -> Iterator[Stage]:
        """
        Run routers on a store of their own, or take the remote one.

        Args:
            routers: How many.
            cluster: Whether their store is a Cluster of three shards.
            replicas: How many replicas the store has, if it is none.
            store: Words of the store's command line.
            settings: Settings of the routers.
            how: Fields of dialects.Relevo.
        """
        binary = bool(how.pop("binary", self.options.binary))
        if self.options.url is not None:
            # Nobody clears the store between two measurements there: each has tenants of its own.
            dialect = replace(self.options.remote(), company=f"bench-{secrets.token_hex(4)}-", **how)
            yield Stage(self.options, self.crew, self.progress, dialect, (), None)
            self.crew.each("leave")
            return
        with Place() as place:
            opened: Store = place.cluster() if cluster else place.store(store, replicas=replicas)
            servers = [place.router(opened, **(settings or {})) for _ in range(routers)]
            target = relevo_target(tuple(server.port for server in servers), binary=binary)
            dialect = Relevo(target, place.secret, binary, **how)
            try:
                yield Stage(self.options, self.crew, self.progress, dialect, servers, opened)
            finally:
                # Before the routers: they would wait for each close to be answered.
                self.crew.abandon()


def blocks(count: int, crew: Crew) -> list[range]:
    """Return which agents each load process has, where circles must not be torn apart."""
    size = count // crew.size
    return [range(number * size, (number + 1) * size) for number in range(crew.size)]


def interleaved(parts: Sequence[Sequence[int]]) -> list[int]:
    """Return an order of which every n-th belongs to the n-th process again."""
    return [index for together in zip(*parts, strict=True) for index in together]


def open_circles(stage: Stage, agents: int, sessions: int, *, paused: bool = False) -> None:
    """
    Connect agents in circles, and give them sessions to pass on.

    Args:
        stage: Where.
        agents: How many; each load process gets whole circles.
        sessions: How many.
        paused: Whether they take no new sessions, so that all go to pending lists.
    """
    dialect, crew = stage.dialect, stage.crew
    circle = circle_size(dialect)
    agents -= agents % (circle * crew.size)
    parts = blocks(agents, crew)
    stage.active = interleaved(parts)
    crew.each("open", lambda number: {"group": "agents", "indices": parts[number]})
    if paused:
        stage.prepare_changes("agents", stage.active)
        stage.changes(2000, agents / 2000)
    owners: list[dict[int, int]] = [{} for _ in parts]
    for number in range(sessions):
        part = parts[number % crew.size]
        owners[number % crew.size][number] = part[number // crew.size % len(part)]
    if isinstance(dialect, Relevo):
        _open_sessions(stage, dialect, owners)

    def next_of(number: int) -> dict[int, str]:
        if isinstance(dialect, Relevo) and dialect.departments:
            return {index: dialect.department(index) for index in parts[number]}
        return {index: agent_id(index - index % circle + (index + 1) % circle) for index in parts[number]}

    crew.each(
        "prepare_transfers",
        lambda number: {"group": "agents", "next_of": next_of(number), "owners": owners[number]},
    )


def circle_size(dialect: Dialect) -> int:
    """Return how many agents pass sessions on to one another."""
    return dialect.circle_size if isinstance(dialect, Relevo) else 4


def _open_sessions(stage: Stage, dialect: Relevo, owners: Sequence[dict[int, int]]) -> None:
    by_tenant: dict[str, list[dict[str, Any]]] = {}
    for part in owners:
        for number, index in part.items():
            by_tenant.setdefault(dialect.tenant(index), []).append(
                {
                    "type": "session.open",
                    "session_id": session_id(number),
                    "customer": {"id": f"c{number}", "name": f"Customer {number}"},
                    "target": {"kind": "agent", "id": agent_id(index)},
                }
            )
    ask_all(stage, by_tenant)


def ask_all(stage: Stage, by_tenant: dict[str, list[dict[str, Any]]]) -> None:
    """Have back ends of several tenants send commands, each from one of the load processes."""
    tenants = sorted(by_tenant)
    for start in range(0, len(tenants), stage.crew.size):
        together = tenants[start : start + stage.crew.size]
        # Who is left over in the last round says hello for some tenant, and nothing more.
        parts = [(tenant, by_tenant[tenant]) for tenant in together]
        parts += [(tenants[0], [])] * (stage.crew.size - len(together))
        stage.crew.each("ask", partial(_part, parts))
        stage.progress.tick()


def _part(parts: Sequence[tuple[str, list[dict[str, Any]]]], number: int) -> dict[str, Any]:
    tenant, messages = parts[number]
    return {"tenant": tenant, "messages": messages}
