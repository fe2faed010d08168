"""Build the control API's resources: Azure's REST form, with a flat document for amlemu's own client.

The stock SDKs expect Azure's form (azure-ai-ml 1.35.2, its REST models); the rest is in `amlemu` beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from emulator.azure_paths import PROVIDER, WORKSPACE_PATH, deployment_path
from emulator.containers.spec import scoring_path
from emulator.difference import Difference, only_here
from emulator.entities import (
    AZUREML_ROUTES,
    BuildContext,
    EndpointKeys,
    EndpointToken,
    Environment,
    InferenceConfig,
    Model,
    OnlineDeployment,
    OnlineEndpoint,
    ProbeSettings,
    Target,
)
from emulator.profiles import profile_of, rendered
from emulator.workspace.health.instance_state import InstanceState

_AUTH_MODES = {"key": "Key", "aml_token": "AMLToken", "aad_token": "AADToken", "none": "None"}

# Fields of a stored deployment that are internal, or shown in another form.
HIDDEN = frozenset({"environment_variables", "generation", "serving", "explicit_source_dir", "endpoint_name",
                    "read_only_mounts", "own_command"})  # fmt: skip

Json = dict[str, Any]
Shown = tuple[OnlineDeployment, Sequence[InstanceState]]
"""A deployment with the states of its instances."""


@dataclass(frozen=True)
class Addresses:
    """The host name and the shared port that scoring URIs carry."""

    host: str
    shared_port: int


def _resource(kind: str, path: str, name: str, properties: Json, flat: Json, tags: Mapping[str, str]) -> Json:
    return {
        "id": f"{WORKSPACE_PATH}/{path}",
        "name": name,
        "type": f"{PROVIDER}/workspaces/{kind}",
        "tags": dict(tags),
        "properties": properties,
        "amlemu": flat,
    }


def model_resource(model: Model) -> Json:
    """Return a model version."""
    properties = {
        "description": model.description,
        "isArchived": model.archived,
        "isAnonymous": False,
        "modelType": model.type,
        "modelUri": f"azureml://models/{model.name}/versions/{model.version}/{model.path}",
        "flavors": {},  # null makes azure-ai-ml 1.35.2 fail
        "properties": model.properties,
        "tags": model.tags,
    }
    path = f"models/{model.name}/versions/{model.version}"
    return _resource("models/versions", path, model.version, properties, model.to_document(), model.tags)


def environment_resource(environment: Environment, image: str, dockerfile: str, *, include_values: bool) -> Json:
    """Return an environment version; `image` is the digest of its image.

    Its secrets, and the credentials in URLs of packages and channels, are included only with `include_values`.
    """
    flat = environment.revealed_document() if include_values else environment.to_document()
    flat |= {"digest": image, "dockerfile": dockerfile} | _differences(flat["differences"])
    properties = {
        "description": environment.description,
        "image": environment.image,
        "isArchived": False,
        "osType": "Linux",
        "build": _build(environment.build),
        "inferenceConfig": _inference_config(environment.inference_config),
    }
    path = f"environments/{environment.name}/versions/{environment.version}"
    return _resource("environments/versions", path, environment.version, properties, flat, environment.tags)


def _build(build: BuildContext | None) -> Json | None:
    return None if build is None else {"contextUri": build.path, "dockerfilePath": build.dockerfile_path}


def _inference_config(config: InferenceConfig | None) -> Json | None:
    names = {"livenessRoute": "liveness_route", "readinessRoute": "readiness_route", "scoringRoute": "scoring_route"}
    return None if config is None else {name: config.to_document()[ours] for name, ours in names.items()}


def endpoint_resource(endpoint: OnlineEndpoint, deployments: Sequence[Shown], addresses: Addresses) -> Json:
    """Return an endpoint with its deployments."""
    profile = profile_of(endpoint.target)
    base = profile.base_uri(endpoint.name, addresses.host, endpoint.port, addresses.shared_port)
    flat = {
        "name": endpoint.name,
        "target": endpoint.target,
        "provisioning_state": endpoint.provisioning_state,
        "scoring_uri": profile.scoring_uri(
            base, _scoring_path(endpoint, [deployment for deployment, _ in deployments])
        ),
        "openapi_uri": f"{base}/swagger.json",
        "auth_mode": endpoint.auth_mode,
        "traffic": endpoint.traffic,
        "mirror_traffic": endpoint.mirror_traffic,
        "deployments": [flat_deployment(*shown) for shown in deployments],
        "port": endpoint.port,
        "description": endpoint.description,
        "tags": endpoint.tags,
        "properties": endpoint.properties,
        "cloud_settings": endpoint.cloud_settings,
        **_differences([difference.to_document() for difference in endpoint.differences]),
        "created_at": endpoint.created_at,
    }
    properties = {
        "authMode": _AUTH_MODES[endpoint.auth_mode],
        "scoringUri": flat["scoring_uri"],
        "swaggerUri": flat["openapi_uri"],
        "traffic": endpoint.traffic,
        "mirrorTraffic": endpoint.mirror_traffic,
        "provisioningState": endpoint.provisioning_state,
        "description": endpoint.description,
        "properties": endpoint.properties,
    }
    path = f"onlineEndpoints/{endpoint.name}"
    return _resource("onlineEndpoints", path, endpoint.name, properties, flat, endpoint.tags)


def _scoring_path(endpoint: OnlineEndpoint, deployments: Sequence[OnlineDeployment]) -> str:
    """Return the path of the deployment with most of the traffic: an endpoint has one scoring_uri."""
    by_traffic = sorted(deployments, key=lambda d: endpoint.traffic.get(d.name, 0), reverse=True)
    return scoring_path(by_traffic[0]) if by_traffic else AZUREML_ROUTES.scoring_route.path


def flat_deployment(deployment: OnlineDeployment, instances: Sequence[InstanceState]) -> Json:
    """Return a deployment as `show -o json` prints it, with the names of its variables and not their values."""
    document = deployment.model_dump(mode="json", exclude=set(HIDDEN))
    overridden = [difference.to_document() for difference in override_differences(deployment.target)]
    return document | {
        "environment_variables": sorted(deployment.environment_variables),
        **_differences([*document["differences"], *overridden]),
        "instances": [asdict(instance) for instance in instances],
    }


def override_differences(target: Target) -> list[Difference]:
    """Return a difference for each fact of the target that the running emulator's settings override."""
    return [
        only_here("settings.override", f"{row_id} is overridden by the settings: {rendered(v, quote='')}")
        for row_id, v in profile_of(target).overridden
    ]


def _differences(documents: Sequence[Json]) -> Json:
    """The texts alone, as clients have always read them, and each with its group and its code."""
    return {"differences": [document["text"] for document in documents], "difference_details": list(documents)}


def deployment_resource(deployment: OnlineDeployment, instances: Sequence[InstanceState]) -> Json:
    """Return a deployment."""
    code = deployment.code_configuration
    properties = {
        "codeConfiguration": code and {"scoringScript": code.scoring_script},
        "endpointComputeType": "Kubernetes" if deployment.target == "kubernetes" else "Managed",
        "model": deployment.models[0] if len(deployment.models) == 1 else None,
        "environmentId": deployment.environment,
        "instanceType": deployment.instance_type,
        "provisioningState": deployment.provisioning_state,
        "requestSettings": {
            "requestTimeout": _duration(deployment.request_settings.request_timeout_ms),
            "maxConcurrentRequestsPerInstance": deployment.request_settings.max_concurrent_requests_per_instance,
        },
        "livenessProbe": _probe(deployment.liveness_probe),
        "readinessProbe": _probe(deployment.readiness_probe),
        "scaleSettings": {"scaleType": "Default"},  # null makes azure-ai-ml 1.35.2 fail
    }
    path = f"onlineEndpoints/{deployment.endpoint_name}/deployments/{deployment.name}"
    flat = flat_deployment(deployment, instances)
    return _resource("onlineEndpoints/deployments", path, deployment.name, properties, flat, {})


def deployment_begun(endpoint_name: str, name: str, operation_id: str, *, is_new: bool) -> Json:
    """Return a deployment that is being created: the response to PUT before anything else is known."""
    return {
        "id": deployment_path(endpoint_name, name),
        "name": name,
        "type": f"{PROVIDER}/workspaces/onlineEndpoints/deployments",
        "properties": {"provisioningState": "Creating" if is_new else "Updating"},
        "operation": operation_id,
    }


def _duration(milliseconds: int | None) -> str | None:
    """Return the duration in Return the duration in ISO 8601, as the SDK reads it."""
    return None if milliseconds is None else f"PT{milliseconds / 1000:g}S"


def keys_document(keys: EndpointKeys, endpoint: OnlineEndpoint) -> Json:
    """Return both keys in the form of listKeys (row auth.keys)."""
    names = profile_of(endpoint.target).key_names or ()
    return dict(zip(names, (keys.primary_key, keys.secondary_key), strict=False))


def token_document(token: EndpointToken, endpoint: OnlineEndpoint) -> Json:
    """Return a token in the form of POST …/token (row auth.token_fields)."""
    profile = profile_of(endpoint.target)
    names = profile.token_fields or ()
    values = (token.access_token, token.expiry_time_utc, token.refresh_after_time_utc, profile.auth_scheme)
    return dict(zip(names, values, strict=False))


def _probe(settings: ProbeSettings) -> Json:
    """Return a probe in the form of Azure's REST resources (azure-ai-ml, ProbeSettings): durations in ISO 8601."""
    return {
        "initialDelay": f"PT{settings.initial_delay}S",
        "period": f"PT{settings.period}S",
        "timeout": f"PT{settings.timeout}S",
        "successThreshold": settings.success_threshold,
        "failureThreshold": settings.failure_threshold,
    }
