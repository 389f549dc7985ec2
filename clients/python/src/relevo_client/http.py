"""The HTTP client: the same commands for back ends that keep no connection."""

from __future__ import annotations

import asyncio
import json
import random
import uuid
from collections.abc import Mapping
from typing import Any, Self

import httpx2

from .backoff import Backoff
from .commands import Commands
from .concurrency import ConcurrencyLimit
from .core import RETRY
from .decode import InvalidDataError
from .errors import (
    ERRORS,
    BadMessageError,
    CommandTimeoutError,
    InvalidReplyError,
    RelevoError,
    UnauthorizedError,
    UnavailableError,
    error_from_wire,
)
from .pending import MUTATING, retry_delay_s
from .tokens import Tokens, TokenSource

# What an answer without a readable error means: it comes from a proxy on the way.
_CODES_BY_STATUS: Mapping[int, str] = {
    400: "bad_message",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    413: "bad_message",
    429: "rate_limited",
    500: "unavailable",
    502: "unavailable",
    503: "unavailable",
    504: "unavailable",
}


class HttpClient(Commands):
    """
    Send commands over HTTP.

        async with HttpClient("http://127.0.0.1:8765", token=token) as relevo:
            await relevo.open_session("c-1", Customer("u-1", "Eva"), Target.department("sales"))

    A command that was refused for the moment, or whose answer was lost, is sent again with the same
    idempotency key until its time is over.

    Args:
        url: The router's base address, without ``/api/v1``.
        token: A JWT, or a function, plain or async, that returns a fresh one: asked at the first command, and
            whenever the router finds the token expired.
        command_timeout_s: When a command gives up, unless it says otherwise, in seconds.
        request_timeout_s: When one attempt is given up and repeated, in seconds.
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
        command_timeout_s: float = 30.0,
        request_timeout_s: float = 10.0,
        in_flight_max: int = 64,
        waiting_max: int = 10_000,
        retry: Backoff = RETRY,
        transport: httpx2.AsyncBaseTransport | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._tokens = Tokens(token)
        self._token: str | None = None
        self._command_timeout_s = command_timeout_s
        self._request_timeout_s = request_timeout_s
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
        timeout_s: float | None = None,
    ) -> Mapping[str, Any]:
        """
        Send a command by its type, and return its result as it came.

        Args:
            type: Such as ``session.transfer``. Subscriptions have no form over HTTP.
            fields: The command's fields, without type, id and key.
            key: The idempotency key of a command that changes something; a new one where absent.
            timeout_s: When to give up, in seconds.

        Raises:
            CommandTimeoutError: There was no final answer in time.
            RelevoError: The router's error.
        """
        if type in MUTATING and key is None:
            key = uuid.uuid4().hex
        try:
            body = json.dumps(fields, ensure_ascii=False, allow_nan=False).encode()
        except (TypeError, ValueError) as error:
            raise BadMessageError(f"{type} cannot be encoded: {error}") from error
        attempts = _Attempts()
        try:
            async with asyncio.timeout(self._command_timeout_s if timeout_s is None else timeout_s):
                async with self._limit:
                    return await self._repeat(type, body, key, attempts)
        except TimeoutError:
            raise CommandTimeoutError(f"{type} had no final answer in time", key=key) from attempts.last_error

    async def _repeat(
        self, type: str, body: bytes, key: str | None, attempts: _Attempts
    ) -> Mapping[str, Any]:
        renewed = False
        while True:
            outcome = await self._attempt(type, body, key)
            if not isinstance(outcome, RelevoError):
                return outcome
            attempts.last_error = outcome
            if isinstance(outcome, UnauthorizedError) and self._tokens.renewable and not renewed:
                # It may have expired since it was made; a fresh one that is refused too is not tried again.
                self._token, renewed = None, True
                continue
            if not outcome.retryable:
                raise outcome
            await asyncio.sleep(retry_delay_s(outcome, attempts.refusals, self._retry, random.random))
            attempts.refusals += 1

    async def _attempt(self, type: str, body: bytes, key: str | None) -> Mapping[str, Any] | RelevoError:
        if self._token is None:
            self._token = await self._tokens.fresh()
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        try:
            response = await self._http.post(
                f"{self._url}/api/v1/{type}", content=body, headers=headers, timeout=self._request_timeout_s
            )
        except httpx2.TransportError as error:
            lost = UnavailableError(f"no answer from {self._url}: {error!r}")
            lost.__cause__ = error
            return lost
        return read_answer(response.status_code, response.content)


class _Attempts:
    def __init__(self) -> None:
        self.refusals = 0
        self.last_error: RelevoError | None = None


def read_answer(status: int, body: bytes) -> Mapping[str, Any] | RelevoError:
    """
    Read the router's answer to a command.

    Args:
        status: The HTTP status.
        body: The result, or the error: as such, or under ``error``.

    Returns:
        The result, or the typed error.
    """
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    if status == 200:
        return answer if isinstance(answer, dict) else InvalidReplyError("the answer is no JSON object")
    if isinstance(answer, dict):
        try:
            return error_from_wire(answer.get("error", answer))
        except InvalidDataError:
            answer = None
    code = _CODES_BY_STATUS.get(status)
    if code is None:
        return InvalidReplyError(f"unexpected HTTP status {status}")
    return ERRORS[code](f"HTTP status {status} without an error of the router")
