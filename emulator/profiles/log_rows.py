"""The parity table of what is written down: the request log and the metrics."""

from __future__ import annotations

from emulator.profiles.rows import Row, assumed, documented, row

_TRAFFIC_LOG = "contract/managed §9: AmlOnlineEndpointTrafficLog"
_METRICS = "contract/managed §9: Azure Monitor's supported metrics"
_COLUMNS = (
    "TimeGenerated", "SubscriptionId", "AzureMLWorkspaceId", "AzureMLWorkspaceName", "Method", "Path", "EndpointName",
    "DeploymentName", "Protocol", "ResponseCode", "ResponseCodeReason", "ModelStatusCode", "ModelStatusReason",
    "RequestPayloadSize", "ResponsePayloadSize", "UserAgent", "XRequestId", "XMSClientRequestId", "TotalDurationMs",
    "RequestDurationMs", "ResponseDurationMs", "RequestThrottlingDelayMs", "ResponseThrottlingDelayMs", "AuthType",
    "IdentityData",
)  # fmt: skip
_NAMES = (
    "requests_per_minute", "request_latency", "request_latency_p50", "request_latency_p90", "request_latency_p95",
    "request_latency_p99", "connections_active", "new_connections_per_second", "network_bytes", "deployment_capacity",
)  # fmt: skip
_OURS = "contract/managed §9 is of managed endpoints; amlemu writes one form for all targets"

LOG_ROWS: tuple[Row, ...] = (
    row(
        "logs.traffic_columns",
        "What a line of the request log holds, one line for each request that the front door saw.",
        managed=documented(_COLUMNS, _TRAFFIC_LOG),
        kubernetes=assumed(_COLUMNS, _OURS),
        aks=assumed(_COLUMNS, _OURS),
        aci=assumed(_COLUMNS, _OURS),
        local=assumed(_COLUMNS, _OURS),
    ),
    row(
        "logs.user_agent_characters",
        "So many characters of the User-Agent are kept.",
        managed=documented(70, _TRAFFIC_LOG),
        kubernetes=assumed(70, _OURS),
        aks=assumed(70, _OURS),
        aci=assumed(70, _OURS),
        local=assumed(70, _OURS),
    ),
    row(
        "metrics.names",
        "The metrics that `/metrics` of the control port has, Azure Monitor's names in snake case; those of processors,"
        " memory, GPUs and disks are not measured; for data collection see collection.metrics.",
        managed=documented(_NAMES, _METRICS),
        kubernetes=assumed(_NAMES, _OURS),
        aks=assumed(_NAMES, _OURS),
        aci=assumed(_NAMES, _OURS),
        local=assumed(_NAMES, _OURS),
    ),
)
