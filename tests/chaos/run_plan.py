"""Play a plan: do to a deployment what its steps say."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos.actors import Actor
from tests.chaos.deployment import APPEND_ONLY, Deployment
from tests.chaos.plan import Plan, Step
from tests.chaos.proxy import Direction, Link

DELAY_S = 0.4
BYTES_PER_S = 40_000
BYTES_PER_S_MIN = 2_000
REPLY_BYTES = 2_000

TO_LINKS: dict[str, Callable[[Link, float], None]] = {
    "stall": lambda link, amount: link.stall(),
    "stall_requests": lambda link, amount: link.stall(Direction.REQUESTS),
    "stall_replies": lambda link, amount: link.stall(Direction.REPLIES),
    "delay": lambda link, amount: link.delay(DELAY_S * amount),
    "throttle": lambda link, amount: link.throttle(BYTES_PER_S_MIN + int(BYTES_PER_S * amount)),
    "down": lambda link, amount: link.down(),
    "cut": lambda link, amount: link.cut(),
    "drop_replies": lambda link, amount: link.drop_replies(after_bytes=int(REPLY_BYTES * amount)),
    "heal": lambda link, amount: link.heal(),
}


def store_arguments(plan: Plan) -> tuple[str, ...]:
    """Return how the store keeps its data in a round."""
    return () if plan.store == "gone back" else APPEND_ONLY


async def play(deployment: Deployment, plan: Plan) -> None:
    """Have actors work, and do step after step; what is broken then is for the caller to heal."""
    if plan.store == "gone back":
        deployment.save_store()
    for step in plan.steps:
        await deployment.work_for(step.pause_s)
        await _do(deployment, step)


async def _do(deployment: Deployment, step: Step) -> None:
    match step.act:
        case "kill_router":
            deployment.kill_router(step.router)
        case "stop_router":
            await deployment.stop_router(step.router)
        case "start_router":
            deployment.launch_router(step.router)
        case "freeze_router":
            deployment.freeze_router(step.router)
        case "thaw_router":
            deployment.thaw_router(step.router)
        case "kill_store":
            deployment.kill_store()
        case "start_store":
            await deployment.start_store()
        case "empty_store":
            deployment.empty_store()
        case "rewind_store":
            await deployment.rewind_store()
            deployment.save_store()
        case "forget_functions":
            if deployment.store.is_running:
                deployment.forget_functions()
        case "cut_clients":
            for actor in _actors(deployment):
                if actor.chance.random() < step.amount:
                    for router in range(len(deployment.routers)):
                        deployment.client_link(actor, router).cut()
            deployment.history.note_fault(f"cut of {step.amount:.0%} of the clients")
        case act if act.endswith("_store_link"):
            assert step.link is None or isinstance(step.link, str)
            _to_link(
                deployment,
                step,
                deployment.store_link(step.router, step.link),
                f"{step.link or 'all'} of router",
            )
        case act if act.endswith("_client_link"):
            assert isinstance(step.link, int)
            actors = _actors(deployment)
            actor = actors[step.link % len(actors)]
            link = deployment.client_link(actor, step.router)
            _to_link(deployment, step, link, f"{actor.log.full_name} to router")
        case _:
            raise ValueError(f"no such act: {step.act}")


def _to_link(deployment: Deployment, step: Step, link: Link, whose: str) -> None:
    act = step.act.removesuffix("_store_link").removesuffix("_client_link")
    TO_LINKS[act](link, step.amount)
    deployment.history.note_fault(f"{act} ({step.amount}): {whose} {step.router}")


def _actors(deployment: Deployment) -> list[Actor]:
    return [actor for workload in deployment.workloads for actor in workload.actors.values()]
