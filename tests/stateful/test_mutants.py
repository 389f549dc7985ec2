"""The machine is worth something: it notices when a rule is taken out of the commands."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from relevo.router.store.lua.library import FOLDER
from tests.servers import StoreServer, running
from tests.stateful.machine import CommandsAgainstModel
from tests.stateful.stored import CommandRunner

EXAMPLES_MAX = 1000


@dataclass(frozen=True)
class Mutant:
    """One rule broken: in `file`, `old` becomes `new`."""

    what: str
    file: str
    old: str
    new: str = ""


MUTANTS = [
    Mutant(
        "the fence is not checked",
        "lib/sessions.lua",
        "if request.fence and request.fence ~= s.fence then conflict(s) end",
    ),
    Mutant("the fence does not grow", "lib/sessions.lua", "s.fence + 1, now", "s.fence, now"),
    Mutant(
        "what is pending is counted twice",
        "lib/sessions.lua",
        "call('ZADD', P .. 'pending:' .. s.owner_id, s.order, s.id)",
        "2 * call('ZADD', P .. 'pending:' .. s.owner_id, s.order, s.id)",
    ),
    Mutant(
        "a full agent is available",
        "lib/directory.lua",
        "a.load < a.capacity",
        "a.load <= a.capacity",
    ),
    Mutant(
        "load does not grow with what is owned",
        "lib/directory.lua",
        "a.load = a.load + 1",
        "a.load = a.load",
    ),
    Mutant(
        "what is owned does not go from its record",
        "lib/directory.lua",
        "a.owned, a.load = without_id(a.owned, session_id), a.load - 1",
        "a.load = a.load - 1",
    ),
    Mutant(
        "a transfer is its first maker's",
        "commands/session_transfer.lua",
        "target.id, sender_of(request.by)",
        "target.id, s.sender or sender_of(request.by)",
    ),
    Mutant(
        "a transfer's fate is not taken over",
        "commands/session_accept.lua",
        "transfer = pack_transfer(t)",
    ),
    Mutant("the key is ignored", "lib/run.lua", "field and find_key(field)", "nil"),
    Mutant("a key fits any body", "lib/run.lua", "sub(known, 1, 32) ~= key_print", "false"),
    Mutant(
        "a key is every tenant's",
        "lib/run.lua",
        "local keys = P .. keys_now",
        "local keys = keys_now",
    ),
    Mutant(
        "an event is not appended",
        "lib/commit.lua",
        "put(written, meta.seq % meta.ring, event)",
    ),
    Mutant("an event is not published", "lib/commit.lua", "call('SPUBLISH', P .. 'feed', event)"),
    Mutant(
        "the epoch outlives the server",
        "lib/step.lua",
        "if meta.run ~= run_id or not meta.epoch then",
        "if not meta.epoch then",
    ),
    Mutant(
        "an unchanged row is published",
        "lib/commit.lua",
        "return record, row, a.described",
        "return record, row, true",
    ),
    Mutant(
        "the old owner keeps the session",
        "lib/sessions.lua",
        "if s.owner_id then leave_owner(s) end",
    ),
    Mutant("the present owner is a target", "lib/routing.lua", "member == except or ", ""),
    Mutant(
        "the busiest comes first",
        "lib/routing.lua",
        "'available:' .. id, 0, 2 + #agents_touched + tried_count(s),",
        "'available:' .. id, -2, -1,",
    ),
    Mutant("capacity does not weigh", "lib/directory.lua", "a.load / a.capacity", "a.load / 4"),
    Mutant("the newest leaves the queue first", "lib/commit.lua", "score < position", "score > position"),
    Mutant(
        "what is given away comes back",
        "lib/commit.lua",
        "if not passed[waiting[i]] then",
        "if true then",
    ),
    Mutant(
        "a department's queue is not counted",
        "lib/sessions.lua",
        "call('ZADD', P .. 'queue:' .. s.owner_id, age_of(s), s.id)\n    touch_department(s.owner_id, true)",
        "call('ZADD', P .. 'queue:' .. s.owner_id, age_of(s), s.id)",
    ),
    Mutant("history is written backwards", "lib/sessions.lua", "'RPUSH'", "'LPUSH'"),
    Mutant("anybody may transfer", "commands/session_transfer.lua", "require_owner(s)"),
    Mutant(
        "a pending transfer's maker hears nothing",
        "commands/session_transfer.lua",
        "told, superseded_sender, superseded = 'moved', s.sender, transfer_of(s)",
    ),
    Mutant(
        "an agent that comes back is still sent away", "commands/connect.lua", ", 'sessions ' .. id)", ")"
    ),
    Mutant(
        "an agent that comes back is not there",
        "commands/connect.lua",
        "if not a.present then",
        "if a.present then",
    ),
    Mutant(
        "an agent that comes back with other claims is as before",
        "lib/directory.lua",
        "  touch(a)\n  a.described, a.departments_before",
        "  a.described, a.departments_before",
    ),
    Mutant(
        "a lost lease keeps its agents",
        "lib/presence.lua",
        "remove_connection(agent_id, node_id, connection_id, at, false)",
    ),
    Mutant(
        "a command decides before what was due", "lib/run.lua", "if swept then", "if swept and false then"
    ),
    Mutant(
        "a connection brings back what was removed",
        "lib/directory.lua",
        "if a and claims.again then return a end",
    ),
    Mutant(
        "a newcomer needs no room", "lib/directory.lua", "if load >= capacity", "if me and load >= capacity"
    ),
    Mutant(
        "what one agent hands on is given back to itself",
        "lib/sessions.lua",
        "if s.state == 'in_progress' and not stays then",
        "if s.state == 'in_progress' then",
    ),
    Mutant(
        "a lost agent gets back what is declined",
        "lib/sessions.lua",
        "holder and connected(holder)",
        "holder",
    ),
    Mutant(
        "a session keeps the department of an agent that left it",
        "lib/sessions.lua",
        "if department and has_id(a.departments, department) then",
        "if department then",
    ),
    Mutant("a lost agent keeps its sessions", "lib/presence.lua", "        take_away(s, a)"),
    Mutant("an agent that is back gets nothing back", "commands/connect.lua", "bring_back(a)"),
    Mutant(
        "one step gives all to one member",
        "lib/routing.lua",
        "if not (a and a.touched) then offer",
        "if true then offer",
    ),
    Mutant(
        "a session that comes back to its queue is its last",
        "lib/routing.lua",
        "return s.extra.since or s.order",
        "return s.order",
    ),
    Mutant(
        "what is answered is declined",
        "commands/session_decline.lua",
        " or s.answered_at",
    ),
    Mutant("a note is no answer", "commands/session_note.lua", "owns(s) and answer(s)", "false"),
    Mutant(
        "an agent without a connection keeps what it took",
        "commands/session_accept.lua",
        "begin_grace(me)",
    ),
    Mutant(
        "a closed session stays",
        "commands/session_close.lua",
        "call('PEXPIRE', P .. 'session:' .. s.id, limits.closed_ms)",
    ),
    Mutant(
        "an agent in use is removed",
        "commands/agent_remove.lua",
        "a.load + a.pending > 0",
        "a.load > 0",
    ),
    Mutant(
        "an agent that was tried gets it again",
        "lib/routing.lua",
        "at >= status_since(a) and at >= (a.answered_at or 0)",
        "false",
    ),
    Mutant(
        "an agent that answered another counts as tried",
        "lib/routing.lua",
        " and at >= (a.answered_at or 0)",
    ),
    Mutant(
        "an agent that answered another gets nothing by it",
        "lib/sessions.lua",
        "a.is_back = meta.extra.settings ~= nil",
    ),
    Mutant("an answer ends no deadline", "lib/sessions.lua", "if s.answered_at then set_deadline(s) end"),
    Mutant("an answer forgets no miss", "lib/sessions.lua", "set_extra(a, 'missed', nil)", ""),
    Mutant(
        "what is pending for too long is given back everywhere",
        "lib/deadlines.lua",
        "setting('pending_then', s.department) == 'department'",
        "false",
    ),
    Mutant(
        "what went to an agent of no department does not return to its last one",
        "lib/sessions.lua",
        "former = {s.department, age_of(s)}",
        "former = nil",
    ),
    Mutant(
        "a deadline is met late",
        "lib/deadlines.lua",
        "if not s or s.extra.due_at ~= at then",
        "if not s or s.extra.due_at ~= at or now < at + 3000 then",
    ),
    Mutant(
        "a time without a node is an absence",
        "lib/presence.lua",
        "set_extra(meta, 'served_at', now)",
    ),
    Mutant(
        "a grace ends while no node serves",
        "lib/presence.lua",
        "(request.lease_ms or is_served())",
        "true",
    ),
    Mutant("what is missed is not counted", "lib/deadlines.lua", "miss(a, s.department)"),
    Mutant(
        "what is pending enters progress everywhere",
        "lib/commit.lua",
        "return setting('pending_take', s.department) == 'when_available'",
        "return true",
    ),
    Mutant("a rule binds no agent", "lib/rules.lua", "request.by.role ~= 'agent'", "true"),
    Mutant(
        "a check writes",
        "commands/session_transfer.lua",
        "if request.check then return check_result(state, assigned_to, decision) end",
    ),
    Mutant(
        "a level of settings is never read again",
        "lib/settings.lua",
        "known.version ~= meta.extra.settings",
        "false",
    ),
    Mutant(
        "an agent that had a session may not read it",
        "lib/sessions.lua",
        " and not had(s, request.by.id)",
    ),
    Mutant(
        "a session stays listed in the department that it left",
        "lib/lists.lua",
        "if s.state ~= state or s.routed ~= department then",
        "if s.state ~= state then",
    ),
    Mutant(
        "a reason need not be that of the status",
        "commands/status_set.lua",
        " and one.status == request.status",
    ),
]
# Those that are noticed within some examples.
BRIEF = {
    "the fence does not grow",
    "load is counted twice",
    "a full agent is available",
    "what was in a list already is not counted",
    "a key fits any body",
    "a key is every tenant's",
    "an event is not appended",
    "the old owner keeps the session",
}


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize(
    "mutant",
    [pytest.param(one, id=one.what, marks=() if one.what in BRIEF else pytest.mark.long) for one in MUTANTS],
)
def test_a_broken_rule_is_noticed(mutant: Mutant, tmp_path: Path) -> None:
    scripts = tmp_path / "scripts"
    shutil.copytree(FOLDER, scripts)
    source = (scripts / mutant.file).read_text()
    assert source.count(mutant.old) == 1, "the mutant no longer fits the commands"
    (scripts / mutant.file).write_text(source.replace(mutant.old, mutant.new))

    class Machine(CommandsAgainstModel):
        pass

    server_folder = tmp_path / "server"
    server_folder.mkdir()
    with running(StoreServer(server_folder)) as server:
        Machine.stored = CommandRunner(server, scripts)
        with pytest.raises(AssertionError):
            run_state_machine_as_test(
                Machine,
                settings=settings(
                    max_examples=EXAMPLES_MAX,
                    stateful_step_count=50,
                    deadline=None,
                    database=None,
                    derandomize=True,
                    phases=[Phase.generate],
                    report_multiple_bugs=False,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        Machine.stored.close()
