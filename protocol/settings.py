"""
The settings of a tenant and of a department: names, shapes, bounds, defaults (PROTOCOL.md, Settings).

A command names the settings that it changes: one that is missing stays, and null puts it back to its default.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, NamedTuple, TypeAlias, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType

from relevo.protocol.bounds import (
    DATE_PATTERN,
    DEPARTMENTS_MAX,
    SHORT_ID_PATTERN,
    TIME_PATTERN,
    FieldError,
    Id,
    Name,
    require_visible,
)
from relevo.protocol.objects import PlaceKind, Rule, RuleAgents, RuleReason, Status

DURATION_MS_MAX = 30 * 24 * 60 * 60 * 1000
MISSED_MAX_MAX = 1_000
QUEUE_MAX_MAX = 1_000_000
SPANS_MAX = 8
DAYS_MAX = 400
REASONS_MAX = 100
REPLIES_MAX = 200
REPLY_CHARACTERS_MAX = 1_000
CUSTOMERS_OPEN_MAX = 256
HOPS_MAX_MAX = 10_000

STATUSES: tuple[Status, ...] = get_args(Status)

PendingThen: TypeAlias = Literal["return", "department"]
AfterGrace: TypeAlias = Literal["pending", "department"]
PendingTake: TypeAlias = Literal["by_hand", "when_available"]
WhenClosed: TypeAlias = Literal["queue", "refuse"]
OverflowOn: TypeAlias = Literal["full", "closed", "nobody"]

Duration: TypeAlias = Annotated[int, Meta(ge=0, le=DURATION_MS_MAX)]
Time: TypeAlias = Annotated[str, Meta(pattern=TIME_PATTERN, description="HH:MM, or 24:00 at a day's end.")]
Date: TypeAlias = Annotated[str, Meta(pattern=DATE_PATTERN, description="YYYY-MM-DD.")]
Span: TypeAlias = tuple[Time, Time]
Spans: TypeAlias = Annotated[list[Span], Meta(max_length=SPANS_MAX, description="In order, none in another.")]
ShortId: TypeAlias = Annotated[str, Meta(pattern=SHORT_ID_PATTERN, description="An id of at most 64.")]


class Target(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The agent or department to which a session goes."""

    kind: PlaceKind
    id: Id


class RuleProfile(Rule, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """Which transfers an agent may make; a field that is left out allows all."""

    departments: Literal["any"] | Annotated[list[Id], Meta(max_length=DEPARTMENTS_MAX)] = "any"
    agents: RuleAgents = "any"
    statuses: Annotated[list[Status], Meta(max_length=len(STATUSES))] = msgspec.field(
        default_factory=lambda: list(STATUSES)
    )
    at_capacity: bool = True
    hops_max: Annotated[int, Meta(ge=0, le=HOPS_MAX_MAX)] = 0
    reason: RuleReason = "optional"

    def __post_init__(self) -> None:
        for field, listed in (("departments", self.departments), ("statuses", self.statuses)):
            if len(set(listed)) < len(listed) and listed != "any":
                raise FieldError(field, "Expected each value once")


RULE_DEFAULT = RuleProfile()
"""Every transfer is allowed."""


class Overflow(
    msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """Where sessions go instead of a department's queue, and when: after so long, or where it is so."""

    after_ms: Duration | None = None
    on: Annotated[list[OverflowOn], Meta(max_length=len(get_args(OverflowOn)))] = []
    to: Target

    def __post_init__(self) -> None:
        if len(set(self.on)) < len(self.on):
            raise FieldError("on", "Expected each value once")
        if not self.on and self.after_ms is None:
            raise FieldError("on", "Expected a value, or `after_ms`")


class Week(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """The times at which a department is open, by weekday; a day that is left out is closed."""

    mon: Spans | UnsetType = UNSET
    tue: Spans | UnsetType = UNSET
    wed: Spans | UnsetType = UNSET
    thu: Spans | UnsetType = UNSET
    fri: Spans | UnsetType = UNSET
    sat: Spans | UnsetType = UNSET
    sun: Spans | UnsetType = UNSET

    def __post_init__(self) -> None:
        for day in self.__struct_fields__:
            _require_order(day, getattr(self, day))


class Hours(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """When a department is open: by weekday, and on single days that go by their own times."""

    zone: Annotated[str, Meta(min_length=1, max_length=64, description="A name of the IANA database.")]
    week: Week
    days: Annotated[dict[Date, Spans], Meta(max_length=DAYS_MAX)] = {}

    def __post_init__(self) -> None:
        for day, spans in self.days.items():
            try:
                datetime.date.fromisoformat(day)
            except ValueError:
                raise FieldError("days", f"Expected a day of the calendar, not {day}") from None
            _require_order("days", spans)


class StatusReason(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A reason for a status, as agents choose it."""

    id: ShortId
    name: Name
    status: Status

    def __post_init__(self) -> None:
        require_visible("name", self.name)


class CannedReply(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """A text that agents send again and again."""

    id: Id
    title: Name
    text: Annotated[str, Meta(min_length=1, max_length=REPLY_CHARACTERS_MAX)]

    def __post_init__(self) -> None:
        require_visible("title", self.title)


class DepartmentSettings(msgspec.Struct, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """The settings of a department; a tenant has them, too, for the departments that do not set them."""

    answer_ms: Duration | UnsetType | None = UNSET
    missed_max: Annotated[int, Meta(ge=0, le=MISSED_MAX_MAX)] | UnsetType | None = UNSET
    pending_ms: Duration | UnsetType | None = UNSET
    pending_then: PendingThen | UnsetType | None = UNSET
    after_grace: AfterGrace | UnsetType | None = UNSET
    pending_take: PendingTake | UnsetType | None = UNSET
    wrap_up_ms: Duration | UnsetType | None = UNSET
    queue_max: Annotated[int, Meta(ge=0, le=QUEUE_MAX_MAX)] | UnsetType | None = UNSET
    overflow: Overflow | UnsetType | None = UNSET
    hours: Hours | UnsetType | None = UNSET
    when_closed: WhenClosed | UnsetType | None = UNSET
    rule: RuleProfile | UnsetType | None = UNSET
    alarm_ms: Duration | UnsetType | None = UNSET


class TenantSettings(DepartmentSettings, frozen=True, gc=False, kw_only=True, forbid_unknown_fields=True):
    """The settings of a tenant."""

    reasons: Annotated[list[StatusReason], Meta(max_length=REASONS_MAX)] | UnsetType | None = UNSET
    priority_step_ms: Duration | UnsetType | None = UNSET
    replies: Annotated[list[CannedReply], Meta(max_length=REPLIES_MAX)] | UnsetType | None = UNSET
    last_resort: Target | UnsetType | None = UNSET
    customers_open: Annotated[list[Id], Meta(max_length=CUSTOMERS_OPEN_MAX)] | UnsetType | None = UNSET
    customer_grace_ms: Duration | UnsetType | None = UNSET
    hidden_watch: bool | UnsetType | None = UNSET

    def __post_init__(self) -> None:
        for field in ("reasons", "replies"):
            ids = [each.id for each in getattr(self, field) or ()]
            if len(set(ids)) < len(ids):
                raise FieldError(field, "Expected each id once")
        departments = self.customers_open or ()
        if len(set(departments)) < len(departments):
            raise FieldError("customers_open", "Expected each department once")


class SettingRow(NamedTuple):
    """
    One row of the table of settings.

    Attributes:
        default: What holds where nothing is set; None for nothing.
        meaning: What it does, for people.
    """

    default: Any
    meaning: str


SETTINGS: Mapping[str, SettingRow] = {
    "answer_ms": SettingRow(0, "a session placed in progress and not answered for so long moves on; 0: off"),
    "missed_max": SettingRow(2, "so many unanswered in a row put the agent on `pause`; 0: never"),
    "pending_ms": SettingRow(0, "how long a session may be pending; 0: without end"),
    "pending_then": SettingRow("return", "what follows: given back, or routed in its department"),
    "after_grace": SettingRow(
        "department", "where a lost agent's sessions go: its own pending list, or their department"
    ),
    "pending_take": SettingRow("by_hand", "whether pending sessions enter progress by themselves"),
    "wrap_up_ms": SettingRow(0, "an agent keeps the slot of a session that it closed for so long"),
    "queue_max": SettingRow(None, "how many sessions may wait"),
    "overflow": SettingRow(None, "where sessions go instead"),
    "hours": SettingRow(None, "when the department is open; without it, always"),
    "when_closed": SettingRow("queue", "what happens to sessions that come while it is closed"),
    "rule": SettingRow(msgspec.to_builtins(RULE_DEFAULT), "which transfers agents may make"),
    "alarm_ms": SettingRow(0, "a session that waits for so long raises an alarm; 0: off"),
    "reasons": SettingRow([], "the only reasons for a status; without them any text"),
    "priority_step_ms": SettingRow(60_000, "what one point of priority is worth in waiting time"),
    "replies": SettingRow([], "canned replies"),
    "last_resort": SettingRow(None, "where sessions go that have nowhere else to go"),
    "customers_open": SettingRow([], "departments into which customers may open a session themselves"),
    "customer_grace_ms": SettingRow(60_000, "after which a customer without a connection counts as gone"),
    "hidden_watch": SettingRow(False, "whether admins may join a session without being seen"),
}
"""Every setting. What a department does not set is the tenant's; what that does not set is the default."""


def with_defaults(kind: type[DepartmentSettings], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a level, by default where they are not set, if they have a default."""
    found = {name: values.get(name, SETTINGS[name].default) for name in kind.__struct_fields__}
    return {name: value for name, value in found.items() if value is not None}


def parties_of(settings: DepartmentSettings) -> Iterator[Target]:
    """Yield every agent and department that settings name; each must exist."""
    if isinstance(settings.overflow, Overflow):
        yield settings.overflow.to
    departments = []
    if isinstance(settings.rule, RuleProfile) and settings.rule.departments != "any":
        departments += settings.rule.departments
    if isinstance(settings, TenantSettings):
        if isinstance(settings.last_resort, Target):
            yield settings.last_resort
        departments += settings.customers_open or ()
    for department_id in departments:
        yield Target("department", department_id)


def _require_order(field: str, spans: list[Span] | UnsetType) -> None:
    """Raise FieldError unless each span ends after it begins, and before the next one does."""
    times = [time for span in spans or () for time in span]
    if any(first >= second for first, second in zip(times[::2], times[1::2], strict=True)):
        raise FieldError(field, "Expected each time span to end after it begins, 24:00 at the latest")
    if times != sorted(times):
        raise FieldError(field, "Expected the time spans in order, none within another")
