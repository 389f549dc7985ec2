"""The metrics of a node of fakes."""

from typing import cast

from prometheus_client.parser import text_string_to_metric_families

from relevo.protocol.commands import SessionGet
from relevo.protocol.errors import Error, ErrorCode
from relevo.protocol.results import Empty
from relevo.router.api.metrics import registry_of, render
from relevo.router.node import Node
from tests.router.api.fake_node import FakeNode


def samples(node: FakeNode) -> dict[tuple[str, ...], float]:
    """Return the value of each sample, by name and label values, in the order of the labels."""
    text = render(registry_of(cast(Node, node))).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_metrics_are_the_nodes_counts() -> None:
    node = FakeNode()
    node.connections += ["c1", "c2"]
    node.counts.accepted, node.counts.hellos = 7, 5
    node.counts.closes["client"] = 3
    node.counts.throttled["agent"] = 4
    node.supervisor.restarts["lease renewal"] = 6
    node.counts.answered(SessionGet, Empty())
    node.counts.answered(SessionGet, Error.of(ErrorCode.NOT_FOUND))
    found = samples(node)
    assert found["relevo_connections",] == 2
    assert found["relevo_websockets_accepted_total",] == 7
    assert found["relevo_hellos_total",] == 5
    assert found["relevo_closes_total", "client"] == 3
    assert found["relevo_throttled_total", "agent"] == 4
    assert found["relevo_commands_total", "done", "session.get"] == 1
    assert found["relevo_commands_total", "not_found", "session.get"] == 1
    assert found["relevo_feed_gaps_total",] == 2
    assert found["relevo_task_restarts_total", "lease renewal"] == 6


async def test_metrics_say_whether_the_node_is_ready() -> None:
    node = FakeNode()
    ready = samples(node)["relevo_ready",]
    node.unready = "draining"
    assert (ready, samples(node)["relevo_ready",]) == (1, 0)
