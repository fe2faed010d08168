"""Azure ML v2 files, each as a document with its comments, and the changes on the way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from emulator.difference import Difference
from emulator.entities import DataCollector, OnlineDeployment, OnlineEndpoint
from emulator.exports.migration import (
    Kind,
    auth_mode,
    instance_type,
    is_v1,
    kept_settings,
    notes_on_container,
    notes_on_service,
    request_settings,
    scale_settings,
    with_v2_words,
)
from emulator.exports.parts import Part
from emulator.exports.result import Change, cloud_name
from emulator.exports.several_models import FOLDER
from emulator.exports.source import placeholder
from emulator.exports.yaml_text import yaml_text

_SCHEMAS = "https://azuremlschemas.azureedge.net/latest"
_OF_ENDPOINT: Mapping[Kind, tuple[str, ...]] = {
    "managed": ("identity", "public_network_access"),
    "kubernetes": ("compute", "identity"),
}
_OF_DEPLOYMENT: Mapping[Kind, tuple[str, ...]] = {
    "managed": ("egress_public_network_access", "private_network_connection", "scale_settings"),
    "kubernetes": ("scale_settings",),
}
_IGNORED = "code: an empty .amlignore keeps what the folder's ignore files would leave out, as v1 does"
# Any name is legal in a file; the cluster's own is not known here.
_COMPUTE = "azureml:k8s-compute"


def endpoint_text(endpoint: OnlineEndpoint, kind: Kind) -> tuple[str, list[Change]]:
    """Write `endpoint.yml`; without traffic, which the cloud accepts only once the deployments exist."""
    mode, notes_on_mode = auth_mode(endpoint, kind)
    kept, lost = kept_settings(endpoint.cloud_settings, _OF_ENDPOINT[kind])
    notes = [*notes_on_service(endpoint, kind), notes_on_mode, *lost]
    name = cloud_name(endpoint.name)
    if name != endpoint.name:
        notes.append(f"name: the cloud refuses '{endpoint.name}': it is {name}")
    comments = {}
    if kind == "kubernetes" and "compute" not in kept:
        kept = {"compute": _COMPUTE, **kept}
        comments["compute"] = "The attached cluster's name: --set compute=azureml:NAME; deploy.sh takes COMPUTE."
        notes.append(f"compute: the cluster is not known here: {_COMPUTE} stands for it")
    document = {
        "$schema": f"{_SCHEMAS}/{kind}OnlineEndpoint.schema.json",
        "name": name,
        "auth_mode": mode,
        **kept,
        "description": endpoint.description,
        "tags": endpoint.tags,
        "properties": endpoint.properties,
    }
    head = [f"Written by amlemu from endpoint {endpoint.name}, target {endpoint.target}."]
    return _with_changes(head, "endpoint.yml", notes, document, comments)


def model_text(document: Mapping[str, Any]) -> str:
    """`model-NAME.yml`."""
    return yaml_text([], {"$schema": f"{_SCHEMAS}/model.schema.json", **document})


def _notes_on_difference(difference: Difference) -> str:
    kind = "will fail in the cloud" if difference.group == "fails_in_cloud" else "differs here from the cloud"
    return f"{kind}: {difference}"


def environment_text(part: Part) -> tuple[str, list[Change]]:
    """`environment-NAME.yml`."""
    assert part.environment is not None
    document = {"$schema": f"{_SCHEMAS}/environment.schema.json"} | part.environment.part(part.environment_folder)
    return _with_changes([], part.environment_file, part.environment.changes, document, {})


def deployment_text(part: Part, endpoint: str, kind: Kind) -> tuple[str, list[Change]]:
    """`NAME-deployment.yml`: the model and the environment are in it, so that the file can be used alone."""
    deployment = part.deployment
    size = instance_type(deployment)
    settings, notes_on_settings = request_settings(deployment, kind)
    kept, lost = kept_settings(with_v2_words(deployment.cloud_settings), _OF_DEPLOYMENT[kind])
    kept, notes_on_scale = scale_settings(kept, kind)
    notes = [
        *_notes_on_models(part),
        *notes_on_settings,
        *lost,
        *notes_on_scale,
        *([size.note] if kind == "managed" else []),
        *_notes_on_this_machine(part),
        *notes_on_container(deployment, kind),
        *([_IGNORED] if needs_ignore_file(part) else []),
        *map(_notes_on_difference, deployment.differences),
    ]
    document = {
        "$schema": f"{_SCHEMAS}/{kind}OnlineDeployment.schema.json",
        "name": part.name,
        "endpoint_name": endpoint,
        "type": "kubernetes" if kind == "kubernetes" else None,
        "model": {key: value for key, value in part.model.document.items() if value} if part.model else None,
        "model_mount_path": deployment.model_mount_path,
        "code_configuration": {"code": part.code_folder, "scoring_script": part.script} if part.code_folder else None,
        "environment": part.environment_reference or _own_environment(part),
        "environment_variables": dict(part.source.variables),
        "instance_type": size.value if kind == "managed" else deployment.instance_type,
        "instance_count": deployment.instance_count,
        "resources": _resources(deployment, kind),
        "app_insights_enabled": deployment.app_insights_enabled,
        "request_settings": settings,
        "liveness_probe": deployment.liveness_probe.model_dump(),
        "readiness_probe": deployment.readiness_probe.model_dump(),
        **kept,
        "data_collector": _data_collector(deployment.data_collector),
        "description": deployment.description,
        "tags": deployment.tags,
        "properties": deployment.properties,
    }
    head = [f"Written by amlemu from deployment {deployment.name} of endpoint {deployment.endpoint_name}."]
    return _with_changes(head, part.file, notes, document, _comments(part, size.note))


def _comments(part: Part, notes_on_size: str) -> dict[str, str]:
    found = {}
    if not part.source.has_values and part.source.variables:
        name = next(iter(part.source.variables))
        found["environment_variables"] = (
            f"Values are not exported: --set environment_variables.{name}=VALUE fills {placeholder(name)};"
            " amlemu export --include-values writes them."
        )
    if notes_on_size:
        found["instance_type"] = "Any size of Microsoft's page 'Managed online endpoints SKU list'."
    return found


def _notes_on_models(part: Part) -> list[str]:
    if not part.model or not part.model.is_combined:
        return []
    count = len(part.source.models)
    found = [f"model: a v2 deployment takes one: the {count} models are one folder, {FOLDER}/NAME/VERSION of each"]
    if part.script:
        found.append(
            f"scoring_script: {part.script} points AZUREML_MODEL_DIR at that folder, then {part.own_script} runs as it"
            " is; Model.get_model_path does not find the models there"
        )
    else:
        found.append(f"AZUREML_MODEL_DIR is one folder above: the container finds them in $AZUREML_MODEL_DIR/{FOLDER}")
    return found


def _notes_on_this_machine(part: Part) -> list[str]:
    deployment = part.deployment
    found = []
    if deployment.gpus:
        found.append(f"gpus: {deployment.gpus}: choose an instance_type with GPUs, such as Standard_NC4as_T4_v3")
    if deployment.debug_port:
        found.append(f"debug: the debugger at port {deployment.debug_port} is not exported")
    if part.source.name != part.name:
        found.append(f"name: the cloud refuses '{part.source.name}': it is {part.name}")
    if part.environment is None and not part.environment_reference:
        found.append("environment: left out: the cloud makes it for such a model without a script")
    return found


def _own_environment(part: Part) -> dict[str, Any] | None:
    return part.environment.part(part.environment_folder) if part.environment else None


def _resources(deployment: OnlineDeployment, kind: Kind) -> dict[str, Any] | None:
    return deployment.resources.model_dump(mode="json") if deployment.resources and kind == "kubernetes" else None


def _data_collector(collector: DataCollector | None) -> dict[str, Any] | None:
    """As the file has it: `enabled` is a text there (row collection.available)."""
    if collector is None:
        return None
    collections = {}
    for name, one in collector.collections.items():
        data = one.data["name"] if one.data and set(one.data) == {"name"} else one.data
        given = {"enabled": str(one.enabled), "data": data, "client_id": one.client_id}
        collections[name] = {key: value for key, value in given.items() if value is not None}
    headers = {"capture_headers": list(collector.capture_headers)} if collector.capture_headers else None
    found = {
        "collections": collections,
        "rolling_rate": collector.rolling_rate,
        "sampling_rate": collector.sampling_rate,
        "request_logging": headers,
    }
    return {key: value for key, value in found.items() if value is not None}


def _with_changes(
    head: Sequence[str], file: str, notes: Sequence[str], document: Mapping[str, Any], comments: Mapping[str, str]
) -> tuple[str, list[Change]]:
    changes = [Change(file, text) for text in dict.fromkeys(notes) if text]
    lines = [*head, *(["Not as it is here:"] if changes else []), *(f"- {change.text}" for change in changes)]
    return yaml_text(lines, document, comments), changes


def needs_ignore_file(part: Part) -> bool:
    """Whether the code needs an `.amlignore` of its own: v1 takes what its ignore files name, v2 does not."""
    return is_v1(part.deployment.target) and bool({".amlignore", ".gitignore"} & set(part.source.code_files))
