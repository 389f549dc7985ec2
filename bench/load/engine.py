"""
One process's connections: an epoll loop that opens them, writes prepared frames and hands on what arrives.

There is no framework below it, so that its own cost stays small beside that of the server.
"""

from __future__ import annotations

import errno
import select
import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Protocol

from bench.load.wire import CLOSE, PING, PONG, client_frame, split_frames, upgrade_request

RECEIVE_BYTES = 16 * 1024
EVENTS_MAX = 512
NEVER = float("inf")
_PONG = client_frame(b"", PONG)


@dataclass(frozen=True, slots=True)
class Step:
    """
    One exchange of an opening.

    Attributes:
        send: The frame to send; None to only wait.
        expect: Bytes in the payload of the frame that ends the step.
    """

    send: bytes | None
    expect: bytes


@dataclass(frozen=True, slots=True)
class Target:
    """
    Where to connect.

    Attributes:
        ports: The ports of the servers on the host, used round-robin.
        host: Their host.
        path: The resource of the websocket.
        subprotocol: The one to offer.
        heartbeat: The payload of the server's heartbeat message; None if it sends websocket pings.
        heartbeat_answer: The whole frame that answers it.
    """

    ports: tuple[int, ...]
    host: str = "127.0.0.1"
    path: str = "/ws"
    subprotocol: str | None = None
    heartbeat: bytes | None = None
    heartbeat_answer: bytes = b""


class Behaviour(Protocol):
    """What a group of connections does."""

    def received(self, peer: Peer, data: bytes) -> None:
        """Take bytes that have arrived; ``peer.rest`` is what was left over before."""

    def next_due(self) -> float:
        """Return when ``fire`` is to be called next, on the monotonic clock; NEVER if not."""

    def fire(self, now: float) -> None:
        """Do what is due."""


class Peer:
    """
    One connection.

    Args:
        index: Its agent's number.
        steps: What is exchanged before it counts as open.
        due_at: When it was to begin, on the monotonic clock.
    """

    __slots__ = ("behaviour", "due_at", "index", "rest", "socket", "steps", "unsent", "upgraded")
    socket: socket.socket

    def __init__(self, index: int, steps: Sequence[Step], due_at: float = 0.0) -> None:
        self.index = index
        self.due_at = due_at
        self.upgraded = False
        self.steps = list(steps)
        self.behaviour: Behaviour | None = None
        self.rest = b""
        self.unsent = b""


class OpeningError(Exception):
    """The server refused or closed a connection that the scenario needs."""


class Engine:
    """
    Hold the connections of this process.

    Args:
        source: The loopback address to connect from, so that each process has its own ports; None for any.
    """

    def __init__(self, source: str | None) -> None:
        self._source = source
        self._epoll = select.epoll()
        self._peers: dict[int, Peer] = {}
        self._opening: dict[int, Peer] = {}
        self._target = Target(())
        self.opened: list[tuple[Peer, float]] = []
        self.behaviours: list[Behaviour] = []
        self.last_step = b""
        self.heartbeat: bytes | None = None
        self.bytes_in = 0
        self.bytes_out = 0
        self.lost = 0
        self.close_reason = ""

    # Opening.

    def begin(self, target: Target, peer: Peer) -> None:
        """Start to open a connection; it is in ``opened`` when its steps are done."""
        self._target, self.heartbeat = target, target.heartbeat
        sock = peer.socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._source is not None and target.host.startswith("127."):
            sock.setsockopt(socket.IPPROTO_IP, getattr(socket, "IP_BIND_ADDRESS_NO_PORT", 24), 1)
            sock.bind((self._source, 0))
        port = target.ports[peer.index % len(target.ports)]
        code = sock.connect_ex((target.host, port))
        if code not in (0, errno.EINPROGRESS):
            raise OpeningError(f"cannot connect to {target.host}:{port}: {errno.errorcode[code]}")
        number = sock.fileno()
        peer.unsent = upgrade_request(f"{target.host}:{port}", target.path, target.subprotocol)
        self._opening[number] = self._peers[number] = peer
        self._epoll.register(number, select.EPOLLOUT | select.EPOLLRDHUP)

    def run_steps(self, peer: Peer, steps: Sequence[Step]) -> None:
        """Take further steps on an open connection; it is in ``opened`` again when they are done."""
        peer.steps = list(steps)
        self._opening[peer.socket.fileno()] = peer
        self._send_step(peer)

    @property
    def opening(self) -> int:
        """Return how many connections are not open yet."""
        return len(self._opening)

    def _advance(self, number: int, peer: Peer, events: int) -> None:
        """Take one step of opening a connection."""
        if events & select.EPOLLOUT and not events & (select.EPOLLERR | select.EPOLLHUP):
            unsent, peer.unsent = peer.unsent, b""
            self._epoll.modify(number, select.EPOLLIN | select.EPOLLRDHUP)
            self.send(peer, unsent)
            return
        data = self._receive(number, peer)
        if not data:
            return
        peer.rest += data
        if not peer.upgraded:
            head, found, after = peer.rest.partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                raise OpeningError(head.decode(errors="replace") + after.decode(errors="replace")[:200])
            peer.upgraded, peer.rest = True, after
            self._send_step(peer)
        frames, peer.rest = split_frames(peer.rest)
        for opcode, payload in frames:
            if opcode == PING:
                self.send(peer, _PONG)
            elif opcode == CLOSE:
                raise OpeningError(f"closed with {payload!r}")
            elif peer.steps and peer.steps[0].expect in payload:
                peer.steps.pop(0)
                self.last_step = payload
                self._send_step(peer)
            elif b'"error"' in payload or b"\xa5error" in payload:
                raise OpeningError(payload.decode(errors="replace"))
        if not peer.steps:
            del self._opening[number]
            self.opened.append((peer, monotonic()))

    def _send_step(self, peer: Peer) -> None:
        step = peer.steps[0] if peer.steps else None
        if step is not None and step.send is not None:
            self.send(peer, step.send)

    # Running.

    def send(self, peer: Peer, frame: bytes) -> None:
        """Write a finished frame; what the socket does not take follows when it can."""
        if peer.unsent:
            peer.unsent += frame
            return
        try:
            sent = peer.socket.send(frame)
        except BlockingIOError:
            sent = 0
        except OSError:
            return  # The loss is counted when the socket is read.
        self.bytes_out += sent
        if sent < len(frame):
            peer.unsent = frame[sent:]
            self._epoll.modify(peer.socket.fileno(), select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP)

    def control(self, peer: Peer, opcode: int, payload: bytes) -> None:
        """Answer what is not a message: a ping, a close, or the heartbeat of the target."""
        if opcode == PING:
            self.send(peer, client_frame(payload, PONG))
        elif opcode == CLOSE:
            self.close_reason = repr(payload)
        elif payload == self.heartbeat:
            self.send(peer, self._target.heartbeat_answer)

    def poll(self, timeout_s: float) -> None:
        """Wait at most that long, and handle what has arrived."""
        # select() counts in microseconds, epoll_wait() in whole milliseconds.
        if timeout_s > 0:
            select.select([self._epoll.fileno()], [], [], timeout_s)
        for number, events in self._epoll.poll(0, EVENTS_MAX):
            peer = self._peers.get(number)
            if peer is None:
                continue
            if number in self._opening:
                self._advance(number, peer, events)
                continue
            if events & select.EPOLLOUT:
                unsent, peer.unsent = peer.unsent, b""
                self._epoll.modify(number, select.EPOLLIN | select.EPOLLRDHUP)
                self.send(peer, unsent)
            if events & ~select.EPOLLOUT:
                data = self._receive(number, peer)
                if data and peer.behaviour is not None:
                    peer.behaviour.received(peer, data)
                elif data:
                    self._idle(peer, data)

    def run(self, until: float) -> None:
        """Poll until a time of the monotonic clock, and fire what the behaviours have due."""
        now = monotonic()
        while now < until:
            due = min((behaviour.next_due() for behaviour in self.behaviours), default=NEVER)
            self.poll(max(0.0, min(due, until) - now))
            now = monotonic()
            for behaviour in self.behaviours:
                if behaviour.next_due() <= now:
                    behaviour.fire(now)

    def drop(self, peers: Sequence[Peer], *, reset: bool) -> None:
        """
        End connections without a closing handshake.

        Args:
            peers: Which.
            reset: Whether as a broken network would, rather than with a FIN.
        """
        for peer in peers:
            if reset:
                peer.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._forget(peer.socket.fileno(), peer)

    def close(self) -> None:
        """Drop all connections."""
        self.drop(list(self._peers.values()), reset=True)
        self._epoll.close()

    def watch(self, number: int) -> None:
        """Have ``poll`` return also when this file can be read."""
        self._epoll.register(number, select.EPOLLIN)

    def _idle(self, peer: Peer, data: bytes) -> None:
        frames, peer.rest = split_frames(peer.rest + data)
        for opcode, payload in frames:
            self.control(peer, opcode, payload)

    def _receive(self, number: int, peer: Peer) -> bytes:
        try:
            data = peer.socket.recv(RECEIVE_BYTES)
        except BlockingIOError:
            return b""
        except OSError as error:
            self.close_reason = str(error)
            data = b""
        if not data:
            if number in self._opening:
                raise OpeningError(f"the server ended a connection: {self.close_reason or 'no reason'}")
            self.lost += 1
            self._forget(number, peer)
        self.bytes_in += len(data)
        return data

    def _forget(self, number: int, peer: Peer) -> None:
        if number >= 0 and self._peers.pop(number, None) is not None:
            self._opening.pop(number, None)
            peer.socket.close()
