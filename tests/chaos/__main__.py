"""
Break things at random while actors work, round after round, until the time is over or an invariant broken.

``python -m tests.chaos --seed 1 --minutes 10``. Each round has a seed of its own, one more than the round
before: with that as ``--seed`` its faults come again.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import sys
import time
from collections import Counter
from pathlib import Path

from tests.chaos.deployment import Deployment
from tests.chaos.history import Moment
from tests.chaos.plan import Plan, make_plan
from tests.chaos.run_plan import play, store_arguments
from tests.chaos.violation import Violation, report

FOLDER = Path("build/faults").absolute()
# On a machine that does other things, too.
SETTLE_LIMIT_S = 40.0
LEASE_MS = 3000
# A port that was free a moment ago need not be free when a router has started, or starts again.
PORT_TAKEN = "Address already in use"


def play_round(folder: Path, seed: int, totals: Counter[str]) -> bool:
    """
    Play the round of a seed, and print what happens.

    Args:
        folder: For logs and data; it goes if all was well.
        seed: The seed.
        totals: What is counted is added to it.

    Returns:
        Whether no invariant was broken.
    """
    plan = make_plan(seed)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"seed {seed}: {plan.routers} routers, a store whose data is {plan.store}", flush=True)
    deployment = Deployment(
        folder,
        seed=seed,
        routers=plan.routers,
        store_arguments=store_arguments(plan),
        settle_limit_s=SETTLE_LIMIT_S,
        node_lease_ms=LEASE_MS,
    )
    deployment.history.on_fault = _print_fault
    found = asyncio.run(_play(deployment, plan))
    calls = deployment.history.calls
    totals["rounds"] += 1
    totals["faults"] += sum(moment.what == "fault" for moment in deployment.history.moments)
    totals["messages"] += deployment.history.now
    totals["commands"] += len(calls)
    totals["done"] += sum(call.is_acknowledged for call in calls)
    totals["doubtful"] += sum(call.is_doubtful for call in calls)
    totals["tenants"] += len(deployment.workloads)
    if found:
        print(f"\n{report(deployment.history, found)}\n\nthe routers' logs and the store's data: {folder}")
        return False
    shutil.rmtree(folder)
    return True


async def _play(deployment: Deployment, plan: Plan) -> list[Violation]:
    async with deployment:
        await play(deployment, plan)
        await deployment.heal()
        await deployment.work_for(0.5)
        return await deployment.violations()


def _print_fault(moment: Moment) -> None:
    print(f"  {moment.at_s:7.2f} s  {moment.content['what']}", flush=True)


def main() -> int:
    """Play rounds, print the sums, and return the exit status."""
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--minutes", type=float, default=1.0)
    options = parser.parse_args()
    first = options.seed if options.seed is not None else random.SystemRandom().randrange(10**9)
    print(f"SEED={first} MINUTES={options.minutes:g}")
    totals: Counter[str] = Counter()
    end = time.monotonic() + options.minutes * 60
    seed, clean = first, True
    while clean and (seed == first or time.monotonic() < end):
        try:
            clean = play_round(FOLDER / str(seed), seed, totals)
        except RuntimeError as error:
            if PORT_TAKEN not in str(error):
                raise
            print("  another program has taken a router's port: this round does not count")
        seed += 1
    refused = totals["commands"] - totals["done"] - totals["doubtful"]
    print(
        f"{totals['rounds']} rounds, {totals['faults']} faults, {totals['commands']} commands"
        f" ({totals['done']} done, {refused} refused, {totals['doubtful']} in doubt),"
        f" {totals['messages']} messages, {totals['tenants']} tenants checked:"
        f" {'no invariant broken' if clean else f'broken in the round of SEED={seed - 1}'}"
    )
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
