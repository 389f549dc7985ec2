"""Mend what an audit found, as far as it is derived from what is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from relevo.router.audit.violation import MENDS, Violation
from relevo.router.store.commands import Verbs

BATCH: Final = 50
"""Things that are mended in one step of the store."""

UNDERIVED: Final = "left as it is: it follows from nothing else that is kept"
IN_DOUBT: Final = "left as it is: what the session's record says is in doubt"
OF_SESSIONS: Final = ("entry", "session")
"""Kinds of mending that make something from the record of a session, which is named last."""


async def mend(verbs: Verbs, tenant: str, violations: Iterable[Violation]) -> Mapping[Violation, str]:
    """
    Mend a tenant's violations, and return for each what was done, or why nothing was.

    Args:
        verbs: The store.
        tenant: Whose.
        violations: What was found.

    Raises:
        StoreUnavailableError: The store does not answer; what was to be mended may or may not be.
        StoreDefectError: The verb failed.
    """
    found = list(violations)
    kinds = list(MENDS)
    doubtful = {one.in_doubt for one in found}
    # One thing may show in several places.
    wanted = sorted({one.mend for one in found if one.mend is not None}, key=lambda one: kinds.index(one[0]))
    outcomes = {one: IN_DOUBT for one in wanted if one[0] in OF_SESSIONS and one[-1] in doubtful}
    wanted = [one for one in wanted if one not in outcomes]
    for start in range(0, len(wanted), BATCH):
        batch = wanted[start : start + BATCH]
        for one, outcome in zip(batch, await verbs.mend(tenant, batch), strict=True):
            outcomes[one] = MENDS[one[0]] if outcome is True else f"could not be mended: {outcome}"
    return {one: UNDERIVED if one.mend is None else outcomes[one.mend] for one in found}
