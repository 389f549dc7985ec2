"""The names in the machine's steps, and how often each appears: two tenants with the same few ids."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

TENANTS = ["acme", "acme:"]
AGENTS = ["ana", "sales", "help", "bob"]
# An agent and a department, a session and an agent may have the same id.
DEPARTMENTS = ["sales", "help"]
SESSIONS = ["s1", "s2", "s3", "s4", "s5", "ana"]
CUSTOMERS = ["c:1", "c:2"]
ADMIN, SERVICES = "adm", ["desk", "ana"]
# Admins that come over HTTP, and are not in the directory before they have taken a session.
STRANGERS: dict[str, dict[str, Any]] = {
    "boss": {"id": "boss", "role": "admin", "name": "Boss", "capacity": 2, "departments": ["night"]},
    "temp": {"id": "temp", "role": "admin", "capacity": 0},
}
NODES, CONNECTIONS, KEYS = ["n1", "n2"], ["c1", "c2", "c3"], ["k1", "k2", "k3", "k4"]
FOR_ADMINS = {"session_open", "agent_put", "agent_remove", "department_put", "department_remove"}
STATUSES = ["connected", "pre_pause", "pause", "disconnected"]

LEASE_MS, PRESENCE_GRACE_MS, SESSION_GRACE_MS = 6_000, 10_000, 30_000
CONNECTIONS_MAX = 2
DAY_MS = 86_400_000
# Events kept, idempotency keys, closed sessions, presence and session grace. Keys and closed sessions end by
# the server's own clock, so they live long here.
LIMITS = [100_000, DAY_MS, DAY_MS, PRESENCE_GRACE_MS, SESSION_GRACE_MS]

tenants = st.sampled_from([TENANTS[0]] * 5 + [TENANTS[1]])
agents = st.sampled_from([*AGENTS, ADMIN])
departments = st.sampled_from(DEPARTMENTS)
memberships = st.sampled_from([["sales"], ["help"], ["sales", "help"], ["help", "sales"], []])
capacities = st.sampled_from([1, 1, 2, 1, 3, 0])
TARGETS = [{"kind": "agent", "id": one} for one in [*AGENTS, ADMIN]]
TARGETS += [{"kind": "department", "id": one} for one in DEPARTMENTS] * 4
targets = st.sampled_from(TARGETS)
# The session and the caller: mostly ones to which the rule applies, found when the rule runs.
picks = st.integers(0, 29)
FITTING: dict[str, list[tuple[str, ...]]] = {
    "session_accept": [("pending", "queued"), ("queued",)],
    "session_answer": [("in_progress",)],
    "session_decline": [("pending",), ("in_progress", "pending")],
    "session_recall": [("pending", "queued"), ("in_progress",)],
    "session_transfer": [("in_progress",), ("pending", "queued"), ("queued",)],
}
callers = st.sampled_from(
    ["right"] * 16 + ["owner", "holder", "target", "maker", "admin", "admin", "service", *STRANGERS, *AGENTS]
)
managers = st.sampled_from(["admin", "admin", "admin", "service", *STRANGERS])
forces = st.sampled_from([None, None, True])
fences = st.sampled_from([None, None, None, None, "right", "right", "right", "stale", "ahead"])
keys = st.sampled_from([None] * 8 + KEYS)
texts = st.sampled_from([None, "because", "wegen \u00dcberlast \U0001f600"])
# What is kept with a session: nothing said, nothing, and numbers that Lua would not keep as they came.
attributes = st.sampled_from([None, {}, {"channel": "mail", "vip": True}, {"big": 2**53 - 1, "one": 1.0}])
# What sets nothing, some things, rules of two kinds, or takes something back.
RULE = {
    "departments": "any",
    "agents": "any",
    "statuses": STATUSES,
    "at_capacity": True,
    "hops_max": 0,
    "reason": "optional",
}
RULES: list[dict[str, Any]] = [
    {},
    {"statuses": ["connected"]},
    {"statuses": ["connected", "pre_pause"], "at_capacity": False},
    {"departments": ["sales"], "agents": "members"},
    {"departments": ["help"], "agents": "none", "reason": "required"},
    {"hops_max": 1},
]
REASONS = [
    {"id": "lunch", "name": "Lunch", "status": "pause"},
    {"id": "training", "name": "Training", "status": "pause"},
]
# Sessions that do not wait for ever, each in its way.
DEADLINES: list[dict[str, Any]] = [
    {"answer_ms": 4_000, "missed_max": 1, "pending_ms": 2_500, "pending_then": "department"},
    {"answer_ms": 400, "missed_max": 0, "pending_ms": 12_000, "pending_take": "when_available"},
]
settings = st.fixed_dictionaries(
    {},
    optional={
        "answer_ms": st.sampled_from([None, 0, 400, 4_000, 4_000]),
        "missed_max": st.sampled_from([None, 0, 1, 3]),
        "pending_ms": st.sampled_from([None, 0, 2_500, 12_000]),
        "pending_then": st.sampled_from([None, "return", "department"]),
        "pending_take": st.sampled_from([None, "by_hand", "when_available", "when_available"]),
        "after_grace": st.sampled_from([None, "pending"]),
        "alarm_ms": st.sampled_from([None, 0, 5]),
        "rule": st.sampled_from([None, *(RULE | change for change in RULES)]),
    },
)
tenant_settings = st.builds(
    lambda some, reasons, resort: some | reasons | resort,
    settings,
    st.sampled_from([{}, {}, {"reasons": None}, {"reasons": []}, {"reasons": REASONS}]),
    st.sampled_from([{}, {}, {}, {"last_resort": None}]),
)
claims = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["Ana", "Bob \u00e9"]),
        "departments": st.sampled_from([["sales"], ["sales", "help"], ["help", "night"], []]),
        "capacity": capacities,
        "again": st.just(True),
        # Seconds from now, at which the token was issued.
        "iat": st.sampled_from([0, 0, 0, -1, -20, 5]),
    },
)
