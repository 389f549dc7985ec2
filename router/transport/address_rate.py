"""How often each address may do something: GCRA, the token bucket whose state is one timestamp. Pure."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_network
from typing import Final

BURST_S: Final = 4.0
"""A burst, in seconds of its rate."""

ADDRESSES_KEPT_MAX: Final = 10_000
"""Addresses whose buckets are kept; the one that is known for longest goes first."""

IPV6_PREFIX_BITS: Final = 64
"""What one subscriber has of IPv6 addresses (RFC 6177): they share a bucket."""


class AddressRate:
    """
    One bucket for each address.

    Args:
        rate: How often a second, in the long run; 0 for no limit.
    """

    __slots__ = ("_full_at_s", "_interval_s")

    def __init__(self, rate: int) -> None:
        self._interval_s = 1 / rate if rate else 0.0
        # By address: when its bucket is full again.
        self._full_at_s: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._full_at_s)

    def wait_s(self, address: str, now_s: float) -> float:
        """
        Return for how long an address has no token left.

        Args:
            address: As `client_address.Addresses` has it; an unknown one, which is empty, has no limit.
            now_s: The time, in seconds of any steady clock.
        """
        if not address or not self._full_at_s:
            return 0.0
        return self._wait_s(self._full_at_s.get(_subscriber(address), now_s) - now_s)

    def take(self, address: str, now_s: float) -> float:
        """Take a token where one is left; return what ``wait_s`` does."""
        if not address or not self._interval_s:
            return 0.0
        subscriber = _subscriber(address)
        full_at_s = self._full_at_s.get(subscriber, now_s)
        wait_s = self._wait_s(full_at_s - now_s)
        if wait_s == 0:
            # At the end of the map: the first in it is the one that did nothing for longest.
            self._full_at_s.pop(subscriber, None)
            self._full_at_s[subscriber] = (full_at_s if full_at_s > now_s else now_s) + self._interval_s
            if len(self._full_at_s) > ADDRESSES_KEPT_MAX:
                del self._full_at_s[next(iter(self._full_at_s))]
        return wait_s

    def _wait_s(self, full_in_s: float) -> float:
        wait_s = full_in_s - BURST_S + self._interval_s
        # Half a token is as good as a whole: sums of intervals are not exact.
        return wait_s if wait_s > self._interval_s / 2 else 0.0


def _subscriber(address: str) -> str:
    if ":" not in address:
        return address
    try:
        return str(ip_network((IPv6Address(address), IPV6_PREFIX_BITS), strict=False))
    except ValueError:
        # A proxy may write a name in place of an address.
        return address
