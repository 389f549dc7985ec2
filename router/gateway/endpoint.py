"""The shell around a `Connection`: carry its effects out, on a socket, a store and a loop."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import msgspec
import structlog

from relevo.protocol.commands import Command, SessionWatch
from relevo.protocol.errors import CloseCode, Error, ErrorCode
from relevo.protocol.objects import AgentRole
from relevo.protocol.pushes import Inbox, SessionChanged
from relevo.protocol.results import Result, WatchResult
from relevo.router.auth.principal import Principal
from relevo.router.auth.tokens import KeysUnavailableError, UnauthorizedError, Verifier
from relevo.router.config import Settings
from relevo.router.gateway.commands import CommandError, begin, caller_of, finish
from relevo.router.gateway.connection import Connection
from relevo.router.gateway.counts import GatewayCounts
from relevo.router.gateway.effects import (
    AwaitSlot,
    Close,
    CountThrottled,
    Disconnect,
    Effect,
    Execute,
    Join,
    PauseReading,
    RefreshToken,
    RestReading,
    ResumeReading,
    ResumeWatch,
    Send,
    SetTimer,
    StopTimer,
    Subscribe,
    Timer,
)
from relevo.router.gateway.rate_limit import Rates, hello_wait_s
from relevo.router.gateway.sign_ins import SignIns
from relevo.router.observe.incidents import incident
from relevo.router.observe.tasks import BackgroundTasks
from relevo.router.store import answers
from relevo.router.store.client.errors import StoreDefectError, StoreUnavailableError
from relevo.router.store.clock import Clock
from relevo.router.store.commands import Caller, CommandRejectedError, StoreCommands
from relevo.router.store.records import addressee
from relevo.router.tenant.fanout import Addressee, TenantHub
from relevo.router.tenant.in_flight import InFlightLimiter, InFlightLimiters
from relevo.router.tenant.missed import read_missed
from relevo.router.tenant.registration import Registration
from relevo.router.tenant.registry import TenantRegistry
from relevo.router.transport.interface import Socket

log = structlog.get_logger(__name__)


class Owner(Protocol):
    """What keeps the endpoints of a node."""

    @property
    def leave_in_ms(self) -> int | None:
        """When a client that is welcomed now is to leave, if the node drains."""

    def lost(self, endpoint: ClientEndpoint, code: int, by_peer: bool) -> None:
        """Take note that an endpoint's websocket is gone (see `transport.interface.Endpoint.lost`)."""


@dataclass(slots=True)
class Services:
    """The parts of a node that its endpoints use."""

    settings: Settings
    clock: Clock
    verifier: Verifier
    store_commands: StoreCommands
    registry: TenantRegistry
    registration: Registration
    limiters: InFlightLimiters
    rates: Rates
    counts: GatewayCounts
    sign_ins: SignIns
    tasks: BackgroundTasks


class ClientEndpoint:
    """
    One client: an endpoint of the transport, and a client of its tenant.

    Args:
        services: The node's parts.
        owner: Keeps this endpoint.
        socket: Its websocket.
        connection_id: Its name in the store, unique on this node; it begins with the time.
    """

    __slots__ = (
        "_caller",
        "_connection",
        "_hub",
        "_limiter",
        "_loop",
        "_owner",
        "_services",
        "_timer",
        "behind",
        "codec",
        "is_slow",
        "socket",
    )

    def __init__(self, services: Services, owner: Owner, socket: Socket, connection_id: str) -> None:
        self.codec = socket.codec
        self.is_slow = False
        self.behind: tuple[str, int] | None = None
        self._services = services
        self._owner = owner
        self.socket = socket
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._caller: Caller | None = None  # As store commands name it, once it is welcomed.
        self._hub: TenantHub | None = None  # Once it receives pushes.
        self._limiter: InFlightLimiter | None = None
        self._connection = Connection(
            connection_id, socket.codec, services.settings, services.rates.connection()
        )
        self._carry_out()

    # The transport's endpoint -----------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """Take one message of the client, which may be a batch."""
        self._connection.received(data, self._loop.time())
        self._carry_out()

    def slow(self) -> None:
        """Put patches off: the client does not keep up."""
        self.is_slow = True

    def drained(self) -> None:
        """Send the patches that were put off: the client has caught up."""
        self.is_slow = False
        if self._hub is not None:
            self._hub.drained(self)

    def lost(self, code: int, by_peer: bool) -> None:
        """End: the websocket is gone."""
        self._connection.lost(code, by_peer)
        self._detach()
        self._owner.lost(self, code, by_peer)
        self._carry_out()

    # The tenant's client ----------------------------------------------------------------------------------

    @property
    def connection_id(self) -> str:
        """Its name in the store."""
        return self._connection.connection_id

    @property
    def is_registered(self) -> bool:
        """Whether the store counts it."""
        return self._connection.is_registered

    @property
    def synced_to(self) -> tuple[str, int]:
        """The event (epoch, seq) up to which the client has everything."""
        return self._connection.synced_to

    def deliver(self, epoch: str, seq: int, message: bytes) -> None:
        """Send an encoded message that an event caused."""
        if self._connection.takes_push(epoch, seq, message):
            self.socket.send(message)

    def send_frame(self, frame: bytes) -> None:
        """Send a frame that is shared with other clients."""
        self.socket.send_frame(frame)

    def charge_directory(self, size_bytes: int) -> None:
        """Charge what the client was sent because it subscribed to the directory to its rate limit."""
        self._connection.charge_directory(size_bytes)

    def close(self, code: CloseCode) -> None:
        """Close the connection for one of the protocol's reasons."""
        self._connection.close(code)
        self._carry_out()

    def sync(self, epoch: str, seq: int) -> None:
        """Take note that the client has everything up to an event, and is registered in its epoch."""
        self._connection.sync(epoch, seq)
        if self._caller is not None:
            self._caller = msgspec.structs.replace(self._caller, epoch=epoch)

    def take_role(self, role: AgentRole) -> bool:
        """Take over the role that its agent has in the directory; return whether it is another one."""
        return self._connection.take_role(role)

    def claims_again(self) -> Caller | None:
        """Return with what to register this connection once more; None if it is not registered."""
        principal = self._connection.principal
        if principal is None or not self.is_registered:
            return None
        return msgspec.structs.replace(caller_of(principal, attached=False), again=True)

    # The owner's connection -------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """The address that the websocket comes from."""
        return self.socket.remote

    @property
    def principal(self) -> Principal | None:
        """The subject of its token, once that is verified."""
        return self._connection.principal

    def drain(self, leave_in_ms: int) -> None:
        """Announce the end of this node's service, and close the connection after that time."""
        self._connection.drain(leave_in_ms)
        self._carry_out()

    # Effects ----------------------------------------------------------------------------------------------

    def _carry_out(self) -> None:
        # One by one, because an effect may call back here: what that adds comes after what is left.
        effects = self._connection.effects
        while effects:
            effect = effects.pop(0)
            _CARRY_OUT[type(effect)](self, effect)

    def _send(self, effect: Send) -> None:
        self.socket.send(effect.message)

    def _close(self, effect: Close) -> None:
        self.socket.close(effect.code, effect.reason)

    def _pause_reading(self, _: PauseReading) -> None:
        self.socket.pause_reading()

    def _resume_reading(self, _: ResumeReading) -> None:
        self.socket.resume_reading()

    def _rest_reading(self, effect: RestReading) -> None:
        self._loop.call_later(effect.delay_ms / 1000, self._rested)

    def _rested(self) -> None:
        self._connection.rested()
        self._carry_out()

    def _await_slot(self, _: AwaitSlot) -> None:
        assert self._limiter is not None
        self._limiter.wait(self._slot_free)

    def _slot_free(self) -> None:
        self._connection.slot_free()
        self._carry_out()

    def _set_timer(self, effect: SetTimer) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_later(effect.delay_ms / 1000, self._timer_fired, effect.timer)

    def _stop_timer(self, _: StopTimer) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _timer_fired(self, timer: Timer) -> None:
        self._connection.timer_fired(timer, self._services.clock.now_ms())
        self._carry_out()

    def _count_throttled(self, effect: CountThrottled) -> None:
        self._services.counts.throttled[effect.limit] += 1

    def _subscribe(self, effect: Subscribe) -> None:
        if self._hub is not None:
            self._hub.switch(self, effect.command)

    def _start_resume(self, effect: ResumeWatch) -> None:
        self._services.tasks.spawn(self._resume(effect.command))

    async def _resume(self, command: SessionWatch) -> None:
        hub, principal, resume = self._hub, self._connection.principal, command.resume
        if hub is None or principal is None or resume is None:
            return
        answer: Result | Error
        missed: list[SessionChanged] = []
        try:
            found = await read_missed(
                self._services.store_commands, principal.tenant, hub.replica, (resume.epoch, resume.seq)
            )
        except StoreUnavailableError as error:
            answer = Error.of(ErrorCode.UNAVAILABLE, None, reason=str(error))
        except Exception as error:
            answer = _defect("watch failed", error)
        else:
            answer = WatchResult(True) if found is not None else WatchResult()
            missed = found or []
        # It may have ended, or be no admin any more.
        if not isinstance(answer, Error) and self._hub is not None:
            if self._connection.principal is not None and self._connection.principal.role == "agent":
                answer, missed = Error.of(ErrorCode.FORBIDDEN), []
            else:
                hub.watchers[self] = None
        self._answer(command, answer)
        if self._hub is not None:
            hub.send_missed(self, missed)

    def _start_execute(self, effect: Execute) -> None:
        command, principal, caller = effect.command, self._connection.principal, self._caller
        assert principal is not None
        assert caller is not None
        try:
            replied = begin(self._services.store_commands, principal, caller, command)
        except CommandError as rejected:
            # Not at once: it may let another connection's command start, whose answer lets another one start.
            self._loop.call_soon(self._answer, command, rejected.error)
        except Exception as error:
            self._loop.call_soon(self._answer, command, _defect("command failed", error))
        else:
            # A callback, because a task for each command would cost as much as encoding its reply.
            replied.add_done_callback(partial(self._executed, principal.tenant, command))

    def _executed(self, tenant: str, command: Command, replied: asyncio.Future[Any]) -> None:
        answer: Result | Error
        try:
            answer = finish(self._services.store_commands, tenant, command, replied)
        except CommandError as rejected:
            answer = rejected.error
        except Exception as error:
            # Whether the store applied it, the client finds out by sending the command again with its key.
            answer = _defect("command failed", error)
        self._answer(command, answer)

    def _answer(self, command: Command, answer: Result | Error) -> None:
        self._services.counts.answered(type(command), answer)
        self._connection.answered(command, answer)
        self._carry_out()

    def _start_refresh(self, effect: RefreshToken) -> None:
        self._services.tasks.spawn(self._refresh(effect))

    def _start_join(self, effect: Join) -> None:
        self._services.tasks.spawn(self._join(effect))

    def _start_disconnect(self, effect: Disconnect) -> None:
        self._services.tasks.spawn(self._disconnect(clean=effect.clean))

    async def _refresh(self, effect: RefreshToken) -> None:
        answer: Principal | Error
        wait_s = self._services.sign_ins.wait_s(self.address, self._loop.time())
        if wait_s > 0:
            wait = {"limit": "address", "retry_in_ms": math.ceil(wait_s * 1000)}
            answer = Error.of(ErrorCode.RATE_LIMITED, None, **wait)
        else:
            answer = await self._verify_again(effect.command.token)
        if isinstance(answer, Principal):
            answer = await self._take_claims(answer)
        self._connection.refreshed(effect.command, answer, self._services.clock.now_ms())
        self._carry_out()

    async def _verify_again(self, token: str) -> Principal | Error:
        try:
            return await self._services.verifier.verify(token)
        except UnauthorizedError as error:
            self._services.sign_ins.refuse(self.address, error.cause, self._loop.time())
            return Error.of(ErrorCode.UNAUTHORIZED, str(error))
        except KeysUnavailableError as error:
            return Error.of(ErrorCode.UNAVAILABLE, None, reason=str(error))
        except Exception as error:
            return _defect("token refresh failed", error)

    async def _take_claims(self, principal: Principal) -> Principal | Error:
        """Let a new token's claims count as a hello's do; return the subject as the directory has it."""
        known = self._connection.principal
        assert known is not None
        is_same = (principal.tenant, principal.sub) == (known.tenant, known.sub)
        if not is_same or (principal.role == "service") != (known.role == "service"):
            text = "the token is for another tenant or subject, or for a back end in place of an agent"
            return Error.of(ErrorCode.UNAUTHORIZED, text)
        if principal.role == "service":
            return principal
        try:
            reply = await self._services.store_commands.refresh_token(
                principal.tenant, caller_of(principal, attached=False)
            )
        except CommandRejectedError as refusal:
            return Error.of(ErrorCode(refusal.code), None, **refusal.details)
        except StoreUnavailableError as error:
            return Error.of(ErrorCode.UNAVAILABLE, None, reason=str(error))
        except StoreDefectError as error:
            return Error.of(ErrorCode.INTERNAL, None, incident=incident(log, "token refresh failed", error))
        return msgspec.structs.replace(principal, role=answers.agent(reply.agent).role)

    async def _disconnect(self, *, clean: bool) -> None:
        principal = self._connection.principal
        assert principal is not None
        await self._services.registration.disconnect(
            principal.tenant, principal.sub, self.connection_id, clean=clean
        )

    # The hello --------------------------------------------------------------------------------------------

    async def _join(self, effect: Join) -> None:
        """Verify the token, register the connection, and welcome or reject the client."""
        services = self._services
        try:
            principal = await services.verifier.verify(effect.hello.token)
            limiter = services.limiters.commands(principal.tenant)
            buckets = services.rates.shared(principal, self._loop.time())
            # Before the connection has its subject, so that its end meanwhile leaves nothing behind.
            if (wait_s := hello_wait_s(buckets, self._loop.time())) > 0:
                await asyncio.sleep(wait_s)
            if not self._connection.verified(principal, limiter, buckets):
                return
            self._limiter = limiter
            services.registry.enter(principal.tenant, self.connection_id)
            if principal.role == "service":
                await self._join_back_end(principal)
            else:
                async with services.limiters.hellos(principal.tenant).slot():
                    await self._join_agent(principal)
        except UnauthorizedError as error:
            services.sign_ins.refuse(self.address, error.cause, self._loop.time())
            self._reject(Error.of(ErrorCode.UNAUTHORIZED, str(error)), CloseCode.UNAUTHORIZED)
        except CommandRejectedError as refusal:
            why = Error.of(ErrorCode(refusal.code), None, **refusal.details)
            self._reject(why, CloseCode.REMOVED)
        except (StoreUnavailableError, KeysUnavailableError, TimeoutError) as error:
            reason = str(error) or "the directory could not be read in time"
            self._reject(Error.of(ErrorCode.UNAVAILABLE, None, reason=reason), CloseCode.STORE_LOST)
        except Exception as error:
            self._reject(_defect("hello failed", error), CloseCode.STORE_LOST)

    async def _join_back_end(self, principal: Principal) -> None:
        """Receive what becomes of its transfers; a back end has no presence to be registered."""
        if await self._listen(principal) is not None:
            self._caller = caller_of(principal, attached=True)
            self._welcome()

    async def _join_agent(self, principal: Principal) -> None:
        # The feed first: an event between registration and subscription would reach none of its connections.
        local = await self._listen(principal)
        if local is None:
            return
        try:
            attached = await self._services.registration.register(
                principal.tenant,
                caller_of(principal, attached=False),
                self.connection_id,
                [client.connection_id for client in local.clients if client.socket.is_silent],
            )
        except BaseException:
            self._detach()
            raise
        in_progress = [answers.session(packed) for packed in attached.in_progress]
        pending = [answers.session(packed) for packed in attached.pending]
        if not self._connection.has_ended() and not local.sessions.is_known:
            local.sessions.begin(attached.epoch, attached.seq, in_progress, pending)
        self._caller = msgspec.structs.replace(caller_of(principal, attached=True), epoch=attached.epoch)
        agent = answers.agent(attached.agent)
        self.take_role(agent.role)
        was_welcomed = self._welcome(
            agent=agent,
            inbox=Inbox(in_progress=in_progress, pending=pending),
            synced_to=(attached.epoch, attached.seq),
        )
        if not was_welcomed:
            # It ended while it was being registered.
            await self._disconnect(clean=False)

    async def _listen(self, principal: Principal) -> Addressee | None:
        """Receive from now on the pushes for this client; return None if it ended meanwhile."""
        if self._connection.has_ended():
            return None
        hub = await self._services.registry.serve(principal.tenant)
        if self._connection.has_ended():
            return None
        self._hub = hub
        return hub.attach(addressee(principal.role, principal.sub), self)

    def _welcome(self, **content: Any) -> bool:
        was_welcomed = self._connection.welcome(
            self._services.clock.now_ms(), leave_in_ms=self._owner.leave_in_ms, **content
        )
        self._services.counts.hellos += was_welcomed
        self._carry_out()
        return was_welcomed

    def _reject(self, error: Error, code: CloseCode) -> None:
        self._connection.reject(error, code)
        self._carry_out()

    def _detach(self) -> None:
        principal = self._connection.principal
        if self._hub is not None and principal is not None:
            self._hub.detach(addressee(principal.role, principal.sub), self)
            self._hub = None


def _defect(event: str, error: Exception) -> Error:
    """Log a defect, and return the answer that has its number."""
    return Error.of(ErrorCode.INTERNAL, None, incident=incident(log, event, error))


_CARRY_OUT: Mapping[type[Effect], Callable[[ClientEndpoint, Any], None]] = {
    Send: ClientEndpoint._send,
    Execute: ClientEndpoint._start_execute,
    PauseReading: ClientEndpoint._pause_reading,
    ResumeReading: ClientEndpoint._resume_reading,
    RestReading: ClientEndpoint._rest_reading,
    AwaitSlot: ClientEndpoint._await_slot,
    SetTimer: ClientEndpoint._set_timer,
    StopTimer: ClientEndpoint._stop_timer,
    CountThrottled: ClientEndpoint._count_throttled,
    Subscribe: ClientEndpoint._subscribe,
    ResumeWatch: ClientEndpoint._start_resume,
    Join: ClientEndpoint._start_join,
    RefreshToken: ClientEndpoint._start_refresh,
    Disconnect: ClientEndpoint._start_disconnect,
    Close: ClientEndpoint._close,
}
