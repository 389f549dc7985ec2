"""
Rate limiting by GCRA, the token bucket whose state is one timestamp. Pure: the time is an argument.

A sender may send `burst` messages at once and `rate` a second in the long run. The timestamp is the
theoretical arrival time: when the bucket is full again. A message needs a token of every bucket that it
counts in: its connection's, its agent's or back end's, its tenant's. What its answer costs is charged
afterwards, so that a bucket may be in debt: it lets nothing through until that is paid. A rejected message
gets `retry_in_ms`;
a second timestamp spreads those times, so that each rejected message has a slot of its own. A sender that
ignores them is read more slowly, and closed in the end.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakValueDictionary

from relevo.router.config import Settings

if TYPE_CHECKING:
    from relevo.router.auth.principal import Principal

BURST_S = 4
"""A burst, in seconds of its rate."""

HELLO_S = 0.02
"""How much of its sender's rate a hello takes, in seconds: 50 hellos a second, and 200 at once."""

RATE_BUCKETS_MAX = 10_000
"""Buckets of one kind that are kept after their senders left, per node."""

REFUSALS_MAX = 1_000
"""How many more messages may be refused than let through, after which a connection is closed."""

READ_RATIO_MAX = 4
"""How many times as fast as it may send a sender is read, over all its connections, beyond a limit."""

REST_S_MAX = 2.0
"""How long a connection rests at most, in seconds, however much was refused over HTTP meanwhile."""


class Throttled(NamedTuple):
    """
    Why a message is not let through.

    Attributes:
        limit: Which limit it would pass: ``connection``, ``agent``, ``back_end`` or ``tenant``.
        retry_in_ms: After how long there is a token for it.
    """

    limit: str
    retry_in_ms: int


class Limit:
    """
    What the buckets of one kind have in common.

    Args:
        name: Whose messages are counted, as `Throttled` has it.
        rate: Messages a second.
        burst: Messages at once, after a pause.
        is_common: Whether several senders share one bucket: the rejected one may not be the one that floods.
    """

    __slots__ = ("fill_s", "interval_s", "is_common", "name", "slack_s")

    def __init__(self, name: str, rate: int, burst: int, *, is_common: bool = False) -> None:
        self.name = name
        self.is_common = is_common
        self.interval_s = 1 / rate
        self.fill_s = burst / rate
        # A bucket that will be full again in this time has a token left. Half of one is as good as a whole:
        # sums of intervals are not exact, and a late message must not take the slot of the next.
        self.slack_s = (burst - 0.5) / rate


class Bucket:
    """
    The tokens of one sender.

    Args:
        limit: Says how many.
    """

    __slots__ = ("__weakref__", "_promised_s", "_read_at_s", "full_at_s", "limit")

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.full_at_s = 0.0
        self._promised_s = 0.0
        self._read_at_s = 0.0

    def promise(self, now_s: float) -> int:
        """Give a refused message its turn, and return in how many milliseconds that is."""
        limit = self.limit
        turn_s = max(self._promised_s, self.full_at_s)
        # At most what an empty bucket takes to fill: most of a flood does not come back.
        self._promised_s = min(turn_s + limit.interval_s, now_s + 2 * limit.fill_s - limit.interval_s)
        wait_s = turn_s - limit.fill_s + limit.interval_s - now_s
        return math.ceil(wait_s * 1000 - 1e-6)

    def rest_s(self, now_s: float) -> float:
        """Return for how many seconds to read nothing of the connection on which a message was refused."""
        read_at_s = max(self._read_at_s, now_s) + self.limit.interval_s / READ_RATIO_MAX
        self._read_at_s = min(read_at_s, now_s + REST_S_MAX)
        return self._read_at_s - now_s

    def charge(self, tokens: int) -> None:
        """Take more tokens for a message that was let through, a full bucket at most."""
        self.full_at_s += min(tokens * self.limit.interval_s, self.limit.fill_s)


def hello_wait_s(buckets: Iterable[Bucket], now_s: float) -> float:
    """
    Charge a hello to its sender, and return for how many seconds to let it wait.

    It is not refused, as a client whose link comes and goes is to come back. One that reconnects in a loop is
    as slow as this.

    Args:
        buckets: Those of its sender; those that several share are not charged.
        now_s: The time, as for `Allowance.take`.
    """
    wait_s = 0.0
    for bucket in buckets:
        limit = bucket.limit
        if not limit.is_common:
            wait_s = max(wait_s, min(bucket.full_at_s - limit.slack_s - now_s, limit.fill_s))
            full_at_s = max(bucket.full_at_s, min(now_s + 2 * limit.fill_s, bucket.full_at_s + HELLO_S))
            bucket.full_at_s = max(full_at_s, now_s + HELLO_S)
    return wait_s


class Allowance:
    """
    What one sender may still send: as much as the emptiest of its buckets lets through.

    Args:
        buckets: Those that its messages count in.

    Attributes:
        rest_s: For how long to read nothing more of the sender, in seconds, so that a flood costs the others
            little even before its sender is closed. The reader resets it to 0.
    """

    __slots__ = ("_buckets", "_refusals", "rest_s")

    def __init__(self, *buckets: Bucket) -> None:
        self.rest_s = 0.0
        self._buckets = buckets
        self._refusals = 0

    def share(self, buckets: tuple[Bucket, ...]) -> None:
        """Count its messages in these buckets, too."""
        self._buckets += buckets

    def take(self, now_s: float) -> Throttled | None:
        """
        Take a token of each bucket for one message, or none of any.

        Args:
            now_s: The time, in seconds of any clock that does not go back.

        Returns:
            None if the message may go on.
        """
        for bucket in self._buckets:
            if bucket.full_at_s > now_s + bucket.limit.slack_s:
                return self._refuse(now_s)
        for bucket in self._buckets:
            full_at_s = bucket.full_at_s
            bucket.full_at_s = (full_at_s if full_at_s > now_s else now_s) + bucket.limit.interval_s
        if self._refusals:
            self._refusals -= 1
        return None

    def charge(self, tokens: int) -> None:
        """Charge the answer to a message, as if the message had cost that much when it was taken."""
        for bucket in self._buckets:
            bucket.charge(tokens)

    def charge_sender(self, tokens: int) -> None:
        """Charge, as `charge` does, only the buckets that are the sender's own."""
        for bucket in self._buckets:
            if not bucket.limit.is_common:
                bucket.charge(tokens)

    @property
    def is_abused(self) -> bool:
        """Return whether so much more was refused than let through that the sender does not listen."""
        return self._refusals > REFUSALS_MAX

    def _refuse(self, now_s: float) -> Throttled:
        emptiest = max(self._buckets, key=lambda bucket: bucket.full_at_s - bucket.limit.slack_s)
        limit, retry_in_ms = emptiest.limit, emptiest.promise(now_s)
        if limit.is_common:
            # Only together the senders are as slow as the bucket fills.
            self.rest_s = max(self.rest_s, retry_in_ms / 1000)
        else:
            self._refusals += 1
            self.rest_s = max(self.rest_s, emptiest.rest_s(now_s))
        return Throttled(limit.name, retry_in_ms)


class Buckets:
    """
    The buckets of senders, one each over all connections and HTTP.

    Args:
        limit: Says how many tokens.
        kept_max: How many unused buckets are kept until they are full; a sender that returns after that gets
            a full one, as a new sender does.
    """

    def __init__(self, limit: Limit, kept_max: int) -> None:
        self._limit = limit
        self._kept_max = kept_max
        self._all: WeakValueDictionary[Hashable, Bucket] = WeakValueDictionary()
        self._kept: dict[Hashable, Bucket] = {}

    def __len__(self) -> int:
        return len(self._all)

    def of(self, sender: Hashable, now_s: float) -> Bucket:
        """Return the bucket of a sender; it is kept beyond its use until it is full."""
        bucket = self._kept.pop(sender, None) or self._all.get(sender)
        if bucket is None:
            bucket = self._all[sender] = Bucket(self._limit)
        self._look_through(now_s)
        self._kept[sender] = bucket
        return bucket

    def _look_through(self, now_s: float) -> None:
        """Drop what is full or too many: two of the oldest for each that comes, so that none is forgotten."""
        kept = self._kept
        for sender, bucket in list(islice(kept.items(), 2)):
            del kept[sender]
            if bucket.full_at_s > now_s and len(kept) < self._kept_max - 1:
                kept[sender] = bucket


class Rates:
    """
    The buckets of one node.

    Args:
        settings: Say how many tokens; a rate of 0 is no limit.
    """

    def __init__(self, settings: Settings) -> None:
        self._connection = Limit("connection", settings.message_rate, BURST_S * settings.message_rate)
        self._agents = _buckets("agent", settings.agent_message_rate)
        self._back_ends = _buckets("back_end", settings.back_end_message_rate)
        self._tenants = _buckets("tenant", settings.tenant_message_rate, is_common=True)

    def __len__(self) -> int:
        return len(self._agents or ()) + len(self._back_ends or ()) + len(self._tenants or ())

    def connection(self) -> Allowance:
        """Return what a new connection may send."""
        return Allowance(Bucket(self._connection))

    def shared(self, principal: Principal, now_s: float) -> tuple[Bucket, ...]:
        """
        Return the buckets that a subject's messages count in, over all connections and HTTP.

        Args:
            principal: The subject.
            now_s: The time, as for `Allowance.take`.
        """
        callers = self._back_ends if principal.role == "service" else self._agents
        found = []
        if callers is not None:
            found.append(callers.of((principal.tenant, principal.sub), now_s))
        if self._tenants is not None:
            found.append(self._tenants.of(principal.tenant, now_s))
        return tuple(found)


def _buckets(name: str, rate: int, *, is_common: bool = False) -> Buckets | None:
    return Buckets(Limit(name, rate, BURST_S * rate, is_common=is_common), RATE_BUCKETS_MAX) if rate else None
