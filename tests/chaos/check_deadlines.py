"""Is each deadline met: not before its time, and, where nothing failed, not much later? S13."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from tests.chaos.check_commands import moves
from tests.chaos.final_state import FinalState
from tests.chaos.history import History
from tests.chaos.violation import Violation

LATE_MS = 1_000
"""The protocol says 250 ms; a machine that runs many tests at once is as busy as no router's is."""
WHYS = ("unanswered", "overdue")


def check_deadlines(history: History, final: FinalState) -> Iterator[Violation]:
    """Compare what the system moved with the deadlines that clients were told."""
    if history.losses:
        return  # A store that forgets deals the same fences out again.
    told = _deadlines_told(history, final.tenant)
    for session_id, entries in final.histories.items():
        for fence, entry in enumerate(moves(entries)):
            if entry.get("why") not in WHYS:
                continue
            # The entry made the fence after that of the placement whose deadline it was.
            for due_at in told[session_id, fence]:
                if entry["at"] < due_at:
                    what = f"entry {entry['seq']} is {due_at - entry['at']} ms before its deadline"
                    yield Violation("S13", what, final.tenant, session_id)
                elif not history.has_faults and entry["at"] > due_at + LATE_MS:
                    what = f"entry {entry['seq']} is {entry['at'] - due_at} ms after its deadline"
                    yield Violation("S13", what, final.tenant, session_id)


def _deadlines_told(history: History, tenant: str) -> dict[tuple[str, int], set[int]]:
    """Return the deadlines that anybody was told, of each session at each fence."""
    told: dict[tuple[str, int], set[int]] = defaultdict(set)
    for client in history.clients:
        if client.tenant == tenant:
            for moment in client.received("session.assigned", "session.pending", "session.changed"):
                session = moment.content["session"]
                if session.get("due_at"):
                    told[session["id"], session["fence"]].add(session["due_at"])
    return told
