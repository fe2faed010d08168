"""The migration of each setting, of a v1 service or of this machine, to a v2 endpoint.

Source: Microsoft's page migrate-to-v2-managed-online-endpoints.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from emulator.entities import AuthMode, OnlineDeployment, OnlineEndpoint, ResourceRequirements
from emulator.entities.resources import quantity
from emulator.names import V1_TARGETS
from emulator.profiles import profile_of
from emulator.profiles.instance_types import INSTANCE_TYPES

Kind = Literal["managed", "kubernetes"]
DEFAULT_INSTANCE_TYPE = "Standard_DS3_v2"

# Cores and GB up to which Microsoft's page takes each size (migrate-to-v2-managed-online-endpoints).
_SIZES = (
    (1.0, 1.2, "Standard_DS1_v2"),
    (2.0, 1.7, "Standard_F2s_v2"),
    (2.0, 4.7, "Standard_DS2_v2"),
    (2.0, 13.7, "Standard_E2s_v3"),
    (4.0, 5.7, "Standard_F4s_v2"),
    (4.0, 11.7, "Standard_DS3_v2"),
    (4.0, 16.0, "Standard_E4s_v3"),
)


_SCALER_WORDS = {
    "minReplicas": "min_instances",
    "maxReplicas": "max_instances",
    "refreshPeriodInSeconds": "polling_interval",
    "targetUtilization": "target_utilization_percentage",
}


@dataclass(frozen=True)
class CloudValue:
    """A value for the cloud, and a note about it, '' for none."""

    value: str
    note: str = ""


def is_v1(target: str) -> bool:
    """Whether the target is one of v1's."""
    return target in V1_TARGETS


def kind_of(target: str, wanted: str | None) -> Kind:
    """Return the kind of v2 endpoint that a target becomes: `wanted`, else its own, else managed."""
    if wanted is not None:
        return "kubernetes" if wanted == "kubernetes" else "managed"
    return "kubernetes" if target == "kubernetes" else "managed"


def auth_mode(endpoint: OnlineEndpoint, kind: Kind) -> tuple[AuthMode, str]:
    """Return the auth_mode for the kind of endpoint, and a note about it, '' for none."""
    if endpoint.auth_mode in profile_of(kind).auth_modes:
        return endpoint.auth_mode, ""
    why = (
        "v2 has no endpoint without: callers send 'Authorization: Bearer KEY'"
        if endpoint.auth_mode == "none"
        else f"{kind} endpoints have none"
    )
    return "key", f"auth_mode: {endpoint.auth_mode} becomes key: {why}"


def instance_type(deployment: OnlineDeployment) -> CloudValue:
    """Return the managed size: the deployment's own, else that of Microsoft's table for its cores and memory."""
    if deployment.instance_type:
        return CloudValue(deployment.instance_type)
    cores, gigabytes = _asked(deployment.resources)
    if cores or gigabytes:
        name = size_for(cores, gigabytes)
        return CloudValue(
            name, f"instance_type: {cores:g} cores and {gigabytes:g} GB become {name} (Microsoft's table)"
        )
    return CloudValue(
        DEFAULT_INSTANCE_TYPE, f"instance_type: none is set here; {DEFAULT_INSTANCE_TYPE} is a common one"
    )


def size_for(cores: float, gigabytes: float) -> str:
    """Return the size for a v1 container; beyond the table, the smallest with enough of both.

    >>> size_for(0.1, 0.5), size_for(1, 4), size_for(2, 8), size_for(4, 8), size_for(8, 20)
    ('Standard_DS1_v2', 'Standard_DS2_v2', 'Standard_E2s_v3', 'Standard_DS3_v2', 'Standard_DS4_v2')
    """
    for most_cores, most_gigabytes, name in _SIZES:
        if cores <= most_cores and gigabytes <= most_gigabytes:
            return name
    plain = (size for size in INSTANCE_TYPES if not size.gpus)
    fitting = [size for size in plain if size.cpus >= cores and size.memory_gib >= gigabytes]
    return min(fitting, key=lambda size: (size.cpus, size.memory_gib)).name if fitting else "Standard_E64s_v3"


def _asked(resources: ResourceRequirements | None) -> tuple[float, float]:
    """Return cores and GB: the limit, else the request, else 0."""
    if resources is None:
        return 0.0, 0.0
    amounts = {**resources.requests, **resources.limits}
    cores = float(quantity(amounts["cpu"])) if "cpu" in amounts else 0.0
    return cores, float(quantity(amounts["memory"])) / 2**30 if "memory" in amounts else 0.0


def request_settings(deployment: OnlineDeployment, kind: Kind) -> tuple[dict[str, int], list[str]]:
    """Return `request_settings` for the kind of endpoint, with v1's defaults written out, and notes about them."""
    asked = deployment.request_settings
    profile = profile_of(kind).scoring
    found = asked.model_dump(exclude_none=True)
    notes = []
    timeout, longest = asked.request_timeout_ms, profile.longest_timeout_ms
    if timeout is None:
        notes.append(f"request_timeout_ms: there is none here; the cloud's is {profile.default_timeout_ms}")
    elif longest is not None and timeout > longest:
        found["request_timeout_ms"] = longest
        notes.append(f"request_timeout_ms: {timeout} is more than {kind} endpoints take: {longest}")
    elif is_v1(deployment.target):
        default = profile.default_timeout_ms
        notes.append(f"request_timeout_ms: {timeout} is written out, because v2 would take {default}")
    return found, notes


def notes_on_service(endpoint: OnlineEndpoint, kind: Kind) -> list[str]:
    """Notes on what the move changes for callers, and on what cannot be moved."""
    port = f"port {endpoint.port} is this machine's: the cloud gives the endpoint a scoring_uri of its own"
    if not is_v1(endpoint.target):
        return [port]
    return [
        f"target {endpoint.target} becomes a {kind} online endpoint: deploy.sh makes a new one beside the old service",
        port + ", https and with the path /score",
        "keys: the cloud makes new ones: amlemu exports none",
        "CORS: v2 has none of its own, and lets only GET and POST pass: a browser needs a proxy in front",
        *_notes_on_statuses(endpoint.target, kind),
    ]


def _notes_on_statuses(target: str, kind: Kind) -> list[str]:
    if kind == "kubernetes":
        return [] if target == "aks" else ["status codes: a failing script is answered 502, a full endpoint 503"]
    before = "502" if target == "aks" else "500"
    return [
        f"status codes: a failing script was answered {before}, and is 424 with its own status in"
        " ms-azureml-model-error-statuscode; a time-out is 408, a full endpoint 429"
    ]


def notes_on_container(deployment: OnlineDeployment, kind: Kind) -> list[str]:
    """Notes on what the move changes for the script of a v1 service."""
    code = deployment.code_configuration
    if not is_v1(deployment.target) or code is None:
        return []
    name = code.code.replace("\\", "/").rstrip("/").rpartition("/")[2]
    before, after = (
        profile_of(target).container.working_dir(name, code.scoring_script) for target in (deployment.target, kind)
    )
    moved = [f"working directory: {before} becomes {after}: relative paths of the script change"]
    probes = ["probes: v1 has one probe; liveness_probe and readiness_probe are both written out"]
    return (moved if before != after else []) + probes


def kept_settings(settings: Mapping[str, Any], known: tuple[str, ...]) -> tuple[dict[str, Any], list[str]]:
    """Return the settings that the file can hold, and notes that name the others: their values may be secrets."""
    lost = [_lost(key) for key, value in settings.items() if key not in known and value not in (None, "", {})]
    return {key: settings[key] for key in known if key in settings}, lost


def _lost(key: str) -> str:
    if key == "package_model":
        return "package_model: a flag of the command, not a key of the file: deploy.sh gives it"
    return f"{key}: v2 has no such key in this file"


def with_v2_words(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with v1's `autoScaler` as v2's `scale_settings`.

    >>> with_v2_words({"autoScaler": {"autoscaleEnabled": True, "minReplicas": 1, "maxReplicas": 5}})
    {'scale_settings': {'type': 'target_utilization', 'min_instances': 1, 'max_instances': 5}}
    """
    rest = {key: value for key, value in settings.items() if key != "autoScaler"}
    scaler = settings.get("autoScaler") or {}
    if not scaler or scaler.get("autoscaleEnabled") is False:
        return rest
    words = {v2: scaler[v1] for v1, v2 in _SCALER_WORDS.items() if scaler.get(v1) is not None}
    return {**rest, "scale_settings": {"type": "target_utilization", **words}}


def scale_settings(kept: dict[str, Any], kind: Kind) -> tuple[dict[str, Any], list[str]]:
    """Without what only Kubernetes endpoints scale by (Microsoft's YAML references)."""
    scale = kept.get("scale_settings")
    if kind == "kubernetes" or not scale or scale.get("type") == "default":
        return kept, []
    rest = {key: value for key, value in kept.items() if key != "scale_settings"}
    return rest, ["scale_settings: managed endpoints keep instance_count; Azure Monitor's autoscale changes it"]
