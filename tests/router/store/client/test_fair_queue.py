from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from relevo.router.store.client.fair_queue import FairQueue


def taken(queue: FairQueue[str], *, flow_max: int = 1000) -> str:
    """Take as much as one call yields."""
    return " ".join(queue.take(flow_max))


def first_of(queue: FairQueue[str], count: int) -> list[str]:
    """Take the first few."""
    return list(islice(queue.take(1000), count))


def filled(size_max: int, **flows: int) -> FairQueue[str]:
    """Queue numbered items, one flow after the other."""
    queue: FairQueue[str] = FairQueue(size_max)
    for name, count in flows.items():
        for number in range(count):
            assert queue.add(name, f"{name}{number}")
    return queue


def test_queue_of_many_flows_is_served_round_robin_in_their_order() -> None:
    assert taken(filled(100, a=4, b=2, c=1)) == "a0 b0 c0 a1 b1 a2 a3"


def test_late_flow_waits_for_one_item_of_each_other_flow() -> None:
    queue = filled(1000, a=300, b=300)
    first_of(queue, 1)
    queue.add("c", "c0")
    assert first_of(queue, 3) == ["b0", "a1", "c0"]


def test_item_that_counts_as_several_takes_as_many_turns_of_its_flow() -> None:
    queue: FairQueue[str] = FairQueue(100, lambda item: 3 if item == "a0" else 1)
    for name in ("a0", "a1", "b0", "b1", "b2", "b3"):
        assert queue.add(name[0], name)
    assert taken(queue) == "a0 b0 b1 b2 a1 b3"


def test_item_that_counts_as_several_fills_its_flows_share_of_a_batch() -> None:
    queue: FairQueue[str] = FairQueue(100, lambda item: 3)
    for name in ("a0", "a1", "b0"):
        assert queue.add(name[0], name)
    assert [taken(queue, flow_max=2), taken(queue, flow_max=2)] == ["a0 b0", "a1"]


def test_take_of_one_flow_yields_no_more_than_its_share() -> None:
    queue = filled(100, a=5, b=2, c=3)
    queue.put_back(["a9", "a8", "a7"])
    assert taken(queue, flow_max=2) == "a9 a8 a7 a0 b0 c0 a1 b1 c1"
    assert (taken(queue, flow_max=2), taken(queue, flow_max=2), len(queue)) == ("a2 c2 a3", "a4", 0)


def test_noisy_flow_neither_delays_nor_displaces_the_others() -> None:
    queue: FairQueue[str] = FairQueue(1000)
    while queue.add("noisy", "noisy"):
        pass
    assert len(queue) == 500
    served: list[str] = []
    for number in range(100):
        # Another tenant's command each time, and the noisy one takes whatever is free.
        assert queue.add(f"quiet{number}", f"quiet{number}")
        batch = list(islice(queue.take(32), 10))
        served += batch
        assert f"quiet{number}" in batch
        while queue.add("noisy", "noisy"):
            pass
    assert served.count("noisy") == 900


def test_flow_takes_half_of_the_room_and_leaves_some_to_others() -> None:
    queue: FairQueue[str] = FairQueue(64)
    sizes = [0]
    for flow in ("a", "b", "c"):
        while queue.add(flow, "item"):
            pass
        sizes.append(len(queue))
    assert sizes == [0, 32, 48, 56]


def test_items_held_elsewhere_count_against_the_room() -> None:
    queue: FairQueue[str] = FairQueue(8)
    assert not queue.add("a", "item", 8)
    assert queue.add("a", "item", 7)


def test_items_put_back_come_first() -> None:
    queue = filled(100, a=2, b=2)
    returned = first_of(queue, 2)
    queue.put_back(returned)
    assert (len(queue), list(queue)) == (4, ["a0", "b0", "a1", "b1"])
    assert taken(queue) == "a0 b0 a1 b1"


def test_dropped_items_leave_their_room_to_others() -> None:
    queue = filled(12, a=4, b=2)
    queue.put_back(["a9"])
    queue.drop(lambda item: item.startswith("a"))
    assert (len(queue), list(queue)) == (2, ["b0", "b1"])
    queue.add("a", "a5")
    assert taken(queue) == "b0 a5 b1"


def test_cleared_queue_is_empty_and_has_room() -> None:
    queue = filled(16, a=4, b=2)
    queue.clear()
    assert (len(queue), list(queue), queue.add("a", "a7", 15)) == (0, [], True)


@given(st.lists(st.sampled_from("abc-"), max_size=60))
def test_queue_loses_nothing_and_keeps_the_order_of_each_flow(steps: list[str]) -> None:
    queue: FairQueue[tuple[str, int]] = FairQueue(1000)
    given, out = [], []
    for number, step in enumerate(steps):
        if step != "-":
            queue.add(step, (step, number))
            given.append((step, number))
        elif len(queue):
            out.append(next(queue.take(1)))
    out += queue.take(1000)
    for flow in "abc":
        assert [item for item in out if item[0] == flow] == [item for item in given if item[0] == flow]
