from itertools import islice

from hypothesis import given
from hypothesis import strategies as st

from relevo.router.store.client.fair_queue import FairQueue


def taken(queue: FairQueue[str], *, flow_max: int = 1000) -> str:
    """Take out as much as one asking yields."""
    return " ".join(queue.take(flow_max))


def some(queue: FairQueue[str], count: int) -> list[str]:
    """Take the first few out."""
    return list(islice(queue.take(1000), count))


def filled(size_max: int, **flows: int) -> FairQueue[str]:
    """Fill flows with numbered items, one flow after the other."""
    queue: FairQueue[str] = FairQueue(size_max)
    for name, count in flows.items():
        for number in range(count):
            queue.add(name, f"{name}{number}")
    return queue


def test_flows_take_turns_and_keep_their_order() -> None:
    assert taken(filled(100, a=4, b=2, c=1)) == "a0 b0 c0 a1 b1 a2 a3"


def test_who_comes_late_waits_for_one_item_of_each_other_flow_only() -> None:
    queue = filled(1000, a=300, b=300)
    some(queue, 1)
    queue.add("c", "c0")
    assert some(queue, 3) == ["b0", "a1", "c0"]


def test_of_one_flow_no_more_than_its_share_is_taken_at_once() -> None:
    queue = filled(100, a=5, b=2, c=3)
    queue.put_back(["a9", "a8", "a7"])
    assert taken(queue, flow_max=2) == "a9 a8 a7 a0 b0 c0 a1 b1 c1"
    assert (taken(queue, flow_max=2), taken(queue, flow_max=2), len(queue)) == ("a2 c2 a3", "a4", 0)


def test_a_flow_takes_half_of_the_room_and_leaves_some_to_any_other() -> None:
    queue: FairQueue[str] = FairQueue(64)
    sizes = [0]
    for flow in ("a", "b", "c"):
        while queue.has_room(flow, 0):
            queue.add(flow, "item")
        sizes.append(len(queue))
    assert sizes == [0, 32, 48, 56]
    assert not queue.has_room("d", 8)
    assert queue.has_room("d", 7)


def test_what_is_put_back_comes_first() -> None:
    queue = filled(100, a=2, b=2)
    returned = some(queue, 2)
    queue.put_back(returned)
    assert (len(queue), list(queue)) == (4, ["a0", "b0", "a1", "b1"])
    assert taken(queue) == "a0 b0 a1 b1"


def test_what_nobody_wants_any_more_is_dropped_and_its_room_is_free() -> None:
    queue = filled(8, a=4, b=2)
    queue.put_back(["a9"])
    queue.drop(lambda item: item.startswith("a"))
    assert (len(queue), list(queue)) == (2, ["b0", "b1"])
    queue.add("a", "a5")
    assert taken(queue) == "b0 a5 b1"


def test_after_it_was_cleared_it_is_as_new() -> None:
    queue = filled(8, a=4, b=2)
    queue.clear()
    assert (len(queue), list(queue), queue.has_room("a", 7)) == (0, [], True)


@given(st.lists(st.sampled_from("abc-"), max_size=60))
def test_nothing_is_lost_and_each_flow_keeps_its_order(steps: list[str]) -> None:
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
