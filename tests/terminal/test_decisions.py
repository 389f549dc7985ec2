"""The decisions of the demo's agents, its back end and its admin."""

import unicodedata
from collections import Counter
from dataclasses import replace
from random import Random

from relevo_client import Agent, Customer, Department, Owner, Session, Status, Target

from relevo.clients.terminal.demo.decisions import (
    CUSTOMER_PATIENCE_S,
    PENDING_MAX,
    QUEUED_MAX,
    RECALL_AFTER_S,
    REDIRECT_AFTER_S,
    Accept,
    AgentView,
    Answer,
    ChooseStatus,
    Close,
    Decline,
    Leave,
    Note,
    OpenDialog,
    OpenSessions,
    Recall,
    Wait,
    abandoned,
    choose_first_target,
    choose_overdue,
    choose_target,
    decide,
    target_count,
)
from relevo.clients.terminal.demo.people import (
    ADMIN_REASONS,
    BY_ID,
    CUSTOMERS,
    DECLINE_REASONS,
    DEPARTMENTS,
    NOTES,
    PEOPLE,
    REASONS,
    STATUS_REASONS,
)

NOW_S = 1_700_000_000.0
LUCIA = BY_ID["lucia"]


def session(name: str = "chat-1", *, age_s: float = 0.0, owner: Owner | None = None) -> Session:
    at = int((NOW_S - age_s) * 1000)
    return Session(name, Customer("u", "Eva"), "in_progress", owner, 1, 0, at, at)


def agent(agent_id: str, status: Status = "connected", load: int = 0, pending: int = 0) -> Agent:
    person = BY_ID[agent_id]
    available = status == "connected" and load < person.capacity
    return Agent(
        person.id,
        person.name,
        person.role,
        person.departments,
        status,
        0,
        load,
        person.capacity,
        pending,
        available,
    )


def department(department_id: str, *, available: int = 1, queued: int = 0) -> Department:
    return Department(department_id, DEPARTMENTS[department_id], 3, available, queued)


def decisions(view: AgentView, count: int = 400, person_id: str = "lucia") -> Counter[type]:
    """Count what an agent in this situation does, over many of them."""
    random = Random(1)
    return Counter(type(decide(BY_ID[person_id], view, NOW_S, 1.0, random)) for _ in range(count))


def test_people_cover_every_department_role_and_language() -> None:
    agents = [person for person in PEOPLE if person.role == "agent"]
    admins = [person for person in PEOPLE if person.role == "admin"]
    assert (len(DEPARTMENTS), len(agents), len(admins)) == (4, 12, 2)
    assert sum(not person.simulated for person in agents) == 2
    assert sum(not person.simulated for person in admins) == 1
    assert {person.language for person in agents} == {"es", "pt", "en"}
    assert {each for person in agents for each in person.departments} == set(DEPARTMENTS)
    assert any(not person.name.isascii() for person in agents)
    assert any(person.on_phone for person in agents)


def test_every_text_of_the_demo_fits_the_protocol() -> None:
    texts = [*ADMIN_REASONS, *CUSTOMERS, *DEPARTMENTS.values(), *(person.name for person in PEOPLE)]
    for table in (*REASONS.values(), DECLINE_REASONS, NOTES):
        assert set(table) == {"es", "pt", "en"}
        texts += [text for each in table.values() for text in each]
    assert set(REASONS) == set(DEPARTMENTS)
    assert len(set(CUSTOMERS)) == len(CUSTOMERS) >= 46
    for text in texts:
        assert 1 <= len(text) <= 120
        assert unicodedata.is_normalized("NFC", text)
        assert text.isprintable()


def test_decide_without_work_waits_or_changes_the_status() -> None:
    assert set(decisions(AgentView("connected", [], [], {}))) == {Wait, ChooseStatus, Leave}


def test_decide_with_work_reaches_every_action() -> None:
    view = AgentView(
        "connected", [session(age_s=100)], [session("chat-2")], {"chat-3": NOW_S - RECALL_AFTER_S - 1}
    )
    assert set(decisions(view)) == {
        Wait,
        ChooseStatus,
        Leave,
        Answer,
        Accept,
        Decline,
        Note,
        Close,
        OpenDialog,
        Recall,
    }


def test_decide_neither_closes_nor_recalls_what_is_young() -> None:
    seen = decisions(AgentView("connected", [session(age_s=1)], [], {"chat-3": NOW_S - 1}))
    assert not {Close, Recall} & set(seen)


def test_decide_accepts_neither_on_pause_nor_at_capacity() -> None:
    waiting = [session("waits")]
    assert Accept not in decisions(AgentView("pause", [], waiting, {}))
    full = [session(f"chat-{number}") for number in range(LUCIA.capacity)]
    assert Accept not in decisions(AgentView("connected", full, waiting, {}))


def test_decide_on_pause_connects_again() -> None:
    seen = decisions(AgentView("pause", [], [], {}))
    assert seen[ChooseStatus] > 50


def test_decide_with_an_unanswered_conversation_answers_it_soonest() -> None:
    seen = decisions(AgentView("connected", [session(age_s=100)], [], {}))
    assert max(seen, key=lambda action: seen[action]) is Answer
    answered = replace(session(age_s=100), answered_at=1)
    assert Answer not in decisions(AgentView("connected", [answered], [], {}))


def test_decide_gives_a_reason_of_its_status_for_every_break() -> None:
    random, view = Random(1), AgentView("connected", [session()], [], {})
    chosen = [decide(LUCIA, view, NOW_S, 1.0, random) for _ in range(2000)]
    breaks = {(one.status, one.reason) for one in chosen if isinstance(one, ChooseStatus)}
    assert breaks == {(status, reason) for status, reasons in STATUS_REASONS.items() for reason in reasons}


def test_decide_leaves_without_a_close_on_a_phone_only() -> None:
    def closings(person_id: str) -> set[bool]:
        random, view = Random(1), AgentView("connected", [], [], {})
        actions = [decide(BY_ID[person_id], view, NOW_S, 1.0, random) for _ in range(1000)]
        return {action.closes for action in actions if isinstance(action, Leave)}

    assert closings("lucia") == {True}
    assert closings("inaki") == {True, False}


def test_choose_target_without_room_anywhere_is_none() -> None:
    full = [agent("emily", "pause", pending=PENDING_MAX)]
    queued = [department(each, queued=QUEUED_MAX) for each in DEPARTMENTS]
    assert choose_target(LUCIA, full, queued, Random(1)) is None


def test_choose_target_gives_a_reason_of_the_target_department() -> None:
    rows = [agent("lucia"), agent("emily"), agent("helena")]
    for seed in range(50):
        chosen = choose_target(LUCIA, rows, [], Random(seed))
        assert chosen is not None
        target, reason = chosen
        assert target == Target.agent("emily")
        assert reason in REASONS["returns"]["es"]


def test_choose_target_prefers_visitors() -> None:
    rows = [agent("ana"), agent("emily")]
    chosen = [choose_target(LUCIA, rows, [], Random(seed)) for seed in range(100)]
    assert sum(each is not None and each[0].id == "ana" for each in chosen) > 60


def test_target_count_stays_within_its_bounds() -> None:
    counts = {target_count(NOW_S + second, 1.0) for second in range(600)}
    assert (min(counts), max(counts)) == (34, 46)


def test_choose_first_target_avoids_full_lists() -> None:
    pending = [session(f"p{number}", owner=Owner("agent", "ana")) for number in range(PENDING_MAX)]
    queued = [session(f"q{number}", owner=Owner("department", "ventas")) for number in range(QUEUED_MAX)]
    open_sessions = OpenSessions([], pending, queued)
    targets = {choose_first_target(open_sessions, Random(seed)) for seed in range(300)}
    assert {target.kind for target in targets} == {"agent", "department"}
    assert not {Target.agent("ana"), Target.department("ventas")} & targets


def test_abandoned_finds_sessions_unchanged_for_long() -> None:
    lost = session("lost", age_s=CUSTOMER_PATIENCE_S + 1)
    assert abandoned(OpenSessions([session()], [lost], []), NOW_S, 1.0) == [lost]


def overdue(
    waiting: Session, *rows: Agent, open_department: str = "returns"
) -> tuple[Session, Target] | None:
    agents = {row.id: row for row in rows}
    return choose_overdue(
        OpenSessions([], [waiting], []),
        agents,
        {"returns": department("returns")},
        NOW_S,
        1.0,
        Random(1),
    )


def test_choose_overdue_moves_what_waits_too_long() -> None:
    late = session(age_s=REDIRECT_AFTER_S + 1, owner=Owner("agent", "lucia"))
    found = overdue(late, agent("lucia", "pause", pending=1), agent("emily"))
    assert found is not None
    assert found[0] == late
    assert found[1] in (Target.department("returns"), Target.agent("emily"))
    recent = replace(late, updated_at=int(NOW_S * 1000))
    assert overdue(recent, agent("lucia", "pause", pending=1), agent("emily")) is None


def test_choose_overdue_leaves_the_list_of_a_connected_visitor() -> None:
    late = session(age_s=REDIRECT_AFTER_S * 5, owner=Owner("agent", "ana"))
    assert overdue(late, agent("ana", "pause", pending=1), agent("emily")) is None
    assert overdue(late, agent("ana", "disconnected", pending=1), agent("emily")) is not None


def test_choose_overdue_without_free_agents_is_none() -> None:
    late = session(age_s=REDIRECT_AFTER_S + 1, owner=Owner("agent", "lucia"))
    assert overdue(late, agent("lucia", "pause", pending=1), agent("ana")) is None
