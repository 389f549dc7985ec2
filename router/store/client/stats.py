"""What a store client counts of itself, for the metrics."""

from dataclasses import dataclass


@dataclass(slots=True)
class Stats:
    """
    What the connections of one store client have done since its start.

    Attributes:
        batches: Pipelined batches sent.
        commands: Store commands (functions) sent.
        plain_commands: Other commands sent, such as ``SPUBLISH``.
        time_outs: Commands without a reply in time.
        refused: Commands refused because the queue was full (back-pressure).
        connects: Connections made.
        connects_failed: Connections that could not be made.
        cuts: Connections lost while a batch was in flight.
        libraries_loaded: Times that the function library was loaded.
        redirects: ``MOVED`` and ``ASK`` replies.
        subscriptions_lost: Subscriber connections lost.
        unacknowledged: Replies whose durability was not confirmed in time.
    """

    batches: int = 0
    commands: int = 0
    plain_commands: int = 0
    time_outs: int = 0
    refused: int = 0
    connects: int = 0
    connects_failed: int = 0
    cuts: int = 0
    libraries_loaded: int = 0
    redirects: int = 0
    subscriptions_lost: int = 0
    unacknowledged: int = 0
