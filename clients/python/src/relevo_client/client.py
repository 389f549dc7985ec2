"""The websocket client: a thin shell that moves messages between a socket and the core."""

from __future__ import annotations

import asyncio
import inspect
import random
import ssl as tls
import uuid
import weakref
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, Literal, Self, TypeVar

from .async_resources import AsyncCommands, AsyncSessions
from .backoff import Backoff
from .codec import CODECS, MESSAGE_BYTES_MAX, DecodeError, Format
from .concurrency import ConcurrencyLimit
from .connection import (
    Connection,
    ConnectionLostError,
    ConnectionSettings,
    UnreachableError,
    check_url,
    open_connection,
)
from .core import RECONNECT, RETRY, Core, CoreSettings, logger
from .decode import InvalidDataError
from .directory import Directory
from .errors import (
    BadMessageError,
    ClientClosedError,
    CommandTimeoutError,
    ConnectTimeoutError,
    HandshakeRefusedError,
    InvalidReplyError,
    RelevoError,
)
from .events import ClientState, Event, EventQueue
from .inbox import Inbox
from .objects import Agent, Welcome
from .results import WatchResult, decode_result
from .tokens import Tokens, TokenSource

T = TypeVar("T", bound=Event)


class LiveSessions(AsyncSessions):
    """Conversations, and what a connection has of them: acknowledgements, and the changes of all."""

    def __init__(self, client: Client) -> None:
        super().__init__(client)
        self._client = client

    async def ack(self, session_id: str, fence: int) -> None:
        """Acknowledge a ``session.assigned``, for a client made with ``acknowledge=False``. Has no reply."""
        self._client._acknowledge(session_id, fence)

    async def watch(self, *, resume: tuple[str, int] | None = None, timeout: float | None = None) -> bool:
        """
        Get a ``SessionChanged`` for every session of the tenant that changes, over every reconnection.

        Changes during a lost connection are not replayed: list the sessions again after ``Connected``,
        and keep of each the latest ``version``.

        Args:
            resume: ``epoch`` and ``seq`` of the last ``SessionChanged``, of an earlier client perhaps.
            timeout: When to give up, in seconds.

        Returns:
            Whether what changed since ``resume`` follows, the latest change of each session. If not, list.
        """
        fields = {} if resume is None else {"resume": {"epoch": resume[0], "seq": resume[1]}}
        result = await self._client.command("session.watch", fields, timeout=timeout)
        return decode_result(WatchResult, "session.watch", result).resumed

    async def unwatch(self, *, timeout: float | None = None) -> None:
        """Get no more ``SessionChanged``."""
        await self._client.command("session.unwatch", {}, timeout=timeout)


class LiveDirectory(Directory):
    """The directory, kept live while it is subscribed."""

    def __init__(self, client: Client) -> None:
        super().__init__()
        self._client = client

    async def subscribe(self, *, timeout: float | None = None) -> Self:
        """Keep the rows live from now on, over every reconnection, and return when they are there."""
        await self._client._subscribe(timeout)
        return self

    async def unsubscribe(self, *, timeout: float | None = None) -> None:
        """End the subscription; the rows stay."""
        await self._client.command("directory.unsubscribe", {}, timeout=timeout)


class EventStream:
    """
    The events of a client from one moment on, for one loop.

    It begins with ``Connected`` if the client is connected at that moment. It ends when the program closes
    the client, and raises when the router ends it for good.
    """

    def __init__(self, client: Client, events_max: int) -> None:
        self._client = client
        self._queue = EventQueue(events_max)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        """
        Return the next event.

        Raises:
            StopAsyncIteration: The program closed the client, and all events were taken.
            ConnectionStoppedError: The router ended the client for good, and all events were taken.
        """
        try:
            await self._client._until(lambda: len(self._queue) > 0)
        except ClientClosedError:
            raise StopAsyncIteration from None
        return self._queue.take()

    def put(self, event: Event) -> None:
        """Append an event."""
        self._queue.put(event)


class Client(AsyncCommands):
    """
    A live connection of an agent, an admin or a back end.

    Entering it connects, and waits until a router has let it in. It then stays connected: a lost connection
    is made again, with full jitter, and unanswered commands are sent again with their idempotency keys.
    Close codes 4500-4999 and a refused handshake end it: commands and the iteration then raise that error.

        async with Client("ws://127.0.0.1:8765/ws", token=token) as client:
            async for event in client:
                print(event)

    Every loop has a queue of events of its own. ``on`` calls a function instead.

    Args:
        url: The router's websocket address, or several; each attempt goes to the next.
        token: A JWT, or a function, plain or async, that returns a fresh one: asked at each connection, and
            when the token is about to expire, and once more when the router refuses one.
        format: ``msgpack``, or ``json`` to read along on the wire.
        acknowledge: Whether to acknowledge each ``session.assigned`` on receipt; otherwise call
            ``sessions.ack``.
        command_timeout: When a command gives up, unless it says otherwise, in seconds.
        connect_timeout: How long entering waits, in seconds; None waits for ever.
        in_flight_max: How many commands may be in flight; others wait for a slot.
        waiting_max: How many may wait for a slot; one more raises ``RateLimitedError``.
        events_max: How many events are kept for a loop. Beyond, the oldest are dropped, and an
            ``EventsLost`` stands in their place.
        message_bytes_max: The longest message to take from the router, in bytes.
        client_name: What the client calls itself to the router.
        headers: Additional HTTP headers for the handshake.
        ssl: TLS settings for a ``wss://`` address.
        proxy: An HTTP or SOCKS proxy, None for none, True for what the system says.
        reconnect: The delays between connection attempts.
        retry: The delays before a command is repeated that was refused for the moment.

    Raises:
        ValueError: ``url`` is no websocket address.
    """

    def __init__(
        self,
        url: str | Sequence[str],
        token: TokenSource,
        *,
        format: Format = "msgpack",
        acknowledge: bool = True,
        command_timeout: float = 30.0,
        connect_timeout: float | None = 30.0,
        in_flight_max: int = 64,
        waiting_max: int = 10_000,
        events_max: int = 1000,
        message_bytes_max: int = 32 * 1024 * 1024,
        client_name: str = "relevo-client-python/0.2",
        headers: Mapping[str, str] | None = None,
        ssl: tls.SSLContext | None = None,
        proxy: str | Literal[True] | None = True,
        reconnect: Backoff = RECONNECT,
        retry: Backoff = RETRY,
    ) -> None:
        super().__init__()
        self._urls = [url] if isinstance(url, str) else list(url)
        if not self._urls:
            raise ValueError("a client needs the address of a router")
        for address in self._urls:
            check_url(address)
        self._tokens = Tokens(token)
        self._codec = CODECS[format]
        self._command_timeout = command_timeout
        self._connect_timeout = connect_timeout
        self._events_max = events_max
        self._connection_settings = ConnectionSettings(message_bytes_max, dict(headers or {}), ssl, proxy)
        self._retry = retry
        self.sessions: LiveSessions = LiveSessions(self)
        self.directory = LiveDirectory(self)
        self._core = Core(
            CoreSettings(
                reconnect=reconnect,
                retry=retry,
                token_renewable=self._tokens.renewable,
                acknowledge=acknowledge,
                client_name=client_name,
            ),
            random=random.random,
            new_key=lambda: uuid.uuid4().hex,
            directory=self.directory,
        )
        # A loop that was left takes its stream with it.
        self._streams: weakref.WeakSet[EventStream] = weakref.WeakSet()
        self._listeners: dict[type[Any], list[Callable[[Any], Awaitable[None] | None]]] = {}
        self._listening: set[asyncio.Task[None]] = set()
        self._limit = ConcurrencyLimit(in_flight_max, waiting_max)
        self._replies: dict[str, asyncio.Future[Mapping[str, Any]]] = {}
        self._waiters: set[asyncio.Future[None]] = set()
        self._outgoing = asyncio.Event()
        self._attempt = 0
        self._connection: Connection | None = None
        self._runner: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._last_error: BaseException | None = None

    # Life.

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def start(self) -> None:
        """
        Connect, and wait for the welcome.

        Raises:
            ConnectionStoppedError: The router, or the way to it, refused this client for good.
            ConnectTimeoutError: No router let it in within ``connect_timeout``.
        """
        if self._runner is not None:
            raise RuntimeError("a client is started once")
        self._runner = asyncio.create_task(self._run())
        self._runner.add_done_callback(self._on_runner_done)
        try:
            async with asyncio.timeout(self._connect_timeout):
                await self._until(lambda: self._core.welcome is not None)
        except TimeoutError:
            await self.close()
            raise ConnectTimeoutError(
                f"no router let the client in within {self._connect_timeout} s: {self._last_error}"
            ) from self._last_error
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Close the connection with 1000, and fail unanswered commands with ``ClientClosedError``."""
        connection = self._connection
        self._core.shut()
        self._advance()
        if connection is not None:
            await connection.close(1000)
        tasks = [task for task in (self._runner, *self._tasks) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()

    # State.

    @property
    def inbox(self) -> Inbox:
        """The live inbox: sessions in progress and pending."""
        return self._core.inbox

    @property
    def state(self) -> ClientState:
        """
        ``connected``: a router has let the client in; ``connecting``: it tries, or is not started yet;
        ``stopped``: it makes no further attempt.
        """
        return self._core.state

    @property
    def error(self) -> RelevoError | None:
        """Why the client has stopped, None while it has not."""
        return self._core.stop

    @property
    def welcome(self) -> Welcome | None:
        """The latest welcome: tenant, role, connection id; None before the first."""
        return self._core.welcome

    @property
    def agent(self) -> Agent | None:
        """The own agent's row, live also without the directory; None for a back end."""
        return self._core.agent

    # Events.

    def events(self) -> EventStream:
        """
        Return the events from now on, for one loop; it begins with ``Connected`` if the client is connected.

        The inbox, the directory and ``agent`` have changed before an event is delivered.
        """
        stream = EventStream(self, self._events_max)
        if self._core.state == "connected" and self._core.connected is not None:
            stream.put(self._core.connected)
        self._streams.add(stream)
        return stream

    def __aiter__(self) -> EventStream:
        return self.events()

    def on(self, type: type[T], listener: Callable[[T], Awaitable[None] | None]) -> Callable[[], None]:
        """
        Call a function, plain or async, at each event of a type.

        Args:
            type: A class of event, such as ``SessionAssigned``.
            listener: What it raises goes to the event loop's exception handler; the others still run.

        Returns:
            A function that ends it.
        """
        listeners = self._listeners.setdefault(type, [])
        listeners.append(listener)

        def off() -> None:
            if listener in listeners:
                listeners.remove(listener)

        return off

    # Commands.

    async def command(
        self,
        type: str,
        fields: Mapping[str, Any],
        *,
        key: str | None = None,
        timeout: float | None = None,
    ) -> Mapping[str, Any]:
        """
        Send a command by its type, and return its result as it came.

        It is sent again, the same and with the same key, when the connection was lost or the router refused
        it for the moment (``unavailable``, ``internal``, ``rate_limited``), until the time is over.

        Args:
            type: Such as ``session.transfer``.
            fields: The command's fields, without type, id and key; maps, lists and plain values.
            key: The idempotency key of a command that changes something; a new one where absent.
            timeout: When to give up, in seconds.

        Raises:
            CommandTimeoutError: There was no final answer in time.
            RelevoError: The router's error, the error that ended the client, or ``RateLimitedError``.
        """
        if self._runner is None:
            raise ClientClosedError("the client is not started")
        deadline = self._now() + (self._command_timeout if timeout is None else timeout)
        try:
            async with asyncio.timeout_at(deadline):
                await self._limit.acquire()
        except TimeoutError:
            raise CommandTimeoutError(f"{type} had no slot in time", key=key) from None
        try:
            return await self._send(type, fields, key, deadline)
        finally:
            self._limit.release()

    async def refresh_token(self, token: str | None = None, *, timeout: float | None = None) -> int:
        """
        Hand the router a fresh token. A client whose token is a function does so by itself.

        Args:
            token: The token; where absent, one from the client's own source. Also used to connect again,
                if the client was given a string.
            timeout: When to give up, in seconds.

        Returns:
            When it expires, in milliseconds since the Unix epoch.
        """
        fresh = await self._tokens.fresh() if token is None else token
        result = await self.command("token.refresh", {"token": fresh}, timeout=timeout)
        self._tokens.replace(fresh)
        expires_at = result.get("expires_at")
        if type(expires_at) is not int:
            raise InvalidReplyError("token.refresh: expected expires_at")
        return expires_at

    async def _subscribe(self, timeout: float | None) -> None:
        seconds = self._command_timeout if timeout is None else timeout
        deadline = self._now() + seconds
        await self.command("directory.subscribe", {}, timeout=seconds)
        try:
            async with asyncio.timeout_at(deadline):
                await self._until(lambda: self.directory.live)
        except TimeoutError:
            raise CommandTimeoutError("directory.subscribe brought no directory in time") from None

    def _acknowledge(self, session_id: str, fence: int) -> None:
        self._core.acknowledge(session_id, fence)
        self._advance()

    async def _send(
        self, type: str, fields: Mapping[str, Any], key: str | None, deadline: float
    ) -> Mapping[str, Any]:
        command_id = self._core.submit(type, fields, deadline=deadline, key=key)
        reply: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()
        self._replies[command_id] = reply
        self._advance()
        try:
            return await reply
        finally:
            # Also reached when the caller was cancelled.
            del self._replies[command_id]
            self._core.forget(command_id)

    # The connection.

    async def _run(self) -> None:
        while self._core.phase != "stopped":
            await asyncio.sleep(max(0.0, self._core.reconnect_at - self._now()))
            url = self._urls[self._attempt % len(self._urls)]
            self._attempt += 1
            try:
                token = await self._fresh_token()
                connection = await open_connection(url, self._codec, self._connection_settings)
            except HandshakeRefusedError as error:
                self._core.refused(error, self._now())
            except UnreachableError as error:
                logger.info("no connection: %s", error)
                self._last_error = error
                self._core.unreachable(str(error), self._now())
            else:
                await self._serve(connection, token)
            self._advance()

    async def _fresh_token(self) -> str:
        try:
            return await self._tokens.fresh()
        # The source is the program's own and may fail in any way; the client retries.
        except Exception as error:
            raise UnreachableError(f"no token: {error!r}") from error

    async def _serve(self, connection: Connection, token: str) -> None:
        self._connection = connection
        self._core.opened(token, self._now())
        writer = asyncio.create_task(self._write(connection))
        writer.add_done_callback(partial(self._on_writer_done, connection))
        self._advance()
        try:
            closed = await self._read(connection)
        finally:
            self._connection = None
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            # A runner that was cancelled leaves no open socket behind.
            connection.abort()
        self._last_error = closed
        self._core.closed(closed.close_code, closed.reason, self._now())

    async def _read(self, connection: Connection) -> ConnectionLostError:
        while True:
            try:
                for message in await connection.receive():
                    self._core.received(message, self._now())
            except ConnectionLostError as closed:
                return closed
            except (DecodeError, InvalidDataError) as error:
                # The message is lost, and with it the client's state; a new connection restores it.
                logger.error("invalid message from the router: %s", error)
                await connection.close(1002, "not of the protocol")
                return ConnectionLostError(1002, str(error))
            self._advance()

    async def _write(self, connection: Connection) -> None:
        while True:
            await self._outgoing.wait()
            self._outgoing.clear()
            messages = [self._encode(message) for message in self._core.take_outgoing(self._now())]
            try:
                await connection.send([message for message in messages if message is not None])
            except ConnectionLostError:
                # The reader sees it too, and reports it to the core.
                return

    def _encode(self, message: Mapping[str, Any]) -> bytes | None:
        try:
            data = self._codec.encode(message)
        except (ValueError, TypeError, OverflowError) as error:
            invalid = BadMessageError(f"{message['type']} cannot be encoded: {error}")
        else:
            if len(data) <= MESSAGE_BYTES_MAX:
                return data
            # The router would close the connection, and again at each repetition.
            invalid = BadMessageError(f"{message['type']} has {len(data)} bytes, above {MESSAGE_BYTES_MAX}")
        self._core.reject(message.get("id", ""), invalid)
        self._advance()
        return None

    async def _refresh(self, connection: Connection) -> None:
        failures = 0
        while self._connection is connection:
            try:
                token = await self._fresh_token()
            except UnreachableError as error:
                # The old one still holds for a while.
                logger.warning("%s", error)
                await asyncio.sleep(self._retry.delay_s(failures, random.random))
                failures += 1
            else:
                self._core.refresh_token(token)
                self._advance()
                return

    # Effects.

    def _advance(self) -> None:
        for command_id, outcome in self._core.take_outcomes():
            reply = self._replies.get(command_id)
            if reply is None or reply.done():
                continue
            if isinstance(outcome, RelevoError):
                reply.set_exception(outcome)
            else:
                reply.set_result(outcome)
        for event in self._core.take_events():
            self._emit(event)
        close = self._core.take_close()
        wanted = self._core.take_token_wanted() and self._tokens.renewable
        if self._connection is not None:
            if close is not None:
                self._spawn(self._connection.close(*close))
            if wanted:
                self._spawn(self._refresh(self._connection))
        self._outgoing.set()
        self._schedule()
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _emit(self, event: Event) -> None:
        for stream in self._streams:
            stream.put(event)
        for listener in [*self._listeners.get(type(event), ())]:
            try:
                result = listener(event)
            except Exception as error:
                self._report(listener, error)
            else:
                if inspect.isawaitable(result):
                    task = asyncio.ensure_future(self._listen(listener, result))
                    self._listening.add(task)
                    task.add_done_callback(self._listening.discard)

    async def _listen(self, listener: object, result: Awaitable[None]) -> None:
        try:
            await result
        except Exception as error:
            self._report(listener, error)

    def _report(self, listener: object, error: Exception) -> None:
        context = {"message": f"the listener {listener!r} raised", "exception": error}
        asyncio.get_running_loop().call_exception_handler(context)

    def _schedule(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        wake_at = self._core.wake_at(self._now())
        if wake_at is not None:
            self._timer = asyncio.get_running_loop().call_at(wake_at, self._on_timer)

    def _on_timer(self) -> None:
        self._core.tick(self._now())
        self._advance()

    def _on_writer_done(self, connection: Connection, writer: asyncio.Task[None]) -> None:
        error = None if writer.cancelled() else writer.exception()
        if error is not None:
            # A defect of this client. Unsent messages are sent on the next connection.
            logger.error("writer ended by a defect", exc_info=error)
            connection.abort()

    def _on_runner_done(self, runner: asyncio.Task[None]) -> None:
        error = None if runner.cancelled() else runner.exception()
        if error is not None:
            # A defect of this client. Waiting commands fail, rather than hang.
            logger.error("client ended by a defect", exc_info=error)
            self._core.refused(HandshakeRefusedError(f"a defect of the client: {error!r}"), self._now())
            self._advance()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            if self._core.stop is not None:
                raise self._core.stop
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                # A program that polls with a time-out leaves nothing behind.
                self._waiters.discard(waiter)

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
