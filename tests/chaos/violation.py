"""A broken invariant, and the report that shows it with what surrounds it."""

from __future__ import annotations

from dataclasses import dataclass

from tests.chaos.history import History, Moment

SURROUNDING = 24


@dataclass(frozen=True, slots=True)
class Violation:
    """
    What must not be.

    Attributes:
        invariant: Its number in the design, as in ``S4``.
        what: What is wrong.
        tenant: Where.
        subject: The session, agent or client that it is about.
        moment: When it was seen; None for what is wrong at the end.
    """

    invariant: str
    what: str
    tenant: str
    subject: str
    moment: int | None = None

    def __str__(self) -> str:
        return f"{self.invariant}: {self.what} ({self.tenant}, {self.subject})"


def surrounding(history: History, violation: Violation) -> list[Moment]:
    """Return what happened to a violation's subject around it, and the faults in between."""
    prefix, subject = f"{violation.tenant}/", violation.subject
    is_client = any(client.full_name == prefix + subject for client in history.clients)

    def is_about(moment: Moment) -> bool:
        if is_client:
            return moment.source == prefix + subject
        return moment.source.startswith(prefix) and subject in str(moment.content)

    about = [moment for moment in history.moments if moment.source == "deployment" or is_about(moment)]
    end = len(about)
    if violation.moment is not None:
        end = sum(moment.number <= violation.moment for moment in about) + SURROUNDING // 4
    return about[max(0, end - SURROUNDING) : end]


def report(history: History, violations: list[Violation]) -> str:
    """Return the first violation with what surrounds it, and the others by name."""
    if not violations:
        return "no invariant is broken"
    first, *others = violations
    lines = [str(first), "", "what surrounds it:", *map(str, surrounding(history, first))]
    calls = [call for call in history.calls if call.tenant == first.tenant and first.subject in str(call)]
    lines += ["", "the commands about it:", *(f"  {call}"[:300] for call in calls[-SURROUNDING:])]
    if others:
        lines += ["", f"and {len(others)} more:", *(f"  {other}"[:200] for other in others[:20])]
    return "\n".join(lines)
