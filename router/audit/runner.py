"""Hold judges against a tenant's data, a few at each instant; whoever reads the store drives it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final

from relevo.router.audit.rules.registry import judge_of
from relevo.router.audit.snapshot import Glimpse, Judge, Read, Unread, WrongType
from relevo.router.audit.violation import Violation

READS_MAX: Final = 300
"""Reads at one instant, so that the store is held up for a few milliseconds; one judge may need more."""
ROUNDS_MAX: Final = 50
"""How often one judge may ask for more: what it follows changes under its eyes."""

_NOTHING: Final = Glimpse({}, 0)


class _Case:
    __slots__ = ("judge", "reads", "rounds")

    def __init__(self, judge: Judge, reads: Iterable[Read]) -> None:
        self.judge = judge
        self.reads = dict.fromkeys(reads)
        self.rounds = 1


class Audit:
    """
    Judge keys of one tenant: ``reads`` says what to read at one instant, ``take`` takes what was found.

    Args:
        names: The keys, after the tenant's prefix.

    Attributes:
        violations: What was found, in the order of finding.
        unsettled: Judges that came to no end, because what they looked at changed all the time.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.violations: dict[Violation, None] = {}
        self.unsettled = 0
        self._waiting: deque[Judge] = deque(map(judge_of, names))
        self._cases: list[_Case] = []
        self._asked: list[Read] = []

    def reads(self) -> Sequence[Read]:
        """Return what is to be read at one instant; nothing when all is judged."""
        count = sum(len(case.reads) for case in self._cases)
        while self._waiting and count < READS_MAX:
            case = self._open(self._waiting.popleft())
            if case is not None:
                self._cases.append(case)
                count += len(case.reads)
        # Several judges may want to know the same.
        self._asked = list({read: None for case in self._cases for read in case.reads})
        return self._asked

    def take(self, found: Sequence[Any], now_ms: int) -> None:
        """
        Judge by what was found.

        Args:
            found: What each of the last ``reads`` found.
            now_ms: When.
        """
        see = Glimpse(dict(zip(self._asked, found, strict=True)), now_ms)
        self._cases = [case for case in self._cases if not self._hear(case, see)]

    def _open(self, judge: Judge) -> _Case | None:
        """Return a case once the judge has said what it wants to know first."""
        case = _Case(judge, ())
        return None if self._hear(case, _NOTHING) else case

    def _hear(self, case: _Case, see: Glimpse) -> bool:
        """Have a judge look, and return whether it has come to its end."""
        try:
            findings = list(case.judge(see))
        except Unread as unread:
            case.reads |= dict.fromkeys(unread.reads)
            case.rounds += 1
            if case.rounds <= ROUNDS_MAX:
                return False
            self.unsettled += 1
            return True
        except WrongType as wrong:
            findings = [Violation("shape", f"{wrong.key} is of another type than it should be", (wrong.key,))]
        for finding in findings:
            if isinstance(finding, Violation):
                self.violations[finding] = None
            else:
                # Next, so that few are open at a time.
                self._waiting.appendleft(finding)
        return True
