"""
Rules: which transfers an agent may make, decided from the directory's rows as the router decides.

PROTOCOL.md, Rules, has them, and ``protocol/vectors/rules.json`` the cases.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .directory import Directory
from .objects import Agent, Session, Target


def rule_of(session: Session, directory: Directory) -> Mapping[str, Any] | None:
    """Return the rule that counts for a session, its department's or else the tenant's; None for no rule."""
    department = directory.departments.get(session.department) if session.department is not None else None
    return department.rule if department is not None else directory.rule


def broken_by(
    rule: Mapping[str, Any] | None,
    session: Session,
    target: Target,
    agent: Agent | None,
    reason: str | None = None,
) -> tuple[str, ...]:
    """
    Return what of a rule a transfer does not keep, in the order in which the router names it.

    The router refuses it to an agent with `not_allowed`, ``because`` of the first; an admin or a back end may
    pass it over.

    Args:
        rule: The rule that counts (`rule_of`).
        session: The session.
        target: Where it is to go.
        agent: The target's row, None where it is a department.
        reason: Why; none where it is empty.

    Returns:
        Those of ``departments``, ``agents``, ``status``, ``capacity``, ``hops``, ``reason`` that forbid it.
    """
    if rule is None:
        return ()
    departments = rule["departments"]
    broken = []
    if agent is None:
        if departments != "any" and target.id not in departments:
            broken.append("departments")
    else:
        homes = agent.departments
        is_member = any(departments == "any" or home in departments for home in homes)
        if rule["agents"] == "none" or (rule["agents"] == "members" and not is_member):
            broken.append("agents")
        if agent.status not in rule["statuses"]:
            broken.append("status")
        if not rule["at_capacity"] and agent.load >= agent.capacity:
            broken.append("capacity")
    # Beyond the limit a session goes back to its department, or up to an admin.
    is_way_out = agent.role == "admin" if agent is not None else target.id == session.department
    if 0 < rule["hops_max"] <= session.hops - session.hops_free and not is_way_out:
        broken.append("hops")
    if rule["reason"] == "required" and not reason:
        broken.append("reason")
    return tuple(broken)
