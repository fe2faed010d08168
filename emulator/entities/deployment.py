"""An online deployment: models, code, environment and settings behind an endpoint."""

from __future__ import annotations

import posixpath
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from emulator.entities.base import Differences, Entity, TextOr, check_local_path, rule
from emulator.entities.endpoint import AuthMode, ProvisioningState, Target, put_in_small_letters
from emulator.entities.environment import Environment, InferenceConfig, Platform
from emulator.entities.model import ModelRequest
from emulator.entities.reference import parse_model_reference
from emulator.entities.resources import ResourceRequirements
from emulator.errors import BadArgument
from emulator.names import (
    check_collection_name,
    check_deployment_name,
    check_endpoint_name,
    check_key,
    is_segment,
    shown,
)
from emulator.secret import Secret

_MOST_GENERATIONS = 2**53  # the largest whole number that every JSON parser reads exactly
_VARIABLE_NAME = re.compile(r"[^=\0]+")


LARGEST = 2**31 - 1
"""The largest whole number that Kubernetes, and so the cloud, accepts for a setting."""


class ProbeSettings(Entity):
    """A probe's settings in seconds and counts; the defaults are the cloud's (row probes.liveness)."""

    initial_delay: int = Field(10, ge=1, le=LARGEST)
    period: int = Field(10, ge=1, le=LARGEST)
    timeout: int = Field(2, ge=1, le=LARGEST)
    success_threshold: int = Field(1, ge=1, le=LARGEST)
    failure_threshold: int = Field(30, ge=1, le=LARGEST)

    def over(self, defaults: ProbeSettings) -> ProbeSettings:
        """Return these settings, completed with `defaults`."""
        return defaults.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})

    @property
    def budget_seconds(self) -> int:
        """Return how long a start may take before the cloud would give up."""
        return self.initial_delay + self.period * self.failure_threshold


class OnlineRequestSettings(Entity):
    """Admission and time-outs (rows timeouts.*, concurrency.*).

    None in a request means the target's default; in a stored deployment, that the target has no such bound.
    """

    request_timeout_ms: int | None = Field(None, ge=1, le=300_000)
    max_concurrent_requests_per_instance: int | None = Field(None, ge=1, le=LARGEST)
    max_queue_wait_ms: int | None = Field(None, ge=0, le=LARGEST)


class Collection(Entity):
    """One kind of data that is collected: `request` and `response`, or the name of a Collector in the script."""

    enabled: bool
    data: dict[str, Any] | None = None
    client_id: str | None = None


class DataCollector(Entity):
    """What of a deployment's traffic is kept (rows collection.*): `sampling_rate` is a share from 0 to 1."""

    collections: dict[Annotated[str, rule(check_collection_name)], Collection] = {}
    sampling_rate: float = Field(1.0, ge=0.0, le=1.0)
    rolling_rate: Literal["minute", "hour", "day"] = "hour"
    capture_headers: tuple[str, ...] = ()


def _check_code_folder(path: str) -> str:
    """Return the absolute folder with a name as its last part, which the container keeps: `..` is resolved."""
    checked = check_local_path(path)
    return posixpath.normpath(checked) if posixpath.basename(checked.rstrip("/")) in (".", "..") else checked


def _check_script_path(path: str) -> str:
    """Return the normalized path below the code folder: `./score.py` is `score.py`."""
    plain = posixpath.normpath(path)
    if posixpath.isabs(plain) or plain.split("/")[0] in ("", ".", "..") or "\0" in path:
        raise BadArgument(f"'{shown(path)}' is not the path of a script below the code folder")
    return plain


class CodeConfiguration(Entity):
    """`code` is the folder as the user gave it, `scoring_script` the script's path below it, with '/'."""

    code: str
    scoring_script: Annotated[str, rule(_check_script_path)]


def _check_variables(variables: dict[str, Secret]) -> dict[str, Secret]:
    for name, value in variables.items():
        if not _VARIABLE_NAME.fullmatch(name) or "\0" in value.reveal():
            raise ValueError(f"'{name}' cannot be an environment variable")
    return variables


def _check_mount_path(path: str) -> str:
    plain = posixpath.normpath(path)
    if not posixpath.isabs(plain) or plain.strip("/") == "" or "\0" in path:
        raise ValueError(f"'{path}' is not the absolute path of a folder in the container")
    return plain


class DeploymentSettings(Entity):
    """What a deployment keeps of its request as it is.

    Limits of values are the request's: documents that earlier versions have stored are read as they are.
    """

    name: Annotated[str, rule(check_deployment_name)]
    endpoint_name: Annotated[str, rule(check_endpoint_name)]
    explicit_source_dir: bool = False
    model_mount_path: Annotated[str, AfterValidator(_check_mount_path)] | None = None
    environment_variables: dict[str, Secret] = {}
    instance_count: int = 1
    app_insights_enabled: bool = False
    data_collector: DataCollector | None = None
    description: str = ""
    tags: dict[str, str] = {}
    properties: dict[str, str] = {}
    cloud_settings: dict[str, Any] = {}
    gpus: str | None = None
    instance_type: str | None = None
    resources: ResourceRequirements | None = None
    debug_port: int | None = None
    is_from_files: bool = False

    def settings(self) -> dict[str, Any]:
        """Return the settings by name, for another entity that has them."""
        return {name: getattr(self, name) for name in DeploymentSettings.model_fields}


CondaChoice = Literal["auto", "channels", "pip"]


class DeploymentRequest(DeploymentSettings):
    """What a caller asks for; the workspace resolves it into an OnlineDeployment.

    `models` are references, or models of the request's own that are registered on the way.  `code` is an absolute
    folder, None together with `scoring_script` where the container needs no script.  `environment` is an absolute file,
    a `name:version`, an environment of the request's own, or None for the file beside the script or the built-in
    default.  `explicit_source_dir` tells whether the user named the folder, which decides the layout of v1's targets
    (row layout.script_alone).  `conda` says where conda packages come from (`auto`, `channels`, `pip`), None as the
    emulator is set.  `platform` goes before the environment's own.  What the probes leave open is the target's default.
    `is_from_files` tells that Azure's own files describe it: it gets the share of the traffic that its target gives.
    `cloud_settings` are fields that only the cloud acts upon, kept for whoever reads the deployment; `differences` is
    what the door has found in that respect.
    """

    name: Annotated[str, rule(check_deployment_name)] = "blue"
    models: tuple[TextOr[ModelRequest], ...] = ()
    code: Annotated[str, rule(_check_code_folder)] | None = None
    scoring_script: Annotated[str, rule(_check_script_path)] | None = None
    environment: TextOr[Environment] | None = None
    conda: CondaChoice | None = None
    platform: Platform | None = None
    target: Target | None = None
    port: int | None = Field(None, ge=1, le=65535)
    environment_variables: Annotated[dict[str, Secret], AfterValidator(_check_variables)] = {}
    instance_count: int = Field(1, ge=1, le=1000)
    request_settings: OnlineRequestSettings = OnlineRequestSettings()
    liveness_probe: ProbeSettings | None = None
    readiness_probe: ProbeSettings | None = None
    auth_mode: AuthMode | None = None
    primary_key: Annotated[str, rule(check_key)] | None = Field(None, repr=False)
    differences: Differences = ()
    instance_type: str | None = Field(None, min_length=1, max_length=64)
    debug_port: int | None = Field(None, ge=1, le=65535)

    @model_validator(mode="after")
    def _names_in_small_letters(self) -> DeploymentRequest:
        put_in_small_letters(self, "name", "endpoint_name")
        return self

    @field_validator("models")
    @classmethod
    def _no_model_twice(cls, models: tuple[str | ModelRequest, ...]) -> tuple[str | ModelRequest, ...]:
        named = [model for model in models if isinstance(model, str)]
        if len(set(named)) != len(named):
            raise ValueError("the same model is named twice")
        return models

    @model_validator(mode="after")
    def _script_with_its_folder(self) -> DeploymentRequest:
        if (self.code is None) != (self.scoring_script is None):
            raise ValueError("code and scoring_script belong together: give both, or none for a container without one")
        return self

    @property
    def code_configuration(self) -> CodeConfiguration | None:
        """Return the script and its folder, None without a script."""
        if self.code is None or self.scoring_script is None:
            return None
        return CodeConfiguration(code=self.code, scoring_script=self.scoring_script)


def _check_model_id(text: str) -> str:
    if parse_model_reference(text).version is None:
        raise BadArgument(f"'{shown(text)}' does not name a version of a model")
    return text


def _check_image(digest: str) -> str:
    if not is_segment(digest):
        raise BadArgument(f"'{shown(digest)}' is not the digest of an image")
    return digest


class OnlineDeployment(DeploymentSettings):
    """A deployment as it is stored.

    `models` are exact versions.  `generation` is the number of this deploy, which no other of the workspace ever has;
    it has its own layout folder and its own containers.  `serving` says that this generation's containers belong behind
    the endpoint, also while an update of it fails.  `image` is the environment's digest, `image_reference` what of it
    the engine has: an image pinned by its digest, or a folder.  `own_command` says that the image's own command runs in
    the container, not amlemu's launcher.  `differences` is where this run departs from the cloud, `error` the reason of
    provisioning_state Failed.
    `read_only_mounts` tells how the generation was laid out: hard links that a container must not write to, or copies
    that it may.
    """

    generation: int = Field(ge=1, le=_MOST_GENERATIONS)
    models: tuple[Annotated[str, rule(_check_model_id)], ...] = ()
    code_configuration: CodeConfiguration | None = None
    environment: str
    environment_source: str = ""
    inference_config: InferenceConfig | None = None
    image: Annotated[str, rule(_check_image)]
    image_reference: str = ""
    own_command: bool = False
    engine: str
    target: Target
    request_settings: OnlineRequestSettings = OnlineRequestSettings()
    liveness_probe: ProbeSettings = ProbeSettings()
    readiness_probe: ProbeSettings = ProbeSettings()
    read_only_mounts: bool = True
    differences: Differences = ()
    serving: bool = False
    provisioning_state: ProvisioningState = "Creating"
    error: dict[str, Any] | None = None
    created_at: str
