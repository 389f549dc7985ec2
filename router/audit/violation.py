"""What an audit finds: a rule that a tenant's data breaks, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

INVARIANTS: Final = {
    "S1": "a session has one owner, and is in the one list of that owner and of its state",
    "S2": "a fence counts the changes of owner and state",
    "S6": "load, pending, availability and the order of choice follow from the lists",
    "S7": "lists keep the order in which sessions came",
    "S8": "a history is numbered without gaps, and its owners chain",
    "S9": "events are numbered without gaps within an epoch, and kept as they were told",
    "S10": "what was published last is what is so",
    "S12": "what is kept for a while has an end, and what is open has none",
    "S13": "a deadline is in the list of what is due, and is not passed while a node serves the tenant",
    "presence": "connections, leases and graces agree",
    "shape": "keys and records are of a known form, and what they name is there",
}


@dataclass(frozen=True, slots=True)
class Violation:
    """
    One rule broken at one place.

    Attributes:
        invariant: One of INVARIANTS.
        text: What is so and should not be.
        keys: Where to look: keys after the tenant's prefix.
    """

    invariant: str
    text: str
    keys: tuple[str, ...]
