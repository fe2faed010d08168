"""The parity table of what is written down, the request log and the metrics, and its rows resolved for one target."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, get_args

from emulator.profiles.facts import Row, assumed, documented, read_from, row
from emulator.profiles.sources import DEPLOYMENT_METRICS, ENDPOINT_METRICS, TRAFFIC_COLUMNS, TRAFFIC_TABLE

Column = Literal[
    "TimeGenerated", "SubscriptionId", "AzureMLWorkspaceId", "AzureMLWorkspaceName", "Method", "Path", "EndpointName",
    "DeploymentName", "Protocol", "ResponseCode", "ResponseCodeReason", "ModelStatusCode", "ModelStatusReason",
    "RequestPayloadSize", "ResponsePayloadSize", "UserAgent", "XRequestId", "XMSClientRequestId", "TotalDurationMs",
    "RequestDurationMs", "ResponseDurationMs", "RequestThrottlingDelayMs", "ResponseThrottlingDelayMs", "AuthType",
    "IdentityData",
]  # fmt: skip
MetricName = Literal[
    "requests_per_minute", "request_latency", "request_latency_p50", "request_latency_p90", "request_latency_p95",
    "request_latency_p99", "connections_active", "new_connections_per_second", "network_bytes", "deployment_capacity",
    "cpu_utilization_percentage", "cpu_memory_utilization_percentage", "disk_utilization",
    "gpu_utilization_percentage", "gpu_memory_utilization_percentage", "gpu_energy_joules",
]  # fmt: skip
COLUMNS: tuple[Column, ...] = get_args(Column)
METRIC_NAMES: tuple[MetricName, ...] = get_args(MetricName)
_OURS = "described of managed endpoints; amlemu writes one form for all targets"

LOG_ROWS: tuple[Row, ...] = (
    row(
        "logs.traffic_columns",
        "What a line of the request log holds, one line for each request that the front door saw.",
        assumed(COLUMNS, _OURS),
        managed=documented(COLUMNS, TRAFFIC_COLUMNS, TRAFFIC_TABLE),
    ),
    row(
        "logs.user_agent_characters",
        "So many characters of the User-Agent are kept.",
        assumed(70, _OURS),
        managed=documented(70, TRAFFIC_COLUMNS),
    ),
    row(
        "metrics.names",
        "The metrics that `/_amlemu/metrics` of the control port has of an endpoint, Azure Monitor's names in snake"
        " case; for those of data collection see collection.metrics.",
        assumed(METRIC_NAMES, _OURS),
        managed=documented(METRIC_NAMES, ENDPOINT_METRICS, DEPLOYMENT_METRICS),
    ),
)


@dataclass(frozen=True)
class LogProfile:
    """What is written down of an endpoint of that target."""

    columns: tuple[Column, ...] = field(metadata=read_from("logs.traffic_columns"))
    user_agent_characters: int = field(metadata=read_from("logs.user_agent_characters"))
    metrics: tuple[MetricName, ...] = field(metadata=read_from("metrics.names"))

    @cached_property
    def has_all_columns(self) -> bool:
        """Whether nothing is left out of a line of the request log."""
        return set(self.columns) == set(COLUMNS)
