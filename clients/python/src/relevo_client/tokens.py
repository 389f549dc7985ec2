"""Where tokens come from: a string, or something that makes fresh ones."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias

PlainTokenSource: TypeAlias = str | Callable[[], str]
TokenSource: TypeAlias = PlainTokenSource | Callable[[], str | Awaitable[str]]


class Tokens:
    """
    Give out a token.

    Args:
        source: A token, or a function, plain or async, that returns a fresh one at each call.
    """

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    @property
    def renewable(self) -> bool:
        """Whether another call may give another token."""
        return callable(self._source)

    def replace(self, token: str) -> None:
        """Use another token from now on, in place of one that was given as a string."""
        if not self.renewable:
            self._source = token

    async def fresh(self) -> str:
        """
        Return a token.

        Raises:
            Exception: Whatever the source raises.
        """
        token = self._source if isinstance(self._source, str) else self._source()
        return _checked(await token if inspect.isawaitable(token) else token)

    def fresh_now(self) -> str:
        """
        Return a token, from a source that is no async function.

        Raises:
            Exception: Whatever the source raises.
        """
        return _checked(self._source if isinstance(self._source, str) else self._source())


def _checked(token: object) -> str:
    if not isinstance(token, str):
        raise TypeError(f"the token source returned {type(token).__name__}, not a string")
    return token
