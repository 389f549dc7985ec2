"""
The oracle: what every command must do, written from the protocol.

Plain and slow on purpose. Nothing is stored that can be worked out: a load is counted, a list is sorted,
each time it is asked for. How the store keeps what it knows is not known here. This file holds what all
commands share and what follows from their changes; the commands themselves are in tests.stateful.commands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from typing import Any

import msgspec
from msgspec.structs import replace

from relevo.protocol.objects import (
    Actor,
    Agent,
    Author,
    Candidate,
    Decision,
    Department,
    Entry,
    LeftOut,
    Owner,
    Party,
    Rule,
    Session,
    Transfer,
)
from relevo.protocol.settings import SETTINGS
from tests.stateful.known import (
    CAPACITY_DEFAULT,
    NEVER,
    OUTCOMES,
    Answer,
    Change,
    Choice,
    KnownAgent,
    KnownSession,
    Notice,
    RejectedError,
    Request,
    Result,
)


class State:
    """One tenant's whole state; a subclass has one method per command."""

    def __init__(self) -> None:
        self.agents: dict[str, KnownAgent] = {}
        self.departments: dict[str, str] = {}
        self.settings: dict[str, dict[str, Any]] = {"": {}}
        self.sessions: dict[str, KnownSession] = {}
        self.leases: dict[str, int] = {}
        self.served_at = 0
        self.keys: dict[tuple[str, str, str], tuple[str, Answer, str, list[Entry] | None, int]] = {}
        self.changes: list[Change] = []
        self.notices: list[Notice] = []
        self.replaced: list[tuple[str, str]] = []
        self.removed: dict[str, int] = {}
        self._placements = 0
        self._now = 0
        self._transfer_id = ""
        self._availability: dict[str, set[str]] = {}
        self._limits: list[int] = []
        self._choice: Choice = Owner("agent", ""), None, None

    def run(self, command: str, request: Request, transfer_id: str = "") -> Answer:
        """
        Run one command.

        Args:
            command: Its name.
            request: Its fields, with `now` and `limits`.
            transfer_id: What the store called the transfer that this step made: the choice is the store's.

        Returns:
            What it must answer. `changes` is then what all others must hear.
        """
        self._now, self._transfer_id, self._limits = request["now"], transfer_id, request["limits"]
        self.changes, self.notices, self.replaced = [], [], []
        known = False
        if "lease_ms" in request:
            known = request["node_id"] in self.leases
            if not self._is_served() and self.due():
                self.served_at = self._now
            self.leases[request["node_id"]] = self._now + request["lease_ms"]
        self._begin()
        self._sweep()
        self._settle()

        key = None
        if "key" in request:
            by = request["by"]
            key = ("service" if by["role"] == "service" else "agent", by["id"], request["key"])

            if key in self.keys:
                return self._replay(key, request)
        self._begin()
        try:
            outcome: Callable[[], Result] = getattr(self, command)(self._authorized(request))
        except RejectedError as refused:
            answer = Answer(error=refused.code, details=refused.details)
        else:
            self._settle()
            result = outcome()
            answer = Answer(result | {"known": known} if "lease_ms" in request else result)
        if key is not None:
            stands_in = None
            if answer.result is not None and not {"session", "entry"}.isdisjoint(answer.result):
                stands_in = self.sessions[request["session_id"]].history
            self.keys[key] = (
                request["print"],
                answer,
                request.get("session_id", ""),
                stands_in,
                len(stands_in or ()),
            )
        return answer

    def _replay(self, key: tuple[str, str, str], request: Request) -> Answer:
        """Return the first answer, as long as the history in which it stands is kept."""
        body, first, session_id, history, length = self.keys[key]
        if body != request["print"]:
            return Answer(error="key_reused")
        s = self.sessions.get(session_id)
        if history is not None and (s is None or s.history is not history):
            return Answer(error="not_found")
        if s is not None and history is not None and first.result and "session" in first.result:
            # An answer or update writes no entry: the first reply stands in the record that it changed.
            seen: Session = first.result["session"]
            return Answer(first.result | {"session": replace(seen, **s.rewritten.get(length, {}))})
        return first

    def forget_oldest_closed(self) -> KnownSession | None:
        """Forget the session that was closed first, as happens when its retention ends."""
        closed = sorted((s for s in self.sessions.values() if s.state == "closed"), key=lambda s: s.position)
        return self.sessions.pop(closed[0].id) if closed else None

    # What is worked out ------------------------------------------------------------------------------------

    def held(self, state: str, owner_id: str | None = None) -> list[KnownSession]:
        """Return the sessions of a state, of one owner if one is given, longest in it first."""
        found = [
            s
            for s in self.sessions.values()
            if s.state == state and (owner_id is None or (s.owner is not None and s.owner.id == owner_id))
        ]
        return sorted(found, key=lambda s: s.place if owner_id is not None else s.in_state_since)

    def of_customer(self, customer_id: str, *, closed: bool) -> list[KnownSession]:
        """Return a customer's open or closed sessions, opened or closed first, first."""
        found = [s for s in self.sessions.values() if s.customer.id == customer_id]
        return sorted(
            (s for s in found if (s.state == "closed") == closed), key=lambda s: s.place_of_customer
        )

    def routed(self, state: str, department_id: str) -> list[KnownSession]:
        """Return a department's sessions of a state, longest in it first."""
        found = [s for s in self.sessions.values() if s.routed == (state, department_id)]
        return sorted(found, key=lambda s: s.routed_since)

    def had(self, agent_id: str) -> list[KnownSession]:
        """Return the sessions that an agent had in progress before, by when it had them last."""
        found = [s for s in self.sessions.values() if agent_id in s.had]
        return sorted(found, key=lambda s: s.had[agent_id])

    def load(self, agent: KnownAgent) -> int:
        """Return how many sessions an agent has in progress."""
        return len(self.held("in_progress", agent.id))

    def available(self, agent: KnownAgent) -> bool:
        """Return whether a session may be routed to an agent."""
        return agent.present and agent.chosen == "connected" and self.load(agent) < agent.capacity

    def members(self, department_id: str) -> list[KnownAgent]:
        """Return the members of a department."""
        return [a for a in self.agents.values() if department_id in a.departments]

    def best_first(self, department_id: str) -> list[KnownAgent]:
        """Return the available members of a department, the next one first."""
        return self._in_order(self.members(department_id))

    def _in_order(self, agents: Iterable[KnownAgent]) -> list[KnownAgent]:
        """Return those of some agents that are available, the one first that gets the next session."""
        ready = filter(self.available, agents)
        return sorted(ready, key=lambda a: (Fraction(self.load(a), a.capacity), a.assigned_last, a.id))

    def row(self, agent: KnownAgent) -> Agent:
        """Return an agent as the directory shows it."""
        return Agent(
            id=agent.id,
            name=agent.name,
            role=agent.role,  # type: ignore[arg-type]
            departments=list(agent.departments),
            status=agent.status,  # type: ignore[arg-type]
            status_since_at=agent.status_since_at,
            load=self.load(agent),
            capacity=agent.capacity,
            pending=len(self.held("pending", agent.id)),
            available=self.available(agent),
            answered_at=agent.answered_at or msgspec.UNSET,
            status_reason=agent.status_reason or msgspec.UNSET,
            status_until_at=agent.status_until_at or msgspec.UNSET,
            status_by=agent.status_by or msgspec.UNSET,
            missed=agent.missed or msgspec.UNSET,
        )

    def department_row(self, department_id: str) -> Department:
        """Return a department as the directory shows it."""
        return Department(
            id=department_id,
            name=self.departments[department_id],
            agents=len(self.members(department_id)),
            available=len(self.best_first(department_id)),
            queued=len(self.held("queued", department_id)),
            rule=self._rule(self.settings.get(department_id, {})),
        )

    def department_view(self, department_id: str) -> Department:
        """Return a department as it is answered: with the tenant's rule where it has none of its own."""
        return replace(self.department_row(department_id), rule=self._rule(self.effective(department_id)))

    def effective(self, department_id: str) -> dict[str, Any]:
        """Return what holds in a department, of what is set."""
        return self.settings[""] | self.settings.get(department_id, {})

    def setting(self, s: KnownSession, name: str) -> Any:
        """Return a setting as it holds for a session."""
        return self.effective(s.department or "").get(name, SETTINGS[name].default)

    def _rule(self, settings: dict[str, Any]) -> Rule | msgspec.UnsetType:
        return msgspec.convert(settings["rule"], Rule) if "rule" in settings else msgspec.UNSET

    def _apply_rule(self, s: KnownSession, target: Owner, request: Request) -> list[str]:
        """Refuse a transfer that the rule forbids its caller; return what another caller passes over."""
        department = s.department if s.department in self.departments else None
        own = self.settings.get(department or "", {}).get("rule") if department else None
        rule = own or self.settings[""].get("rule")
        if rule is None:
            return []
        agent = self.agents[target.id] if target.kind == "agent" else None
        allowed = set(self.departments) if rule["departments"] == "any" else set(rule["departments"])
        homes = set(agent.departments) if agent is not None else set()
        agents = {"none": False, "members": bool(homes & allowed), "any": True}[rule["agents"]]
        way_out = agent.role == "admin" if agent is not None else target.id == s.department
        hops = s.hops - s.hops_free
        broken = {
            "departments": agent is None and target.id not in allowed,
            "agents": agent is not None and not agents,
            "status": agent is not None and self._status(agent) not in rule["statuses"],
            "capacity": agent is not None and not rule["at_capacity"] and self.load(agent) >= agent.capacity,
            "hops": 0 < rule["hops_max"] <= hops and not way_out,
            "reason": rule["reason"] == "required" and not request.get("reason"),
        }
        found = [name for name, is_broken in broken.items() if is_broken]
        if found and request["by"]["role"] == "agent":
            raise RejectedError(
                "not_allowed", {"because": found[0], "department": department if own else None}
            )
        return found

    def _status(self, agent: KnownAgent) -> str:
        return agent.chosen if agent.present else "disconnected"

    # Each step ---------------------------------------------------------------------------------------------

    def _authorized(self, request: Request) -> Request:
        """Return the request with the role that counts: the newer of token and directory."""
        by = request.get("by")
        if by is None:
            return request
        if by["role"] != "service":
            agent = self.agents.get(by["id"])
            if agent is not None and (by.get("attached") or by.get("iat", 0) < agent.described_at):
                by = by | {"role": agent.role}
            elif agent is None and not by.get("attached") and self._is_removed(f"a{by['id']}", by):
                raise RejectedError("forbidden")
        if request.get("for_admins") and by["role"] == "agent":
            raise RejectedError("forbidden")
        return request | {"by": by}

    def _is_removed(self, name: str, claims: dict[str, Any]) -> bool:
        """Return whether it was removed after a token was issued."""
        return name in self.removed and claims.get("iat", 0) < self.removed[name] // 1000

    def _notice(self, agent: KnownAgent, by: Author | None, reason: str | None = None) -> None:
        self._noticed[agent.id] = (agent.id, by, reason)

    def _begin(self) -> None:
        self._noticed: dict[str, Notice] = {}
        self._were_available = {a.id for a in self.agents.values() if self.available(a)}
        self._availability = {
            a.id: set(a.departments) for a in map(self.agents.get, self._were_available) if a
        }
        self._answered: set[str] = set()

    def _settle(self) -> None:
        given_away: dict[str, set[str]] = {}
        for change in self.changes:
            if change.removed is not None:
                given_away.setdefault(change.removed[0], set()).add(change.session_id)
        for agent in self._in_order(self.agents.values()):
            fresh = set(agent.departments) - self._availability.get(agent.id, set())
            while self.available(agent):
                waiting = [
                    s for s in self._waiting_for(agent, fresh) if s.id not in given_away.get(agent.id, set())
                ]
                if not waiting:
                    break
                self._take(agent, min(waiting, key=lambda s: s.place))
        for agent in self.agents.values():
            if agent.chosen == "pre_pause" and self.load(agent) == 0:
                agent.chosen, agent.status_by = "pause", None
                self._notice(agent, None, agent.status_reason)
            status = agent.chosen if agent.present else "disconnected"
            if status != agent.status:
                agent.status, agent.status_since_at = status, self._now
        self.notices += self._noticed.values()

    def _waiting_for(self, agent: KnownAgent, fresh: set[str]) -> Iterator[KnownSession]:
        """
        Yield what an available agent takes by itself.

        It has just become available to the departments `fresh`; in the others only what it was tried with
        waits for it, where it has answered another session in this step.
        """
        for department_id in agent.departments:
            for s in self.held("queued", department_id):
                again = agent.id in self._answered and agent.id in s.tried
                if (department_id in fresh or again) and not self._is_tried(agent, s):
                    yield s
        for s in self.held("pending", agent.id):
            if agent.id not in self._were_available and self.setting(s, "pending_take") == "when_available":
                yield s

    def _take(self, agent: KnownAgent, s: KnownSession) -> None:
        assert s.owner is not None
        change = Change(s.id)
        owner = s.owner if s.state == "queued" else Owner("agent", agent.id)
        self._choice = owner, None, s
        decision = self._decide("queue", s, agent)
        transfer = s.transfer
        to = (transfer.to.kind, transfer.to.id) if transfer is not None else None
        if transfer is not None and (s.state == "pending" or to == ("department", s.owner.id)):
            assigned_to = None if to == ("agent", agent.id) else agent.id
            s.transfer = replace(transfer, outcome="assigned", assigned_to=assigned_to)
        self._place(s, "in_progress", Owner("agent", agent.id), None, change, "moved")
        self._write(s, change, "moved", None, transfer=s.transfer, why="queue", decision=decision)
        self._notify_sender(s, change, "moved")
        self._conclude(s, change)

    def _sweep(self) -> None:
        """Do what is due, in the order of the times."""
        while True:
            due = self.due()
            if not due or min(due)[0] > self._now:
                return
            at, kind, name = min(due)
            if kind == "node":
                del self.leases[name]
                for agent in self.agents.values():
                    for connection in [c for c in agent.connections if c[0] == name]:
                        self._drop(agent, connection, at)
            elif kind in ("presence", "sessions") and self._begins_again(kind, name, at):
                continue
            elif kind == "presence":
                self.agents[name].present, self.agents[name].presence_ends_at = False, None
            elif kind == "session":
                self._meet_deadline(self.sessions[name])
            else:
                self.agents[name].sessions_end_at = None
                for s in self.held("in_progress", name):
                    self._take_away(s, self.agents[name])

    def due(self) -> list[tuple[int, str, str]]:
        """Return what is due, and when."""
        due = [(at, "node", node_id) for node_id, at in self.leases.items()]
        for a in self.agents.values():
            due += [(at, "presence", a.id) for at in [a.presence_ends_at] if at is not None]
            due += [(at, "sessions", a.id) for at in [a.sessions_end_at] if at is not None]
        return due + [(s.due_at, "session", s.id) for s in self.sessions.values() if s.due_at is not None]

    def due_in_ms(self) -> int:
        return min(self.due(), default=(NEVER, "", ""))[0] - self._now

    def _is_served(self) -> bool:
        return any(ends_at > self._now for ends_at in self.leases.values())

    def _begins_again(self, kind: str, agent_id: str, at: int) -> bool:
        """Let a grace begin again if it ran while no node served the tenant; return whether it did."""
        grace_ms = self._limits[3 if kind == "presence" else 4]
        since = self.served_at if self._is_served() else self._now
        if at - grace_ms >= since:
            return False
        agent = self.agents[agent_id]
        if kind == "presence":
            agent.presence_ends_at = since + grace_ms
        else:
            agent.sessions_end_at = since + grace_ms
        return True

    def _take_away(self, s: KnownSession, agent: KnownAgent) -> None:
        """Let a lost agent's session go on through its department, or wait for the agent."""
        if s.department in self.departments and self.setting(s, "after_grace") == "department":
            place = self._route(Owner("department", s.department or ""), agent.id, s)
        else:
            s.target = Owner("agent", agent.id)
            place = "pending", s.target
            self._choice = s.target, None, None
        self._move(s, *place, "disconnected", agent)
        agent.lost.append(s.id)

    def _meet_deadline(self, s: KnownSession) -> None:
        """Move a session on that was not answered, or that is pending for too long."""
        agent, why = self.agents[s.agent_id() or ""], "overdue"
        if s.state == "in_progress":
            why = "unanswered"
            agent.missed += 1
            if 0 < self.setting(s, "missed_max") <= agent.missed and agent.chosen in (
                "connected",
                "pre_pause",
            ):
                agent.chosen, agent.status_by = "pause", None
                agent.status_reason, agent.status_until_at = why, None
                self._notice(agent, None, why)
        by_department = why == "unanswered" or self.setting(s, "pending_then") == "department"
        if by_department and s.department in self.departments:
            self._move(s, *self._route(Owner("department", s.department or ""), agent.id, s), why)
        elif (place := self._origin(s)) is not None:
            self._move(s, *place, why)
        else:
            s.due_at = None
            self._rewrite(s)

    def _move(
        self, s: KnownSession, state: str, owner: Owner, why: str | None, lost: KnownAgent | None = None
    ) -> None:
        """Move a session on by the system."""
        change = Change(s.id)
        decision = self._decide(why or "returned", s)
        updated = None
        if s.transfer is not None and s.transfer.to.kind == "department":
            assigned_to = owner.id if state == "in_progress" else None
            updated = replace(s.transfer, outcome=OUTCOMES[state], assigned_to=assigned_to)
            s.transfer = updated
        self._write(s, change, "moved", None, transfer=updated, why=why, decision=decision)
        self._notify_sender(s, change, "moved")
        self._move_on(s, state, owner, None, change, "moved")
        s.lost = lost.id if lost is not None else None
        self._conclude(s, change)

    def _bring_back(self, agent: KnownAgent) -> None:
        """Let an agent have in progress again what was taken from it and still waits."""
        if agent.chosen == "disconnected":
            return
        lost, agent.lost = agent.lost, []
        for session_id in lost:
            s = self.sessions.get(session_id)
            if s is not None and s.lost == agent.id and s.waits and self.load(agent) < agent.capacity:
                owner = Owner("agent", agent.id)
                self._choice = owner, None, None
                self._move(s, "in_progress", owner, None)

    def _drop(self, agent: KnownAgent, connection: tuple[str, str], at: int, clean: bool = False) -> None:
        if connection not in agent.connections:
            return
        agent.connections.discard(connection)
        if not agent.connections:
            presence_grace_ms, session_grace_ms = self._limits[3:5]
            agent.sessions_end_at = at + session_grace_ms
            if clean:
                agent.present = False
            else:
                agent.presence_ends_at = at + presence_grace_ms

    # Changes of one session --------------------------------------------------------------------------------

    def _write(
        self,
        s: KnownSession,
        change: Change,
        kind: str,
        by: Actor | None,
        text: str | None = None,
        transfer: Transfer | None = None,
        passed: list[str] | None = None,
        why: str | None = None,
        decision: Decision | None = None,
    ) -> Entry:
        entry = Entry(
            seq=len(s.history) + 1,
            kind=kind,  # type: ignore[arg-type]
            at=self._now,
            by=by,
            text=text,
            transfer=transfer,
            passed=passed or msgspec.UNSET,
            why=why or msgspec.UNSET,
            decision=decision or msgspec.UNSET,
        )
        s.history.append(entry)
        if decision is not None:
            s.why_not[entry.seq] = self._reasons
        change.entries.append(entry)
        return entry

    def _notify_sender(
        self, s: KnownSession, change: Change, state: str, old: Transfer | None = None
    ) -> None:
        """Notify the sender of the latest transfer; of `old` where another one takes its place."""
        transfer = old if old is not None else s.transfer
        if transfer is not None:
            maker = f"service {transfer.by.id}" if transfer.by.role == "service" else transfer.by.id
            change.updated = (maker, state, old)

    def _place(
        self, s: KnownSession, state: str, owner: Owner | None, by: Actor | None, change: Change, why: str
    ) -> None:
        before = s.agent_id()
        if s.state == "in_progress" and s.owner != owner:
            s.holder = before
        self._placements += 1
        if s.state == "in_progress" and before is not None:
            s.had[before] = self._placements
        if state == "closed":
            s.tried = {}
        elif s.state == "in_progress" and before and s.answered_at is None and self.setting(s, "answer_ms"):
            s.tried[before] = s.updated_at
        s.answered_at = s.lost = s.due_at = None
        if s.state != state:
            s.in_state_since = self._placements
        if s.routed != (state, s.department):
            s.routed, s.routed_since = (state, s.department), self._placements
        s.opened_position = s.opened_position or self._placements
        s.state, s.owner, s.position = state, owner, self._placements
        s.fence, s.updated_at, s.changed_by, s.delivered = s.fence + 1, self._now, by, False
        wait_ms = {"in_progress": self.setting(s, "answer_ms"), "pending": self.setting(s, "pending_ms")}
        s.due_at = self._now + wait_ms[state] if wait_ms.get(state) else None
        after = s.agent_id()
        if state == "in_progress" and after is not None:
            self.agents[after].assigned_last, self.agents[after].assigned_at = self._placements, self._now
            change.assigned = after
        elif state == "pending":
            change.pending = after
        if before is not None and before != after:
            change.removed = (before, why)

    def _rewrite(self, s: KnownSession) -> None:
        """Let a session be another one without an entry of its history."""
        seen = s.seen()
        names = ("attributes", "answered_at", "due_at")
        s.rewritten[len(s.history)] = {name: getattr(seen, name) for name in names}
        self._conclude(s, Change(s.id))

    def _conclude(self, s: KnownSession, change: Change, with_session: bool = True) -> None:
        change.session = s.seen() if with_session else None
        change.owner = s.agent_id()
        self.changes.append(change)

    def _route(
        self, target: Owner, never: str | None = None, s: KnownSession | None = None
    ) -> tuple[str, Owner]:
        self._choice = target, never, s
        if target.kind == "agent":
            return ("in_progress" if self.available(self.agents[target.id]) else "pending"), target
        for agent in self.best_first(target.id):
            if agent.id != never and not (s is not None and self._is_tried(agent, s)):
                return "in_progress", Owner("agent", agent.id)
        return "queued", target

    def _decide(self, by: str, waiting: KnownSession | None, taker: KnownAgent | None = None) -> Decision:
        """
        Say why the latest choice is what it is, before the session moves.

        Args:
            by: What it was made for.
            waiting: The session, which has come into its department already; None where it is new there.
            taker: Who takes it from its queue or its list.
        """
        target, never, s = self._choice
        members = self.members(target.id) if target.kind == "department" else [self.agents[target.id]]
        reasons: dict[str, str | None] = {}
        for agent in members:
            is_full = self._status(agent) == "connected" and self.load(agent) >= agent.capacity
            if not self.available(agent):
                reasons[agent.id] = "capacity" if is_full else "status"
            elif target.kind == "department" and agent.id == never:
                reasons[agent.id] = "owner"
            elif target.kind == "department" and s is not None and self._is_tried(agent, s):
                reasons[agent.id] = "tried"
            else:
                reasons[agent.id] = "behind"
        left_out = list(reasons.values())
        if by == "forced":
            left_out, reasons = [], {target.id: "behind"}
        in_order = self.best_first(target.id) if target.kind == "department" else members
        best = [taker] if taker is not None else [a for a in in_order if reasons[a.id] == "behind"]
        place = None
        if target.kind == "department" and (taker is not None or not best):
            queue = [each.place for each in self.held("queued", target.id)]
            age = waiting.age if waiting is not None else NEVER
            place = 1 + sum(each < age for each in queue)
        if best:
            reasons[best[0].id] = None
        self._reasons = reasons
        tie = "only" if best else None
        if best[1:]:
            ratios = [Fraction(self.load(a), a.capacity) for a in best[:2]]
            tie = "idle" if ratios[0] == ratios[1] else "load"
        return Decision(
            by=by,  # type: ignore[arg-type]
            members=len(members),
            available=len(members) if by == "forced" else sum(self.available(a) for a in members),
            left_out=LeftOut(
                owner=left_out.count("owner"),
                tried=left_out.count("tried"),
                needs=0,
                capacity=left_out.count("capacity"),
                status=left_out.count("status"),
            ),
            chosen=self._candidate(best[0]) if best else None,
            next=self._candidate(best[1]) if best[1:] else None,
            tie=tie,  # type: ignore[arg-type]
            place=place,
        )

    def _candidate(self, agent: KnownAgent) -> Candidate:
        idle_ms = None if agent.assigned_at is None else self._now - agent.assigned_at
        return Candidate(id=agent.id, load=self.load(agent), capacity=agent.capacity, idle_ms=idle_ms)

    def _is_connected(self, agent: KnownAgent) -> bool:
        """Return whether it sees what it is given."""
        return agent.present and agent.chosen != "disconnected"

    def _is_tried(self, agent: KnownAgent, s: KnownSession) -> bool:
        """Return whether it was placed with an agent that has not answered nor changed its status since."""
        is_another = self._status(agent) != agent.status
        since = max(self._now if is_another else agent.status_since_at, agent.answered_at or 0)
        return s.tried.get(agent.id, -1) >= since

    def _department_with(self, agent: KnownAgent, department: str | None = None) -> str | None:
        """Return the department of a session that goes to an agent."""
        if department in agent.departments:
            return department
        return agent.departments[0] if len(agent.departments) == 1 else None

    def _enter_target(self, s: KnownSession, target: Owner) -> None:
        """Bring a session into a department, or out of one; its next placement is its age there."""
        department = target.id
        if target.kind == "agent":
            department = self._department_with(self.agents[target.id], s.department) or ""
            if department == (s.department or ""):
                return
        if department:
            s.former = None
        elif s.department is not None:
            s.former = s.department, s.age
        s.department, s.age = department or None, self._placements + 1

    def _answer(self, s: KnownSession) -> bool:
        """Take note that the owner did something; return whether it is the first thing."""
        if s.state != "in_progress" or s.answered_at is not None or s.owner is None:
            return False
        s.answered_at, s.due_at, s.tried = self._now, None, {}
        agent = self.agents[s.owner.id]
        agent.answered_at, agent.missed = self._now, 0
        self._answered.add(agent.id)
        return True

    def _give_back(self, s: KnownSession, kind: str, by: Actor, text: str | None = None) -> None:
        place = self._origin(s)
        if place is None:
            raise RejectedError("no_origin", {"owner": s.owner, "department": s.department})
        change = Change(s.id)
        self._write(s, change, kind, by, text, decision=self._decide("returned", s))
        self._notify_sender(s, change, kind)
        self._move_on(s, *place, by, change, kind)
        self._conclude(s, change)

    def _origin(self, s: KnownSession) -> tuple[str, Owner] | None:
        """Return where it is given back: who had it before, else its department, else that one's list."""
        present = s.agent_id()
        holder = self.agents.get(s.holder) if s.holder is not None and s.holder != present else None
        if holder is not None and self._is_connected(holder):
            return self._route(Owner("agent", holder.id))
        if s.state != "queued" and s.department is None and s.former is not None:
            former, age = s.former
            if former in self.departments:
                s.department, s.age, s.former = former, age, None
        if s.state != "queued" and s.department is not None and s.department in self.departments:
            return self._route(Owner("department", s.department), present, s)
        if holder is None:
            return self._last_resort(s)
        self._choice = Owner("agent", holder.id), None, None
        return "pending", Owner("agent", holder.id)

    def _last_resort(self, s: KnownSession) -> tuple[str, Owner] | None:
        """Return where it goes that has nowhere else to go."""
        setting = self.settings[""].get("last_resort")
        if setting is None:
            return None
        target = Owner(setting["kind"], setting["id"])
        if target == s.owner or target.id not in (
            self.agents if target.kind == "agent" else self.departments
        ):
            return None
        self._enter_target(s, target)
        return self._route(target, s.agent_id(), s)

    def _move_on(
        self, s: KnownSession, state: str, owner: Owner, by: Actor | None, change: Change, why: str
    ) -> None:
        """Place it without its owner, which has had it only if it answered it."""
        had = s.state == "in_progress" and s.answered_at is not None
        holder = s.agent_id() if had else s.holder
        self._place(s, state, owner, by, change, why)
        s.holder = holder if s.owner != Owner("agent", holder or "") else None

    def _require_reader(self, s: KnownSession, request: Request) -> None:
        if request["by"]["id"] not in s.had:
            self._require_right(s, request)

    # The caller, and the target ----------------------------------------------------------------------------

    def _caller(self, request: Request) -> Actor:
        claims = request["by"]
        agent = self.agents.get(claims["id"]) if claims["role"] != "service" else None
        if claims.get("attached") and agent is None:
            raise RejectedError("forbidden")
        name = agent.name if agent is not None else claims.get("name", claims["id"])
        return Actor(claims["id"], name, claims["role"])

    def _conflict(self, s: KnownSession) -> RejectedError:
        owner, by = s.owner, s.changed_by
        return RejectedError(
            "conflict", {"fence": s.fence, "state": s.state, "owner": owner, "by": by, "at": s.updated_at}
        )

    def _owns(self, s: KnownSession, request: Request) -> bool:
        by = request["by"]
        return bool(by["role"] != "service" and s.agent_id() == by["id"])

    def _find(self, request: Request) -> KnownSession:
        if request["session_id"] not in self.sessions:
            raise RejectedError("not_found")
        return self.sessions[request["session_id"]]

    def _find_to_change(self, request: Request) -> KnownSession:
        s = self._find(request)
        if s.state == "closed":
            raise RejectedError("closed")
        if "fence" in request and request["fence"] != s.fence:
            raise self._conflict(s)
        return s

    def _require_right(self, s: KnownSession, request: Request) -> None:
        if request["by"]["role"] == "agent" and not self._owns(s, request):
            raise RejectedError("forbidden")

    def _moved_on(self, s: KnownSession, request: Request) -> RejectedError:
        """Tell its owner, an admin and to whom it was sent that it has moved on; others may not even ask."""
        me, concerned = request["by"]["id"], self._owns(s, request) or request["by"]["role"] == "admin"
        if s.target is not None and s.target.kind == "agent":
            concerned = concerned or s.target.id == me
        elif s.target is not None:
            concerned = concerned or me in [a.id for a in self.members(s.target.id)]
        return self._conflict(s) if concerned else RejectedError("forbidden")

    def _require_room(self, request: Request) -> None:
        me = self.agents.get(request["by"]["id"])
        capacity = request["by"].get("capacity", CAPACITY_DEFAULT) if me is None else me.capacity
        load = 0 if me is None else self.load(me)
        if capacity <= load:
            raise RejectedError("at_capacity", {"load": load, "capacity": capacity})

    def _begin_grace(self, agent: KnownAgent, request: Request) -> None:
        """Give an agent that takes a session without a connection a grace, as if it had just dropped."""
        if not request["by"].get("attached") and not agent.connections:
            agent.sessions_end_at = self._now + self._limits[4]

    def _party(self, target: Owner) -> Party:
        if target.kind == "agent" and target.id in self.agents:
            return Party("agent", target.id, self.agents[target.id].name)
        if target.kind == "department" and target.id in self.departments:
            return Party("department", target.id, self.departments[target.id])
        raise RejectedError("not_found")

    def _claim(self, claims: dict[str, Any]) -> KnownAgent:
        """Make or update the agent that a token speaks of."""
        agent, iat = self.agents.get(claims["id"]), claims.get("iat", 0)
        if agent is not None and (claims.get("again") or iat < agent.described_at):
            return agent
        named = [
            name
            for name in claims.get("departments", ())
            if name in self.departments or not self._is_removed(f"d{name}", claims)
        ]
        for department_id in named:
            if self.departments.setdefault(department_id, department_id):
                self.removed.pop(f"d{department_id}", None)
        if agent is None:
            agent = KnownAgent(claims["id"], claims["id"], claims["role"], [], CAPACITY_DEFAULT, self._now)
            self.agents[agent.id] = agent
            self.removed.pop(f"a{agent.id}", None)
        if agent.role != claims["role"]:
            self._notice(agent, None)
        agent.role = claims["role"]
        agent.name = claims.get("name", agent.name)
        agent.departments = named if "departments" in claims else agent.departments
        agent.capacity = claims.get("capacity", agent.capacity)
        agent.described_at = max(agent.described_at, iat)
        return agent
