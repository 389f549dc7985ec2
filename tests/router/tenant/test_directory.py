"""The replica against events in order, and against everything that can happen to a stream of them."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relevo.protocol.objects import Agent, Department
from relevo.protocol.pushes import DirectoryPatch
from relevo.protocol.settings import RULE_DEFAULT, RuleProfile
from relevo.router.store.events import Event
from relevo.router.tenant.directory import GapError, Replica
from tests.router.events import agent_record, department_record, directory, event

AGENTS = st.sampled_from(["ana", "bob", "eve", "joe"])


def loaded(seq: int = 0, tombstones_max: int = 100) -> Replica:
    replica = Replica(tombstones_max)
    replica.load(directory(seq, agents=[agent_record("ana")], departments=[department_record("sales")]))
    return replica


Rows = dict[str, Agent | Department]


def rows(replica: Replica) -> Rows:
    return {**replica.agents, **replica.departments}


def patched(known: Rows, patch: DirectoryPatch) -> Rows:
    changed: list[Agent | Department] = [*patch.agents, *patch.departments]
    removed = {*patch.agents_removed, *patch.departments_removed}
    known = {**known, **{row.id: row for row in changed}}
    return {row_id: row for row_id, row in known.items() if row_id not in removed}


def test_snapshot_holds_loaded_rows_and_later_events() -> None:
    replica = loaded(seq=4)
    replica.apply(event(5, agents=[agent_record("bob", load=1)]))
    snapshot = replica.snapshot()
    assert (snapshot.epoch, snapshot.seq) == ("e1", 5)
    assert [agent.id for agent in snapshot.agents] == ["ana", "bob"]
    assert [department.id for department in snapshot.departments] == ["sales"]


def test_patch_holds_the_latest_of_each_changed_row() -> None:
    replica = loaded()
    for load in (1, 2, 3):
        replica.apply(event(load, agents=[agent_record("bob", load=load)]))
    patch = replica.patch_since("e1", 1)
    assert patch is not None
    assert (patch.since, patch.seq) == (1, 3)
    assert [(agent.id, agent.load) for agent in patch.agents] == [("bob", 3)]
    assert patch.departments == []


def test_event_without_rows_keeps_the_position() -> None:
    replica = loaded()
    assert replica.apply(event(1))
    assert (replica.seq, replica.position) == (1, 0)
    assert replica.snapshot().seq == 0


def test_known_event_changes_nothing() -> None:
    replica = loaded()
    replica.apply(event(1, agents=[agent_record("ana", load=1)]))
    assert not replica.apply(event(1, agents=[agent_record("ana", load=9)]))
    assert replica.agents["ana"].load == 1


@pytest.mark.parametrize("strange", [event(2), event(1, epoch="e2")], ids=["missing", "another epoch"])
def test_event_that_does_not_follow_is_a_gap(strange: Event) -> None:
    replica = loaded()
    with pytest.raises(GapError):
        replica.apply(strange)
    assert replica.seq == 0


@pytest.mark.parametrize(
    ("epoch", "seq"), [("e0", 3), ("e1", 2), ("e1", 4)], ids=["epoch", "too old", "ahead"]
)
def test_patch_since_a_dropped_position_is_none(epoch: str, seq: int) -> None:
    assert loaded(seq=3).patch_since(epoch, seq) is None


def test_patch_since_the_present_position_has_no_rows() -> None:
    patch = loaded(seq=3).patch_since("e1", 3)
    assert patch is not None
    assert (patch.since, patch.seq, patch.agents, patch.departments) == (3, 3, [], [])


@pytest.mark.limit("TOMBSTONES_MAX")
def test_removals_are_kept_up_to_their_bound() -> None:
    replica = loaded(tombstones_max=2)
    for seq in range(1, 5):
        replica.apply(event(seq, agents_removed=[f"a{seq}"]))
    assert replica.patch_since("e1", 1) is None
    patch = replica.patch_since("e1", 2)
    assert patch is not None
    assert patch.agents_removed == ["a3", "a4"]


@given(
    st.lists(st.tuples(AGENTS, st.integers(0, 9), st.booleans()), max_size=30),
    st.integers(0, 30),
)
def test_any_position_and_its_patch_make_the_present(steps: list[tuple[str, int, bool]], at: int) -> None:
    replica = loaded()
    known, position = rows(replica), replica.position
    for seq, (agent_id, load, removed) in enumerate(steps, 1):
        if seq - 1 == at:
            known, position = rows(replica), replica.position
        changed = {"agents_removed": [agent_id]} if removed else {"agents": [agent_record(agent_id, load)]}
        replica.apply(event(seq, **changed))
    patch = replica.patch_since("e1", position)
    assert patch is not None
    assert patched(known, patch) == rows(replica)


@given(st.lists(st.tuples(st.integers(1, 12), st.sampled_from(["e1", "e1", "e1", "e2"])), max_size=60))
def test_disordered_events_never_make_a_hole(heard: list[tuple[int, str]]) -> None:
    replica = loaded()
    for seq, epoch in heard:
        before = replica.seq
        try:
            replica.apply(event(seq, epoch=epoch, agents=[agent_record("ana", load=seq)]))
        except GapError:
            assert epoch != "e1" or seq > before + 1
        assert replica.seq in (before, before + 1)
        assert replica.agents["ana"].load == replica.seq


OWN, TENANTS = RuleProfile(agents="none"), RuleProfile(hops_max=2)


def rules(replica: Replica) -> dict[str, object]:
    return {row.id: row.rule for row in replica.departments.values()}


def ruled() -> Replica:
    """Return a replica of a department with a rule of its own, one without, and a tenant with a rule."""
    replica = Replica(100)
    departments = [department_record("sales", rule=OWN), department_record("help")]
    replica.load(directory(3, departments=departments, rule=TENANTS))
    return replica


def test_department_without_a_rule_shows_the_tenants() -> None:
    replica = ruled()
    assert rules(replica) == {"sales": OWN, "help": TENANTS}
    assert replica.snapshot().rule == TENANTS
    replica.apply(event(4, departments=[department_record("help", queued=1), department_record("sales")]))
    assert rules(replica) == {"sales": TENANTS, "help": TENANTS}


def test_another_rule_of_the_tenant_changes_the_rows_that_have_it() -> None:
    replica = ruled()
    replica.apply(event(4, rule=OWN))
    assert rules(replica) == {"sales": OWN, "help": OWN}
    patch = replica.patch_since("e1", 3)
    assert patch is not None
    assert ([row.id for row in patch.departments], patch.rule) == (["help"], OWN)
    later = replica.patch_since("e1", 4)
    assert later is not None
    assert later.rule is msgspec.UNSET


def test_tenant_without_a_rule_any_more_allows_all() -> None:
    replica = ruled()
    replica.apply(event(4, rule=False, departments_removed=["help"]))
    assert rules(replica) == {"sales": OWN}
    assert replica.snapshot().rule is msgspec.UNSET
    patch = replica.patch_since("e1", 3)
    assert patch is not None
    assert patch.rule == RULE_DEFAULT
