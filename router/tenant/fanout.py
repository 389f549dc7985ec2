"""
Fan-out: the clients of one tenant on this node, and the messages that each receives.

Session and transfer messages go out as they come. The directory is sent in windows: what changes within one
is one patch, encoded and framed once per format and written to every open dialog.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from math import ceil

import msgspec

from relevo.protocol.codec import Codec
from relevo.protocol.commands import DirectorySubscribe, DirectoryUnsubscribe, SessionUnwatch, SessionWatch
from relevo.protocol.errors import CloseCode
from relevo.protocol.objects import Agent, AgentRole, Department, Session
from relevo.protocol.pushes import (
    AgentChanged,
    DirectoryPatch,
    DirectorySnapshot,
    Push,
    SessionChanged,
    StatusChanged,
)
from relevo.router.store.events import Event
from relevo.router.tenant.agent_sessions import AgentSessionView
from relevo.router.tenant.client import Client
from relevo.router.tenant.directory import Replica
from relevo.router.tenant.recipients import WATCHERS, pushes_of
from relevo.router.transport.interface import Socket

Frame = Callable[[Codec, bytes], bytes]
Broadcast = Callable[[Iterable[Socket], bytes], None]

REUSED_ROWS_MIN = 1_000
"""From how many rows on a snapshot that was encoded before is sent again, and a patch behind it."""

SNAPSHOT_BYTES_MAX = 4 * 1024 * 1024
"""A larger snapshot comes in parts, which a client has to know (PROTOCOL.md, The directory)."""

SNAPSHOT_PART_BYTES = 256 * 1024
"""About the size of a part: what else a client is sent waits behind one part, not behind all."""

PATCHES_MAX = 8
"""Patches to the present position that are kept for other clients at the same old position."""

NOWHERE = ("", 0)
"""The position of a client that knows nothing of the directory: no epoch is empty."""


OF_NO_EPOCH = ("none", 0)
"""The position of what is sent whatever a client has already: no epoch is named so."""


class Addressee:
    """The connections of one agent, or of one back end, on this node."""

    __slots__ = ("clients", "sessions")

    def __init__(self) -> None:
        self.clients: list[Client] = []
        self.sessions = AgentSessionView()


class _Framed(dict[Codec, bytes]):
    """One message by format, as the finished frame."""

    __slots__ = ("_frame", "_message")

    def __init__(self, message: Push, frame: Frame) -> None:
        super().__init__()
        self._message = message
        self._frame = frame

    def __missing__(self, codec: Codec) -> bytes:
        frame = self[codec] = self._frame(codec, codec.encode(self._message))
        return frame


class _FramedSnapshot(dict[Codec, list[bytes]]):
    """A snapshot by format, as finished frames: one, or its parts."""

    __slots__ = ("_frame", "snapshot")

    def __init__(self, snapshot: DirectorySnapshot, frame: Frame) -> None:
        super().__init__()
        self.snapshot = snapshot
        self._frame = frame

    def __missing__(self, codec: Codec) -> list[bytes]:
        encoded = codec.encode(self.snapshot)
        messages = (
            [encoded] if len(encoded) <= SNAPSHOT_BYTES_MAX else self._encode_parts(codec, len(encoded))
        )
        frames = self[codec] = [self._frame(codec, message) for message in messages]
        return frames

    def _encode_parts(self, codec: Codec, size_bytes: int) -> list[bytes]:
        rows = [*self.snapshot.departments, *self.snapshot.agents]
        count = ceil(len(rows) * SNAPSHOT_PART_BYTES / size_bytes)
        slices = [rows[start : start + count] for start in range(0, len(rows), count)]
        return [
            codec.encode(
                DirectorySnapshot(
                    epoch=self.snapshot.epoch,
                    seq=self.snapshot.seq,
                    part=number,
                    parts=len(slices),
                    departments=[row for row in some if isinstance(row, Department)],
                    agents=[row for row in some if isinstance(row, Agent)],
                    rule=self.snapshot.rule if number == 1 else msgspec.UNSET,
                )
            )
            for number, some in enumerate(slices, start=1)
        ]


class TenantHub:
    """
    The clients of one tenant on this node.

    Args:
        replica: The tenant's directory.
        frame: Puts an encoded message into a websocket frame.
        broadcast: Sends a frame to many websockets.
        schedule_flush: Asked, once per window, to call `flush` when the window closes.
    """

    def __init__(
        self, replica: Replica, frame: Frame, broadcast: Broadcast, schedule_flush: Callable[[], None]
    ) -> None:
        self.replica = replica
        self.addressees: dict[str, Addressee] = {}
        self.clients: set[Client] = set()
        self.subscribers: dict[Client, None] = {}
        self.watchers: dict[Client, None] = {}
        self._frame = frame
        self._broadcast = broadcast
        self._schedule_flush = schedule_flush
        self._flush_scheduled = False
        self._told = NOWHERE
        self._asked: set[Client] = set()  # Subscribers that asked for what they are behind.
        self._snapshot: _FramedSnapshot | None = None
        self._unsent: dict[Client, deque[bytes]] = {}  # The rest of a snapshot that a slow client gets.
        self._patches: dict[tuple[str, int], _Framed | None] = {}
        self._patches_to = NOWHERE

    def attach(self, name: str, client: Client) -> Addressee:
        """Send what is addressed to an agent or a back end (see `records.addressee`) to this client, too."""
        self.clients.add(client)
        local = self.addressees.get(name)
        if local is None:
            local = self.addressees[name] = Addressee()
        local.clients.append(client)
        return local

    def detach(self, name: str, client: Client) -> None:
        """Forget a client."""
        self.clients.discard(client)
        self.unsubscribe(client)
        self.watchers.pop(client, None)
        local = self.addressees.get(name)
        if local is not None and client in local.clients:
            local.clients.remove(client)
            if not local.clients:
                del self.addressees[name]

    def deliver(self, event: Event) -> None:
        """
        Tell the clients of an event that the replica has just applied.

        Args:
            event: The event.
        """
        for change in event.changes:
            for addressee, push in pushes_of(change, self.addressees.__contains__, bool(self.watchers)):
                clients: Iterable[Client] = self.watchers
                if addressee is not WATCHERS:
                    local = self.addressees[addressee]
                    local.sessions.note(push, event.epoch, event.seq)
                    clients = local.clients
                if isinstance(push, SessionChanged):
                    push = msgspec.structs.replace(push, epoch=event.epoch, seq=event.seq)
                    if addressee is not WATCHERS:
                        # An owner that watches gets it once.
                        clients = [client for client in clients if client not in self.watchers]
                _tell(clients, push, event.epoch, event.seq)
        for row in event.agents:
            here = self.addressees.get(row.id)
            if here is None:
                continue
            _tell(here.clients, AgentChanged(agent=self.replica.agents[row.id]), event.epoch, event.seq)
            for client in here.clients:
                self.take_role(client, row.role)
        for notice in event.notices:
            here, agent = self.addressees.get(notice.agent_id), self.replica.agents.get(notice.agent_id)
            if here is not None and agent is not None:
                push = StatusChanged(agent=agent, by=notice.by, reason=notice.reason or None)
                _tell(here.clients, push, event.epoch, event.seq)
        for agent_id, connection_id in event.replaced:
            here = self.addressees.get(agent_id)
            for client in list(here.clients) if here is not None else ():
                if client.connection_id == connection_id:
                    client.close(CloseCode.REPLACED)
        for agent_id in event.agents_removed:
            removed = self.addressees.get(agent_id)
            for client in list(removed.clients) if removed is not None else ():
                client.close(CloseCode.REMOVED)
        self.directory_changed()

    def take_role(self, client: Client, role: AgentRole) -> bool:
        """Let the directory's role of a client's agent count; return whether it is another one."""
        if role != "admin":
            self.watchers.pop(client, None)
        return client.take_role(role)

    def send_role(self, client: Client, agent: Agent) -> None:
        """Send a client the row that has its new role, where the event that did so is lost."""
        message = client.codec.encode(StatusChanged(agent=agent, by=None, reason=None))
        client.deliver(*OF_NO_EPOCH, message)

    def correct(
        self, agent_id: str, epoch: str, seq: int, in_progress: list[Session], pending: list[Session]
    ) -> None:
        """
        Send an agent's clients the difference between what they show and the store has, after lost events.

        Args:
            agent_id: The agent.
            epoch: The epoch in which the lists were read.
            seq: The event up to which they hold.
            in_progress: The agent's sessions in progress.
            pending: Its pending list.
        """
        local = self.addressees.get(agent_id)
        if local is None:
            return
        if local.sessions.is_ahead(in_progress, pending):
            # The store lost changes that it had published: only a new welcome overrides a later fence.
            for client in list(local.clients):
                client.close(CloseCode.STORE_LOST)
            return
        # A client that was welcomed after the loss has never shown what the others are to remove.
        read_at = (self.replica.epoch, self.replica.read_at)
        behind = [
            client
            for client in local.clients
            if client.synced_to[0] != read_at[0] or client.synced_to[1] < read_at[1]
        ]
        for push in local.sessions.correct(in_progress, pending):
            _tell(behind, push, epoch, seq)
        row = self.replica.agents.get(agent_id)
        if row is not None:
            _tell(behind, AgentChanged(agent=row), epoch, seq)
        for client in behind:
            client.sync(epoch, seq)

    def subscribe(self, client: Client, resume: tuple[str, int] | None) -> None:
        """
        Open a dialog: send what it needs to be true now, and from now on every patch.

        Args:
            client: The connection.
            resume: The position up to which it knows the directory already, if any.
        """
        # All subscribers are at one position then, so one frame serves all. A second subscribe gets only what
        # it asked for: a patch before that would take the client past the position from which it goes on.
        self.unsubscribe(client)
        self.flush()
        self.subscribers[client] = None
        self._asked.add(client)
        client.behind = resume if resume is not None else NOWHERE
        if not client.is_slow:
            self._catch_up(client)

    def unsubscribe(self, client: Client) -> None:
        """Close a dialog."""
        self.subscribers.pop(client, None)
        self._asked.discard(client)
        self._unsent.pop(client, None)
        client.behind = None

    def switch(
        self,
        client: Client,
        command: DirectorySubscribe | DirectoryUnsubscribe | SessionWatch | SessionUnwatch,
    ) -> None:
        """Carry out a client's command about the pushes that it receives."""
        match command:
            case DirectorySubscribe(resume=resume):
                self.subscribe(client, (resume.epoch, resume.seq) if resume is not None else None)
            case DirectoryUnsubscribe():
                self.unsubscribe(client)
            case SessionWatch():
                self.watchers[client] = None
            case SessionUnwatch():
                self.watchers.pop(client, None)

    def send_missed(self, client: Client, missed: Iterable[SessionChanged]) -> None:
        """Send a client the changes of sessions that it missed, and charge it."""
        size_bytes = 0
        for push in missed:
            message = client.codec.encode(push)
            size_bytes += len(message)
            # Its welcome was later than they: it has its own sessions from there, and no others.
            client.deliver(*OF_NO_EPOCH, message)
        client.charge_directory(size_bytes)

    def directory_changed(self) -> None:
        """Open a window, if the subscribers do not know the directory as it is and none is open."""
        behind = self._told != (self.replica.epoch, self.replica.position)
        if behind and self.subscribers and not self._flush_scheduled:
            self._flush_scheduled = True
            self._schedule_flush()

    def flush(self) -> None:
        """Close the window: bring every subscriber to the replica's position."""
        self._flush_scheduled = False
        replica, told = self.replica, self._told
        self._told = (replica.epoch, replica.position)
        if told == self._told or not self.subscribers:
            return
        framed = self._patch_since(*told)
        ready: defaultdict[Codec, list[Socket]] = defaultdict(list)
        for client in self.subscribers:
            if client.is_slow:
                if client.behind is None:
                    client.behind = told
            elif framed is not None and client.behind is None:
                ready[client.codec].append(client.socket)
            else:
                client.behind = client.behind or told
                self._catch_up(client)
        if framed is not None:
            for codec, sockets in ready.items():
                self._broadcast(sockets, framed[codec])

    def drained(self, client: Client) -> None:
        """Send a client that was slow all that it missed, as one patch."""
        if client in self.subscribers:
            # All subscribers to one position first; this one joins them there, or right after.
            self.flush()
            if client.behind is not None:
                self._catch_up(client)

    def _catch_up(self, client: Client) -> None:
        """Send a client that is not slow what it is behind, and charge it if the client asked for it."""
        if not self._send_unsent(client):
            return
        position, client.behind = client.behind, None
        assert position is not None
        is_asked = client in self._asked
        self._asked.discard(client)
        framed = self._patch_since(*position)
        if framed is None:
            size_bytes = self._send_snapshot(client)
        elif is_asked or (self.replica.epoch, self.replica.position) != position:
            size_bytes = _send(client, framed)
        else:
            return
        if is_asked:
            client.charge_directory(size_bytes)

    def _send_snapshot(self, client: Client) -> int:
        """Send the snapshot that serves all and the patch that must follow; return the snapshot's bytes."""
        replica, framed, patch = self.replica, self._snapshot, None
        if framed is not None and (self._is_large or framed.snapshot.seq == replica.position):
            patch = self._patch_since(framed.snapshot.epoch, framed.snapshot.seq)
        if framed is None or patch is None:
            framed = self._snapshot = _FramedSnapshot(replica.snapshot(), self._frame)
        frames = framed[client.codec]
        self._unsent[client] = deque(frames)
        client.behind = (framed.snapshot.epoch, framed.snapshot.seq)
        self._catch_up(client)
        return sum(map(len, frames))

    def _send_unsent(self, client: Client) -> bool:
        """Send the rest of a snapshot as the socket takes it; return whether the client can take more."""
        unsent = self._unsent.get(client)
        if unsent is not None:
            while unsent and not client.is_slow:
                client.send_frame(unsent.popleft())
            if not unsent:
                del self._unsent[client]
        return not client.is_slow

    def _patch_since(self, epoch: str, seq: int) -> _Framed | None:
        """
        Return the patch from a position to the replica's, encoded once for all that are at this position.

        None where only a snapshot will do, and where more than a quarter of a large directory has changed: a
        snapshot is encoded once for all positions.
        """
        replica = self.replica
        if not epoch:
            return None
        if self._patches_to != (replica.epoch, replica.position):
            self._patches_to = (replica.epoch, replica.position)
            self._patches.clear()
        if (epoch, seq) not in self._patches:
            if len(self._patches) >= PATCHES_MAX:
                self._patches.clear()
            patch = replica.patch_since(epoch, seq)
            if patch is not None and self._is_large and _row_count(patch) * 4 > self._row_count:
                patch = None
            self._patches[epoch, seq] = _Framed(patch, self._frame) if patch is not None else None
        return self._patches[epoch, seq]

    @property
    def _row_count(self) -> int:
        return len(self.replica.agents) + len(self.replica.departments)

    @property
    def _is_large(self) -> bool:
        return self._row_count >= REUSED_ROWS_MIN


def _send(client: Client, framed: _Framed) -> int:
    """Send a message in the client's format, and return its size in bytes."""
    frame = framed[client.codec]
    client.send_frame(frame)
    return len(frame)


def _tell(clients: Iterable[Client], push: Push, epoch: str, seq: int) -> None:
    """Send what an event caused to several clients, encoded once per format."""
    encoded: dict[Codec, bytes] = {}
    for client in clients:
        codec = client.codec
        if codec not in encoded:
            encoded[codec] = codec.encode(push)
        client.deliver(epoch, seq, encoded[codec])


def _row_count(patch: DirectoryPatch) -> int:
    """Return how many rows a patch puts or removes."""
    changed = len(patch.agents) + len(patch.departments)
    return changed + len(patch.agents_removed) + len(patch.departments_removed)
