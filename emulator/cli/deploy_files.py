"""`deploy -f`: Azure ML's own endpoint and deployment files, and the flags that override them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from emulator.azure_files import (
    Setting,
    deployment_faults,
    deployment_requests,
    endpoint_request,
    parse_setting,
    read_files,
    refuse_all,
)
from emulator.cli.deploy_flags import environment_of, given_request_settings
from emulator.cli.deploy_plan import DeployPlan
from emulator.cli.files import disk, read_source

# Flags that override the files, for every deployment of the command.
_FLAGS = (
    "port",
    "primary_key",
    "gpus",
    "debug_port",
    "instance_count",
    "instance_type",
    "auth_mode",
    "conda",
    "platform",
    "model_mount_path",
)
# Flags for keys of deployment files, which may then be missing there, or placeholders.
_KEYS = ("instance_type", "instance_count")
_IN_PLACE_OF = {"environment": "environment", "model": "models"}

Json = dict[str, Any]


def plan_files(options: Mapping[str, Any], variables: Mapping[str, str]) -> DeployPlan:
    """Read the files of `options`, overridden by flags; BadDocument with every fault of every file."""
    sources = [read_source(path) for path in options["files"]]
    settings = [parse_setting(text) for text in options["settings"]]
    given = {key: options[key] for key in _KEYS if options[key] is not None}
    settings += [Setting((key,), value, "deployment", f"--{key.replace('_', '-')}") for key, value in given.items()]
    files = read_files(
        sources,
        settings,
        name=options["endpoint"] or "",
        deployment=options["deployment"] or "",
        replaced=[key for key, flag in _IN_PLACE_OF.items() if options[flag]],
        also=lambda deployments: deployment_faults(deployments, disk(), variables),
    )
    requests, faults = deployment_requests(files, disk(), variables)
    refuse_all([source.file for source in sources], faults)
    target = options["target"] or ("kubernetes" if files.is_kubernetes else "managed")
    if options["all_traffic"] and len(requests) != 1:
        raise click.UsageError("--all-traffic gives everything to one deployment: name one file of a deployment")
    endpoint = files.endpoint
    own = {"target": target, "is_from_files": True}
    return DeployPlan(
        endpoint_name=files.endpoint_name,
        endpoint=_of_endpoint(endpoint_request(endpoint, target), options) if endpoint else None,
        deployments=tuple((name, own | _with_flags(request, options)) for name, request in requests),
        traffic={requests[0][0]: 100} if options["all_traffic"] else endpoint.traffic if endpoint else None,
        mirror_traffic=endpoint.mirror_traffic if endpoint else None,
        document=files.endpoint_document,
        is_from_files=True,
    )


def _of_endpoint(request: Json, options: Mapping[str, Any]) -> Json:
    given = {key: options[key] for key in ("auth_mode", "port", "primary_key") if options[key] is not None}
    return request | given


def _with_flags(request: Json, options: Mapping[str, Any]) -> Json:
    given = {key: options[key] for key in _FLAGS if options[key] is not None}
    given["request_settings"] = request["request_settings"] | given_request_settings(options)
    if options["models"]:
        given["models"] = list(options["models"])
    if options["environment"] is not None:
        given["environment"] = environment_of(options["environment"])
    return request | given
