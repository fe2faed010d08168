"""The metrics page: Azure Monitor's metrics of endpoints in Prometheus' text format, with names in snake case."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from emulator.routing.metrics import QUANTILES, EndpointMetrics, quantile
from emulator.workspace.collecting.counts import Counted
from emulator.workspace.health.instance_state import InstanceState
from emulator.workspace.health.resource_usage import InstanceUsage

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

Capacity = Mapping[tuple[str, str], Sequence[InstanceState]]
"""The instances of each deployment, by the names of its endpoint and its own."""


_USAGE: tuple[tuple[str, str, Callable[[InstanceUsage], float | None]], ...] = (
    (
        "cpu_utilization_percentage",
        "Processor time used since the last scrape, in percent of the instance's cores.",
        lambda use: use.cpu_percent,
    ),
    (
        "cpu_memory_utilization_percentage",
        "Memory in use, in percent of the instance's own.",
        lambda use: use.memory_percent,
    ),
    ("disk_utilization", "How full the disk is that the instance writes to, in percent.", lambda use: use.disk_percent),
    (
        "gpu_utilization_percentage",
        "Time in which the instance's GPUs worked, in percent.",
        lambda use: use.gpu.utilization_percent if use.gpu else None,
    ),
    (
        "gpu_memory_utilization_percentage",
        "Memory in use on the instance's GPUs, in percent.",
        lambda use: use.gpu.memory_percent if use.gpu else None,
    ),
    (
        "gpu_energy_joules",
        "Energy that the instance's GPUs have used since the last scrape.",
        lambda use: use.gpu.energy_joules if use.gpu else None,
    ),
)


class _Collector:
    """Hands a set of ready-made metrics to Prometheus' writer."""

    def __init__(self, metrics: Iterable[Metric]) -> None:
        self._metrics = list(metrics)

    def collect(self) -> Iterable[Metric]:
        """Return the metrics."""
        return self._metrics


def metrics_text(
    endpoints: Sequence[EndpointMetrics],
    capacity: Capacity,
    uses: Sequence[InstanceUsage],
    collected: Mapping[Counted, int],
) -> bytes:
    """Return the metrics in Prometheus' text format, version 0.0.4."""
    # loading it takes longer than all of the control API's own modules
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry(auto_describe=False)
    found = [*_of_endpoints(endpoints), *_of_deployments(endpoints, capacity), *_of_instances(endpoints, uses)]
    registry.register(_Collector([*found, *_of_collection(collected)]))
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
    """Return the endpoints whose target has that metric (row metrics.names)."""
    return [one for one in endpoints if name in one.names]


def _without(name: str, endpoints: Iterable[EndpointMetrics]) -> set[str]:
    """Return the names of endpoints whose target lacks that metric."""
    return {one.endpoint for one in endpoints if name not in one.names}


def _of_instances(endpoints: Sequence[EndpointMetrics], uses: Sequence[InstanceUsage]) -> Iterator[Metric]:
    yield from _of_usage(uses, lambda name: _without(name, endpoints))


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


def _of_usage(uses: Sequence[InstanceUsage], without: Callable[[str], Collection[str]]) -> Iterator[Metric]:
    """Yield a metric for each kind of usage; an instance of which it is unknown has no value.

    `without` names the endpoints whose target does not have a metric (row metrics.names).
    """
    from prometheus_client.core import GaugeMetricFamily as Gauge

    for name, text, value_of in _USAGE:
        gauge = Gauge(name, text, labels=("endpoint", "deployment", "instance"))
        left_out = without(name)
        for use in uses:
            value = value_of(use)
            if value is not None and use.endpoint not in left_out:
                gauge.add_metric((use.endpoint, use.deployment, use.instance), value)
        yield gauge


def _of_collection(counts: Mapping[Counted, int]) -> Iterator[Metric]:
    """Yield the two metrics of data collection (row collection.metrics)."""
    from prometheus_client.core import GaugeMetricFamily as Gauge

    labels = ("endpoint", "deployment", "type")
    events = Gauge("data_collection_events_per_minute", "Data events collected in the last minute.", labels=labels)
    errors = Gauge(
        "data_collection_errors_per_minute",
        "Data events of the last minute that were not collected.",
        labels=(*labels, "reason"),
    )
    for counted, number in counts.items():
        if counted.reason:
            errors.add_metric((counted.endpoint, counted.deployment, counted.type, counted.reason), number)
        else:
            events.add_metric((counted.endpoint, counted.deployment, counted.type), number)
    yield events
    yield errors
