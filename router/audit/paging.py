"""How much of a long list is read and judged at one instant."""

from typing import Final

PAGE: Final = 100

EVENTS_PAGE: Final = 20
"""The same of events: one that moves all that a lost agent had is long."""
