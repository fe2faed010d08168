"""The metrics that tell what instances use: Azure Monitor's deployment metrics (contract/managed §9)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from emulator.workspace.health.resource_usage import InstanceUsage

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

_METRICS: tuple[tuple[str, str, Callable[[InstanceUsage], float | None]], ...] = (
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


def use_metrics(uses: Sequence[InstanceUsage], without: Callable[[str], Collection[str]]) -> Iterator[Metric]:
    """A metric for each kind of use; an instance of which it is not known has no value.

    `without` names the endpoints whose target does not have a metric (row metrics.names).
    """
    from prometheus_client.core import GaugeMetricFamily as Gauge

    for name, text, value_of in _METRICS:
        gauge = Gauge(name, text, labels=("endpoint", "deployment", "instance"))
        left_out = without(name)
        for use in uses:
            value = value_of(use)
            if value is not None and use.endpoint not in left_out:
                gauge.add_metric((use.endpoint, use.deployment, use.instance), value)
        yield gauge
