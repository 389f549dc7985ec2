"""Play a plan: do to a scene what its steps say."""

from __future__ import annotations

from collections.abc import Callable

from tests.chaos.people import Person
from tests.chaos.plan import Plan, Step
from tests.chaos.proxy import Direction, Link
from tests.chaos.scene import APPEND_ONLY, Scene

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


async def play(scene: Scene, plan: Plan) -> None:
    """Have people work, and do step after step; what is broken then is for the caller to heal."""
    if plan.store == "gone back":
        scene.save_store()
    for step in plan.steps:
        await scene.work_for(step.pause_s)
        await _do(scene, step)


async def _do(scene: Scene, step: Step) -> None:
    match step.act:
        case "kill_router":
            scene.kill_router(step.router)
        case "stop_router":
            await scene.stop_router(step.router)
        case "start_router":
            scene.launch_router(step.router)
        case "freeze_router":
            scene.freeze_router(step.router)
        case "thaw_router":
            scene.thaw_router(step.router)
        case "kill_store":
            scene.kill_store()
        case "start_store":
            await scene.start_store()
        case "empty_store":
            scene.empty_store()
        case "rewind_store":
            await scene.rewind_store()
            scene.save_store()
        case "forget_functions":
            if scene.store.is_running:
                scene.forget_functions()
        case "cut_clients":
            for person in _people(scene):
                if person.chance.random() < step.amount:
                    for router in range(len(scene.routers)):
                        scene.client_link(person, router).cut()
            scene.history.note_fault(f"cut of {step.amount:.0%} of the clients")
        case act if act.endswith("_store_link"):
            assert step.link is None or isinstance(step.link, str)
            _to_link(scene, step, scene.store_link(step.router, step.link), f"{step.link or 'all'} of router")
        case act if act.endswith("_client_link"):
            assert isinstance(step.link, int)
            people = _people(scene)
            person = people[step.link % len(people)]
            link = scene.client_link(person, step.router)
            _to_link(scene, step, link, f"{person.log.full_name} to router")
        case _:
            raise ValueError(f"no such act: {step.act}")


def _to_link(scene: Scene, step: Step, link: Link, whose: str) -> None:
    act = step.act.removesuffix("_store_link").removesuffix("_client_link")
    TO_LINKS[act](link, step.amount)
    scene.history.note_fault(f"{act} ({step.amount}): {whose} {step.router}")


def _people(scene: Scene) -> list[Person]:
    return [person for company in scene.companies for person in company.people.values()]
