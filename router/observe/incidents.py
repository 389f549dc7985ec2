"""A defect of our own, told to the client by a number and to the operator with everything."""

from __future__ import annotations

import secrets
from typing import Any


def incident(log: Any, event: str, error: BaseException, **context: Any) -> str:
    """
    Log a defect.

    Args:
        log: The logger of the module in which it came up.
        event: What was being done.
        error: What was raised.
        context: What else the operator needs.

    Returns:
        The number under which it was logged, for the client's `details.incident`.
    """
    number = secrets.token_hex(6)
    log.error(event, incident=number, exc_info=error, **context)
    return number
