"""
Every kind of bad input that is thrown at the router, and which test throws it.

``python -m tests.adversarial.inventory`` prints the list with the number of inputs of each.
"""

import importlib
import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from types import FunctionType
from typing import TypeVar

KINDS: dict[str, tuple[str, ...]] = {
    "handshake": (
        "Origin absent",
        "Origin null",
        "Origin with a look-alike suffix",
        "Origin of a sub-domain",
        "Origin in upper case",
        "no subprotocol",
        "unknown subprotocol",
        "several subprotocols",
        "request line over 8 KiB",
        "too many headers",
        "a byte a second",
        "opened and silent",
        "POST to /ws",
        "plain HTTP garbage",
    ),
    "token": (
        "missing",
        "expired",
        "not yet valid",
        "wrong key",
        "alg none",
        "HS256 signed with the public key",
        "no tenant",
        "ids that do not match",
        "another tenant's",
        "expired during the connection",
        "refreshed for another sub",
    ),
    "frame": (
        "unmasked",
        "reserved bits",
        "reserved opcodes",
        "fragmented control frames",
        "oversize control frames",
        "stray continuations",
        "interleaved continuations",
        "invalid UTF-8",
        "2^64-1 lengths",
        "over the limit whole",
        "over the limit in pieces",
        "empty-fragment flood",
        "ping flood",
        "empty-message flood",
        "invalid close codes",
    ),
    "message": (
        "not a map",
        "no type",
        "unknown type",
        "unknown field",
        "missing field",
        "each field of each wrong kind",
        "ids with braces",
        "ids that look like keys of the store",
        "ids with a newline at the end",
        "ids with NUL",
        "over-long ids",
        "duplicate keys",
        "depth 100,000",
        "integers past 2^53",
        "NaN",
    ),
    "rights": (
        "no hello",
        "agent not owner",
        "other tenant",
        "expired token",
        "service",
        "foreign as what does not exist",
    ),
    "order": (
        "accept twice",
        "accept after recall",
        "decline what is not yours",
        "transfer to oneself",
        "transfer to a removed agent",
        "transfer of a closed session",
        "same key with another body",
        "two admins and the owner at once",
    ),
    "rate": ("flood from one connection", "flood from one agent", "flood from one tenant", "flood over HTTP"),
}
LINES = tuple(f"{kind}: {line}" for kind, lines in KINDS.items() for line in lines)

Test = TypeVar("Test", bound=Callable[..., object])


def covers(inputs: Mapping[str, int]) -> Callable[[Test], Test]:
    """
    Say which kinds of bad input a test throws, and how many inputs of each.

    Args:
        inputs: Numbers by kind, each one of LINES.
    """
    for line in inputs:
        if line not in LINES:
            raise ValueError(f"no such kind of bad input: {line}")

    def mark(test: Test) -> Test:
        test.__dict__["bad_input"] = Counter(inputs)
        return test

    return mark


def tests() -> Iterator[FunctionType]:
    """Yield every test of this folder."""
    for file in sorted(Path(__file__).parent.glob("test_*.py")):
        module = importlib.import_module(f"tests.adversarial.{file.stem}")
        for name, function in inspect.getmembers(module, inspect.isfunction):
            if name.startswith("test_") and function.__module__ == module.__name__:
                yield function


@cache
def inputs_by_line() -> Counter[str]:
    """Return how many inputs each line has."""
    counts: Counter[str] = Counter()
    for test in tests():
        counts += test.__dict__.get("bad_input", Counter())
    return counts


if __name__ == "__main__":
    counted = inputs_by_line()
    for each in LINES:
        print(f"{counted[each]:6} {each}")
    print(f"{counted.total():6} inputs of {len(LINES)} kinds")
