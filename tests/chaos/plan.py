"""Which faults a round has: by chance, and from its seed alone, which brings them again."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

STEPS_MIN, STEPS_MAX = 8, 16
PAUSE_S = (0.1, 1.5)
# A fault is mended sooner or later, so that one meets another, but not all of them.
MENDED_SHARE = 0.6
OPEN_FAULTS_MAX = 4

LINK_NAMES = (None, "relevo-commands", "relevo-feed")
STORES = ("kept", "kept", "kept", "emptied", "gone back")
"""What may become of the store's data in a round."""


@dataclass(frozen=True, slots=True)
class Step:
    """
    One thing to do to a deployment.

    Attributes:
        pause_s: How long actors work before it.
        act: What, one of the acts that `tests.chaos.run_plan` knows.
        router: Which router it concerns.
        link: Which of the router's connections to the store, None for all; or whose link, by a number.
        amount: How much of it, between 0 and 1.
    """

    pause_s: float
    act: str
    router: int = 0
    link: str | int | None = None
    amount: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """
    A round.

    Attributes:
        routers: How many.
        store: What may become of its data: one of STORES.
        steps: What happens.
    """

    routers: int
    store: str
    steps: tuple[Step, ...]


def make_plan(seed: int) -> Plan:
    """Return the plan of a seed."""
    chance = random.Random(seed)
    planner = _Planner(chance, chance.choice((2, 2, 3)), chance.choice(STORES))
    for _ in range(chance.randint(STEPS_MIN, STEPS_MAX)):
        planner.add_step()
    return Plan(planner.routers, planner.store, tuple(planner.steps))


class _Planner:
    def __init__(self, chance: random.Random, routers: int, store: str) -> None:
        self.routers = routers
        self.store = store
        self.steps: list[Step] = []
        self._chance = chance
        self._mends: list[Step] = []
        self._is_store_down = False
        self._away: set[int] = set()
        self._faults: list[tuple[int, Callable[[], Step | None]]] = [
            (3, self._end_router),
            (2, self._freeze_router),
            (2, self._end_store),
            (1, lambda: self._step("forget_functions")),
            (6, self._break_store_link),
            (6, self._break_client_link),
            (2, lambda: self._step("cut_clients", amount=chance.random())),
            (2, self._lose),
        ]

    def add_step(self) -> None:
        """Add a fault, or mend one."""
        chance = self._chance
        full = len(self._mends) >= OPEN_FAULTS_MAX
        if self._mends and (full or chance.random() < MENDED_SHARE):
            mend = self._mends.pop(chance.randrange(len(self._mends)))
            self.steps.append(mend)
            if mend.act in ("start_router", "thaw_router"):
                self._away.discard(mend.router)
            elif mend.act == "start_store":
                self._is_store_down = False
            return
        weights = [weight for weight, _ in self._faults]
        _, fault = chance.choices(self._faults, weights)[0]
        step = fault()
        if step is not None:
            self.steps.append(step)

    def _step(self, act: str, router: int = 0, link: str | int | None = None, amount: float = 0.0) -> Step:
        return Step(round(self._chance.uniform(*PAUSE_S), 2), act, router, link, round(amount, 2))

    def _router(self) -> int:
        return self._chance.randrange(self.routers)

    def _end_router(self) -> Step | None:
        router = self._router()
        # One router has to stay.
        if router in self._away or len(self._away) == self.routers - 1:
            return None
        self._away.add(router)
        self._mends.append(self._step("start_router", router))
        return self._step(self._chance.choice(("kill_router", "kill_router", "stop_router")), router)

    def _freeze_router(self) -> Step | None:
        router = self._router()
        if router in self._away:
            return None
        self._away.add(router)
        self._mends.append(self._step("thaw_router", router))
        return self._step("freeze_router", router)

    def _end_store(self) -> Step | None:
        if self._is_store_down:
            return None
        # One without a file would lose everything, or what came after it was saved.
        if self.store == "gone back":
            return self._lose()
        self._is_store_down = True
        self._mends.append(self._step("start_store"))
        return self._step("kill_store")

    def _lose(self) -> Step | None:
        if self._is_store_down or self.store == "kept":
            return None
        return self._step("empty_store" if self.store == "emptied" else "rewind_store")

    def _break_store_link(self) -> Step:
        router, name = self._router(), self._chance.choice(LINK_NAMES)
        act = self._chance.choice(
            ("stall", "stall_requests", "stall_replies", "delay", "throttle", "down", "cut", "drop_replies")
        )
        if act not in ("cut", "drop_replies"):
            self._mends.append(self._step("heal_store_link", router, name))
        return self._step(f"{act}_store_link", router, name, self._chance.random())

    def _break_client_link(self) -> Step:
        router, whose = self._router(), self._chance.randrange(1000)
        act = self._chance.choice(
            ("stall", "stall_replies", "delay", "throttle", "down", "cut", "drop_replies")
        )
        if act not in ("cut", "drop_replies"):
            self._mends.append(self._step("heal_client_link", router, whose))
        return self._step(f"{act}_client_link", router, whose, self._chance.random())
