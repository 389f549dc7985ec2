"""What commands answer, and what they send."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from .decode import InvalidDataError, decode
from .errors import InvalidReplyError
from .objects import Agent, Department, Entry, Session, SessionState

T = TypeVar("T")

# In the order in which sessions usually go on: one that does is not missed.
_OPEN_STATES: tuple[SessionState, ...] = ("queued", "pending", "in_progress")


@dataclass(frozen=True, slots=True)
class AgentResult:
    """The row of an agent."""

    agent: Agent


@dataclass(frozen=True, slots=True)
class DepartmentResult:
    """The row of a department."""

    department: Department


@dataclass(frozen=True, slots=True)
class SessionResult:
    """A session."""

    session: Session


@dataclass(frozen=True, slots=True)
class WatchResult:
    """Whether the changes since a position follow."""

    resumed: bool = False


@dataclass(frozen=True, slots=True)
class PlaceResult:
    """A place in a queue, from 1."""

    place: int


@dataclass(frozen=True, slots=True)
class EntryResult:
    """A line of a history."""

    entry: Entry


@dataclass(frozen=True, slots=True)
class SettingsResult:
    """The tenant's settings."""

    settings: Mapping[str, Any]


def decode_result(kind: type[T], type: str, result: Mapping[str, Any]) -> T:
    """
    Build a command's typed result.

    Raises:
        InvalidReplyError: The router answered something else.
    """
    try:
        return decode(kind, result)
    except InvalidDataError as error:
        raise InvalidReplyError(f"{type}: {error}") from error


def present(**fields: Any) -> dict[str, Any]:
    """Return a command's fields without those that are None."""
    return {name: value for name, value in fields.items() if value is not None}


def listed_states(
    state: SessionState | Literal["open", "any"], agent_id: str | None
) -> tuple[SessionState | None, ...]:
    """
    Return the states to list one after another; None is a list of every state.

    The wire has no state "open". What is with an agent is never closed, so that one list has it.
    """
    if state == "open" and agent_id is None:
        return _OPEN_STATES
    return (None,) if state in ("open", "any") else (state,)  # type: ignore[return-value]
