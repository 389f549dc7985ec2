"""What an audit finds: a rule that a tenant's data breaks, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

Mend: TypeAlias = tuple[str, ...]
"""What the store's verb `mend` is to make anew from what it is derived from: a kind, and what it concerns."""

INVARIANTS: Final = {
    "S1": "a session has one owner, and is in the one list of that owner and of its state",
    "S2": "a fence counts the changes of owner and state",
    "S6": "load, pending, availability and the order of choice follow from the lists",
    "S7": "lists keep the order in which sessions came",
    "S8": "a history is numbered without gaps, and its owners chain",
    "S9": "events are numbered without gaps within an epoch, and kept as they were told",
    "S10": "what was published last is what is so",
    "S12": "what is kept for a while has an end, and what is open has none",
    "presence": "connections, leases and graces agree",
    "shape": "keys and records are of a known form, and what they name is there",
}

MENDS: Final = {
    "epoch": "began a new epoch, so that every node reads the directory anew",
    "order": "took note that the place was given out",
    "due": "took it from what is due",
    "expiry": "gave it an end",
    "entry": "took the session from the list",
    "session": "put the session where its record says, and told it again",
    "connection": "made the node's connections those of the agent",
    "connections": "took the connections away",
    "lease": "gave the node a lease that ends now, unless it lives and renews it",
    "member": "took the agent from the department's lists, or made its row anew",
    "gone": "told that it is not there",
    "agent": "made the agent's row, its places in departments and its graces anew, and told it",
    "department": "made the department's row anew, and told it",
}
"""What each kind of mending does, in the order in which they are done: lists before rows."""


@dataclass(frozen=True, slots=True)
class Violation:
    """
    One rule broken at one place.

    Attributes:
        invariant: One of INVARIANTS.
        text: What is so and should not be.
        keys: Where to look: keys after the tenant's prefix.
        mend: How it is mended, or None if what is lost or in doubt follows from nothing else.
        in_doubt: The session whose record may be what is wrong, so that nothing is made from it.
    """

    invariant: str
    text: str
    keys: tuple[str, ...]
    mend: Mend | None = None
    in_doubt: str | None = None
