"""
Hold every rule that a store's data can show against it, while routers write.

The judges (`agents`, `sessions`, `histories`, `presence`, `feed`) are functions of what was read at one
instant; `kinds` says which key is whose; `audit` has them look, a few at each instant; `store` reads for it,
`repair` mends, and `report` says what was found and done. What the keys hold is described in `layout`.
"""

from relevo.router.audit.runner import Audit
from relevo.router.audit.violation import INVARIANTS, Violation

__all__ = ["INVARIANTS", "Audit", "Violation"]
