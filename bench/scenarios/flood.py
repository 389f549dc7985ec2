"""Noisy neighbours: latencies of others while a connection, an agent or a tenant floods, at default rates."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from time import monotonic
from typing import Any, TypeAlias

from bench.load.flood import CHEAP
from bench.load.protocols import RelevoProtocol, agent_id, session_id
from bench.load.workers import Workers
from bench.measurement import LEAD_S, Measurement, Phase
from bench.results import Outcome, Table
from bench.setup import Bench, open_circles, run_commands
from relevo.router.config import SETTINGS

Commands: TypeAlias = Sequence[Mapping[str, Any]]

AGENTS = 40
RATE = 100.0
"""Transfers a second of the neighbours."""

WARM_UP_S = 1.0
BURST_S = 6.0
"""The burst of a tenant's token bucket is used up by then, and its rate counts."""

TENANT_SIZE = 1000
CROWD = range(TENANT_SIZE, TENANT_SIZE + 100)
LOWER: dict[str, int | str] = {"tenant_message_rate": 2000}
FLOODS: tuple[tuple[str, Sequence[int], dict[str, int | str]], ...] = (
    ("one connection of the same tenant", [900], {}),
    ("20 connections of one agent of it", [900] * 20, {}),
    ("100 agents of another tenant", CROWD, {}),
    ("the same, of which 2,000 commands a second are let through", CROWD, LOWER),
)
DEAR = ("histories", "resumes", "snapshots", "pages of sessions", "batches of all")
"""Each is asked for by an agent of its own, whose rate limit nothing else has used up."""

DEAR_AGENTS = 2000
"""Agents in the directory of the tenant from which the dear commands come."""

DEAR_CHANGES = 64
"""Old positions to resume from: more than the patches that a router keeps, and each patch has many rows."""

DEAR_ROWS = 490
"""Rows changed since: with more than a quarter of all a resume would get the shared snapshot."""

FILL_AT_ONCE = 1000
"""Commands over one connection, within its rate."""

NOTES = (
    "A flood sends 64 commands a frame, and the next when the socket takes it; closed connections reconnect.",
    "Router is the router's processor time during the flood, of one core.",
    "Latencies are those of others' transfers, from when they were due to session.assigned.",
    "Dear commands come from one agent of another tenant, 64 a frame, as fast as they are read: a history of",
    f"500 entries of 4,000 characters, {DEAR_ROWS} rows of {DEAR_AGENTS} agents, all of them, 500 sessions.",
)


def run(bench: Bench) -> Outcome:
    """Measure transfers before and during each flood."""
    options = bench.options
    outcome = Outcome("flood", options.command)
    bench.progress.begin("flood", 2 * len(FLOODS) + 2 * len(DEAR))
    table = Table(
        f"Transfers of others during a flood, {RATE:.0f} a second",
        [
            "flood",
            "p50 ms",
            "p99 ms",
            "during it p50 ms",
            "p99 ms",
            "times p50",
            "times p99",
            "router %",
            "failed",
        ],
    )
    rates = {one.name: one.default for one in SETTINGS if "message_rate" in one.name}
    for name, indices, lower in FLOODS:
        with bench.relevo(settings=rates | lower, tenant_size=TENANT_SIZE) as measurement:
            open_circles(measurement, AGENTS, AGENTS)
            measurement.transfers(RATE, WARM_UP_S)
            bench.progress.step(f"before {name}")
            before = measurement.transfers(RATE, options.seconds)
            bench.progress.step(name)
            with _flooding(measurement, indices, BURST_S + options.seconds + 4 * LEAD_S):
                measurement.transfers(RATE, BURST_S)
                during = measurement.transfers(RATE, options.seconds)
            table.add(
                name,
                *(one.ms(percent) for one in (before, during) for percent in (50, 99)),
                *(_times(before, during, percent) for percent in (50, 99)),
                100 * during.used.router_s / during.used.seconds,
                before.tally.failures + during.tally.failures,
            )
    outcome.tables += [table, _dear(bench)]
    outcome.notes += NOTES
    return outcome


def _dear(bench: Bench) -> Table:
    """Measure transfers before and while an agent of another tenant asks for what is dear."""
    options = bench.options
    table = Table(
        f"Transfers of others beside an agent that asks for what is dear, {RATE:.0f} a second",
        ["asks for", "p50 ms", "p99 ms", "beside it p50 ms", "p99 ms", "p99 ms more", "router %", "failed"],
    )
    rates = {one.name: one.default for one in SETTINGS if "message_rate" in one.name}
    with bench.relevo(settings=rates, tenant_size=TENANT_SIZE) as measurement:
        open_circles(measurement, AGENTS, AGENTS)
        commands = _dear_commands(measurement)
        measurement.transfers(RATE, WARM_UP_S)
        for number, name in enumerate(DEAR):
            bench.progress.step(f"before {name}")
            before = measurement.transfers(RATE, options.seconds)
            bench.progress.step(name)
            seconds = options.seconds + 4 * LEAD_S
            with _flooding(measurement, [TENANT_SIZE + number], seconds, commands[name]):
                beside = measurement.transfers(RATE, options.seconds)
            p99, p99_beside = before.ms(99), beside.ms(99)
            table.add(
                name,
                *(one.ms(percent) for one in (before, beside) for percent in (50, 99)),
                p99_beside - p99 if p99 is not None and p99_beside is not None else None,
                100 * beside.used.router_s / beside.used.seconds,
                before.tally.failures + beside.tally.failures,
            )
    return table


def _dear_commands(measurement: Measurement) -> dict[str, Commands]:
    """Fill the other tenant, and return the dear commands of its agents, by name."""
    protocol = measurement.protocol
    assert isinstance(protocol, RelevoProtocol)
    tenant = protocol.tenant(TENANT_SIZE)

    def put(number: int, capacity: int) -> dict[str, Any]:
        row = {"id": agent_id(TENANT_SIZE + number), "name": f"Agent {number}", "role": "agent"}
        return {"type": "agent.put", "agent": {**row, "departments": [], "capacity": capacity}}

    def opened(session: str, number: int) -> dict[str, Any]:
        customer, target = (
            {"id": "c", "name": "Customer"},
            {"kind": "agent", "id": agent_id(TENANT_SIZE + number)},
        )
        return {"type": "session.open", "session_id": session, "customer": customer, "target": target}

    def note(session: str) -> dict[str, Any]:
        return {"type": "session.note", "session_id": session, "text": "x" * 4000}

    rows = [put(number, 1000) for number in range(DEAR_AGENTS)]
    owned = [opened(session_id(number), number % len(DEAR)) for number in range(len(DEAR) * 500)]
    notes = [note(session_id(number)) for number in range(len(DEAR)) for _ in range(500)]
    filling = [*rows, *owned, *notes]
    for start in range(0, len(filling), FILL_AT_ONCE):
        run_commands(measurement, {tenant: filling[start : start + FILL_AT_ONCE]})
    # Read before the changes: a router that reads the directory later knows no older position.
    follower = TENANT_SIZE + DEAR_AGENTS - 1
    measurement.workers.each("open", lambda _: {"group": "dear", "indices": [follower], "dialog": True})
    epoch, seq = measurement.workers.each("position")[0]
    run_commands(measurement, {tenant: [put(number, 999) for number in range(DEAR_ROWS)]})
    commands: dict[str, list[Mapping[str, Any]]] = {
        name: [{"type": "session.history", "session_id": session_id(number), "limit": 500}]
        for number, name in enumerate(DEAR)
    }
    commands["resumes"] = [
        {"type": "directory.subscribe", "resume": {"epoch": epoch, "seq": seq + number}}
        for number in range(DEAR_CHANGES)
    ]
    commands["snapshots"] = [{"type": "directory.subscribe"}]
    commands["pages of sessions"] = [{"type": "session.list", "limit": 500}]
    kinds = [commands[name] for name in DEAR]
    commands[DEAR[-1]] = [each[number % len(each)] for number in range(16) for each in kinds if each]
    return dict(commands)


@contextmanager
def _flooding(
    measurement: Measurement, indices: Sequence[int], seconds: float, commands: Commands = CHEAP
) -> Iterator[None]:
    protocol = measurement.protocol
    assert isinstance(protocol, RelevoProtocol)
    # In a process of its own, so that it delays nothing that is measured.
    with Workers(1) as workers:
        workers.each("use_protocol", lambda _: {"protocol": protocol})
        until = monotonic() + seconds
        workers.begin("flood", lambda _: {"indices": indices, "until": until, "commands": commands})
        yield
        workers.finish()


def _times(before: Phase, during: Phase, percent: float) -> float | None:
    quiet, flooded = before.ms(percent), during.ms(percent)
    return flooded / quiet if quiet and flooded else None
