"""The metrics of a node of fakes."""

from typing import cast

import pytest
from prometheus_client.parser import text_string_to_metric_families

from relevo.protocol.commands import SessionGet
from relevo.protocol.errors import Error, ErrorCode
from relevo.protocol.results import Empty
from relevo.router.api.metrics import NodeMetrics, merged
from relevo.router.api.readiness import Readiness
from relevo.router.api.rest import application
from relevo.router.node import Node
from tests.router.api.fake_node import FakeNode


async def page_of(node: FakeNode) -> bytes:
    return await NodeMetrics(cast(Node, node), Readiness(cast(Node, node))).page()


def values(page: bytes) -> dict[tuple[str, ...], float]:
    """Return the value of each sample, by name and label values, in the order of the labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


async def samples(node: FakeNode) -> dict[tuple[str, ...], float]:
    return values(await page_of(node))


async def test_metrics_are_the_nodes_counts() -> None:
    node = FakeNode()
    node.connections += ["c1", "c2"]
    node.counts.accepted, node.counts.hellos = 7, 5
    node.counts.closes["client"] = 3
    node.counts.throttled["agent"] = 4
    node.supervisor.restarts["lease renewal"] = 6
    node.counts.answered(SessionGet, Empty())
    node.counts.answered(SessionGet, Error.of(ErrorCode.NOT_FOUND))
    found = await samples(node)
    assert found["relevo_connections",] == 2
    assert found["relevo_websockets_accepted_total",] == 7
    assert found["relevo_hellos_total",] == 5
    assert found["relevo_closes_total", "client"] == 3
    assert found["relevo_throttled_total", "agent"] == 4
    assert found["relevo_commands_total", "done", "session.get"] == 1
    assert found["relevo_commands_total", "not_found", "session.get"] == 1
    assert found["relevo_feed_gaps_total",] == 2
    assert found["relevo_task_restarts_total", "lease renewal"] == 6


@pytest.mark.parametrize(
    ("unready", "store_fault", "value"),
    [(None, None, 1), ("draining", None, 0), (None, "no answer from the store in time", 0)],
)
async def test_metrics_and_readyz_say_the_same(
    unready: str | None, store_fault: str | None, value: int
) -> None:
    node = FakeNode()
    node.unready, node.store_fault = unready, store_fault
    assert (await samples(node))["relevo_ready",] == value
    assert (await node.request("GET", "/readyz")).status_code == (200 if value else 503)


async def test_merged_metrics_have_the_worker_as_a_label() -> None:
    nodes = {0: FakeNode(), 1: FakeNode()}
    nodes[0].connections += ["c1", "c2"]
    nodes[1].connections += ["c3"]
    nodes[1].counts.closes["client"] = 3
    found = values(merged({number: await page_of(node) for number, node in nodes.items()}))
    assert [found["relevo_connections", number] for number in ("0", "1")] == [2, 1]
    assert found["relevo_closes_total", "client", "1"] == 3
    assert ("relevo_connections",) not in found


async def test_metrics_of_several_workers_are_those_that_answer() -> None:
    node = FakeNode()
    node.connections.append("c1")

    async def pages() -> dict[int, bytes]:
        return {1: await page_of(node)}

    app = application(cast(Node, node), pages=pages)
    answer = await node.request_of(app, "GET", "/metrics")
    assert values(answer.content)["relevo_connections", "1"] == 1
