"""Hold a run's history and its end against the invariants. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from tests.chaos.check_commands import check_answers, check_effects, check_repetitions
from tests.chaos.check_deadlines import check_deadlines
from tests.chaos.check_directory import check_chains, check_order, check_screens, check_tenants_apart
from tests.chaos.check_sessions import check_sessions
from tests.chaos.final_state import FinalState
from tests.chaos.history import History
from tests.chaos.violation import Violation


def check(history: History, finals: Sequence[FinalState]) -> list[Violation]:
    """
    Return every violation of a run, what was seen first in front.

    Args:
        history: What each client sent and received.
        finals: Each tenant at the end.
    """
    found = list(_check(history, finals))
    # What is wrong at the end follows, mostly, from what went wrong on the way.
    return sorted(found, key=lambda violation: violation.moment or history.now + 1)


def _check(history: History, finals: Sequence[FinalState]) -> Iterator[Violation]:
    yield from check_answers(history)
    yield from check_tenants_apart(history)
    for final in finals:
        yield from check_repetitions(history, final.tenant)
        yield from check_chains(history, final.tenant)
        yield from check_order(history, final.tenant)
        yield from check_effects(history, final)
        yield from check_sessions(history, final)
        yield from check_deadlines(history, final)
        yield from check_screens(final)
