"""
Defects that other systems of this kind had, each with the test that keeps it from being one of ours.

``python -m tests.known_failures.inventory`` prints the list.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import TypeVar

ROOT = Path(__file__).parents[2]

DEFECTS = (
    "two agents took one chat",
    "three nodes gave four chats against a limit of three",
    "a job with a stale list overwrote most assignments",
    "a transfer to an offline agent left the visitor waiting for ever",
    "a transfer was logged before it succeeded",
    "who made a transfer never heard what became of it",
    "the sender was removed before the target had it",
    "a queued chat stayed invisible until a reload",
    "the transfer list showed only the newest ten",
    "a fast refresh left ghost connections, stuck online",
    "a second device undid the status that was chosen on the first",
    "one agent's event set all the others offline",
    "a server start set agents unavailable",
    "counts were not updated on a transfer",
    "badge and list disagreed",
    "text limits were compared as strings",
    "a freed slot went to a newer chat than the one that waited longest",
    "a transfer notice went to every operator",
    "any agent could transfer any chat through the API",
    "a background tab's throttled heartbeat showed its agent offline most of the time",
    "loading the agents took minutes",
    "a reconnect storm took the servers down",
    "after a failover publishes succeeded and nobody received them",
)

ON_THE_SCREEN = {
    "a queued chat stayed invisible until a reload": (
        "tests/browser/console/elsewhere.test.js",
        "a queued conversation is in sight without a reload",
    ),
    "badge and list disagreed": (
        "tests/browser/console/elsewhere.test.js",
        "the numbers beside a list are those of the list, whatever happens",
    ),
    "a background tab's throttled heartbeat showed its agent offline most of the time": (
        "tests/browser/console/elsewhere.test.js",
        "a tab in the background, whose timers hardly run, leaves its agent connected",
    ),
}
"""Those that only a browser shows: the file and the name of the test."""

Test = TypeVar("Test", bound=Callable[..., object])


def seen_elsewhere(defect: str) -> Callable[[Test], Test]:
    """
    Say which defect a test keeps away.

    Args:
        defect: One of DEFECTS.
    """
    if defect not in DEFECTS:
        raise ValueError(f"no such defect: {defect}")

    def mark(test: Test) -> Test:
        test.__dict__["defect"] = defect
        return test

    return mark


def tests() -> Iterator[FunctionType]:
    """Yield every test of this folder."""
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(f"tests.known_failures.{file.stem}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("test_") and function.__module__ == module.__name__:
                yield function


@cache
def kept_away_by() -> dict[str, list[str]]:
    """Return where the tests of each defect are; those of the browser only where they really are."""
    found: dict[str, list[str]] = {defect: [] for defect in DEFECTS}
    for test in tests():
        if "defect" in test.__dict__:
            found[test.__dict__["defect"]].append(f"{test.__module__.replace('.', '/')}.py::{test.__name__}")
    for defect, (file, name) in ON_THE_SCREEN.items():
        if f'"{name}"' in (ROOT / file).read_text():
            found[defect].append(f"{file}: {name}")
    return found


if __name__ == "__main__":
    for defect, names in kept_away_by().items():
        print(defect)
        for each in names:
            print(f"    {each}")
