"""Fan-out: what a change of the directory costs, and when it is on every open dialog."""

from __future__ import annotations

from bench.floors import cpu_per_script_us, cpu_per_send_us
from bench.machine import file_limit
from bench.measurement import Phase
from bench.results import BUDGETS, Outcome, Plot, Table, Verdict, window_budget
from bench.setup import Bench

DIALOGS = (100, 1000, 10_000)
RATES = (20.0, 200.0, 1000.0)
ALL_RATES_AT = 1000
"""The number of dialogs with which every rate is measured; with others, those of FEW_RATES."""

FEW_RATES = (20.0, 200.0)
SINGLE_AT, BURST_AT = 20.0, 200.0
"""Changes a second of which each has a frame of its own, and of which many share one."""

CHANGERS = 200
FIRST_DIALOG = 10_000
"""The number of the first agent that only follows the directory."""


def run(bench: Bench) -> Outcome:
    """Measure dialogs and changes in all sizes, and the floors."""
    options = bench.options
    outcome = Outcome("fanout", options.command)
    sizes = _sizes(bench, outcome)
    steps = [(size, rate) for size in sizes for rate in _rates(bench, size, sizes)]
    bench.progress.begin("fanout", 1 + len(steps) + len(sizes) + 1)
    table = Table(
        "Changes of the directory",
        [
            *("dialogs", "changes /s", "frames /s", "p50 ms", "p99 ms", "p99.9 ms", "router us/change"),
            *("router us/delivery", "of send()", "store us/change", "of 16 GETs", "load us/delivery"),
            *("frames/dialog", "bytes/dialog", "router MiB", "failed"),
        ],
    )
    freshness = Plot("Freshness: change to screen, p99", "changes a second", "ms", log_x=True)
    delivery = Plot("Processor time of one delivery", "changes a second", "us", log_x=True)
    phases: dict[tuple[int, float], Phase] = {}
    with bench.relevo() as measurement:
        changers = list(range(CHANGERS))
        measurement.connect("changers", changers)
        measurement.prepare_changes("changers", changers)
        bench.progress.step("no dialogs")
        measurement.changes(BURST_AT, 0.5)
        alone = measurement.changes(BURST_AT, options.seconds)
        lone = measurement.changes(SINGLE_AT, options.seconds)
        opened = 0
        for size, rate in steps:
            bench.progress.step(f"{size} dialogs, {rate:.0f} a second")
            if opened < size:
                # Drop all first: an agent that connects is shown on every open dialog.
                bench.workers.each("drop", lambda _: {"group": "dialogs"})
                measurement.connect("dialogs", range(FIRST_DIALOG, FIRST_DIALOG + size), dialog=True)
                measurement.changes(BURST_AT, 0.5)
                opened = size
            phase = phases[size, rate] = measurement.changes(rate, max(options.seconds, 3 / rate))
            freshness.add(f"{size} dialogs", rate, phase.ms(99))
            delivery.add(f"{size} dialogs", rate, phase.us_per(phase.used.router_s, phase.tally.frames))
    outcome.tables.append(table)
    outcome.plots += [freshness, delivery]
    alone_us = alone.us_per(alone.used.router_s, BURST_AT * alone.seconds)
    lone_us = lone.us_per(lone.used.router_s, SINGLE_AT * lone.seconds)
    if alone_us is not None and lone_us is not None:
        outcome.notes.append(
            f"Without dialogs a change costs the router {alone_us:.0f} us at {BURST_AT:.0f} a second, and "
            f"{lone_us:.0f} us at {SINGLE_AT:.0f} a second, with what an idle router uses meanwhile."
        )
        outcome.verdicts.append(Verdict("lone_change", lone_us / 1000))
    sends = _sends(bench, outcome, sizes, phases)
    bench.progress.step("16 GETs")
    script_us = cpu_per_script_us(options.seconds)
    outcome.notes.append(f"An EVALSHA of 16 GETs, 32 in a pipeline, costs the store {script_us:.1f} us.")
    for (size, rate), phase in phases.items():
        _add(table, size, rate, phase, sends.get(size), script_us)
    for size in sizes:
        outcome.verdicts += _window_verdicts(size, phases)
    _judge(outcome, min(sizes, key=lambda one: abs(one - ALL_RATES_AT)), phases, sends)
    return outcome


def _sizes(bench: Bench, outcome: Outcome) -> list[int]:
    room = file_limit() - 2 * CHANGERS
    wanted = sorted(bench.options.clients or DIALOGS)
    sizes = [size for size in wanted if size <= room]
    if sizes != wanted:
        outcome.notes.append(f"At most {room} dialogs: the limit of open files is {file_limit()}.")
    return sizes


def _rates(bench: Bench, size: int, sizes: list[int]) -> tuple[float, ...]:
    if bench.options.rates:
        return bench.options.rates
    return RATES if size == ALL_RATES_AT or len(sizes) == 1 else FEW_RATES


def _sends(
    bench: Bench, outcome: Outcome, sizes: list[int], phases: dict[tuple[int, float], Phase]
) -> dict[int, float]:
    """Return what a bare send() costs in C with each number of dialogs, in microseconds."""
    sends = {}
    for size in sizes:
        bench.progress.step(f"send() in C, {size} sockets")
        phase = phases.get((size, SINGLE_AT))
        if phase is None or not phase.tally.frames:
            continue
        frame_bytes = round(phase.used.bytes_in / phase.tally.frames)
        send_us = cpu_per_send_us(bench, size, frame_bytes - 4, SINGLE_AT, bench.options.seconds)
        if send_us is None:
            outcome.notes.append("No C compiler (cc), so no floor of a delivery.")
            break
        sends[size] = send_us
        outcome.notes.append(
            f"A bare send() of {frame_bytes} bytes to {size} sockets, {SINGLE_AT:.0f} times a second, "
            f"costs {send_us:.1f} us in C."
        )
    return sends


def _add(table: Table, size: int, rate: float, phase: Phase, send_us: float | None, script_us: float) -> None:
    used, count = phase.used, max(1, round(rate * phase.seconds))
    frames = phase.tally.frames
    delivery_us, store_us = phase.us_per(used.router_s, frames), phase.us_per(used.store_s, count)
    table.add(
        size,
        rate,
        frames / size / phase.seconds,
        *(phase.ms(percent) for percent in (50, 99, 99.9)),
        phase.us_per(used.router_s, count),
        delivery_us,
        delivery_us / send_us if delivery_us is not None and send_us is not None else None,
        store_us,
        store_us / script_us if store_us is not None else None,
        phase.us_per(used.load_s, frames),
        frames / size,
        round(used.bytes_in / size),
        phase.memory_mib,
        phase.tally.failures,
    )


def _window_verdicts(size: int, phases: dict[tuple[int, float], Phase]) -> list[Verdict]:
    """Compare how soon changes are on screens with the budgets of patch windows."""
    return [
        Verdict(budget, phases[size, rate].ms(percent))
        for rate in FEW_RATES
        if (size, rate) in phases
        for percent in (50, 99)
        if (budget := window_budget(size, rate, percent)) in BUDGETS
    ]


def _judge(
    outcome: Outcome, size: int, phases: dict[tuple[int, float], Phase], sends: dict[int, float]
) -> None:
    """Compare single changes with the floor at their pace, and many changes with as many single ones."""
    remark = "" if size == ALL_RATES_AT else f"with {size} dialogs"
    single, burst = phases.get((size, SINGLE_AT)), phases.get((size, BURST_AT))
    if single is None or not single.tally.frames:
        return
    per_delivery = single.us_per(single.used.router_s, single.tally.frames)
    if per_delivery is not None and size in sends:
        outcome.verdicts.append(Verdict("delivery", per_delivery / sends[size], remark))
    if burst is not None:
        # A frame to every dialog as often as there are changes: single ones may share some, too.
        frames = single.tally.frames / size
        apart_s = single.used.router_s / frames * BURST_AT * burst.seconds
        outcome.verdicts.append(Verdict("conflation", burst.used.router_s / apart_s, remark))
        outcome.verdicts.append(Verdict("freshness_burst", burst.ms(99), remark))
    outcome.verdicts.append(Verdict("freshness_single", single.ms(99), remark))
