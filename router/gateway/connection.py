"""
One client, from its hello to its end.

Messages go through `received` in the order in which they came; what needs the store or a token's check is a
task, and the store keeps the order of what one client asks. Everything that this client is told of others
comes from the hub.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from relevo.protocol.codec import Codec, InvalidMessage, UndecodableError
from relevo.protocol.commands import (
    Command,
    DirectorySubscribe,
    DirectoryUnsubscribe,
    Hello,
    Ping,
    SessionAck,
    SessionUnwatch,
    SessionWatch,
    TokenRefresh,
)
from relevo.protocol.errors import CloseCode, Error, ErrorCode
from relevo.protocol.pushes import Inbox, Pong, Reply, ServerDraining, TokenExpiring, Welcome
from relevo.protocol.results import Empty, Result, TokenResult
from relevo.router.auth.principal import Principal
from relevo.router.auth.tokens import KeysUnavailable, Unauthorized
from relevo.router.gateway.commands import ADMINS, AGENTS, RULES, CommandError, caller_of, execute, refused
from relevo.router.gateway.rate_limit import Throttled
from relevo.router.gateway.read_control import JOINING, LEAVING, Intake
from relevo.router.observe.incidents import incident
from relevo.router.store import records
from relevo.router.store.client.errors import StoreUnavailableError
from relevo.router.store.commands import Caller, CommandRejectedError
from relevo.router.store.records import addressee
from relevo.router.tenant.turns import Turn

if TYPE_CHECKING:
    from relevo.router.node import Node
    from relevo.router.tenant.fanout import Addressee, TenantHub
    from relevo.router.transport.interface import Socket

log = structlog.get_logger(__name__)


class State(Enum):
    """Where a connection is in its life."""

    NEW = "new"
    JOINING = "joining"
    OPEN = "open"
    CLOSED = "closed"


class Connection:
    """
    The endpoint of one websocket.

    Args:
        node: The process it is connected to.
        socket: Its websocket.
        connection_id: Its name in the store, unique on this node.
    """

    __slots__ = (
        "_backlog",
        "_caller",
        "_ended",
        "_hub",
        "_intake",
        "_leaving",
        "_node",
        "_principal",
        "_socket",
        "_state",
        "_timer",
        "behind",
        "codec",
        "connection_id",
        "corrected",
        "is_slow",
    )

    def __init__(self, node: Node, socket: Socket, connection_id: str) -> None:
        self.connection_id = connection_id
        self.codec: Codec = socket.codec
        self.is_slow = False
        self.behind: tuple[str, int] | None = None
        self._node = node
        self._socket = socket
        self._state = State.NEW
        self._ended = False  # The close was sent, or the websocket is gone.
        self._principal: Principal | None = None
        self._caller: Caller | None = None
        self._hub: TenantHub | None = None
        self._intake = Intake(socket, node.rates.connection(), node.settings.in_flight_max)
        self._leaving = False  # It is sent away as soon as nothing of it is in flight.
        self._backlog: list[tuple[str, int, bytes]] | None = None  # To be told after the welcome.
        # The event up to which this client was told everything in another way.
        self.corrected = ("", 0)
        self._timer: asyncio.TimerHandle | None = node.call_later(
            node.settings.hello_timeout_ms, self._no_hello
        )

    # What the websocket tells -----------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """Take one message of the client, which may be a batch."""
        try:
            items = self.codec.decode(data)
        except UndecodableError as error:
            self._end(CloseCode.UNDECODABLE, str(error))
            return
        now_s, allowance = self._node.now_s(), self._intake.allowance
        for item in items:
            if self._ended:
                return  # What a batch holds behind the cause of a close is not looked at.
            if (throttled := allowance.take(now_s)) is not None:
                self._throttle(item, throttled)
            elif self._state is State.NEW:
                self._first(item)
            elif self._intake.admits(item):
                self._take(item)
        if allowance.rest_s:
            self._intake.rest(self._node.call_later)

    def slow(self) -> None:
        """Hear that the client does not keep up."""
        self.is_slow = True

    def drained(self) -> None:
        """Hear that the client has caught up."""
        self.is_slow = False
        if self._hub is not None:
            self._hub.drained(self)

    def lost(self, code: int, by_peer: bool) -> None:
        """Hear that the websocket is gone."""
        was, self._state = self._state, State.CLOSED
        self._ended = True
        self._stop_timer()
        self._intake.end()
        principal, hub = self._principal, self._hub
        if hub is not None and principal is not None:
            hub.detach(addressee(principal.role, principal.sub), self)
        self._node.forget(self, code, by_peer)
        if was is State.OPEN and principal is not None and principal.role != "service":
            is_goodbye = by_peer and code == 1000
            self._node.spawn(
                self._node.disconnect(principal.tenant, principal.sub, self.connection_id, is_goodbye)
            )

    # What the hub tells -----------------------------------------------------------------------------------

    def deliver(self, epoch: str, seq: int, message: bytes) -> None:
        """Send a message that an event caused, unless this client knows already what the event did."""
        if self._backlog is not None:
            self._backlog.append((epoch, seq, message))
        elif epoch != self.corrected[0] or seq > self.corrected[1]:
            self._socket.send(message)

    def send_frame(self, frame: bytes) -> None:
        """Send a frame that is shared with others."""
        self._socket.send_frame(frame)

    def close(self, code: CloseCode) -> None:
        """Close the connection for one of the protocol's reasons."""
        self._end(code, code.meaning)

    def correct(self, epoch: str, seq: int) -> None:
        """Ignore events up to this one; the connection is registered in this epoch."""
        self.corrected = (epoch, seq)
        if self._caller is not None:
            self._caller = msgspec.structs.replace(self._caller, epoch=epoch)

    @property
    def is_registered(self) -> bool:
        """Whether the store counts it: back ends have no presence."""
        return self._state is State.OPEN and self._principal is not None and self._principal.role != "service"

    def claims_again(self) -> Caller | None:
        """Return with what to register this connection once more; None if it is not registered."""
        if self._principal is None or not self.is_registered:
            return None
        return msgspec.structs.replace(caller_of(self._principal, attached=False), again=True)

    def drain(self, reconnect_in_ms: int) -> None:
        """Tell the client to leave, and close the connection when it is to come back elsewhere."""
        if self._state is State.OPEN:
            self._socket.send(self.codec.encode(ServerDraining(reconnect_in_ms=reconnect_in_ms)))
        self._stop_timer()
        self._timer = self._node.call_later(reconnect_in_ms, self._drained_away)

    # Hello ------------------------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """Where it comes from, as far as is known."""
        return self._socket.remote

    @property
    def principal(self) -> Principal | None:
        """Who it is, once its token was accepted."""
        return self._principal

    def _first(self, item: Command | InvalidMessage) -> None:
        self._stop_timer()
        if isinstance(item, InvalidMessage):
            self._refuse(item)
            self._end(CloseCode.UNDECODABLE, "the first message is not a valid hello")
        elif not isinstance(item, Hello):
            self._end(CloseCode.UNDECODABLE, "the first message is not hello")
        else:
            self._state = State.JOINING
            self._intake.hold(JOINING)
            self._node.spawn(self._join(item))

    async def _join(self, hello: Hello) -> None:
        """Check the token, register the connection and say welcome."""
        try:
            principal = await self._node.verifier.verify(hello.token)
            if self._is_closed():
                return
            self._principal = principal
            self._intake.join(self._node.crowd(principal.tenant), self._take)
            self._intake.allowance.share(self._node.rates.shared(principal, self._node.now_s()))
            if principal.role == "service":
                await self._join_back_end(hello, principal)
            else:
                async with Turn(self._node.arrivals(principal.tenant)):
                    await self._join_agent(hello, principal)
        except Unauthorized as error:
            self._refuse_hello(hello, Error.of(ErrorCode.UNAUTHORIZED, str(error)), CloseCode.UNAUTHORIZED)
        except CommandRejectedError as refusal:
            why = Error.of(ErrorCode(refusal.code), None, **refusal.details)
            is_rate = why.code is ErrorCode.RATE_LIMITED
            self._refuse_hello(hello, why, CloseCode.RATE_LIMITED if is_rate else CloseCode.REMOVED)
        except (StoreUnavailableError, KeysUnavailable, TimeoutError) as error:
            details = {"reason": str(error) or "the directory could not be read in time"}
            self._refuse_hello(hello, Error.of(ErrorCode.UNAVAILABLE, None, **details), CloseCode.STORE_LOST)
        except Exception as error:
            number = incident(log, "hello failed", error)
            self._refuse_hello(
                hello, Error.of(ErrorCode.INTERNAL, None, incident=number), CloseCode.STORE_LOST
            )

    async def _join_back_end(self, hello: Hello, principal: Principal) -> None:
        """Listen for what becomes of its transfers; a back end has no presence to be registered."""
        if await self._listen(principal) is not None:
            self._caller = caller_of(principal, attached=True)
            self._welcome(hello, principal, None, Inbox())

    async def _join_agent(self, hello: Hello, principal: Principal) -> None:
        # The feed first: an event between registering and listening would reach nobody.
        local = await self._listen(principal)
        hub = self._hub
        if local is None or hub is None:
            return
        try:
            attached = await self._node.attach(
                principal.tenant, caller_of(principal, attached=False), self.connection_id
            )
        except BaseException:
            hub.detach(principal.sub, self)
            self._hub = None
            raise
        if self._is_closed():
            # It left while it was being registered.
            await self._node.disconnect(principal.tenant, principal.sub, self.connection_id, clean=False)
            return
        in_progress = [records.session(packed) for packed in attached.in_progress]
        pending = [records.session(packed) for packed in attached.pending]
        if not local.held.is_known:
            local.held.begin(attached.epoch, attached.seq, in_progress, pending)
        self._caller = caller_of(principal, attached=True)
        self.correct(attached.epoch, attached.seq)
        self._welcome(hello, principal, attached, Inbox(in_progress=in_progress, pending=pending))

    async def _listen(self, principal: Principal) -> Addressee | None:
        """Keep from now on what the feed has for this client; return None if it left meanwhile."""
        hub = await self._node.serve(principal.tenant)
        if self._is_closed():
            return None
        self._hub = hub
        self._backlog = []
        return hub.attach(addressee(principal.role, principal.sub), self)

    def _welcome(
        self, hello: Hello, principal: Principal, attached: records.Attached | None, inbox: Inbox
    ) -> None:
        if self._is_closed():
            return
        self._state = State.OPEN
        welcome = Welcome(
            id=hello.id,
            connection_id=self.connection_id,
            tenant=principal.tenant,
            role=principal.role,
            agent=records.agent(attached.agent) if attached is not None else None,
            expires_at=principal.expires_at,
            server_at=self._node.clock.now_ms(),
            ping_interval_ms=self._node.settings.ping_interval_ms,
            inbox=inbox,
        )
        self._socket.send(self.codec.encode(welcome))
        backlog, self._backlog = self._backlog, None
        for epoch, seq, message in backlog or ():
            # Of an epoch that ended while this client was being registered, nothing is true any more.
            if attached is None or epoch == attached.epoch:
                self.deliver(epoch, seq, message)
        self._expect_expiry(principal)
        self._node.joined(self)
        self._intake.go_on()
        self._intake.resume(JOINING)

    def _refuse_hello(self, hello: Hello, error: Error, code: CloseCode) -> None:
        if not self._is_closed():
            self._socket.send(self.codec.encode(Reply(id=hello.id, error=error)))
            self._end(code, code.meaning)

    def _no_hello(self) -> None:
        self._end(CloseCode.NO_HELLO, CloseCode.NO_HELLO.meaning)

    # Commands ---------------------------------------------------------------------------------------------

    def _take(self, item: Command | InvalidMessage) -> None:
        match item:
            case InvalidMessage():
                self._refuse(item)
            case SessionAck():
                self._begin(self._acknowledge(item))
            case _ if type(item) in RULES:  # Before the rest, since most are of these.
                self._begin(self._execute(item))
            case Ping():
                self._socket.send(self.codec.encode(Pong(id=item.id)))
            case Hello():
                self._refuse(InvalidMessage(item.id, "$.type", "Expected no second hello on one connection"))
            case DirectorySubscribe() | DirectoryUnsubscribe() | SessionWatch() | SessionUnwatch():
                self._switch(item)
            case TokenRefresh():
                self._begin(self._refresh(item))

    def _switch(
        self, command: DirectorySubscribe | DirectoryUnsubscribe | SessionWatch | SessionUnwatch
    ) -> None:
        """Carry out what concerns only what this connection is told."""
        principal, hub = self._principal, self._hub
        watching = isinstance(command, SessionWatch | SessionUnwatch)
        if principal is None or hub is None or principal.role not in (ADMINS if watching else AGENTS):
            self._answer(command.id, Error.of(ErrorCode.FORBIDDEN))
            return
        self._answer(command.id, Empty())
        match command:
            case DirectorySubscribe(resume=resume):
                hub.subscribe(self, (resume.epoch, resume.seq) if resume is not None else None)
            case DirectoryUnsubscribe():
                hub.unsubscribe(self)
            case SessionWatch():
                hub.watchers[self] = None
            case SessionUnwatch():
                hub.watchers.pop(self, None)

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._intake.begun()
        self._node.spawn(work)

    def _finished(self) -> None:
        self._intake.finished()
        if self._leaving:
            self._drained_away()

    async def _execute(self, command: Command) -> None:
        assert self._principal is not None
        assert self._caller is not None
        answer: Result | Error
        try:
            answer = await execute(self._node.verbs, self._principal, self._caller, command)
        except CommandError as refusal:
            answer = refusal.error
        except Exception as error:
            # The store has decided or it has not; the client finds out by sending the command again with its
            # key.
            answer = Error.of(ErrorCode.INTERNAL, None, incident=incident(log, "command failed", error))
        outcome = answer.code.value if isinstance(answer, Error) else "done"
        self._node.commands[type(command), outcome] += 1
        self._answer(command.id, answer)
        self._finished()

    async def _acknowledge(self, command: SessionAck) -> None:
        assert self._principal is not None
        assert self._caller is not None
        try:
            await execute(self._node.verbs, self._principal, self._caller, command)
        except CommandError as refusal:
            # It has no reply, and nothing depends on it but the word "delivered" on the sender's screen.
            log.info("acknowledgement not taken", code=refusal.error.code)
        self._finished()

    async def _refresh(self, command: TokenRefresh) -> None:
        principal = self._principal
        assert principal is not None
        answer: Result | Error
        try:
            fresh = await self._node.verifier.verify(command.token)
            if (fresh.tenant, fresh.sub, fresh.role) != (principal.tenant, principal.sub, principal.role):
                raise refused(ErrorCode.UNAUTHORIZED, "the token is for another tenant, subject or role")
        except Unauthorized as error:
            answer = Error.of(ErrorCode.UNAUTHORIZED, str(error))
        except KeysUnavailable as error:
            answer = Error.of(ErrorCode.UNAVAILABLE, None, reason=str(error))
        except CommandError as refusal:
            answer = refusal.error
        else:
            self._principal = fresh
            self._expect_expiry(fresh)
            answer = TokenResult(fresh.expires_at)
        self._answer(command.id, answer)
        self._finished()

    def _answer(self, command_id: str | None, answer: Result | Error) -> None:
        if self._state is State.OPEN:
            reply = (
                Reply(id=command_id, error=answer)
                if isinstance(answer, Error)
                else Reply(id=command_id, result=answer)
            )
            self._socket.send(self.codec.encode(reply))

    def _throttle(self, item: Command | InvalidMessage, throttled: Throttled) -> None:
        self._node.throttled[throttled.limit] += 1
        if self._intake.allowance.is_abused:
            self._end(CloseCode.RATE_LIMITED, CloseCode.RATE_LIMITED.meaning)
        elif not isinstance(item, SessionAck):
            error = Error.of(ErrorCode.RATE_LIMITED, None, **throttled._asdict())
            self._socket.send(self.codec.encode(Reply(id=item.id, error=error)))

    def _refuse(self, item: InvalidMessage) -> None:
        error = Error.of(ErrorCode.BAD_MESSAGE, item.message, path=item.path)
        self._socket.send(self.codec.encode(Reply(id=item.id, error=error)))

    # Time -------------------------------------------------------------------------------------------------

    def _expect_expiry(self, principal: Principal) -> None:
        if self._node.draining:
            # The one timer is to send this client away, and a new token must not stop it.
            return
        self._stop_timer()
        warned_at = principal.expires_at - self._node.settings.token_expiring_ms
        self._timer = self._node.call_at(warned_at, self._expiring)

    def _expiring(self) -> None:
        principal = self._principal
        if self._state is not State.OPEN or principal is None:
            return
        self._socket.send(self.codec.encode(TokenExpiring(expires_at=principal.expires_at)))
        self._timer = self._node.call_at(principal.expires_at, self._expired)

    def _expired(self) -> None:
        self._end(CloseCode.TOKEN_EXPIRED, CloseCode.TOKEN_EXPIRED.meaning)

    def _drained_away(self) -> None:
        """Send the client away once what it has asked is answered, which the store's time-out bounds."""
        self._leaving = True
        if self._intake.in_flight:
            self._intake.pause(LEAVING)
        else:
            self._end(CloseCode.DRAINING, CloseCode.DRAINING.meaning)

    # Ends -------------------------------------------------------------------------------------------------

    def _end(self, code: CloseCode, reason: str) -> None:
        if not self._ended:
            self._ended = True
            self._stop_timer()
            self._intake.end()
            self._socket.close(code, reason)

    def _is_closed(self) -> bool:
        # A call, because the state changes while this client's tasks wait.
        return self._state is State.CLOSED

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
