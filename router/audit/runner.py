"""Hold rules against a tenant's data, a few at each instant; the reader of the store drives it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, Final

from relevo.router.audit.rules.registry import rule_of
from relevo.router.audit.snapshot import Read, Rule, Snapshot, UnreadKeysError, WrongTypeError
from relevo.router.audit.violation import Violation

READS_MAX: Final = 300
"""Reads at one instant, so that the store is held up for a few milliseconds; one rule may need more."""
ROUNDS_MAX: Final = 50
"""How often one rule may ask for more: what it follows changes under its eyes."""

_NOTHING: Final = Snapshot({}, 0)


class _Case:
    __slots__ = ("reads", "rounds", "rule")

    def __init__(self, rule: Rule, reads: Iterable[Read]) -> None:
        self.rule = rule
        self.reads = dict.fromkeys(reads)
        self.rounds = 1


class Audit:
    """
    Check keys of one tenant: ``reads`` says what to read at one instant, ``take`` takes what was found.

    Args:
        names: The keys, after the tenant's prefix.

    Attributes:
        violations: What was found, in the order of finding.
        unsettled: Rules that came to no end, because what they looked at changed all the time.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.violations: dict[Violation, None] = {}
        self.unsettled = 0
        self._waiting: deque[Rule] = deque(map(rule_of, names))
        self._cases: list[_Case] = []
        self._asked: list[Read] = []

    def reads(self) -> Sequence[Read]:
        """Return what is to be read at one instant; nothing when all is checked."""
        count = sum(len(case.reads) for case in self._cases)
        while self._waiting and count < READS_MAX:
            case = self._open(self._waiting.popleft())
            if case is not None:
                self._cases.append(case)
                count += len(case.reads)
        # Several rules may want to know the same.
        self._asked = list({read: None for case in self._cases for read in case.reads})
        return self._asked

    def take(self, found: Sequence[Any], now_ms: int) -> None:
        """
        Check what was found.

        Args:
            found: What each of the last ``reads`` found.
            now_ms: When.
        """
        see = Snapshot(dict(zip(self._asked, found, strict=True)), now_ms)
        self._cases = [case for case in self._cases if not self._hear(case, see)]

    def _open(self, rule: Rule) -> _Case | None:
        """Return a case once the judge has said what it wants to know first."""
        case = _Case(rule, ())
        return None if self._hear(case, _NOTHING) else case

    def _hear(self, case: _Case, see: Snapshot) -> bool:
        """Have a rule look, and return whether it has come to its end."""
        try:
            findings = list(case.rule(see))
        except UnreadKeysError as unread:
            case.reads |= dict.fromkeys(unread.reads)
            case.rounds += 1
            if case.rounds <= ROUNDS_MAX:
                return False
            self.unsettled += 1
            return True
        except WrongTypeError as wrong:
            findings = [Violation("shape", f"{wrong.key} is of another type than it should be", (wrong.key,))]
        for finding in findings:
            if isinstance(finding, Violation):
                self.violations[finding] = None
            else:
                # Next, so that few are open at a time.
                self._waiting.appendleft(finding)
        return True
