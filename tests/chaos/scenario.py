"""What happens in a chaos run, and with which options of its deployment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tests.chaos.deployment import Deployment

Run: TypeAlias = Callable[[Any], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """
    One run.

    Attributes:
        run: What happens; its deployment is the argument.
        options: Of the deployment.
        kind: The deployment's class.
    """

    run: Run
    options: dict[str, Any] = field(default_factory=dict)
    kind: type[Deployment] = Deployment
