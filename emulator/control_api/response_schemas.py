"""The shapes of answers, for the OpenAPI document: what `resources` makes, as models.

Entities stand for themselves here; what is written down is only what `resources` adds to them.
"""

from __future__ import annotations

from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, create_model
from pydantic.alias_generators import to_camel

from emulator.containers.usage import Machine
from emulator.control_api.resources import HIDDEN
from emulator.difference import Difference
from emulator.entities import Environment, Model, OnlineDeployment, OnlineEndpoint, ProvisioningState, Role
from emulator.workspace.health.instance_state import InstanceState

P = TypeVar("P")
F = TypeVar("F")


class Shape(BaseModel):
    """An object that has these fields and no others."""

    # Nothing is ever validated by most of them: their schemas are for whoever asks for the document.
    model_config = ConfigDict(extra="forbid", protected_namespaces=(), defer_build=True)


class AzureShape(Shape):
    """The same with the names that Azure's REST resources have."""

    model_config = Shape.model_config | {"alias_generator": to_camel}


# errors


class ErrorDetail(Shape):
    """One fault of a document."""

    message: str
    where: str
    field: str


class Error(Shape):
    """What went wrong: Azure's fields, and ours beside them."""

    code: str
    message: str
    target: str
    details: list[ErrorDetail]
    hint: str
    log_tail: str


class ErrorAnswer(Shape):
    """Every failure."""

    error: Error


# the server


class Health(Shape):
    """That the server lives."""

    status: Literal["ok"]
    version: str


class Ready(Shape):
    """That everything is there."""

    status: Literal["ready"]


class Info(BaseModel):
    """Who the server is, and how it was set."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    version: str
    api_version: str
    workspace_id: str | None = None
    engine: str | None = None
    engine_reason: str | None = None
    pid: int | None = None
    url: str | None = None
    gateway_port: int | None = None
    home: str | None = None
    caller: str | None = None
    role: Role | None = None
    takes_paths: bool | None = None
    platform: str | None = None
    settings: dict[str, Any] | None = None


class OpenApi(BaseModel):
    """An OpenAPI document."""

    model_config = ConfigDict(extra="allow", defer_build=True)

    openapi: str


class Stopping(Shape):
    """That the server ends."""

    status: Literal["stopping"]


class Pruned(Shape):
    """What was removed, or would be, a line for each thing."""

    removed: list[str]


class DamagedFile(Shape):
    """A document that cannot be read, and the resource that it takes out of service."""

    resource: str
    file: str
    fault: str


class Damaged(Shape):
    """Documents that cannot be read, and what prune keeps because they may use it, a line for each thing."""

    value: list[DamagedFile]
    kept: list[str]


class TokenOfAccess(Shape):
    """A token that was handed out: without the token itself."""

    name: str
    role: Role
    created_at: str


class TokensOfAccess(Shape):
    """Tokens that were handed out."""

    value: list[TokenOfAccess]


class NewTokenOfAccess(TokenOfAccess):
    """A new token, told this once."""

    token: str


# resources


class Resource(Shape, Generic[P, F]):
    """Azure's shape, and `amlemu` with everything as it is kept here."""

    id: str
    name: str
    type: str
    tags: dict[str, str]
    properties: P
    amlemu: F


class ModelProperties(AzureShape):
    """A model version as Azure's REST resource has it."""

    description: str
    is_archived: bool
    is_anonymous: bool
    model_type: str
    model_uri: str
    flavors: dict[str, Any]
    properties: dict[str, str]
    tags: dict[str, str]


class ModelVersion(Resource[ModelProperties, Model]):
    """A model version."""


class ModelVersions(Shape):
    """Model versions."""

    value: list[ModelVersion]


class EnvironmentProperties(AzureShape):
    """An environment version as Azure's REST resource has it."""

    description: str
    image: str | None
    is_archived: bool
    os_type: Literal["Linux"]
    build: dict[str, str] | None
    inference_config: dict[str, Any] | None


def _answered_fields(entity: type[BaseModel], hidden: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the entity's fields as answers have them: `differences` as texts, their details beside them."""
    kept = {name: field for name, field in entity.model_fields.items() if name not in hidden | {"differences"}}
    return {
        **{name: (field.annotation, field) for name, field in kept.items()},
        "differences": (list[str], ...),
        "difference_details": (list[Difference], ...),
    }


FlatEnvironment: Any = create_model(
    "FlatEnvironment",
    __base__=Shape,
    __doc__="An environment, with the digest of what it builds and the Dockerfile for it.",
    **_answered_fields(Environment),
    digest=(str, ...),
    dockerfile=(str, ...),
)


class EnvironmentVersion(Resource[EnvironmentProperties, FlatEnvironment]):
    """An environment version."""


class EnvironmentVersions(Shape):
    """Environment versions."""

    value: list[EnvironmentVersion]


FlatDeployment: Any = create_model(
    "FlatDeployment",
    __base__=Shape,
    __doc__="A deployment: of its environment variables only the names.",
    **_answered_fields(OnlineDeployment, HIDDEN),
    environment_variables=(list[str], ...),
    instances=(list[InstanceState], ...),
)

FlatEndpoint: Any = create_model(
    "FlatEndpoint",
    __base__=Shape,
    __doc__="An endpoint with its addresses and its deployments; `out_of_service` says why nobody can call it, if so.",
    **_answered_fields(OnlineEndpoint),
    scoring_uri=(str, ...),
    openapi_uri=(str, ...),
    deployments=(list[FlatDeployment], ...),
    requests_abandoned=(int, ...),
    out_of_service=(str, ...),
    damaged=(list[str], []),
)


class EndpointProperties(AzureShape):
    """An endpoint as Azure's REST resource has it."""

    auth_mode: Literal["Key", "AMLToken", "AADToken", "None"]
    scoring_uri: str
    swagger_uri: str
    traffic: dict[str, int]
    mirror_traffic: dict[str, int]
    provisioning_state: ProvisioningState
    description: str
    properties: dict[str, str]


class Endpoint(Resource[EndpointProperties, FlatEndpoint]):
    """An online endpoint."""


class Endpoints(Shape):
    """Online endpoints."""

    value: list[Endpoint]


class DeploymentProperties(AzureShape):
    """A deployment as Azure's REST resource has it; durations are ISO 8601."""

    code_configuration: dict[str, str] | None
    endpoint_compute_type: Literal["Kubernetes", "Managed"]
    model: str | None
    environment_id: str
    instance_type: str | None
    provisioning_state: ProvisioningState
    request_settings: dict[str, Any]
    liveness_probe: dict[str, Any]
    readiness_probe: dict[str, Any]
    scale_settings: dict[str, str]


class Deployment(Resource[DeploymentProperties, FlatDeployment]):
    """An online deployment."""


class Deployments(Shape):
    """Online deployments."""

    value: list[Deployment]


class BegunProperties(AzureShape):
    """How far it is."""

    provisioning_state: Literal["Creating", "Updating"]


class DeploymentBegun(Shape):
    """A deployment that is being made, and the id of the operation that makes it."""

    id: str
    name: str
    type: str
    properties: BegunProperties
    operation: str


class Keys(BaseModel):
    """The keys, by the names that the endpoint's target has."""

    model_config = ConfigDict(extra="allow", alias_generator=to_camel, defer_build=True)

    primary_key: str | None = None
    secondary_key: str | None = None


class Token(BaseModel):
    """A token, in the fields that the endpoint's target has; times are seconds since 1970, UTC."""

    model_config = ConfigDict(extra="allow", alias_generator=to_camel, defer_build=True)

    access_token: str | None = None
    expiry_time_utc: int | None = None
    refresh_after_time_utc: int | None = None
    token_type: str | None = None


class LaidOutFile(Shape):
    """A file below /var/azureml-app, with its bytes."""

    path: str
    size: int


class Explained(Shape):
    """Why a request was answered so: the cause in one line, and what to do next."""

    cause: str
    hint: str


class LayoutTree(Shape):
    """What a deployment's container sees."""

    files: list[LaidOutFile]
    variables: dict[str, str]


class ExportedDeployment(Shape):
    """Everything that a deployment is made of."""

    deployment: OnlineDeployment
    environment: Environment
    environment_is_registered: bool
    models: list[Model]
    platform_variables: dict[str, str]
    code_files: list[str]
    image: str


class Export(Shape):
    """Everything that an endpoint is made of."""

    endpoint: OnlineEndpoint
    deployments: list[ExportedDeployment]
    machine: Machine
    left_out: list[str]


# operations


class OperationBegun(Shape):
    """The id of an operation that goes on."""

    operation: str


class OperationStatus(AzureShape):
    """How an operation is doing."""

    id: str
    name: str
    status: Literal["InProgress", "Succeeded", "Failed", "Canceled"]
    start_time: str
    end_time: str | None = None
    error: Error | None = None


class ServerSentEvent(Shape):
    """One event of a stream: `data` is a JSON object with `kind`, which is the event's name, and `text`; that of `end`
    has the operation's status in place of a text."""

    id: str
    event: Literal["step", "log", "end"]
    data: str


class OperationResult(BaseModel):
    """What the operation has made: a deployment, or `image`; empty while it goes on."""

    model_config = ConfigDict(extra="allow", defer_build=True)
