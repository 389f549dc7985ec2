"""A run: every message that a client sent and received, every command and what became of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

Message = Mapping[str, Any]

# What a text in a report may take.
SHOWN_CHARACTERS_MAX = 400


@dataclass(frozen=True, slots=True)
class Moment:
    """
    One thing that happened.

    Attributes:
        number: Counts all moments of a run, from 1.
        at_s: Seconds since the run began.
        source: The client as ``tenant/name``, or ``deployment``.
        what: ``sent``, ``received``, ``connected``, ``lost``, ``began`` (a client that knows nothing yet),
            ``fault`` or ``healed``.
        content: The message, or what there is to say.
    """

    number: int
    at_s: float
    source: str
    what: str
    content: Message

    def __str__(self) -> str:
        shown = str(dict(self.content))
        if len(shown) > SHOWN_CHARACTERS_MAX:
            shown = shown[:SHOWN_CHARACTERS_MAX] + "…"
        return f"{self.number:6} {self.at_s:8.3f} s  {self.source:16} {self.what:9} {shown}"


@dataclass(slots=True)
class Call:
    """
    One command and what became of it.

    Attributes:
        began: The moment before it was given.
        tenant: Whose data.
        client: The client that gave it.
        caller: The agent or back end as whom it was given.
        role: Its role.
        type: The command.
        fields: Its fields.
        key: The idempotency key of a command that changes something.
        ended: The moment after its end, None while it is unknown.
        result: What it brought.
        error: The code of the refusal.
    """

    began: int
    tenant: str
    client: str
    caller: str
    role: str
    type: str
    fields: Message
    key: str | None
    ended: int | None = None
    result: Message | None = None
    error: str | None = None

    @property
    def is_acknowledged(self) -> bool:
        """Whether it was carried out for certain."""
        return self.result is not None

    @property
    def is_doubtful(self) -> bool:
        """Whether it may or may not have been carried out."""
        return self.result is None and self.error is None

    @property
    def text(self) -> str | None:
        """The text that it alone of all commands carries, if it carries one."""
        text = self.fields.get("reason") or self.fields.get("text")
        return text if isinstance(text, str) else None

    def __str__(self) -> str:
        if self.is_acknowledged:
            outcome = f"done {self.result}"
        else:
            outcome = f"refused with {self.error}" if self.error else "in doubt"
        return f"{self.tenant}/{self.client} {self.type} {dict(self.fields)} key {self.key}: {outcome}"


@dataclass(slots=True)
class ClientLog:
    """
    One client of the run.

    Attributes:
        tenant: Its tenant.
        name: Its name, of its own in the tenant.
        agent_id: The agent or back end that it is.
        role: Its role.
        moments: What it sent and received, and its connections' beginnings and ends.
        heard: Every byte that came to it.
    """

    tenant: str
    name: str
    agent_id: str
    role: str
    moments: list[Moment] = field(default_factory=list)
    heard: bytearray = field(default_factory=bytearray)

    @property
    def full_name(self) -> str:
        """How moments name it."""
        return f"{self.tenant}/{self.name}"

    def received(self, *types: str) -> Iterator[Moment]:
        """Yield the received messages of these types."""
        return (
            moment for moment in self.moments if moment.what == "received" and moment.content["type"] in types
        )


@dataclass(frozen=True, slots=True)
class Loss:
    """
    What happened between two moments may be lost: the store forgot it, as it was expected to.

    Attributes:
        since: The first moment.
        until: The last one.
        spares_acknowledged: Whether only what was told and not acknowledged may be lost.
    """

    since: int
    until: int
    spares_acknowledged: bool = False


class History:
    """
    Everything that happened, in the order in which the test saw it.

    Attributes:
        markers: The text that each tenant's names, reasons and notes hold, by tenant.
        moments: All of it.
        calls: The commands.
        clients: Those of the run.
        losses: Where the store was made to forget.
        has_faults: Whether anything was made to fail.
        on_fault: Told of each fault, too.
    """

    def __init__(self) -> None:
        self.markers: dict[str, str] = {}
        self.moments: list[Moment] = []
        self.calls: list[Call] = []
        self.clients: list[ClientLog] = []
        self.losses: list[Loss] = []
        self.has_faults = False
        self.on_fault: Callable[[Moment], None] | None = None
        self._ended: set[str] = set()
        self._began = time.monotonic()

    @property
    def now(self) -> int:
        """The number of the latest moment."""
        return len(self.moments)

    def note(self, source: str, what: str, content: Message) -> Moment:
        """Take something down."""
        moment = Moment(self.now + 1, time.monotonic() - self._began, source, what, content)
        self.moments.append(moment)
        return moment

    def note_client(self, client: ClientLog, what: str, content: Message) -> None:
        """Take something of a client down, unless its tenant's end was read already."""
        if client.tenant not in self._ended:
            client.moments.append(self.note(client.full_name, what, content))

    def end(self, tenant: str) -> None:
        """
        Take nothing more of a tenant down, whose end was read just now.

        While others are looked at, a busy machine may have an agent thought gone, and its sessions moved.
        """
        self._ended.add(tenant)

    def note_fault(self, what: str) -> None:
        """Take a fault down."""
        self.has_faults = True
        moment = self.note("deployment", "fault", {"what": what})
        if self.on_fault is not None:
            self.on_fault(moment)

    def lost_since(self, moment: int, *, spares_acknowledged: bool = False) -> None:
        """Say that what was told, and by default what was acknowledged, after a moment may be gone by now."""
        self.losses.append(Loss(moment, self.now, spares_acknowledged))

    def may_be_lost(self, call: Call) -> bool:
        """Return whether the store may have forgotten what a command did."""
        ended = call.ended if call.ended is not None else self.now
        return any(
            call.began <= loss.until and ended >= loss.since
            for loss in self.losses
            if not loss.spares_acknowledged
        )
