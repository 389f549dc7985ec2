"""
The protocols that clients speak: one class for each kind of server.

All of them do the same work: identify the agent, follow the directory (a dialog), change a status, transfer
a session. Ids have one length, so that a message is a template in which two places are overwritten.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Protocol

import msgspec

from bench.load.engine import Step, Target
from bench.load.wire import BINARY, TEXT, client_frame
from relevo.router.auth.tokens import sign

STATUSES = ("pause", "connected")
"""An agent's status alternates between these, beginning with the first."""

StatusChange = tuple[int, str, int]
"""An agent's number, its new status, and a version that tells this change from its others."""

TOKEN_TTL_S = 24 * 3600
SESSION_PLACEHOLDER, TARGET_PLACEHOLDER = "s0000000", "a000000"
ANSWER = re.compile(rb"reply.{1,60}?(s\d{7})", re.DOTALL)
"""The reply to a transfer, with the session's id."""


def agent_id(index: int) -> str:
    """Return the id of an agent; all have one length."""
    return f"a{index:06d}"


def session_id(number: int) -> str:
    """Return the id of a session; all have one length."""
    return f"s{number:07d}"


def agent_index(identity: str) -> int | None:
    """Return the number of an agent, or None if the load did not make this id."""
    number = identity[1:]
    return int(number) if identity[:1] == "a" and number.isdigit() else None


class ClientProtocol(Protocol):
    """The protocol of one kind of server, as the load speaks it."""

    @property
    def target(self) -> Target:
        """Where the servers are."""

    @property
    def arrival(self) -> re.Pattern[bytes]:
        """A pattern that finds a session's id in the message by which an agent gets it."""

    @property
    def answer(self) -> re.Pattern[bytes] | None:
        """The same in the reply to the sender; None to leave replies untimed."""

    def opening(self, index: int, dialog: bool, resume: tuple[str, int] | None) -> list[Step]:
        """Return what an agent's connection exchanges first; with a dialog, it follows the directory."""

    def changes(self, index: int) -> tuple[bytes, bytes]:
        """Return the frames that set an agent to each of STATUSES."""

    def changed(self, payload: bytes) -> list[StatusChange]:
        """Return the changes in a message of the directory; empty for any other message."""

    def position(self, payload: bytes) -> tuple[str, int] | None:
        """Return the epoch and seq of a snapshot, from which other dialogs resume."""

    def transfer(self) -> bytes:
        """Return the frame that transfers SESSION_PLACEHOLDER to TARGET_PLACEHOLDER."""

    def acknowledgement(self, message: bytes, session: bytes) -> bytes | None:
        """Return the frame that acknowledges the arrival of a session, if clients do."""


@dataclass(frozen=True, slots=True)
class RelevoProtocol:
    """
    The protocol of this router.

    Attributes:
        target: Where the routers are.
        secret: Signs tokens.
        binary: Whether to speak MessagePack.
        tenant_prefix: How the ids of tenants begin.
        tenant_size: How many agents one tenant has; beyond, the next tenant begins.
        circle_size: How many agents transfer sessions in a circle; each circle is a department.
        departments: Whether tokens name the department, and transfers go to it.
        reason: Of each transfer; empty for none.
        acknowledges: Whether clients acknowledge a session's arrival.
        capacity: Of each agent.
        answer: ANSWER to time the replies, too.
    """

    target: Target
    secret: str
    binary: bool = False
    tenant_prefix: str = "bench"
    tenant_size: int = 1_000_000
    circle_size: int = 4
    departments: bool = False
    reason: str = ""
    acknowledges: bool = False
    capacity: int = 100_000
    arrival: re.Pattern[bytes] = field(
        default=re.compile(rb"session\.(?:assigned|pending).{1,40}?(s\d{7})", re.DOTALL)
    )
    answer: re.Pattern[bytes] | None = None

    def tenant(self, index: int) -> str:
        """Return the tenant of an agent."""
        return f"{self.tenant_prefix}{index // self.tenant_size:05d}"

    def department(self, index: int) -> str:
        """Return the department of an agent's circle; as long as an agent's id."""
        return f"d{index // self.circle_size:06d}"

    def frame(self, message: Mapping[str, Any] | Sequence[Mapping[str, Any]]) -> bytes:
        """Return a message, or a batch of them, as a finished frame."""
        encode = msgspec.msgpack.encode if self.binary else msgspec.json.encode
        return client_frame(encode(message), self._opcode)

    def opening(self, index: int, dialog: bool, resume: tuple[str, int] | None) -> list[Step]:
        """Send hello and, for a dialog, subscribe."""
        departments = (self.department(index),) if self.departments else None
        token = self._token(self.tenant(index), agent_id(index), "agent", departments)
        steps = [self._step({"type": "hello", "id": "1", "token": token}, b"welcome")]
        if dialog:
            subscribe: dict[str, Any] = {"type": "directory.subscribe", "id": "1"}
            if resume is not None:
                subscribe["resume"] = {"epoch": resume[0], "seq": resume[1]}
            steps.append(self._step(subscribe, b"directory."))
        return steps

    def service_opening(self, tenant: str) -> list[Step]:
        """Send hello as a back end of a tenant."""
        token = self._token(tenant, "bench", "service", None)
        return [self._step({"type": "hello", "id": "1", "token": token}, b"welcome")]

    def changes(self, index: int) -> tuple[bytes, bytes]:
        """Set the own status."""
        first, second = (self.frame({"type": "status.set", "id": "1", "status": one}) for one in STATUSES)
        return first, second

    def changed(self, payload: bytes) -> list[StatusChange]:
        """Read the rows of a patch."""
        found = []
        for message in self._messages(payload):
            if message["type"] == "directory.patch":
                for row in message["agents"]:
                    index = agent_index(row["id"])
                    if index is not None:
                        found.append((index, row["status"], row["status_since_at"]))
        return found

    def position(self, payload: bytes) -> tuple[str, int] | None:
        """Read epoch and seq of a snapshot or patch."""
        for message in self._messages(payload):
            if message["type"].startswith("directory."):
                return message["epoch"], message["seq"]
        return None

    def transfer(self) -> bytes:
        """Transfer to an agent or to its department."""
        kind = "department" if self.departments else "agent"
        message: dict[str, Any] = {
            "type": "session.transfer",
            "id": "1",
            "session_id": SESSION_PLACEHOLDER,
            "target": {"kind": kind, "id": TARGET_PLACEHOLDER},
        }
        if self.reason:
            message["reason"] = self.reason
        return self.frame(message)

    def acknowledgement(self, message: bytes, session: bytes) -> bytes | None:
        """Send session.ack with the fence that came along."""
        if not self.acknowledges:
            return None
        for one in self._messages(message):
            if one["type"] == "session.assigned" and one["session"]["id"] == session.decode():
                fence = one["session"]["fence"]
                return self.frame({"type": "session.ack", "session_id": session.decode(), "fence": fence})
        return None

    @property
    def _opcode(self) -> int:
        return BINARY if self.binary else TEXT

    def _messages(self, payload: bytes) -> list[dict[str, Any]]:
        decoded = msgspec.msgpack.decode(payload) if self.binary else msgspec.json.decode(payload)
        return decoded if isinstance(decoded, list) else [decoded]

    def _step(self, message: Mapping[str, Any], expect: bytes) -> Step:
        return Step(self.frame(message), expect)

    def _token(self, tenant: str, sub: str, role: str, departments: tuple[str, ...] | None) -> str:
        capacity = None if role == "service" else self.capacity
        return _signed(self.secret, tenant, sub, role, departments, capacity)


@lru_cache(maxsize=100_000)
def _signed(
    secret: str,
    tenant: str,
    sub: str,
    role: str,
    departments: tuple[str, ...] | None,
    capacity: int | None,
) -> str:
    # A client that reconnects sends the token it has; signing is no part of what is measured.
    return sign(
        secret,
        tenant=tenant,
        sub=sub,
        role=role,
        ttl_s=TOKEN_TTL_S,
        now_ms=time.time_ns() // 1_000_000,
        departments=departments,
        capacity=capacity,
    )


def forget_tokens() -> None:
    """Sign a new token for every agent from now on."""
    _signed.cache_clear()


def relevo_target(
    ports: tuple[int, ...], host: str = "127.0.0.1", path: str = "/ws", *, binary: bool
) -> Target:
    """Return the target for routers on these ports."""
    subprotocol = "relevo.v1.msgpack" if binary else "relevo.v1.json"
    return Target(ports, host, path, subprotocol)
