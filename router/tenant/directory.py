"""
A tenant's directory in memory: events in, snapshots and patches out.

Pure: no store and no clock. Events of one epoch are numbered without gaps; only some of them touch the
directory, and `position` is the last that did. A subscriber's chain goes from position to position.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Generic, TypeVar

from msgspec import UNSET
from msgspec.structs import replace

from relevo.protocol.objects import Agent, Department, Rule
from relevo.protocol.pushes import DirectoryPatch, DirectorySnapshot
from relevo.protocol.settings import RULE_DEFAULT
from relevo.router.store import answers, records
from relevo.router.store.events import Event

Row = TypeVar("Row", Agent, Department)


class GapError(Exception):
    """An event does not follow the last one: some are missing, or the epoch is another one."""


class _Table(Generic[Row]):
    """Rows by id with the position at which each changed last, and those removed, oldest change first."""

    __slots__ = ("changed_at", "removed_at", "rows")

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.changed_at: dict[str, int] = {}
        self.removed_at: dict[str, int] = {}

    def put(self, row: Row, position: int) -> None:
        row_id = row.id
        self.rows[row_id] = row
        # Taken out first, so that the dictionary's order is the order of the changes.
        self.changed_at.pop(row_id, None)
        self.changed_at[row_id] = position
        self.removed_at.pop(row_id, None)

    def remove(self, row_id: str, position: int) -> None:
        self.rows.pop(row_id, None)
        self.changed_at.pop(row_id, None)
        self.removed_at.pop(row_id, None)
        self.removed_at[row_id] = position

    def changed_since(self, position: int) -> list[Row]:
        return [self.rows[row_id] for row_id in _newer(self.changed_at, position)]

    def removed_since(self, position: int) -> list[str]:
        return _newer(self.removed_at, position)

    def forget_oldest_removal(self) -> int:
        row_id = next(iter(self.removed_at))
        return self.removed_at.pop(row_id)


def _newer(positions: dict[str, int], position: int) -> list[str]:
    """Return the ids that changed after a position, oldest first; the dictionary is in that order."""
    newer = []
    for row_id in reversed(positions):
        if positions[row_id] <= position:
            break
        newer.append(row_id)
    newer.reverse()
    return newer


class Replica:
    """
    Hold the directory of one tenant.

    Args:
        tombstones_max: How many removals of agents, and of departments, are remembered for patches.
    """

    def __init__(self, tombstones_max: int) -> None:
        self.epoch = ""
        self.seq = 0
        self.position = 0
        self.read_at = 0
        self._floor = 0
        self._tombstones_max = tombstones_max
        self._agents: _Table[Agent] = _Table()
        self._departments: _Table[Department] = _Table()
        self._rule: Rule | None = None
        self._rule_changed_at = 0
        self._inheriting: set[str] = set()  # Departments that have the tenant's rule.

    @property
    def agents(self) -> Mapping[str, Agent]:
        """Return the agents' rows by id."""
        return self._agents.rows

    @property
    def departments(self) -> Mapping[str, Department]:
        """Return the departments' rows by id."""
        return self._departments.rows

    def load(self, directory: answers.Directory) -> None:
        """
        Replace everything by a snapshot of the store.

        Args:
            directory: The whole directory at one position of the feed.
        """
        self.epoch = directory.epoch
        self.seq = self.position = self.read_at = self._floor = directory.seq
        self._agents, self._departments = _Table(), _Table()
        for agent in directory.agents:
            self._agents.put(agent, directory.seq)
        self._rule, self._rule_changed_at = directory.rule, directory.seq
        self._inheriting.clear()
        for department in directory.departments:
            self._put_department(department, directory.seq)

    def apply(self, event: Event) -> bool:
        """
        Take the next event in.

        Args:
            event: As the feed or the event stream has it; one that is known already changes nothing.

        Returns:
            Whether the event was new.

        Raises:
            GapError: It does not follow; nothing has changed.
        """
        if event.epoch != self.epoch or event.seq > self.seq + 1:
            raise GapError(f"{self.epoch}/{self.seq} is followed by {event.epoch}/{event.seq}")
        if event.seq <= self.seq:
            return False
        self.seq = event.seq
        if (
            event.agents
            or event.departments
            or event.agents_removed
            or event.departments_removed
            or event.rule is not None
        ):
            self.position = event.seq
            if event.rule is not None:
                self._set_rule(event.rule if isinstance(event.rule, Rule) else None, event.seq)
            for agent in event.agents:
                self._agents.put(records.agent_of(agent), event.seq)
            for department in event.departments:
                self._put_department(records.department_of(department), event.seq)
            for agent_id in event.agents_removed:
                self._agents.remove(agent_id, event.seq)
            for department_id in event.departments_removed:
                self._departments.remove(department_id, event.seq)
                self._inheriting.discard(department_id)
            for table in (self._agents, self._departments):
                while len(table.removed_at) > self._tombstones_max:
                    self._floor = max(self._floor, table.forget_oldest_removal())
        return True

    def _put_department(self, row: Department, position: int) -> None:
        """Take a row in whose rule is the department's own; without one it has the tenant's."""
        if row.rule is UNSET:
            self._inheriting.add(row.id)
            row = replace(row, rule=self._rule or UNSET)
        else:
            self._inheriting.discard(row.id)
        self._departments.put(row, position)

    def _set_rule(self, rule: Rule | None, position: int) -> None:
        self._rule, self._rule_changed_at = rule, position
        for department_id in self._inheriting:
            row = self._departments.rows[department_id]
            self._departments.put(replace(row, rule=rule or UNSET), position)

    def snapshot(self) -> DirectorySnapshot:
        """Return the whole directory as it is now."""
        return DirectorySnapshot(
            epoch=self.epoch,
            seq=self.position,
            departments=list(self._departments.rows.values()),
            agents=list(self._agents.rows.values()),
            rule=self._rule or UNSET,
        )

    def patch_since(self, epoch: str, seq: int) -> DirectoryPatch | None:
        """
        Return the rows that changed after a position, the latest of each.

        Args:
            epoch: The epoch of the position.
            seq: A position as a subscriber last had it.

        Returns:
            The patch, without rows where nothing has changed; None where the position is not kept (any more),
            or is ahead of this replica. The subscriber then gets a snapshot.
        """
        if epoch != self.epoch or not self._floor <= seq <= self.position:
            return None
        return DirectoryPatch(
            epoch=epoch,
            since=seq,
            seq=self.position,
            departments=self._departments.changed_since(seq),
            agents=self._agents.changed_since(seq),
            departments_removed=self._departments.removed_since(seq),
            agents_removed=self._agents.removed_since(seq),
            rule=(self._rule or RULE_DEFAULT) if self._rule_changed_at > seq else UNSET,
        )
