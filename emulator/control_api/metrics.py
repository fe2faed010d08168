"""The metrics page: Azure Monitor's metrics of endpoints in Prometheus' text format, their names in snake case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from emulator.control_api.collection_metrics import collection_metrics
from emulator.control_api.use_metrics import use_metrics
from emulator.routing.metrics import QUANTILES, EndpointMetrics, quantile
from emulator.workspace.collecting.counts import Counted
from emulator.workspace.health.instance_state import InstanceState
from emulator.workspace.health.resource_usage import InstanceUsage

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

Capacity = Mapping[tuple[str, str], Sequence[InstanceState]]
"""The instances of each deployment, by the names of its endpoint and its own."""


class _Collector:
    """Hands a set of ready-made metrics to Prometheus' writer."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        """The metrics."""
        return self._metrics


def metrics_text(
    endpoints: Sequence[EndpointMetrics],
    capacity: Capacity,
    uses: Sequence[InstanceUsage],
    collected: Mapping[Counted, int],
) -> bytes:
    """Prometheus' text format, version 0.0.4."""
    # loading it takes longer than all of the control API's own modules
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    found = [*_of_endpoints(endpoints), *_of_deployments(endpoints, capacity), *_of_instances(endpoints, uses)]
    registry.register(_Collector([*found, *collection_metrics(collected)]))
    return generate_latest(registry)


def _of_endpoints(endpoints: Sequence[EndpointMetrics]) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily as Gauge

    labels = ("endpoint", "deployment", "status_code", "status_code_class", "model_status_code")
    requests = Gauge("requests_per_minute", "Requests answered in the last minute.", labels=labels)
    for one in _with("requests_per_minute", endpoints):
        for answered, count in one.minute.answered.items():
            status, model_status = str(answered.status), str(answered.model_status or "")
            labels_of = (one.endpoint, answered.deployment, status, f"{status[:1]}xx", model_status)
            requests.add_metric(labels_of, count)
    yield requests
    yield from _latencies(endpoints)
    yield _by_endpoint(
        "connections_active",
        "Connections that callers hold now.",
        {one.endpoint: one.connections_active for one in _with("connections_active", endpoints)},
    )
    yield _by_endpoint(
        "new_connections_per_second",
        "Connections made per second, over the last minute.",
        {one.endpoint: one.new_connections_per_second for one in _with("new_connections_per_second", endpoints)},
    )
    yield _by_endpoint(
        "network_bytes",
        "Bytes of all bodies, in and out, in the last minute.",
        {one.endpoint: one.minute.network_bytes for one in _with("network_bytes", endpoints)},
    )


def _with(name: str, endpoints: Iterable[EndpointMetrics]) -> list[EndpointMetrics]:
    """The endpoints whose target has that metric (row metrics.names)."""
    return [one for one in endpoints if name in one.names]


def _without(name: str, endpoints: Iterable[EndpointMetrics]) -> set[str]:
    """The endpoints whose target has not."""
    return {one.endpoint for one in endpoints if name not in one.names}


def _of_instances(endpoints: Sequence[EndpointMetrics], uses: Sequence[InstanceUsage]) -> Iterator[Metric]:
    yield from use_metrics(uses, lambda name: _without(name, endpoints))


def _by_endpoint(name: str, text: str, values: Mapping[str, float]) -> Metric:
    from prometheus_client.core import GaugeMetricFamily as Gauge

    gauge = Gauge(name, text, labels=("endpoint",))
    for endpoint, value in values.items():
        gauge.add_metric((endpoint,), value)
    return gauge


def _latencies(endpoints: Sequence[EndpointMetrics]) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily as Gauge

    labels = ("endpoint", "deployment")
    mean = Gauge("request_latency", "Mean time to answer in the last minute, in milliseconds.", labels=labels)
    by_percent = {
        percent: Gauge(
            f"request_latency_p{percent}",
            f"Time within which {percent} % of the last minute's requests were answered, in milliseconds.",
            labels=labels,
        )
        for percent in QUANTILES
    }
    for one in _with("request_latency", endpoints):
        for deployment, in_order in one.minute.latencies.items():
            mean.add_metric((one.endpoint, deployment), sum(in_order) / len(in_order))
    for percent, gauge in by_percent.items():
        for one in _with(gauge.name, endpoints):
            for deployment, in_order in one.minute.latencies.items():
                gauge.add_metric((one.endpoint, deployment), quantile(in_order, percent))
    yield mean
    yield from by_percent.values()


def _of_deployments(endpoints: Sequence[EndpointMetrics], capacity: Capacity) -> Iterator[Metric]:
    from prometheus_client.core import GaugeMetricFamily as Gauge

    instances = Gauge("deployment_capacity", "Instances by state.", labels=("endpoint", "deployment", "state"))
    without = _without("deployment_capacity", endpoints)
    for (endpoint, deployment), states in capacity.items():
        if endpoint in without:
            continue
        for state in ("Ready", "NotReady", "BackOff"):
            count = sum(instance.state == state for instance in states)
            instances.add_metric((endpoint, deployment, state), count)
    yield instances
    for name, text, values in (
        ("amlemu_requests_in_flight", "Requests let in and not answered yet.", "in_flight"),
        (
            "amlemu_requests_abandoned",
            "Requests that nobody waits for, but a container works on.",
            "abandoned",
        ),
    ):
        gauge = Gauge(name, text, labels=("endpoint", "deployment"))
        for one in endpoints:
            for deployment, count in getattr(one, values).items():
                gauge.add_metric((one.endpoint, deployment), count)
        yield gauge
