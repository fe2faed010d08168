"""Requests for the control API made of files: of an endpoint, of each deployment, of a model.

Settings that only the cloud acts upon are kept as `cloud_settings`, each with a difference.
"""

from __future__ import annotations

import ntpath
import posixpath
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from emulator.azure_files.v2.deployment import DataCollectorFile
from emulator.azure_files.v2.endpoint import EndpointFile
from emulator.azure_files.v2.load import ReadDeployment, ReadFiles
from emulator.azure_files.v2.model import ModelFile, ModelPart
from emulator.azure_files.v2.overrides import Setting, with_settings
from emulator.azure_files.v2.placeholders import secret_reference
from emulator.azure_files.v2.source_file import Source, left_open, parsed, refuse_all
from emulator.azure_files.v2.validation import checked, salvaged
from emulator.difference import Difference, differs, only_here
from emulator.documents.yaml_document import Document
from emulator.environments import azure_environment
from emulator.errors import BadDocument, Fault

_MODEL_KEYS = {"name", "version", "type", "description", "tags", "properties"}
_CLOUD_ONLY: Mapping[str, str] = {
    "compute": "the containers run on this machine",
    "identity": "no identity is given to the container",
    "public_network_access": "the endpoint listens where the emulator does",
    "egress_public_network_access": "the container reaches what this machine reaches",
    "private_network_connection": "there is no private network",
    "package_model": "the model is laid out, not packaged",
}


@dataclass(frozen=True)
class Disk:
    """The user's files: `kind` says what lies at an absolute path, `read` gives a file's text or raises BadArgument."""

    kind: Callable[[str], Literal["file", "folder", ""]]
    read: Callable[[str], str]


def endpoint_request(file: EndpointFile, target: str) -> dict[str, Any]:
    """The endpoint as the control API takes it; its traffic is set once its deployments are there."""
    kept = file.cloud_settings
    return {
        "target": target,
        "auth_mode": file.auth_mode,
        "description": file.description,
        "tags": file.tags,
        "properties": file.properties,
        "cloud_settings": kept,
        "differences": [_cloud_only(key, kept[key]).to_document() for key in kept],
    }


def deployment_requests(
    files: ReadFiles, disk: Disk, variables: Mapping[str, str]
) -> tuple[list[tuple[str, dict[str, Any]]], list[Fault]]:
    """Each deployment's name and document, and everything that is wrong with what the files name.

    `variables` are the command line's, which win over the file's.
    """
    faults: list[Fault] = []
    return [(one.file.name, _request(one, disk, variables, faults)) for one in files.deployments], faults


def deployment_faults(deployments: Sequence[ReadDeployment], disk: Disk, variables: Mapping[str, str]) -> list[Fault]:
    """Everything that is wrong with what the deployments' files name."""
    faults: list[Fault] = []
    for one in deployments:
        _request(one, disk, variables, faults)
    return faults


def _request(
    deployment: ReadDeployment, disk: Disk, variables: Mapping[str, str], faults: list[Fault]
) -> dict[str, Any]:
    file = deployment.file
    code = _code(deployment, disk, faults)
    kept = _kept(deployment)
    resources = getattr(file, "resources", None)
    request = {
        "models": _models(deployment, disk, faults),
        "environment": _environment(deployment, disk, faults),
        "environment_variables": _variables(deployment, variables, faults),
        "request_settings": file.request_settings.model_dump(exclude_none=True) if file.request_settings else {},
        "instance_type": file.instance_type,
        "resources": resources.model_dump(mode="json") if resources else None,
        "instance_count": _instance_count(deployment),
        "app_insights_enabled": file.app_insights_enabled,
        "data_collector": _data_collector(file.data_collector),
        "model_mount_path": file.model_mount_path,
        "description": file.description,
        "tags": file.tags,
        "properties": file.properties,
        "cloud_settings": kept,
        "differences": [difference.to_document() for difference in _differences(deployment, kept)],
    }
    for name in ("liveness_probe", "readiness_probe"):
        probe = getattr(file, name)
        request[name] = probe.model_dump(exclude_none=True) if probe else None
    return request | code


def _code(deployment: ReadDeployment, disk: Disk, faults: list[Fault]) -> dict[str, Any]:
    configuration = deployment.file.code_configuration
    if configuration is None:
        return {"code": None, "scoring_script": None}
    folder = absolute(deployment.source.folder, configuration.code)
    script = posixpath.join(folder, configuration.scoring_script)
    fault = deployment.document.fault
    if disk.kind(folder) != "folder":
        faults.append(fault(("code_configuration", "code"), f"there is no folder '{configuration.code}'"))
    elif disk.kind(script) != "file":
        message = f"there is no '{configuration.scoring_script}' in '{configuration.code}'"
        faults.append(fault(("code_configuration", "scoring_script"), message))
    return {"code": folder, "scoring_script": configuration.scoring_script, "explicit_source_dir": True}


def _models(deployment: ReadDeployment, disk: Disk, faults: list[Fault]) -> list[Any]:
    model = deployment.file.model
    if model is None or isinstance(model, str):
        return [model] if model else []
    return [model_request(model, deployment.source.folder, disk, deployment.document.part("model"), faults)]


def model_request(model: ModelPart, folder: str, disk: Disk, document: Document, faults: list[Fault]) -> dict[str, Any]:
    """A model as the control API registers it; its path is relative to `folder`."""
    path = absolute(folder, model.path)
    if not disk.kind(path):
        faults.append(document.fault(("path",), f"there is no '{model.path}'"))
    return model.model_dump(include=_MODEL_KEYS) | {"path": path}


def _environment(deployment: ReadDeployment, disk: Disk, faults: list[Fault]) -> Any:
    environment = deployment.file.environment
    if environment is None or isinstance(environment, str):
        return environment

    def read(path: str) -> str:
        return disk.read(absolute(deployment.source.folder, path))

    try:
        read_one = azure_environment(deployment.document.part("environment"), read, deployment.source.folder)
    except BadDocument as error:
        faults += error.faults or [deployment.document.fault(("environment",), error.message)]
        return None
    return read_one.revealed_document(exclude_unset=True)


def _variables(deployment: ReadDeployment, given: Mapping[str, str], faults: list[Fault]) -> dict[str, str]:
    variables = deployment.file.environment_variables | dict(given)
    for name, value in variables.items():
        reference = secret_reference(value)
        if reference and name not in given:
            message = f"the secret {reference} is the cloud's: --env or --env-file gives {name} a value"
            faults.append(deployment.document.fault(("environment_variables", name), message))
    return variables


def _instance_count(deployment: ReadDeployment) -> int:
    scale = deployment.file.scale_settings
    return deployment.file.instance_count or (scale.min_instances if scale and scale.min_instances else 1)


def _data_collector(collector: DataCollectorFile | None) -> dict[str, Any] | None:
    if collector is None:
        return None
    collections = {
        name: {
            "enabled": one.enabled == "true",
            "data": {"name": one.data} if isinstance(one.data, str) else one.data,
            "client_id": one.client_id,
        }
        for name, one in collector.collections.items()
    }
    given = collector.model_dump(include={"rolling_rate", "sampling_rate"}, exclude_none=True)
    headers = collector.request_logging.capture_headers if collector.request_logging else []
    return given | {"collections": collections, "capture_headers": headers}


def _kept(deployment: ReadDeployment) -> dict[str, Any]:
    keys = {"egress_public_network_access", "private_network_connection", "package_model", "scale_settings"}
    kept: dict[str, Any] = deployment.file.model_dump(include=keys, exclude_none=True)
    return kept


def _differences(deployment: ReadDeployment, kept: Mapping[str, Any]) -> list[Difference]:
    found = [_cloud_only(key, kept[key]) for key in kept if key in _CLOUD_ONLY]
    scale = deployment.file.scale_settings
    if scale and scale.type == "target_utilization":
        count = _instance_count(deployment)
        text = f"scale_settings: {count} {'instance runs' if count == 1 else 'instances run'}, none more under load"
        found.append(differs("scaling.fixed", text))
    return found


def _cloud_only(key: str, value: object) -> Difference:
    shown = value["type"] if isinstance(value, dict) else value
    return only_here(f"cloud_setting.{key}", f"{key}: {shown} is only for the cloud: {_CLOUD_ONLY[key]}")


def absolute(folder: str, path: str) -> str:
    """`path` as a file of `folder` names it, absolute and without detours.

    >>> absolute("/repo/deploy", "../model/./weights.pkl")
    '/repo/model/weights.pkl'
    """
    system = ntpath if re.match(r"[A-Za-z]:[\\/]|\\\\", folder) else posixpath
    return str(system.normpath(system.join(folder, path)))


def read_model_file(source: Source, disk: Disk, settings: Sequence[Setting] = ()) -> dict[str, Any]:
    """Return the registration of a model.yml for the control API; BadDocument lists every fault."""
    document = with_settings(parsed(source), settings)
    left = left_open(document)
    file, found = checked(document, ModelFile)
    told = {fault.field for fault in left}
    faults = [*left, *(fault for fault in found if fault.field not in told)]
    missing: list[Fault] = []
    rest = file or salvaged(document, ModelFile)
    request = model_request(rest, source.folder, disk, document, missing) if rest else {}
    told = {fault.field for fault in faults}
    refuse_all([source.file], [*faults, *(fault for fault in missing if fault.field not in told)])
    return request
