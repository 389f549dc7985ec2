"""Incidents: a defect of the router is logged in full, and the client gets its number."""

from __future__ import annotations

import secrets
from typing import Any


def incident(log: Any, event: str, error: BaseException, **context: Any) -> str:
    """
    Log a defect.

    Args:
        log: The logger of the module in which it came up.
        event: The log event.
        error: What was raised.
        context: Further fields of the log event.

    Returns:
        The number in the log, for the client's `details.incident`.
    """
    number = secrets.token_hex(6)
    log.error(event, incident=number, exc_info=error, **context)
    return number
