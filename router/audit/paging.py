"""How much of a long list is read and judged at one instant."""

from typing import Final

PAGE: Final = 100
