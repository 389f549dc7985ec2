"""What a store stats of itself."""

from dataclasses import dataclass


@dataclass(slots=True)
class Stats:
    """What the connections of one store have done since its start."""

    batches: int = 0
    verbs: int = 0
    commands: int = 0
    time_outs: int = 0
    refused: int = 0
    connects: int = 0
    connects_failed: int = 0
    cuts: int = 0
    libraries_loaded: int = 0
    redirects: int = 0
    subscriptions_lost: int = 0
    unacknowledged: int = 0
