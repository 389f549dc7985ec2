"""
The oracle's commands, one method each, under the names that the store's commands have.

A method checks, changes, and returns what works the result out once everything has settled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from msgspec.structs import replace

from relevo.protocol.objects import Author, Customer, Owner, Transfer
from tests.stateful.known import (
    OUTCOMES,
    Change,
    KnownAgent,
    KnownSession,
    RejectedError,
    Request,
    Result,
)
from tests.stateful.model import State

Outcome: TypeAlias = Callable[[], Result]


class Model(State):
    """One tenant, as the protocol wants it."""

    # Presence ----------------------------------------------------------------------------------------------

    def connect(self, request: Request) -> Outcome:
        """Register a connection of the caller."""
        claims = request["by"]
        connection = (request["node_id"], request["connection_id"])
        agent = self.agents.get(claims["id"])
        held = agent.connections if agent is not None else set()
        is_over = connection not in held and len(held) >= request["connections_max"]
        agent = self._claim(claims)
        while is_over and len(agent.connections) >= request["connections_max"]:
            silent = {(request["node_id"], one) for one in request.get("silent", ())}
            oldest = min(agent.connections, key=lambda one: (one not in silent, " ".join(one)))
            agent.connections.remove(oldest)
            self.replaced.append((agent.id, oldest[1]))
        agent.connections.add(connection)
        agent.present, agent.presence_ends_at, agent.sessions_end_at = True, None, None
        self._bring_back(agent)
        return lambda: {
            "agent": self.row(agent),
            "in_progress": [s.seen() for s in self.held("in_progress", agent.id)],
            "pending": [s.seen() for s in self.held("pending", agent.id)],
        }

    def token_refresh(self, request: Request) -> Outcome:
        """Take over the claims of a new token."""
        if request["by"]["id"] not in self.agents:
            raise RejectedError("unavailable")
        agent = self._claim(request["by"])
        return lambda: {"agent": self.row(agent)}

    def disconnect(self, request: Request) -> Outcome:
        """Take a connection away; it may be gone already."""
        agent = self.agents.get(request["agent_id"])
        if agent is not None:
            connection = (request["node_id"], request["connection_id"])
            self._drop(agent, connection, self._now, request["clean"])
        due_in_ms = self.due_in_ms()
        return lambda: {"due_in_ms": due_in_ms}

    def renew(self, request: Request) -> Outcome:
        """Renew a lease, as every command with one does; the cast is too small for a second step."""
        node_id = request["node_id"]
        held = [name for agent in self.agents.values() for name, _ in agent.connections if name == node_id]
        due_in_ms = self.due_in_ms()
        return lambda: {"due_in_ms": due_in_ms, "connections": len(held)}

    def status_set(self, request: Request) -> Outcome:
        """Choose a status."""
        by = self._caller(request)
        if by.role != "admin" and by.id != request["agent_id"]:
            raise RejectedError("forbidden")
        if request["agent_id"] not in self.agents:
            raise RejectedError("not_found")
        reasons = self.settings[""].get("reasons", [])
        given = (request.get("reason"), request["status"])
        if given[0] is not None and reasons and given not in [(one["id"], one["status"]) for one in reasons]:
            raise RejectedError("bad_message")
        agent = self.agents[request["agent_id"]]
        agent.chosen = request["status"]
        if agent.chosen == "pre_pause" and self.load(agent) == 0:
            agent.chosen = "pause"
        agent.status_reason, agent.status_until_at = request.get("reason"), request.get("until_at")
        agent.status_by = Author(by.id, by.name)
        if by.id != agent.id:
            self._notice(agent, agent.status_by, agent.status_reason)
        return lambda: {"agent": self.row(agent)}

    # Agents and departments --------------------------------------------------------------------------------

    def agent_put(self, request: Request) -> Outcome:
        """Create or update an agent."""
        by = self._caller(request)
        put = request["agent"]
        if not set(put["departments"]) <= set(self.departments):
            raise RejectedError("not_found")
        agent = self.agents.get(put["id"])
        if agent is None:
            agent = KnownAgent(put["id"], "", put["role"], [], 0, self._now)
            self.agents[agent.id] = agent
            self.removed.pop(f"a{agent.id}", None)
        if agent.role != put["role"]:
            self._notice(agent, Author(by.id, by.name))
        agent.described_at = max(agent.described_at, self._now // 1000)
        agent.name, agent.role, agent.capacity = put["name"], put["role"], put["capacity"]
        agent.departments = list(put["departments"])
        return lambda: {"agent": self.row(agent)}

    def agent_remove(self, request: Request) -> Outcome:
        """Remove an agent that has no sessions."""
        self._caller(request)
        if request["agent_id"] not in self.agents:
            raise RejectedError("not_found")
        held = {state: len(self.held(state, request["agent_id"])) for state in ("in_progress", "pending")}
        if any(held.values()):
            raise RejectedError("in_use", held)
        del self.agents[request["agent_id"]]
        for s in self.sessions.values():
            s.had.pop(request["agent_id"], None)
        self.removed[f"a{request['agent_id']}"] = self._now
        return dict

    def department_put(self, request: Request) -> Outcome:
        """Create or rename a department."""
        self._caller(request)
        put = request["department"]
        self._require_parties(request, put["id"])
        self.departments[put["id"]] = put["name"]
        self.removed.pop(f"d{put['id']}", None)
        self._set(put["id"], request.get("settings", {}))
        return lambda: {"department": self.department_view(put["id"])}

    def department_get(self, request: Request) -> Outcome:
        """Read a department and its settings."""
        self._caller(request)
        department_id = request["department_id"]
        if department_id not in self.departments:
            raise RejectedError("not_found")
        return lambda: {
            "department": self.department_view(department_id),
            "settings": self.settings.get(department_id, {}),
            "effective": self.effective(department_id),
        }

    def settings_put(self, request: Request) -> Outcome:
        """Change the tenant's settings."""
        self._caller(request)
        self._require_parties(request)
        self._set("", request["settings"])
        return lambda: {"settings": dict(self.settings[""])}

    def _require_parties(self, request: Request, coming: str = "") -> None:
        known = {"agent": set(self.agents), "department": {*self.departments, coming}}
        if any(party["id"] not in known[party["kind"]] for party in request.get("parties", ())):
            raise RejectedError("not_found")

    def _set(self, level: str, settings: dict[str, Any]) -> None:
        kept = self.settings.get(level, {}) | settings
        self.settings[level] = {name: value for name, value in kept.items() if value is not None}

    def department_remove(self, request: Request) -> Outcome:
        """Remove a department in which nothing waits."""
        self._caller(request)
        department_id = request["department_id"]
        if department_id not in self.departments:
            raise RejectedError("not_found")
        if self.held("queued", department_id):
            raise RejectedError("in_use", {"queued": len(self.held("queued", department_id))})
        for agent in self.members(department_id):
            agent.departments.remove(department_id)
        del self.departments[department_id]
        self.settings.pop(department_id, None)
        self.removed[f"d{department_id}"] = self._now
        return dict

    def directory(self, request: Request) -> Outcome:
        """Read the whole directory."""
        return lambda: {
            "agents": [self.row(self.agents[agent_id]) for agent_id in sorted(self.agents)],
            "departments": [self.department_row(department_id) for department_id in sorted(self.departments)],
            "rule": self.settings[""].get("rule", False),
        }

    # Changes of a session ----------------------------------------------------------------------------------

    def session_open(self, request: Request) -> Outcome:
        """Open a new session, or a closed one again."""
        by = self._caller(request)
        target = Owner(**request["target"]) if "target" in request else None
        if target is not None:
            self._party(target)
        old = self.sessions.get(request["session_id"])
        if old is not None and (old.state != "closed" or not request.get("reopen", True)):
            raise RejectedError("exists", {"session": old.seen()})
        if target is None:
            self._require_room(request)
        if request.get("check"):
            return self._checked(
                target, *(self._route(target) if target is not None else ("in_progress", None))
            )
        if target is None:
            me = self.agents.get(by.id) or self._claim(request["by"])
            owner = Owner("agent", me.id)
            self._begin_grace(me, request)
            place = "in_progress", owner
        else:
            owner = target
            place = self._route(target)
        s = KnownSession(request["session_id"], Customer(**request["customer"]), self._now, target=owner)
        self._enter_target(s, owner)
        if old is not None:
            s.fence, s.history, s.had = old.fence, old.history, old.had
            s.attributes, s.rewritten, s.why_not = old.attributes, old.rewritten, old.why_not
        s.attributes = request.get("attributes", s.attributes)
        self.sessions[s.id] = s
        change = Change(s.id)
        decision = self._decide(owner.kind, s) if target is not None else None
        self._write(s, change, "opened", by, decision=decision)
        self._place(s, *place, by, change, "")
        if target is None:
            self._answer(s)
        self._conclude(s, change)
        return lambda: {"session": s.seen()}

    def session_transfer(self, request: Request) -> Outcome:
        """Send a session to an agent or a department."""
        by = self._caller(request)
        if request.get("force") and by.role == "agent":
            raise RejectedError("forbidden")
        s = self._find_to_change(request)
        self._require_right(s, request)
        target = Owner(**request["target"])
        to = self._party(target)
        if target == s.owner:
            raise RejectedError("same_target")
        assert s.owner is not None
        passed = self._apply_rule(s, target, request)
        state, owner = self._route(target, s.agent_id(), self._unless_answered(s, request))
        chosen_by: str = target.kind
        if request.get("force") and state == "pending" and self._is_connected(self.agents[target.id]):
            state, chosen_by = "in_progress", "forced"
        if request.get("check"):
            return self._checked(target, state, owner, chosen_by)
        decision = self._decide(chosen_by, None)
        change = Change(s.id)
        old, waited, source = s.transfer, s.waits, self._party(s.owner)
        if waited and old is not None:
            self._notify_sender(s, change, "moved", old)
        s.hops += 1
        s.hops_free += by.role == "service"
        s.target = target
        if self._owns(s, request):
            self._answer(s)
        self._enter_target(s, target)
        s.transfer = Transfer(
            id=self._transfer_id,
            session_id=s.id,
            from_=source,
            to=to,
            by=by,
            reason=request.get("reason"),
            outcome=OUTCOMES[state],  # type: ignore[arg-type]
            assigned_to=owner.id if target.kind == "department" and state == "in_progress" else None,
            at=self._now,
        )
        self._write(s, change, "transferred", by, transfer=s.transfer, passed=passed, decision=decision)
        if "reason" in request:
            self._write(s, change, "internal", by, request["reason"])
        self._place(s, state, owner, by, change, "transferred")
        self._conclude(s, change)
        return lambda: {"session": s.seen()}

    def _unless_answered(self, s: KnownSession, request: Request) -> KnownSession | None:
        """Return a session unless a transfer is its owner's answer: it counts as tried with none then."""
        return None if self._owns(s, request) and s.state == "in_progress" else s

    def _checked(
        self, target: Owner | None, state: str, owner: Owner | None, chosen_by: str | None = None
    ) -> Outcome:
        """Return what would be."""
        chosen = (
            owner is not None
            and target is not None
            and target.kind == "department"
            and state == "in_progress"
        )
        assigned_to = owner.id if chosen and owner is not None else None
        decision = self._decide(chosen_by or target.kind, None) if target is not None else None
        return lambda: {"outcome": OUTCOMES[state], "assigned_to": assigned_to, "decision": decision}

    def session_accept(self, request: Request) -> Outcome:
        """Take a session that waits."""
        by = self._caller(request)
        s = self._find_to_change(request)
        me = self.agents.get(by.id)
        member = s.state == "queued" and s.owner is not None and me in self.members(s.owner.id)
        if not s.waits or not (self._owns(s, request) or member or by.role == "admin"):
            raise self._moved_on(s, request)
        if not self._owns(s, request):
            self._require_room(request)
        taker = me or self._claim(request["by"])
        self._begin_grace(taker, request)
        change = Change(s.id)
        if s.transfer is not None:
            direct = (s.transfer.to.kind, s.transfer.to.id) == ("agent", taker.id)
            s.transfer = replace(s.transfer, outcome="assigned", assigned_to=None if direct else taker.id)
        self._write(s, change, "accepted", by)
        self._notify_sender(s, change, "accepted")
        self._place(s, "in_progress", Owner("agent", taker.id), by, change, "moved")
        self._answer(s)
        self._conclude(s, change)
        return lambda: {"session": s.seen()}

    def session_decline(self, request: Request) -> Outcome:
        """Give a session back that one has pending, or in progress and not answered."""
        by = self._caller(request)
        s = self._find_to_change(request)
        if s.answered_at is not None or not self._owns(s, request):
            raise self._moved_on(s, request)
        self._give_back(s, "declined", by, request.get("reason"))
        return lambda: {"session": s.seen()}

    def session_recall(self, request: Request) -> Outcome:
        """Take back a transfer that is not answered."""
        by = self._caller(request)
        s = self._find_to_change(request)
        maker = s.transfer.by if s.transfer is not None else None
        mine = maker is not None and maker.id == by.id and (maker.role == "service") == (by.role == "service")
        if not mine and by.role != "admin":
            raise RejectedError("forbidden")
        is_back = maker is not None and maker.role != "service" and s.owner == Owner("agent", maker.id)
        if is_back or (not s.waits and (s.answered_at is not None or maker is None)):
            raise self._conflict(s)
        self._give_back(s, "recalled", by)
        return lambda: {"session": s.seen()}

    def session_close(self, request: Request) -> Outcome:
        """Close a session."""
        by = self._caller(request)
        s = self._find_to_change(request)
        self._require_right(s, request)
        change = Change(s.id)
        if self._owns(s, request):
            self._answer(s)
        if s.waits:
            self._notify_sender(s, change, "moved")
        self._write(s, change, "closed", by)
        self._place(s, "closed", None, by, change, "closed")
        self._conclude(s, change)
        return lambda: {"session": s.seen()}

    def session_note(self, request: Request) -> Outcome:
        """Write into a session's history."""
        by = self._caller(request)
        s = self._find_to_change(request)
        self._require_right(s, request)
        change = Change(s.id)
        entry = self._write(s, change, "internal", by, request["text"])
        self._conclude(s, change, with_session=False)
        if self._owns(s, request) and self._answer(s):
            self._conclude(s, Change(s.id))
        return lambda: {"entry": entry}

    def session_answer(self, request: Request) -> Outcome:
        """Say that a person has opened it."""
        self._caller(request)
        s = self._find_to_change(request)
        if not self._owns(s, request):
            raise RejectedError("forbidden")
        if self._answer(s):
            self._rewrite(s)
        return lambda: {"session": s.seen()}

    def session_update(self, request: Request) -> Outcome:
        """Replace what is kept with a session."""
        self._caller(request)
        s = self._find_to_change(request)
        self._require_right(s, request)
        if request.get("attributes", s.attributes) != s.attributes:
            s.attributes = request["attributes"]
            self._rewrite(s)
        return lambda: {"session": s.seen()}

    def session_ack(self, request: Request) -> Outcome:
        """Say that a client has what was assigned: its first word counts, what is out of date does not."""
        s = self.sessions.get(request["session_id"])
        if (
            s is not None
            and s.state == "in_progress"
            and self._owns(s, request)
            and s.fence == request["fence"]
            and s.transfer is not None
            and not s.delivered
        ):
            s.delivered = True
            change = Change(s.id)
            self._notify_sender(s, change, "delivered")
            self._conclude(s, change)
        return dict

    # Reading -----------------------------------------------------------------------------------------------

    def session_get(self, request: Request) -> Outcome:
        """Read a session."""
        s = self._find(request)
        self._require_reader(s, request)
        return lambda: {"session": s.seen()}

    def session_history(self, request: Request) -> Outcome:
        """Read a run of a history's entries."""
        s = self._find(request)
        self._require_reader(s, request)
        later = [entry for entry in s.history if entry.seq > request["after"]]
        page = later[: request["limit"]]
        return lambda: {"entries": page, "more": len(later) > len(page)}

    def session_explain(self, request: Request) -> Outcome:
        """Say why the system chose an owner, and not an agent."""
        s = self._find(request)
        self._require_right(s, request)
        agent_id, seq = request.get("agent_id"), request.get("seq")
        if agent_id is not None and agent_id not in self.agents:
            raise RejectedError("not_found")
        if seq is not None and not 1 <= seq <= len(s.history):
            raise RejectedError("not_found")
        decided = [entry for entry in s.history if entry.decision and seq in (None, entry.seq)]
        decision, reason = decided[-1].decision if decided else None, None
        if decided and agent_id is not None:
            reason = s.why_not[decided[-1].seq].get(agent_id, "not_member")
        return lambda: {"decision": decision, "why_not": reason}

    def session_place(self, request: Request) -> Outcome:
        """Count the sessions before a queued one."""
        s = self._find_to_change(request)
        me, role = request["by"]["id"], request["by"]["role"]
        maker = s.transfer.by if s.transfer is not None else None
        mine = role != "agent" or (maker is not None and maker.id == me and maker.role != "service")
        if s.state != "queued" or s.owner is None:
            raise self._conflict(s) if mine else self._moved_on(s, request)
        if not mine and self.agents.get(me) not in self.members(s.owner.id):
            raise RejectedError("forbidden")
        place = self.held("queued", s.owner.id).index(s) + 1
        return lambda: {"place": place}

    def session_list(self, request: Request) -> Outcome:
        """List sessions; all pages at once, because a cursor is the store's business."""
        me, role = request["by"]["id"], request["by"]["role"]
        agent_id, department_id = request.get("agent_id"), request.get("department_id")
        if agent_id is not None and agent_id not in self.agents:
            raise RejectedError("not_found")
        if department_id is not None and department_id not in self.departments:
            raise RejectedError("not_found")
        mine = set(self.agents[me].departments) if me in self.agents else set()
        foreign = agent_id not in (None, me) or (department_id is not None and department_id not in mine)
        if role == "agent" and foreign:
            raise RejectedError("forbidden")

        customer_id, state = request.get("customer_id"), request.get("state")
        span = request.get("closed_from_at", 0), request.get("closed_to_at", 2**53)
        if "closed_from_at" in request or "closed_to_at" in request:
            state = state or "closed"
        queue_only = department_id is not None and state in (None, "queued")
        queue_only = queue_only and agent_id is None and customer_id is None and not request.get("mine")

        def visible(s: KnownSession) -> bool:
            queue = s.owner.id if s.state == "queued" and s.owner is not None else None
            by_right = s.agent_id() == me or queue in mine
            return role != "agent" or by_right or (customer_id is not None and me in s.had)

        def wanted(s: KnownSession) -> bool:
            return (
                (state is None or s.state == state)
                and (agent_id is None or s.agent_id() == agent_id)
                and (customer_id is None or s.customer.id == customer_id)
                and (department_id is None or s.department == department_id)
                and (not queue_only or s.state == "queued")
                and (span == (0, 2**53) or (s.state == "closed" and span[0] <= s.updated_at <= span[1]))
                and (visible(s) if not request.get("mine") else role != "service" and me in s.had)
            )

        def place(s: KnownSession) -> int:
            if request.get("mine"):
                return s.had[me]
            if agent_id is None and customer_id is not None:
                return s.place_of_customer
            if agent_id is None and department_id is not None and not queue_only and role != "agent":
                return s.routed_since
            whole = role != "agent" and agent_id is None and department_id is None
            return s.in_state_since if whole else s.place

        found = sorted(filter(wanted, self.sessions.values()), key=place, reverse=bool(request.get("newest")))
        return lambda: {"sessions": [s.seen() for s in found]}
