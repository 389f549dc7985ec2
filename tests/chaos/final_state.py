"""How a tenant is when nothing happens any more: by the store, the interface, and each client's screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.chaos.history import Message
from tests.stateful.stored import StoredState

Standing = Mapping[str, tuple[str, int]]
"""State and fence of sessions, by id."""


@dataclass(frozen=True, slots=True)
class Screen:
    """
    What one client shows.

    Attributes:
        client: Its name in the tenant.
        agent_id: Whose it is.
        sessions: The sessions of its agent.
        agents: The directory's agents, by id.
        departments: The directory's departments, by id.
    """

    client: str
    agent_id: str
    sessions: Standing
    agents: Mapping[str, Message]
    departments: Mapping[str, Message]


@dataclass(slots=True)
class FinalState:
    """
    A tenant at the end.

    Attributes:
        tenant: Its name.
        kept: What the store holds.
        sessions: Every session as an admin reads it, by id.
        histories: Every session's history as an admin reads it.
        screens: What the clients show that are connected.
        unsettled: What was awaited in vain: the client that does not show it, or what the store still counts.
    """

    tenant: str
    kept: StoredState
    sessions: dict[str, Message] = field(default_factory=dict)
    histories: dict[str, list[Message]] = field(default_factory=dict)
    screens: list[Screen] = field(default_factory=list)
    unsettled: list[tuple[str, str]] = field(default_factory=list)
