"""Refused tokens: counted by cause, logged with a bound, and bounded for the address that they come from."""

from __future__ import annotations

from collections import Counter
from typing import Final

import structlog

from relevo.router.auth.claims import Cause
from relevo.router.transport.address_rate import AddressRate

# By its own name, as an operator sends these lines elsewhere than the others.
log = structlog.get_logger("relevo.security")

REFUSALS_LOGGED_MAX: Final = 64
"""Addresses and causes that are logged within a minute; the metrics count what is left out."""

SILENCE_S: Final = 60.0
"""For how long one address has no further line for the same cause."""


class SignIns:
    """
    The tokens of one node that were refused.

    Args:
        failure_rate: How many a second one address may send in the long run; 0 for no limit.

    Attributes:
        refused: How many there were, by cause.
    """

    def __init__(self, failure_rate: int) -> None:
        self.refused: Counter[Cause] = Counter()
        self._failures = AddressRate(failure_rate)
        # By address and cause: when it was logged, and how many came since.
        self._logged: dict[tuple[str, Cause], tuple[float, int]] = {}

    def wait_s(self, address: str, now_s: float) -> float:
        """Return for how many seconds to look at no token from an address, because so many were refused."""
        return self._failures.wait_s(address, now_s)

    def refuse(self, address: str, cause: Cause, now_s: float) -> None:
        """
        Take note of a refused token.

        Args:
            address: Where it came from; empty if that is not known.
            cause: Why it is refused.
            now_s: The time, in seconds of any steady clock.
        """
        self.refused[cause] += 1
        self._failures.take(address, now_s)
        logged_at_s, left_out = self._logged.pop((address, cause), (float("-inf"), 0))
        if now_s - logged_at_s < SILENCE_S:
            self._logged[address, cause] = logged_at_s, left_out + 1
            return
        for key, (at_s, _) in list(self._logged.items()):
            if now_s - at_s >= SILENCE_S:
                del self._logged[key]
        if len(self._logged) < REFUSALS_LOGGED_MAX:
            self._logged[address, cause] = now_s, 0
            log.warning("token refused", address=address or None, cause=cause, left_out=left_out)
