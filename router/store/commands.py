"""The commands as the router calls them: the fields of their requests and the shapes of their answers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec
import structlog

from relevo.protocol.objects import Agent, Rule
from relevo.router import __version__
from relevo.router.config import Settings
from relevo.router.observe.incidents import incident
from relevo.router.store import answers, records
from relevo.router.store.client.client import StoreClient
from relevo.router.store.client.errors import StoreDefectError, StoreUnavailableError, UnsupportedStoreError
from relevo.router.store.events import Event, Events, decode_event
from relevo.router.store.keys import STORE, prefix

EVENTS_MAX = 4096
"""Events kept per tenant, to repair a gap from."""

CONNECTIONS_STEP: Final = 1000
"""About how many of a node's connections are read by one command."""

INBOX_STEP_MAX = 200
"""Sessions of an inbox that are read by one command."""

KEY_TTL_MS = 600_000
"""How long an idempotency key's first reply is kept (PROTOCOL.md, Idempotency keys)."""

T = TypeVar("T")

log = structlog.get_logger(__name__)

UNREADABLE: Final = "unreadable"
"""What a command answers to a request that needs a record which cannot be read."""

_encode = msgspec.msgpack.Encoder().encode


def encode_request(limits: msgspec.Raw, request: dict[str, Any]) -> bytes:
    """Return a command's second argument: see `lua/lib/step.lua`."""
    key, print_of_key = request.pop("key", None), request.pop("print", None)
    return _encode((limits, key, print_of_key, request))


class BadRecordError(Exception):
    """A record of the store could not be read; it was kept aside, and the rest of its tenant goes on."""


class CommandRejectedError(Exception):
    """
    A command refused a request by a rule of the protocol; nothing was changed.

    Args:
        code: One of the protocol's error codes.
        details: What a program may want to know of it.
    """

    def __init__(self, code: str, details: dict[str, Any]) -> None:
        super().__init__(code)
        self.code = code
        self.details = details


@dataclass(frozen=True, slots=True)
class CommandLimits:
    """Bounds and times that the commands keep."""

    events_max: int
    key_ttl_ms: int
    closed_retention_ms: int
    presence_grace_ms: int
    session_grace_ms: int
    lease_ms: int
    connections_per_agent_max: int
    agents_max: int
    departments_max: int
    sessions_max: int
    history_max: int

    @classmethod
    def of(cls, settings: Settings) -> CommandLimits:
        """Return the limits that the settings name."""
        return cls(
            events_max=EVENTS_MAX,
            key_ttl_ms=KEY_TTL_MS,
            closed_retention_ms=settings.closed_retention_ms,
            # Sessions of an agent that still looks connected must not move away.
            presence_grace_ms=min(settings.presence_grace_ms, settings.session_grace_ms),
            session_grace_ms=settings.session_grace_ms,
            lease_ms=settings.node_lease_ms,
            connections_per_agent_max=settings.connections_per_agent_max,
            agents_max=settings.agents_max,
            departments_max=settings.departments_max,
            sessions_max=settings.sessions_max,
            history_max=settings.history_max,
        )


class Caller(msgspec.Struct, omit_defaults=True, gc=False):
    """
    The caller of a command, by its token.

    Args:
        id: The token's subject.
        role: The token's role.
        name: The token's name, if it has one.
        iat: When the token was issued, in seconds since the Unix epoch; 0 if it does not say.
        attached: Whether it asks over a connection that said hello, so that it must be in the directory.
        epoch: The epoch in which that connection was registered. In another one, an agent missing from the
            directory may have been lost with the store's memory; the command then refuses with `unavailable`.
        departments: The token's, if it has some; only `connect` needs them, and a command by which the
            caller enters the directory.
        capacity: As `departments`.
        again: Whether this only registers a known connection once more, so that the claims count only for an
            agent that is not in the directory.
    """

    id: str
    role: str
    name: str | None = None
    attached: bool = False
    epoch: str | None = None
    departments: tuple[str, ...] | None = None
    capacity: int | None = None
    again: bool = False
    iat: int = 0


class StoreCommands:
    """
    Run commands of the store.

    Args:
        store: Where the tenants live.
        limits: Bounds and times that the commands keep.
        node_id: This process, as connections and leases name it.

    Attributes:
        bad_records: How many records could not be read.
        refused: Why this release must not use the store; None if it may.
    """

    def __init__(self, store: StoreClient, limits: CommandLimits, node_id: str) -> None:
        self.store = store
        self.node_id = node_id
        self.bad_records = 0
        self.refused: str | None = None
        self._limits = limits
        self._write_schema(min(records.READABLE))

    @property
    def consequence_level(self) -> int:
        """The log level of what an outage of the store explains; the outage itself has a line of its own."""
        return logging.DEBUG if self.store.outages.is_recent else logging.WARNING

    def _write_schema(self, schema: int) -> None:
        """Write records of a schema from now on."""
        limits = self._limits
        self._common = answers.packed(
            [
                limits.events_max,
                limits.key_ttl_ms,
                limits.closed_retention_ms,
                limits.presence_grace_ms,
                limits.session_grace_ms,
                limits.agents_max,
                limits.departments_max,
                limits.sessions_max,
                limits.history_max,
                schema,
            ]
        )

    async def run(
        self,
        tenant: str,
        command: str,
        request: dict[str, Any],
        answer: type[T],
        *,
        durable: bool = False,
        urgent: bool = False,
        weight: int = 1,
    ) -> T:
        """
        Run one command.

        Args:
            tenant: Whose data.
            command: The command's name, as its file has it.
            request: The fields that its header names.
            answer: The shape of its result.
            durable: Whether it must be as durable as the store promises before this returns.
            urgent: Whether it does not queue behind what the tenant asks for.
            weight: As how many commands it counts in its tenant's share of a batch.

        Raises:
            CommandRejectedError: A rule of the protocol refused it.
            StoreUnavailableError: It may or may not have been applied.
            StoreDefectError: The script failed, or answered something else.
        """
        reply = self.submit(tenant, command, request, durable=durable, urgent=urgent, weight=weight)
        return self.decode(tenant, command, await reply, answer)

    def submit(
        self,
        tenant: str,
        command: str,
        request: dict[str, Any],
        *,
        durable: bool = False,
        urgent: bool = False,
        weight: int = 1,
    ) -> asyncio.Future[bytes]:
        """
        Submit one command, and return the future of its reply, which is for `decode`; arguments as for `run`.

        Raises:
            StoreUnavailableError: It is not applied. The future raises what `StoreClient.run` says.
        """
        if self.refused is not None:
            raise StoreUnavailableError(self.refused)
        packed = encode_request(self._common, request)
        return self.store.run(tenant, command, packed, durable=durable, urgent=urgent, weight=weight)

    def decode(self, tenant: str, command: str, reply: bytes, answer: type[T]) -> T:
        """
        Return the result that a reply holds; arguments as for `run`.

        Raises:
            CommandRejectedError: A rule of the protocol refused the command.
            StoreDefectError: The script failed, or answered something else.
        """
        try:
            outcome = answers.decode_answer(reply)
            for name in outcome.set_aside:
                self.bad_records += 1
                incident(log, "record set aside", BadRecordError(name), tenant=tenant, command=command)
            if outcome.error == UNREADABLE:
                raise StoreDefectError(command, f"a record cannot be read: {outcome.details}")
            if outcome.error is not None:
                details = outcome.details if isinstance(outcome.details, dict) else {}
                if outcome.session is not records.MISSING:
                    details["session"] = answers.session(outcome.session)
                raise CommandRejectedError(outcome.error, details)
            if outcome.result is records.MISSING:
                raise StoreDefectError(command, "it answered nothing")
            return msgspec.msgpack.decode(outcome.result, type=answer)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StoreDefectError(command, f"its answer cannot be read: {error}") from error

    async def renew_node(self, kept_ms: int) -> answers.NodesReply:
        """
        Renew this node's lease on the store, and write in the store's schema from now on.

        Args:
            kept_ms: For how long a node that is gone counts.

        Raises:
            UnsupportedStoreError: The store is of a schema that this release does not read. Nothing was
                written, and every command fails until another renewal succeeds.
        """
        request = {
            "node_id": self.node_id,
            "release": __version__,
            "library": self.store.library,
            "oldest": min(records.READABLE),
            "newest": max(records.READABLE),
            "kept_ms": kept_ms,
        }
        reply = await self.store.run(STORE, "renew_node", _encode(request), urgent=True)
        try:
            answer = answers.decode_answer(reply)
            if answer.error is None:
                renewed = msgspec.msgpack.decode(answer.result, type=answers.NodesReply)
                self._require_schema(renewed.schema)
                return renewed
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise StoreDefectError("renew_node", f"its answer cannot be read: {error}") from error
        self._require_schema(answer.details["schema"] if isinstance(answer.details, dict) else 0)
        raise StoreDefectError("renew_node", f"it refused: {answer.details}")

    async def adopt_schema(self) -> None:
        """
        Write in the store's schema from now on; the oldest that is readable where no node was ever there.

        Raises:
            UnsupportedStoreError: As `renew_node`.
        """
        schema = await self.read_schema()
        if schema is not None:
            self._require_schema(schema)

    async def read_schema(self) -> int | None:
        """Return the store's schema, of whatever release; None where no node was ever there."""
        found = await self.store.read(STORE, b"GET", f"{prefix(STORE)}schema".encode())
        return int(found) if isinstance(found, bytes) else None

    async def read_nodes(self) -> list[answers.NodeRecord]:
        """Return which nodes there are, or were a while ago."""
        found = await self.store.read(
            STORE, b"ZRANGE", f"{prefix(STORE)}nodes".encode(), b"0", b"-1", b"WITHSCORES"
        )
        return answers.read_nodes([word.decode() for word in found])

    def _require_schema(self, schema: int) -> None:
        if schema in records.READABLE:
            self.refused = None
            self._write_schema(schema)
            return
        readable = " and ".join(map(str, sorted(records.READABLE)))
        self.refused = (
            f"the store's data is of schema {schema}, and Relevo {__version__} reads {readable}: "
            "start a release that reads it, or restore a backup"
        )
        raise UnsupportedStoreError(self.refused)

    async def connect(
        self, tenant: str, caller: Caller, connection_id: str, silent: Sequence[str] = ()
    ) -> answers.Attached:
        """
        Register a connection; where its agent has too many, in place of one in ``silent``, or the oldest.

        A long inbox is read in steps. What changed meanwhile is in the events after the position that is
        returned, and may be in the sessions already.
        """
        request = {
            "by": caller,
            "node_id": self.node_id,
            "connection_id": connection_id,
            "lease_ms": self._limits.lease_ms,
            "connections_max": self._limits.connections_per_agent_max,
        }
        if silent:
            request["silent"] = list(silent)
        attached = await self.run(tenant, "connect", request, answers.Attached)
        for first in range(0, len(attached.left), INBOX_STEP_MAX):
            step = {"by": caller, "session_ids": attached.left[first : first + INBOX_STEP_MAX]}
            found = await self.run(tenant, "inbox", step, answers.InboxReply)
            attached.in_progress += found.in_progress
            attached.pending += found.pending
        return attached

    async def refresh_token(self, tenant: str, caller: Caller) -> answers.AgentReply:
        """Take over the claims of a connection's new token, if they are newer than what the directory has."""
        return await self.run(tenant, "token_refresh", {"by": caller}, answers.AgentReply)

    async def disconnect(self, tenant: str, agent_id: str, connection_id: str, clean: bool) -> int:
        """
        Take a connection away; ``clean`` skips the grace.

        Returns:
            In how many milliseconds the next thing is due.
        """
        request = {
            "agent_id": agent_id,
            "node_id": self.node_id,
            "connection_id": connection_id,
            "clean": clean,
        }
        return (await self.run(tenant, "disconnect", request, answers.DisconnectReply)).due_in_ms

    async def renew(self, tenant: str) -> answers.Lease:
        """Renew this node's lease on a tenant, and sweep what is due there."""
        request = {"node_id": self.node_id, "lease_ms": self._limits.lease_ms}
        return await self.run(tenant, "renew", request, answers.Lease, urgent=True)

    async def directory(self, tenant: str) -> answers.Directory:
        """
        Read the whole directory, page by page, at the position of the feed where the first page was read.

        What changed while the other pages were read is in the events after that position, and may be in the
        rows already. Rows in events are whole, so that nothing is wrong once they were applied.
        """
        page = await self._directory_page(tenant, "")
        rule = page.rule if isinstance(page.rule, Rule) else None
        found = answers.Directory(page.epoch, page.seq, [], [], page.before, rule)
        agents: dict[str, Agent] = {}
        while True:
            for packed in page.departments:
                found.departments += self._readable(tenant, answers.department, packed)
            for packed in page.agents:
                agents |= {row.id: row for row in self._readable(tenant, answers.agent, packed)}
            if not page.cursor:
                found.agents = list(agents.values())
                return found
            page = await self._directory_page(tenant, page.cursor)
            if page.epoch != found.epoch:
                return await self.directory(tenant)

    async def _directory_page(self, tenant: str, cursor: str) -> answers.DirectoryPage:
        return await self.run(tenant, "directory", {"cursor": cursor}, answers.DirectoryPage, urgent=True)

    def _readable(self, tenant: str, decode: Callable[[msgspec.Raw], T], packed: msgspec.Raw) -> list[T]:
        """Return what a record of a page holds; nothing, and an incident, where it cannot be read."""
        try:
            return [decode(msgspec.Raw(records.content_of(packed)))]
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            self.bad_records += 1
            incident(log, "record skipped", error, tenant=tenant)
            return []

    async def events(self, tenant: str, epoch: str, after: int, limit: int) -> Events:
        """Read at most ``limit`` events after a position; None where one is not kept, or cannot be read."""
        request = {"epoch": epoch, "after": after, "limit": limit}
        found = await self.run(tenant, "events", request, answers.EventsReply, urgent=True)
        events: list[Event] = []
        try:
            for packed in found.events or ():
                event = decode_event(records.content_of(packed))
                if (event.epoch, event.seq) != (epoch, after + len(events) + 1):
                    raise msgspec.DecodeError(f"event {after + len(events) + 1} is not kept")
                events.append(event)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            log.warning("event stream rejected", tenant=tenant, reason=str(error))
            return Events(found.epoch, found.seq)
        return Events(found.epoch, found.seq, events if found.events is not None else None)

    async def connections(self, tenant: str) -> list[tuple[str, str]]:
        """
        Return agent and connection of each that is this node's in the store.

        They are read in steps: one that came or went meanwhile may be among them or not.
        """
        found: set[bytes] = set()
        cursor = "0"
        while True:
            read = ("SSCAN", f"node:{self.node_id}", cursor, "COUNT", CONNECTIONS_STEP)
            [page] = (await self.read_snapshot(tenant, [read])).values
            next_cursor, names = answers.plain(page)
            found.update(names)
            cursor = next_cursor.decode()
            if cursor == "0":
                break
        pairs = (name.decode().split(" ") for name in found)
        return [(agent_id, connection_id) for agent_id, connection_id in pairs]

    async def migrate(self, tenant: str) -> bool:
        """Do a step of a tenant's migration, and of what is due there; return whether there is more to do."""
        return (await self.run(tenant, "migrate", {}, answers.MigrateReply)).more

    async def read_snapshot(
        self, tenant: str, reads: Sequence[tuple[str | int, ...]]
    ) -> answers.SnapshotReply:
        """Read many things at one instant, and change nothing."""
        return await self.run(tenant, "read_snapshot", {"reads": reads}, answers.SnapshotReply)

    async def rebuild(self, tenant: str, parts: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
        """Derive a part of a tenant's lists and rows again; return the keys, with cursors, that remain."""
        return (await self.run(tenant, "rebuild", {"parts": parts}, answers.RebuildReply)).left
