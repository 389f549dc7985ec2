"""
Hold every invariant that a store's data can show against it, while routers write.

`rules/` holds the rules, functions of what was read at one instant; `rules/registry.py` says which key has
which. `runner` applies them, a few at each instant, and `scan` reads for it. `rebuild` derives again what is
derived, `report` prints, and `layout` describes what the keys hold.
"""

from relevo.router.audit.runner import Audit
from relevo.router.audit.violation import INVARIANTS, Violation

__all__ = ["INVARIANTS", "Audit", "Violation"]
