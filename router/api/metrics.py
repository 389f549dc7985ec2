"""The metrics of one node, in the Prometheus text format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from relevo.protocol.commands import wire_type
from relevo.router.api.readiness import Readiness

if TYPE_CHECKING:
    from relevo.router.node import Node

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class NodeCollector(Collector):
    """
    Read a node's own counts when they are asked for, so that counting costs nothing in between.

    Args:
        node: The node.

    Attributes:
        is_ready: Whether it can serve, as the last check says.
    """

    def __init__(self, node: Node) -> None:
        self.is_ready = False
        self._node = node

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        node = self._node
        hubs, counted = node.registry.hubs, node.counts
        gauges = {
            "relevo_connections": ("Open websockets", len(node.connections)),
            "relevo_tenants": ("Tenants served", len(node.registry)),
            "relevo_feed_waiting": ("Events that wait for their tenant's directory", node.feed.waiting),
            "relevo_rate_buckets": ("Agents and tenants whose messages are counted", len(node.rates)),
            "relevo_dialogs": ("Open directory subscriptions", sum(len(hub.subscribers) for hub in hubs)),
            "relevo_watchers": ("Admins that watch the sessions", sum(len(hub.watchers) for hub in hubs)),
            "relevo_ready": ("Whether this node can serve", int(self.is_ready)),
        }
        stats = node.store.stats
        counters = {
            "relevo_websockets_accepted": ("Websockets opened", counted.accepted),
            "relevo_hellos": ("Connections welcomed", counted.hellos),
            "relevo_feed_events": ("Events taken from the feed", node.feed.events),
            "relevo_feed_gaps": ("Gaps found in the feed", node.feed.gaps),
            "relevo_feed_reloads": ("Directories reloaded", node.feed.reloads),
            "relevo_store_commands": ("Commands sent to the store", stats.commands),
            "relevo_store_batches": ("Batches sent to the store", stats.batches),
            "relevo_store_timeouts": ("Commands of the store without an answer in time", stats.time_outs),
            "relevo_store_refused": ("Commands refused because the queue was full", stats.refused),
            "relevo_store_unacknowledged": (
                "Changes that the store's disk or replicas did not acknowledge in time",
                stats.unacknowledged,
            ),
            "relevo_store_cuts": ("Connections to the store cut", stats.cuts),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(name, text, value)
        for name, (text, value) in counters.items():
            yield CounterMetricFamily(name, text, value)
        commands = CounterMetricFamily("relevo_commands", "Commands answered", labels=("type", "outcome"))
        for (command, outcome), value in counted.commands.items():
            commands.add_metric((wire_type(command), outcome), value)
        yield commands
        throttled = CounterMetricFamily("relevo_throttled", "Messages over a rate", labels=("limit",))
        for limit, value in counted.throttled.items():
            throttled.add_metric((limit,), value)
        yield throttled
        handshakes = CounterMetricFamily(
            "relevo_handshakes_refused", "Websockets not accepted", labels=("reason",)
        )
        for reason, value in counted.refused.items():
            handshakes.add_metric((reason,), value)
        yield handshakes
        refused = CounterMetricFamily("relevo_tokens_refused", "Tokens refused", labels=("cause",))
        for cause, value in node.sign_ins.refused.items():
            refused.add_metric((cause,), value)
        yield refused
        restarts = CounterMetricFamily(
            "relevo_task_restarts", "Background tasks restarted after they ended", labels=("task",)
        )
        for task, value in node.supervisor.restarts.items():
            restarts.add_metric((task,), value)
        yield restarts
        closes = CounterMetricFamily(
            "relevo_closes",
            "Connections ended, by the router's close code or by the client",
            labels=("code",),
        )
        for code, value in counted.closes.items():
            closes.add_metric((code,), value)
        yield closes


class NodeMetrics:
    """
    The metrics of one node, and of its process.

    Args:
        node: The node.
        readiness: Whether it can serve: `/readyz` and the metrics say the same.
    """

    def __init__(self, node: Node, readiness: Readiness) -> None:
        self._readiness = readiness
        self._node = NodeCollector(node)
        self._registry = CollectorRegistry()
        self._registry.register(self._node)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)

    async def page(self) -> bytes:
        """Return the metrics in the text format."""
        self._node.is_ready = await self._readiness.reason() is None
        return generate_latest(self._registry)


class _Merged(CollectorRegistry):
    """What `generate_latest` writes: metrics that were collected elsewhere."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        super().__init__()
        self._metrics = metrics

    def collect(self) -> Iterable[Metric]:
        return self._metrics


def merged(pages: Mapping[int, bytes]) -> bytes:
    """
    Return one page of the metrics of several workers, each told apart by the label ``worker``.

    Args:
        pages: Each worker's page, by its number.
    """
    metrics: dict[str, Metric] = {}
    for number, page in pages.items():
        for family in text_string_to_metric_families(page.decode()):
            metric = metrics.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            for sample in family.samples:
                metric.add_sample(sample.name, {**sample.labels, "worker": str(number)}, sample.value)
    return generate_latest(_Merged(metrics.values()))
