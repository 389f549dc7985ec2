"""The key set (JWKS, RFC 7517) of a file or URL, read again when old or when a token names an unknown key."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import httpx2
import structlog

from relevo.router.auth.keys import Key, UnusableKeyError, jwks_keys

JWKS_BYTES_MAX: Final = 1024 * 1024

log = structlog.get_logger(__name__)


class KeysUnavailableError(Exception):
    """No keys were read yet, so no token can be verified; worth another try later."""


class JwksCache:
    """
    Keep the keys of a JWKS (RFC 7517).

    Keys once read are used until newer ones are; a failure is logged and tried again later.

    Args:
        fetch: Reads the set; any OSError, UnusableKeyError or httpx2 error it raises is a failure to read.
        timeout_ms: How long one reading may take.
        refresh_ms: The age at which the set is read again, by the next call.
        retry_ms: The least time between the starts of two readings.
        monotonic_ms: The clock.
    """

    def __init__(
        self,
        fetch: Callable[[], Awaitable[bytes]],
        *,
        timeout_ms: int,
        refresh_ms: int,
        retry_ms: int,
        monotonic_ms: Callable[[], float] = lambda: time.monotonic() * 1000,
    ) -> None:
        self._fetch = fetch
        self._timeout_ms = timeout_ms
        self._refresh_ms = refresh_ms
        self._retry_ms = retry_ms
        self._monotonic_ms = monotonic_ms
        self._keys: tuple[Key, ...] = ()
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._reading: asyncio.Task[None] | None = None

    async def find(self, kid: str | None) -> tuple[Key, ...]:
        """
        Return the keys a token may be signed with.

        Args:
            kid: The key id the token names; None if it names none, and then every key is returned.

        Raises:
            KeysUnavailableError: No set was read yet.
        """
        if self._is_old():
            refresh = self._start_refresh()
            # Keys once read go on verifying meanwhile: an issuer that hangs delays no token of theirs.
            if self._read_at is None and refresh is not None:
                await asyncio.shield(refresh)
        if self._read_at is None:
            raise KeysUnavailableError("the keys that verify tokens cannot be read at present")
        found = self._matching(kid)
        if not found and (refresh := self._start_refresh()) is not None:
            # Shielded, because one caller that goes away must not end the reading for the others.
            await asyncio.shield(refresh)
            found = self._matching(kid)
        return found

    def has_keys(self) -> bool:
        """Return whether a set was ever read; if not, start to read one where it is time for another try."""
        if self._read_at is None:
            self._start_refresh()
        return self._read_at is not None

    def refresh(self) -> None:
        """Read the set again, unless it was tried a moment ago."""
        self._start_refresh()

    def _is_old(self) -> bool:
        return self._read_at is None or self._monotonic_ms() - self._read_at >= self._refresh_ms

    def _matching(self, kid: str | None) -> tuple[Key, ...]:
        return self._keys if kid is None else tuple(key for key in self._keys if key.kid == kid)

    def _start_refresh(self) -> asyncio.Task[None] | None:
        """Return the reading that is under way, or a new one; None where it is too early for another try."""
        if self._reading is None:
            now_ms = self._monotonic_ms()
            if self._tried_at is not None and now_ms - self._tried_at < self._retry_ms:
                return None
            self._tried_at = now_ms
            self._reading = asyncio.create_task(self._read(), name="read-jwks")
        return self._reading

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(self._timeout_ms / 1000):
                self._keys = jwks_keys(await self._fetch())
            self._read_at = self._monotonic_ms()
        except (OSError, TimeoutError, UnusableKeyError, httpx2.HTTPError) as error:
            # An httpx2 error's text may hold the URL, and the URL a password; its type says enough.
            reason = str(error) if isinstance(error, UnusableKeyError) else type(error).__name__
            log.warning("jwks fetch failed", reason=reason, keys_kept=len(self._keys))
        finally:
            self._reading = None


def file_fetcher(path: Path) -> Callable[[], Awaitable[bytes]]:
    """Return a function that reads the file, off the event loop."""

    async def fetch() -> bytes:
        content = await asyncio.to_thread(path.read_bytes)
        if len(content) > JWKS_BYTES_MAX:
            raise UnusableKeyError(f"it is longer than {JWKS_BYTES_MAX} bytes")
        return content

    return fetch


def url_fetcher(url: str, timeout_ms: int) -> Callable[[], Awaitable[bytes]]:
    """
    Return a function that gets the URL. Redirects are not followed: only the host in the setting is trusted.

    Args:
        url: An http or https URL.
        timeout_ms: How long one step of it may take; the caller bounds the whole.
    """
    # Made here, once: loading the machine's certificates takes tens of milliseconds of the loop's time.
    tls = httpx2.create_ssl_context()

    async def fetch() -> bytes:
        content = bytearray()
        async with (
            httpx2.AsyncClient(timeout=timeout_ms / 1000, verify=tls) as client,
            client.stream("GET", url, headers={"Accept": "application/json"}) as response,
        ):
            if response.status_code != httpx2.codes.OK:
                raise UnusableKeyError(f"the answer is HTTP {response.status_code}")
            async for chunk in response.aiter_bytes():
                content += chunk
                if len(content) > JWKS_BYTES_MAX:
                    raise UnusableKeyError(f"it is longer than {JWKS_BYTES_MAX} bytes")
        return bytes(content)

    return fetch
