"""The roles of a token, by what they may do (PROTOCOL.md, roles)."""

AGENTS = frozenset({"agent", "admin"})
BACK_ENDS = frozenset({"admin", "service"})
ALL = frozenset({"agent", "admin", "service"})
