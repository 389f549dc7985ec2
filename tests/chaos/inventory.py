"""
Every fault that a deployment meets, what must come of it, and which tests prove it.

``python -m tests.chaos.inventory`` prints the list with the tests of each.
"""

import importlib
import inspect
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import TypeVar

FAULTS: dict[str, str] = {
    "a router is killed under load": (
        "its clients go on elsewhere; no transfer that was acknowledged is lost, none is made twice"
    ),
    "a router stands still past its lease and goes on": (
        "it is not believed any more, notices that, and closes its sockets; its clients come back"
    ),
    "a router is told to stop": (
        "it turns unready, takes nobody in, answers what it has in hand, and sends its clients away one by "
        "one; no transfer fails, nobody is seen to leave"
    ),
    "the store is killed and starts again": (
        "commands are answered with unavailable, clients stay; a retry by its key counts once, and nothing "
        "that was acknowledged is lost"
    ),
    "the store starts again empty": (
        "a new epoch before the first write; connections are registered again, dialogs get a snapshot, lost "
        "sessions are wholly gone"
    ),
    "the store is flushed": "the same, without a restart",
    "the store forgets the verbs": "nobody notices",
    "another primary is promoted": (
        "an outage with an end, and a new epoch where anything may have been lost"
    ),
    "an old primary is cut off with a router": (
        "what was acknowledged with durability `replica` is kept; what else may be lost is known"
    ),
    "a router is cut off from the store in silence": (
        "it turns unready, answers with unavailable, and closes its sockets when its lease ends"
    ),
    "a reply of the store is lost": "the retry gets the first result",
    "the feed is cut": "what was missed is read from the event stream, or the directory anew",
    "the feed falls silent": (
        "the router turns unready while it is deaf, subscribes again by itself, and reads what it missed"
    ),
    "the feed is thrown out by the store": "as when it is cut",
    "a client stops reading": (
        "its patches become one, and in the end it is closed with 4001; nobody else notices, and memory is "
        "bounded"
    ),
    "a client's connection is half open": "it is gone after a ping and the time to answer it",
    "a router's clock is an hour off": "nobody notices",
    "the store's disk is full": (
        "commands are answered with unavailable and none is half done; with room, all goes on by itself"
    ),
    "the store's memory is full": "the same",
    "every link is cut and healed": "nothing untrue meanwhile, and all agree soon afterwards",
    "all clients come back at once": (
        "not all in one moment, and all of them; what the store has to do for each is one small script"
    ),
}

Test = TypeVar("Test", bound=Callable[..., object])


def proves(*faults: str) -> Callable[[Test], Test]:
    """
    Say which faults a test brings about.

    Args:
        faults: Each one of FAULTS.
    """
    for fault in faults:
        if fault not in FAULTS:
            raise ValueError(f"no such fault: {fault}")

    def mark(test: Test) -> Test:
        test.__dict__["faults"] = faults
        return test

    return mark


def tests() -> Iterator[FunctionType]:
    """Yield every test of this folder."""
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(f"tests.chaos.{file.stem}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("test_") and function.__module__ == module.__name__:
                yield function


@cache
def proofs_by_fault() -> dict[str, list[str]]:
    """Return the names of the tests of each fault."""
    found: dict[str, list[str]] = {fault: [] for fault in FAULTS}
    for test in tests():
        for fault in test.__dict__.get("faults", ()):
            found[fault].append(f"{test.__module__.rpartition('.')[2]}::{test.__name__}")
    return found


if __name__ == "__main__":
    for fault, names in proofs_by_fault().items():
        print(f"{fault}\n    must: {FAULTS[fault]}")
        for each in names:
            print(f"    {each}")
