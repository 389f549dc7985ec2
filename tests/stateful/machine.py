"""
The state machine: any command, by anybody, in any order, against the store and the model at once.

After each step both must have answered the same and must hold the same, what the feed told must be what the
model says was to be told, no invariant may be broken, and the other tenant's keys must be untouched. What one
state can show of the invariants is audited as `relevo audit` does.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from relevo.protocol.objects import Session
from relevo.router.store.events import Event, decode_event
from tests.stateful.commands import Model
from tests.stateful.comparison import contents, difference, seen_in, seen_of
from tests.stateful.invariants import Reader, violations
from tests.stateful.known import Answer, Notice, Request
from tests.stateful.names import (
    ADMIN,
    AGENTS,
    CONNECTIONS,
    CONNECTIONS_MAX,
    CUSTOMERS,
    DEADLINES,
    DEPARTMENTS,
    FITTING,
    FOR_ADMINS,
    LEASE_MS,
    LIMITS,
    NODES,
    SERVICES,
    SESSIONS,
    STATUSES,
    STRANGERS,
    TARGETS,
    TENANTS,
    agents,
    attributes,
    callers,
    capacities,
    claims,
    departments,
    fences,
    forces,
    keys,
    managers,
    memberships,
    picks,
    settings,
    targets,
    tenant_settings,
    tenants,
    texts,
)
from tests.stateful.stored import CommandRunner, StoredState, change_of, stored_state


class Twin:
    """One tenant: the model of it, and what is known of the real one."""

    def __init__(self) -> None:
        self.model = Model()
        self.reader = Reader()
        self.kept = StoredState()
        self.raw: list[Any] = []
        self.epoch_ends = True
        self.before = ""
        self.sent: list[tuple[str, Request]] = []


class CommandsAgainstModel(RuleBasedStateMachine):
    """Run every step twice and compare. A subclass sets `stored`."""

    stored: CommandRunner
    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_790_000_000_000
        self.runs = 0
        self.epochs: set[str] = set()
        self.transfers: set[str] = set()
        self.twins = {tenant: Twin() for tenant in TENANTS}
        self.stored.begin(TENANTS)

    # A step ------------------------------------------------------------------------------------------------

    def step(self, tenant: str, command: str, /, **request: Any) -> Answer:
        """Run a command on the store and on the model, and compare all there is."""
        type(self).steps += 1
        twin = self.twins[tenant]
        request |= {"limits": LIMITS, "now": self.now}
        if command in FOR_ADMINS:
            request["for_admins"] = True
        if request.get("key", "") is None:
            del request["key"]
        if "key" in request:
            around = ("limits", "now", "by", "print")
            body = {name: value for name, value in request.items() if name not in around}
            request["print"] = hashlib.md5(json.dumps([command, body]).encode()).hexdigest()
            twin.sent.append((command, request))
        answer = self.stored.run(tenant, command, request)
        is_transfer = command == "session_transfer" and "check" not in request
        made = answer.result["session"].transfer if is_transfer and answer.result else None
        expected = twin.model.run(command, request, made.id if made is not None else "none was made")
        changes, notices, position = twin.model.changes, twin.model.notices, None
        if twin.epoch_ends:
            twin.before = f"{twin.kept.epoch} {twin.kept.seq}" if twin.kept.epoch else ""
        if answer.result is not None and "before" in answer.result:
            assert answer.result.pop("before") == twin.before, "S9: the epoch began somewhere else"
        if answer.result is not None and "seq" in answer.result:
            position = answer.result.pop("epoch"), answer.result.pop("seq")
        if command == "session_explain" and answer.result and answer.result["why_not"] == "unknown":
            # It may say that it does not know; what it says otherwise is what was true then.
            answer.result["why_not"] = expected.result and expected.result["why_not"]
        assert answer == expected, difference(expected, answer)
        forced = request["target"]["id"] if request.get("force") else None
        self.compare(tenant, position, changes, notices, made.id if made is not None else None, forced)
        return answer

    def compare(
        self,
        tenant: str,
        position: Any,
        changes: list[Any],
        notices: list[Notice],
        transfer_id: str | None,
        forced: str | None = None,
    ) -> None:
        """Compare what store and model hold and told, and look for broken invariants."""
        for other, untouched in self.twins.items():
            same = other == tenant or contents(self.stored.dump(other)) == contents(untouched.raw)
            assert same, f"S11: {other} was touched by {tenant}"
        twin, before = self.twins[tenant], self.twins[tenant].kept
        events = self._read_events(tenant)
        twin.raw = self.stored.dump(tenant)
        after = twin.kept = stored_state(twin.raw)
        assert (after.epoch != before.epoch) == twin.epoch_ends, "S9: an epoch ends when seq may have rewound"
        if twin.epoch_ends:
            assert after.epoch not in self.epochs, "S9: an epoch came back"
            self.epochs.add(after.epoch)
            twin.epoch_ends = False
        assert position in (None, (after.epoch, after.seq)), "S10: the answer is of another position"
        heard = [change_of(change) for event in events for change in event.changes]
        assert heard == changes, difference(changes, heard)
        noticed = [(one.agent_id, one.by, one.reason or None) for event in events for one in event.notices]
        assert sorted(noticed, key=repr) == sorted(notices, key=repr), difference(notices, noticed)
        assert [one for event in events for one in event.replaced] == twin.model.replaced
        if any(entry.kind == "transferred" for change in changes for entry in change.entries):
            assert transfer_id not in self.transfers, "S8: the id of a transfer came back"
            self.transfers.add(transfer_id or "")
        wanted, found = seen_of(twin.model), seen_in(after)
        assert found == wanted, difference(wanted, found)
        # Each command sweeps first, and a step does more than is ever due here.
        late = [s.id for s in after.sessions.values() if s.due_at and s.due_at <= self.now]
        assert not late, f"S13: {late} are past their deadlines"
        broken = list(violations(before, after, twin.reader, events, forced))
        assert not broken, "\n".join(broken)
        unsound = self.stored.audit(tenant, (row[0].decode() for row in twin.raw))
        assert not unsound, "\n".join(map(str, unsound))

    def _read_events(self, tenant: str) -> list[Event]:
        """Return the step's events from the stream; they were published, once, in order and alike."""
        twin = self.twins[tenant]
        after = 0 if twin.epoch_ends else twin.kept.seq
        asked: Request = {"limits": LIMITS, "now": self.now, "after": after, "limit": 1000}
        # A question about another epoch is answered with the present one.
        present = self.stored.run(tenant, "events", asked | {"epoch": ""}).result
        assert present is not None
        reply = self.stored.run(tenant, "events", asked | {"epoch": present["epoch"]}).result
        assert reply is not None
        events: list[Event] = reply["events"]
        assert [event.seq for event in events] == list(range(after + 1, reply["seq"] + 1)), "S9: a hole"
        heard = self.stored.published(len(events))
        assert [channel for channel, _ in heard] == [f"relevo:{{{tenant}}}:feed"] * len(events)
        assert [decode_event(payload) for _, payload in heard] == events
        assert all(event.at == self.now for event in events)
        return events

    # The caller, and the session ---------------------------------------------------------------------------

    def session(self, tenant: str, pick: int, command: str = "") -> str:
        """Return a session that fits a command, or any of those there might be."""
        states = FITTING.get(command, [("in_progress", "pending", "queued")])
        wanted = states[pick % len(states)]
        found = sorted(s.id for s in self.twins[tenant].model.sessions.values() if s.state in wanted)
        return found[pick % len(found)] if found and pick >= 3 else SESSIONS[pick % len(SESSIONS)]

    def customer(self, session_id: str) -> dict[str, str]:
        """Return the customer of a new session."""
        return {"id": CUSTOMERS[(self.now + len(session_id)) % 2], "name": "M\u00fcller"}

    def find_caller(
        self, tenant: str, caller: str, session_id: str = "", command: str = ""
    ) -> dict[str, Any]:
        """Return the caller: a known one, or the one that has this part in the session now."""
        model = self.twins[tenant].model
        if caller == "admin":
            return {"id": ADMIN, "role": "admin", "attached": True}
        if caller == "service":
            return {"id": SERVICES[self.now % 2], "role": "service"}
        if caller in STRANGERS:
            return STRANGERS[caller]
        s = model.sessions.get(session_id)
        if s is not None and caller not in AGENTS:
            made = s.transfer.by.id if s.transfer is not None else None
            owner = s.owner.id if s.owner is not None else None
            sent_to = s.target.id if s.target is not None else None
            right = made if command == "session_recall" else owner
            parts = {"right": right, "owner": owner, "holder": s.holder, "maker": made, "target": sent_to}
            caller = parts[caller] or caller
            if s.state == "queued" and command == "session_transfer":
                return self.find_caller(tenant, "admin")
            if s.state == "queued" and caller in model.departments:
                free = [a.id for a in model.members(caller) if model.load(a) < a.capacity]
                caller = sorted(free)[0] if free else caller
        if caller in SERVICES and caller not in AGENTS:
            return {"id": caller, "role": "service"}
        caller = caller if caller in (*AGENTS, ADMIN) else AGENTS[0]
        return {"id": caller, "role": "admin" if caller == ADMIN else "agent", "attached": True}

    def fence(self, tenant: str, session_id: str, which: str | None) -> dict[str, int]:
        """Return the field `fence` of a request, or nothing."""
        s = self.twins[tenant].model.sessions.get(session_id)
        if which is None or s is None:
            return {}
        return {"fence": s.fence + {"right": 0, "stale": -1, "ahead": 1}[which]}

    # Time and the server -----------------------------------------------------------------------------------

    @rule(
        ms=st.sampled_from([1, 1, 500, 2_000, 5_999, 6_000, 9_999, 10_000, 16_000, 30_000, 36_000]),
        alive=st.sampled_from([NODES, NODES, NODES, NODES[:1], NODES[1:], []]),
        server=st.sampled_from(["the same"] * 18 + ["another", "another", "an empty one"]),
    )
    def pass_time(self, ms: int, alive: list[str], server: str) -> None:
        """
        Let time go by, over graces or not, and perhaps meet another server, with or without the data.

        The nodes that are alive have renewed their leases.
        """
        self.now += ms
        if server != "the same":
            self.runs += 1
            self.stored.run_id = f"run {self.runs}"
            for twin in self.twins.values():
                twin.epoch_ends = True
        if server == "an empty one":
            self.stored.empty()
            self.twins = {tenant: Twin() for tenant in TENANTS}
            self.set_up([(["sales"], 1, "pause"), (["sales", "help"], 2, "connected")], TARGETS[4:7], {})
        for tenant in TENANTS:
            for node_id in alive:
                self.step(tenant, "renew", node_id=node_id, lease_ms=LEASE_MS)

    @precondition(lambda self: any(t.model.held("closed") for t in self.twins.values()))
    @rule(tenant=tenants)
    def retention_ends(self, tenant: str) -> None:
        """Forget the session that was closed first."""
        twin = self.twins[tenant]
        s = twin.model.forget_oldest_closed()
        if s is not None:
            self.stored.forget(tenant, s.id)
            del twin.reader.sessions[s.id]
            twin.kept.sessions.pop(s.id)
            twin.kept.histories.pop(s.id)
            twin.raw = self.stored.dump(tenant)

    @initialize(
        staff=st.lists(
            st.tuples(memberships, capacities, st.sampled_from(STATUSES)), min_size=3, max_size=len(AGENTS)
        ),
        waiting=st.lists(targets, min_size=2, max_size=5),
        given=st.one_of(st.just({}), settings, st.sampled_from(DEADLINES)),
    )
    def set_up(
        self,
        staff: list[tuple[list[str], int, str]],
        waiting: list[dict[str, str]],
        given: dict[str, Any],
    ) -> None:
        """Begin with departments, present agents, and customers, as a tenant does in the morning."""
        for tenant in TENANTS:
            known: dict[str, Any] = {"departments": DEPARTMENTS, "capacity": 2}
            self.connect_with(tenant, ADMIN, NODES[0], CONNECTIONS[0], known)
            for agent_id, (joined, capacity, status) in zip(AGENTS, staff, strict=False):
                known = {"departments": joined, "capacity": capacity}
                self.connect_with(tenant, agent_id, NODES[capacity % 2], CONNECTIONS[0], known)
                if status != STATUSES[0]:
                    self.step(
                        tenant,
                        "status_set",
                        by=self.find_caller(tenant, "admin"),
                        agent_id=agent_id,
                        status=status,
                    )
            if given:
                self.step(
                    tenant, "settings_put", by=self.find_caller(tenant, "admin"), settings=given, parties=[]
                )
            for session_id, target in zip(SESSIONS, waiting, strict=False):
                self.open_session(tenant, "admin", session_id, target, None)

    # Presence ----------------------------------------------------------------------------------------------

    def connect_with(
        self, tenant: str, agent_id: str, node_id: str, connection_id: str, known: dict[str, Any]
    ) -> None:
        """Say hello, and see the present position of the feed in the answer."""
        by = self.claims_of(agent_id, known)
        self.step(
            tenant,
            "connect",
            by=by,
            node_id=node_id,
            connection_id=connection_id,
            lease_ms=LEASE_MS,
            connections_max=CONNECTIONS_MAX,
            silent=[CONNECTIONS[self.now % len(CONNECTIONS)]],
        )

    @rule(
        tenant=tenants,
        agent_id=agents,
        node_id=st.sampled_from(NODES),
        connection_id=st.sampled_from(CONNECTIONS),
        known=claims,
    )
    def connect(
        self, tenant: str, agent_id: str, node_id: str, connection_id: str, known: dict[str, Any]
    ) -> None:
        self.connect_with(tenant, agent_id, node_id, connection_id, known)

    def claims_of(self, agent_id: str, known: dict[str, Any]) -> dict[str, Any]:
        """Return what a token says that was issued about now, or says nothing of that."""
        issued = {"iat": self.now // 1000 + known["iat"]} if "iat" in known else {}
        return {"id": agent_id, "role": "admin" if agent_id == ADMIN else "agent", **known, **issued}

    @rule(tenant=tenants, agent_id=agents, known=claims, role=st.sampled_from(["agent", "admin", None, None]))
    def token_refresh(self, tenant: str, agent_id: str, known: dict[str, Any], role: str | None) -> None:
        by = self.claims_of(agent_id, known)
        self.step(tenant, "token_refresh", by=by | ({"role": role} if role is not None else {}))

    @rule(tenant=tenants, agent_id=agents, which=st.integers(0, 2), clean=st.booleans())
    def disconnect(self, tenant: str, agent_id: str, which: int, clean: bool) -> None:
        agent = self.twins[tenant].model.agents.get(agent_id)
        live = sorted(agent.connections) if agent is not None else []
        node_id, connection_id = [*live, (NODES[0], CONNECTIONS[2])][min(which, len(live))]
        self.step(
            tenant, "disconnect", agent_id=agent_id, node_id=node_id, connection_id=connection_id, clean=clean
        )

    @rule(
        tenant=tenants,
        agent_id=agents,
        by=st.sampled_from(["admin", "itself", "itself", "bob"]),
        status=st.sampled_from(STATUSES),
        key=keys,
        why=st.sampled_from(
            [{}, {}, {"reason": "lunch"}, {"reason": "lunch", "until_at": 1_790_000_100_000}]
        ),
    )
    def status_set(
        self, tenant: str, agent_id: str, by: str, status: str, key: str | None, why: dict[str, Any]
    ) -> None:
        caller = self.find_caller(tenant, agent_id if by == "itself" else by)
        self.step(tenant, "status_set", by=caller, agent_id=agent_id, status=status, key=key, **why)

    # Agents and departments --------------------------------------------------------------------------------

    @rule(
        tenant=tenants,
        caller=managers,
        id=agents,
        joined=memberships,
        capacity=capacities,
        key=keys,
        role=st.sampled_from([None] * 6 + ["admin", "agent"]),
    )
    def agent_put(
        self,
        tenant: str,
        caller: str,
        id: str,
        joined: list[str],
        capacity: int,
        key: str | None,
        role: str | None,
    ) -> None:
        role, name = role or ("admin" if id == ADMIN else "agent"), f"{id} {capacity}"
        put = {"id": id, "name": name, "role": role, "departments": joined, "capacity": capacity}
        self.step(tenant, "agent_put", by=self.find_caller(tenant, caller), agent=put, key=key)

    @rule(
        tenant=tenants,
        caller=managers,
        id=departments,
        do=st.sampled_from(["put", "put", "rename", "remove", "remove agent"]),
        agent_id=agents,
        key=keys,
    )
    def manage(self, tenant: str, caller: str, id: str, do: str, agent_id: str, key: str | None) -> None:
        """Do what is done less often."""
        by = self.find_caller(tenant, caller)
        if do == "remove agent":
            self.step(tenant, "agent_remove", by=by, agent_id=agent_id, key=key)
        elif do == "remove":
            self.step(tenant, "department_remove", by=by, department_id=id, key=key)
        else:
            self.step(tenant, "department_put", by=by, department={"id": id, "name": do}, key=key)

    @rule(
        tenant=tenants,
        caller=managers,
        level=st.sampled_from(["", *DEPARTMENTS]),
        settings=tenant_settings,
        party=st.sampled_from([None, None, *TARGETS[:7]]),
        key=keys,
    )
    def change_settings(
        self,
        tenant: str,
        caller: str,
        level: str,
        settings: dict[str, Any],
        party: dict[str, str] | None,
        key: str | None,
    ) -> None:
        """Change settings, which may name an agent or a department, and read them."""
        by = self.find_caller(tenant, caller)
        settings = dict(settings)
        fields = {"settings": settings, "parties": [party] if party is not None else [], "key": key}
        if level:
            for name in ("reasons", "last_resort"):
                settings.pop(name, None)
            department = {"id": level, "name": level}
            self.step(tenant, "department_put", by=by, department=department, **fields)
            self.step(tenant, "department_get", by=by, department_id=level)
        else:
            if party is not None:
                settings["last_resort"] = party
            self.step(tenant, "settings_put", by=by, **fields)

    # Sessions ----------------------------------------------------------------------------------------------

    def open_session(
        self,
        tenant: str,
        caller: str,
        session_id: str,
        target: dict[str, str] | None,
        key: str | None,
        reopen: bool | None = None,
    ) -> None:
        """Open a session; only an admin has no target."""
        where: dict[str, Any] = {} if target is None else {"target": target}
        if reopen is not None:
            where["reopen"] = reopen
        if self.now % 3 == 0:
            where["attributes"] = {"channel": "mail", "at": float(self.now)} if self.now % 2 else {}
        by = self.find_caller(tenant, "admin" if target is None and caller == "service" else caller)
        self.step(
            tenant,
            "session_open",
            by=by,
            session_id=session_id,
            customer=self.customer(session_id),
            key=key,
            **where,
        )

    @rule(
        tenant=tenants,
        caller=managers,
        number=st.integers(0, len(SESSIONS) - 1),
        to=st.one_of(targets, targets, targets, st.none()),
        key=keys,
        reopen=st.sampled_from([None, None, None, True, False]),
    )
    def session_open(
        self,
        tenant: str,
        caller: str,
        number: int,
        to: dict[str, str] | None,
        key: str | None,
        reopen: bool | None,
    ) -> None:
        # Mostly one that is not there yet.
        closed = [one for one in SESSIONS if one not in self.twins[tenant].model.sessions]
        session_id = [*closed, *SESSIONS][number % len(SESSIONS)]
        self.open_session(tenant, caller, session_id, to, key, reopen)

    def session_step(
        self,
        command: str,
        tenant: str,
        caller: str,
        pick: int,
        fence: str | None,
        key: str | None,
        **more: Any,
    ) -> None:
        """Change a session."""
        session_id = self.session(tenant, pick, command)
        by, at = self.find_caller(tenant, caller, session_id, command), self.fence(tenant, session_id, fence)
        given = {name: value for name, value in more.items() if value is not None}
        self.step(tenant, command, by=by, session_id=session_id, key=key, **at, **given)

    @precondition(lambda self: any(s.owner for s in self.twins[TENANTS[0]].model.sessions.values()))
    @rule(
        tenant=tenants,
        caller=callers,
        pick=picks,
        to=targets,
        reason=texts,
        fence=fences,
        key=keys,
        force=forces,
    )
    def session_transfer(
        self,
        tenant: str,
        caller: str,
        pick: int,
        to: dict[str, str],
        reason: str | None,
        fence: str | None,
        key: str | None,
        force: bool | None,
    ) -> None:
        more = {"target": to, "reason": reason, "force": force}
        self.session_step("session_transfer", tenant, caller, pick, fence, key, **more)

    @precondition(lambda self: any(s.owner for s in self.twins[TENANTS[0]].model.sessions.values()))
    @rule(tenant=tenants, caller=callers, pick=picks, to=targets, reason=texts, force=forces)
    def check_and_transfer(
        self,
        tenant: str,
        caller: str,
        pick: int,
        to: dict[str, str],
        reason: str | None,
        force: bool | None,
    ) -> None:
        """Check a transfer, which changes nothing, and make it, which does what the check said."""
        session_id = self.session(tenant, pick, "session_transfer")
        fields: dict[str, Any] = {"session_id": session_id, "target": to}
        fields |= {"reason": reason} if reason is not None else {}
        fields |= {"force": force} if force is not None else {}
        fields["by"] = self.find_caller(tenant, caller, session_id, "session_transfer")
        # What was due is done by the first one.
        checked = self.step(tenant, "session_transfer", check=True, **fields)
        before = self.stored.dump(tenant)
        self.step(tenant, "session_transfer", check=True, **fields)
        assert contents(self.stored.dump(tenant)) == contents(before), "a check changed something"
        made = self.step(tenant, "session_transfer", **fields)
        assert (made.error, made.details) == (checked.error, checked.details)
        if made.result is not None:
            transfer = made.result["session"].transfer
            wrote = self.twins[tenant].model.sessions[session_id].history
            decision = next(entry for entry in reversed(wrote) if entry.kind == "transferred").decision
            done = {"outcome": transfer.outcome, "assigned_to": transfer.assigned_to, "decision": decision}
            assert checked.result == done

    @precondition(lambda self: any(s.owner for s in self.twins[TENANTS[0]].model.sessions.values()))
    @rule(tenant=tenants, number=st.integers(0, len(SESSIONS) - 1), to=targets)
    def check_and_open(self, tenant: str, number: int, to: dict[str, str]) -> None:
        """Check an opening, and open, which does what the check said."""
        fields: dict[str, Any] = {
            "session_id": SESSIONS[number],
            "target": to,
            "customer": self.customer(SESSIONS[number]),
        }
        fields["by"] = self.find_caller(tenant, "service")
        checked = self.step(tenant, "session_open", check=True, **fields)
        opened = self.step(tenant, "session_open", **fields)
        assert opened.error == checked.error
        if opened.result is not None and checked.result is not None:
            states = {"in_progress": "assigned", "pending": "pending", "queued": "queued"}
            assert states[opened.result["session"].state] == checked.result["outcome"]

    @precondition(lambda self: any(s.owner for s in self.twins[TENANTS[0]].model.sessions.values()))
    @rule(pick=picks, to=targets)
    def transfer_by_right(self, pick: int, to: dict[str, str]) -> None:
        self.session_step("session_transfer", TENANTS[0], "right", pick, None, None, target=to)

    @precondition(lambda self: any(s.waits for s in self.twins[TENANTS[0]].model.sessions.values()))
    @rule(
        pick=picks,
        command=st.sampled_from(["session_accept", "session_decline", "session_recall", "session_answer"]),
    )
    def settle_by_right(self, pick: int, command: str) -> None:
        self.session_step(command, TENANTS[0], "right", pick, None, None)

    @precondition(lambda self: any(s.due_at for s in self.twins[TENANTS[0]].model.sessions.values()))
    @rule(pick=picks)
    def answer_by_right(self, pick: int) -> None:
        self.session_step("session_answer", TENANTS[0], "right", pick, None, None)

    @precondition(lambda self: any(s.waits for s in self.twins[TENANTS[0]].model.sessions.values()))
    @rule(tenant=tenants, caller=callers, pick=picks, fence=fences, key=keys)
    def session_accept(self, tenant: str, caller: str, pick: int, fence: str | None, key: str | None) -> None:
        caller = "admin" if caller == "service" else caller
        self.session_step("session_accept", tenant, caller, pick, fence, key)

    @precondition(lambda self: any(s.waits for s in self.twins[TENANTS[0]].model.sessions.values()))
    @rule(tenant=tenants, caller=callers, pick=picks, reason=texts, key=keys)
    def session_decline(
        self, tenant: str, caller: str, pick: int, reason: str | None, key: str | None
    ) -> None:
        caller = "admin" if caller == "service" else caller
        self.session_step("session_decline", tenant, caller, pick, None, key, reason=reason)

    @precondition(lambda self: any(s.waits for s in self.twins[TENANTS[0]].model.sessions.values()))
    @rule(tenant=tenants, caller=callers, pick=picks, key=keys)
    def session_recall(self, tenant: str, caller: str, pick: int, key: str | None) -> None:
        self.session_step("session_recall", tenant, caller, pick, None, key)

    @precondition(lambda self: any(s.owner for s in self.twins[TENANTS[0]].model.sessions.values()))
    @rule(tenant=tenants, caller=callers, pick=picks, fence=fences, key=keys)
    def session_close(self, tenant: str, caller: str, pick: int, fence: str | None, key: str | None) -> None:
        self.session_step("session_close", tenant, caller, pick, fence, key)

    @precondition(lambda self: any(s.owner for s in self.twins[TENANTS[0]].model.sessions.values()))
    @rule(tenant=tenants, caller=callers, pick=picks, text=texts, fence=fences, key=keys)
    def note_or_ack(
        self, tenant: str, caller: str, pick: int, text: str | None, fence: str | None, key: str | None
    ) -> None:
        """Write a note, or say that a session has arrived, or that a person has opened it."""
        if text is not None:
            self.session_step("session_note", tenant, caller, pick, None, key, text=text)
            return
        if pick % 3:
            caller = "admin" if caller == "service" else caller
            self.session_step("session_answer", tenant, caller, pick, fence, key)
            return
        session_id = self.session(tenant, pick)
        by = self.find_caller(tenant, "admin" if caller == "service" else caller, session_id)
        at = self.fence(tenant, session_id, fence or "right") or {"fence": 1}
        self.step(tenant, "session_ack", by=by, session_id=session_id, **at)

    # Again, and reading ------------------------------------------------------------------------------------

    @precondition(lambda self: any(twin.sent for twin in self.twins.values()))
    @rule(tenant=tenants, which=st.integers(0, 3), other_body=st.sampled_from([False, False, True]))
    def send_again(self, tenant: str, which: int, other_body: bool) -> None:
        """Repeat a command with its key, or use its key for something else."""
        sent = self.twins[tenant].sent
        if sent:
            command, request = sent[max(0, len(sent) - 1 - which)]
            again = {name: value for name, value in request.items() if name not in ("limits", "now", "print")}
            if other_body:
                command, again = "session_note", again | {"session_id": SESSIONS[which], "text": "other"}
            self.step(tenant, command, **again)

    @precondition(lambda self: any(s.owner for s in self.twins[TENANTS[0]].model.sessions.values()))
    @rule(tenant=tenants, caller=callers, pick=picks, given=attributes, key=keys)
    def session_update(
        self, tenant: str, caller: str, pick: int, given: dict[str, Any] | None, key: str | None
    ) -> None:
        self.session_step("session_update", tenant, caller, pick, None, key, attributes=given)

    @precondition(lambda self: any(s.owner for s in self.twins[TENANTS[0]].model.sessions.values()))
    @rule(tenant=tenants, caller=callers, pick=picks, after=st.integers(0, 6), limit=st.integers(1, 4))
    def read_session(self, tenant: str, caller: str, pick: int, after: int, limit: int) -> None:
        session_id = self.session(tenant, pick)
        by = self.find_caller(tenant, caller, session_id)
        self.step(tenant, "session_get", by=by, session_id=session_id)
        self.step(tenant, "session_history", by=by, session_id=session_id, after=after, limit=limit)
        self.step(tenant, "session_place", by=by, session_id=session_id)
        self.step(tenant, "session_explain", by=by, session_id=session_id)
        named = {"seq": after, "agent_id": AGENTS[pick % len(AGENTS)]}
        self.step(tenant, "session_explain", by=by, session_id=session_id, **named)

    @rule(
        tenant=tenants,
        caller=callers,
        limit=st.integers(1, 4),
        filters=st.fixed_dictionaries(
            {},
            optional={
                "state": st.sampled_from(["in_progress", "pending", "queued", "closed"]),
                "agent_id": agents,
                "department_id": departments,
                "customer_id": st.sampled_from(CUSTOMERS),
                "mine": st.booleans(),
                "newest": st.just(True),
                "closed_from_at": st.integers(0, 60_000).map(lambda ms: 1_790_000_000_000 + ms),
                "closed_to_at": st.integers(0, 120_000).map(lambda ms: 1_790_000_000_000 + ms),
            },
        ),
    )
    def session_list(self, tenant: str, caller: str, limit: int, filters: dict[str, Any]) -> None:
        """Read all pages, and compare them with the whole list."""
        request = {"by": self.find_caller(tenant, caller), "limits": LIMITS, "now": self.now, **filters}
        self.step(tenant, "directory", cursor="")
        expected = self.twins[tenant].model.run("session_list", request)
        listed: list[Session] = []
        position: int | None = 0
        while position is not None:
            answer = self.stored.run(tenant, "session_list", request | {"limit": limit, "after": position})
            if answer.result is None:
                assert answer == expected, difference(expected, answer)
                return
            position = answer.result.get("position")
            page = answer.result["sessions"]
            assert len(page) <= limit
            listed += page
        assert expected.result == {"sessions": listed}, difference(expected, listed)
