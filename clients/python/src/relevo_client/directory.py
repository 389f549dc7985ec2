"""The live directory: the patch chain, and the order of the transfer dialog."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from .decode import InvalidDataError
from .events import DirectoryChanged
from .names import has_terms, order_key, search_terms
from .objects import Agent, Department, Status, WireMessage

_BEHIND_CONNECTED: Mapping[Status, int] = {"pre_pause": 2, "pause": 3, "disconnected": 4}


@dataclass(frozen=True, slots=True)
class Snapshot(WireMessage):
    """
    The rows of the directory at ``seq`` of ``epoch``: all of them, or part ``part`` (from 1) of ``parts``.

    Both are 0 where it is whole. ``rule`` is the tenant's, in the first part.
    """

    epoch: str
    seq: int
    departments: tuple[Department, ...]
    agents: tuple[Agent, ...]
    part: int = 0
    parts: int = 0
    rule: Mapping[str, Any] | None = field(default=None, hash=False)


class SnapshotParts:
    """The parts of a snapshot that follow each other, until all are there."""

    def __init__(self) -> None:
        self._parts: list[Snapshot] = []

    def add(self, snapshot: Snapshot) -> Snapshot | None:
        """
        Take a part.

        Returns:
            The whole snapshot with the last part, None before.

        Raises:
            InvalidDataError: It does not continue the parts before it.
        """
        if snapshot.part <= 1:
            self._parts.clear()
        if snapshot.parts == 0:
            return snapshot
        first = self._parts[0] if self._parts else snapshot
        expected = (first.epoch, first.seq, first.parts, len(self._parts) + 1)
        if (snapshot.epoch, snapshot.seq, snapshot.parts, snapshot.part) != expected:
            raise InvalidDataError("part", f"part {expected[3]} of {first.parts}", snapshot.part)
        self._parts.append(snapshot)
        if snapshot.part < snapshot.parts:
            return None
        parts, self._parts = self._parts, []
        return replace(
            first,
            part=0,
            parts=0,
            departments=tuple(row for part in parts for row in part.departments),
            agents=tuple(row for part in parts for row in part.agents),
        )

    def clear(self) -> None:
        """Forget the parts of a connection that was lost."""
        self._parts.clear()


@dataclass(frozen=True, slots=True)
class Patch(WireMessage):
    """The rows that changed after ``since`` up to ``seq``, whole, and the tenant's rule where it changed."""

    epoch: str
    since: int
    seq: int
    departments: tuple[Department, ...] = ()
    agents: tuple[Agent, ...] = ()
    departments_removed: tuple[str, ...] = ()
    agents_removed: tuple[str, ...] = ()
    rule: Mapping[str, Any] | None = field(default=None, hash=False)


class Directory:
    """
    Agents and departments of the tenant, as of the latest snapshot and patches.

    While ``live`` is false (not subscribed, or cut off) the rows are those of before. ``agents`` and
    ``departments`` are views that change with it: copy them for a loop that awaits. The ordered lists are
    copies.
    """

    def __init__(self) -> None:
        self._agents: dict[str, Agent] = {}
        self._departments: dict[str, Department] = {}
        self._epoch: str | None = None
        self._seq: int | None = None
        self._live = False
        self._rule: Mapping[str, Any] | None = None

    @property
    def rule(self) -> Mapping[str, Any] | None:
        """The tenant's rule, for sessions without a department; None where all is allowed."""
        return self._rule

    @property
    def agents(self) -> Mapping[str, Agent]:
        """Agents by id."""
        return MappingProxyType(self._agents)

    @property
    def departments(self) -> Mapping[str, Department]:
        """Departments by id."""
        return MappingProxyType(self._departments)

    @property
    def epoch(self) -> str | None:
        """The unbroken run of changes that ``seq`` counts in, None before the first snapshot."""
        return self._epoch

    @property
    def seq(self) -> int | None:
        """The last change that the rows contain, None before the first snapshot."""
        return self._seq

    @property
    def live(self) -> bool:
        """Whether changes arrive as they happen."""
        return self._live

    @property
    def position(self) -> tuple[str, int] | None:
        """``(epoch, seq)`` to resume from, None before the first snapshot."""
        return None if self._epoch is None or self._seq is None else (self._epoch, self._seq)

    def agents_by_readiness(self, search: str = "") -> list[Agent]:
        """
        Return the agents in the order of a transfer dialog.

        Available first, the least loaded (load/capacity) before others, then those at capacity, on pre-pause,
        on pause and disconnected; by name within each.

        Args:
            search: Only agents with each of its words in their name, their id or a department's name.
        """
        terms = search_terms(search)
        found = (row for row in self._agents.values() if has_terms(terms, self._texts_of(row)))
        return sorted(found, key=_readiness)

    def departments_by_readiness(self, search: str = "") -> list[Department]:
        """
        Return the departments: those with an available agent first, by name within each.

        Args:
            search: Only departments with each of its words in their name or id.
        """
        terms = search_terms(search)
        found = (row for row in self._departments.values() if has_terms(terms, (row.name, row.id)))
        return sorted(found, key=lambda row: (row.available == 0, order_key(row.name), row.id))

    def _texts_of(self, agent: Agent) -> list[str]:
        homes = (self._departments.get(home) for home in agent.departments)
        return [agent.name, agent.id, *(home.name for home in homes if home is not None)]

    def replace(self, snapshot: Snapshot) -> DirectoryChanged:
        """Take a snapshot in place of everything."""
        self._agents = {row.id: row for row in snapshot.agents}
        self._departments = {row.id: row for row in snapshot.departments}
        self._epoch, self._seq, self._live = snapshot.epoch, snapshot.seq, True
        self._rule = snapshot.rule
        return DirectoryChanged(agents=snapshot.agents, departments=snapshot.departments, snapshot=True)

    def apply(self, patch: Patch) -> DirectoryChanged | None:
        """
        Apply a patch that continues this directory.

        Returns:
            What changed, or None if the patch starts anywhere but at this directory's position; nothing is
            applied then, and the rows are not live until a resumed subscription has filled the hole.
        """
        if self.position != (patch.epoch, patch.since):
            self._live = False
            return None
        # Removed rows first: an id that is removed and put again within one window comes back as a whole row.
        for agent_id in patch.agents_removed:
            self._agents.pop(agent_id, None)
        for department_id in patch.departments_removed:
            self._departments.pop(department_id, None)
        self._agents.update((row.id, row) for row in patch.agents)
        self._departments.update((row.id, row) for row in patch.departments)
        self._seq, self._live = patch.seq, True
        if patch.rule is not None:
            self._rule = patch.rule
        return DirectoryChanged(
            agents=patch.agents,
            departments=patch.departments,
            agents_removed=patch.agents_removed,
            departments_removed=patch.departments_removed,
        )

    def cut(self) -> None:
        """Note that changes arrive no more; the rows and the position stay."""
        self._live = False

    def forget_position(self) -> None:
        """Give up the position, so that the next subscription asks for a snapshot."""
        self._epoch = self._seq = None


def _readiness(agent: Agent) -> tuple[int, float, bytes, str]:
    group = 0 if agent.available else _BEHIND_CONNECTED.get(agent.status, 1)
    # Without capacity nothing fits, however little there is.
    ratio = agent.load / agent.capacity if agent.capacity > 0 else float("inf")
    return group, ratio if group == 0 else 0.0, order_key(agent.name), agent.id
