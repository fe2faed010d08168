"""The two metrics of data collection (contract/managed §9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from emulator.workspace.collecting.counts import Counted

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric


def collection_metrics(counts: Mapping[Counted, int]) -> Iterator[Metric]:
    """What was collected within the last minute, and what was not, and why."""
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
