"""deploymentconfig.json of aks and aksendpoint: replicas, time-outs, probes, authentication."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from emulator.azure_files.v1.service_keys import (
    AUTH_KEYS,
    CONTAINER_RESOURCES,
    RESOURCE_KEYS,
    app_insights,
    cloud_only,
    primary_key,
    resources,
)
from emulator.difference import differs
from emulator.documents.values import AMOUNT, COUNT, FLAG, SECTION, TEXT, WHOLE, Keys, Reading
from emulator.documents.yaml_document import Path

_SCALER: Path = ("autoScaler",)
_PROBE: Path = ("livenessProbeRequirements",)
_COLLECTION: Path = ("dataCollection",)
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{,61}[a-z0-9])?")  # SDK _constants.py
_LONGEST_TIMEOUT_MS = 300_000  # row timeouts.longest_ms
_SCALER_KEYS = ("minReplicas", "maxReplicas", "refreshPeriodInSeconds", "targetUtilization")
_PROBE_FIELDS = {
    "initialDelaySeconds": "initial_delay",
    "periodSeconds": "period",
    "timeoutSeconds": "timeout",
    "successThreshold": "success_threshold",
    "failureThreshold": "failure_threshold",
}
_REQUEST_SETTINGS = {
    "scoringTimeoutMs": "request_timeout_ms",
    "maxConcurrentRequestsPerContainer": "max_concurrent_requests_per_instance",
    "maxQueueWaitMs": "max_queue_wait_ms",
}

AKS_KEYS: Keys = {
    **RESOURCE_KEYS,
    (*CONTAINER_RESOURCES, "cpuLimit"): AMOUNT,
    (*CONTAINER_RESOURCES, "memoryInGBLimit"): AMOUNT,
    **AUTH_KEYS,
    ("tokenAuthEnabled",): FLAG,
    ("appInsightsEnabled",): FLAG,
    ("numReplicas",): WHOLE,
    _SCALER: SECTION,
    (*_SCALER, "autoscaleEnabled"): FLAG,
    **{(*_SCALER, key): WHOLE for key in _SCALER_KEYS},
    _COLLECTION: SECTION,
    (*_COLLECTION, "storageEnabled"): FLAG,
    **{(key,): WHOLE for key in _REQUEST_SETTINGS},
    _PROBE: SECTION,
    **{(*_PROBE, key): WHOLE for key in _PROBE_FIELDS},
    ("gpuCores",): COUNT,
    ("namespace",): TEXT,
    ("computeTargetName",): TEXT,
}
AKSENDPOINT_KEYS: Keys = {("versionName",): TEXT, ("trafficPercentile",): COUNT}

_CLOUD_ONLY = (
    (("gpuCores",), "--gpus gives the container the GPUs of this machine"),
    (("namespace",), "there is no cluster"),
    (("computeTargetName",), "there is no cluster"),
    (("versionName", "trafficPercentile"), "the endpoint has one deployment, with all of the traffic"),
)


def read_aks(values: Mapping[Path, Any], reading: Reading) -> dict[str, Any]:
    """The parts of a request; faults are those of `AksServiceDeploymentConfiguration`."""
    namespace, timeout = values.get(("namespace",)), values.get(("scoringTimeoutMs",), 1)
    if namespace and not _NAMESPACE.fullmatch(namespace):
        reading.fault(("namespace",), f"'{namespace}' must be a valid Kubernetes namespace: {_NAMESPACE.pattern}")
    if timeout > _LONGEST_TIMEOUT_MS:
        reading.fault(("scoringTimeoutMs",), f"{timeout} is more than {_LONGEST_TIMEOUT_MS}, the most that aks takes")
    settings = {name: values[(key,)] for key, name in _REQUEST_SETTINGS.items() if (key,) in values}
    probe = {name: value for key, name in _PROBE_FIELDS.items() if (value := values.get((*_PROBE, key)))}
    return {
        "instance_count": _replicas(values, reading),
        "cloud_settings": _cloud_settings(values, reading),
        **resources(values, reading, is_limit=False),
        **app_insights(values, reading),
        **({"request_settings": settings} if settings else {}),
        **({"liveness_probe": probe} if probe else {}),
        **_auth_mode(values, reading),
        **primary_key(values, reading),
    }


def _cloud_settings(values: Mapping[Path, Any], reading: Reading) -> dict[str, Any]:
    kept = cloud_only(values, _CLOUD_ONLY, reading)
    collected = values.get((*_COLLECTION, "storageEnabled"))
    if collected:
        text = "nothing is collected: there is no blob storage"
        reading.note((*_COLLECTION, "storageEnabled"), differs("v1.model_data_collection", text))
    scaler = {str(path[1]): value for path, value in values.items() if path[:-1] == _SCALER}
    return (
        kept
        | ({str(_SCALER[0]): scaler} if scaler else {})
        | ({str(_COLLECTION[0]): {"storageEnabled": collected}} if collected is not None else {})
    )


def _auth_mode(values: Mapping[Path, Any], reading: Reading) -> dict[str, str]:
    keys, tokens = values.get(("authEnabled",)), values.get(("tokenAuthEnabled",))
    if keys and tokens:
        reading.fault(("tokenAuthEnabled",), "auth_enabled and token_auth_enabled cannot both be true")
    if tokens:
        return {"auth_mode": "aml_token"}
    return {} if keys is None else {"auth_mode": "key" if keys else "none"}


def _replicas(values: Mapping[Path, Any], reading: Reading) -> int:
    """How many containers run here: what is asked for, or the least of what the cloud scales between."""
    count, enabled = values.get(("numReplicas",)), values.get((*_SCALER, "autoscaleEnabled"))
    least, most = (values.get((*_SCALER, key)) for key in ("minReplicas", "maxReplicas"))
    _check_scaler(values, reading)
    if count is not None:
        return int(count)
    if enabled is not False:
        told = f"the cloud scales from {least or 1} to {most or 10} containers; here it is always {least or 1}"
        reading.note(("numReplicas",) if enabled is None else _SCALER, differs("scaling.fixed", told))
    return int(least or 1)


def _check_scaler(values: Mapping[Path, Any], reading: Reading) -> None:
    count, enabled = values.get(("numReplicas",)), values.get((*_SCALER, "autoscaleEnabled"))
    given = [key for key in _SCALER_KEYS if (*_SCALER, key) in values]
    if enabled:
        least, most = (values.get((*_SCALER, key)) for key in ("minReplicas", "maxReplicas"))
        if count is not None:
            reading.fault(("numReplicas",), "autoscale enabled and num_replicas provided: give one of them")
        if least and most and least > most:
            reading.fault((*_SCALER, "minReplicas"), f"{least} cannot be greater than maxReplicas, {most}")
        return
    for key in given:
        reading.fault((*_SCALER, key), f"{key} provided without enabling autoscaling: set autoscaleEnabled to true")
    if enabled is False and count is None:
        reading.fault((*_SCALER, "autoscaleEnabled"), "autoscale disabled but numReplicas not provided")
