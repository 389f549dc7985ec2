"""The HTTP clients, with async and without: the same commands for back ends that keep no connection."""

from __future__ import annotations

import asyncio
import json
import random
import time
import uuid
from collections.abc import Mapping
from typing import Any, Self

import httpx2

from .async_resources import AsyncCommands
from .backoff import Backoff
from .concurrency import ConcurrencyLimit
from .core import RETRY
from .decode import InvalidDataError
from .errors import (
    BadMessageError,
    CommandTimeoutError,
    RelevoError,
    UnauthorizedError,
    UnavailableError,
    UnexpectedResponseError,
    error_from_wire,
)
from .pending import MUTATING, retry_delay_s
from .resources import Commands
from .tokens import PlainTokenSource, Tokens, TokenSource

# Proxies, and routers that are starting or draining, answer with these for a while.
_TEMPORARY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


class AsyncHttpClient(AsyncCommands):
    """
    Send commands over HTTP, with async.

        async with AsyncHttpClient("http://127.0.0.1:8765", token=token) as relevo:
            await relevo.sessions.open("c-1", Customer("u-1", "Eva"), Target.department("sales"))

    A command that was refused for the moment, or whose answer was lost, is sent again with the same
    idempotency key until its time is over. A client belongs to one event loop.

    Args:
        url: The router's base address, without ``/api/v1``.
        token: A JWT, or a function, plain or async, that returns a fresh one: asked at the first command, and
            whenever the router finds the token expired.
        command_timeout: When a command gives up, unless it says otherwise, in seconds.
        request_timeout: When one attempt is given up and repeated, in seconds.
        in_flight_max: How many commands may be in flight; others wait for a slot.
        waiting_max: How many may wait for a slot; one more raises ``RateLimitedError``.
        retry: The delays before a command is repeated.
        transport: How requests travel, in place of a socket; for tests, or for a unix socket.
    """

    def __init__(
        self,
        url: str,
        token: TokenSource,
        *,
        command_timeout: float = 30.0,
        request_timeout: float = 10.0,
        in_flight_max: int = 64,
        waiting_max: int = 10_000,
        retry: Backoff = RETRY,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        super().__init__()
        self._url = url.rstrip("/")
        self._tokens = Tokens(token)
        self._token: str | None = None
        self._command_timeout = command_timeout
        self._request_timeout = request_timeout
        self._limit = ConcurrencyLimit(in_flight_max, waiting_max)
        self._retry = retry
        self._http = httpx2.AsyncClient(transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections that are kept for the next command."""
        await self._http.aclose()

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

        Args:
            type: Such as ``session.transfer``. Subscriptions have no form over HTTP.
            fields: The command's fields, without type, id and key.
            key: The idempotency key of a command that changes something; a new one where absent.
            timeout: When to give up, in seconds.

        Raises:
            CommandTimeoutError: There was no final answer in time.
            RelevoError: The router's error.
            UnexpectedResponseError: Something else answered: a proxy, or a server of another kind.
        """
        exchange = _Exchange(self._url, type, fields, key, self._retry)
        try:
            async with asyncio.timeout(self._command_timeout if timeout is None else timeout), self._limit:
                while True:
                    outcome = await self._attempt(exchange)
                    if not isinstance(outcome, RelevoError):
                        return outcome
                    wait_s = exchange.refused(outcome, self._tokens.renewable)
                    if isinstance(outcome, UnauthorizedError):
                        self._token = None
                    await asyncio.sleep(wait_s)
        except TimeoutError:
            raise exchange.timed_out() from exchange.last_error

    async def _attempt(self, exchange: _Exchange) -> Mapping[str, Any] | RelevoError:
        if self._token is None:
            self._token = await self._tokens.fresh()
        try:
            response = await self._http.post(
                exchange.url,
                content=exchange.body,
                headers=exchange.headers(self._token),
                timeout=self._request_timeout,
            )
        except httpx2.TransportError as error:
            return exchange.lost(error)
        return read_answer(exchange.url, response.status_code, response.content)


class HttpClient(Commands):
    """
    Send commands over HTTP, without async: for Flask, Django, scripts.

        relevo = HttpClient("http://127.0.0.1:8765", token=token)
        relevo.sessions.open("c-1", Customer("u-1", "Eva"), Target.department("sales"))

    A command that was refused for the moment, or whose answer was lost, is sent again with the same
    idempotency key until its time is over. Threads may share a client; a process makes its own.

    Args:
        url: The router's base address, without ``/api/v1``.
        token: A JWT, or a function that returns a fresh one: asked at the first command, and whenever the
            router finds the token expired.
        command_timeout: When a command gives up, unless it says otherwise, in seconds.
        request_timeout: When one attempt is given up and repeated, in seconds.
        in_flight_max: How many commands may be in flight, over as many connections; other threads wait.
        retry: The delays before a command is repeated.
        transport: How requests travel, in place of a socket; for tests, or for a unix socket.
    """

    def __init__(
        self,
        url: str,
        token: PlainTokenSource,
        *,
        command_timeout: float = 30.0,
        request_timeout: float = 10.0,
        in_flight_max: int = 64,
        retry: Backoff = RETRY,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        super().__init__()
        self._url = url.rstrip("/")
        self._tokens = Tokens(token)
        self._token: str | None = None
        self._command_timeout = command_timeout
        self._request_timeout = request_timeout
        self._retry = retry
        self._http = httpx2.Client(transport=transport, limits=httpx2.Limits(max_connections=in_flight_max))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept for the next command."""
        self._http.close()

    def command(
        self,
        type: str,
        fields: Mapping[str, Any],
        *,
        key: str | None = None,
        timeout: float | None = None,
    ) -> Mapping[str, Any]:
        """
        Send a command by its type, and return its result as it came.

        Args:
            type: Such as ``session.transfer``. Subscriptions have no form over HTTP.
            fields: The command's fields, without type, id and key.
            key: The idempotency key of a command that changes something; a new one where absent.
            timeout: When to give up, in seconds.

        Raises:
            CommandTimeoutError: There was no final answer in time.
            RelevoError: The router's error.
            UnexpectedResponseError: Something else answered: a proxy, or a server of another kind.
        """
        exchange = _Exchange(self._url, type, fields, key, self._retry)
        deadline = time.monotonic() + (self._command_timeout if timeout is None else timeout)
        wait_s = 0.0
        while (left_s := deadline - time.monotonic() - wait_s) > 0:
            time.sleep(wait_s)
            outcome = self._attempt(exchange, min(left_s, self._request_timeout))
            if not isinstance(outcome, RelevoError):
                return outcome
            wait_s = exchange.refused(outcome, self._tokens.renewable)
            if isinstance(outcome, UnauthorizedError):
                self._token = None
        raise exchange.timed_out() from exchange.last_error

    def _attempt(self, exchange: _Exchange, timeout_s: float) -> Mapping[str, Any] | RelevoError:
        token = self._token
        if token is None:
            self._token = token = self._tokens.fresh_now()
        try:
            response = self._http.post(
                exchange.url, content=exchange.body, headers=exchange.headers(token), timeout=timeout_s
            )
        except httpx2.TransportError as error:
            return exchange.lost(error)
        return read_answer(exchange.url, response.status_code, response.content)


class _Exchange:
    """One command over HTTP, without I/O: what to send, and whether to send it again."""

    def __init__(
        self, url: str, type: str, fields: Mapping[str, Any], key: str | None, retry: Backoff
    ) -> None:
        self.url = f"{url}/api/v1/{type}"
        self.last_error: RelevoError | None = None
        self._type = type
        self._key = uuid.uuid4().hex if key is None and type in MUTATING else key
        self._retry = retry
        self._refusals = 0
        self._renewed = False
        try:
            self.body = json.dumps(fields, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise BadMessageError(f"{type} cannot be encoded: {error}") from error

    def headers(self, token: str) -> Mapping[str, str]:
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        return headers if self._key is None else {**headers, "Idempotency-Key": self._key}

    def lost(self, error: httpx2.TransportError) -> RelevoError:
        lost = UnavailableError(f"no answer from {self.url}: {error!r}")
        lost.__cause__ = error
        return lost

    def refused(self, error: RelevoError, token_is_renewable: bool) -> float:
        """Return the seconds to wait before the next attempt, or raise the error if there is to be none."""
        self.last_error = error
        if isinstance(error, UnauthorizedError) and token_is_renewable and not self._renewed:
            # It may have expired since it was made; a fresh one that is refused too is not tried again.
            self._renewed = True
            return 0.0
        if not error.retryable:
            raise error
        wait_s = retry_delay_s(error, self._refusals, self._retry, random.random)
        self._refusals += 1
        return wait_s

    def timed_out(self) -> CommandTimeoutError:
        return CommandTimeoutError(f"{self._type} had no final answer in time", key=self._key)


def read_answer(url: str, status: int, body: bytes) -> Mapping[str, Any] | RelevoError:
    """
    Read the answer to a command.

    Args:
        url: Where it comes from, for the error.
        status: The HTTP status.
        body: The result, or the error: as such, or under ``error``.

    Returns:
        The result, or the typed error. What has neither is not the router's: an
        ``UnexpectedResponseError``.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if isinstance(answer, dict):
        if status == 200:
            return answer
        try:
            return error_from_wire(answer.get("error", answer))
        except InvalidDataError:
            pass
    return UnexpectedResponseError(
        f"{url} answered {status}, and not as a router does: a proxy's answer, or a wrong address",
        status=status,
        body=body,
        retryable=status in _TEMPORARY_STATUSES,
    )
