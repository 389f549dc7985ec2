"""What model and store hold, in the same words, and where they differ."""

from __future__ import annotations

from typing import Any

from tests.stateful.commands import Model
from tests.stateful.stored import StoredState

EXPIRING = ("customer:closed:", "routed:closed:")
"""How the lists begin that end with the last session in them."""


def seen_of(model: Model) -> dict[str, Any]:
    """Return what the store must hold, by the model."""
    found: dict[str, Any] = {
        "agents": {a.id: model.row(a) for a in model.agents.values()},
        "chosen": {a.id: (a.chosen, a.present) for a in model.agents.values()},
        "departments": {name: model.department_row(name) for name in model.departments},
        "settings": {level: settings for level, settings in model.settings.items() if settings},
        "sessions": {s.id: s.seen() for s in model.sessions.values()},
        "histories": {s.id: s.history for s in model.sessions.values()},
        "due": {f"node {name}": at for name, at in model.leases.items()},
        "keys": {" ".join(key) for key in model.keys},
        "removed": model.removed,
    }
    places: list[tuple[str, str, str | None]] = [(f"owned:{a}", "in_progress", a) for a in model.agents]
    places += [(f"pending:{a}", "pending", a) for a in model.agents]
    places += [(f"queue:{d}", "queued", d) for d in model.departments]
    places += [(f"state:{state}", state, None) for state in ("in_progress", "pending", "queued", "closed")]
    lists = {name: [s.id for s in model.held(state, owner)] for name, state, owner in places}
    lists |= {f"available:{d}": [a.id for a in model.best_first(d)] for d in model.departments}
    for customer_id in {s.customer.id for s in model.sessions.values()}:
        for closed in (False, True):
            name = f"customer:{'closed' if closed else 'open'}:{customer_id}"
            lists[name] = [s.id for s in model.of_customer(customer_id, closed=closed)]
    for state, department_id in {s.routed for s in model.sessions.values()}:
        if department_id is not None and state != "queued":
            lists[f"routed:{state}:{department_id}"] = [s.id for s in model.routed(state, department_id)]
    lists |= {f"had:{a}": [s.id for s in model.had(a)] for a in model.agents}
    found["lists"] = {name: ids for name, ids in lists.items() if ids}
    sets: dict[str, set[str]] = {f"members:{d}": {a.id for a in model.members(d)} for d in model.departments}
    for agent in model.agents.values():
        sets[f"connections:{agent.id}"] = {" ".join(connection) for connection in agent.connections}
        for node_id, connection_id in agent.connections:
            sets.setdefault(f"node:{node_id}", set()).add(f"{agent.id} {connection_id}")
        if agent.presence_ends_at is not None:
            found["due"][f"presence {agent.id}"] = agent.presence_ends_at
        if agent.sessions_end_at is not None:
            found["due"][f"sessions {agent.id}"] = agent.sessions_end_at
    found["due"] |= {f"session {s.id}": s.due_at for s in model.sessions.values() if s.due_at is not None}
    sets |= {"agents": set(model.agents), "departments": set(model.departments)}
    found["sets"] = {name: members for name, members in sets.items() if members}
    found["expiring"] = {f"session:{s.id}" for s in model.sessions.values() if s.state == "closed"}
    found["expiring"] |= {name for name in found["lists"] if name.startswith(EXPIRING)}
    return found


def seen_in(after: StoredState) -> dict[str, Any]:
    """Return what the store holds, in the same words."""
    lists = {name: ids for name, ids in after.lists.items() if name != "state:closed"}
    # What is over by the server's clock leaves this list at a later close.
    closed = [one for one in after.lists.get("state:closed", []) if one in after.sessions]
    # So does what is in a list by which sessions are found, and what is of an earlier session of an id.
    for name, places in after.found_by.items():
        present = [one for one, place in places.items() if place >= after.births.get(one, place + 1)]
        if present:
            lists[name] = present
    return {
        "agents": after.agents,
        "chosen": after.chosen,
        "departments": after.departments,
        "settings": after.settings,
        "sessions": after.sessions,
        "histories": after.histories,
        "due": after.due,
        "keys": after.keys,
        "removed": after.removed,
        "lists": lists | ({"state:closed": closed} if closed else {}),
        "sets": after.sets,
        "expiring": {
            name
            for name in after.expiring
            if not name.startswith("keys:") and (not name.startswith(EXPIRING) or name in lists)
        },
    }


def contents(raw: list[Any]) -> list[Any]:
    """Return a dump without how long the keys live on."""
    return [row[:3] for row in raw]


def difference(expected: Any, found: Any) -> str:
    """Return where two states differ, one line each."""
    if isinstance(expected, dict) and isinstance(found, dict):
        lines = [
            f"{name}.{difference(expected.get(name), found.get(name))}"
            for name in {*expected, *found}
            if expected.get(name) != found.get(name)
        ]
        return "\n".join(sorted(lines))
    return f"\n  expected {expected}\n  found    {found}"
